//! The fleet through the API: the list, the end of a silent edge, and writes that wait.

use std::time::{Duration, Instant};

use axum::body::Body;
use common::routes::{Credential, ROUTES};
use common::runtime::clock::Clock as _;
use common::wire::Position;
use common::wire::v1::ack::Ack;
use http::Request;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::*;

const EDGES: &str = "/v1/control/edges";
const KEYS: &str = "/v1/management/apikeys?wait=edges&waitSeconds=1";
/// Where somebody is to confirm: longer than a busy machine takes.
const LONG: &str = "/v1/management/apikeys?wait=edges&waitSeconds=30";

struct Fleeted {
    house: House,
    fleet: Arc<Fleet>,
    number: u64,
}

async fn open(tenancy: Tenancy) -> Fleeted {
    let mut fleet = None;
    let house = House::open_with(|desk| {
        desk.tenancy = tenancy;
        fleet = Some(desk.fleet.clone());
    });
    let house = house.await;
    Fleeted { house, fleet: fleet.unwrap(), number: 0 }
}

impl Fleeted {
    /// An edge says that it has applied so many writes.
    fn hear(&mut self, edge: &str, sequence: u64) {
        self.number += 1;
        let now = self.house.clock.now();
        assert!(self.fleet.take(&word(edge, self.number, sequence, now)));
    }

    /// An edge says all the time that it has applied everything, until what this gives is dropped.
    fn follow(&mut self, edge: &'static str) -> AbortOnDropHandle<()> {
        let (fleet, store, clock) = (self.fleet.clone(), self.house.store.clone(), self.house.clock.clone());
        let mut number = self.number;
        // Whatever it says is behind what is heard by hand after that.
        self.number += 1_000_000_000;
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                number += 1;
                let standing = store.read().await.unwrap().standing().await.unwrap().position;
                fleet.take(&word(edge, number, standing.sequence, clock.now()));
                tokio::task::yield_now().await;
            }
        }))
    }
}

fn word(edge: &str, number: u64, sequence: u64, now: Timestamp) -> Vec<u8> {
    let ack = Ack {
        edge: edge.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: 7,
        number,
        position: Position { epoch: 1_750_000_000_000, sequence },
        head_issued_at: now,
        at: now.plus(Duration::from_millis(250)),
        leaving: false,
    };
    ack.seal(&MacKeys::derive(&[Secret::new(EDGE_SECRET.into())], Purpose::Acknowledgement)).unwrap()
}

fn named(key: &str, path: &str, name: &str) -> Request<Body> {
    let request = Request::builder().method("POST").uri(path).header("x-api-key", key);
    let request = request.header("idempotency-key", name).header("content-type", "application/json");
    request.body(Body::from(json!({"kind": "admin"}).to_string())).unwrap()
}

