//! Sessions and rotation at the desk itself.

use std::time::Duration;

use common::scope::Scope;
use serde_json::{Value, json};

use super::{House, SECRET, TENANT, Told};
use crate::domain::session::MOST_LIVING;

const LOGIN: &str = "/auth/login";
const LOGOUT: &str = "/v1/auth/logout";
const SESSIONS: &str = "/v1/auth/sessions";
const KEYS: &str = "/v1/management/apikeys";

impl House {
    async fn log_in(&self, key: &str, label: Value) -> Told {
        let told = self.ask_as("", "POST", LOGIN, json!({"api_key": key, "session_id": label})).await;
        assert_eq!(told.status, 200, "{}", told.body);
        told
    }
}

fn token(told: &Told) -> String {
    told.body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_login_is_answered_without_an_envelope_and_kept_by_nobody() {
    let house = House::open().await;
    let told = house.log_in(&house.admin, Value::Null).await;
    let names: Vec<&String> = told.body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "token_type"]);
    assert_eq!((&told.body["expires_in"], &told.body["token_type"]), (&json!(7200), &json!("Bearer")));
    assert_eq!(told.headers["cache-control"], "no-store");
    assert_eq!(
        token(&told),
        token(&house.log_in(SECRET, Value::Null).await),
        "the same key, however written"
    );
    let other =
        house.ask_as("", "POST", "/v1/auth/login", json!({"apiKey": SECRET, "sessionId": "ci"})).await;
    assert_ne!(token(&told), token(&other));
    assert_eq!(token(&other), token(&house.log_in(SECRET, json!("ci")).await));
    house.clock.advance(Duration::from_millis(7_199_999));
    let last = house.log_in(SECRET, Value::Null).await;
    assert_eq!((token(&last), &last.body["expires_in"]), (token(&told), &json!(1)));
    assert_eq!(house.ask_as(&token(&last), "GET", KEYS, Value::Null).await.status, 200);
    house.clock.advance(Duration::from_millis(1));
    let verdict = house.ask_as(&token(&last), "GET", KEYS, Value::Null).await;
    assert_eq!(verdict.verdict(), (401, "session_expired"));
    assert_ne!(token(&house.log_in(SECRET, Value::Null).await), token(&last));
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_said() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let disabled = house.key(json!({"isEnabled": false})).await;
    let elsewhere = house.key(json!({"ipAllowlist": "198.51.100.0/24"})).await;
    let of_customer = house.key(json!({"customerId": "c1"})).await;
    house.ask("PATCH", "/v1/management/customers/c1", json!({"isActive": false})).await;
    let session = token(&house.log_in(SECRET, Value::Null).await);
    let rows = [
        (json!({}), (400, "invalid_fields")),
        (json!({"api_key": null}), (400, "invalid_fields")),
        (json!({"api_key": ""}), (400, "invalid_fields")),
        (json!({"api_key": 7, "session_id": 7}), (400, "invalid_fields")),
        (json!({"api_key": SECRET, "session_id": ""}), (400, "invalid_fields")),
        (json!({"api_key": SECRET, "session_id": "a\nb"}), (400, "invalid_fields")),
        (json!({"api_key": SECRET, "session_id": "ä".repeat(129)}), (400, "invalid_fields")),
        (json!({"api_key": SECRET, "session_id": "x".repeat(1 << 20)}), (400, "invalid_fields")),
        (json!({"api_key": SECRET, "session_id": "x".repeat(1 << 21)}), (413, "body_too_large")),
        (json!({"api_key": SECRET, "session_id": "a", "sessionId": "b"}), (400, "invalid_fields")),
        (json!({"api_key": format!("{TENANT}.another-key-of-the-tests")}), (401, "key_unknown")),
        (json!({"api_key": "junk"}), (401, "key_malformed")),
        (json!({"api_key": session}), (401, "key_malformed")),
        (json!({"api_key": disabled}), (401, "key_disabled")),
        (json!({"api_key": elsewhere}), (403, "ip_not_allowed")),
        (json!({"api_key": of_customer}), (403, "customer_inactive")),
        (json!({"api_key": SECRET, "session_id": "ä".repeat(128)}), (200, "")),
    ];
    for (body, expected) in rows {
        let told = house.ask_as("", "POST", LOGIN, body.clone()).await;
        assert_eq!(told.verdict(), expected, "{:.200} {}", body.to_string(), told.body);
        let challenges = told.headers.get_all("www-authenticate").iter().count();
        assert_eq!(challenges, if expected.0 == 401 { 2 } else { 0 });
    }
    let told = house.ask_as("", "POST", LOGIN, json!({"api_key": 7, "session_id": ""})).await;
    assert_eq!(told.body["error"]["details"]["fields"].as_array().unwrap().len(), 2, "all at once");
}

