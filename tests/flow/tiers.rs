//! Tiers: what a vendor changes about them shows on the next request, on every edge.

use serde_json::{Value, json};
use support::{Admin, PATIENCE, System, eventually};

async fn put(admin: &Admin, name: &str, body: Value) -> Value {
    admin.put(&format!("/v1/management/tiers/{name}"), &body).await.expect(200).data("")
}

/// What the key's minute is said to be, and what is left of it, once an edge says this limit.
async fn standing(system: &System, edge: usize, key: &str, limit: &str) -> u32 {
    let client = system.client(edge, key);
    let answer = eventually(PATIENCE, || async {
        let answer = client.get("/v1/applications").await;
        if answer.header_lines("x-ratelimit-limit") == [limit] { Ok(answer) } else { Err(answer) }
    });
    answer.await.header("x-ratelimit-remaining").parse().unwrap()
}

#[tokio::test]
async fn a_changed_limit_counts_from_the_next_request_and_forgets_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_customer("c1", "Basic").await.expect(201);
    let key = admin.create_key("c1", json!({})).await.text;
    let client = system.client(0, &key);
    for _ in 0..4 {
        client.get("/v1/applications").await.expect(200);
    }
    let told = put(&admin, "Standard", json!({ "rank": 10, "rateLimitRpm": 1_000 })).await;
    assert_eq!(told, json!({ "name": "Basic", "rank": 10, "rateLimitRpm": 1_000 }));
    let next = client.get("/v1/applications").await.expect(200);
    assert_eq!((next.header("x-ratelimit-limit"), next.header("x-ratelimit-remaining")), ("1000", "995"));
    assert!(standing(&system, 1, &key, "1000").await < 1_000);
    put(&admin, "basic", json!({ "rank": 10, "rateLimitRpm": 5 })).await;
    let refused = client.get("/v1/applications").await.expect(429);
    assert_eq!((refused.header("x-ratelimit-limit"), refused.header("x-ratelimit-remaining")), ("5", "0"));
    put(&admin, "Basic", json!({ "rank": 10, "rateLimitRpm": null })).await;
    let free = client.get("/v1/applications").await.expect(200);
    assert!(free.header_lines("x-ratelimit-limit").is_empty(), "unlimited says nothing");
    // A key's own limit is nobody's tier's.
    let own = admin.create_key("c1", json!({ "rateLimitRpm": 77 })).await;
    assert_eq!(standing(&system, 0, &own.text, "77").await, 76);
}

#[tokio::test]
async fn a_changed_rank_shows_and_hides_versions_at_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("ranked").await;
    let fields = [("applicationId", "ranked"), ("version", "2.0.0"), ("requiredTier", "Gold")];
    admin.upload(&fields, "a.bin", b"gold").await.expect(400);
    admin.put("/v1/management/tiers/Gold", &json!({ "rank": 15 })).await.expect(201);
    admin.upload(&fields, "a.bin", b"gold").await.expect(201);
    let (path, bytes) = ("/v1/applications/ranked/versions", "/v1/download/ranked/2.0.0/a.bin");
    for (rank, versions, status) in
        [(10, &["2.0.0", "1.2.0"][..], 200), (11, &["1.2.0"], 403), (0, &["2.0.0", "1.2.0"], 200)]
    {
        put(&admin, "gold", json!({ "rank": rank })).await;
        let here = system.client(0, &stock.key.text);
        assert_eq!(here.get(path).await.expect(200).column("/versions", "version"), versions, "{rank}");
        here.get(bytes).await.expect(status);
        let there = system.client(1, &stock.key.text);
        eventually(PATIENCE, || async { there.comes_to(bytes, status).await }).await;
    }
    // The customer's own tier sinks.
    put(&admin, "Gold", json!({ "rank": 10 })).await;
    let customer = system.client(0, &stock.key.text);
    customer.get(bytes).await.expect(200);
    put(&admin, "Basic", json!({ "rank": 9, "rateLimitRpm": 100 })).await;
    assert_eq!(customer.get(bytes).await.expect(403).failure().1, "tier_too_low");
    let listed = admin.get("/v1/management/tiers").await.expect(200);
    assert_eq!(listed.column("/tiers", "name"), ["Basic", "Gold", "Premium", "Enterprise"]);
    assert_eq!(admin.get("/v1/management/tiers/GOLD").await.expect(200).text("/name"), "Gold");
    admin.get("/v1/management/tiers/none").await.expect(404);
    customer.get("/v1/management/tiers").await.expect(403);
}
