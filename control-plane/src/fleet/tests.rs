//! Waiting for the fleet, hearing it, and keeping its names.

use common::bus::local::LocalBus;
use common::bus::{AckInbox, Acks as _};
use common::mac::Purpose;
use common::runtime::clock::ManualClock;
use common::secret::Secret;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::sqlite::SqliteStore;

const NOW: i64 = 1_800_000_000_000;
/// Longer than any test runs.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn keys(secret: &str) -> MacKeys {
    MacKeys::derive(&[Secret::new(secret.to_owned())], Purpose::Acknowledgement)
}

struct World {
    fleet: Arc<Fleet>,
    clock: Arc<ManualClock>,
}

fn at(sequence: u64) -> Position {
    Position { epoch: 1, sequence }
}

fn ack(edge: &str, number: u64, sequence: u64) -> Ack {
    Ack {
        edge: edge.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: 7,
        number,
        position: at(sequence),
        head_issued_at: Timestamp::from_millis(NOW),
        at: Timestamp::from_millis(NOW),
        leaving: false,
    }
}

fn sealed(ack: &Ack) -> Vec<u8> {
    ack.seal(&keys("edges and desk")).unwrap()
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
        Self { fleet: Arc::new(Fleet::new(keys("edges and desk"), clock.clone())), clock }
    }

    fn hear(&self, edge: &str, number: u64, sequence: u64) {
        assert!(self.fleet.take(&sealed(&ack(edge, number, sequence))));
    }

    fn goodbye(&self, edge: &str, number: u64) {
        assert!(self.fleet.take(&sealed(&Ack { leaving: true, ..ack(edge, number, 0) })));
    }

    /// Begins to wait, and has looked once.
    async fn waiting(&self, sequence: u64) -> JoinHandle<Confirmation> {
        let fleet = self.fleet.clone();
        let waiting = tokio::spawn(async move { fleet.wait_for(at(sequence), LONG).await });
        while self.fleet.changed.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        waiting
    }
}

/// Who confirmed after how many milliseconds, and who is missing.
fn told(confirmation: &Confirmation) -> (Vec<(&str, u128)>, Vec<&str>) {
    let confirmed = confirmation.confirmed.iter().map(|edge| (edge.edge.as_str(), edge.after.as_millis()));
    (confirmed.collect(), confirmation.missing.iter().map(|edge| edge.id.as_str()).collect())
}

#[tokio::test]
async fn with_nobody_there_is_nobody_to_wait_for() {
    let confirmation = World::new().fleet.wait_for(at(5), LONG).await;
    assert_eq!(told(&confirmation), (vec![], vec![]));
}

#[tokio::test]
async fn a_wait_ends_with_the_last_edge_that_applies_the_write_and_tells_when_each_did() {
    let world = World::new();
    world.hear("a", 1, 5);
    world.hear("b", 1, 4);
    world.hear("c", 1, 4);
    let waiting = world.waiting(5).await;
    world.clock.advance(Duration::from_millis(30));
    world.hear("c", 2, 6);
    tokio::task::yield_now().await;
    world.clock.advance(Duration::from_millis(10));
    world.hear("b", 2, 5);
    let confirmation = waiting.await.unwrap();
    let (confirmed, missing) = told(&confirmation);
    assert_eq!((confirmed[0], confirmed[1]), (("a", 0), ("b", 40)));
    assert!(matches!(confirmed[2], ("c", 30 | 40)), "{confirmed:?}");
    assert!(missing.is_empty());
}

