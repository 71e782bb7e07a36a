//! Uploads through the API, and what of them lies on the disk.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use common::digest::Digest;
use common::runtime::clock::Clock as _;
use futures_util::stream;
use http::Request;
use serde_json::{Value, json};

use super::{House, Told};

const UPLOAD: &str = "/v1/management/upload";

async fn send_form(house: &House, parts: &[(&str, &str)]) -> Told {
    let mut body = String::new();
    for (name, content) in parts {
        let file = if *name == "file" {
            "; filename=\"a.exe\"\r\nContent-Type: application/x-msdownload"
        } else {
            ""
        };
        body += &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n");
    }
    let request = Request::builder().method("POST").uri(UPLOAD).header("x-api-key", &house.admin);
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    house.send(request.body(Body::from(body + "--b--\r\n")).unwrap()).await
}

/// The blobs that have their names; nothing may lie in the incoming directory.
fn blobs(house: &House) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<String>) {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found)
            } else {
                found.push(path.file_name().unwrap().to_string_lossy().into())
            }
        }
    }
    let mut found = Vec::new();
    walk(&house.directory.path().join("blobs"), &mut found);
    found
}

/// Files of refused bodies are removed on a blocking thread.
async fn eventually_blobs(house: &House, expected: &[String]) {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while blobs(house) != expected {
        assert!(std::time::Instant::now() < deadline, "{:?}", blobs(house));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_form_and_a_json_body_upload_the_same_way() {
    let house = House::open().await;
    house.application("my-app").await;
    let about = [("applicationId", "my-app"), ("version", "1.0.0")];
    let told = send_form(&house, &[("file", "MZ"), about[0], about[1], ("isEnabled", "false")]).await;
    assert_eq!((told.status, told.text("checksum")), (201, Digest::of(b"MZ").to_string()));
    assert_eq!(told.text("fileName"), "a.exe");
    let json = json!({"applicationId": "my-app", "version": "1.0.0", "fileName": "b.txt", "fileContent": " TV\r\no= "});
    let told = house.post(UPLOAD, json).await;
    assert_eq!((told.status, told.text("checksum")), (201, Digest::of(b"MZ").to_string()));
    eventually_blobs(&house, &[Digest::of(b"MZ").to_string()]).await;
    for (parts, expected) in [
        (vec![("file", "MZ"), about[0], about[1]], (409, "file_exists")),
        (vec![about[0], about[1]], (400, "invalid_fields")),
        (vec![("file", "MZ"), about[0]], (400, "invalid_fields")),
        (vec![("file", "MZ"), about[1], ("applicationId", "nope")], (404, "application_not_found")),
    ] {
        assert_eq!(send_form(&house, &parts).await.verdict(), expected, "{parts:?}");
    }
    let other = send_form(&house, &[("file", "other bytes"), about[0], about[1]]).await;
    assert_eq!(other.verdict(), (409, "file_exists"));
    eventually_blobs(&house, &[Digest::of(b"MZ").to_string()]).await;
    house.table(&[
        ("POST", UPLOAD, json!({"applicationId": "my-app", "version": "latest", "fileName": "../x", "fileContent": "%"}), (400, "invalid_fields")),
        ("POST", UPLOAD, json!({}), (400, "invalid_fields")),
    ]).await;
}

#[tokio::test]
async fn a_file_over_ten_mebibytes_is_told_of_the_large_upload_and_leaves_nothing() {
    let house = House::open().await;
    house.application("my-app").await;
    let large = "x".repeat(10 * 1024 * 1024 + 1);
    let told = send_form(&house, &[("applicationId", "my-app"), ("version", "1"), ("file", &large)]).await;
    assert_eq!(told.verdict(), (413, "file_too_large"));
    assert!(told.body["error"]["message"].as_str().unwrap().contains("large-url"));
    eventually_blobs(&house, &[]).await;
}

async fn begin(house: &House, size: u64) -> Told {
    let body =
        json!({"applicationId": "my-app", "version": "1.0.0", "fileName": "big.bin", "fileSize": size});
    house.post("/v1/management/upload/large-url", body).await
}

async fn put(house: &House, url: &str, pieces: Vec<Result<Bytes, std::io::Error>>) -> Told {
    let path = url.strip_prefix("http://desk.test").unwrap();
    house
        .send(
            Request::builder().method("PUT").uri(path).body(Body::from_stream(stream::iter(pieces))).unwrap(),
        )
        .await
}

fn piece(text: &'static str) -> Result<Bytes, std::io::Error> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn a_large_upload_is_published_when_it_is_whole_and_completed() {
    let house = House::open_with(|desk| desk.public_url = Some("http://desk.test".into())).await;
    house.application("my-app").await;
    let begun = begin(&house, 10).await;
    assert_eq!(begun.status, 200);
    let (id, url) = (begun.text("uploadId"), begun.text("uploadUrl"));
    let complete = async |more: Value| {
        let mut body = json!({"uploadId": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        house.post("/v1/management/upload/large-complete", body).await
    };
    assert_eq!(complete(json!({})).await.verdict(), (409, "upload_not_received"));
    let broken = std::io::Error::other("gone");
    for (pieces, expected) in [
        (vec![piece("12345")], (409, "size_mismatch")),
        (vec![piece("12345"), piece("678901")], (409, "size_mismatch")),
        (vec![piece("12345"), Err(broken)], (400, "body_incomplete")),
    ] {
        assert_eq!(put(&house, &url, pieces).await.verdict(), expected);
        eventually_blobs(&house, &[]).await;
    }
    assert_eq!(put(&house, &url, vec![piece("abcde"), piece("fghij")]).await.status, 200);
    assert_eq!(put(&house, &url, vec![piece("12345"), piece("67890")]).await.status, 200);
    assert_eq!(house.get("/v1/applications/my-app").await.data("latestVersion"), &Value::Null);
    assert_eq!(complete(json!({"fileSize": 11})).await.verdict(), (409, "size_mismatch"));
    assert_eq!(complete(json!({"checksum": "0".repeat(64)})).await.verdict(), (409, "checksum_mismatch"));
    assert_eq!(complete(json!({"checksum": "x"})).await.verdict(), (400, "invalid_fields"));
    let checksum = Digest::of(b"1234567890").to_string();
    let first = complete(json!({"fileSize": 10, "checksum": checksum})).await;
    assert_eq!((first.status, first.text("checksum")), (201, checksum));
    let again = complete(json!({})).await;
    assert_eq!((again.status, again.text("fileId")), (201, first.text("fileId")));
    assert_eq!(
        put(&house, &url, vec![piece("12345"), piece("67890")]).await.verdict(),
        (409, "upload_completed")
    );
    assert_eq!(begin(&house, 10).await.verdict(), (409, "file_exists"));
}

#[tokio::test]
async fn a_large_upload_is_refused_early_and_ends_after_its_time() {
    let house = House::open_with(|desk| desk.public_url = Some("http://desk.test".into())).await;
    let about = |size: Value| json!({"applicationId": "my-app", "version": "1.0.0", "fileName": "big.bin", "fileSize": size});
    let path = "/v1/management/upload/large-url";
    house.table(&[("POST", path, about(json!(1)), (404, "application_not_found"))]).await;
    house.application("my-app").await;
    house
        .table(&[
            ("POST", path, about(json!(0)), (400, "invalid_fields")),
            ("POST", path, about(json!("10")), (400, "invalid_fields")),
            ("POST", path, about(json!(1.5)), (400, "invalid_fields")),
            ("POST", path, about(json!(1_u64 << 37)), (413, "file_too_large")),
            (
                "POST",
                "/v1/management/upload/large-complete",
                json!({"uploadId": "upl_nope"}),
                (404, "upload_not_found"),
            ),
            ("PUT", "/v1/uploads/forged", Value::Null, (404, "upload_not_found")),
        ])
        .await;
    let url = begin(&house, 5).await.text("uploadUrl");
    let request = Request::builder().method("PUT").uri(url.strip_prefix("http://desk.test").unwrap());
    let told = house.send(request.header("content-length", "6").body(Body::from("123456")).unwrap()).await;
    assert_eq!(told.verdict(), (409, "size_mismatch"));
    house.clock.advance(Duration::from_secs(2 * 24 * 3600));
    assert_eq!(put(&house, &url, vec![piece("12345")]).await.verdict(), (410, "upload_expired"));
}

#[tokio::test]
async fn an_upload_url_ends_with_the_key_that_asked_for_it() {
    let house = House::open_with(|desk| desk.public_url = Some("http://desk.test".into())).await;
    house.application("my-app").await;
    let soon = house.clock.now().plus(Duration::from_secs(3_600)).to_string();
    for (number, end, reason) in [
        (0, json!({"isEnabled": false}), "key_disabled"),
        (1, json!({"expiresAt": soon}), "key_expired"),
        (2, Value::Null, "key_deleted"),
    ] {
        let made = house.post("/v1/management/apikeys", json!({"name": "ci", "kind": "admin"})).await;
        let (id, key) = (made.text("keyId"), made.text("apiKey"));
        let about = json!({"applicationId": "my-app", "version": "1.0.0", "fileName": format!("{number}.bin"), "fileSize": 5});
        let begun = house.ask_as(&key, "POST", "/v1/management/upload/large-url", about).await;
        let (upload, url) = (begun.text("uploadId"), begun.text("uploadUrl"));
        assert_eq!(put(&house, &url, vec![piece("12345")]).await.status, 200, "{reason}");
        let method = if end.is_null() { "DELETE" } else { "PATCH" };
        let told = house.ask(method, &format!("/v1/management/apikeys/{id}"), end).await;
        assert_eq!(told.status, 200, "{}", told.body);
        if reason == "key_expired" {
            assert_eq!(put(&house, &url, vec![piece("12345")]).await.status, 200, "not yet");
            house.clock.advance(Duration::from_secs(3_600));
        }
        assert_eq!(put(&house, &url, vec![piece("54321")]).await.verdict(), (401, reason));
        let path = url.strip_prefix("http://desk.test").unwrap();
        for method in ["PATCH", "DELETE"] {
            let request = Request::builder().method(method).uri(path).header("upload-offset", "0");
            let request = request.header("content-type", "application/offset+octet-stream");
            let told = house.send(request.body(Body::from("54321")).unwrap()).await;
            assert_eq!(told.verdict(), (401, reason), "{method}");
        }
        // What came while the key was one can be completed by whoever else may.
        let told = house.post("/v1/management/upload/large-complete", json!({"uploadId": upload})).await;
        assert_eq!((told.status, told.text("checksum")), (201, Digest::of(b"12345").to_string()));
    }
}

#[tokio::test]
async fn a_key_that_ends_while_the_bytes_come_has_sent_nothing() {
    let house = House::open_with(|desk| desk.public_url = Some("http://desk.test".into())).await;
    house.application("my-app").await;
    let soon = house.clock.now().plus(Duration::from_secs(60)).to_string();
    let key = house.key(json!({"name": "ci", "expiresAt": soon})).await;
    let about = json!({"applicationId": "my-app", "version": "1.0.0", "fileName": "a.bin", "fileSize": 5});
    let begun = house.ask_as(&key, "POST", "/v1/management/upload/large-url", about).await;
    let (upload, url, clock) = (begun.text("uploadId"), begun.text("uploadUrl"), house.clock.clone());
    let late = stream::once(async move {
        clock.advance(Duration::from_secs(60));
        piece("12345")
    });
    let request = Request::builder().method("PUT").uri(url.strip_prefix("http://desk.test").unwrap());
    let told = house.send(request.body(Body::from_stream(late)).unwrap()).await;
    assert_eq!(told.verdict(), (401, "key_expired"));
    let told = house.post("/v1/management/upload/large-complete", json!({"uploadId": upload})).await;
    assert_eq!(told.verdict(), (409, "upload_not_received"));
    eventually_blobs(&house, &[]).await;
}
