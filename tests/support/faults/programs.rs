//! The control plane dies, everything dies, an edge's files are damaged, an edge is cut off or has a wrong clock, two control
//! planes write, a whole fleet starts in one moment.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::load::Tally;
use super::{Size, WITHDRAWN_WITHIN, World, denied};
use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};
use crate::fleet::name_of;
use crate::wire::Wire;

/// How soon an edge that has a replica serves, when there is nothing else.
const SERVES_WITHIN: Duration = Duration::from_secs(2);
/// How soon one that was damaged serves again.
const MENDED_WITHIN: Duration = Duration::from_secs(5);
/// How soon it is told that a clock is wrong.
const ALARMED_WITHIN: Duration = Duration::from_secs(10);

/// The control plane is killed; management says so at once, and all else goes on.
pub async fn the_desk_dies(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let load = world.load(&world.every_edge());
    world.fleet.desk.kill();
    let refused = world.fleet.admin(0).create_customer("nobody", "Basic").await.expect(503);
    assert!(!refused.header("retry-after").is_empty());
    world.suffer(&load).await;
    world.fleet.desk.start();
    world.fleet.desk_ready().await;
    let tally = world.assert_well("the control plane dies", load).await;
    (tally, "management answered 503 meanwhile".to_owned())
}

/// Redis, the control plane and an edge die, and the edge alone starts again.
pub async fn everything_dies_and_an_edge_starts(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    world.fleet.redis.kill();
    world.fleet.desk.kill();
    for edge in world.every_edge() {
        world.fleet.edges[edge].kill();
    }
    let began = Instant::now();
    world.fleet.edges[0].start();
    let (client, path) = (world.fleet.client(0, &world.stock.key.text), world.stock.path());
    eventually(PATIENCE, || async {
        client.try_get(&path).await?.is(200).map_err(|told| format!("{told:?}"))
    })
    .await;
    let serves = began.elapsed();
    // Asked first, the control plane is given a moment to answer: see docs/fleet.md.
    assert!(serves < SERVES_WITHIN * 2, "{serves:?}");
    let load = world.load(&[0]);
    world.suffer(&load).await;
    let tally = load.stop().await;
    tally.assert_clean("everything dies");

    // Without a replica it turns everybody away, and says that it is not ready.
    let bare = 1;
    std::fs::remove_dir_all(world.fleet.cache_of(bare)).unwrap();
    world.fleet.edges[bare].start();
    let (private, program) = (Client::new(world.fleet.private(bare), None), &world.fleet.edges[bare]);
    eventually(PATIENCE, || async {
        let answer = private.try_get("/readyz").await;
        let answer = answer.map_err(|told| format!("{told}\n{}", program.log()))?;
        answer.is(503).map_err(|told| format!("{told:?}"))
    })
    .await;
    for (_, key) in world.callers.refused.iter().chain([&("hot", world.callers.hot[0].clone())]) {
        let client = world.fleet.client(bare, key);
        let answer = eventually(PATIENCE, || client.try_get(&path)).await;
        assert!(matches!(answer.status, 401 | 503), "{answer:?}");
        if answer.status == 503 {
            assert!(!answer.header("retry-after").is_empty());
        }
    }
    world.fleet.redis.restart().await;
    world.fleet.desk.start();
    world.fleet.desk_ready().await;
    for edge in 2..size.edges {
        world.fleet.edges[edge].start();
    }
    for edge in world.every_edge() {
        world.fleet.edge_ready(edge).await;
    }
    let load = world.load(&world.every_edge());
    world.suffer(&load).await;
    world.assert_well("everything is back", load).await;
    (tally, format!("served {serves:.1?} after its start"))
}