#[tokio::test]
async fn who_does_not_confirm_is_named_and_never_counted_however_long_it_is_silent() {
    let world = World::new();
    world.hear("a", 1, 9);
    world.hear("b", 1, 8);
    assert_eq!(told(&world.fleet.wait_for(at(9), SHORT).await), (vec![("a", 0)], vec!["b"]));
    world.clock.advance(Duration::from_secs(86_400));
    world.hear("a", 2, 9);
    let confirmation = world.fleet.wait_for(at(9), SHORT).await;
    assert_eq!(told(&confirmation), (vec![("a", 0)], vec!["b"]));
    assert_eq!((confirmation.missing[0].position, confirmation.missing[0].last_seen.millis()), (at(8), NOW));
    assert_eq!(world.fleet.count(at(10)), Counted { live: 1, silent: 1, worst_lag: 2, skewed: 1 });
    // A silent one that had come as far has come as far.
    assert_eq!(told(&world.fleet.wait_for(at(8), LONG).await).1, [""; 0]);
}

#[tokio::test]
async fn who_says_goodbye_or_is_removed_is_waited_for_no_more() {
    let world = World::new();
    for edge in ["a", "b", "c"] {
        world.hear(edge, 1, 4);
    }
    let waiting = world.waiting(5).await;
    world.goodbye("a", 2);
    world.fleet.remove("b");
    world.fleet.remove("nobody");
    world.hear("c", 2, 5);
    assert_eq!(told(&waiting.await.unwrap()), (vec![("c", 0)], vec![]));
}

#[tokio::test]
async fn who_comes_while_one_waits_is_waited_for_too() {
    let world = World::new();
    world.hear("a", 1, 4);
    let waiting = world.waiting(5).await;
    world.hear("b", 1, 0);
    world.hear("a", 2, 5);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    world.hear("b", 2, 5);
    assert_eq!(told(&waiting.await.unwrap()), (vec![("a", 0), ("b", 0)], vec![]));
}

#[test]
fn an_edge_of_another_history_is_behind_by_all_of_this_one() {
    assert_eq!(lag(at(7), at(9)), 2);
    assert_eq!(lag(at(9), at(9)), 0);
    assert_eq!(lag(at(12), at(9)), 0);
    assert_eq!(lag(at(50), Position { epoch: 2, sequence: 9 }), 9);
    assert_eq!(lag(Position { epoch: 3, sequence: 1 }, at(9)), 0);
}

#[test]
fn what_no_edge_of_ours_sealed_is_not_taken() {
    let world = World::new();
    let sealed = sealed(&ack("a", 1, 5));
    let forged = ack("a", 2, 99).seal(&keys("somebody else")).unwrap();
    let reported = MacKeys::derive(&[Secret::new("edges and desk".to_owned())], Purpose::Report);
    for bytes in [&forged[..], &sealed[1..], &ack("a", 2, 99).seal(&reported).unwrap(), b""] {
        assert!(!world.fleet.take(bytes));
    }
    assert_eq!(world.fleet.members(), []);
    assert!(world.fleet.take(&sealed));
}

async fn store(directory: &tempfile::TempDir) -> Arc<dyn Store> {
    let path = directory.path().join("t.db");
    Arc::new(SqliteStore::open(&path, Timestamp::from_millis(NOW)).await.unwrap())
}

async fn reopened(world: &World, store: &dyn Store) -> Vec<(String, u64)> {
    let fleet = Fleet::open(keys("edges and desk"), world.clock.clone(), store).await.unwrap();
    assert_eq!(fleet.count(at(0)).live, 0, "nobody lives by what others remember");
    fleet.members().into_iter().map(|member| (member.id, member.position.sequence)).collect()
}

#[tokio::test]
async fn names_outlive_the_desk_and_end_with_a_goodbye() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let store = store(&directory).await;
    for edge in ["a", "b", "c"] {
        world.hear(edge, 1, 4);
    }
    world.fleet.write(store.as_ref(), false).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(reopened(&world, store.as_ref()).await, [("a".into(), 4), ("b".into(), 4), ("c".into(), 4)]);
    world.hear("a", 2, 8);
    world.goodbye("b", 2);
    world.fleet.remove("c");
    world.fleet.write(store.as_ref(), false).await.unwrap();
    assert_eq!(
        reopened(&world, store.as_ref()).await,
        [("a".into(), 4)],
        "where it is, is written now and then"
    );
    world.fleet.write(store.as_ref(), true).await.unwrap();
    assert_eq!(reopened(&world, store.as_ref()).await, [("a".into(), 8)]);
}

