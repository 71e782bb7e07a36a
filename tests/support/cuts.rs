//! Large downloads that run at 1 MB/s while their keys are deleted: how long after the answer each connection is reset.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::{Method, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::admin::Key;
use crate::client::{Client, send};
use crate::content;
use crate::eventually::{PATIENCE, eventually};
use crate::fleet::Fleet;
use crate::tools::{curl, sha256sum};

const PIECE: usize = 64 << 10;
const TICK: Duration = Duration::from_millis(64);
/// At its pace, 1 GB takes less.
const LASTS: Duration = Duration::from_secs(2_000);
/// A cut that has not come by then does not come.
const LONGEST: Duration = Duration::from_secs(10);
const PATH: &str = "/v1/download/cuts/1.0.0/large.bin";

/// Over what they run.
const TRANSPORTS: [(usize, Version, &str); 3] = [
    (0, Version::HTTP_11, "HTTP/1.1, from the file"),
    (1, Version::HTTP_11, "HTTP/1.1 under TLS"),
    (1, Version::HTTP_2, "HTTP/2 under TLS"),
];

/// How the cuts went: by transport the milliseconds from the answer to the reset, below zero where the reset came first.
pub type Times = BTreeMap<&'static str, Vec<f64>>;

/// Cuts so many times as many downloads as run at once over each transport, of a file of so many MiB.
pub async fn cut(mebibytes: u64, rounds: usize, at_once: usize) -> Times {
    let certificates = tempfile::tempdir().unwrap();
    let fleet = Fleet::half_encrypted(certificates.path()).await;
    publish(&fleet, mebibytes).await;
    let mut times = Times::new();
    for _ in 0..rounds {
        let all = (0..at_once).flat_map(|_| TRANSPORTS);
        let begun = all.map(|(edge, version, name)| {
            let running = Running::begin(&fleet, edge, version);
            async move { (name, running.await) }
        });
        for (name, running) in futures_util::future::join_all(begun).await {
            times.entry(name).or_default().push(running.cut(&fleet, mebibytes << 20).await);
        }
    }
    times.values_mut().for_each(|times| times.sort_unstable_by(f64::total_cmp));
    times
}

async fn publish(fleet: &Fleet, mebibytes: u64) {
    let (admin, source) = (fleet.admin(0), fleet.scratch().join("source.bin"));
    content::write_file(&source, 5, mebibytes).unwrap();
    admin.create_customer("cuts", "Enterprise").await.expect(201);
    admin.create_application("cuts", &["cuts"]).await.expect(201);
    let about = json!({ "fileName": "large.bin", "fileSize": mebibytes << 20 });
    let begun = admin.begin_upload("cuts", "1.0.0", about).await.expect(200);
    let answer = fleet.scratch().join("answer.json");
    curl(&["--upload-file", source.to_str().unwrap(), &begun.text("/uploadUrl")], &answer).await;
    let body = json!({ "uploadId": begun.text("/uploadId"), "checksum": sha256sum(&source).await });
    admin.complete_upload(body).await.expect(201);
}

/// A download through a way that takes 1 MB/s of it and sees how its connection ends.
struct Running {
    key: Key,
    reset: oneshot::Receiver<(Instant, u64)>,
    _client: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn begin(fleet: &Fleet, edge: usize, version: Version) -> Self {
        let key = fleet.admin(0).create_key("cuts", json!({})).await;
        let base = fleet.stranger(edge).base().to_owned();
        let scheme = if edge == 0 { "http" } else { "https" };
        let (tell, reset) = oneshot::channel();
        let (begun_tell, begun) = oneshot::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = format!("{scheme}://{}", listener.local_addr().unwrap());
        let to: SocketAddr = base.trim_start_matches("http://").parse().unwrap();
        let known = Client::new(&base.replace("http:", &format!("{scheme}:")), Some(&key.text));
        eventually(PATIENCE, || async { send(known.request(Method::HEAD, PATH)).await.is(200) }).await;
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            pass(client, TcpStream::connect(to).await.unwrap(), begun_tell, tell).await;
        });
        let client = Client::new(&way, Some(&key.text)).over(version);
        let client = tokio::spawn(async move {
            // It ends by an error: what the way saw of it is what counts.
            if let Ok(mut answer) = client.request(Method::GET, PATH).timeout(LASTS).send().await {
                while let Ok(Some(_)) = answer.chunk().await {}
            }
        });
        begun.await.unwrap();
        Self { key, reset, _client: client }
    }

    /// Deletes the key at the control plane, which waits for no edge; gives the milliseconds from its answer to the reset.
    async fn cut(self, fleet: &Fleet, size: u64) -> f64 {
        fleet.at_desk().delete_key(&self.key).await.expect(200);
        let answered = Instant::now();
        let (reset, bytes) = tokio::time::timeout(LONGEST, self.reset).await.expect("it goes on").unwrap();
        assert!(bytes < size, "it came to its end");
        let late = reset.saturating_duration_since(answered).as_secs_f64();
        let early = answered.saturating_duration_since(reset).as_secs_f64();
        (late - early) * 1e3
    }
}

/// Passes bytes in both directions, the server's at the pace, and tells when some came and when the server reset it.
async fn pass(
    client: TcpStream,
    server: TcpStream,
    begun: oneshot::Sender<()>,
    reset: oneshot::Sender<(Instant, u64)>,
) {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        // Not dropped: that would say that nothing more will be asked.
        to_server
    });
    let (mut every, mut buffer) = (tokio::time::interval(TICK), vec![0; PIECE]);
    let (mut bytes, mut begun) = (0, Some(begun));
    loop {
        tokio::select! {
            biased;
            // An error waits for nobody to read what came before it.
            _ = from_server.ready(Interest::ERROR) => {
                let _ = reset.send((Instant::now(), bytes));
                break;
            }
            _ = every.tick() => {}
        }
        let Ok(length) = from_server.read(&mut buffer).await else { continue };
        bytes += length as u64;
        if bytes > 1 << 20 {
            begun.take().map(|begun| begun.send(()));
        }
        if length == 0 || to_client.write_all(&buffer[..length]).await.is_err() {
            // An orderly end: whoever waits for the reset hears that there was none.
            break;
        }
    }
    asking.abort();
}

/// Of sorted times the one that so many of a hundred do not exceed.
#[must_use]
pub fn percentile(sorted: &[f64], of_hundred: usize) -> f64 {
    sorted[(sorted.len() * of_hundred).div_ceil(100).saturating_sub(1)]
}
