//! A tenant stores what the operator lets it store: files, and what is on its way to become one.

use std::time::Duration;

use control_plane::domain::tenant::Alter;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Answer, System};

const DAY: Duration = Duration::from_secs(86_400);

async fn bound(system: &System, bytes: Option<u64>) {
    let operator = system.operator().await;
    operator.alter(system.tenant.parse().unwrap(), Alter::Quota(bytes)).await.unwrap();
    operator.close().await;
}

/// 413 with the three numbers, in both forms of a failure.
fn assert_exceeded(told: &Answer, numbers: (u64, u64, u64)) {
    assert_eq!(told.status, 413, "{told:?}");
    assert_eq!(told.failure(), ("QUOTA_EXCEEDED".to_owned(), "quota_exceeded".to_owned()));
    let json = told.json();
    let details = if json["error"].is_object() { &json["error"]["details"] } else { &json["details"] };
    let expected = json!({ "currentBytes": numbers.0, "limitBytes": numbers.1, "requestedBytes": numbers.2 });
    assert_eq!(*details, expected);
}

fn large(version: &str, size: u64) -> Value {
    json!({ "applicationId": "bounded", "version": version, "fileName": "large.bin", "fileSize": size })
}

#[tokio::test]
async fn what_would_not_fit_is_refused_early_and_what_is_on_its_way_has_its_place() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    // 200 000 bytes.
    admin.stock("bounded").await;
    bound(&system, Some(200_100)).await;
    let begin = "/v1/management/upload/large-url";
    assert_exceeded(&admin.post(begin, &large("2", 101)).await, (200_000, 200_100, 101));
    let problem = admin.request(Method::POST, begin).json(&large("2", 101));
    let problem = send(problem.header("accept", "application/problem+json")).await;
    assert_exceeded(&problem, (200_000, 200_100, 101));
    let begun = admin.post(begin, &large("2", 60)).await.expect(200);
    let fields = [("applicationId", "bounded"), ("version", "3")];
    assert_exceeded(&admin.upload(&fields, "a.bin", &[7; 41]).await, (200_060, 200_100, 41));
    let body = json!({ "applicationId": "bounded", "version": "3", "fileName": "a.bin", "fileContent": "QUFB".repeat(14) });
    assert_exceeded(&admin.post("/v1/management/upload", &body).await, (200_060, 200_100, 42));
    admin.upload(&fields, "a.bin", &[7; 40]).await.expect(201);
    assert_exceeded(&admin.upload(&fields, "b.bin", b"1").await, (200_100, 200_100, 1));

    // What was begun comes to its end, also when the limit falls below it meanwhile.
    bound(&system, Some(1)).await;
    send(admin.request(Method::PUT, &begun.text("/uploadUrl")).body(vec![1; 60])).await.expect(200);
    let complete = json!({ "uploadId": begun.text("/uploadId") });
    for _ in 0..2 {
        admin.complete_upload(complete.clone()).await.expect(201);
    }
    assert_exceeded(&admin.upload(&fields, "c.bin", b"").await, (200_100, 1, 0));
    bound(&system, None).await;
    admin.upload(&fields, "c.bin", &[1; 1_000]).await.expect(201);
}

#[tokio::test]
async fn an_upload_whose_time_is_over_gives_its_place_back() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("bounded", &[]).await.expect(201);
    bound(&system, Some(100)).await;
    let begin = "/v1/management/upload/large-url";
    admin.post(begin, &large("1", 100)).await.expect(200);
    assert_exceeded(&admin.post(begin, &large("2", 1)).await, (100, 100, 1));
    system.clock.advance(DAY);
    admin.post(begin, &large("2", 1)).await.expect(200);
}

#[tokio::test]
async fn of_many_at_the_same_time_only_as_many_as_fit_come_through() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    admin.create_application("bounded", &[]).await.expect(201);
    bound(&system, Some(1_000)).await;
    let uploads = (0..12).map(|number| {
        let admin = system.admin(number % 2);
        tokio::spawn(async move {
            let version = format!("{number}.0");
            let fields = [("applicationId", "bounded"), ("version", version.as_str())];
            match number % 3 {
                0 => admin.post("/v1/management/upload/large-url", &large(&version, 300)).await.status,
                _ => admin.upload(&fields, "a.bin", &[7; 300]).await.status,
            }
        })
    });
    let uploads: Vec<_> = uploads.collect();
    let mut told = Vec::new();
    for upload in uploads {
        told.push(upload.await.unwrap());
    }
    let through = told.iter().filter(|status| **status < 300).count();
    assert_eq!((through, told.iter().filter(|status| **status == 413).count()), (3, 9), "{told:?}");
}
