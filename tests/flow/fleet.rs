//! The fleet with real processes: a write is answered when every edge has applied it, and who has not is named, whatever
//! became of it: frozen, dead, or unheard by a control plane that was itself restarted.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::fleet::name_of;
use support::{Admin, Answer, Fleet, PATIENCE, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::guides::{paste, script};

/// What a write that waited for the edges says of them: its status, who confirmed, and who is missing.
fn told(answer: &Answer) -> (u16, Vec<String>, Vec<String>) {
    let meta = &answer.json()["meta"];
    let names = |list: &Value| -> Vec<String> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|edge| edge["edge"].as_str().unwrap().to_owned()).collect()
    };
    (answer.status, names(&meta["edges"]), names(&meta["missing"]))
}

fn names(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(|number| name_of(*number)).collect()
}

/// Switches a key on or off, and waits for the edges.
async fn switch(admin: &Admin, key: &support::Key, on: bool, seconds: u64) -> Answer {
    let path = format!("/v1/management/apikeys/{}?wait=edges&waitSeconds={seconds}", key.id);
    admin.patch(&path, &json!({ "isEnabled": on })).await
}

/// Edges by name, with whether they live.
async fn listed(admin: &Admin) -> Vec<(String, bool)> {
    let edges = admin.get("/v1/control/edges").await.expect(200).data("/edges");
    let edge = |edge: &Value| (edge["edgeId"].as_str().unwrap().to_owned(), edge["live"].as_bool().unwrap());
    edges.as_array().unwrap().iter().map(edge).collect()
}

async fn until_listed(admin: &Admin, expected: &[(usize, bool)]) {
    let expected: Vec<(String, bool)> =
        expected.iter().map(|(number, live)| (name_of(*number), *live)).collect();
    eventually(PATIENCE, || async {
        let listed = listed(admin).await;
        if listed == expected { Ok(()) } else { Err(listed) }
    })
    .await;
}

