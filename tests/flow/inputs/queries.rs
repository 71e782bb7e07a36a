//! Pages and cursors by hand: every list of the document, at every door.

use serde_json::json;
use support::contract::DOCUMENT;
use support::{Answer, Client, PATIENCE, Stock, System, eventually};

use super::{altered, assert_refused};

/// The lists, with the ids of things that are there, and whether an edge alone answers them.
fn lists(stock: &Stock) -> Vec<(String, bool)> {
    let tenant = stock.key.text.split('.').next().unwrap();
    let mut lists = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().cloned().unwrap_or_default();
        if parameters.iter().any(|parameter| parameter["name"] == "cursor") {
            let target = path
                .replace("{applicationId}", &stock.application)
                .replace("{version}", &stock.version)
                .replace("{customerId}", &stock.customer)
                .replace("{tenantId}", tenant);
            assert!(!target.contains('{'), "{target}");
            lists.push((target, item["get"]["x-tidegate-plane"] == "edge"));
        }
    }
    assert!(lists.len() >= 9, "{lists:?}");
    lists
}

/// A second of everything that lists tell.
async fn filled(system: &System) -> Stock {
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let other = admin.stock("other").await;
    admin.assign("other", &[&stock.customer]).await.expect(200);
    for (version, name) in [("1.2.0", "more.bin"), ("2.0.0", "setup.bin")] {
        let fields = [("applicationId", "stock"), ("version", version)];
        admin.upload(&fields, name, b"more").await.expect(201);
    }
    admin.create_key(&stock.customer, json!({})).await;
    for key in [&stock.key, &other.key] {
        admin.with(None).post("/auth/login", &json!({ "api_key": key.text })).await.expect(200);
    }
    let tenant = stock.key.text.split('.').next().unwrap();
    for _ in 0..2 {
        let path = format!("/v1/control/tenants/{tenant}/backups");
        admin.post(&path, &json!({})).await.expect(201);
    }
    eventually(PATIENCE, || async {
        system.admin(1).get("/v1/applications/stock/versions/2.0.0/files").await.is(200)
    })
    .await;
    stock
}