/// What happens to the bytes of a file.
type Damage = (&'static str, fn(&mut Vec<u8>));

/// The file that an edge keeps everything in is damaged in several ways; nobody is let in by it who may not.
pub async fn a_replica_is_damaged(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let last = size.edges - 1;
    let others = world.load(&world.every_edge()[..last]);
    let damages: [Damage; 5] = [
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("empty", Vec::clear),
        ("junk from its beginning", |bytes| bytes.iter_mut().take(4_096).for_each(|byte| *byte = 0xA5)),
        ("junk in its middle", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().take(64 << 10).for_each(|byte| *byte ^= 0xFF);
        }),
        ("not ours", |bytes| *bytes = b"SQLite format 3\0".repeat(1_000)),
    ];
    let mut longest = (Duration::ZERO, "");
    for (name, damage) in damages {
        world.fleet.edges[last].kill();
        for file in std::fs::read_dir(world.fleet.cache_of(last)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let mut bytes = std::fs::read(&path).unwrap();
                damage(&mut bytes);
                std::fs::write(&path, bytes).unwrap();
            }
        }
        let began = Instant::now();
        world.fleet.edges[last].start();
        world.fleet.edge_ready(last).await;
        longest = longest.max((began.elapsed(), name));
        let load = world.load(&[last]);
        load.asked(100).await;
        load.stop().await.assert_clean(name);
    }
    assert!(longest.0 < MENDED_WITHIN, "{longest:?}");
    world.suffer(&others).await;
    let tally = world.assert_well("a replica is damaged", others).await;
    (
        tally,
        format!(
            "{} kinds, ready again {:.1?} after the start at the latest ({})",
            damages.len(),
            longest.0,
            longest.1
        ),
    )
}

/// A line on which everything hangs, as [`an_edge_is_cut_off`] takes it.
pub fn hang(wires: &[Wire], passes: bool) {
    wires.iter().for_each(|wire| wire.pass(passes));
}

