//! A vendor uploads: in one request as a form or as JSON, or large in three steps, and nothing shows before it is whole.

use reqwest::Method;
use serde_json::json;
use support::client::send;
use support::content::{bytes, checksum};
use support::{PATIENCE, System, eventually};

const SMALL: [(&str, &str); 2] = [("applicationId", "sent"), ("version", "3.0.0")];

#[tokio::test]
async fn a_form_is_an_upload_and_every_field_of_it_counts() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    let fields = [
        ("releaseNotes", "Third"),
        ("fileType", "DEPENDENCY"),
        ("description", "Needed"),
        ("requiredTier", "Basic"),
    ];
    let content = bytes(3, 1_000_000);
    let told = admin.upload(&[&SMALL[..], &fields].concat(), "lib.so", &content).await.expect(201);
    assert_eq!((told.text("/checksum"), told.data("/fileSize")), (checksum(&content), json!(1_000_000)));
    let client = system.client(0, &stock.key.text);
    let files = client.get("/v1/applications/sent/versions/3.0.0/files").await.expect(200);
    let file = files.data("/files/0");
    assert_eq!(
        (&file["fileType"], &file["description"], &file["order"]),
        (&json!("DEPENDENCY"), &json!("Needed"), &json!(0))
    );
    let got = client.get("/v1/download/sent/3.0.0/lib.so").await.expect(200);
    assert!(got.body == content, "other bytes");

    let again = admin.upload(&SMALL, "lib.so", b"other").await.expect(409);
    assert_eq!(again.failure().0, "CONFLICT");
    admin.upload(&SMALL, "readme.md", b"# Read").await.expect(201);
    let files = client.get("/v1/applications/sent/versions/3.0.0/files").await.expect(200);
    assert_eq!(files.column("/files", "fileName"), ["lib.so", "readme.md"]);
    assert_eq!(files.data("/files/1/order"), 1);
}

#[tokio::test]
async fn json_with_base64_is_an_upload_whatever_white_space_is_in_it() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    let body = json!({ "applicationId": "sent", "version": "3.0.0", "fileName": "hello.txt", "fileContent": "SGVs\r\nbG8g d29y\nbGQ=" });
    let told = admin.post("/v1/management/upload", &body).await.expect(201);
    assert_eq!(told.text("/checksum"), checksum(b"Hello world"));
    let got = system.client(0, &stock.key.text).get("/v1/download/sent/3.0.0/hello.txt").await.expect(200);
    assert_eq!(got.body, b"Hello world");
    let bad =
        json!({ "applicationId": "no such", "version": "latest", "fileName": "../x", "fileContent": "%%" });
    let refused = admin.post("/v1/management/upload", &bad).await.expect(400);
    let details = refused.json()["error"]["details"].to_string();
    for field in ["applicationId", "version", "fileName", "fileContent"] {
        assert!(details.contains(field), "{field}: {details}");
    }
}

#[tokio::test]
async fn a_direct_upload_of_more_than_10_mebibytes_is_413_and_names_the_large_one() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    let largest = bytes(4, 10 << 20);
    admin.upload(&SMALL, "largest.bin", &largest).await.expect(201);
    for size in [(10 << 20) + 1, 14 << 20, 40 << 20] {
        let larger = vec![7; size];
        let refused = match admin.try_upload(&[SMALL[0], ("version", "4.0.0")], "larger.bin", &larger).await {
            Ok(refused) => refused,
            // What is refused is read on for 16 MiB; who still sends after that may find the connection closed.
            Err(_) if size > 26 << 20 => continue,
            Err(told) => panic!("{size} bytes: {told}"),
        };
        assert_eq!(refused.status, 413, "{size} bytes: {refused:?}");
        assert_eq!(refused.failure().0, "PAYLOAD_TOO_LARGE");
        assert!(
            refused.json()["error"]["message"].as_str().unwrap().contains("/v1/management/upload/large-url")
        );
    }
    let versions = system.client(0, &stock.key.text).get("/v1/applications/sent/versions").await.expect(200);
    assert_eq!(versions.column("/versions", "version"), ["3.0.0", "1.2.0"]);
}

