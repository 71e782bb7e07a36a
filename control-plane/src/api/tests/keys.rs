//! Keys through the API.

use serde_json::{Value, json};

use super::{House, TENANT};

const PATH: &str = "/v1/management/apikeys";

#[tokio::test]
async fn keys_are_made_changed_and_deleted() {
    let house = House::open().await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C1"})).await;
    house
        .table(&[
            ("POST", PATH, json!({"kind": "customer"}), (400, "invalid_fields")),
            ("POST", PATH, json!({"kind": "customer", "customerId": "c9"}), (404, "customer_not_found")),
            (
                "POST",
                PATH,
                json!({"customerId": "c1", "scopes": ["apps:write"]}),
                (400, "scopes_not_for_customers"),
            ),
            (
                "POST",
                PATH,
                json!({"customerId": "c1", "applicationIds": ["nope"]}),
                (400, "unknown_applications"),
            ),
            (
                "POST",
                PATH,
                json!({"scopes": ["fly"], "rateLimitRpm": 0, "ipAllowlist": "x", "expiresAt": "soon"}),
                (400, "invalid_fields"),
            ),
            ("POST", PATH, json!({"expiresAt": "2020-01-01T00:00:00Z"}), (400, "invalid_fields")),
            ("GET", "/v1/management/apikeys/key_nope", Value::Null, (404, "key_not_found")),
            ("PATCH", "/v1/management/apikeys/key_nope", json!({}), (404, "key_not_found")),
            ("DELETE", "/v1/management/apikeys/key_nope", Value::Null, (404, "key_not_found")),
        ])
        .await;
    let body = json!({"customerId": "c1", "rateLimitRpm": 5, "ipAllowlist": "10.1.2.3/8, ::1", "channels": ["Test"]});
    let made = house.post(PATH, body).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.text("apiKey"), format!("{TENANT}.{}", made.text("apiSecret")));
    let path = format!("{PATH}/{}", made.text("keyId"));
    let told = house.get(&path).await;
    assert!(
        told.body["data"].get("apiSecret").is_none()
            && !told.body.to_string().contains(&made.text("apiSecret"))
    );
    assert_eq!(told.data("ipAllowlist"), &json!(["10.0.0.0/8", "::1"]));
    let told =
        house.ask("PATCH", &path, json!({"rateLimitRpm": null, "isEnabled": false, "name": "CI"})).await;
    assert_eq!(
        (told.data("rateLimitRpm"), told.data("isEnabled"), told.data("name")),
        (&Value::Null, &json!(false), &json!("CI"))
    );
    assert_eq!(house.ask("DELETE", &path, Value::Null).await.status, 200);
    assert_eq!(house.get(&path).await.verdict(), (404, "key_not_found"));
}

#[tokio::test]
async fn nobody_hands_on_what_he_does_not_have() {
    let house = House::open().await;
    let limited = house.key(json!({"scopes": ["keys:read", "keys:write"]})).await;
    let ask = async |body: Value| house.ask_as(&limited, "POST", PATH, body).await;
    assert_eq!(ask(json!({"kind": "admin", "preset": "full"})).await.verdict(), (403, "scopes_not_owned"));
    assert_eq!(ask(json!({"kind": "admin", "scopes": ["keys:read"]})).await.status, 201);
    // A mistyped customerId must not make an admin's key.
    assert_eq!(ask(json!({"customerID": "c1"})).await.verdict(), (400, "invalid_fields"));
}

