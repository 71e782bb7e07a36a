//! The PROXY protocol: who may speak it, what it may say, and what comes after it.

use std::time::{Duration, Instant};

use edge::request::Proxies;
use reqwest::Version;
use support::relay::{Relay, announcement, announcement_of};
use support::slow::Kind;
use support::tools::certificate;
use support::{Client, PATIENCE, System, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::{ALLOWED, ANNOUNCED, OTHER_PROXY, PROXY, Shop, THIEF, TRUSTED, ask};
use crate::slow::{Extra, LONGEST, hurried, target};

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// What is answered to these bytes from there; nothing, when the connection is just closed.
async fn told(base: &str, from: &str, bytes: &[u8]) -> Vec<u8> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let talk = async {
        // Who is not wanted may be reset before it has seen that it was connected.
        let mut stream = socket.connect(base.trim_start_matches("http://").parse().unwrap()).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, talk).await;
    assert!(answer.is_ok(), "still open after {}", bytes.escape_ascii());
    answer.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn a_connection_that_does_not_begin_with_a_header_of_a_trusted_proxy_is_closed_unanswered() {
    let shop = Shop::open().await;
    let base = &shop.base(ANNOUNCED);
    let good = [announcement_of(ALLOWED[0]), GET.to_vec()].concat();
    assert!(told(base, PROXY, &good).await.starts_with(b"HTTP/1.1 200 "));
    assert_eq!(told(base, OTHER_PROXY, &good).await, b"", "by somebody who may not");
    let v4 = &announcement_of(ALLOWED[0])[16..];
    for nonsense in [
        Vec::new(),
        format!("PROXY TCP4 {} 127.0.0.1 4711 443\r\n", ALLOWED[0]).into_bytes(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        announcement(0x21, 0x00, &[]),
        announcement(0x21, 0x00, v4),
        announcement(0x21, 0x12, v4),
        announcement(0x21, 0x31, &[0; 216]),
        announcement(0x21, 0x11, &v4[..11]),
        announcement(0x21, 0x21, v4),
        announcement(0x22, 0x11, v4),
        announcement(0x11, 0x11, v4),
        announcement(0x21, 0x11, &[v4, &[0; 5_000]].concat()),
    ] {
        let bytes = [&nonsense, GET].concat();
        assert_eq!(told(base, PROXY, &bytes).await, b"", "{}", nonsense.escape_ascii());
    }
    let metrics = Client::new(shop.fleet.private(ANNOUNCED), None).get("/metrics").await.body;
    let metrics = String::from_utf8(metrics).unwrap();
    let counted = metrics.lines().find(|line| line.contains("reason=\"Unannounced\"")).unwrap();
    assert!(counted.ends_with(" 14"), "{counted}");
}

#[tokio::test]
async fn what_else_proxies_tell_is_skipped_and_their_own_requests_are_theirs() {
    let shop = Shop::open().await;
    let block = &announcement_of(ALLOWED[0])[16..];
    let with = [block, &[0x02, 0, 5], b"a.com", &[0x20, 0, 6, 1, 0, 0, 0, 0, 0x21, 0x04]].concat();
    for (says, status) in [
        (announcement(0x21, 0x11, &with), 200),
        (announcement_of(THIEF), 403),
        // A second header is no header any more, but the beginning of a request.
        ([announcement_of(THIEF), announcement_of(ALLOWED[0])].concat(), 400),
        (announcement(0x20, 0x00, &[]), 403),
        (announcement(0x20, 0x11, block), 403),
        (announcement(0x20, 0x11, &[0; 3]), 403),
    ] {
        let way = shop.way(ANNOUNCED, PROXY, says.clone()).await;
        if status == 400 {
            let answer = told(&way.base, "127.0.0.1", GET).await;
            assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", answer.escape_ascii());
            continue;
        }
        ask(&way.base, &shop.stock, "").await.expect(status);
    }
}

/// What comes after the header is spoken to as ever, by who was named.
async fn speaks_as_ever(is_encrypted: bool) {
    let system = System::in_process().await;
    let pair = certificate(system.scratch(), "localhost").await;
    let stock = system.admin(0).stock("wrapped").await;
    let allowed = serde_json::json!({ "ipAllowlist": [ALLOWED[0]] });
    let key = system.admin(0).create_key(&stock.customer, allowed).await;
    let edge = Extra::start(&system, |config| {
        // Whoever reaches it may say whose a connection is.
        config.proxies = Proxies { announces: true, ..Proxies::default() };
        config.tls = is_encrypted.then_some(pair);
    })
    .await;
    let scheme = if is_encrypted { "https" } else { "http" };
    let base = format!("{scheme}://{}", edge.aimed(&target(&system).await).address);
    for (client, status) in [(ALLOWED[0], 200), (THIEF, 403)] {
        let way = Relay::before(&base, "127.0.0.1", announcement_of(client)).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let caller = Client::new(&way.base, Some(&key.text)).over(version);
            eventually(PATIENCE, || async { caller.get(&stock.path()).await.is(status) }).await;
        }
    }
}

#[tokio::test]
async fn a_header_comes_before_both_versions_of_http() {
    speaks_as_ever(false).await;
}

#[tokio::test]
async fn a_header_comes_before_tls() {
    speaks_as_ever(true).await;
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let system = System::in_process().await;
    let edge = Extra::start(&system, |config| {
        config.proxies = Proxies {
            trusted: common::network::Allowlist::parse([TRUSTED]).unwrap(),
            announces: true,
            ..Proxies::default()
        };
    })
    .await;
    let target = edge.aimed(&target(&system).await);
    let target = support::slow::Target { from: format!("{PROXY}:0").parse().unwrap(), ..target };
    assert!(target.bother(Kind::NoByte, LONGEST).await.unwrap().after >= hurried().handshake);
    let base = format!("http://{}", target.address);
    for most in [4, 16, 27] {
        let began = Instant::now();
        let answer = told(&base, PROXY, &announcement_of(ALLOWED[0])[..most]).await;
        assert!(answer.is_empty() && began.elapsed() >= hurried().handshake, "{:?}", began.elapsed());
        assert!(began.elapsed() < LONGEST.max(Duration::from_secs(1)));
    }
}
