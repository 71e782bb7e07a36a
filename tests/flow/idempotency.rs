//! Writes that are sent again: done once, whatever happened to the first answer.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::{send, try_send};
use support::{Admin, Answer, Fleet, PATIENCE, System, eventually};

const CUSTOMERS: &str = "/v1/management/customers";

async fn try_named(admin: &Admin, path: &str, name: &str, body: &Value) -> Result<Answer, String> {
    let request = admin.request(Method::POST, path).header("idempotency-key", name);
    try_send(request.json(body)).await
}

async fn named(admin: &Admin, path: &str, name: &str, body: &Value) -> Answer {
    try_named(admin, path, name, body).await.unwrap()
}

fn keys_of(customer: &str) -> String {
    format!("{CUSTOMERS}/{customer}/apikeys")
}

async fn ids_of_keys(admin: &Admin, customer: &str) -> BTreeSet<String> {
    let told = admin.get(&format!("{}?limit=100", keys_of(customer))).await.expect(200);
    told.column("/apiKeys", "keyId").into_iter().collect()
}

#[tokio::test]
async fn a_hundred_times_at_once_through_two_edges_makes_one_key() {
    let system = System::in_process().await;
    system.admin(0).create_customer("c1", "Basic").await.expect(201);
    let (path, body) = (keys_of("c1"), json!({ "description": "once" }));
    let doors = [system.admin(0), system.admin(1), system.at_desk()];
    let answers = join_all((0..100).map(|number| named(&doors[number % 3], &path, "once", &body))).await;
    let (made, others): (Vec<Answer>, Vec<Answer>) = answers.into_iter().partition(|told| told.status == 201);
    assert!(!made.is_empty() && made.iter().all(|told| told.body == made[0].body));
    assert_eq!(made.iter().filter(|told| told.header_lines("idempotency-replayed").is_empty()).count(), 1);
    for told in others {
        assert_eq!(told.expect(409).failure(), ("CONFLICT".to_owned(), "idempotency_in_flight".to_owned()));
    }
    assert_eq!(ids_of_keys(&system.admin(0), "c1").await.len(), 1);
    // An edge that gives the kept answer has applied its write.
    let key = made[0].text("/apiKey");
    for (edge, door) in doors.iter().enumerate().take(2) {
        let again = named(door, &path, "once", &body).await.expect(201);
        assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &made[0].body));
        system.client(edge, &key).get("/v1/applications").await.expect(200);
    }
}

/// Every file below a directory, as bytes.
fn bytes_below(directory: &Path) -> Vec<u8> {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { bytes_below(&path) } else { std::fs::read(path).unwrap() })
        .collect()
}

#[tokio::test]
async fn an_answer_outlives_the_control_plane_and_is_secret_on_its_disk() {
    let mut fleet = Fleet::start(1).await;
    let admin = fleet.admin(0);
    admin.create_customer("c1", "Basic").await.expect(201);
    let (path, body) = (keys_of("c1"), json!({ "description": "kept" }));
    let first = named(&admin, &path, "kept", &body).await.expect(201);
    fleet.desk.kill();
    fleet.desk.start();
    fleet.desk_ready().await;
    for admin in [fleet.admin(0), fleet.at_desk()] {
        let again = named(&admin, &path, "kept", &body).await.expect(201);
        assert_eq!((again.header("idempotency-replayed"), &again.body), ("true", &first.body));
    }
    let reused = named(&admin, &path, "kept", &json!({ "description": "other" })).await.expect(422);
    assert_eq!(reused.failure(), ("VALIDATION_ERROR".to_owned(), "idempotency_key_reused".to_owned()));
    let disk = bytes_below(&fleet.scratch().join("desk"));
    let lies_there = |text: &str| disk.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(lies_there(&first.text("/keyId")) && !lies_there(&first.text("/apiSecret")));
    fleet.assert_sound();
}

#[tokio::test]
async fn a_control_plane_killed_at_work_did_each_thing_once_when_all_was_sent_again() {
    const WRITES: usize = 60;
    let mut fleet = Fleet::start(1).await;
    let admin = fleet.at_desk();
    admin.create_customer("c1", "Basic").await.expect(201);
    let (path, body) = (keys_of("c1"), json!({}));
    for round in 0..3 {
        let before = ids_of_keys(&admin, "c1").await.len();
        let name = |number: usize| format!("{round}-{number}");
        let sent = tokio::spawn({
            let (admin, path, body) = (admin.clone(), path.clone(), body.clone());
            async move {
                let names: Vec<String> = (0..WRITES).map(|number| format!("{round}-{number}")).collect();
                join_all(names.iter().map(|name| try_named(&admin, &path, name, &body))).await
            }
        });
        eventually(PATIENCE, || async {
            let done = ids_of_keys(&admin, "c1").await.len() - before;
            if done > 0 { Ok(()) } else { Err(done) }
        })
        .await;
        fleet.desk.kill();
        let told: Vec<Option<Answer>> = sent.await.unwrap().into_iter().map(Result::ok).collect();
        fleet.desk.start();
        fleet.desk_ready().await;
        for (number, told) in told.into_iter().enumerate() {
            let again = named(&admin, &path, &name(number), &body).await.expect(201);
            if let Some(told) = told {
                assert_eq!(told.expect(201).body, again.body);
            }
        }
        assert_eq!(ids_of_keys(&admin, "c1").await.len() - before, WRITES, "round {round}");
        for id in ids_of_keys(&admin, "c1").await {
            admin.delete(&format!("/v1/management/apikeys/{id}")).await.expect(200);
        }
    }
    fleet.assert_sound();
}

#[tokio::test]
async fn a_form_is_sent_again_and_the_file_is_there_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("formed", &[]).await.expect(201);
    let upload = async || {
        let file = reqwest::multipart::Part::bytes(vec![7; 300_000]).file_name("a.bin");
        let form = reqwest::multipart::Form::new().text("applicationId", "formed").text("version", "1.0.0");
        let request =
            admin.request(Method::POST, "/v1/management/upload").header("idempotency-key", "\"form\"");
        send(request.multipart(form.part("file", file))).await.expect(201)
    };
    let (first, again) = (upload().await, upload().await);
    assert_eq!((first.body, again.header("idempotency-replayed")), (again.body.clone(), "true"));
    let files = admin.get("/v1/applications/formed/versions/1.0.0/files").await.expect(200);
    assert_eq!(files.column("/files", "fileId").len(), 1);
}
