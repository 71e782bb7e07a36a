//! Logins and tokens by hand: keys that are none or no more, labels of others, tokens in the place of keys and the
//! other way round.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Answer, Client, PATIENCE, System, eventually};

use super::{altered, assert_refused};

const LOGIN: &str = "/auth/login";
const LOGOUT: &str = "/auth/logout";

async fn log_in(client: &Client, key: &str, label: Option<&str>) -> Answer {
    let mut body = json!({ "api_key": key });
    if let Some(label) = label {
        body["session_id"] = json!(label);
    }
    client.with(None).post(LOGIN, &body).await
}

async fn token(client: &Client, key: &str, label: Option<&str>) -> String {
    let told = log_in(client, key, label).await.expect(200);
    told.json()["access_token"].as_str().unwrap().to_owned()
}

/// No session is opened by what is no key, nor by one whose time has not come or is over.
#[tokio::test]
async fn a_login_needs_a_key_that_opens_something() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let soon = support::system::after(&system.clock, Duration::from_secs(600));
    let expired = admin.create_key(&stock.customer, json!({ "expiresAt": soon })).await;
    system.clock.advance(Duration::from_secs(601));
    let disabled = admin.create_key(&stock.customer, json!({ "isEnabled": false })).await;
    let deleted = admin.create_key(&stock.customer, json!({})).await;
    admin.delete_key(&deleted).await.expect(200);
    let (key, secret) = (&stock.key.text, &stock.key.secret);
    let lent = token(&admin, key, None).await;
    let forged = [
        ("one character off", altered(key, key.len() - 10), "key_malformed"),
        ("cut", key[..key.len() - 1].to_owned(), "key_malformed"),
        ("longer", format!("{key}A"), "key_malformed"),
        ("only its tenant", system.tenant.clone(), "key_unknown"),
        ("no tenant", format!(".{secret}"), ""),
        ("no secret", format!("{}.", system.tenant), ""),
        ("another's name", format!("nobody.{secret}"), "key_unknown"),
        ("three parts", format!("{key}.x"), "key_malformed"),
        ("a token", lent, "session_unknown"),
        ("a word before it", format!("Bearer {key}"), ""),
        ("a huge one", "a".repeat(100_000), ""),
        ("an emoji", "😀".repeat(10), ""),
        ("a NUL", format!("{key}\0"), ""),
        ("full-width digits", "１".repeat(30), ""),
        ("expired", expired.text.clone(), "key_expired"),
        ("disabled", disabled.text.clone(), "key_disabled"),
        ("deleted", deleted.text.clone(), "key_deleted"),
    ];
    for (door, base) in [&system.edges[0], &system.edges[1], &system.desk].into_iter().enumerate() {
        for (number, (name, key, reason)) in forged.iter().enumerate() {
            // From an address of its own each: failures are throttled by address.
            let stranger = Client::new(base, None).at(&format!("127.0.{}.{}", 20 + door, number + 1));
            let told = log_in(&stranger, key, None).await;
            assert_eq!((told.status, told.failure().0.as_str()), (401, "UNAUTHORIZED"), "{name}: {told:?}");
            if *name != "a token" && !reason.is_empty() {
                assert_eq!(told.failure().1, *reason, "{name}: {told:?}");
            }
            assert!(!String::from_utf8_lossy(&told.body).contains(secret.as_str()), "{name}: told back");
        }
    }
    for body in [json!({}), json!({ "api_key": null }), json!({ "api_key": "" }), json!({ "apikey": key })] {
        let told = admin.with(None).post(LOGIN, &body).await;
        assert_refused(&body.to_string(), &told, 400, "invalid_fields");
    }
    // In a header it is no login.
    let told = send(admin.request(Method::POST, LOGIN)).await;
    assert_refused("a key in a header", &told, 400, "invalid_fields");
    log_in(&admin, key, None).await.expect(200);
}

