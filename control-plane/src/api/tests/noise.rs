//! Whatever is sent, the desk answers it: never with a fault of its own.

use common::routes::{Plane, ROUTES};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use super::House;

const FIELDS: &[&str] = &[
    "applicationId",
    "name",
    "customerId",
    "customerIds",
    "addCustomerIds",
    "removeCustomerIds",
    "tags",
    "tier",
    "channels",
    "notes",
    "email",
    "isActive",
    "isEnabled",
    "kind",
    "scopes",
    "preset",
    "rateLimitRpm",
    "ipAllowlist",
    "applicationIds",
    "expiresAt",
    "version",
    "fileName",
    "fileContent",
    "fileSize",
    "fileType",
    "requiredTier",
    "channel",
    "releaseNotes",
    "uploadId",
    "api_key",
    "session_id",
    "overlapSeconds",
    "checksum",
    "contentType",
    "description",
];

const IDS: &[&str] =
    &["c1", "my-app", "1.0.0", "admin", "latest", "%00", "%2e%2e", "%F0%9F%92%A9", "a%20b", "key_1", "upl_1"];

fn pick<'a>(rng: &mut StdRng, from: &[&'a str]) -> &'a str {
    from[rng.random_range(0..from.len())]
}

fn value(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..16) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<u64>()),
        3 => json!(-1),
        4 => json!(1.5e300),
        5 => json!("\u{0}\u{202e}x\n"),
        6 => json!("x".repeat(rng.random_range(0..6_000))),
        7 => json!("9999-12-31T23:59:60Z"),
        8 if depth < 3 => json!([value(rng, depth + 1), value(rng, depth + 1)]),
        9 if depth < 3 => json!({"a": value(rng, depth + 1)}),
        10 => json!("10.0.0.0/8,::/0"),
        11 => json!("Premium"),
        12 => json!("TVo="),
        13 => json!(["apps:read", "c1"]),
        _ => json!(pick(rng, IDS)),
    }
}

fn body(rng: &mut StdRng) -> Value {
    let count = rng.random_range(0..12);
    let fields: Map<String, Value> =
        (0..count).map(|_| (pick(rng, FIELDS).to_owned(), value(rng, 0))).collect();
    let text = Value::Object(fields).to_string();
    // Cut off here and there: most bodies are JSON, some nearly.
    if rng.random_range(0..10) == 0 {
        json!(text.chars().take(text.len() / 2).collect::<String>())
    } else {
        json!(text)
    }
}

#[tokio::test]
async fn a_thousand_random_requests_break_nothing() {
    let house = House::open().await;
    house.application("my-app").await;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let mut rng = StdRng::seed_from_u64(7);
    let routes: Vec<_> = ROUTES.iter().filter(|route| route.plane != Plane::Edge).collect();
    for round in 0..1_000 {
        let route = routes[rng.random_range(0..routes.len())];
        // Its own key stays: without it every further answer would be the same.
        if route.path.ends_with("admin/regenerate-key") {
            continue;
        }
        let segment = |part: &str, rng: &mut StdRng| {
            if part.starts_with('{') { pick(rng, IDS).to_owned() } else { part.to_owned() }
        };
        let path: Vec<String> = route.path.split('/').map(|part| segment(part, &mut rng)).collect();
        let query = [
            "",
            "?limit=-1&page=99999999999999999999",
            "?search=%00&tags=,,&sortBy=%F0",
            "?isActive=1&limit=100",
        ];
        let target = path.join("/") + pick(&mut rng, &query);
        let body = body(&mut rng);
        let told = house.ask(route.method.as_str(), &target, body.clone()).await;
        assert!(told.status < 500, "{round}: {} {target} {body}: {}", route.method, told.body);
    }
}
