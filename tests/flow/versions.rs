//! Versions: in which order, who sees which, and what becomes of them.

use serde_json::{Value, json};
use support::{Admin, Answer, Client, System};

async fn put(admin: &Admin, version: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [&[("applicationId", "tool"), ("version", version)], more].concat();
    admin.upload(&fields, "tool.bin", version.as_bytes()).await.expect(201)
}

/// The listed versions, as `X-Channel` asks for them.
async fn listed(client: &Client, channel: &str) -> Vec<String> {
    let answer = client.get_with("/v1/applications/tool/versions", "x-channel", channel).await;
    answer.expect(200).column("/versions", "version")
}

async fn latest(client: &Client) -> Value {
    client.get("/v1/applications/tool").await.expect(200).data("")["latestVersion"].clone()
}

struct Shop {
    system: System,
    admin: Admin,
    customer: Client,
    key: support::Key,
}

/// With `tool`, assigned to one customer on Basic, and no version.
async fn shop() -> Shop {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_customer("c1", "Standard").await.expect(201);
    admin.create_application("tool", &["c1"]).await.expect(201);
    let key = admin.create_key("c1", json!({ "rateLimitRpm": 10_000 })).await;
    let customer = system.client(0, &key.text);
    Shop { system, admin, customer, key }
}

#[tokio::test]
async fn versions_come_newest_first_and_the_first_is_the_latest() {
    let shop = shop().await;
    let Shop { admin, customer, .. } = &shop;
    assert_eq!(latest(customer).await, Value::Null, "none yet");
    for version in ["1.9.0", "1.10.0", "1.10.0-rc.2", "1.10.0-rc.11", "1.10.0-alpha", "v1.2", "0.9"] {
        put(admin, version, &[("releaseNotes", &format!("Notes of {version}"))]).await;
    }
    let ordered = ["1.10.0", "1.10.0-rc.11", "1.10.0-rc.2", "1.10.0-alpha", "1.9.0", "v1.2", "0.9"];
    assert_eq!(listed(customer, "").await, ordered);
    assert_eq!(listed(admin, "").await, ordered);
    assert_eq!((latest(customer).await, latest(admin).await), (json!("1.10.0"), json!("1.10.0")));
    let found = customer.get("/v1/applications/tool/versions?changelog=NOTES%20OF%201.10.0-RC").await;
    assert_eq!(found.expect(200).column("/versions", "version"), ["1.10.0-rc.11", "1.10.0-rc.2"]);
    let url = customer.get("/v1/downloads/url?applicationId=tool&version=latest").await.expect(200);
    assert_eq!(customer.get(&url.text("/url")).await.expect(200).body, b"1.10.0");
    let shape = customer.get("/v1/applications/tool/versions?limit=1").await.expect(200).data("/versions/0");
    for field in [
        "versionId",
        "applicationId",
        "version",
        "releaseNotes",
        "channel",
        "checksum",
        "createdAt",
        "updatedAt",
    ] {
        assert!(shape[field].is_string(), "{field}: {shape}");
    }
    assert_eq!(
        (&shape["isActive"], &shape["isEnabled"], &shape["fileSize"]),
        (&json!(true), &json!(true), &json!(6))
    );
    assert!(shape.get("requiredTier").is_none(), "absent, never null");
}

#[tokio::test]
async fn a_yanked_version_is_gone_until_it_is_brought_back() {
    let shop = shop().await;
    let Shop { admin, customer, .. } = &shop;
    put(admin, "1.0.0", &[]).await;
    put(admin, "2.0.0", &[]).await;
    let path = "/v1/applications/tool/versions/2.0.0";
    let bytes = "/v1/download/tool/2.0.0/tool.bin";
    for by_delete in [true, false] {
        let told = if by_delete {
            admin.delete(path).await
        } else {
            admin.change_version("tool", "2.0.0", json!({ "isActive": false })).await
        };
        let told = told.expect(200).data("");
        assert!(
            told["message"].is_string() && told["isActive"] == false && told["version"] == "2.0.0",
            "{told}"
        );
        assert_eq!(listed(customer, "").await, ["1.0.0"]);
        assert_eq!(customer.get(bytes).await.expect(404).failure().1, "version_not_found");
        customer.get(&format!("{path}/files")).await.expect(404);
        assert_eq!((latest(customer).await, latest(admin).await), (json!("1.0.0"), json!("1.0.0")));
        admin.change_version("tool", "2.0.0", json!({ "isActive": true })).await.expect(200);
        assert_eq!(customer.get(bytes).await.expect(200).body, b"2.0.0");
        assert_eq!((latest(customer).await, latest(admin).await), (json!("2.0.0"), json!("2.0.0")));
    }
    admin.delete("/v1/applications/tool/versions/9.0.0").await.expect(404);
}

