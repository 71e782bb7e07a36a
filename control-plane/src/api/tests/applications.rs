//! Applications through the API.

mod edit;

use serde_json::{Value, json};

use super::{House, Told};

const PATH: &str = "/v1/management/applications";

#[tokio::test]
async fn applications_are_created_assigned_and_hidden() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C1"})).await;
    house.table(&[
        ("POST", PATH, json!({"applicationId": "my-app", "name": "My App", "tags": ["a", "A"], "customerIds": ["c1"]}), (201, "")),
        ("POST", PATH, json!({"applicationId": "my-app", "name": "x"}), (409, "application_exists")),
        ("POST", PATH, json!({"applicationId": "My_App", "name": ""}), (400, "invalid_fields")),
        ("POST", PATH, json!({"applicationId": "other", "name": "x", "customerIds": ["c1", "c9"]}), (400, "unknown_customers")),
        ("PUT", "/v1/management/applications/my-app/customers", json!({"removeCustomerIds": ["c1"]}), (200, "")),
        ("PUT", "/v1/management/applications/my-app/customers", json!({"addCustomerIds": ["c9"]}), (400, "unknown_customers")),
        ("PUT", "/v1/management/applications/nope/customers", json!({}), (404, "application_not_found")),
        ("GET", "/v1/applications/my-app", Value::Null, (200, "")),
        ("GET", "/v1/applications/nope", Value::Null, (404, "application_not_found")),
        ("DELETE", "/v1/management/applications/my-app", Value::Null, (200, "")),
        ("DELETE", "/v1/management/applications/my-app", Value::Null, (404, "application_not_found")),
        ("GET", "/v1/applications/my-app", Value::Null, (404, "application_not_found")),
        ("POST", PATH, json!({"applicationId": "my-app", "name": "again"}), (409, "application_exists")),
    ]).await;
}

#[tokio::test]
async fn an_assignment_tells_what_it_changed() {
    let house = House::open().await;
    for id in ["c1", "c2", "c3"] {
        house.post("/v1/management/customers", json!({"customerId": id, "name": id})).await;
    }
    let told =
        house.post(PATH, json!({"applicationId": "my-app", "name": "A", "customerIds": ["c1", "c2"]})).await;
    assert_eq!(told.data("customerIds"), &json!(["c1", "c2"]));
    let body = json!({"addCustomerIds": ["c2", "c3"], "removeCustomerIds": "c1"});
    let told = house.ask("PUT", "/v1/management/applications/my-app/customers", body).await;
    assert_eq!(
        told.body["data"],
        json!({"applicationId": "my-app", "customerIds": ["c2", "c3"], "added": ["c3"], "removed": ["c1"]})
    );
    assert!(told.headers["x-tidegate-sequence"].to_str().unwrap().starts_with("1750000000000."));
    let told = house.get("/v1/applications/my-app").await;
    assert_eq!(
        told.data("customers"),
        &json!([{"customerId": "c2", "name": "c2"}, {"customerId": "c3", "name": "c3"}])
    );
}

#[tokio::test]
async fn a_listing_is_searched_filtered_sorted_and_paged() {
    let house = House::open().await;
    for (id, tags, description) in
        [("aaa", "red", "first"), ("bbb", "blue", "Second one"), ("ccc", "red,blue", "")]
    {
        house.clock.advance(std::time::Duration::from_secs(1));
        let body =
            json!({"applicationId": id, "name": id.to_uppercase(), "tags": tags, "description": description});
        assert_eq!(house.post(PATH, body).await.status, 201);
    }
    let ids = |told: &Told| -> String {
        let list = told.data("applications").as_array().unwrap_or_else(|| panic!("{}", told.body));
        list.iter().map(|a| a["applicationId"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    for (query, expected) in [
        ("", "aaa bbb ccc"),
        ("?search=SECOND", "bbb"),
        ("?search=cc", "ccc"),
        ("?tag=RED", "aaa ccc"),
        ("?tags=red,blue", "aaa bbb ccc"),
        ("?tags=green", ""),
        ("?isActive=false", ""),
        ("?sortBy=createdAt&sortOrder=desc", "ccc bbb aaa"),
        ("?limit=1&page=2", "bbb"),
    ] {
        assert_eq!(ids(&house.get(&format!("/v1/applications{query}")).await), expected, "{query}");
    }
    let told = house.get("/v1/applications?sortBy=size&sortOrder=up&isActive=maybe").await;
    assert_eq!(told.body["error"]["details"]["fields"].as_array().unwrap().len(), 3);
    let told = house.get("/v1/applications?limit=1&search=first").await;
    insta::assert_snapshot!(told.body["data"], @r#"{"applications":[{"applicationId":"aaa","createdAt":"2025-06-15T15:06:41.000Z","customers":[],"description":"first","isActive":true,"name":"AAA","tags":["red"],"updatedAt":"2025-06-15T15:06:41.000Z"}],"isAdmin":true,"isFinancialAdmin":true,"pagination":{"hasMore":false}}"#);
}

#[tokio::test]
async fn a_narrowed_key_knows_only_its_applications() {
    let house = House::open().await;
    house.application("one").await;
    house.application("two").await;
    let key = house.key(json!({"applicationIds": ["one"]})).await;
    let told = house.ask_as(&key, "GET", "/v1/applications", Value::Null).await;
    assert_eq!(told.data("applications").as_array().unwrap().len(), 1);
    let refused = (404, "application_not_found");
    assert_eq!(house.ask_as(&key, "GET", "/v1/applications/two", Value::Null).await.verdict(), refused);
    assert_eq!(
        house.ask_as(&key, "DELETE", "/v1/management/applications/two", Value::Null).await.verdict(),
        refused
    );
    assert_eq!(house.ask_as(&key, "GET", "/v1/applications/one", Value::Null).await.status, 200);
}
