//! BinDist, *Management API*.

use serde_json::json;
use support::content;

use super::Reader;

#[tokio::test]
async fn applications() {
    let reader = Reader::new().await;

    // Create application.
    reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "applicationId": "my-new-app",
    "name": "My New Application",
    "description": "A brand new application",
    "tags": ["windows", "utility"]
  }' \
  https://api.bindist.eu/v1/management/applications"#,
        )
        .status(201)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "applicationId": "my-new-app",
    "name": "My New Application",
    "description": "A brand new application",
    "tags": ["windows", "utility"],
    "isActive": true,
    "createdAt": "2025-01-15T10:00:00Z"
  }
}"#,
        );

    // Delete application.
    reader.vendor().create_application("my-app", &[]).await.expect(201);
    reader
        .run(
            r#"
curl -X DELETE \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  https://api.bindist.eu/v1/management/applications/my-app"#,
        )
        .status(200)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "message": "Application deleted successfully",
    "applicationId": "my-app",
    "deletedAt": "2025-01-15T10:30:00Z"
  }
}"#,
        );
    let listed = reader.vendor().get("/v1/applications").await.expect(200);
    assert!(
        !listed.column("/applications", "applicationId").contains(&"my-app".to_owned()),
        "hidden from listings"
    );
}

#[tokio::test]
async fn uploads() {
    let reader = Reader::new().await;
    reader.vendor().create_application("my-app", &["sample-customer"]).await.expect(201);

    // Upload binary.
    let bytes = content::bytes(22, 300_000);
    reader.lay("my-app-2.2.0.exe", &bytes);
    let told = reader
        .run(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -F "applicationId=my-app" \
  -F "version=2.2.0" \
  -F "releaseNotes=New features and bug fixes" \
  -F "file=@./my-app-2.2.0.exe" \
  https://api.bindist.eu/v1/management/upload"#,
        )
        .status(201);
    assert_eq!(told.text("/data/checksum"), content::checksum(&bytes));

    // Large file upload. The documents upload one file twice: the version must be free again.
    reader.vendor().create_application("my-large-app", &[]).await.expect(201);
    let large = vec![7_u8; 52_428_800];
    reader.lay("my-app-2.2.0.exe", &large);
    let begun = reader
        .run_with(
            r#"
curl -X POST \
  -H "Authorization: Bearer YOUR_ADMIN_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "applicationId": "my-app",
    "version": "2.2.0",
    "fileName": "my-app-2.2.0.exe",
    "fileSize": 52428800
  }' \
  https://api.bindist.eu/v1/management/upload/large-url"#,
            &[("YOUR_ADMIN_API_KEY", &reader.admin_key), ("\"my-app\"", "\"my-large-app\"")],
        )
        .status(200)
        .documented(
            r#"
{
  "success": true,
  "data": {
    "uploadUrl": "https://s3.eu-central-1.amazonaws.com/...",
    "uploadId": "upl_abc123",
    "expiresAt": "2025-01-15T11:00:00Z"
  }
}"#,
        );
    reader
        .run_with(
            r#"
curl -X PUT \
  -H "Content-Type: application/octet-stream" \
  --data-binary @./my-app-2.2.0.exe \
  "UPLOAD_URL_FROM_STEP_1""#,
            &[("UPLOAD_URL_FROM_STEP_1", &begun.text("/data/uploadUrl"))],
        )
        .status(200);
    // Step 3 is described by its fields alone.
    let completed = json!({ "uploadId": begun.text("/data/uploadId"), "releaseNotes": "New features" });
    let told = reader.vendor().complete_upload(completed).await.expect(201);
    assert_eq!(told.data("/fileSize"), json!(52_428_800));
    assert_eq!(told.text("/checksum"), content::checksum(&large));
}

#[tokio::test]
async fn customers_and_their_keys() {
    let reader = Reader::new().await;
    let customer = json!({ "customerId": "cust_abc123", "name": "Acme Corp", "tier": "Premium" });
    reader.vendor().post("/v1/management/customers", &customer).await.expect(201);

    // List customers: `GET /v1/management/customers`.
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
        "name": "Acme Corp",
        "tier": "Premium",
        "isActive": true,
        "createdAt": "2024-06-15T10:00:00Z"
      }
    ]
  }
}"#,
        );

    // Create API key: `POST /v1/management/customers/{customerId}/apikeys`. Deviation: the key begins with the
    // tenant's id, as the document on authentication has it; the form that is printed here opens the door as well.
    let made = reader
        .run(
            r#"curl -X POST -H "Authorization: Bearer YOUR_ADMIN_API_KEY" https://api.bindist.eu/v1/management/customers/cust_abc123/apikeys"#,
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
    let as_printed = format!("cust_abc123.{}", made.text("/data/apiSecret"));
    let list = r#"curl -H "Authorization: Bearer YOUR_API_KEY" https://api.bindist.eu/v1/applications"#;
    reader.run_with(list, &[("YOUR_API_KEY", &as_printed)]).status(200);
    reader.run_with(list, &[("YOUR_API_KEY", &made.text("/data/apiKey"))]).status(200);

    // Update customer: `PATCH /v1/management/customers/{customerId}` with name, isActive, notes.
    let change = json!({ "name": "Acme Ltd", "isActive": false, "notes": "moved" });
    let told = reader.vendor().change_customer("cust_abc123", change).await.expect(200);
    assert_eq!((told.text("/name"), told.text("/notes")), ("Acme Ltd".to_owned(), "moved".to_owned()));
}

#[tokio::test]
async fn activity() {
    let reader = Reader::new().await;
    super::customers::three_downloads(&reader).await;

    // List activity: `GET /v1/activity` with type, applicationId, limit, cursor.
    let example = r#"curl -H "Authorization: Bearer YOUR_ADMIN_API_KEY" "https://api.bindist.eu/v1/activity?type=download&applicationId=my-app&limit=1""#;
    let told = reader.run(example).status(200).documented(
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
    ],
    "pagination": {
      "hasMore": true,
      "nextCursor": "..."
    }
  }
}"#,
    );
    let next =
        format!("{}&cursor={}\"", example.trim_end_matches('"'), told.text("/data/pagination/nextCursor"));
    let second = reader.run(&next).status(200);
    assert_ne!(second.at("/data/activities/0/id"), told.at("/data/activities/0/id"));
    let uploads = reader.run(&example.replace("type=download", "type=upload")).status(200);
    assert_eq!(uploads.text("/data/activities/0/type"), "upload");
}