#[tokio::test]
async fn failed_logins_are_throttled_and_a_right_one_is_not() {
    let house = House::open().await;
    let guess = json!({"api_key": format!("{TENANT}.another-key-of-the-tests")});
    let mut reasons = Vec::new();
    for _ in 0..12 {
        let told = house.ask_as("", "POST", LOGIN, guess.clone()).await;
        if told.status == 429 {
            assert_eq!(told.headers["retry-after"], "1");
        }
        reasons.push(told.verdict().1.to_owned());
    }
    assert_eq!((reasons[9].as_str(), reasons[10].as_str()), ("key_unknown", "auth_throttled"));
    house.log_in(SECRET, Value::Null).await;
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.ask_as("", "POST", LOGIN, guess).await.verdict(), (401, "key_unknown"));
}

#[tokio::test]
async fn a_session_is_ended_by_its_token_its_key_or_who_manages_keys_and_by_nobody_else() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let customer = house.key(json!({"customerId": "c1"})).await;
    let reader = house.key(json!({"scopes": ["keys:read"]})).await;
    let verdict =
        async |credential: &str| house.ask_as(credential, "GET", SESSIONS, Value::Null).await.verdict().0;
    let mine = token(&house.log_in(&customer, Value::Null).await);
    let ended = house.ask_as(&mine, "POST", LOGOUT, Value::Null).await;
    assert_eq!((ended.status, ended.text("message").as_str()), (200, "Logged out successfully"));
    assert!(ended.text("sessionId").starts_with("ses_"));
    assert_eq!((verdict(&mine).await, verdict(&customer).await), (401, 200));
    let again = token(&house.log_in(&customer, Value::Null).await);
    assert_ne!(mine, again);
    let named = token(&house.log_in(&customer, json!("ci")).await);
    let by_key = house.ask_as(&customer, "POST", LOGOUT, json!({"session_id": "ci"})).await;
    assert_eq!(by_key.status, 200);
    assert_eq!((verdict(&named).await, verdict(&again).await), (401, 200));
    let twice = house.ask_as(&customer, "POST", LOGOUT, json!({"sessionId": "ci"})).await;
    assert_eq!(twice.verdict(), (404, "session_not_found"));

    let listed = house.ask_as(&again, "GET", SESSIONS, Value::Null).await;
    let id = listed.data("sessions")[0]["sessionId"].as_str().unwrap().to_owned();
    let path = format!("{SESSIONS}/{id}");
    let stranger = house.key(json!({"customerId": "c1"})).await;
    for other in [&stranger, &reader] {
        let told = house.ask_as(other, "DELETE", &path, Value::Null).await;
        assert_eq!(told.verdict(), (404, "session_not_found"));
    }
    assert_eq!(verdict(&again).await, 200);
    let told = house.ask("DELETE", &path, Value::Null).await;
    assert_eq!((told.status, told.text("sessionId")), (200, id));
    assert!(told.text("revokedAt").ends_with('Z'));
    assert_eq!(verdict(&again).await, 401);
    assert_eq!(house.ask("DELETE", &path, Value::Null).await.verdict(), (404, "session_not_found"));
    let absent = house.ask("DELETE", &format!("{SESSIONS}/ses_none"), Value::Null).await;
    assert_eq!(absent.verdict(), (404, "session_not_found"));
}

#[tokio::test]
async fn everybody_sees_his_own_sessions_and_who_reads_keys_the_tenants() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let (one, two) = (
        house.key(json!({"customerId": "c1"})).await,
        house.key(json!({"kind": "admin", "scopes": [Scope::AppsRead.as_str()]})).await,
    );
    for (key, label) in [(&one, json!("a")), (&one, json!("b")), (&two, Value::Null)] {
        house.log_in(key, label).await;
        house.clock.advance(Duration::from_secs(1));
    }
    let list = async |key: &str, query: &str| {
        let told = house.ask_as(key, "GET", &format!("{SESSIONS}{query}"), Value::Null).await;
        assert_eq!(told.status, 200, "{}", told.body);
        let labels: Vec<String> = told
            .data("sessions")
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["label"].as_str().unwrap_or("-").to_owned())
            .collect();
        (labels.join(""), told.body["meta"]["pagination"]["total"].as_u64().unwrap())
    };
    let all = |text: &str, total| (text.to_owned(), total);
    assert_eq!(list(&one, "").await, all("ab", 2));
    assert_eq!(list(&two, "").await, all("-", 1));
    assert_eq!(list(&house.admin, "").await, all("ab-", 3));
    assert_eq!(list(&house.admin, "?limit=1&page=2").await, all("b", 3));
    assert_eq!(list(&house.admin, "?customerId=c1").await, all("ab", 2));
    let told = house.get(SESSIONS).await;
    let key = told.data("sessions")[2]["keyId"].as_str().unwrap().to_owned();
    assert_eq!(list(&house.admin, &format!("?keyId={key}")).await, all("-", 1));
    assert_eq!(list(&one, &format!("?keyId={key}")).await, all("", 0));
    assert_eq!(house.get(&format!("{SESSIONS}?keyId=a%20b")).await.verdict(), (400, "invalid_fields"));
    let first = &told.data("sessions")[0];
    assert_eq!((&first["customerId"], &first["label"]), (&json!("c1"), &json!("a")));
    assert!(told.data("sessions")[2].get("customerId").is_none());
    house.post("/v1/management/customers/c1/regenerate-key", Value::Null).await;
    assert_eq!(list(&house.admin, "?customerId=c1").await, all("", 0), "they died with the secret");
    house.clock.advance(Duration::from_secs(7_200));
    assert_eq!(list(&house.admin, "").await, all("", 0));
}