#[tokio::test]
async fn a_write_that_waits_is_answered_by_every_edge_and_names_those_that_are_frozen_or_dead() {
    let mut fleet = Fleet::start(3).await;
    let stock = fleet.admin(0).stock("fleet").await;
    let (admin, path) = (fleet.admin(0), stock.path());
    let clients: Vec<_> = (0..3).map(|edge| fleet.client(edge, &stock.key.text)).collect();
    until_listed(&admin, &[(0, true), (1, true), (2, true)]).await;

    // After the answer no edge lets it in, and after the next all do: not once in all these rounds.
    for round in 0..10 {
        let on = round % 2 == 1;
        let answer = switch(&admin, &stock.key, on, 5).await;
        assert_eq!(told(&answer), (200, names(&[0, 1, 2]), names(&[])), "{answer:?}");
        for client in &clients {
            client.get(&path).await.expect(if on { 200 } else { 401 });
        }
    }

    // Frozen: named within the time, and never counted, also not when it has been silent for long.
    fleet.edges[1].freeze(true);
    let began = Instant::now();
    let answer = switch(&admin, &stock.key, false, 2).await;
    assert_eq!(told(&answer), (202, names(&[0, 2]), names(&[1])), "{answer:?}");
    assert!((2..4).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    until_listed(&admin, &[(0, true), (1, false), (2, true)]).await;
    assert_eq!(told(&switch(&admin, &stock.key, false, 1).await).2, names(&[1]));

    // It wakes while somebody waits.
    let waiting = tokio::spawn({
        let (admin, key) = (admin.clone(), stock.key.clone());
        async move { switch(&admin, &key, false, 20).await }
    });
    fleet.edges[1].freeze(false);
    assert_eq!(told(&waiting.await.unwrap()), (200, names(&[0, 1, 2]), names(&[])));
    clients[1].get(&path).await.expect(401);

    // Asked to end, it says goodbye and is waited for no more.
    fleet.edges[1].terminate();
    assert!(fleet.edges[1].ended().await.success());
    until_listed(&admin, &[(0, true), (2, true)]).await;
    assert_eq!(told(&switch(&admin, &stock.key, true, 5).await), (200, names(&[0, 2]), names(&[])));

    // Dead without a word: named, also after the control plane was itself killed, until somebody removes it.
    fleet.edges[2].kill();
    assert_eq!(told(&switch(&admin, &stock.key, false, 1).await), (202, names(&[0]), names(&[2])));
    fleet.desk.kill();
    fleet.desk.start();
    fleet.desk_ready().await;
    until_listed(&admin, &[(0, true), (2, false)]).await;
    assert_eq!(told(&switch(&admin, &stock.key, true, 1).await), (202, names(&[0]), names(&[2])));
    admin.delete(&format!("/v1/control/edges/{}", name_of(2))).await.expect(200);
    admin.delete(&format!("/v1/control/edges/{}", name_of(2))).await.expect(404);
    assert_eq!(told(&switch(&admin, &stock.key, false, 5).await), (200, names(&[0]), names(&[])));

    // Back again, both count again; what was missed is applied before it is said.
    for edge in [1, 2] {
        fleet.edges[edge].start();
        fleet.edge_ready(edge).await;
    }
    until_listed(&admin, &[(0, true), (1, true), (2, true)]).await;
    assert_eq!(told(&switch(&admin, &stock.key, false, 20).await), (200, names(&[0, 1, 2]), names(&[])));
    for client in &clients {
        client.get(&path).await.expect(401);
    }
    let metrics = fleet.desk_metrics().await;
    for line in ["edges{state=\"live\"} 3", "edges{state=\"silent\"} 0", "edges_worst_lag_writes 0"] {
        assert!(metrics.contains(&format!("tidegate_control_plane_{line}")), "{line}: {metrics}");
    }
    fleet.assert_sound();
}

/// Asks for a file, and reads no further than the status of the answer.
async fn begin_download(fleet: &Fleet, edge: usize, key: &str, path: &str) -> TcpStream {
    let mut stream =
        TcpStream::connect(fleet.doors_of("").edges[edge].trim_start_matches("http://")).await.unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 15];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 200 OK");
    stream
}

/// One that is draining still serves what it had begun, and so it still counts.
#[tokio::test]
async fn an_edge_that_drains_is_waited_for_until_its_last_answer_has_ended() {
    let mut fleet = Fleet::start(2).await;
    let stock = fleet.admin(0).stock("draining").await;
    let admin = fleet.admin(0);
    until_listed(&admin, &[(0, true), (1, true)]).await;
    let (fields, bytes) = ([("applicationId", "draining"), ("version", "9.0")], vec![7; 10 << 20]);
    admin.upload(&fields, "large.bin", &bytes).await.expect(201);
    let mut running = begin_download(&fleet, 1, &stock.key.text, "/v1/download/draining/9.0/large.bin").await;
    fleet.edges[1].terminate();
    // Of another key: this one's transfer would be cut.
    let other = admin.create_key(&stock.customer, json!({})).await;
    let answer = switch(&admin, &other, false, 5).await;
    assert_eq!(told(&answer), (200, names(&[0, 1]), names(&[])), "{answer:?}");
    let mut rest = Vec::new();
    running.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 9 << 20, "{}", rest.len());
    assert!(fleet.edges[1].ended().await.success());
    until_listed(&admin, &[(0, true)]).await;
}

