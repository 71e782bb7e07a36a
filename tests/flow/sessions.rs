//! Sessions: a token lent by a login opens what its key opens, at every edge and at the control plane, and no longer.

use std::time::Duration;

use serde_json::{Value, json};
use support::{Admin, Answer, Client, Fleet, Key, PATIENCE, System, eventually};

const LOGIN: &str = "/auth/login";
const LOGOUT: &str = "/auth/logout";
const SESSIONS: &str = "/v1/auth/sessions";

/// The whole answer to a login, which must go well.
async fn log_in(client: &Client, key: &str, label: Option<&str>) -> Value {
    let body =
        label.map_or_else(|| json!({ "api_key": key }), |it| json!({ "api_key": key, "session_id": it }));
    client.with(None).post(LOGIN, &body).await.expect(200).json()
}

async fn token(client: &Client, key: &str, label: Option<&str>) -> String {
    log_in(client, key, label).await["access_token"].as_str().unwrap().to_owned()
}

/// Refused for that reason: at once where it was taken, soon at the other edge.
async fn assert_dead(system: &System, token: &str, path: &str, from: &str, reasons: &[&str]) {
    for edge in [0, 1] {
        let client = system.client(edge, token).at(from);
        let refused = eventually(PATIENCE, || async {
            let answer = client.peek(path).await;
            let not_yet = edge == 1 && matches!(answer.status, 200 | 206);
            assert!(answer.status == 401 || not_yet, "{answer:?}");
            let known = answer.status == 401 && reasons.contains(&answer.failure().1.as_str());
            if known { Ok(answer) } else { Err(answer) }
        });
        assert_eq!(refused.await.failure().0, "UNAUTHORIZED");
    }
}

async fn assert_living(system: &System, token: &str, path: &str) {
    for edge in [0, 1] {
        let client = system.client(edge, token);
        eventually(PATIENCE, || async { client.get(path).await.is(200) }).await;
    }
}

#[tokio::test]
async fn the_same_key_and_session_have_the_same_token_and_another_session_another() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("same").await;
    let other = system.admin(0).create_key(&stock.customer, json!({})).await;
    let (first, second) = (system.stranger(0), system.stranger(1));
    let told = log_in(&first, &stock.key.text, None).await;
    assert_eq!((told["token_type"].as_str(), told["success"].as_str()), (Some("Bearer"), None));
    let left = told["expires_in"].as_u64().unwrap();
    assert_eq!(left, 7_200);
    let text = told["access_token"].as_str().unwrap().to_owned();
    assert!(text.starts_with("tg_ses_") && !text.contains(&stock.key.secret));
    // Whichever door is asked, and however the key is written.
    assert_eq!(token(&second, &stock.key.secret, None).await, text);
    assert_eq!(token(&Client::new(&system.desk, None), &stock.key.text, None).await, text);
    let named = token(&first, &stock.key.text, Some("worker-1")).await;
    assert_ne!(named, text);
    assert_eq!(token(&second, &stock.key.text, Some("worker-1")).await, named);
    // A label is bound to its key.
    assert_ne!(token(&first, &other.text, Some("worker-1")).await, named);
    system.clock.advance(Duration::from_secs(3_600));
    let later = log_in(&first, &stock.key.text, None).await;
    assert_eq!(later["access_token"], text.as_str());
    assert!((3_500..=3_600).contains(&later["expires_in"].as_u64().unwrap()), "{later}");
    let answer =
        first.post("/v1/auth/login", &json!({ "apiKey": stock.key.text, "sessionId": "worker-1" })).await;
    assert_eq!(answer.expect(200).json()["access_token"], named.as_str());
    for token in [&text, &named] {
        assert_living(&system, token, &stock.path()).await;
    }
}