#[tokio::test]
async fn who_is_struck_off_elsewhere_is_let_go_of_unless_it_speaks() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let store = store(&directory).await;
    for (edge, sequence) in [("dead", 4), ("live", 5), ("other", 5)] {
        world.hear(edge, 1, sequence);
    }
    world.fleet.write(store.as_ref(), true).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    world.hear("live", 2, 5);
    let waiting = world.waiting(5).await;
    store.keep_edges(&[], &[], &["dead".to_owned(), "live".to_owned()]).await.unwrap();
    world.fleet.write(store.as_ref(), true).await.unwrap();
    assert_eq!(told(&waiting.await.unwrap()).1, [""; 0]);
    let names = || world.fleet.members().into_iter().map(|member| member.id).collect::<Vec<_>>();
    assert_eq!(names(), ["live", "other"]);
    world.fleet.write(store.as_ref(), false).await.unwrap();
    assert_eq!(reopened(&world, store.as_ref()).await, [("live".into(), 5), ("other".into(), 5)]);
}

#[tokio::test]
async fn what_could_not_be_written_is_written_later() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let good = store(&directory).await;
    world.hear("a", 1, 4);
    world.fleet.write(good.as_ref(), false).await.unwrap();
    let broken = store(&directory).await;
    broken.close().await;
    world.goodbye("a", 2);
    world.hear("b", 1, 4);
    assert!(world.fleet.write(broken.as_ref(), false).await.is_err());
    world.fleet.write(good.as_ref(), false).await.unwrap();
    assert_eq!(reopened(&world, good.as_ref()).await, [("b".into(), 4)]);
}

#[tokio::test]
async fn what_edges_said_before_the_desk_began_makes_nobody_look_alive() {
    let (world, directory, bus) = (World::new(), tempfile::tempdir().unwrap(), LocalBus::new());
    bus.acknowledge(sealed(&ack("dead", 9, 5)).into()).await.unwrap();
    let stop = CancellationToken::new();
    let inbox: Arc<dyn AckInbox> = Arc::new(bus.clone());
    let running = tokio::spawn(world.fleet.clone().run(inbox, store(&directory).await, stop.clone()));
    let mut number = 0;
    while world.fleet.members().is_empty() {
        number += 1;
        bus.acknowledge(vec![7u8; 40].into()).await.unwrap();
        bus.acknowledge(sealed(&ack("a", number, 5)).into()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(world.fleet.members().iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["a"]);
    // What is said last is heard, and kept.
    bus.acknowledge(sealed(&Ack { leaving: true, ..ack("a", 1_000_000, 5) }).into()).await.unwrap();
    stop.cancel();
    running.await.unwrap();
    assert_eq!(reopened(&world, store(&directory).await.as_ref()).await, []);
}

#[tokio::test]
async fn an_edge_that_is_ahead_of_the_truth_begins_another_history() {
    let (world, directory) = (World::new(), tempfile::tempdir().unwrap());
    let store = store(&directory).await;
    let standing = async || store.read().await.unwrap().standing().await.unwrap().position;
    let before = standing().await;
    world.fleet.check_history(store.as_ref()).await.unwrap();
    assert_eq!(standing().await, before, "nobody is ahead");
    let mut number = 0;
    for ahead in [Position { sequence: 3, ..before }, Position { epoch: before.epoch + 90_000, sequence: 0 }]
    {
        let before = standing().await;
        number += 1;
        let word = Ack { position: ahead, ..ack("a", number, 0) };
        assert!(world.fleet.take(&sealed(&word)));
        for _ in 0..2 {
            world.fleet.check_history(store.as_ref()).await.unwrap();
        }
        let after = standing().await;
        assert!(after > ahead && after.epoch > before.epoch, "{after}");
        assert_eq!(after.epoch, ahead.epoch + 1, "once");
    }
}
