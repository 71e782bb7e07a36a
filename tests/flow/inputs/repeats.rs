//! What is sent again: by a hand that slipped, by a client that lost the answer, by a hundred machines at once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Admin, Answer, System};

use super::{assert_refused, assert_same, doors, writes};

const CROWD: usize = 100;

/// The same POST from all doors at once.
async fn crowd(system: &System, path: &str, body: &Value, name: Option<&str>) -> Vec<Answer> {
    let doors = doors(system);
    let one = |number: usize| {
        let request = doors[number % 3].1.request(Method::POST, path).json(body);
        send(name.into_iter().fold(request, |request, name| request.header("idempotency-key", name)))
    };
    join_all((0..CROWD).map(one)).await
}

/// What makes a thing, how it is refused when the thing is there, and where such things are counted.
fn makers() -> [(&'static str, Value, &'static str, &'static str); 4] {
    [
        (
            "/v1/management/applications",
            json!({ "applicationId": "made", "name": "Made" }),
            "application_exists",
            "application.create",
        ),
        (
            "/v1/management/customers",
            json!({ "customerId": "made", "name": "Made" }),
            "customer_exists",
            "customer.create",
        ),
        (
            "/v1/management/upload",
            json!({ "applicationId": "app", "version": "1", "fileName": "a.bin", "fileContent": "YQ==" }),
            "file_exists",
            "version.upload",
        ),
        ("/v1/management/apikeys", json!({ "kind": "admin", "name": "Made" }), "", "key.create"),
    ]
}

/// How often a thing was made.
async fn times(admin: &Admin, action: &str) -> usize {
    let audit = admin.get(&format!("/v1/audit?limit=100&action={action}")).await.expect(200);
    audit.column("/entries", "action").len()
}

#[tokio::test]
async fn the_same_post_sent_twice_is_told_that_the_thing_is_there() {
    let system = System::in_process().await;
    system.admin(0).create_application("app", &[]).await.expect(201);
    for (path, body, exists, _) in makers() {
        let admin = system.admin(0);
        admin.post(path, &body).await.expect(201);
        let before = writes(&admin).await;
        for (door, admin) in doors(&system) {
            let again = admin.post(path, &body).await;
            if exists.is_empty() {
                // A key has no name of its own: each is another one.
                again.expect(201);
            } else {
                assert_refused(&format!("{path} at {door}"), &again, 409, exists);
                assert_eq!(again.failure().0, "CONFLICT");
            }
        }
        let more = if exists.is_empty() { 3 } else { 0 };
        assert_eq!(writes(&admin).await, before + more, "{path}");
    }
}

#[tokio::test]
async fn a_hundred_at_once_make_one_thing_and_ninety_nine_are_told_so() {
    let system = System::in_process().await;
    system.admin(0).create_application("app", &[]).await.expect(201);
    for (path, body, exists, action) in makers() {
        let before = times(&system.admin(0), action).await;
        let told = crowd(&system, path, &body, None).await;
        let (made, others): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.status == 201);
        let expected = if exists.is_empty() { CROWD } else { 1 };
        assert_eq!((made.len(), others.len()), (expected, CROWD - expected), "{path}: {others:?}");
        for told in &others {
            assert_refused(path, told, 409, exists);
        }
        if !exists.is_empty() {
            assert_eq!(times(&system.admin(0), action).await - before, 1, "{path}");
        }
    }
}

#[tokio::test]
async fn a_hundred_at_once_under_one_name_make_one_thing_and_all_hear_of_that() {
    let system = System::in_process().await;
    system.admin(0).create_application("app", &[]).await.expect(201);
    for (path, body, _, action) in makers() {
        let before = times(&system.admin(0), action).await;
        let told = crowd(&system, path, &body, Some(action)).await;
        let (made, others): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.status == 201);
        assert!(!made.is_empty() && made.iter().all(|told| told.body == made[0].body), "{path}: {made:?}");
        for told in &others {
            assert_refused(path, told, 409, "idempotency_in_flight");
        }
        assert_eq!(times(&system.admin(0), action).await - before, 1, "{path}");
        let again = crowd(&system, path, &body, Some(action)).await;
        assert!(
            again.iter().all(|told| told.status == 201 && told.body == made[0].body),
            "{path}: {again:?}"
        );
        assert_eq!(times(&system.admin(0), action).await - before, 1, "{path}");
    }
}