/// A session's name is a label, of one line and at most 128 characters.
#[tokio::test]
async fn a_session_is_called_by_one_line() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let key = &stock.key.text;
    for base in [&system.edges[0], &system.desk] {
        let client = Client::new(base, None);
        let (longest, longer, huge) = ("é".repeat(128), "x".repeat(129), "x".repeat(1_000_000));
        for label in ["", "a\nb", "a\0", "\u{7f}", &longer, &huge] {
            let told = log_in(&client, key, Some(label)).await;
            assert_refused(&format!("{label:.20?}"), &told, 400, "invalid_fields");
        }
        for label in [json!(7), json!(true), json!([]), json!({})] {
            let told = client.post(LOGIN, &json!({ "api_key": key, "session_id": label })).await;
            assert_refused(&label.to_string(), &told, 400, "invalid_fields");
        }
        let differ = json!({ "api_key": key, "session_id": "a", "sessionId": "b" });
        assert_refused("two labels", &client.post(LOGIN, &differ).await, 400, "invalid_fields");
        let beyond = log_in(&client, key, Some(&"x".repeat(3_000_000))).await;
        assert_refused("a label beyond the limit", &beyond, 413, "body_too_large");
        for label in ["../x", "<script>", "' OR 1=1", "😀", &longest] {
            let text = token(&client, key, Some(label)).await;
            assert_eq!(token(&client, key, Some(label)).await, text, "{label}");
        }
    }
}

/// By its name or its id: another key's session is not there.
#[tokio::test]
async fn another_keys_session_is_neither_opened_nor_ended() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (stock, other) = (admin.stock("stock").await, admin.stock("other").await);
    let sibling = admin.create_key(&stock.customer, json!({})).await;
    let lent = token(&admin, &stock.key.text, Some("ci")).await;
    let mine = system.client(0, &stock.key.text).get("/v1/auth/sessions").await.expect(200);
    let id = mine.text("/sessions/0/sessionId");
    for stranger in [&sibling, &other.key] {
        for base in [&system.edges[0], &system.desk] {
            let client = Client::new(base, Some(&stranger.text));
            for label in ["ci", &id] {
                let told = client.post(LOGOUT, &json!({ "session_id": label })).await;
                assert_refused(label, &told, 404, "session_not_found");
            }
            let told = client.delete(&format!("/v1/auth/sessions/{id}")).await;
            assert_refused("ended by its id", &told, 404, "session_not_found");
            assert_eq!(client.get("/v1/auth/sessions").await.expect(200).data("/sessions"), json!([]));
            let filtered = format!("/v1/auth/sessions?keyId={}", stock.key.id);
            assert_eq!(client.get(&filtered).await.expect(200).data("/sessions"), json!([]));
        }
        assert_ne!(token(&admin, &stranger.text, Some("ci")).await, lent);
        assert_ne!(token(&admin, &stranger.text, Some(&id)).await, lent);
        // The name of its own session it may give up.
        let own = Client::new(&system.edges[0], Some(&stranger.text));
        own.post(LOGOUT, &json!({ "session_id": "ci" })).await.expect(200);
        own.post(LOGOUT, &json!({ "session_id": id })).await.expect(200);
    }
    system.client(0, &lent).get(&stock.path()).await.expect(200);
}

fn unsigned(payload: &Value) -> String {
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let hex: String = payload.to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{none}.{hex}.")
}