#[tokio::test]
async fn a_token_works_for_two_hours_and_a_login_after_them_gives_a_fresh_one() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("hours").await;
    let text = token(&system.stranger(0), &stock.key.text, None).await;
    // Half a minute for a slow machine; the instant itself is looked at with a clock that stands still.
    system.clock.advance(Duration::from_secs(7_200 - 30));
    assert_living(&system, &text, &stock.path()).await;
    let left = log_in(&system.stranger(1), &stock.key.text, None).await;
    assert!(left["access_token"] == text.as_str() && left["expires_in"].as_u64().unwrap() <= 30, "{left}");
    system.clock.advance(Duration::from_secs(31));
    assert_dead(&system, &text, &stock.path(), "127.0.6.1", &["session_expired"]).await;
    let at_desk = Client::new(&system.desk, Some(&text)).get(SESSIONS).await.expect(401);
    assert_eq!(at_desk.failure().1, "session_expired");
    let fresh = token(&system.stranger(0), &stock.key.text, None).await;
    assert_ne!(fresh, text);
    assert_living(&system, &fresh, &stock.path()).await;
}

#[tokio::test]
async fn a_token_carries_its_keys_rights_and_spends_its_keys_minute() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("rights").await;
    let key = admin
        .create_key(
            &stock.customer,
            json!({ "scopes": ["apps:read"], "rateLimitRpm": 3, "ipAllowlist": ["127.0.0.1", "127.0.6.2"] }),
        )
        .await;
    let client = system.client(0, &token(&system.stranger(0), &key.text, None).await);
    assert_eq!(client.get(&stock.path()).await.expect(403).failure().1, "scope_missing");
    assert_eq!(
        client.at("127.0.6.3").get("/v1/applications").await.expect(403).failure().1,
        "ip_not_allowed"
    );
    assert_eq!(client.get("/v1/applications").await.expect(200).header("x-ratelimit-remaining"), "1");
    system.client(0, &key.text).get("/v1/applications").await.expect(200);
    assert_eq!(client.get("/v1/applications").await.expect(429).failure().1, "rate_limited");
    // From an address that the key may not be used from there is no login either; the edge's word counts.
    let elsewhere = system.stranger(0).at("127.0.6.3").post(LOGIN, &json!({ "api_key": key.text })).await;
    assert_eq!(elsewhere.expect(403).failure().1, "ip_not_allowed");
    system.stranger(0).at("127.0.6.2").post(LOGIN, &json!({ "api_key": key.text })).await.expect(200);

    let keeper = admin.create_admin_key(json!({ "scopes": ["customers:read", "customers:write"] })).await;
    let text = token(&system.stranger(0), &keeper.text, None).await;
    for manager in [Admin(system.client(0, &text)), Admin(Client::new(&system.desk, Some(&text)))] {
        manager.get("/v1/management/customers").await.expect(200);
        assert_eq!(manager.create_application("not-his", &[]).await.expect(403).failure().1, "scope_missing");
    }
    Admin(system.client(0, &text)).create_customer("by-token", "Basic").await.expect(201);
    let bearer_as_key =
        system.client(0, "").with(None).get_with("/v1/management/customers", "x-api-key", &text).await;
    bearer_as_key.expect(200);
}

