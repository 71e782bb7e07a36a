//! Tiers through the API.

use serde_json::{Value, json};

use super::House;

const PATH: &str = "/v1/management/tiers";

#[tokio::test]
async fn tiers_are_listed_by_rank_read_made_and_replaced() {
    let house = House::open().await;
    let gold = format!("{PATH}/Gold");
    house
        .table(&[
            ("GET", &gold, Value::Null, (404, "tier_not_found")),
            ("GET", "/v1/management/tiers/a%20b", Value::Null, (404, "not_found")),
            ("PUT", &gold, json!({"rank": 15, "bytesPerSecond": 1_000_000}), (201, "")),
            ("PUT", &gold, json!({"rank": 15, "bytesPerSecond": 1_000_000}), (200, "")),
            ("PUT", "/v1/management/tiers/GOLD", json!({"rank": 0, "maxConcurrentDownloads": 2}), (200, "")),
            ("PUT", "/v1/management/tiers/standard", json!({"rank": 7, "rateLimitRpm": null}), (200, "")),
            ("GET", "/v1/management/tiers/basic", Value::Null, (200, "")),
            ("PUT", "/v1/management/tiers/no%20tier", json!({}), (400, "invalid_fields")),
            ("POST", "/v1/management/customers", json!({"name": "A", "tier": "gOLD"}), (201, "")),
        ])
        .await;
    let told = house.get(PATH).await;
    insta::assert_snapshot!(told.body["data"], @r#"{"tiers":[{"maxConcurrentDownloads":2,"name":"Gold","rank":0},{"name":"Basic","rank":7},{"name":"Premium","rank":20,"rateLimitRpm":500},{"name":"Enterprise","rank":30}]}"#);
    let customer = house.get("/v1/management/customers").await.data("customers")[0].clone();
    assert_eq!(customer["tier"], "Gold", "in the tenant's own spelling");
}

#[tokio::test]
async fn every_fault_of_a_tier_is_named_at_once() {
    let house = House::open().await;
    let body =
        json!({"rank": 1_000_001, "rateLimitRpm": 0, "maxConcurrentDownloads": "2", "bytesPerSecond": -1});
    let told = house.ask("PUT", &format!("{PATH}/a~b"), body).await;
    let faults = told.body["error"]["details"]["fields"].as_array().unwrap();
    let mut fields: Vec<&str> = faults.iter().map(|fault| fault["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["bytesPerSecond", "maxConcurrentDownloads", "name", "rank", "rateLimitRpm"]);
    let told = house.ask("PUT", &format!("{PATH}/x"), json!({"rank": null})).await;
    assert_eq!(told.body["error"]["message"], "rank: is required");
}

#[tokio::test]
async fn a_tenant_has_a_hundred_tiers_and_no_more() {
    let house = House::open().await;
    for number in 3..100 {
        let told = house.ask("PUT", &format!("{PATH}/t{number}"), json!({"rank": number})).await;
        assert_eq!(told.status, 201, "{}", told.body);
    }
    house
        .table(&[
            ("PUT", "/v1/management/tiers/one-more", json!({"rank": 1}), (409, "too_many_tiers")),
            ("PUT", "/v1/management/tiers/t3", json!({"rank": 1}), (200, "")),
        ])
        .await;
}