#[tokio::test]
async fn a_key_for_a_customer_makes_the_customer_when_it_is_named() {
    let house = House::open().await;
    let path = |id: &str| format!("/v1/management/customers/{id}/apikeys");
    house
        .table(&[
            ("POST", &path("c1"), Value::Null, (404, "customer_not_found")),
            ("POST", &path("c1"), json!({"name": "One", "tier": "Premium"}), (201, "")),
            ("POST", &path("c1"), Value::Null, (201, "")),
            ("POST", &path("c1"), json!({"name": "Other"}), (409, "customer_name_differs")),
            ("POST", &path("admin"), json!([]), (400, "invalid_json")),
            ("POST", &path("admin"), json!("null"), (400, "invalid_json")),
            ("POST", &path("Provisioner"), Value::Null, (201, "")),
            ("POST", &path("Provisioner"), json!({"name": "By another name"}), (201, "")),
            (
                "POST",
                "/v1/management/customers",
                json!({"customerId": "provisioner", "name": "x"}),
                (409, "customer_reserved"),
            ),
            ("GET", &path("c9"), Value::Null, (404, "customer_not_found")),
        ])
        .await;
    let made = house.post(&path("admin"), json!({"name": "Two"})).await;
    assert_eq!(made.status, 201);
    assert!(made.text("customerId").starts_with("cust_"));
    let nameless = house.post(&path("Admin"), Value::Null).await;
    assert_eq!((nameless.status, nameless.text("name")), (201, nameless.text("customerId")));
    let told = house.get(&path("c1")).await;
    assert_eq!(told.data("apiKeys").as_array().unwrap().len(), 2);
    let told = house.get("/v1/management/apikeys").await;
    assert_eq!(told.data("apiKeys").as_array().unwrap().len(), 7);
    assert_eq!(house.get("/v1/management/customers/c1").await.text("tier"), "Premium");
}

#[tokio::test]
async fn an_alias_stands_for_a_new_customer_as_admin_does() {
    let house = House::open_with(|desk| desk.admin_aliases = vec!["vendor".parse().unwrap()]).await;
    let made = house.post("/v1/management/customers/Vendor/apikeys", json!({"name": "One"})).await;
    assert!(made.status == 201 && made.text("customerId").starts_with("cust_"), "{}", made.body);
    let taken = house.post("/v1/management/customers", json!({"customerId": "vendor", "name": "V"})).await;
    assert_eq!(taken.verdict(), (409, "customer_reserved"));
}

#[tokio::test]
async fn a_key_does_not_lift_its_own_limits() {
    let house = House::open().await;
    let made =
        house.post(PATH, json!({"kind": "admin", "rateLimitRpm": 5, "ipAllowlist": "203.0.113.0/24"})).await;
    let (key, path) = (made.text("apiKey"), format!("{PATH}/{}", made.text("keyId")));
    for lifted in [json!({"rateLimitRpm": null}), json!({"ipAllowlist": null})] {
        assert_eq!(house.ask_as(&key, "PATCH", &path, lifted.clone()).await.verdict(), (403, "own_key"));
        assert_eq!(house.ask("PATCH", &path, lifted).await.status, 200);
    }
}

#[tokio::test]
async fn null_means_the_default_also_of_switches() {
    let house = House::open().await;
    let made = house.post(PATH, json!({"kind": "admin", "isEnabled": false})).await;
    let path = format!("{PATH}/{}", made.text("keyId"));
    assert_eq!(house.ask("PATCH", &path, json!({})).await.data("isEnabled"), &json!(false));
    assert_eq!(house.ask("PATCH", &path, json!({"isEnabled": null})).await.data("isEnabled"), &json!(true));
    let path = "/v1/management/customers/c1";
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C", "isActive": false})).await;
    let told = house.ask("PATCH", path, json!({"isActive": null, "name": null})).await;
    assert_eq!((told.data("isActive"), told.data("name")), (&json!(true), &json!("C")));
}

#[tokio::test]
async fn a_regenerated_key_opens_with_its_new_secret_alone() {
    let house = House::open().await;
    let regenerate = "/v1/management/customers/c1/regenerate-key";
    assert_eq!(house.post(regenerate, Value::Null).await.verdict(), (404, "customer_not_found"));
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    assert_eq!(house.post(regenerate, Value::Null).await.verdict(), (404, "customer_without_key"));
    let old = house.key(json!({"customerId": "c1"})).await;
    let new = house.post(regenerate, Value::Null).await;
    assert_eq!(new.text("customerId"), "c1");
    let verdict =
        async |key: &str| house.ask_as(key, "GET", "/v1/applications", Value::Null).await.verdict().0;
    assert_eq!((verdict(&old).await, verdict(&new.text("apiKey")).await), (401, 403));

    let own = house.post("/v1/management/admin/regenerate-key", Value::Null).await;
    assert!(own.text("regeneratedAt").ends_with('Z'));
    assert_eq!((verdict(&house.admin).await, verdict(&own.text("apiKey")).await), (401, 200));
}