#[tokio::test]
async fn after_a_logout_a_token_is_dead_everywhere_and_a_login_gives_another() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("logout").await;
    let (key, path) = (&stock.key.text, stock.path());
    let (plain, named) =
        (token(&system.stranger(0), key, None).await, token(&system.stranger(0), key, Some("ci")).await);
    assert_living(&system, &plain, &path).await;
    assert_living(&system, &named, &path).await;
    let told = system.client(0, &plain).post(LOGOUT, &json!({})).await.expect(200);
    assert!(told.text("/sessionId").starts_with("ses_"));
    assert_dead(&system, &plain, &path, "127.0.6.10", &["session_revoked"]).await;
    assert_living(&system, &named, &path).await;
    let again = token(&system.stranger(0), key, None).await;
    assert_ne!(again, plain);
    assert_living(&system, &again, &path).await;
    // By the key, its session of that name.
    system.client(0, key).post("/v1/auth/logout", &json!({ "session_id": "ci" })).await.expect(200);
    assert_dead(&system, &named, &path, "127.0.6.11", &["session_revoked"]).await;
    assert_living(&system, &again, &path).await;
    let desk = Client::new(&system.desk, Some(&named)).get(SESSIONS).await;
    assert_eq!(desk.expect(401).failure().1, "session_revoked");
    // By the vendor, and told in the audit of neither key nor token.
    let listed = admin.get(&format!("{SESSIONS}?customerId={}", stock.customer)).await.expect(200);
    let ids = listed.column("/sessions", "sessionId");
    assert_eq!(ids.len(), 1);
    admin.delete(&format!("{SESSIONS}/{}", ids[0])).await.expect(200);
    assert_dead(&system, &again, &path, "127.0.6.12", &["session_revoked"]).await;
    admin.delete(&format!("{SESSIONS}/{}", ids[0])).await.expect(404);
}

/// How a key's session dies with it, and for which of these reasons it is refused.
struct Death {
    name: &'static str,
    reasons: &'static [&'static str],
}

async fn kill(name: &str, admin: &Admin, customer: &str, key: &Key) -> Answer {
    match name {
        "deleted" => admin.delete_key(key).await,
        "disabled" => admin.change_key(key, json!({ "isEnabled": false })).await,
        "regenerated" => {
            admin.post(&format!("/v1/management/customers/{customer}/regenerate-key"), &json!({})).await
        }
        _ => admin.post(&format!("/v1/management/apikeys/{}/rotate", key.id), &json!({})).await,
    }
}

#[tokio::test]
async fn a_session_dies_with_its_key_and_its_customer() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let deaths = [
        Death { name: "deleted", reasons: &["key_deleted"] },
        Death { name: "disabled", reasons: &["key_disabled"] },
        Death { name: "regenerated", reasons: &["key_unknown"] },
        Death { name: "rotated", reasons: &["key_unknown"] },
    ];
    for (number, death) in deaths.iter().enumerate() {
        let stock = admin.stock(&format!("dies-{number}")).await;
        let text = token(&system.stranger(0), &stock.key.text, None).await;
        assert_living(&system, &text, &stock.path()).await;
        let answer = kill(death.name, &admin, &stock.customer, &stock.key).await;
        assert!(answer.status == 200 || answer.status == 201, "{}: {answer:?}", death.name);
        assert_dead(&system, &text, &stock.path(), &format!("127.0.7.{}", number + 1), death.reasons).await;
        let login =
            system.stranger(0).at("127.0.7.99").post(LOGIN, &json!({ "api_key": stock.key.text })).await;
        assert_eq!(login.expect(401).failure().1, death.reasons[0]);
    }
    let stock = admin.stock("dies-last").await;
    let text = token(&system.stranger(0), &stock.key.text, None).await;
    assert_living(&system, &text, &stock.path()).await;
    admin.change_customer(&stock.customer, json!({ "isActive": false })).await.expect(200);
    for edge in [0, 1] {
        let client = system.client(edge, &text);
        eventually(PATIENCE, || async { client.peek(&stock.path()).await.is(403) }).await;
    }
    let login = system.stranger(0).post(LOGIN, &json!({ "api_key": stock.key.text })).await;
    assert_eq!(login.expect(403).failure(), ("FORBIDDEN".to_owned(), "customer_inactive".to_owned()));
}

