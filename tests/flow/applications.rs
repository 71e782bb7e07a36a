//! Applications: made, changed, hidden, brought back, found.

use serde_json::{Value, json};
use support::{Answer, Client, PATIENCE, System, eventually};

const MANAGED: &str = "/v1/management/applications";

/// Waits until the other edge says the same.
async fn on_both(system: &System, key: &str, target: &str, status: u16) -> Answer {
    let first = system.client(0, key).get(target).await.expect(status);
    let second = system.client(1, key);
    eventually(PATIENCE, || async { second.get(target).await.is(status) }).await;
    first
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.column("/applications", "applicationId")
}

#[tokio::test]
async fn a_deactivated_application_is_hidden_from_customers_everywhere_at_once_and_comes_back() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("hidden").await;
    let (key, one) = (stock.key.text.as_str(), format!("{MANAGED}/hidden"));
    let customer = system.client(0, key);
    let url = customer.get("/v1/downloads/url?applicationId=hidden&version=latest").await.expect(200);
    let link = url.text("/url");
    let paths = [
        stock.path(),
        "/v1/applications/hidden".to_owned(),
        "/v1/applications/hidden/versions".to_owned(),
        "/v1/applications/hidden/versions/1.2.0/files".to_owned(),
        "/v1/downloads/url?applicationId=hidden&version=latest".to_owned(),
        link.replace(&system.edges[0], ""),
    ];
    for path in &paths {
        on_both(&system, key, path, 200).await;
    }
    for round in 0..2 {
        match round {
            0 => admin.patch(&one, &json!({ "isActive": false })).await.expect(200),
            _ => admin.delete(&one).await.expect(200),
        };
        for path in &paths {
            let refused = on_both(&system, key, path, 404).await;
            assert_eq!(refused.failure().0, "NOT_FOUND", "{path}");
        }
        assert!(ids(&on_both(&system, key, "/v1/applications", 200).await).is_empty());
        if round == 0 {
            let shown = admin.get("/v1/applications?isActive=false").await.expect(200);
            assert_eq!(ids(&shown), ["hidden"], "its vendor sees it");
            assert_eq!(admin.get("/v1/applications/hidden").await.expect(200).data("/isActive"), false);
            let versions = admin.get("/v1/applications/hidden/versions").await.expect(200);
            assert_eq!(versions.column("/versions", "version"), ["1.2.0"]);
            assert!(ids(&admin.get("/v1/applications?isActive=true").await).is_empty());
            admin.patch(&one, &json!({ "isActive": true })).await.expect(200);
        } else {
            admin.get("/v1/applications/hidden").await.expect(404);
            admin.delete(&one).await.expect(404);
            admin.create_application("hidden", &[]).await.expect(409);
            let told = admin.post(&format!("{one}/restore"), &json!({})).await.expect(200);
            assert_eq!(told.data("/customerIds"), json!([stock.customer]));
            assert_eq!(told.text("/latestVersion"), "1.2.0");
        }
        for path in &paths {
            on_both(&system, key, path, 200).await;
        }
        assert_eq!(customer.get(&stock.path()).await.body, stock.bytes);
    }
}

#[tokio::test]
async fn a_change_shows_to_customers_and_null_clears() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("changed").await;
    admin.create_customer("second", "Basic").await.expect(201);
    let other = admin.create_key("second", json!({})).await;
    let change = json!({
        "name": " New ", "description": "Words", "tags": ["x", "X", "y"], "customerIds": ["second"], "ignored": 1,
    });
    let told = admin.patch(&format!("{MANAGED}/changed"), &change).await.expect(200);
    assert_eq!(told.data("/customerIds"), json!(["second"]));
    system.client(0, &stock.key.text).get(&stock.path()).await.expect(404);
    let shown = system.client(0, &other.text).get("/v1/applications/changed").await.expect(200).data("");
    for (field, value) in
        [("name", json!("New")), ("description", json!("Words")), ("tags", json!(["x", "y"]))]
    {
        assert_eq!(shown[field], value);
    }
    assert_eq!((&shown["latestVersion"], &shown["customers"]), (&json!("1.2.0"), &Value::Null));
    let named = admin.get("/v1/applications/changed").await.expect(200);
    assert_eq!(named.data("/customers"), json!([{ "customerId": "second", "name": "Customer second" }]));
    let cleared = json!({ "name": null, "description": null, "tags": null, "customerIds": null });
    admin.patch(&format!("{MANAGED}/changed"), &cleared).await.expect(200);
    system.client(0, &other.text).get("/v1/applications/changed").await.expect(404);
    let told = admin.get("/v1/applications/changed").await.expect(200).data("");
    assert_eq!((&told["name"], &told["description"], &told["tags"]), (&json!("New"), &json!(""), &json!([])));
    let wrong = json!({ "customerIds": ["second", "nobody", "none"] });
    let refused = admin.patch(&format!("{MANAGED}/changed"), &wrong).await.expect(400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("nobody, none"), "{refused:?}");
    assert_eq!(refused.failure().1, "unknown_customers");
    admin.create_application("another", &["nobody"]).await.expect(400);
}

#[tokio::test]
async fn applications_are_found_alike_by_the_vendor_and_by_a_customer() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_customer("c1", "Basic").await.expect(201);
    let key = admin.create_key("c1", json!({})).await;
    for (id, name, description, tags) in [
        ("aaa", "Größe", "", json!(["Red"])),
        ("bbb", "alpha", "Second ONE", json!(["blue"])),
        ("ccc", "Beta", "", json!(["red", "blue"])),
    ] {
        let body = json!({
            "applicationId": id, "name": name, "description": description, "tags": tags, "customerIds": ["c1"],
        });
        admin.post(MANAGED, &body).await.expect(201);
    }
    admin.patch(&format!("{MANAGED}/aaa"), &json!({ "description": "touched" })).await.expect(200);
    let customer = system.client(0, &key.text);
    for client in [&*admin, &customer] {
        for (query, found) in [
            ("", &["bbb", "ccc", "aaa"][..]),
            ("sortBy=name&sortOrder=desc", &["aaa", "ccc", "bbb"]),
            ("sortBy=createdAt", &["aaa", "bbb", "ccc"]),
            ("sortBy=updatedAt&sortOrder=DESC", &["aaa", "ccc", "bbb"]),
            ("search=GR%C3%96SSE", &["aaa"]),
            ("search=%20second+one%20", &["bbb"]),
            ("search=", &["bbb", "ccc", "aaa"]),
            ("tags=red", &["ccc", "aaa"]),
            ("tag=BLUE", &["bbb", "ccc"]),
            ("tags=red&tags=blue", &["bbb", "ccc", "aaa"]),
            ("tags=green,%20blue", &["bbb", "ccc"]),
            ("isActive=true&tag=red&search=b", &["ccc"]),
            ("isActive=false", &[]),
        ] {
            assert_eq!(
                ids(&client.get(&format!("/v1/applications?{query}")).await.expect(200)),
                found,
                "{query}"
            );
        }
    }
    let says = |answer: Answer| (answer.data("/isAdmin"), answer.data("/isFinancialAdmin"));
    assert_eq!(says(customer.get("/v1/applications").await), (json!(false), json!(false)));
    assert_eq!(says(admin.get("/v1/applications").await), (json!(true), json!(true)));
    let auditor = admin.create_admin_key(json!({ "scopes": ["apps:read", "audit:read"] })).await;
    let auditor: Client = system.client(0, &auditor.text);
    assert_eq!(says(auditor.get("/v1/applications").await), (json!(true), json!(false)));
}