#[tokio::test]
async fn the_list_tells_how_far_each_edge_has_come_and_who_is_silent() {
    let mut fleeted = open(Tenancy::Single).await;
    fleeted.hear("b:8080", 1);
    fleeted.house.clock.advance(Duration::from_secs(10));
    fleeted.hear("a", 0);
    let told = fleeted.house.get(EDGES).await;
    insta::assert_snapshot!(told.body["data"], @r#"{"edges":[{"ageSeconds":0,"edgeId":"a","epoch":1750000000000,"firstSeen":"2025-06-15T15:06:50.000Z","lag":1,"lastSeen":"2025-06-15T15:06:50.000Z","live":true,"sequence":0,"skewMs":250,"version":"0.1.0"},{"ageSeconds":10,"edgeId":"b:8080","epoch":1750000000000,"firstSeen":"2025-06-15T15:06:40.000Z","lag":0,"lastSeen":"2025-06-15T15:06:40.000Z","live":false,"sequence":1,"skewMs":250,"version":"0.1.0"}]}"#);
    assert_eq!(fleeted.house.get("/v1/control/edges/a").await.status, 405);
}

#[tokio::test]
async fn a_silent_edge_is_removed_once_and_the_audit_says_by_whom() {
    let mut fleeted = open(Tenancy::Single).await;
    fleeted.hear("gone.example:8080", 1);
    let path = format!("{EDGES}/gone.example:8080");
    let house = &fleeted.house;
    let narrowed = house.key(json!({"applicationIds": [], "scopes": ["keys:write"]})).await;
    let refused = house.ask_as(&narrowed, "DELETE", &path, Value::Null).await;
    assert_eq!(refused.verdict(), (403, "key_narrowed"));
    let told = house.ask("DELETE", &path, Value::Null).await;
    assert_eq!((told.status, told.text("edgeId").as_str()), (200, "gone.example:8080"), "{}", told.body);
    house.table(&[("DELETE", &path, Value::Null, (404, "edge_not_found"))]).await;
    assert_eq!(house.get(EDGES).await.body["data"]["edges"], json!([]));
    let line = house.get("/v1/audit?action=edge.remove").await.data("entries")[0].clone();
    assert_eq!(
        (&line["target"], &line["before"]["sequence"]),
        (&json!("edge:gone.example:8080"), &json!("1"))
    );
    fleeted.hear("gone.example:8080", 1);
    assert_eq!(fleeted.house.get(EDGES).await.body["data"]["edges"][0]["edgeId"], "gone.example:8080");
}

#[tokio::test]
async fn where_there_are_several_tenants_none_sees_the_others_writes_or_ends_the_wait_of_others() {
    let mut fleeted = open(Tenancy::Multi).await;
    fleeted.hear("a", 1);
    let edge = fleeted.house.get(EDGES).await.body["data"]["edges"][0].clone();
    let fields: Vec<&String> = edge.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["ageSeconds", "edgeId", "firstSeen", "lastSeen", "live", "skewMs", "version"]);
    let removed = fleeted.house.ask("DELETE", &format!("{EDGES}/a"), Value::Null).await;
    assert_eq!(removed.verdict(), (403, "operator_only"));
    let told = fleeted.house.post(KEYS, json!({"kind": "admin"})).await;
    assert_eq!(told.status, 202);
    assert_eq!(
        told.body["meta"]["missing"][0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["edge", "lastSeen"]
    );
}

#[tokio::test]
async fn a_write_that_waits_tells_who_applied_it_and_names_who_did_not() {
    let mut fleeted = open(Tenancy::Single).await;
    let told = fleeted.house.post(KEYS, json!({"kind": "admin"})).await;
    assert_eq!((told.status, &told.body["meta"]["edges"]), (201, &json!([])), "there is nobody");
    let (_a, b) = (fleeted.follow("a"), fleeted.follow("b"));
    let told = fleeted.house.post(LONG, json!({"kind": "admin"})).await;
    let edges = json!([{"edge": "a", "confirmedAfterMs": 0}, {"edge": "b", "confirmedAfterMs": 0}]);
    assert_eq!((told.status, &told.body["meta"]["edges"]), (201, &edges));
    assert!(told.body["meta"]["missing"].is_null() && told.body["meta"]["requestId"].is_string());
    drop(b);
    fleeted.hear("b", 1);
    fleeted.house.clock.advance(Duration::from_secs(100));
    let began = Instant::now();
    let told = fleeted.house.post(&KEYS.replace("=1", "=3"), json!({"kind": "admin"})).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    let missing = json!([{"edge": "b", "lastSeen": "2025-06-15T15:06:40.000Z", "sequence": 1}]);
    assert_eq!((told.status, &told.body["meta"]["missing"]), (202, &missing));
    assert_eq!(told.body["meta"]["edges"], json!([{"edge": "a", "confirmedAfterMs": 0}]));
    assert!(told.data("apiKey").is_string() && told.headers.contains_key("x-tidegate-sequence"));
    let plain = fleeted.house.post("/v1/management/apikeys", json!({"kind": "admin"})).await;
    assert!(plain.status == 201 && plain.body["meta"]["edges"].is_null());
}

#[tokio::test]
async fn a_named_write_that_was_not_confirmed_goes_on_waiting_when_it_is_sent_again() {
    let mut fleeted = open(Tenancy::Single).await;
    fleeted.hear("a", 1);
    let admin = fleeted.house.admin.clone();
    let first = fleeted.house.send(named(&admin, KEYS, "n")).await;
    let again =
        fleeted.house.send(named(&admin, "/v1/management/apikeys?waitSeconds=2&wait=edges", "n")).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let _a = fleeted.follow("a");
    let done = fleeted.house.send(named(&admin, LONG, "n")).await;
    assert_eq!((done.status, &done.body["meta"]["edges"][0]["edge"]), (201, &json!("a")));
    for told in [&again, &done] {
        assert_eq!(told.body["data"], first.body["data"]);
    }
    let unwaited = fleeted.house.send(named(&admin, "/v1/management/apikeys", "n")).await;
    assert_eq!((unwaited.status, &unwaited.body["data"]), (201, &first.body["data"]));
    assert!(unwaited.body["meta"]["edges"].is_null());
    assert_eq!(
        fleeted.house.get("/v1/management/apikeys").await.data("apiKeys").as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn every_write_takes_the_wait_and_a_mistake_in_it_is_refused_before_anything_is_done() {
    let fleeted = open(Tenancy::Single).await;
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.may_wait()) {
        let path = route.path.replace(['{', '}'], "");
        for (query, says) in [
            ("wait=all", "wait: must be `edges`, or be left out"),
            ("wait=edges&wait=edges", "wait"),
            ("wait=", "wait: must be `edges`, or be left out"),
            ("wait", "wait: must be `edges`, or be left out"),
            ("wait=edges&waitSeconds=", "waitSeconds: must be a whole number from 1 to 30"),
            ("waitSeconds", "waitSeconds: must be a whole number from 1 to 30"),
            ("wait=edges&waitSeconds=0", "waitSeconds: must be a whole number from 1 to 30"),
            ("wait=edges&waitSeconds=31", "waitSeconds: must be a whole number from 1 to 30"),
            ("waitSeconds=3", "waitSeconds: says how long: send wait=edges with it"),
        ] {
            let told = fleeted.house.ask(route.method.as_str(), &format!("{path}?{query}"), json!({})).await;
            assert_eq!(told.verdict(), (400, "invalid_fields"), "{route:?} {query}: {}", told.body);
            let message = told.body["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(says), "{route:?} {query}: {message}");
        }
        asked += 1;
    }
    assert!(asked > 25, "{asked}");
    let reads = ROUTES.iter().filter(|route| route.credential == Credential::Admin && !route.may_wait());
    for route in reads.filter(|route| !route.path.contains('{')) {
        let told = fleeted.house.get(&format!("{}?wait=all", route.path)).await;
        assert_eq!(told.status, 200, "what reads knows of no wait: {route:?}");
    }
}

#[tokio::test]
async fn the_names_of_edges_are_not_for_customers() {
    let mut fleeted = open(Tenancy::Single).await;
    fleeted.hear("a", 1);
    let house = &fleeted.house;
    house.post("/v1/management/customers", json!({"customerId": "c1", "name": "C"})).await;
    let key = house.key(json!({"customerId": "c1"})).await;
    let login = |label: &str| json!({"api_key": key, "session_id": label});
    for label in ["x", "y"] {
        let told = house.post("/auth/login", login(label)).await;
        assert_eq!(told.status, 200);
    }
    let told = house.ask_as(&key, "POST", "/auth/logout?wait=edges", json!({"session_id": "x"})).await;
    assert_eq!(told.verdict(), (403, "admin_key_required"));
    let told = house.ask_as(&key, "POST", "/auth/logout", json!({"session_id": "x"})).await;
    assert_eq!(told.status, 200);
}
