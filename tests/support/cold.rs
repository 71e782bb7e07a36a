//! A file that the system has forgotten, and clients who read it all over.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::digest::Digest;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Body;
use reqwest::header::CONTENT_LENGTH;
use rustix::fs::{Advice, fadvise};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::content::Pieces;
use crate::fleet::Fleet;

/// A server that has not sent anything for so long hangs.
const LONGEST: Duration = Duration::from_secs(30);
/// The most that a reader asks for at once: more than what the edge fetches at once.
const MOST: u64 = 5 << 20;
/// So often does each ask: all of them together leave most of the file unread in the time of a measurement.
const EVERY: Duration = Duration::from_secs(2);

/// A large file of a fleet, which its edges find on disk.
pub struct ColdFile {
    address: SocketAddr,
    path: String,
    key: String,
    size: u64,
    pieces: Pieces,
    blob: PathBuf,
    sent: AtomicU64,
}

impl ColdFile {
    /// Uploads a file of so many MiB through the first edge, where it is read by who has the key.
    pub async fn upload(fleet: &Fleet, mebibytes: u64) -> Self {
        let (pieces, size) = (Pieces::new(11), mebibytes << 20);
        let mut hash = Sha256::new();
        (0..mebibytes).for_each(|number| hash.update(pieces.piece(number)));
        let digest = Digest(hash.finalize().into());
        let admin = fleet.admin(0);
        admin.create_customer("cold-customer", "Basic").await.expect(201);
        admin.create_application("cold", &["cold-customer"]).await.expect(201);
        let about = json!({ "fileName": "cold.bin", "fileSize": size });
        let begun = admin.begin_upload("cold", "1.0.0", about).await.expect(200);
        let sent = Pieces::new(11);
        let stream = futures_util::stream::iter(0..mebibytes);
        let stream =
            futures_util::StreamExt::map(stream, move |number| Ok::<_, std::io::Error>(sent.piece(number)));
        let put = admin.request(reqwest::Method::PUT, &begun.text("/uploadUrl"));
        let put = put.header(CONTENT_LENGTH, size).timeout(Duration::from_secs(300));
        let put = put.body(Body::wrap_stream(stream)).send().await.unwrap();
        assert!(put.status().is_success(), "{put:?}");
        let body = json!({ "uploadId": begun.text("/uploadId"), "checksum": digest.to_string() });
        let completing =
            admin.request(reqwest::Method::POST, "/v1/management/upload/large-complete").json(&body);
        crate::client::send(completing.timeout(Duration::from_secs(300))).await.expect(201);
        let key = admin.create_key("cold-customer", json!({ "rateLimitRpm": 1_000_000 })).await.text;
        let path = "/v1/download/cold/1.0.0/cold.bin".to_owned();
        let client = fleet.client(0, &key);
        crate::eventually(crate::PATIENCE, || async {
            client.get_with(&path, "Range", "bytes=0-0").await.is(206)
        })
        .await;
        let address = fleet.stranger(0).base().trim_start_matches("http://").parse().unwrap();
        let blob = fleet.scratch().join("blobs").join(digest.blob_path());
        Self { address, path, key, size, pieces, blob, sent: AtomicU64::new(0) }
    }

    /// Lets the system forget what it holds of it in memory. What is on its way from the disk must arrive first.
    pub async fn forget(&self) {
        let file = File::open(&self.blob).unwrap();
        // What is not on the disk yet is not forgotten.
        file.sync_all().unwrap();
        crate::eventually(crate::PATIENCE, || async {
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            let resident = self.resident().await;
            // What is mapped stays: pages around the few bytes that the edge sent by copying.
            if resident < self.size / 20 { Ok(()) } else { Err(format!("{resident} bytes are in memory")) }
        })
        .await;
    }

    /// The bytes of it that are in memory, as a program tells that is not ours.
    pub async fn resident(&self) -> u64 {
        crate::tools::fincore(&self.blob).await
    }

    /// Bytes that readers have received, and found right.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// So many readers at once, each at random places of the file, every two seconds at another, until they are told that
    /// it is enough. Panics at a wrong byte or a hang.
    pub async fn read(&self, seed: u64, readers: u32, enough: &CancellationToken) {
        let readers = (0..readers).map(|number| async move {
            // Evenly spread, as far as the disk lets them.
            let start = Instant::now() + EVERY * number / readers;
            let mut every = tokio::time::interval_at(start, EVERY);
            every.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number.into()));
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let asking = async {
                loop {
                    every.tick().await;
                    let from = rng.random_range(0..self.size);
                    let to = self.size.min(from + rng.random_range(1..=MOST));
                    let read = tokio::time::timeout(LONGEST, self.read_range(&mut stream, from, to)).await;
                    read.unwrap_or_else(|_| panic!("reader {number} of seed {seed} hangs"));
                }
            };
            // Who has had enough leaves in the middle.
            tokio::select! {
                () = asking => {}
                () = enough.cancelled() => {}
            }
        });
        futures_util::future::join_all(readers).await;
    }

    async fn read_range(&self, stream: &mut TcpStream, from: u64, to: u64) {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nRange: bytes={from}-{}\r\n\r\n",
            self.path,
            self.key,
            to - 1
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = vec![0; 64 << 10];
        let (mut length, mut head) = (0, None);
        while head.is_none() {
            let read = stream.read(&mut buffer[length..]).await.unwrap();
            assert!(read > 0, "closed before the head of {from}-{to}");
            length += read;
            head = buffer[..length].windows(4).position(|four| four == b"\r\n\r\n");
        }
        let body = head.unwrap() + 4;
        assert!(buffer.starts_with(b"HTTP/1.1 206 "), "{}", buffer[..body].escape_ascii());
        let mut at = from;
        let mut bytes = &buffer[body..length];
        loop {
            assert!(at + bytes.len() as u64 <= to && self.pieces.are(at, bytes), "{from}-{to} at {at}");
            at += bytes.len() as u64;
            self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            if at == to {
                return;
            }
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{from}-{to} ended at {at}");
            bytes = &buffer[..read];
        }
    }
}