/// A change of nothing.
#[tokio::test]
async fn a_patch_without_anything_in_it_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let key = format!("/v1/management/apikeys/{}", stock.key.id);
    let customer = format!("/v1/management/customers/{}", stock.customer);
    let version = "/v1/applications/stock/versions/1.2.0";
    for (path, read) in [
        ("/v1/management/applications/stock", "/v1/applications/stock"),
        (version, "/v1/applications/stock/versions"),
        (customer.as_str(), customer.as_str()),
        (key.as_str(), key.as_str()),
    ] {
        let before = admin.get(read).await.expect(200).data("");
        for (door, admin) in doors(&system) {
            for body in ["{}", "", r#"{"nothing":"known"}"#] {
                let told = super::send_text(&admin, "PATCH", path, body).await;
                assert_eq!(told.status, 200, "{body:?} to {path} at {door}: {told:?}");
            }
        }
        assert_same(&admin, read, &before).await;
    }
    let none = json!({});
    let assigned = admin.put("/v1/management/applications/stock/customers", &none).await.expect(200);
    assert_eq!((assigned.data("/added"), assigned.data("/removed")), (json!([]), json!([])));
    system.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
}

/// What is gone is gone, and whoever deletes it again is told so; a version stays, yanked.
#[tokio::test]
async fn a_second_delete_finds_nothing_and_writes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (stock, other) = (admin.stock("stock").await, admin.stock("other").await);
    admin.with(None).post("/auth/login", &json!({ "api_key": other.key.text })).await.expect(200);
    let sessions = format!("/v1/auth/sessions?keyId={}", other.key.id);
    let session = admin.get(&sessions).await.expect(200).text("/sessions/0/sessionId");
    let about = json!({ "fileName": "large.bin", "fileSize": 3 });
    let upload = admin.begin_upload("other", "3.0.0", about).await.expect(200).text("/uploadUrl");
    let upload = upload.strip_prefix(admin.base()).unwrap().to_owned();
    for (path, first, second, reason) in [
        (format!("/v1/auth/sessions/{session}"), 200, 404, "session_not_found"),
        (upload, 204, 404, ""),
        (format!("/v1/management/apikeys/{}", stock.key.id), 200, 404, "key_not_found"),
        ("/v1/applications/other/versions/1.2.0".to_owned(), 200, 200, ""),
        ("/v1/management/applications/stock".to_owned(), 200, 404, "application_not_found"),
        ("/v1/applications/stock/versions/1.2.0".to_owned(), 404, 404, "application_not_found"),
    ] {
        let delete = |admin: &Admin| {
            let request = admin.request(Method::DELETE, &path).header("tus-resumable", "1.0.0");
            async move { send(request).await }
        };
        assert_eq!(delete(&admin).await.status, first, "{path}");
        let before = writes(&admin).await;
        for (door, admin) in doors(&system) {
            let again = delete(&admin).await;
            assert_eq!(again.status, second, "{path} at {door}: {again:?}");
            if !reason.is_empty() {
                assert_refused(&path, &again, second, reason);
            }
        }
        assert_eq!(writes(&admin).await, before, "{path}: something was written");
    }
    // One of many who delete at once does it.
    let ends = join_all((0..CROWD).map(|number| {
        let admin = doors(&system)[number % 3].1.clone();
        async move { admin.delete("/v1/management/applications/other").await.status }
    }))
    .await;
    assert_eq!(ends.iter().filter(|status| **status == 200).count(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|status| **status == 404).count(), CROWD - 1, "{ends:?}");
}
