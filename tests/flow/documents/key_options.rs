//! *API Keys Management*: the options of a key. Its examples call a model; here they read as `GET /v1/applications`,
//! and access to models as access to applications.

use serde_json::{Value, json};
use support::{Admin, Key, PATIENCE, eventually};

use super::Reader;

/// The cURL example. Deviation: the key has our form, not `binom_sk_…`; nothing is posted, as no model is called.
const EXAMPLE: &str = r#"
curl https://api.binom-router.com/v1/applications \
  -H "Authorization: Bearer binom_sk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
  -H "Content-Type: application/json""#;

const KEY: &str = "binom_sk_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

struct Keys {
    reader: Reader,
    vendor: Admin,
}

impl Keys {
    async fn new() -> Self {
        let reader = Reader::new().await;
        let vendor = reader.vendor();
        Self { reader, vendor }
    }

    async fn with(&self, options: Value) -> Key {
        self.vendor.create_key("sample-customer", options).await
    }

    /// What the example is answered with this key.
    fn call(&self, key: &Key) -> u16 {
        self.reader.run_with(EXAMPLE, &[(KEY, &key.text)]).status
    }
}

#[tokio::test]
async fn a_key_is_made_shown_once_edited_disabled_and_deleted() {
    let keys = Keys::new().await;
    // Description.
    let key = keys.with(json!({ "description": "Mobile App - iOS" })).await;
    assert_eq!(keys.call(&key), 200);
    // The table: description, created at, last used, status, expires at. The secret is in none of it.
    let path = format!("/v1/management/apikeys/{}", key.id);
    let row = eventually(PATIENCE, || async {
        let row = keys.vendor.get(&path).await.expect(200);
        if row.json()["data"]["lastUsedAt"].is_string() { Ok(row) } else { Err(row) }
    })
    .await;
    assert_eq!(row.text("/description"), "Mobile App - iOS");
    assert_eq!((row.data("/isEnabled"), row.json()["data"]["expiresAt"].clone()), (json!(true), Value::Null));
    assert!(row.text("/createdAt").ends_with('Z'));
    assert!(!row.json().to_string().contains(&key.secret));
    // Editing; the key itself cannot be edited.
    let change = json!({ "description": "Staging Environment", "apiSecret": "another-secret-of-my-own" });
    keys.vendor.change_key(&key, change).await.expect(200);
    assert_eq!(keys.call(&key), 200);
    // Is enabled: disabled returns 401, and can be switched on again.
    keys.vendor.change_key(&key, json!({ "isEnabled": false })).await.expect(200);
    assert_eq!(keys.call(&key), 401);
    keys.vendor.change_key(&key, json!({ "isEnabled": true })).await.expect(200);
    assert_eq!(keys.call(&key), 200);
    // Deleting is permanent.
    keys.vendor.delete_key(&key).await.expect(200);
    assert_eq!(keys.call(&key), 401);
    keys.vendor.change_key(&key, json!({ "isEnabled": true })).await.expect(404);
}

#[tokio::test]
async fn each_key_has_its_own_rate_limit() {
    let keys = Keys::new().await;
    let (small, own) =
        (keys.with(json!({ "rateLimitRpm": 2 })).await, keys.with(json!({ "rateLimitRpm": 60 })).await);
    let off = keys.with(json!({ "rateLimitRpm": null })).await;
    assert_eq!([keys.call(&small), keys.call(&small), keys.call(&small)], [200, 200, 429]);
    assert_eq!((keys.call(&own), keys.call(&off)), (200, 200), "independent");
}

#[tokio::test]
async fn a_key_is_restricted_to_addresses() {
    let keys = Keys::new().await;
    for elsewhere in [
        json!("203.0.113.45"),
        json!("203.0.113.45, 203.0.113.46, 203.0.113.47"),
        json!("192.168.1.1, 10.0.0.1"),
        json!("203.0.113.0/24"),
        json!("2001:db8::1"),
        json!(["203.0.113.45", "192.168.1.0/24"]),
    ] {
        let key = keys.with(json!({ "ipAllowlist": elsewhere })).await;
        assert_eq!(keys.call(&key), 403, "{elsewhere}");
        keys.vendor.change_key(&key, json!({ "ipAllowlist": "127.0.0.0/8" })).await.expect(200);
        assert_eq!(keys.call(&key), 200, "{elsewhere}");
    }
}

#[tokio::test]
async fn a_key_is_restricted_to_applications_instead_of_models() {
    let keys = Keys::new().await;
    keys.vendor.create_application("claude-3-sonnet", &["sample-customer"]).await.expect(201);
    let seen = |key: &Key| {
        let told = keys.reader.run_with(EXAMPLE, &[(KEY, &key.text)]).status(200);
        told.at("/data/applications").as_array().unwrap().len()
    };
    // All models.
    assert_eq!(seen(&keys.with(json!({ "applicationIds": null })).await), 2);
    // Selected models.
    assert_eq!(seen(&keys.with(json!({ "applicationIds": ["claude-3-sonnet"] })).await), 1);
}

#[tokio::test]
async fn an_expired_key_is_refused_and_stays_so() {
    let keys = Keys::new().await;
    // Never, and a specific date, which may be extended before it passes.
    let key = keys.with(json!({ "expiresAt": "2100-01-01T00:00:00Z" })).await;
    keys.vendor.change_key(&key, json!({ "expiresAt": "2101-01-01T00:00:00Z" })).await.expect(200);
    assert_eq!(keys.call(&key), 200);
    keys.vendor.change_key(&key, json!({ "expiresAt": "2020-01-01T00:00:00Z" })).await.expect(200);
    assert_eq!(keys.call(&key), 401);
    keys.vendor.change_key(&key, json!({ "expiresAt": null })).await.expect(409);
}

#[tokio::test]
async fn a_key_tells_how_it_was_used() {
    let keys = Keys::new().await;
    let key = keys.with(json!({ "rateLimitRpm": 2 })).await;
    let statuses = [keys.call(&key), keys.call(&key), keys.call(&key)];
    assert_eq!(statuses, [200, 200, 429]);
    // Total requests, total cost (bytes here), requests by model, error rate, timeline graph.
    let path = format!("/v1/management/apikeys/{}/usage", key.id);
    let usage = eventually(PATIENCE, || async {
        let usage = keys.vendor.get(&path).await.expect(200);
        if usage.data("/totalRequests") == json!(3) { Ok(usage) } else { Err(usage) }
    })
    .await;
    assert!((usage.data("/errorRate").as_f64().unwrap() - 1.0 / 3.0).abs() < 0.001, "{usage:?}");
    assert!(usage.data("/totalBytes").is_u64() && usage.data("/byApplication").is_array());
    assert!(!usage.data("/timeline").as_array().unwrap().is_empty());
}
