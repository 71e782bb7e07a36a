//! Customers: every field there and back, and what becomes of their keys.

use serde_json::{Value, json};
use support::{PATIENCE, System, eventually};

const PATH: &str = "/v1/management/customers";

#[tokio::test]
async fn every_field_of_a_customer_is_told_back_and_can_be_changed_and_cleared() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    // Field, at creation, as it is told, after null: absent is `Null`.
    let fields = [
        ("name", json!(" Acme "), json!("Acme"), json!("Acme")),
        ("tier", json!("premium"), json!("Premium"), json!("Basic")),
        ("channels", json!(["Beta", "beta"]), json!(["Beta"]), json!([])),
        ("notes", json!("Two\nlines"), json!("Two\nlines"), Value::Null),
        ("email", json!("a@b.example"), json!("a@b.example"), Value::Null),
        ("reference", json!("4711"), json!("4711"), Value::Null),
        ("license", json!("until 2030"), json!("until 2030"), Value::Null),
        ("isActive", json!(false), json!(false), json!(true)),
    ];
    let mut body = json!({ "customerId": "c_1-A", "unknown": [1] });
    for (field, sent, _, _) in &fields {
        body[field] = sent.clone();
    }
    let made = admin.post(PATH, &body).await.expect(201).data("");
    let one = format!("{PATH}/c_1-A");
    let check = |shown: &Value, cleared: bool| {
        for (field, _, told, null) in &fields {
            let expected = if cleared { null } else { told };
            assert_eq!(
                (&shown[field], shown.get(field).is_none()),
                (expected, expected.is_null()),
                "{field}: {shown}"
            );
        }
    };
    check(&made, false);
    assert_eq!(admin.get(&one).await.expect(200).data(""), made);
    let nothing = admin.patch(&one, &json!({})).await.expect(200).data("");
    assert_eq!(nothing, made, "absent keeps");
    let nulls: Value = fields
        .iter()
        .map(|(field, ..)| ((*field).to_owned(), Value::Null))
        .collect::<serde_json::Map<_, _>>()
        .into();
    check(&admin.patch(&one, &nulls).await.expect(200).data(""), true);
    let limits = json!({
        "name": "x".repeat(201), "tier": "x y", "channels": vec!["x".repeat(51)], "notes": "x".repeat(2_001),
        "email": "x".repeat(321), "reference": "x".repeat(201), "license": "x".repeat(501), "isActive": 1,
    });
    let refused = admin.patch(&one, &limits).await.expect(400).json();
    assert_eq!(refused["error"]["details"]["fields"].as_array().unwrap().len(), fields.len(), "{refused}");
    for id in ["admin", "ADMIN"] {
        admin.create_customer(id, "Basic").await.expect(409);
    }
    let listed = admin.get(PATH).await.expect(200);
    assert_eq!(listed.column("/customers", "customerId"), ["c_1-A"], "the vendor is no customer of its own");
}

#[tokio::test]
async fn an_inactive_customer_is_refused_with_every_key_and_link_until_it_is_active_again() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("halted").await;
    let second = admin.create_key(&stock.customer, json!({})).await;
    let url = "/v1/downloads/url?applicationId=halted&version=latest";
    let link = system.client(0, &second.text).get(url).await.expect(200).text("/url");
    for (active, status) in [(false, 403), (true, 200)] {
        admin.change_customer(&stock.customer, json!({ "isActive": active })).await.expect(200);
        for edge in 0..2 {
            for key in [&stock.key.text, &second.text] {
                let client = system.client(edge, key);
                eventually(PATIENCE, || async { client.comes_to(&stock.path(), status).await }).await;
            }
            let there = link.replace(&system.edges[0], &system.edges[edge]);
            let answer = system.stranger(edge).get(&there).await.expect(status);
            if !active {
                assert_eq!(answer.json()["error"]["message"], "Account is inactive");
            }
        }
    }
}

#[tokio::test]
async fn one_call_makes_customer_and_key_with_every_option_of_a_key() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("tool", &[]).await.expect(201);
    let end = support::system::after(&system.clock, std::time::Duration::from_secs(3_600));
    let options = json!({
        "name": "New One", "tier": "Standard", "description": "d", "preset": "customer", "rateLimitRpm": 9,
        "ipAllowlist": ["127.0.0.0/8"], "applicationIds": ["tool"], "channels": ["Test"], "expiresAt": end,
        "isEnabled": true,
    });
    let made = admin.post(&format!("{PATH}/new-one/apikeys"), &options).await.expect(201);
    assert_eq!((made.text("/customerId"), made.text("/name")), ("new-one".to_owned(), "New One".to_owned()));
    assert!(
        made.text("/apiKey").ends_with(&made.text("/apiSecret")) && made.text("/createdAt").ends_with('Z')
    );
    let told =
        admin.get(&format!("/v1/management/apikeys/{}", made.text("/keyId"))).await.expect(200).data("");
    for field in
        ["description", "rateLimitRpm", "ipAllowlist", "applicationIds", "channels", "expiresAt", "isEnabled"]
    {
        assert_eq!(told[field], options[field], "{field}: {told}");
    }
    assert_eq!(told["scopes"], json!(["apps:read", "downloads:read"]));
    assert_eq!(admin.get(&format!("{PATH}/new-one")).await.expect(200).text("/tier"), "Basic");
    let again = json!({ "name": "New One", "tier": "enterprise" });
    admin.post(&format!("{PATH}/new-one/apikeys"), &again).await.expect(201);
    assert_eq!(admin.get(&format!("{PATH}/new-one")).await.expect(200).text("/tier"), "Enterprise");
    let keys = admin.get(&format!("{PATH}/new-one/apikeys")).await.expect(200);
    assert_eq!(keys.column("/apiKeys", "keyId").len(), 2);
    admin.get(&format!("{PATH}/nobody/apikeys")).await.expect(404);
    let bare = admin.request(reqwest::Method::POST, &format!("{PATH}/new-one/apikeys"));
    assert_eq!(support::client::send(bare).await.expect(201).text("/name"), "New One", "a body is optional");
}