#[tokio::test]
async fn what_is_no_token_and_no_login_is_refused() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("forged").await;
    let text = token(&system.stranger(0), &stock.key.text, None).await;
    let mut altered = text.clone().into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZG1pbiIsImV4cCI6OTk5OTk5OTk5OX0.";
    for (number, (forged, reason)) in
        [(altered.as_str(), "session_unknown"), ("tg_ses_AAAA", "session_unknown"), (unsigned, "key_unknown")]
            .into_iter()
            .enumerate()
    {
        for base in [&system.edges[0], &system.edges[1], &system.desk] {
            let client = Client::new(base, Some(forged)).at(&format!("127.0.8.{}", number + 1));
            let refused = client.get(SESSIONS).await.expect(401);
            assert_eq!(refused.failure(), ("UNAUTHORIZED".to_owned(), reason.to_owned()));
            assert_eq!(refused.json()["error"]["message"], "Invalid API key");
        }
    }
    let expired = support::system::after(&system.clock, Duration::from_secs(60));
    let expired = admin.create_key(&stock.customer, json!({ "expiresAt": expired })).await;
    system.clock.advance(Duration::from_secs(61));
    let key = &stock.key.text;
    let rows = [
        (json!({ "api_key": text }), 401),
        (json!({ "api_key": expired.text }), 401),
        (json!({ "api_key": key, "session_id": "x".repeat(1_000_000) }), 400),
        (json!({ "api_key": key, "session_id": 7 }), 400),
        (json!({ "session_id": "alone" }), 400),
        (json!([]), 400),
    ];
    for (body, status) in rows {
        let answer = system.stranger(0).at("127.0.8.20").post(LOGIN, &body).await.expect(status);
        assert_eq!(answer.json()["success"], false);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn failed_logins_are_throttled_by_address_and_a_right_one_from_there_is_not() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("guessed").await;
    let stranger = system.stranger(0).at("127.0.8.30");
    let guess = json!({ "api_key": "a-key-that-nobody-has-ever-made" });
    let mut throttled = 0;
    for _ in 0..60 {
        let answer = stranger.post(LOGIN, &guess).await;
        match answer.failure().1.as_str() {
            "auth_throttled" => {
                throttled += 1;
                assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
            }
            reason => assert_eq!((answer.status, reason), (401, "key_unknown")),
        }
    }
    assert!(throttled > 0, "60 failures in a row were not throttled");
    for _ in 0..5 {
        stranger.post(LOGIN, &json!({ "api_key": stock.key.text })).await.expect(200);
    }
    stranger.at("127.0.8.31").post(LOGIN, &guess).await.expect(401);
}

#[tokio::test]
async fn a_revoked_session_stays_dead_on_an_edge_that_is_restarted_and_on_one_that_is_built_anew() {
    let mut fleet = Fleet::start(2).await;
    let stock = fleet.admin(0).stock("restarted").await;
    let ended = token(&fleet.stranger(0), &stock.key.text, Some("ended")).await;
    let living = token(&fleet.stranger(0), &stock.key.text, Some("living")).await;
    for edge in [0, 1] {
        for text in [&ended, &living] {
            let client = fleet.client(edge, text);
            eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        }
    }
    fleet.client(0, &ended).post(LOGOUT, &json!({})).await.expect(200);
    let client = fleet.client(1, &ended);
    eventually(PATIENCE, || async { client.peek(&stock.path()).await.is(401) }).await;
    for forgets in [false, true] {
        fleet.edges[1].kill();
        if forgets {
            std::fs::remove_dir_all(fleet.scratch().join("edge-1/cache")).unwrap();
        }
        fleet.edges[1].start();
        fleet.edge_ready(1).await;
        let client = fleet.client(1, &living);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        let client = fleet.client(1, &ended);
        let refused = eventually(PATIENCE, || async { client.peek(&stock.path()).await.is(401) }).await;
        assert_eq!(refused.failure().1, "session_revoked", "forgets: {forgets}");
    }
    // What an edge knows is enough: tokens work while nothing else does.
    fleet.redis.kill();
    fleet.desk.kill();
    for edge in [0, 1] {
        fleet.client(edge, &living).get(&stock.path()).await.expect(200);
        assert_eq!(
            fleet.client(edge, &ended).get(&stock.path()).await.expect(401).failure().1,
            "session_revoked"
        );
    }
}