#[tokio::test]
async fn every_kind_of_write_waits_and_read_routes_do_not() {
    let fleet = Fleet::start(1).await;
    let admin = fleet.admin(0);
    let wait = "wait=edges";
    let customer = json!({ "customerId": "c1", "name": "C" });
    let created = admin.post(&format!("/v1/management/customers?{wait}"), &customer).await.expect(201);
    let application = json!({ "applicationId": "waits", "name": "W", "customerIds": ["c1"] });
    let applied = admin.post(&format!("/v1/management/applications?{wait}"), &application).await.expect(201);
    let put =
        admin.put(&format!("/v1/management/tiers/Gold?{wait}"), &json!({ "rank": 3 })).await.expect(201);
    let fields = reqwest::multipart::Form::new().text("applicationId", "waits").text("version", "1.0");
    let file = reqwest::multipart::Part::bytes(vec![7u8; 100]).file_name("a.bin");
    let upload = admin.request(Method::POST, &format!("/v1/management/upload?{wait}"));
    let uploaded = send(upload.multipart(fields.part("file", file))).await.expect(201);
    let deleted = admin.delete(&format!("/v1/management/applications/waits?{wait}")).await.expect(200);
    for answer in [created, applied, put, uploaded, deleted] {
        assert_eq!(told(&answer).1, names(&[0]), "{answer:?}");
        let after = answer.json()["meta"]["edges"][0]["confirmedAfterMs"].as_u64().unwrap();
        assert!(after < 2_000, "{after}");
    }
    let read = admin.get(&format!("/v1/management/customers?{wait}")).await.expect(200);
    assert!(read.json()["meta"]["edges"].is_null());
    let refused = admin.put("/v1/management/tiers/Gold?wait=all", &json!({ "rank": 4 })).await.expect(400);
    assert_eq!(refused.failure().1, "invalid_fields");
    assert_eq!(admin.get("/v1/management/tiers/Gold").await.data("/rank"), json!(3));
}

#[tokio::test]
async fn where_there_are_several_tenants_the_operator_lets_go_of_a_dead_edge() {
    let mut fleet = Fleet::of_several_tenants(2).await;
    let made = fleet.operate(&["tenants", "create", "Acme"]);
    let admin = fleet.doors_of(String::from_utf8(made.stdout).unwrap().trim()).admin(0);
    eventually(PATIENCE, || async { admin.get("/v1/applications").await.is(200) }).await;
    until_listed(&admin, &[(0, true), (1, true)]).await;
    fleet.edges[1].kill();
    let path = format!("/v1/control/edges/{}", name_of(1));
    assert_eq!(admin.delete(&path).await.expect(403).failure().1, "operator_only");
    until_listed(&admin, &[(0, true), (1, false)]).await;
    let unknown = fleet.operate(&["edges", "remove", "nobody"]);
    assert_eq!((unknown.status.code(), unknown.stdout.as_slice()), (Some(1), &b""[..]));
    // Written down with its first word.
    let listed = eventually(PATIENCE, || async {
        let told = String::from_utf8(fleet.operate(&["edges", "list"]).stdout).unwrap();
        if told.contains(&name_of(1)) { Ok(told) } else { Err(told) }
    })
    .await;
    assert!(listed.starts_with("EDGE"), "{listed}");
    assert!(fleet.operate(&["edges", "remove", &name_of(1)]).status.success());
    until_listed(&admin, &[(0, true)]).await;
}

#[tokio::test]
async fn the_guide_is_what_happens() {
    let mut fleet = Fleet::start(2).await;
    let admin = fleet.admin(0);
    until_listed(&admin, &[(0, true), (1, true)]).await;
    let script = format!("URL={}\nADMIN={}\n{}", admin.base(), fleet.admin_key, script("fleet.md"));
    let told = paste(&script, fleet.scratch());
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with(r#"[{"edge":"edge-0","confirmedAfterMs":"#), "{told}");
    assert_eq!((lines[1], lines[2], lines.len()), ("201", "[]", 5), "{told}");
    fleet.edges[1].kill();
    until_listed(&admin, &[(0, true), (1, false)]).await;
    let told = paste(&script.replace("fleet-1", "fleet-2"), fleet.scratch());
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[1], "202", "{told}");
    assert!(lines[2].starts_with(r#"[{"edge":"edge-1","lastSeen":"20"#), "{told}");
    assert_eq!(lines.last(), Some(&"Edge removed successfully"), "{told}");
    until_listed(&admin, &[(0, true)]).await;
}
