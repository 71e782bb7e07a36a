//! Keys: made with options, changed, replaced, many of them.

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Admin, Key, PATIENCE, System, eventually};

#[tokio::test]
async fn every_option_of_a_key_is_told_back_and_can_be_changed_and_cleared() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("options").await;
    let end = support::system::after(&system.clock, Duration::from_secs(3_600));
    let key = admin
        .create_key(
            &stock.customer,
            json!({
                "description": "build server", "scopes": ["apps:read"], "rateLimitRpm": 7,
                "ipAllowlist": "127.0.0.0/8, ::1", "applicationIds": ["options"], "channels": ["Beta"],
                "expiresAt": end, "isEnabled": false,
            }),
        )
        .await;
    let path = format!("/v1/management/apikeys/{}", key.id);
    let told = admin.get(&path).await.expect(200).data("");
    for (field, value) in [
        ("kind", json!("customer")),
        ("customerId", json!(stock.customer)),
        ("description", json!("build server")),
        ("scopes", json!(["apps:read"])),
        ("rateLimitRpm", json!(7)),
        ("ipAllowlist", json!(["127.0.0.0/8", "::1"])),
        ("applicationIds", json!(["options"])),
        ("channels", json!(["Beta"])),
        ("expiresAt", json!(end)),
        ("isEnabled", json!(false)),
    ] {
        assert_eq!(told[field], value, "{field}: {told}");
    }
    assert!(!told.to_string().contains(&key.secret), "a secret is told once");
    let change = json!({
        "name": "Other", "scopes": null, "rateLimitRpm": null, "ipAllowlist": null, "applicationIds": null,
        "channels": null, "expiresAt": null, "isEnabled": true,
    });
    let told = admin.change_key(&key, change).await.expect(200).data("");
    assert_eq!((told["name"].as_str(), told["isEnabled"].as_bool()), (Some("Other"), Some(true)));
    assert_eq!(told["scopes"], json!(["apps:read", "downloads:read"]));
    for cleared in ["rateLimitRpm", "applicationIds", "expiresAt"] {
        assert!(told[cleared].is_null(), "{cleared}: {told}");
    }
    system.client(0, &key.text).get(&stock.path()).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named_all_at_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("wrong").await;
    let path = format!("/v1/management/customers/{}/apikeys", stock.customer);
    let options =
        json!({ "rateLimitRpm": 0, "ipAllowlist": ["1.2.3"], "expiresAt": "tomorrow", "scopes": ["fly"] });
    let refused = admin.post(&path, &options).await.expect(400);
    let details = refused.json()["error"]["details"].to_string();
    for field in ["rateLimitRpm", "ipAllowlist", "expiresAt", "scopes"] {
        assert!(details.contains(field), "{field}: {details}");
    }
    let past = admin.post(&path, &json!({ "expiresAt": "2001-01-01T00:00:00Z" })).await.expect(400);
    assert!(past.json()["error"]["details"].to_string().contains("expiresAt"));
}

#[tokio::test]
async fn an_expired_key_cannot_be_extended_and_a_living_one_can() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("extended").await;
    let in_seconds = |seconds| support::system::after(&system.clock, Duration::from_secs(seconds));
    let options = json!({ "expiresAt": in_seconds(100) });
    let (kept, lost) = (
        admin.create_key(&stock.customer, options.clone()).await,
        admin.create_key(&stock.customer, options).await,
    );
    admin.change_key(&kept, json!({ "expiresAt": in_seconds(10_000) })).await.expect(200);
    system.clock.advance(Duration::from_secs(101));
    system.client(0, &kept.text).get(&stock.path()).await.expect(200);
    system.client(0, &lost.text).get(&stock.path()).await.expect(401);
    let refused = admin.change_key(&lost, json!({ "expiresAt": in_seconds(10_000) })).await.expect(409);
    assert_eq!(refused.failure().0, "CONFLICT");
}

#[tokio::test]
async fn a_regenerated_key_dies_and_its_successor_lives_at_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("regenerated").await;
    let (mut current, path) = (stock.key.text.clone(), stock.path());
    for _ in 0..20 {
        let regenerate = format!("/v1/management/customers/{}/regenerate-key", stock.customer);
        let told = admin.post(&regenerate, &json!({})).await.expect(200);
        assert!(told.text("/regeneratedAt").ends_with('Z'));
        let next = told.text("/apiKey");
        system.client(0, &next).get(&path).await.expect(200);
        system.client(0, &current).get(&path).await.expect(401);
        let (old, new) = (system.client(1, &current), system.client(1, &next));
        eventually(PATIENCE, || async { new.get(&path).await.is(200) }).await;
        old.get(&path).await.expect(401);
        current = next;
    }
}

