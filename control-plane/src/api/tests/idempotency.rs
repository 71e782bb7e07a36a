//! Requests with an `Idempotency-Key`, sent again in every way in which that happens.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use common::runtime::clock::Clock as _;
use futures_util::future::{Either, join_all, select};
use http::Request;
use serde_json::{Value, json};

use super::{House, SECRET, Told};
use crate::store::Store as _;
use crate::store::sqlite::SqliteStore;

const KEYS: &str = "/v1/management/apikeys";
const CUSTOMERS: &str = "/v1/management/customers";

fn named(key: &str, method: &str, path: &str, (name, body): (&str, &Value)) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("x-api-key", key);
    let request = request.header("idempotency-key", name).header("content-type", "application/json");
    request.body(if body.is_null() { Body::empty() } else { Body::from(body.to_string()) }).unwrap()
}

impl House {
    async fn post_named(&self, path: &str, name: &str, body: Value) -> Told {
        self.send(named(&self.admin, "POST", path, (name, &body))).await
    }

    async fn count_keys(&self) -> usize {
        self.get(KEYS).await.data("apiKeys").as_array().unwrap().len()
    }
}

fn is_replayed(told: &Told) -> bool {
    told.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// The same answer, which was given before.
#[track_caller]
fn assert_again(first: &Told, again: &Told) {
    assert!(!is_replayed(first) && is_replayed(again), "{:?}", again.headers);
    assert_eq!((first.status, &first.body), (again.status, &again.body));
}

#[tokio::test]
async fn a_named_request_is_done_once_and_answered_the_same_every_time() {
    let house = House::open().await;
    let body = json!({"kind": "admin", "name": "CI"});
    let first = house.post_named(KEYS, "n-1", body.clone()).await;
    assert_eq!(first.status, 201);
    for name in ["n-1", "\"n-1\""] {
        assert_again(&first, &house.post_named(KEYS, name, body.clone()).await);
    }
    // The same key, written another way.
    assert_again(&first, &house.send(named(SECRET, "POST", KEYS, ("n-1", &body))).await);
    assert!(first.headers.contains_key("x-tidegate-sequence"));
    assert_eq!(house.count_keys().await, 2);
    let other = house.post_named(KEYS, "n-2", body.clone()).await;
    assert!(!is_replayed(&other) && other.text("keyId") != first.text("keyId"));
    // The names of another key are its own.
    let theirs = house.send(named(&first.text("apiKey"), "POST", KEYS, ("n-1", &body))).await;
    assert!(theirs.status == 201 && !is_replayed(&theirs), "{}", theirs.body);
}

#[tokio::test]
async fn a_name_that_was_used_for_another_request_is_refused() {
    let house = House::open().await;
    let body = json!({"customerId": "c1", "name": "C"});
    house.post_named(CUSTOMERS, "n", body.clone()).await;
    let reused = (422, "idempotency_key_reused");
    for (method, path, body) in [
        ("POST", CUSTOMERS, json!({"customerId": "c2", "name": "C"})),
        ("POST", "/v1/management/customers?x=1", body.clone()),
        ("POST", KEYS, body.clone()),
        ("PATCH", "/v1/management/customers/c1", body.clone()),
    ] {
        let told = house.send(named(&house.admin, method, path, ("n", &body))).await;
        assert_eq!(
            (told.verdict(), &told.body["error"]["code"]),
            (reused, &json!("VALIDATION_ERROR")),
            "{path}"
        );
    }
    assert_eq!(house.get(CUSTOMERS).await.data("customers").as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again() {
    let house = House::open().await;
    let body = json!({"customerId": "c1"});
    assert_eq!(house.post_named(KEYS, "n", body.clone()).await.verdict(), (404, "customer_not_found"));
    house.post(CUSTOMERS, json!({"customerId": "c1", "name": "C"})).await;
    let first = house.post_named(KEYS, "n", body.clone()).await;
    assert_eq!(first.status, 201);
    assert_again(&first, &house.post_named(KEYS, "n", body).await);
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_answered_the_same_too() {
    let house = House::open().await;
    house.post(CUSTOMERS, json!({"customerId": "c1", "name": "C"})).await;
    let path = "/v1/management/customers/c1";
    let patch = || house.send(named(&house.admin, "PATCH", path, ("n", &Value::Null)));
    let first = patch().await;
    assert_eq!(first.status, 200, "{}", first.body);
    house.ask("PATCH", path, json!({"name": "Other"})).await;
    assert_again(&first, &patch().await);
}

#[tokio::test]
async fn names_are_visible_ascii_and_matter_to_writes_by_post_and_patch_alone() {
    let house = House::open().await;
    let body = json!({"customerId": "c1", "name": "C"});
    for wrong in ["", "two words", "\"open", &"x".repeat(256)] {
        let told = house.post_named(CUSTOMERS, wrong, body.clone()).await;
        assert_eq!(told.verdict(), (400, "invalid_idempotency_key"), "{wrong}");
    }
    house.application("my-app").await;
    house.post(CUSTOMERS, body).await;
    let assign = "/v1/management/applications/my-app/customers";
    for body in [json!({"addCustomerIds": ["c1"]}), json!({"removeCustomerIds": ["c1"]})] {
        let told = house.send(named(&house.admin, "PUT", assign, ("two words", &body))).await;
        assert!(told.status == 200 && !is_replayed(&told), "{}", told.body);
    }
    assert_eq!(house.send(named(&house.admin, "GET", CUSTOMERS, ("", &Value::Null))).await.status, 200);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let house = House::open().await;
    let body = json!({"kind": "admin"});
    let first = house.post_named(KEYS, "n", body.clone()).await;
    house.clock.advance(Duration::from_secs(24 * 3600 - 1));
    assert_again(&first, &house.post_named(KEYS, "n", body.clone()).await);
    house.clock.advance(Duration::from_secs(1));
    let next = house.post_named(KEYS, "n", body.clone()).await;
    assert!(!is_replayed(&next) && next.text("keyId") != first.text("keyId"));
    assert_again(&next, &house.post_named(KEYS, "n", body).await);
}

#[tokio::test]
async fn an_answer_is_readable_with_the_credential_of_its_request_alone() {
    let house = House::open().await;
    let old = house.key(json!({"kind": "admin"})).await;
    let body = json!({"kind": "admin"});
    let made = house.send(named(&old, "POST", KEYS, ("n", &body))).await;
    let new =
        house.ask_as(&old, "POST", "/v1/management/admin/regenerate-key", Value::Null).await.text("apiKey");
    let told = house.send(named(&new, "POST", KEYS, ("n", &body))).await;
    assert_eq!(told.verdict(), (409, "idempotency_unreadable"));
    assert_eq!(house.count_keys().await, 3);
    for file in ["t.db", "t.db-wal"] {
        let bytes = std::fs::read(house.directory.path().join(file)).unwrap();
        let secret = made.text("apiSecret").into_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file}");
    }
}

#[tokio::test]
async fn while_the_first_is_under_way_the_others_are_told_so() {
    let house = House::open().await;
    let database = SqliteStore::open(&house.directory.path().join("t.db"), house.clock.now()).await.unwrap();
    let writer = database.write().await.unwrap();
    let body = json!({"kind": "admin"});
    // Neither can end before the writer lets go: who ends was told so.
    let ask = || Box::pin(house.post_named(KEYS, "n", body.clone()));
    let (Either::Left((told, first)) | Either::Right((told, first))) = select(ask(), ask()).await;
    assert_eq!(told.verdict(), (409, "idempotency_in_flight"));
    let other = house.post_named(KEYS, "n", json!({"kind": "admin", "name": "Other"})).await;
    assert_eq!(other.verdict(), (422, "idempotency_key_reused"));
    drop(writer);
    let first = first.await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_again(&first, &house.post_named(KEYS, "n", body).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_control_planes_one_does_it_and_both_give_its_answer() {
    let house = House::open().await;
    let other = house.another().await;
    for round in 0..20 {
        let (name, body) = (format!("n-{round}"), json!({"kind": "admin"}));
        let ask = |router: &Router| {
            let request = named(&house.admin, "POST", KEYS, (&name, &body));
            tokio::spawn(House::send_to(router.clone(), request))
        };
        let answers = join_all([&house.router, &other].map(ask)).await;
        let answers: Vec<Told> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            (answers[0].status, &answers[0].body),
            (201, &answers[1].body),
            "{round}: {}",
            answers[0].body
        );
        assert_eq!(house.count_keys().await, round + 2);
    }
}

async fn send_form(house: &House, boundary: &str, content: &str) -> Told {
    let part = |name: &str, more: &str, content: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{content}\r\n")
    };
    let body = part("applicationId", "", "my-app")
        + &part("version", "", "1.0.0")
        + &part("file", "; filename=\"a.exe\"", content)
        + &format!("--{boundary}--\r\n");
    let request = Request::builder().method("POST").uri("/v1/management/upload");
    let request = request.header("x-api-key", &house.admin).header("idempotency-key", "n");
    let request = request.header("content-type", format!("multipart/form-data; boundary={boundary}"));
    house.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_form_is_the_same_with_another_boundary_and_another_with_other_bytes() {
    let house = House::open().await;
    house.application("my-app").await;
    let first = send_form(&house, "b1", "MZ").await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_again(&first, &send_form(&house, "another-boundary", "MZ").await);
    assert_eq!(send_form(&house, "b1", "MZ2").await.verdict(), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn bodies_have_their_bounds_with_a_name_too() {
    let house = House::open().await;
    house.application("my-app").await;
    let told = house.post_named(CUSTOMERS, "n", json!({"name": "x".repeat(1024 * 1024)})).await;
    assert_eq!(told.verdict(), (413, "body_too_large"));
    for more in [1, 2 * 1024 * 1024] {
        let told = send_form(&house, "b", &"x".repeat(10 * 1024 * 1024 + more)).await;
        assert_eq!(told.verdict(), (413, "file_too_large"));
    }
}
