//! 5 000 slow clients of each kind are ended in their time, memory stays bounded, and a good client sees nothing.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "also outside of the test function itself this is how a proof fails, and its figures are for reading"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::eventually::sampling;
use support::slow::Kind;
use support::{Client, Fleet, Program, content};
use tokio_util::sync::CancellationToken;

const CLIENTS: usize = 5_000;
/// KiB that the edge may hold for each: of a connection without an answer (seen: 19) …
const WAITING: u64 = 24;
/// … of one that sends something on (26), …
const SENDING: u64 = 40;
/// … of one with a large answer, sent from the file (33) …
const ANSWERED: u64 = 48;
/// … or by HTTP/2, of which a buffer is in memory (134).
const COPIED: u64 = 192;

/// A kind, the seconds that it is given, the sweep's included, and KiB for each.
const CASES: [(Kind, u64, u64); 10] = [
    (Kind::NoByte, 10, WAITING),
    (Kind::PartialHead, 10, WAITING),
    (Kind::PartialPreface, 10, WAITING),
    (Kind::NoStream, 10, WAITING),
    (Kind::SecondHead, 10, WAITING),
    (Kind::SlowBody, 12, SENDING),
    (Kind::SlowRead, 32, ANSWERED),
    (Kind::HalfClosed, 32, ANSWERED),
    (Kind::ShutWindow, 52, COPIED),
    (Kind::Idle, 77, WAITING),
];
/// A machine that is busy with ten thousand sockets is late: by 2 s, by 4.7 s when it compiles something meanwhile.
const LATE: f64 = 5.0;

struct Place {
    fleet: Fleet,
    path: String,
    key: String,
}

/// One edge in clear text, and one that speaks TLS.
async fn start(directory: &Path) -> Place {
    let (chain, key) = support::tools::certificate(directory, "tls").await;
    let fleet = Fleet::adjusted(2, |number, launch| match number {
        0 => launch,
        _ => launch
            .env("TIDEGATE_TLS_CERT", chain.display().to_string())
            .env("TIDEGATE_TLS_KEY", key.display().to_string()),
    })
    .await;
    let admin = fleet.admin(0);
    let stock = admin.stock("slow").await;
    let fields = [("applicationId", "slow"), ("version", "2.0.0")];
    admin.upload(&fields, "large.bin", &content::bytes(5, 9 << 20)).await.expect(201);
    let path = "/v1/download/slow/2.0.0/large.bin".to_owned();
    let client = fleet.client(0, &stock.key.text);
    support::eventually(support::PATIENCE, || async { client.get(&path).await.is(200) }).await;
    Place { fleet, path, key: stock.key.text }
}

async fn bother(place: &Place, edge: usize, (kind, seconds, _): (Kind, u64, u64)) -> String {
    let clients = std::env::current_exe().unwrap();
    let clients = clients.parent().and_then(Path::parent).unwrap().join("slow-clients");
    let address = place.fleet.stranger(edge).base().trim_start_matches("http://").to_owned();
    let output = tokio::process::Command::new(clients)
        .args([format!("{kind:?}"), CLIENTS.to_string(), (seconds + 30).to_string(), address])
        .args([&place.path, &place.key, &place.fleet.admin_key])
        .stdin(Stdio::null())
        .output();
    String::from_utf8(output.await.unwrap().stdout).unwrap()
}

/// Downloads until it is told that it is done: gives how often, and the longest that it took.
async fn be_good(client: Client, path: String, done: CancellationToken) -> (u32, Duration) {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !done.is_cancelled() {
        let began = Instant::now();
        assert_eq!(client.get(&path).await.expect(200).body.len(), 9 << 20);
        longest = longest.max(began.elapsed());
        times += 1;
    }
    (times, longest)
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_slow_clients_of_each_kind_bother_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let mut place = start(directory.path()).await;
    for case in CASES {
        suffer(&place, 0, case).await;
    }
    for kind in [Kind::NoByte, Kind::PartialHandshake] {
        suffer(&place, 1, (kind, 10, WAITING)).await;
    }
    place.fleet.assert_sound();
}

async fn suffer(place: &Place, edge: usize, case: (Kind, u64, u64)) {
    let (done, program): (_, &Program) = (CancellationToken::new(), &place.fleet.edges[edge]);
    let good = tokio::spawn(be_good(place.fleet.client(0, &place.key), place.path.clone(), done.clone()));
    let before = program.memory().anonymous;
    let mut peak = before;
    let told = sampling(bother(place, edge, case), || peak = peak.max(program.memory().anonymous)).await;
    done.cancel();
    let (times, longest) = good.await.unwrap();
    let (kind, seconds, most) = case;
    let mut words = told.split_whitespace();
    let mut number = || words.next().unwrap_or("-1").parse::<f64>().unwrap_or(-1.0);
    let (ended, first, last) = (number(), number(), number());
    println!(
        "edge {edge} {kind:16?} {ended} of {CLIENTS} ended after {first} to {last} s; RssAnon {before} to {peak} KiB; a good client downloaded {times} times, longest {longest:.1?}"
    );
    assert_eq!(ended as usize, CLIENTS, "{told}");
    assert!(last < seconds as f64 + LATE, "{kind:?}: {told}");
    assert!(peak < before + CLIENTS as u64 * most, "{kind:?}: {} KiB more", peak - before);
    assert!(times > 0);
}