#[tokio::test]
async fn an_admin_replaces_his_own_key() {
    let system = System::in_process().await;
    let own = system.admin(0).create_admin_key(json!({})).await;
    let admin = Admin(system.client(0, &own.text));
    let told = admin.post("/v1/management/admin/regenerate-key", &json!({})).await.expect(200);
    admin.get("/v1/management/customers").await.expect(401);
    admin.with(Some(&told.text("/apiKey"))).get("/v1/management/customers").await.expect(200);
    system.admin(0).get("/v1/management/customers").await.expect(200);
}

#[tokio::test]
async fn a_customer_has_many_keys_and_each_dies_alone() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("many").await;
    let mut keys: Vec<Key> = Vec::new();
    for _ in 0..60 {
        keys.push(admin.create_key(&stock.customer, json!({})).await);
    }
    let list = format!("/v1/management/customers/{}/apikeys", stock.customer);
    let first = admin.get(&format!("{list}?limit=40")).await.expect(200);
    assert_eq!(first.json()["meta"]["pagination"]["total"], 61);
    assert_eq!(first.column("/apiKeys", "keyId").len(), 40);
    let rest = admin.get(&format!("{list}?limit=40&page=2")).await.expect(200);
    assert_eq!(rest.column("/apiKeys", "keyId").len(), 21);
    for key in keys.iter().step_by(2) {
        admin.delete_key(key).await.expect(200);
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = if number % 2 == 0 { 401 } else { 200 };
        // From many addresses, because failures are throttled by source.
        let client = system.client(0, &key.text).at(&format!("127.0.1.{}", number + 1));
        client.get(&stock.path()).await.expect(expected);
    }
    assert_eq!(admin.get(&list).await.expect(200).json()["meta"]["pagination"]["total"], 31);
}

#[tokio::test]
async fn a_scoped_admin_key_does_what_its_scopes_say_and_makes_none_that_may_more() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("scoped").await;
    let publisher =
        admin.create_admin_key(json!({ "preset": "publisher", "applicationIds": ["scoped"] })).await;
    let ci = Admin(system.client(0, &publisher.text));
    ci.upload(&[("applicationId", "scoped"), ("version", "2.0.0")], "a.bin", b"2").await.expect(201);
    admin.create_application("other-app", &[]).await.expect(201);
    let refused = ci.upload(&[("applicationId", "other-app"), ("version", "2.0.0")], "a.bin", b"2").await;
    assert_eq!(refused.expect(404).failure().0, "NOT_FOUND");
    ci.get("/v1/management/customers").await.expect(403);
    let keeper = admin.create_admin_key(json!({ "scopes": ["keys:read", "keys:write"] })).await;
    let keeper = Admin(system.client(0, &keeper.text));
    let more = keeper.post("/v1/management/apikeys", &json!({ "kind": "admin", "preset": "full" })).await;
    assert_eq!(more.expect(403).failure().0, "FORBIDDEN");
    system.client(0, &stock.key.text).get("/v1/download/scoped/2.0.0/a.bin").await.expect(200);
}

#[tokio::test]
async fn an_allowlist_admits_the_addresses_it_names_and_no_others() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("allowed").await;
    let key =
        admin.create_key(&stock.customer, json!({ "ipAllowlist": ["127.0.0.2", "127.0.3.0/24"] })).await;
    for (address, status) in [("127.0.0.1", 403), ("127.0.0.2", 200), ("127.0.3.77", 200), ("127.0.4.1", 403)]
    {
        system.client(0, &key.text).at(address).get(&stock.path()).await.expect(status);
    }
    // An admin's: the control plane is told the address by the edge, and believes nobody else.
    let key = admin.create_admin_key(json!({ "ipAllowlist": ["127.0.0.2"] })).await;
    let customers = "/v1/management/customers";
    system.client(0, &key.text).at("127.0.0.2").get(customers).await.expect(200);
    let forged = system.client(0, &key.text).get_with(customers, "x-forwarded-for", "127.0.0.2").await;
    assert_eq!(forged.expect(403).failure().1, "ip_not_allowed");
    let desk = support::Client::new(&system.desk, Some(&key.text));
    desk.at("127.0.0.2").get(customers).await.expect(200);
    desk.get_with(customers, "x-tidegate-forwarded", "{\"address\":\"127.0.0.2\"}").await.expect(403);
}

