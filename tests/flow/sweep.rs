//! What uploads leave behind goes, and nothing that anybody refers to.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use support::client::send;
use support::content::checksum;
use support::{Admin, PATIENCE, System, eventually};

const DAY: Duration = Duration::from_secs(86_400);

/// The names of all files below the blob directory, and of those that wait below `.incoming/`.
fn files(system: &System) -> (BTreeSet<String>, BTreeSet<String>) {
    fn walk(directory: &Path, found: &mut BTreeSet<String>) {
        for entry in directory.read_dir().unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path.file_name().unwrap().to_string_lossy().into());
            }
        }
    }
    let root = system.scratch().join("desk/blobs");
    let (mut all, mut incoming) = (BTreeSet::new(), BTreeSet::new());
    walk(&root, &mut all);
    walk(&root.join(".incoming"), &mut incoming);
    (all.difference(&incoming).cloned().collect(), incoming)
}

async fn begin(admin: &Admin, version: &str, size: usize) -> (String, String) {
    let about = json!({ "fileName": "large.bin", "fileSize": size });
    let begun = admin.begin_upload("swept", version, about).await.expect(200);
    (begun.text("/uploadId"), begun.text("/uploadUrl"))
}

async fn put(admin: &Admin, url: &str, bytes: &str) {
    send(admin.request(Method::PUT, url).body(bytes.to_owned())).await.expect(200);
}

async fn patch(admin: &Admin, url: &str, bytes: &str) {
    let request = admin.request(Method::PATCH, url).header("content-type", "application/offset+octet-stream");
    send(request.header("upload-offset", "0").body(bytes.to_owned())).await.expect(204);
}

#[tokio::test]
async fn what_was_never_completed_goes_after_its_time_and_what_is_shared_stays() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("swept").await;
    // Half of a file; a whole one that nobody completes; one whose bytes a file has, too.
    let half = begin(&admin, "2.0.0", 10).await;
    patch(&admin, &half.1, "half").await;
    let orphan = begin(&admin, "3.0.0", 6).await;
    put(&admin, &orphan.1, "orphan").await;
    let shared = begin(&admin, "4.0.0", 6).await;
    put(&admin, &shared.1, "shared").await;
    admin.upload(&[("applicationId", "swept"), ("version", "5.0.0")], "own.bin", b"shared").await.expect(201);
    // Replaced by what came later, at once.
    put(&admin, &orphan.1, "oRphan").await;
    let (named, waiting) = files(&system);
    let names = |texts: &[&[u8]]| texts.iter().map(|text| checksum(text)).collect::<BTreeSet<_>>();
    assert_eq!(named, names(&[&stock.bytes, b"oRphan", b"shared"]));
    assert_eq!(waiting, BTreeSet::from([format!("{}.parts", half.0)]));

    system.clock.advance(DAY - Duration::from_secs(60));
    let late = begin(&admin, "6.0.0", 6).await;
    put(&admin, &late.1, "orphan").await;
    system.clock.advance(Duration::from_secs(120));
    // The bytes of the first orphan live on in the late one.
    eventually(PATIENCE, || async {
        let (named, waiting) = files(&system);
        let expected = names(&[&stock.bytes, b"shared", b"orphan"]);
        if named == expected && waiting.is_empty() { Ok(()) } else { Err((named, waiting)) }
    })
    .await;
    for (id, url) in [half, orphan, shared] {
        assert_eq!(send(admin.request(Method::PUT, &url).body("orphan")).await.status, 410);
        assert_eq!(send(admin.request(Method::HEAD, &url)).await.status, 410);
        assert_eq!(admin.complete_upload(json!({ "uploadId": id })).await.status, 404);
    }
    admin.complete_upload(json!({ "uploadId": late.0 })).await.expect(201);
    let client = system.client(0, &stock.key.text);
    assert_eq!(client.get("/v1/download/swept/5.0.0/own.bin").await.expect(200).body, b"shared");
    assert_eq!(client.get("/v1/download/swept/6.0.0/large.bin").await.expect(200).body, b"orphan");

    // Long after, a completion still has its answer; then the row goes, and the file stays.
    system.clock.advance(DAY * 20);
    admin.complete_upload(json!({ "uploadId": late.0 })).await.expect(201);
    system.clock.advance(DAY * 12);
    eventually(PATIENCE, || async { admin.complete_upload(json!({ "uploadId": late.0 })).await.is(404) })
        .await;
    assert_eq!(client.get("/v1/download/swept/6.0.0/large.bin").await.expect(200).body, b"orphan");
}

#[tokio::test]
async fn an_upload_that_is_given_up_takes_along_what_only_it_has() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("swept").await;
    let (one, two) = (begin(&admin, "2.0.0", 6).await, begin(&admin, "3.0.0", 6).await);
    put(&admin, &one.1, "shared").await;
    put(&admin, &two.1, "shared").await;
    send(admin.request(Method::DELETE, &one.1)).await.expect(204);
    admin.complete_upload(json!({ "uploadId": two.0 })).await.expect(201);
    let refused = send(admin.request(Method::DELETE, &two.1)).await;
    assert_eq!((refused.status, refused.failure().1.as_str()), (409, "upload_completed"));
    let three = begin(&admin, "4.0.0", 3).await;
    put(&admin, &three.1, "own").await;
    send(admin.request(Method::DELETE, &three.1)).await.expect(204);
    let client = system.client(0, &stock.key.text);
    assert_eq!(client.get("/v1/download/swept/3.0.0/large.bin").await.expect(200).body, b"shared");
    let expected = BTreeSet::from([checksum(&stock.bytes), checksum(b"shared")]);
    assert_eq!(files(&system), (expected, BTreeSet::new()));
}

/// Uploads of the same bytes run out, are given up and completed, all at once: whatever was completed is there.
#[tokio::test]
async fn no_file_loses_its_bytes_to_a_sweep_that_runs_beside_its_completion() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("swept").await;
    let client = system.client(0, &stock.key.text);
    for round in 0..16 {
        let shared = format!("round-{round:02}");
        let expiring = begin(&admin, &format!("{round}.0.0"), 8).await;
        put(&admin, &expiring.1, &shared).await;
        // Its time is over while the others are under way.
        system.clock.advance(DAY - Duration::from_millis(100));
        let completed = begin(&admin, &format!("{round}.1.0"), 8).await;
        let given_up = begin(&admin, &format!("{round}.2.0"), 8).await;
        let version = format!("{round}.3.0");
        let fields = [("applicationId", "swept"), ("version", version.as_str())];
        let complete = async {
            put(&admin, &completed.1, &shared).await;
            admin.complete_upload(json!({ "uploadId": completed.0 })).await.expect(201);
        };
        let give_up = async {
            put(&admin, &given_up.1, &shared).await;
            send(admin.request(Method::DELETE, &given_up.1)).await.expect(204);
        };
        let direct = async {
            admin.upload(&fields, "large.bin", shared.as_bytes()).await.expect(201);
        };
        tokio::join!(complete, give_up, direct);
        for minor in [1, 3] {
            let path = format!("/v1/download/swept/{round}.{minor}.0/large.bin");
            assert_eq!(client.get(&path).await.expect(200).body, shared.as_bytes(), "{path}");
        }
    }
}
