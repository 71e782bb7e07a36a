//! *Authenticate with API*: tokens and sessions.

use serde_json::{Value, json};

use super::{Reader, Told};

/// The example request of the document, as curl sends it. Of the three kinds of credential that it names, API keys are
/// taken; passwords and OAuth2 clients are not: Tidegate has neither.
const LOGIN: &str = r#"
curl -X POST -H "Content-Type: application/json" -d '
{
"api_key": "your_api_key_here",
"session_id": "optional_custom_session_id"
}' https://api.bindist.eu/auth/login"#;

#[tokio::test]
async fn tokens_and_sessions() {
    let reader = Reader::new().await;
    let key = reader.vendor().create_key("sample-customer", json!({})).await;
    let login = |session: &str| {
        let words = [("your_api_key_here", key.text.as_str()), ("optional_custom_session_id", session)];
        reader.run_with(LOGIN, &words).status(200)
    };

    // The response.
    let told = login("worker-1");
    assert_eq!(told.at("/expires_in"), &json!(7200));
    assert_eq!(told.at("/token_type"), &json!("Bearer"));
    let token = told.text("/access_token");
    // Deviation: the token is no JWT (eyJ…); it is opaque, so that there is no algorithm to choose.
    let list = r#"curl -H "Authorization: Bearer TOKEN" https://api.bindist.eu/v1/applications"#;
    let use_token = |token: &str| reader.run_with(list, &[("TOKEN", token)]);
    use_token(&token).status(200);

    // If the current token is still valid, the endpoint returns the same token.
    assert_eq!(login("worker-1").text("/access_token"), token);

    // To force a new token, specify a unique session id: a UUID, or sha256(timestamp + random_salt).
    let other = login("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
    assert_ne!(other.text("/access_token"), token);

    // The session id is optional.
    let without = LOGIN.replace(",\n\"session_id\": \"optional_custom_session_id\"", "");
    let plain = reader.run_with(&without, &[("your_api_key_here", &key.text)]).status(200);
    assert_ne!(plain.text("/access_token"), token);

    // Revocation of specific sessions if compromised.
    reader
        .run_with(
            r#"curl -X POST -H "Authorization: Bearer TOKEN" https://api.bindist.eu/auth/logout"#,
            &[("TOKEN", &token)],
        )
        .status(200);
    use_token(&token).status(401);
    use_token(&other.text("/access_token")).status(200);

    // Revocable API keys: what was lent by a key dies with it.
    reader.vendor().delete_key(&key).await.expect(200);
    use_token(&other.text("/access_token")).status(401);
    let refused = reader.run_with(LOGIN, &[("your_api_key_here", &key.text)]);
    assert_eq!(is_refusal(&refused), (401, json!(false)));
}

fn is_refusal(told: &Told) -> (u16, Value) {
    (told.status, told.at("/success").clone())
}
