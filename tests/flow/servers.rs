//! The servers as an operator meets them: settings checked, ports taken, drained, not ready before they are.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;
use support::content::bytes;
use support::fleet::desk_launch;
use support::ports::free_port;
use support::program::Launch;
use support::{Client, Fleet, PATIENCE, eventually};

/// A public key that is one, and nobody's.
const SOMEBODY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn edge_launch(directory: &std::path::Path) -> Launch {
    Launch::of("tidegate-edge")
        .env("TIDEGATE_BUS", "redis://:hush-hush@127.0.0.1:1")
        .env("TIDEGATE_BLOBS", format!("file://{}", directory.join("blobs").display()))
        .env("TIDEGATE_CACHE", directory.join("cache").display().to_string())
        .env("TIDEGATE_EDGE_SECRET", "an-edge-secret-that-is-long-enough-for-everybody")
        .env("TIDEGATE_SNAPSHOT_KEY", SOMEBODY)
}

#[tokio::test]
async fn check_prints_the_settings_in_force_with_secrets_masked() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("desk").display().to_string();
    let desk = desk_launch("redis://:hush-hush@127.0.0.1:1", &data, &data)
        .env("TIDEGATE_EDGE_SECRET", "an-edge-secret-that-is-long-enough-for-everybody");
    for launch in [desk, edge_launch(directory.path())] {
        let output = launch.env("TIDEGATE_LISTEN", "127.0.0.1:7777").arg("--check").output();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert!(text.contains("listen = \"127.0.0.1:7777\"") && text.contains("bus = "), "{text}");
        assert!(!text.contains("hush-hush") && !text.contains("an-edge-secret"), "{text}");
    }
    assert!(!directory.path().join("desk").exists(), "a check changes nothing");
}

#[tokio::test]
async fn wrong_settings_end_with_64_and_are_all_named() {
    let wrong = |name| {
        Launch::of(name)
            .env("TIDEGATE_LISTEN", "everywhere")
            .env("TIDEGATE_BLOBS", "s3://bucket")
            .env("TIDEGATE_EDGE_SECRET", "short")
            .env("TIDEGATE_PUBLIC_URL", "ftp://x")
    };
    let own = |name: &str| match name {
        "tidegate-edge" => vec!["TIDEGATE_SNAPSHOT_KEY", "TIDEGATE_CACHE"],
        _ => Vec::new(),
    };
    for name in ["tidegate-edge", "tidegate-control-plane"] {
        for launch in [wrong(name), wrong(name).arg("--check")] {
            let output = launch.output();
            let told = String::from_utf8(output.stderr).unwrap().to_uppercase();
            assert_eq!(output.status.code(), Some(64), "{told}");
            for setting in
                ["LISTEN", "BLOBS", "EDGE_SECRET", "PUBLIC_URL", "BUS"].into_iter().chain(own(name))
            {
                assert!(told.contains(setting), "{name} does not name {setting}: {told}");
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("edge.toml");
    std::fs::write(&file, "listen = '127.0.0.1:0'\nlisten_adress = 'typo'\n").unwrap();
    let output = edge_launch(directory.path()).arg("--config").arg(file.display().to_string()).output();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("listen_adress"));
}

#[tokio::test]
async fn a_port_that_is_taken_ends_with_1_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = directory.path().join("desk").display().to_string();
    for launch in [desk_launch("redis://127.0.0.1:1", &data, &data), edge_launch(directory.path())] {
        let output = launch.env("TIDEGATE_LISTEN", &address).output();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(&address), "{told}");
    }
}