#[tokio::test]
async fn failures_are_throttled_by_address_and_a_good_key_from_there_is_not_delayed() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("throttled").await;
    let stranger = system.stranger(0).at("127.0.5.1").with(Some("a-key-that-nobody-has-ever-made"));
    let mut throttled = 0;
    for _ in 0..60 {
        let answer = stranger.get(&stock.path()).await;
        match answer.failure().1.as_str() {
            "auth_throttled" => {
                throttled += 1;
                assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
            }
            reason => assert_eq!((answer.status, reason), (401, "key_unknown")),
        }
    }
    assert!(throttled > 0, "60 failures in a row were not throttled");
    let good = stranger.with(Some(&stock.key.text));
    let began = Instant::now();
    for _ in 0..20 {
        good.get("/v1/applications").await.expect(200);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let elsewhere = stranger.at("127.0.5.2").get(&stock.path()).await;
    assert_eq!(elsewhere.expect(401).failure().1, "key_unknown");
}

#[tokio::test]
async fn one_call_lets_a_new_customer_in() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("opened", &[]).await.expect(201);
    let path = "/v1/management/customers/newcomer/apikeys";
    let made = admin.post(path, &json!({ "name": "Newcomer", "tier": "Premium" })).await.expect(201);
    assert_eq!(made.text("/customerId"), "newcomer");
    let customer = admin.get("/v1/management/customers/newcomer").await.expect(200);
    assert_eq!(
        (customer.text("/name"), customer.text("/tier")),
        ("Newcomer".to_owned(), "Premium".to_owned())
    );
    let unnamed = admin.post("/v1/management/customers/nobody/apikeys", &json!({})).await;
    assert_eq!(unnamed.expect(404).failure().0, "NOT_FOUND");
    admin.post(path, &json!({ "name": "Somebody else" })).await.expect(409);
    let made =
        admin.post("/v1/management/customers/admin/apikeys", &json!({ "name": "Third" })).await.expect(201);
    assert_ne!(made.text("/customerId"), "admin");
    let client = system.client(0, &made.text("/apiKey"));
    client.get("/v1/applications/opened").await.expect(404);
    admin.assign("opened", &[&made.text("/customerId")]).await.expect(200);
    client.get("/v1/applications/opened").await.expect(200);
}

#[tokio::test]
async fn a_limited_admin_key_makes_and_takes_over_none_that_is_less_limited() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let mighty = admin.create_admin_key(json!({})).await;
    let hour = support::system::after(&system.clock, std::time::Duration::from_secs(3_600));
    let limits = json!({ "expiresAt": hour, "ipAllowlist": ["127.0.0.0/8"], "rateLimitRpm": 500 });
    let limited = admin.create_admin_key(limits.clone()).await;
    let limited = admin.0.with(Some(&limited.text));
    let path = format!("/v1/management/apikeys/{}", mighty.id);
    let refused = [
        limited.post("/v1/management/apikeys", &json!({ "kind": "admin", "name": "for ever" })).await,
        limited.post(&format!("{path}/rotate"), &json!({})).await,
        limited.patch(&path, &json!({ "name": "mine" })).await,
        limited.delete(&path).await,
    ];
    for answer in refused {
        assert_eq!(answer.expect(403).failure().1, "limits_not_owned");
    }
    let mut alike = limits;
    alike["kind"] = json!("admin");
    limited.post("/v1/management/apikeys", &alike).await.expect(201);
}

#[tokio::test]
async fn a_narrowed_admin_key_changes_nothing_that_concerns_all_applications() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("narrow").await;
    let narrowed = admin.create_admin_key(json!({ "applicationIds": ["narrow"] })).await;
    let narrowed = admin.0.with(Some(&narrowed.text));
    let customer = format!("/v1/management/customers/{}", stock.customer);
    for answer in [
        narrowed.patch(&customer, &json!({ "isActive": false })).await,
        narrowed.put("/v1/management/tiers/Basic", &json!({ "rank": 5 })).await,
        narrowed
            .post(
                &format!("{customer}/apikeys"),
                &json!({ "tier": "Enterprise", "applicationIds": ["narrow"] }),
            )
            .await,
    ] {
        assert_eq!(answer.expect(403).failure().1, "key_narrowed");
    }
    let writer = admin.create_admin_key(json!({ "scopes": ["keys:write"] })).await;
    let (writer, raise) = (admin.0.with(Some(&writer.text)), json!({ "tier": "Enterprise" }));
    let raised = writer.post(&format!("{customer}/apikeys"), &raise).await.expect(403);
    assert_eq!(raised.failure().1, "scopes_not_owned");
}