#[tokio::test]
async fn a_key_has_so_many_sessions_and_no_more() {
    let house = House::open().await;
    for number in 0..MOST_LIVING {
        house.log_in(SECRET, json!(format!("s{number}"))).await;
    }
    let more = json!({"api_key": SECRET, "session_id": "more"});
    let told = house.ask_as("", "POST", LOGIN, more.clone()).await;
    assert_eq!(told.verdict(), (409, "too_many_sessions"));
    house.log_in(SECRET, json!("s7")).await;
    house.ask("POST", LOGOUT, json!({"session_id": "s7"})).await;
    assert_eq!(house.ask_as("", "POST", LOGIN, more).await.status, 200);
}

#[tokio::test]
async fn a_rotated_key_has_two_secrets_for_a_while() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let made = house.post(KEYS, json!({"customerId": "c1"})).await;
    let (first, path) = (made.text("apiKey"), format!("{KEYS}/{}", made.text("keyId")));
    let rotate = async |body: Value| house.post(&format!("{path}/rotate"), body).await;
    let works =
        async |key: &str| house.ask_as(key, "GET", SESSIONS, Value::Null).await.verdict().1.to_owned();
    assert_eq!(rotate(json!({"overlapSeconds": -1})).await.verdict(), (400, "invalid_fields"));
    assert_eq!(rotate(json!({"overlapSeconds": 2_592_001})).await.verdict(), (400, "invalid_fields"));
    let told = rotate(json!({"overlapSeconds": 3600})).await;
    assert_eq!((told.status, told.text("keyId")), (201, made.text("keyId")));
    assert_eq!(told.text("createdAt"), made.text("createdAt"));
    assert_eq!(told.text("previousKeyExpiresAt"), "2025-06-15T16:06:40.000Z");
    assert_eq!(house.get(&path).await.text("previousKeyExpiresAt"), "2025-06-15T16:06:40.000Z");
    let second = told.text("apiKey");
    assert_eq!((works(&first).await.as_str(), works(&second).await.as_str()), ("", ""));
    let (old, new) = (house.log_in(&first, Value::Null).await, house.log_in(&second, Value::Null).await);
    assert_eq!((&old.body["expires_in"], &new.body["expires_in"]), (&json!(3600), &json!(7200)));
    assert_ne!(token(&old), token(&new));
    let third = rotate(json!({"overlapSeconds": 60})).await.text("apiKey");
    assert_eq!(works(&first).await, "key_unknown", "a key has two secrets at most");
    assert_eq!(works(&token(&old)).await, "key_unknown");
    assert_eq!((works(&second).await.as_str(), works(&third).await.as_str()), ("", ""));
    house.clock.advance(Duration::from_secs(60));
    assert_eq!((works(&second).await.as_str(), works(&third).await.as_str()), ("key_expired", ""));
    let told = rotate(Value::Null).await;
    assert!(told.body["data"].get("previousKeyExpiresAt").is_none());
    assert_eq!(
        (works(&third).await.as_str(), works(&told.text("apiKey")).await.as_str()),
        ("key_unknown", "")
    );
    let overlapping = rotate(json!({"overlapSeconds": 60})).await.text("apiKey");
    house.post("/v1/management/customers/c1/regenerate-key", Value::Null).await;
    assert_eq!(works(&told.text("apiKey")).await, "key_unknown", "regenerating ends both");
    assert_eq!(works(&overlapping).await, "key_unknown");
    house.ask("DELETE", &path, Value::Null).await;
    assert_eq!(rotate(Value::Null).await.verdict(), (404, "key_not_found"));
}