#[tokio::test]
async fn a_large_upload_shows_only_when_it_is_complete_and_completing_twice_is_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    let client = system.client(0, &stock.key.text);
    let content = bytes(5, 12 << 20);
    let about =
        json!({ "fileName": "large.bin", "fileSize": content.len(), "contentType": "application/x-large" });
    let begun = admin.begin_upload("sent", "5.0.0", about).await.expect(200);
    let url = begun.text("/uploadUrl");
    assert!(url.starts_with(admin.base()), "{url}");
    let hidden = || async {
        let versions = client.get("/v1/applications/sent/versions").await.expect(200);
        assert_eq!(versions.column("/versions", "version"), ["1.2.0"]);
        client.get("/v1/download/sent/5.0.0/large.bin").await.expect(404);
    };
    hidden().await;
    let complete = json!({ "uploadId": begun.text("/uploadId"), "releaseNotes": "Large" });
    assert_eq!(admin.complete_upload(complete.clone()).await.expect(409).failure().1, "upload_not_received");
    let put = send(admin.request(Method::PUT, &url).body(content.clone())).await;
    assert_eq!(put.status, 200, "{put:?}");
    hidden().await;
    let first = admin.complete_upload(complete.clone()).await.expect(201);
    assert_eq!(first.text("/checksum"), checksum(&content));
    let second = admin.complete_upload(complete).await.expect(201);
    assert_eq!(first.data(""), second.data(""));
    let got = client.get("/v1/download/sent/5.0.0/large.bin").await.expect(200);
    assert!(got.body == content, "other bytes");
    assert_eq!(got.header("content-type"), "application/x-large");
    let late = send(admin.request(Method::PUT, &url).body(content)).await;
    assert_eq!(late.expect(409).failure().1, "upload_completed");
    let other = system.client(1, &stock.key.text);
    eventually(PATIENCE, || async { other.get("/v1/download/sent/5.0.0/large.bin").await.is(200) }).await;
}

#[tokio::test]
async fn a_large_upload_of_another_size_or_checksum_is_refused() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    let content = bytes(6, 300_000);
    let begin = |name: &'static str| {
        let admin = admin.clone();
        async move {
            let about = json!({ "fileName": name, "fileSize": 300_000 });
            admin.begin_upload("sent", "6.0.0", about).await.expect(200)
        }
    };
    let begun = begin("a.bin").await;
    let url = begun.text("/uploadUrl");
    for wrong in [&content[1..], &[&content[..], b"x"].concat()] {
        let refused = send(admin.request(Method::PUT, &url).body(wrong.to_vec())).await;
        assert_eq!((refused.status, refused.failure().1.as_str()), (409, "size_mismatch"), "{refused:?}");
    }
    send(admin.request(Method::PUT, &url).body(content.clone())).await.expect(200);
    let id = begun.text("/uploadId");
    let other = checksum(b"something else");
    let refused = admin.complete_upload(json!({ "uploadId": id, "checksum": other })).await.expect(409);
    assert_eq!(refused.failure().1, "checksum_mismatch");
    let refused = admin.complete_upload(json!({ "uploadId": id, "fileSize": 299_999 })).await.expect(409);
    assert_eq!(refused.failure().0, "CONFLICT");
    let long =
        json!({ "uploadId": id, "fileSize": 300_000, "checksum": checksum(&content), "fileName": "a.bin" });
    admin.complete_upload(long).await.expect(201);
    let forged = url.replace("/v1/uploads/", "/v1/uploads/A");
    send(admin.request(Method::PUT, &forged).body(content)).await.expect(404);
    let begun = begin("late.bin").await;
    system.clock.advance(std::time::Duration::from_secs(8 * 86_400));
    let late = send(admin.request(Method::PUT, &begun.text("/uploadUrl")).body(vec![0; 300_000])).await;
    assert_eq!(late.expect(410).failure().0, "EXPIRED");
    system.client(0, &stock.key.text).get("/v1/download/sent/6.0.0/a.bin").await.expect(200);
}

#[tokio::test]
async fn the_same_bytes_under_two_names_are_both_there() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("sent").await;
    for name in ["one.bin", "two.bin"] {
        admin.upload(&SMALL, name, b"the same").await.expect(201);
    }
    let client = system.client(0, &stock.key.text);
    for name in ["one.bin", "two.bin"] {
        let got = client.get(&format!("/v1/download/sent/3.0.0/{name}")).await.expect(200);
        assert_eq!(got.body, b"the same");
    }
}
