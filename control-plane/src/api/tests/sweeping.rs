//! The worst moment for a sweep: right before each write, when the bytes have come and nothing refers to them yet.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use common::digest::Digest;
use common::runtime::clock::Clock;
use common::time::Timestamp;
use common::wire::Position;
use http::Request;
use serde_json::json;

use super::{House, Told};
use crate::store::activity::{Forgetting, Intake, Ledger, Taken};
use crate::store::{KeptEdge, Reading, Store, StoreFault, Writing};
use crate::uploads::Blobs;
use crate::uploads::sweep::sweep;

struct SweptBefore {
    store: Arc<dyn Store>,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Ledger for SweptBefore {
    async fn take_in(&self, intakes: &[Intake], now: Timestamp) -> Result<Taken, StoreFault> {
        self.store.take_in(intakes, now).await
    }

    async fn tell_downloads(&self, most: u64) -> Result<u64, StoreFault> {
        self.store.tell_downloads(most).await
    }

    async fn forget(&self, old: Forgetting) -> Result<bool, StoreFault> {
        self.store.forget(old).await
    }
}

#[async_trait]
impl Store for SweptBefore {
    async fn read(&self) -> Result<Box<dyn Reading>, StoreFault> {
        self.store.read().await
    }

    async fn write(&self) -> Result<Box<dyn Writing>, StoreFault> {
        sweep(self.store.as_ref(), &self.blobs, self.clock.now()).await.unwrap();
        self.store.write().await
    }

    async fn mark_announced(&self, sequence: u64) -> Result<(), StoreFault> {
        self.store.mark_announced(sequence).await
    }

    async fn forget_answers(&self, now: Timestamp, most: u64) -> Result<u64, StoreFault> {
        self.store.forget_answers(now, most).await
    }

    async fn begin_history(&self, beyond: Position, now: Timestamp) -> Result<Position, StoreFault> {
        self.store.begin_history(beyond, now).await
    }

    async fn kept_edges(&self) -> Result<Vec<KeptEdge>, StoreFault> {
        self.store.kept_edges().await
    }

    async fn keep_edges(
        &self,
        came: &[KeptEdge],
        heard: &[KeptEdge],
        gone: &[String],
    ) -> Result<(), StoreFault> {
        self.store.keep_edges(came, heard, gone).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

async fn begin(house: &House, version: &str) -> (String, String) {
    let body = json!({"applicationId": "my-app", "version": version, "fileName": "a.bin", "fileSize": 6});
    let begun = house.post("/v1/management/upload/large-url", body).await;
    let url = begun.text("uploadUrl").strip_prefix("http://desk.test").unwrap().to_owned();
    (begun.text("uploadId"), url)
}

async fn bring(house: &House, method: &str, url: &str, bytes: &'static str) -> Told {
    let request = Request::builder().method(method).uri(url).header("upload-offset", "0");
    let request = request.header("content-type", "application/offset+octet-stream");
    house.send(request.body(Body::from(bytes)).unwrap()).await
}

#[tokio::test]
async fn bytes_that_another_upload_leaves_behind_are_not_taken_from_who_has_just_brought_them() {
    let house = House::open_with(|desk| {
        desk.public_url = Some("http://desk.test".into());
        let (store, blobs, clock) = (desk.store.clone(), desk.blobs.clone(), desk.clock.clone());
        desk.store = Arc::new(SweptBefore { store, blobs, clock });
    })
    .await;
    house.application("my-app").await;
    for (way, bytes) in [("PUT", "bytes1"), ("PATCH", "bytes2"), ("direct", "bytes3")] {
        let blob = house.directory.path().join("blobs").join(Digest::of(bytes.as_bytes()).blob_path());
        let (_, left_behind) = begin(&house, &format!("{way}.0")).await;
        assert_eq!(bring(&house, "PUT", &left_behind, bytes).await.status, 200);
        house.clock.advance(Duration::from_secs(86_400 - 1));
        let version = format!("{way}.1");
        let (id, url) = begin(&house, &version).await;
        house.clock.advance(Duration::from_secs(1));
        assert!(blob.exists(), "{way}: the time of the first one is over only now");
        let told = if way == "direct" {
            let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
            let body = json!({"applicationId": "my-app", "version": version, "fileName": "a.bin", "fileContent": content});
            house.post("/v1/management/upload", body).await
        } else {
            assert!(bring(&house, way, &url, bytes).await.status < 300);
            house.post("/v1/management/upload/large-complete", json!({"uploadId": id})).await
        };
        assert_eq!(told.status, 201, "{way}: {}", told.body);
        assert!(blob.exists(), "{way}");
        assert_eq!(bring(&house, "HEAD", &left_behind, "").await.status, 410);
    }
}