/// One edge is cut off from both Redis and the control plane, by `cut`, which is told of its lines and whether they
/// are to pass; it serves on, is named, and comes back.
pub async fn an_edge_is_cut_off(size: Size, cut: impl Fn(&[Wire], bool)) -> (Tally, String) {
    let wires = RefCell::new(Vec::new());
    let mut world = World::adjusted(size, |number, launch| {
        if number + 1 < size.edges {
            return launch;
        }
        let bus = Wire::to(launch.value("TIDEGATE_BUS").trim_start_matches("redis://"));
        let desk = Wire::to(launch.value("TIDEGATE_CONTROL_PLANE").trim_start_matches("http://"));
        let launch = launch.env("TIDEGATE_BUS", format!("redis://{}", bus.address()));
        let launch = launch.env("TIDEGATE_CONTROL_PLANE", format!("http://{}", desk.address()));
        wires.borrow_mut().extend([bus, desk]);
        launch
    })
    .await;
    let wires = wires.into_inner();
    let (last, others) = (size.edges - 1, world.every_edge()[..size.edges - 1].to_vec());
    let load = world.load(&world.every_edge());
    cut(&wires, false);
    let desk = world.fleet.at_desk();
    let key = world.spare();
    let path = format!("/v1/management/apikeys/{}?wait=edges&waitSeconds=2", key.id);
    let answer = desk.patch(&path, &json!({ "isEnabled": false })).await.expect(202);
    let names = |list: &str| -> Vec<String> {
        let list = answer.json()["meta"][list].as_array().cloned().unwrap_or_default();
        list.iter().map(|edge| edge["edge"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("missing"), [name_of(last)]);
    assert_eq!(names("edges"), others.iter().map(|edge| name_of(*edge)).collect::<Vec<_>>());
    let listed = eventually(PATIENCE, || async {
        let edges = desk.get("/v1/control/edges").await.expect(200).data("/edges");
        let edge =
            edges.as_array().unwrap().iter().find(|edge| edge["edgeId"] == name_of(last)).unwrap().clone();
        if edge["live"] == json!(false) && edge["lag"] != json!(0) { Ok(edge) } else { Err(edge) }
    })
    .await;
    world.suffer(&load).await;
    let began = Instant::now();
    cut(&wires, true);
    let client = world.fleet.client(last, &key.text);
    eventually(WITHDRAWN_WITHIN, || async { denied(client.peek(&world.stock.path()).await) }).await;
    let obeyed = began.elapsed();
    let answer = desk.patch(&path, &json!({ "isEnabled": false })).await.expect(200);
    assert_eq!(answer.json()["meta"]["edges"].as_array().map(Vec::len), Some(size.edges));
    let tally = world.assert_well("an edge is cut off", load).await;
    (tally, format!("named with lag {}, obeyed {obeyed:.1?} after it was back", listed["lag"]))
}

/// An edge's clock is an hour ahead, and another's an hour behind; then both jump to where the other one was.
pub async fn clocks_are_wrong(size: Size) -> (Tally, String) {
    let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(
        std::path::Path::new(library).exists(),
        "it is missing: run `cargo xtask test`, which installs libfaketime"
    );
    let clocks = tempfile::tempdir().unwrap();
    let turn = |ahead: bool| {
        for number in 0..size.edges {
            let offset = if (number == 0) == ahead { "+3600" } else { "-3600" };
            std::fs::write(clocks.path().join(number.to_string()), offset).unwrap();
        }
    };
    turn(true);
    let mut world = World::adjusted(size, |number, launch| {
        launch
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", clocks.path().join(number.to_string()).display().to_string())
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    })
    .await;
    // Tokens and expiry go by an edge's own clock: an hour off, they are an hour off.
    world.callers.refused.retain(|(kind, _)| *kind != "expired");
    world.callers.hot.pop();
    let before = world.skews(|first| first > 0).await;
    let load = world.load(&world.every_edge());
    world.suffer(&load).await;
    turn(false);
    let began = Instant::now();
    let after = world.skews(|first| first < 0).await;
    let told = began.elapsed();
    world.suffer(&load).await;
    let (log, edge) = (world.fleet.desk.log(), name_of(0));
    assert!(log.contains("the clock of this edge is wrong") && log.contains(&edge), "{log}");
    let tally = world.assert_well("clocks are wrong", load).await;
    (tally, format!("skews told: {before:?} ms, then {after:?} ms, {told:.1?} after the jump"))
}

impl World {
    /// How wrong the control plane knows every edge's clock to be, as soon as that of the first is as it is said to be.
    async fn skews(&self, is_of_the_first: impl Fn(i64) -> bool) -> Vec<i64> {
        let desk = self.fleet.at_desk();
        eventually(ALARMED_WITHIN, || async {
            let edges = desk.get("/v1/control/edges").await.expect(200).data("/edges");
            let skews: Vec<i64> =
                edges.as_array().unwrap().iter().filter_map(|edge| edge["skewMs"].as_i64()).collect();
            let is_an_hour = |skew: &i64| (3_590_000..3_610_000).contains(&skew.abs());
            let others = skews.get(1..).unwrap_or_default();
            let is_told = skews.len() == self.size.edges
                && skews.iter().all(is_an_hour)
                && is_of_the_first(skews[0])
                && others.iter().all(|skew| !is_of_the_first(*skew));
            if is_told { Ok(skews) } else { Err(skews) }
        })
        .await
    }
}

/// Two control planes over one database write at the same time; the edges see one history.
pub async fn two_desks_write(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (mut second, base) = world.fleet.another_desk().await;
    let load = world.load(&world.every_edge());
    let (first, other) = (world.fleet.at_desk(), world.fleet.at_desk().to(&base));
    let keys: Vec<_> = (0..size.rounds.min(50) * 2).map(|_| world.spare()).collect();
    let path = |id: &str| format!("/v1/management/apikeys/{id}");
    // Each key is switched by both, and last of all withdrawn by one of them.
    join_all(keys.iter().enumerate().map(|(number, key)| {
        let (first, other) = (first.clone(), other.clone());
        async move {
            for round in 0..4 {
                let (at, body) = (path(&key.id), json!({ "rateLimitRpm": 1_000 + round }));
                let (a, b) = tokio::join!(first.patch(&at, &body), other.patch(&at, &body));
                assert!(matches!((a.status, b.status), (200 | 409, 200 | 409)), "{a:?} {b:?}");
            }
            let last: &Client = if number % 2 == 0 { &first } else { &other };
            last.patch(&path(&key.id), &json!({ "isEnabled": false })).await.expect(200);
        }
    }))
    .await;
    let began = Instant::now();
    for edge in world.every_edge() {
        for key in &keys {
            let client = world.fleet.client(edge, &key.text);
            eventually(WITHDRAWN_WITHIN, || async { denied(client.peek(&world.stock.path()).await) }).await;
        }
    }
    let converged = began.elapsed();
    world.suffer(&load).await;
    assert!(second.is_running() && !second.log().contains("panicked"), "{}", second.log());
    second.kill();
    let tally = world.assert_well("two control planes", load).await;
    (
        tally,
        format!("{} keys switched by both, all withdrawn {converged:.1?} after the last answer", keys.len()),
    )
}

/// Many edges start in one moment, over an empty cache: what they ask of the control plane is bounded, and those that run
/// serve on.
pub async fn a_herd_starts(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let load = world.load(&world.every_edge());
    let wire = Wire::to(world.fleet.doors_of("").desk.trim_start_matches("http://"));
    let (desk, ends) = (world.fleet.at_desk(), CancellationToken::new());
    let reading = tokio::spawn(read_steadily(desk, ends.clone()));
    let began = Instant::now();
    world.fleet.add_edges(size.herd, |launch| {
        launch.env("TIDEGATE_CONTROL_PLANE", format!("http://{}", wire.address()))
    });
    for edge in size.edges..size.edges + size.herd {
        world.fleet.edge_ready(edge).await;
    }
    let ready = began.elapsed();
    let asked = wire.asked();
    ends.cancel();
    let reads = reading.await.unwrap();
    // Twice a second each, and the first two come with the start.
    let most = 2.0 * size.herd as f64 * (1.0 + ready.as_secs_f64());
    assert!((asked as f64) <= most, "{asked} questions in {ready:?}");
    let calm = (Instant::now(), wire.asked());
    world.suffer(&load).await;
    let a_second = (wire.asked() - calm.1) as f64 / calm.0.elapsed().as_secs_f64() / size.herd as f64;
    assert!(a_second < 2.0, "{a_second} questions a second and edge");
    let everybody = json!({ "notes": "all" });
    let path = format!("/v1/management/customers/{}?wait=edges&waitSeconds=20", world.stock.customer);
    let told = world.fleet.at_desk().patch(&path, &everybody).await.expect(200).json();
    let slowest = told["meta"]["edges"].as_array().unwrap().iter().map(after).max();
    assert_eq!(told["meta"]["edges"].as_array().map(Vec::len), Some(size.edges + size.herd));
    let tally = world.assert_well("a herd starts", load).await;
    let told = format!(
        "{} edges ready within {ready:.1?}, {asked} questions; then {a_second:.2} a second and edge; a write confirmed by all after {} ms; reads of the database meanwhile: {} with p99 {:.1?}",
        size.herd,
        slowest.unwrap_or(0),
        reads.len(),
        reads.get(reads.len() * 99 / 100).unwrap_or(&Duration::ZERO)
    );
    (tally, told)
}

/// Asks for what only the database knows, twenty times a second; gives how long each took, the shortest first.
async fn read_steadily(desk: crate::admin::Admin, ends: CancellationToken) -> Vec<Duration> {
    let (mut every, mut took) = (tokio::time::interval(Duration::from_millis(50)), Vec::new());
    while !ends.is_cancelled() {
        every.tick().await;
        let began = Instant::now();
        desk.get("/v1/management/customers").await.expect(200);
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took
}

fn after(edge: &Value) -> u64 {
    edge["confirmedAfterMs"].as_u64().unwrap()
}

/// Withdrawals while all is well: how long after the answer each edge obeys.
pub async fn nothing_is_wrong(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, load) = (world.every_edge(), world.load(&world.every_edge()));
    let mut spans = Vec::new();
    for _ in 0..size.rounds * 4 {
        spans.push(world.withdraw(&edges).await);
    }
    spans.sort_unstable();
    assert!(spans.last().unwrap() < &Duration::from_secs(5), "{spans:?}");
    let at = |hundredth: usize| spans[spans.len() * hundredth / 100];
    world.suffer(&load).await;
    let tally = world.assert_well("nothing is wrong", load).await;
    (
        tally,
        format!(
            "{} withdrawals, obeyed by all edges after p50 {:.1?}, p99 {:.1?}",
            spans.len(),
            at(50),
            at(99)
        ),
    )
}
