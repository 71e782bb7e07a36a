//! Applications that are changed and brought back.

use serde_json::{Value, json};

use super::super::House;

const ONE: &str = "/v1/management/applications/one";

async fn house() -> House {
    let house = House::open().await;
    for id in ["c1", "c2", "c3"] {
        house.post("/v1/management/customers", json!({"customerId": id, "name": id})).await;
    }
    let body = json!({
        "applicationId": "one", "name": "One", "description": "d", "tags": ["x"], "customerIds": ["c1", "c2"],
    });
    assert_eq!(house.post(super::PATH, body).await.status, 201);
    house.clock.advance(std::time::Duration::from_secs(1));
    house
}

#[tokio::test]
async fn what_is_sent_is_changed_null_clears_and_the_rest_stays() {
    let house = house().await;
    let told = house
        .ask("PATCH", ONE, json!({"name": " Uno ", "isActive": false, "customerIds": ["c3", "c2"]}))
        .await;
    insta::assert_snapshot!(told.body["data"], @r#"{"applicationId":"one","createdAt":"2025-06-15T15:06:40.000Z","customerIds":["c2","c3"],"description":"d","isActive":false,"name":"Uno","tags":["x"],"updatedAt":"2025-06-15T15:06:41.000Z"}"#);
    let told = house
        .ask(
            "PATCH",
            ONE,
            json!({"name": null, "description": null, "tags": null, "isActive": null, "customerIds": null}),
        )
        .await;
    insta::assert_snapshot!(told.body["data"], @r#"{"applicationId":"one","createdAt":"2025-06-15T15:06:40.000Z","customerIds":[],"description":"","isActive":true,"name":"Uno","tags":[],"updatedAt":"2025-06-15T15:06:41.000Z"}"#);
    let nothing = house.ask("PATCH", ONE, json!({})).await;
    assert_eq!((nothing.status, &nothing.body["data"]), (200, &told.body["data"]));
    house.ask("PATCH", ONE, json!({"isActive": false})).await;
    let told = house.get("/v1/applications?isActive=false").await;
    assert_eq!(
        told.data("applications")[0]["customers"],
        json!([]),
        "inactive ones are listed to the vendor"
    );
    let told = house
        .ask("PATCH", ONE, json!({"name": 7, "tags": [""], "customerIds": ["a b"], "isActive": "no"}))
        .await;
    assert_eq!(told.body["error"]["details"]["fields"].as_array().unwrap().len(), 4);
    house.application("two").await;
    let key = house.key(json!({"applicationIds": ["two"]})).await;
    assert_eq!(house.ask_as(&key, "PATCH", ONE, json!({})).await.verdict(), (404, "application_not_found"));
}

#[tokio::test]
async fn a_deleted_application_comes_back_with_everything_it_had() {
    let house = house().await;
    let (restore, customers) = (format!("{ONE}/restore"), format!("{ONE}/customers"));
    let gone = (404, "application_not_found");
    house
        .table(&[
            ("PATCH", ONE, json!({"customerIds": ["c1", "c9"]}), (400, "unknown_customers")),
            ("DELETE", ONE, Value::Null, (200, "")),
            ("PATCH", ONE, json!({"name": "x"}), gone),
            ("PUT", &customers, json!({}), gone),
            ("DELETE", ONE, Value::Null, gone),
            ("POST", "/v1/management/applications/two/restore", Value::Null, gone),
            ("POST", &restore, Value::Null, (200, "")),
            ("POST", &restore, Value::Null, (200, "")),
            ("GET", "/v1/applications/one", Value::Null, (200, "")),
        ])
        .await;
    let told = house.post(&restore, json!({})).await;
    assert_eq!((told.data("customerIds"), told.text("name")), (&json!(["c1", "c2"]), "One".to_owned()));
}
