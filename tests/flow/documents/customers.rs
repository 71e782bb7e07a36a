//! BinDist, *Managing Customers*.

use serde_json::json;
use support::{Client, PATIENCE, content, eventually};

use super::Reader;

/// Downloads of version 2.1.0 of `my-app` by `cust_abc123`, and waits until they are told.
pub(super) async fn three_downloads(reader: &Reader) {
    let vendor = reader.vendor();
    let key =
        vendor.create_key("cust_abc123", json!({ "name": "Acme Corporation", "tier": "Premium" })).await;
    vendor.create_application("my-app", &["cust_abc123"]).await.expect(201);
    let fields = [("applicationId", "my-app"), ("version", "2.1.0")];
    vendor.upload(&fields, "setup.exe", &content::bytes(1, 40_000)).await.expect(201);
    let customer = Client::new(&reader.base, Some(&key.text));
    for _ in 0..3 {
        let request = customer.request(reqwest::Method::GET, "/v1/download/my-app/2.1.0/setup.exe");
        support::client::send(request.header("user-agent", "curl/7.68.0")).await.expect(200);
    }
    eventually(PATIENCE, || async {
        let told = vendor.get("/v1/activity?type=download").await.expect(200);
        if told.data("/activities").as_array().unwrap().len() == 3 { Ok(()) } else { Err(told) }
    })
    .await;
}

#[tokio::test]
async fn customers() {
    let reader = Reader::new().await;

    // Creating API keys.
    let made = reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "Acme Corporation",
    "tier": "Premium"
  }' \
  https://api.bindist.eu/v1/management/customers/cust_abc123/apikeys"#,
        )
        .status(201)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "customerId": "cust_abc123",
    "apiKey": "cust_abc123.xYz789SecretKeyHere",
    "createdAt": "2025-01-15T10:00:00Z"
  }
}"#,
        );

    // Listing customers.
    reader
        .run(r#"curl -H "Authorization: Bearer YOUR_ADMIN_API_KEY" https://api.bindist.eu/v1/management/customers"#)
        .status(200)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "customers": [
      {
        "customerId": "cust_abc123",
        "name": "Acme Corporation",
        "tier": "Premium",
        "isActive": true,
        "createdAt": "2024-06-15T10:00:00Z"
      }
    ]
  }
}"#,
        );

    // Updating customers.
    let told = reader
        .run(
            r#"
curl -X PATCH \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "name": "Acme Corp (Updated)",
    "notes": "Enterprise customer since 2024"
  }' \
  https://api.bindist.eu/v1/management/customers/cust_abc123"#,
        )
        .status(200);
    assert_eq!(told.text("/data/name"), "Acme Corp (Updated)");
    assert_eq!(told.text("/data/notes"), "Enterprise customer since 2024");
    deactivating(&reader, &made.text("/data/apiKey"));
    regenerating(&reader, &made.text("/data/apiKey"));
}

const LIST: &str = r#"curl -H "Authorization: Bearer YOUR_API_KEY" https://api.bindist.eu/v1/applications"#;

/// Deactivating customers: they cannot authenticate, receive a 403, and can be reactivated.
fn deactivating(reader: &Reader, key: &str) {
    let deactivate = r#"
curl -X PATCH \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "isActive": false
  }' \
  https://api.bindist.eu/v1/management/customers/cust_abc123"#;
    reader.run(deactivate).status(200);
    reader.run_with(LIST, &[("YOUR_API_KEY", key)]).status(403);
    reader.run(&deactivate.replace("false", "true")).status(200);
    reader.run_with(LIST, &[("YOUR_API_KEY", key)]).status(200);
}

/// Regenerating API keys: the old key is immediately invalidated.
fn regenerating(reader: &Reader, key: &str) {
    let new = reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  https://api.bindist.eu/v1/management/customers/cust_abc123/regenerate-key"#,
        )
        .status(200)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "customerId": "cust_abc123",
    "apiKey": "cust_abc123.newSecretKeyHere",
    "apiSecret": "newSecretKeyHere",
    "regeneratedAt": "2025-01-15T10:30:00Z"
  }
}"#,
        );
    reader.run_with(LIST, &[("YOUR_API_KEY", key)]).status(401);
    reader.run_with(LIST, &[("YOUR_API_KEY", &new.text("/data/apiKey"))]).status(200);
}

#[tokio::test]
async fn tiers_and_assignments() {
    let reader = Reader::new().await;
    let vendor = reader.vendor();
    let key =
        vendor.create_key("cust_abc123", json!({ "name": "Acme Corporation", "tier": "Premium" })).await;
    let best =
        vendor.create_key("cust_def456", json!({ "name": "Best Corporation", "tier": "Enterprise" })).await;

    // Assigning applications to customers.
    let told = reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "applicationId": "my-app",
    "name": "My Application",
    "customerIds": ["cust_abc123", "cust_def456"]
  }' \
  https://api.bindist.eu/v1/management/applications"#,
        )
        .status(201);
    assert_eq!(told.at("/data/customerIds"), &json!(["cust_abc123", "cust_def456"]));

    // Tier-based access control: customers with lower tiers do not see this version in their listings.
    reader.lay("my-app-enterprise.exe", &content::bytes(3, 50_000));
    reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -F "applicationId=my-app" \
  -F "version=2.0.0-enterprise" \
  -F "requiredTier=Enterprise" \
  -F "file=@./my-app-enterprise.exe" \
  https://api.bindist.eu/v1/management/upload"#,
        )
        .status(201);
    let versions = r#"curl -H "Authorization: Bearer YOUR_API_KEY" https://api.bindist.eu/v1/applications/my-app/versions"#;
    let seen = |key: &str| {
        reader.run_with(versions, &[("YOUR_API_KEY", key)]).status(200).at("/data/versions").clone()
    };
    assert_eq!(seen(&key.text), json!([]));
    assert_eq!(seen(&best.text)[0]["version"], "2.0.0-enterprise");
}

#[tokio::test]
async fn monitoring_customer_activity() {
    let reader = Reader::new().await;
    three_downloads(&reader).await;
    reader
        .run(
            r#"
curl -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  "https://api.bindist.eu/v1/activity?type=download""#,
        )
        .status(200)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "activities": [
      {
        "type": "download",
        "applicationId": "my-app",
        "version": "2.1.0",
        "customerId": "cust_abc123",
        "clientIp": "192.168.1.100",
        "userAgent": "curl/7.68.0",
        "timestamp": "2025-01-15T10:30:00Z"
      }
    ]
  }
}"#,
        );
}
