//! Clients of HTTP/2 who make work and take nothing: they are ended, or cost little, and others are served meanwhile.

use std::time::Duration;

use support::frames::{HEADERS, RST_STREAM, Talk, WINDOW_UPDATE, frame, get, streams};
use support::slow::Target;
use support::{Fleet, PATIENCE, System, eventually};

use super::{LONGEST, target};

/// `ENHANCE_YOUR_CALM` (RFC 9113 section 7).
const CALM: u32 = 11;
/// `CANCEL`.
const CANCEL: [u8; 4] = [0, 0, 0, 8];

/// What the edge says of a connection on which each of many streams is asked for and then spoiled.
async fn ended(target: &Target, path: &str, spoil: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let mut talk = Talk::begin(target.address, 65_535).await;
    let all: Vec<u8> = streams(2_000)
        .flat_map(|stream| [get(stream, path, Some(&target.key)), spoil(stream)].concat())
        .collect();
    talk.say(&all).await;
    tokio::time::timeout(LONGEST, talk.reason()).await.unwrap()
}

#[tokio::test]
async fn who_opens_streams_only_to_have_them_reset_is_ended_and_who_changes_its_mind_is_not() {
    let system = System::in_process().await;
    let target = target(&system).await;
    let reset = |stream| frame(RST_STREAM, 0, stream, &CANCEL);
    // More than a window can be: the edge must reset the stream itself (section 6.9.1).
    let overflow = |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
    for path in ["/healthz", &target.path] {
        assert_eq!(ended(&target, path, reset).await, Some(CALM), "CVE-2023-44487 at {path}");
        assert_eq!(ended(&target, path, overflow).await, Some(CALM), "CVE-2025-8671 at {path}");
    }
    let mut talk = Talk::begin(target.address, 65_535).await;
    for stream in streams(200) {
        talk.say(&get(stream, &target.path, Some(&target.key))).await;
        // It has begun to be answered: whoever stops there has stopped a download.
        while !matches!(talk.hear().await, Some((HEADERS, answered, _)) if answered == stream) {}
        talk.say(&reset(stream)).await;
    }
    system.client(0, &target.key).get(&target.path).await.expect(200);
}

#[tokio::test]
async fn what_many_streams_hold_that_take_nothing_is_bounded() {
    const CONNECTIONS: u64 = 20;
    let fleet = Fleet::start(1).await;
    let stock = fleet.admin(0).stock("held").await;
    let fields = [("applicationId", "held"), ("version", "2.0.0")];
    let bytes = support::content::bytes(4, 9 << 20);
    fleet.admin(0).upload(&fields, "large.bin", &bytes).await.expect(201);
    let path = "/v1/download/held/2.0.0/large.bin";
    let client = fleet.client(0, &stock.key.text);
    eventually(PATIENCE, || async { client.get(path).await.is(200) }).await;
    let address = fleet.stranger(0).base().trim_start_matches("http://").parse().unwrap();
    let held = || fleet.edges[0].memory().anonymous;
    // With a document that everybody is told, and with a file, most of which waits for a window of one byte.
    for (path, key, most_of_each) in
        [("/openapi.json", None, 1 << 10), (path, Some(stock.key.text.as_str()), 18 << 10)]
    {
        let (before, mut crowd) = (held(), Vec::new());
        for _ in 0..CONNECTIONS {
            let mut talk = Talk::begin(address, 1).await;
            let asked: Vec<u8> = streams(128).flat_map(|stream| get(stream, path, key)).collect();
            talk.say(&asked).await;
            for _ in 0..128 {
                while !matches!(talk.hear().await, Some((0, _, _))) {}
            }
            crowd.push(talk);
        }
        let grown = held().saturating_sub(before);
        assert!(grown < CONNECTIONS * most_of_each, "{grown} KiB for {CONNECTIONS} connections at {path}");
    }
    tokio::time::timeout(Duration::from_secs(10), client.get(path)).await.unwrap().expect(200);
}