/// Who asks for lists: the vendor at each door, and a customer, who has those of edges alone.
fn askers(system: &System, stock: &Stock) -> [(&'static str, Client); 4] {
    [
        ("admin at the first edge", system.admin(0).0),
        ("admin at the second edge", system.admin(1).0),
        ("control plane", system.at_desk().0),
        ("customer", system.client(0, &stock.key.text)),
    ]
}

fn is_asked(asker: &str, target: &str, is_for_edges: bool) -> bool {
    match asker {
        "customer" => is_for_edges || target == "/v1/applications" || target == "/v1/auth/sessions",
        "control plane" => !is_for_edges,
        _ => true,
    }
}

#[tokio::test]
async fn every_list_refuses_what_is_no_page() {
    let system = System::in_process().await;
    let stock = filled(&system).await;
    let lists = lists(&stock);
    for (asker, client) in askers(&system, &stock) {
        for (target, _) in lists.iter().filter(|(target, edges)| is_asked(asker, target, *edges)) {
            for (query, named) in [
                ("limit=0", "limit"),
                ("limit=-1", "limit"),
                ("limit=101", "limit"),
                ("limit=1e9", "limit"),
                ("limit=1000000000", "limit"),
                ("limit=99999999999999999999", "limit"),
                ("limit=abc", "limit"),
                ("limit=1.0", "limit"),
                ("limit=%00", "limit"),
                ("limit=1&limit=2", "limit"),
                ("limit=1&limit=1", "limit"),
                ("limit=1&%6cimit=2", "limit"),
                ("page=0", "page"),
                ("page=-1", "page"),
                ("page=1000000001", "page"),
                ("page=one", "page"),
                ("page=1&page=2", "page"),
                ("pageSize=many", "pageSize"),
                ("cursor=abc", "cursor"),
                ("cursor=%00", "cursor"),
                ("cursor=..%2f..%2f", "cursor"),
                ("cursor=a&cursor=b", "cursor"),
                ("cursor=a&page=1", "cursor"),
                ("limit=%ff", "UTF-8"),
            ] {
                let told = client.get(&format!("{target}?{query}")).await;
                assert_eq!(told.status, 400, "{query} of {target} by {asker}: {told:?}");
                assert_eq!(told.failure().0, "VALIDATION_ERROR", "{query} of {target} by {asker}");
                let says = told.json()["error"].to_string();
                let is_named = says.contains(named) || named == "UTF-8";
                assert!(is_named, "{query} of {target} by {asker}: {told:?}");
            }
            for query in [
                "",
                "limit=1",
                "limit=100",
                "limit=&page=&cursor=",
                "pageSize=0",
                "pageSize=1000000",
                "page=1000000000",
                "&&",
                "x=1&y=2",
            ] {
                let told = client.get(&format!("{target}?{query}")).await;
                assert_eq!(told.status, 200, "{query} of {target} by {asker}: {told:?}");
                let pagination = &told.json()["meta"]["pagination"];
                for field in ["page", "limit", "total", "hasNext", "hasPrevious"] {
                    assert!(!pagination[field].is_null(), "{field}: {query} of {target} by {asker}");
                }
            }
        }
    }
}

fn cursor_of(answer: &Answer) -> Option<String> {
    answer.json()["data"]["pagination"]["nextCursor"].as_str().map(str::to_owned)
}

/// One that was made for another list, cut, or touched.
#[tokio::test]
async fn a_cursor_is_taken_to_the_letter_by_its_own_list_alone() {
    let system = System::in_process().await;
    let stock = filled(&system).await;
    let lists = lists(&stock);
    let mut found = 0;
    for (asker, client) in askers(&system, &stock) {
        let asked: Vec<&String> = lists
            .iter()
            .filter(|(target, edges)| is_asked(asker, target, *edges))
            .map(|(target, _)| target)
            .collect();
        for target in &asked {
            let Some(cursor) = cursor_of(&client.get(&format!("{target}?limit=1")).await.expect(200)) else {
                // Sessions are turned by number.
                assert!(target.ends_with("sessions"), "{target} by {asker}");
                continue;
            };
            found += 1;
            client.get(&format!("{target}?cursor={cursor}")).await.expect(200);
            let end = cursor.len();
            let mut forged: Vec<String> = [0, 1, end / 4, end / 2, end * 3 / 4, end - 1]
                .iter()
                .map(|at| altered(&cursor, *at))
                .collect();
            forged.extend([&cursor[1..], &cursor[..end - 1], &cursor[..end / 2]].map(str::to_owned));
            forged.extend([
                format!("{cursor}A"),
                format!("{cursor}%20"),
                format!("{cursor}="),
                cursor.repeat(2),
            ]);
            forged.extend([cursor.to_uppercase(), "A".repeat(8_000), "e30".to_owned()]);
            for forged in forged.iter().filter(|forged| **forged != cursor) {
                let told = client.get(&format!("{target}?cursor={forged}")).await;
                assert_refused(&format!("{forged:.60} of {target} by {asker}"), &told, 400, "invalid_cursor");
            }
            for other in asked.iter().filter(|other| *other != target) {
                let told = client.get(&format!("{other}?cursor={cursor}")).await;
                assert_eq!(told.status, 400, "a cursor of {target} at {other} by {asker}: {told:?}");
            }
        }
    }
    assert!(found > 25, "{found}");
}

#[tokio::test]
async fn another_tenants_cursor_opens_no_list() {
    let system = System::of_several_tenants().await;
    let (owner, other) = (system.found("Owner").await, system.found("Other").await);
    for vendor in [&owner, &other] {
        for number in 0..2 {
            // The same names: nothing but the tenant differs.
            vendor.admin(0).stock(&format!("same-{number}")).await;
        }
    }
    for target in [
        "/v1/applications",
        "/v1/management/customers",
        "/v1/management/apikeys",
        "/v1/audit",
        "/v1/activity",
    ] {
        let theirs = cursor_of(&owner.admin(0).get(&format!("{target}?limit=1")).await.expect(200)).unwrap();
        owner.admin(1).get(&format!("{target}?cursor={theirs}")).await.expect(200);
        for admin in [other.admin(0), other.admin(1), other.at_desk()] {
            let told = admin.get(&format!("{target}?cursor={theirs}")).await;
            assert_refused(target, &told, 400, "invalid_cursor");
        }
    }
}

/// An edge compares each with each, and so reads a hundred. The control plane reads those that it knows.
#[tokio::test]
async fn a_flood_of_parameters_costs_nobody_else_anything() {
    let system = System::in_process().await;
    let stock = filled(&system).await;
    let flood: Vec<String> = (0..3_000).map(|number| format!("p{number}=")).collect();
    for (asker, client) in askers(&system, &stock) {
        let told = client.get(&format!("/v1/applications?{}", flood.join("&"))).await;
        assert_eq!(told.status, if asker == "customer" { 400 } else { 200 }, "{asker}: {told:?}");
        client.get("/v1/applications?limit=1").await.expect(200);
    }
}
