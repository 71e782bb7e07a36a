//! BinDist, *Authentication*.

use super::Reader;

#[tokio::test]
async fn authentication() {
    let reader = Reader::new().await;
    let vendor = reader.vendor();
    let key = vendor.create_key("sample-customer", serde_json::json!({})).await;
    let documented = "14632221-b1b6-4eec-844a-39f60c7f1523.xYz789SecretKeyHere";

    // Example request.
    let example = r#"
curl -H "Authorization: Bearer 14632221-b1b6-4eec-844a-39f60c7f1523.xYz789SecretKeyHere" \
  https://api.bindist.eu/v1/applications"#;
    let told = reader.run_with(example, &[(documented, &key.text)]).status(200);
    assert_eq!(told.text("/data/applications/0/applicationId"), "tidegate");
    assert!(key.text.starts_with("14632221-b1b6-4eec-844a-39f60c7f1523."), "{{tenantId}}.{{secret}}");

    // Alternatively the X-API-Key header.
    let example = r#"curl -H "X-API-Key: YOUR_API_KEY" https://api.bindist.eu/v1/applications"#;
    reader.run_with(example, &[("YOUR_API_KEY", &key.text)]).status(200);

    // Self-hosted, single tenant: just the secret.
    let example = r#"curl -H "Authorization: Bearer YOUR_API_KEY" https://api.bindist.eu/v1/applications"#;
    reader.run_with(example, &[("YOUR_API_KEY", &key.secret)]).status(200);

    // Missing API key.
    reader.run_with("curl https://api.bindist.eu/v1/applications", &[]).status(401).documented(
        r#"{"success": false, "error": {"code": "UNAUTHORIZED", "message": "Missing authentication token"}}"#,
    );

    // Invalid API key.
    reader
        .run_with(example, &[("YOUR_API_KEY", documented)])
        .status(401)
        .documented(r#"{"success": false, "error": {"code": "UNAUTHORIZED", "message": "Invalid API key"}}"#);

    // Inactive account.
    vendor.change_customer("sample-customer", serde_json::json!({ "isActive": false })).await.expect(200);
    reader.run_with(example, &[("YOUR_API_KEY", &key.text)]).status(403).documented(
        r#"{"success": false, "error": {"code": "FORBIDDEN", "message": "Account is inactive"}}"#,
    );

    // Customer keys are read-only.
    vendor.change_customer("sample-customer", serde_json::json!({ "isActive": true })).await.expect(200);
    let example = r#"curl -X DELETE -H "X-API-Key: YOUR_API_KEY" https://api.bindist.eu/v1/management/applications/tidegate"#;
    reader.run_with(example, &[("YOUR_API_KEY", &key.text)]).status(403);
}
