//! Redis dies, hangs, forgets, goes back in time, or lets go of what an edge has not read.

use std::time::{Duration, Instant};

use serde_json::json;

use super::load::Tally;
use super::{Size, WITHDRAWN_WITHIN, World, denied, now_millis};
use crate::eventually::{PATIENCE, eventually};
use crate::redis::Reply;

/// How long after a Redis was emptied or replaced it holds everything again.
const FILLED_WITHIN: Duration = Duration::from_secs(10);
/// How far from its `expiresAt` a key may end.
const TO_THE_SECOND: Duration = Duration::from_secs(1);

impl World {
    /// Waits until the head lies in Redis, and gives how long that took.
    async fn filled(&self) -> Duration {
        let began = Instant::now();
        eventually(FILLED_WITHIN, || async {
            match self.fleet.redis.command(&[b"HGET", b"tidegate:v1:head", b"sealed"]) {
                Reply::Bytes(_) => Ok(()),
                other => Err(other),
            }
        })
        .await;
        began.elapsed()
    }

    /// A key ends by itself while nobody can tell the edges: at every edge, to the second.
    async fn expire(&self, edges: &[usize]) -> Duration {
        let key = self.spare();
        let end = now_millis() + 3_000;
        let ends = json!({ "expiresAt": common::time::Timestamp::from_millis(end).to_string() });
        self.fleet.at_desk().change_key(&key, ends).await.expect(200);
        let mut latest = Duration::ZERO;
        for edge in edges {
            let client = self.fleet.client(*edge, &key.text);
            let path = self.stock.path();
            eventually(PATIENCE, || async { denied(client.peek(&path).await) }).await;
            let late = now_millis() - end;
            assert!(late >= 0, "denied {late} ms before its end");
            latest = latest.max(Duration::from_millis(late.unsigned_abs()));
        }
        assert!(latest <= TO_THE_SECOND + Duration::from_millis(500), "{latest:?}");
        latest
    }
}

/// Redis is killed, and comes back empty.
pub async fn redis_dies(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, load) = (world.every_edge(), world.load(&world.every_edge()));
    world.fleet.redis.kill();
    world.suffer(&load).await;
    let withdrawn = world.withdraw(&edges).await;
    let expired = world.expire(&edges).await;
    world.fleet.redis.restart().await;
    let filled = world.filled().await;
    let tally = world.assert_well("Redis dies", load).await;
    (tally, format!("withdrawn {withdrawn:.1?}, expired {expired:.1?} after its end, filled {filled:.1?}"))
}

/// Redis is frozen: it takes connections and says nothing.
pub async fn redis_hangs(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, load) = (world.every_edge(), world.load(&world.every_edge()));
    world.suffer(&load).await;
    let before = load.stop().await;
    before.assert_clean("before Redis hangs");
    let load = world.load(&edges);
    world.fleet.redis.freeze(true);
    world.suffer(&load).await;
    let withdrawn = world.withdraw(&edges).await;
    let during = load.stop().await;
    during.assert_clean("while Redis hangs");
    world.fleet.redis.freeze(false);
    let load = world.load(&edges);
    world.suffer(&load).await;
    world.assert_well("Redis goes on", load).await;
    let told = format!(
        "withdrawn {withdrawn:.1?}; p99 {:.1?} before, {:.1?} meanwhile",
        before.percentile(99),
        during.percentile(99)
    );
    (during, told)
}

/// Redis forgets everything, again and again.
pub async fn redis_is_emptied(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, load) = (world.every_edge(), world.load(&world.every_edge()));
    let mut longest = (Duration::ZERO, Duration::ZERO);
    for _ in 0..size.rounds {
        world.fleet.redis.flush();
        longest.0 = longest.0.max(world.filled().await);
        longest.1 = longest.1.max(world.withdraw(&edges).await);
    }
    world.suffer(&load).await;
    let tally = world.assert_well("Redis is emptied", load).await;
    (
        tally,
        format!(
            "{} times; filled {:.1?} and withdrawn {:.1?} at the latest",
            size.rounds, longest.0, longest.1
        ),
    )
}

/// Redis is replaced by an older copy of itself: what was withdrawn since stays withdrawn.
pub async fn redis_goes_back(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let edges = world.every_edge();
    world.fleet.redis.save();
    let withdrawn = world.spare();
    world.withdraw_this(&withdrawn, &edges).await;
    world.admit(&edges).await;
    world.callers.refused.push(("withdrawn before Redis went back", withdrawn.text.clone()));
    let load = world.load(&edges);
    world.fleet.redis.restart().await;
    world.suffer(&load).await;
    let later = world.withdraw(&edges).await;
    // An edge that has nothing must not take the old copy for the truth either.
    let last = size.edges - 1;
    let tally = load.stop().await;
    tally.assert_clean("Redis went back");
    world.fleet.edges[last].kill();
    let others = world.load(&edges[..last]);
    std::fs::remove_dir_all(world.fleet.cache_of(last)).unwrap();
    world.fleet.edges[last].start();
    world.fleet.edge_ready(last).await;
    let client = world.fleet.client(last, &withdrawn.text);
    client.get(&world.stock.path()).await.expect(401);
    world.assert_well("Redis goes back", others).await;
    (tally, format!("withdrawn afterwards {later:.1?}"))
}

/// Both logs are cut past what a frozen edge has read.
pub async fn the_log_is_cut(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, last) = (world.every_edge(), size.edges - 1);
    let load = world.load(&edges[..last]);
    let mut longest = Duration::ZERO;
    for _ in 0..size.rounds {
        world.fleet.edges[last].freeze(true);
        let key = world.spare();
        let desk = world.fleet.at_desk();
        for on in [false, true, false] {
            desk.change_key(&key, json!({ "isEnabled": on })).await.expect(200);
        }
        // They are told at once, and then nobody can read of it any more.
        let (client, path) = (world.fleet.client(0, &key.text), world.stock.path());
        eventually(PATIENCE, || async { denied(client.peek(&path).await) }).await;
        for pattern in ["tidegate:v1:*:changes", "tidegate:v1:*:denials"] {
            for log in world.fleet.redis.keys(pattern) {
                let cut = world.fleet.redis.command(&[b"XTRIM", &log, b"MAXLEN", b"0"]);
                assert!(matches!(cut, Reply::Number(_)), "{cut:?}");
            }
        }
        let began = Instant::now();
        world.fleet.edges[last].freeze(false);
        let client = world.fleet.client(last, &key.text);
        eventually(WITHDRAWN_WITHIN, || async { denied(client.peek(&path).await) }).await;
        longest = longest.max(began.elapsed());
    }
    world.suffer(&load).await;
    let tally = world.assert_well("the log is cut", load).await;
    (tally, format!("{} gaps of {} found, the last after {longest:.1?}", size.rounds, size.rounds))
}
