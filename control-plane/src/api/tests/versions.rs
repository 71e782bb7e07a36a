//! Versions through the API.

use serde_json::{Value, json};

use super::House;

#[tokio::test]
async fn a_version_is_changed_and_withdrawn() {
    let house = House::open().await;
    house.application("my-app").await;
    let upload =
        json!({"applicationId": "my-app", "version": "1.0.0", "fileName": "a.exe", "fileContent": "TVo="});
    assert_eq!(house.post("/v1/management/upload", upload).await.status, 201);
    let path = "/v1/applications/my-app/versions/1.0.0";
    house
        .table(&[
            ("PATCH", path, json!({"requiredTier": "Gold"}), (400, "unknown_tier")),
            (
                "PATCH",
                path,
                json!({"isEnabled": 1, "releaseNotes": "x".repeat(5_001)}),
                (400, "invalid_fields"),
            ),
            ("PATCH", "/v1/applications/my-app/versions/2.0.0", json!({}), (404, "version_not_found")),
            ("PATCH", "/v1/applications/nope/versions/1.0.0", json!({}), (404, "application_not_found")),
            ("DELETE", "/v1/applications/my-app/versions/latest", Value::Null, (404, "not_found")),
            (
                "PATCH",
                path,
                json!({"requiredTier": "premium", "releaseNotes": "New", "channel": "Beta"}),
                (200, ""),
            ),
        ])
        .await;
    assert_eq!(house.get("/v1/applications/my-app").await.data("latestVersion"), &Value::Null);
    let told = house.ask("PATCH", path, json!({"channel": null, "isEnabled": true})).await;
    assert_eq!(told.text("channel"), "Production");
    assert_eq!(told.text("requiredTier"), "Premium");
    assert_eq!(house.get("/v1/applications/my-app").await.text("latestVersion"), "1.0.0");
    let told = house.ask("DELETE", path, Value::Null).await;
    assert_eq!((told.data("isActive"), told.data("fileSize")), (&json!(false), &json!(2)));
    assert_eq!(house.get("/v1/applications/my-app").await.data("latestVersion"), &Value::Null);
}