#[tokio::test]
async fn an_edge_without_any_snapshot_lives_but_is_not_ready_and_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let (address, private) = (free_port(), free_port());
    let launch = edge_launch(directory.path())
        .env("TIDEGATE_LISTEN", format!("127.0.0.1:{address}"))
        .env("TIDEGATE_ADMIN_LISTEN", format!("127.0.0.1:{private}"));
    let mut edge = launch.start(directory.path());
    let (public, private) = (
        Client::new(&format!("http://127.0.0.1:{address}"), Some("a-key-that-nobody-has-ever-made")),
        Client::new(&format!("http://127.0.0.1:{private}"), None),
    );
    eventually(PATIENCE, || async { private.try_get("/healthz").await }).await.expect(200);
    private.get("/readyz").await.expect(503);
    public.get("/healthz").await.expect(200);
    let refused = public.get("/v1/applications").await.expect(503);
    assert_eq!(refused.failure(), ("UNAVAILABLE".to_owned(), "edge_not_ready".to_owned()));
    edge.terminate();
    assert_eq!(edge.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_slow_download_is_finished_before_a_terminated_edge_ends_with_0() {
    let mut fleet = Fleet::start(1).await;
    let admin = fleet.admin(0);
    let stock = admin.stock("slow").await;
    // More than the buffers of both sockets hold.
    let content = bytes(8, 10 << 20);
    for number in 0..3 {
        let fields = [("applicationId", "slow"), ("version", "2.0.0")];
        admin.upload(&fields, &format!("part-{number}.bin"), &content).await.expect(201);
    }
    let host = fleet.edges[0].pid();
    assert!(host > 0);
    let address = fleet.stranger(0).base().trim_start_matches("http://").to_owned();
    let mut downloads: Vec<TcpStream> = (0..3).map(|number| ask(&address, number, &stock.key.text)).collect();
    fleet.edges[0].terminate();
    // Nobody new is let in while the old ones are served.
    let stranger = Client::new(&format!("http://{address}"), None);
    eventually(PATIENCE, || async {
        match stranger.try_get("/healthz").await {
            Ok(answer) => Err(answer),
            Err(_) => Ok(()),
        }
    })
    .await;
    assert!(fleet.edges[0].is_running(), "it did not wait");
    for download in &mut downloads {
        let mut rest = Vec::new();
        download.read_to_end(&mut rest).unwrap();
        assert!(rest == content, "{} of {} bytes", rest.len(), content.len());
    }
    drop(downloads);
    assert_eq!(fleet.edges[0].ended().await.code(), Some(0));
}

/// Asks for a file, and reads no further than the head of the answer.
fn ask(address: &str, number: u32, key: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let path = format!("/v1/download/slow/2.0.0/part-{number}.bin");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0u8; 1];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", head.escape_ascii());
    stream
}

#[tokio::test]
async fn a_terminated_control_plane_ends_with_0_and_what_it_was_told_is_kept() {
    let mut fleet = Fleet::start(1).await;
    let stock = fleet.admin(0).stock("kept").await;
    let key = fleet.at_desk().create_key(&stock.customer, json!({})).await;
    fleet.desk.terminate();
    assert_eq!(fleet.desk.ended().await.code(), Some(0));
    // Its last words reached the edge.
    let client = fleet.client(0, &key.text);
    eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    fleet.desk.start();
    fleet.desk_ready().await;
    let keys = fleet.at_desk().get("/v1/management/apikeys").await.expect(200);
    assert!(keys.column("/apiKeys", "keyId").contains(&key.id));
}

#[tokio::test]
async fn an_edge_that_has_a_replica_is_ready_without_redis_and_without_the_control_plane() {
    let mut fleet = Fleet::start(1).await;
    let stock = fleet.admin(0).stock("alone").await;
    let client = fleet.client(0, &stock.key.text);
    client.get(&stock.path()).await.expect(200);
    fleet.redis.kill();
    fleet.desk.kill();
    for _ in 0..2 {
        fleet.edges[0].terminate();
        assert_eq!(fleet.edges[0].ended().await.code(), Some(0));
        fleet.edges[0].start();
        fleet.edge_ready(0).await;
        assert!(client.get(&stock.path()).await.expect(200).body == stock.bytes, "other bytes");
    }
    let metrics = Client::new(fleet.private(0), None).get("/metrics").await.expect(200);
    assert!(!String::from_utf8(metrics.body).unwrap().is_empty());
}
