//! Customers through the API.

use serde_json::{Value, json};

use super::House;

const PATH: &str = "/v1/management/customers";

#[tokio::test]
async fn customers_are_created_read_and_changed() {
    let house = House::open().await;
    house
        .table(&[
            (
                "POST",
                PATH,
                json!({"customerId": "c1", "name": " Acme ", "tier": "standard", "email": "a@b.c"}),
                (201, ""),
            ),
            ("POST", PATH, json!({"customerId": "c1", "name": "Acme"}), (409, "customer_exists")),
            ("POST", PATH, json!({"customerId": "admin", "name": "A"}), (409, "customer_reserved")),
            ("POST", PATH, json!({"name": "Nameless id"}), (201, "")),
            ("POST", PATH, json!({"customerId": "a/b", "name": ""}), (400, "invalid_fields")),
            ("POST", PATH, json!({"name": "B", "tier": "Gold"}), (400, "unknown_tier")),
            ("GET", "/v1/management/customers/c1", Value::Null, (200, "")),
            ("GET", "/v1/management/customers/c2", Value::Null, (404, "customer_not_found")),
            ("PATCH", "/v1/management/customers/c2", json!({}), (404, "customer_not_found")),
            (
                "PATCH",
                "/v1/management/customers/c1",
                json!({"email": null, "tier": "Premium", "isActive": false}),
                (200, ""),
            ),
        ])
        .await;
    let told = house.get("/v1/management/customers/c1").await;
    insta::assert_snapshot!(told.body["data"], @r#"{"channels":[],"createdAt":"2025-06-15T15:06:40.000Z","customerId":"c1","isActive":false,"name":"Acme","tier":"Premium","updatedAt":"2025-06-15T15:06:40.000Z"}"#);
}

#[tokio::test]
async fn every_fault_of_a_body_is_named_once() {
    let house = House::open().await;
    let told = house
        .post(
            PATH,
            json!(r#"{"customerId":"ü","name":7,"tier":"a b","channels":"x","channels":"y","notes":null}"#),
        )
        .await;
    insta::assert_snapshot!(told.body["error"]["details"]["fields"], @r#"[{"field":"name","message":"must be a text, not a number"},{"field":"channels","message":"is sent more than once"},{"field":"customerId","message":"a customerId is 1 to 100 characters of A-Z a-z 0-9 _ -"},{"field":"tier","message":"a tier is 1 to 50 characters of A-Z a-z 0-9 _ -, like Basic, Premium or Enterprise"}]"#);
}

#[tokio::test]
async fn a_list_is_whole_by_name_or_paged_and_says_both_paginations() {
    let house = House::open().await;
    for name in ["beta", "Alpha", "gamma"] {
        house.post(PATH, json!({"customerId": name, "name": name})).await;
    }
    let names = |told: &super::Told| -> Vec<String> {
        let list = told.data("customers").as_array().unwrap();
        list.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    let whole = house.get(PATH).await;
    assert_eq!(names(&whole), ["Alpha", "beta", "gamma"]);
    assert_eq!(
        whole.body["meta"]["pagination"],
        json!({"page": 1, "limit": 50, "total": 3, "hasNext": false, "hasPrevious": false})
    );
    let paged = house.get(&format!("{PATH}?limit=2&page=2")).await;
    assert_eq!(names(&paged), ["gamma"]);
    assert_eq!(
        paged.body["meta"]["pagination"],
        json!({"page": 2, "limit": 2, "total": 3, "hasNext": false, "hasPrevious": true})
    );
    let first = house.get(&format!("{PATH}?pageSize=2")).await;
    let cursor = first.data("pagination")["nextCursor"].as_str().unwrap().to_owned();
    let link = format!("<http://localhost{PATH}?pageSize=2&cursor={cursor}>; rel=\"next\"");
    assert_eq!(first.headers["link"].to_str().unwrap(), link);
    house.post(PATH, json!({"name": "Aardvark"})).await;
    let second = house.get(&format!("{PATH}?cursor={cursor}")).await;
    assert_eq!(names(&second), ["gamma"], "what came in before the cursor shifts nothing");
    assert!(!second.headers.contains_key("link"));
    assert_eq!(
        second.body["meta"]["pagination"],
        json!({"page": 2, "limit": 2, "total": 4, "hasNext": false, "hasPrevious": true})
    );
    assert_eq!(house.get(&format!("{PATH}?limit=0")).await.verdict(), (400, "invalid_fields"));
    for forged in ["abc", &cursor[1..], &cursor[..cursor.len() - 1]] {
        assert_eq!(house.get(&format!("{PATH}?cursor={forged}")).await.verdict(), (400, "invalid_cursor"));
    }
    let elsewhere = house.get(&format!("/v1/management/apikeys?cursor={cursor}")).await;
    assert_eq!(elsewhere.verdict(), (400, "invalid_cursor"));
}
