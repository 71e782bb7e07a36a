//! A large file on its whole way: uploaded by curl through one edge, downloaded and resumed by curl and wget from every
//! edge, while somebody watches what each process holds in memory.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::admin::Key;
use crate::content;
use crate::eventually::sampling;
use crate::fleet::Fleet;
use crate::program::Memory;
use crate::tools::{curl, sha256sum, wget};

/// The most that a process held, in KiB.
#[derive(Clone, Debug)]
pub struct Peak {
    pub program: String,
    pub memory: Memory,
}

/// Sends a file of so many MiB on its way through two edges. Panics when any byte differs; gives the memory's peaks.
pub async fn journey(mebibytes: u64) -> Vec<Peak> {
    let mut fleet = Fleet::start(2).await;
    let source = fleet.scratch().join("source.bin");
    content::write_file(&source, 7, mebibytes).unwrap();
    let mut peaks: Vec<Peak> = Vec::new();
    for (program, process) in fleet.programs() {
        peaks.push(Peak { program, memory: process.memory() });
    }
    let watch = || {
        for (peak, (_, process)) in peaks.iter_mut().zip(fleet.programs()) {
            let now = process.memory();
            peak.memory.anonymous = peak.memory.anonymous.max(now.anonymous);
            peak.memory.high_water = peak.memory.high_water.max(now.high_water);
        }
    };
    sampling(travel(&fleet, &source, mebibytes << 20), watch).await;
    fleet.assert_sound();
    peaks
}

async fn travel(fleet: &Fleet, source: &Path, size: u64) {
    let key = upload(fleet, source, size).await;
    let checksum = sha256sum(source).await;
    for edge in 0..fleet.edges.len() {
        let url = format!("{}/v1/download/large-app/1.0.0/large.bin", fleet.stranger(edge).base());
        let authorization = format!("Authorization: Bearer {}", key.text);
        let whole = fleet.scratch().join(format!("whole-{edge}.bin"));
        curl(&["--header", &authorization, &url], &whole).await;
        assert_eq!(sha256sum(&whole).await, checksum, "curl from edge {edge}");
        let cut = cut_copy(&whole, size / 3);
        curl(&["--continue-at", "-", "--header", &authorization, &url], &cut).await;
        assert_eq!(sha256sum(&cut).await, checksum, "curl -C - from edge {edge}");
        let cut = cut_copy(&whole, size / 2 + 1);
        wget(&["--continue", "--header", &authorization, &url], &cut).await;
        assert_eq!(sha256sum(&cut).await, checksum, "wget -c from edge {edge}");
    }
}

/// The large upload as a vendor's script does it: announce, PUT, complete.
async fn upload(fleet: &Fleet, source: &Path, size: u64) -> Key {
    let admin = fleet.admin(0);
    admin.create_customer("large-customer", "Basic").await.expect(201);
    admin.create_application("large-app", &["large-customer"]).await.expect(201);
    let about = json!({ "fileName": "large.bin", "fileSize": size });
    let begun = admin.begin_upload("large-app", "1.0.0", about).await.expect(200);
    let answer = fleet.scratch().join("answer.json");
    curl(&["--upload-file", source.to_str().unwrap(), &begun.text("/uploadUrl")], &answer).await;
    let body = json!({ "uploadId": begun.text("/uploadId"), "checksum": sha256sum(source).await });
    admin.complete_upload(body).await.expect(201);
    let key = admin.create_key("large-customer", json!({})).await;
    crate::eventually(crate::PATIENCE, || async {
        let path = "/v1/applications/large-app/versions/1.0.0/files";
        fleet.client(1, &key.text).get(path).await.is(200)
    })
    .await;
    key
}

/// What a broken transfer leaves: the beginning of the file.
fn cut_copy(whole: &Path, length: u64) -> PathBuf {
    let cut = whole.with_extension("cut");
    std::fs::copy(whole, &cut).unwrap();
    std::fs::File::options().write(true).open(&cut).unwrap().set_len(length).unwrap();
    cut
}