#[tokio::test]
async fn drafts_and_channels_show_to_those_who_are_entitled_and_ask() {
    let Shop { system, admin, customer, key } = shop().await;
    put(&admin, "1.0.0", &[]).await;
    put(&admin, "2.0.0", &[("isEnabled", "false")]).await;
    put(&admin, "3.0.0", &[("channel", "Beta")]).await;
    for channel in ["", "Test", "Beta"] {
        assert_eq!(listed(&customer, channel).await, ["1.0.0"], "{channel}");
    }
    assert_eq!(listed(&admin, "Test").await, ["2.0.0", "1.0.0"]);
    assert_eq!(listed(&admin, "beta").await, ["3.0.0", "1.0.0"]);
    let bytes = "/v1/download/tool/2.0.0/tool.bin";
    let refused = customer.get_with(bytes, "x-channel", "Test").await.expect(403);
    assert_eq!(refused.failure().1, "version_not_enabled");
    admin.change_key(&key, json!({ "channels": ["Test"] })).await.expect(200);
    admin.change_customer("c1", json!({ "channels": ["beta"] })).await.expect(200);
    assert_eq!(listed(&customer, "test").await, ["2.0.0", "1.0.0"]);
    assert_eq!(listed(&customer, "Beta").await, ["3.0.0", "1.0.0"]);
    assert_eq!(listed(&customer, "").await, ["1.0.0"], "only when asked for");
    assert_eq!(customer.get(bytes).await.expect(403).failure().1, "version_not_enabled");
    assert_eq!(customer.get_with(bytes, "x-channel", "Test").await.expect(200).body, b"2.0.0");
    assert_eq!(latest(&customer).await, json!("1.0.0"));
    let change = json!({ "isEnabled": true, "channel": null });
    let told = admin.change_version("tool", "3.0.0", change).await.expect(200);
    assert_eq!(told.text("/channel"), "Production");
    assert_eq!(listed(&system.client(0, &key.text), "").await, ["3.0.0", "1.0.0"]);
}

#[tokio::test]
async fn a_version_above_the_tier_is_in_no_list_and_403_by_name() {
    let shop = shop().await;
    let Shop { admin, customer, .. } = &shop;
    put(admin, "1.0.0", &[("requiredTier", "standard")]).await;
    put(admin, "2.0.0", &[("requiredTier", "premium")]).await;
    assert_eq!(listed(customer, "").await, ["1.0.0"]);
    assert_eq!(latest(customer).await, json!("1.0.0"));
    for path in [
        "/v1/applications/tool/versions/2.0.0/files",
        "/v1/downloads/url?applicationId=tool&version=2.0.0",
        "/v1/download/tool/2.0.0/tool.bin",
    ] {
        let refused = customer.get(path).await.expect(403);
        assert_eq!(refused.failure(), ("FORBIDDEN".to_owned(), "tier_too_low".to_owned()), "{path}");
        assert_eq!(refused.json()["error"]["message"], "This version requires Premium tier access");
    }
    let told =
        admin.change_version("tool", "2.0.0", json!({ "requiredTier": null, "releaseNotes": "Free" })).await;
    let told = told.expect(200).data("");
    assert!(told.get("requiredTier").is_none() && told["releaseNotes"] == "Free", "{told}");
    assert_eq!(listed(customer, "").await, ["2.0.0", "1.0.0"]);
    let unknown = admin.change_version("tool", "2.0.0", json!({ "requiredTier": "Gold" })).await.expect(400);
    assert_eq!(unknown.failure().1, "unknown_tier");
}

#[tokio::test]
async fn a_version_grows_by_files_and_each_keeps_its_place() {
    let shop = shop().await;
    let Shop { admin, customer, .. } = &shop;
    put(admin, "1.0.0", &[]).await;
    let fields = [("applicationId", "tool"), ("version", "1.0.0")];
    for (name, description) in [("readme.md", "Read it"), ("tool.cfg", ""), ("lib.so", "")] {
        let more = [("description", description)];
        let fields = [&fields[..], if description.is_empty() { &[] } else { &more[..] }].concat();
        admin.upload(&fields, name, name.as_bytes()).await.expect(201);
    }
    let again = admin.upload(&fields, "README.md", b"x").await.expect(409);
    assert_eq!(again.failure().1, "file_exists");
    let files = customer.get("/v1/applications/tool/versions/latest/files").await.expect(200);
    assert_eq!(
        (files.text("/applicationId"), files.text("/version")),
        ("tool".to_owned(), "1.0.0".to_owned())
    );
    assert_eq!(files.column("/files", "fileName"), ["tool.bin", "readme.md", "tool.cfg", "lib.so"]);
    assert_eq!(files.column("/files", "fileType"), ["MAIN", "DOCUMENTATION", "CONFIGURATION", "DEPENDENCY"]);
    let orders: Vec<Value> = (0..4).map(|at| files.data(&format!("/files/{at}/order"))).collect();
    assert_eq!(orders, [0, 1, 2, 3]);
    assert_eq!(files.text("/files/1/description"), "Read it");
    for at in 0..4 {
        let id = files.text(&format!("/files/{at}/fileId"));
        let url =
            customer.get(&format!("/v1/downloads/url?applicationId=tool&version=1.0.0&fileId={id}")).await;
        let name = files.text(&format!("/files/{at}/fileName"));
        assert_eq!(url.expect(200).text("/fileName"), name);
    }
}