/// What is put together by hand, however close to a token.
#[tokio::test]
async fn a_token_is_taken_to_the_letter() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let text = token(&system.admin(0), &stock.key.text, None).await;
    let end = text.len();
    let mut forged: Vec<String> = (0..end).step_by(7).map(|at| altered(&text, at)).collect();
    forged.extend(
        [&text[1..], &text[..end - 1], &text[..end / 2], "tg_ses_", "tg_ses_.", "tg_ses_AAAA.AAAA"]
            .map(str::to_owned),
    );
    forged.extend([format!("{text}A"), format!("{text}."), format!("{text}{text}"), text.to_uppercase()]);
    forged.push(format!("{}.{text}", system.tenant));
    forged.push(unsigned(&json!({ "sub": stock.key.id, "exp": 9_999_999_999_u64 })));
    forged.push("eyJhbGciOiJub25lIn0.e30.".to_owned());
    for (door, base) in [&system.edges[0], &system.edges[1], &system.desk].into_iter().enumerate() {
        for (number, forged) in forged.iter().filter(|forged| **forged != text).enumerate() {
            let client = Client::new(base, Some(forged)).at(&format!("127.0.{}.{}", 30 + door, number + 1));
            let told = client.get("/v1/auth/sessions").await;
            assert_eq!((told.status, told.failure().0.as_str()), (401, "UNAUTHORIZED"), "{forged}: {told:?}");
        }
        let client = Client::new(base, Some(&text));
        eventually(PATIENCE, || async { client.get("/v1/auth/sessions").await.is(200) }).await;
    }
}

/// A token is a credential wherever a key is one, and nowhere else.
#[tokio::test]
async fn a_token_stands_where_a_key_may_and_a_key_ends_no_session_that_it_does_not_name() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let key = &stock.key.text;
    let text = token(&admin, key, None).await;
    for edge in [0, 1] {
        let stranger = system.stranger(edge);
        let path = stock.path();
        eventually(PATIENCE, || async { stranger.with(Some(&text)).get(&path).await.is(200) }).await;
        stranger.get_with(&path, "x-api-key", &text).await.expect(200);
        stranger.get_with(&path, "authorization", &text).await.expect(200);
        send(stranger.request(Method::GET, &path).basic_auth("any", Some(&text))).await.expect(200);
        for query in ["access_token", "token", "api_key"] {
            let told = stranger.get(&format!("{path}?{query}={text}")).await;
            assert_refused(query, &told, 401, "missing_credential");
        }
        let both = stranger.with(Some(&text)).request(Method::GET, &path).header("x-api-key", key);
        assert_refused("both", &send(both).await, 400, "ambiguous_credentials");
    }
    // A token opens no second session.
    let told = log_in(&admin, &text, None).await;
    assert_eq!(told.expect(401).failure().0, "UNAUTHORIZED");
    // A key has a session without a name until it is given up, and then has none.
    let keyed = system.client(0, key);
    assert_refused(
        "no such label",
        &keyed.post(LOGOUT, &json!({ "session_id": "x" })).await,
        404,
        "session_not_found",
    );
    keyed.post(LOGOUT, &json!({})).await.expect(200);
    assert_refused("ended", &keyed.post(LOGOUT, &json!({})).await, 404, "session_not_found");
    let told = system.client(0, &text).post(LOGOUT, &json!({})).await;
    assert_refused("logged out twice", &told, 401, "session_revoked");
    assert_refused("after it", &system.client(0, &text).get(&stock.path()).await, 401, "session_revoked");
    keyed.get(&stock.path()).await.expect(200);
}

/// Two hours, less and more than a moment.
#[tokio::test]
async fn a_token_lives_for_two_hours_and_no_second_longer() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let text = token(&system.admin(0), &stock.key.text, None).await;
    let edges = [system.client(0, &text), system.client(1, &text)];
    eventually(PATIENCE, || async { edges[1].get(&stock.path()).await.is(200) }).await;
    // A slow machine may take some seconds to ask.
    system.clock.advance(Duration::from_secs(7_200 - 30));
    for edge in &edges {
        edge.get(&stock.path()).await.expect(200);
    }
    system.clock.advance(Duration::from_secs(30));
    for edge in &edges {
        assert_refused("2:00:01", &edge.get(&stock.path()).await, 401, "session_expired");
    }
    // Nothing of it is left to end.
    let told = edges[0].post(LOGOUT, &json!({})).await;
    assert_refused("after its end", &told, 401, "session_expired");
    let told = system.client(0, &stock.key.text).post(LOGOUT, &json!({})).await;
    assert_refused("by its key", &told, 404, "session_not_found");
}
