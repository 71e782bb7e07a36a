//! Reports through the bus in memory: whatever happens on the way, the truth is the sum of what the edges said.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::{BusError, Inbox, Mark, Reports as _};
use common::id::KeyId;
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::{Clock as _, ManualClock};
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::v1::event::{Carrier, Report, Transfer, Usage};
use proptest::prelude::*;

use super::{Ingest, Keeping, PATIENCE, Tools};
use crate::metrics::Metrics;
use crate::publish::Announcer;
use crate::store::Slice;
use crate::store::Store;
use crate::store::activity::{ActivityQuestion, CountQuestion, Span, UsageQuestion};
use crate::store::contract::{commit, context, new_application, new_customer, new_file, new_key, tenant};
use crate::store::sqlite::SqliteStore;

/// A bus that can be exchanged, and that can lose the word that something may go.
#[derive(Clone, Default)]
struct Line {
    bus: Arc<Mutex<LocalBus>>,
    forgets_nothing: Arc<AtomicBool>,
}

impl Line {
    fn bus(&self) -> LocalBus {
        self.bus.lock().unwrap().clone()
    }

    fn exchange(&self) {
        *self.bus.lock().unwrap() = LocalBus::new();
    }
}

#[async_trait]
impl Inbox for Line {
    async fn receive(
        &self,
        mark: &Mark,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<(Mark, Bytes)>, BusError> {
        self.bus().receive(mark, most, wait).await
    }

    async fn forget(&self, mark: &Mark) -> Result<(), BusError> {
        if self.forgets_nothing.load(Ordering::SeqCst) {
            return Err(BusError::Away("unplugged".to_owned()));
        }
        self.bus().forget(mark).await
    }
}

fn keys(secret: &str) -> MacKeys {
    MacKeys::derive(&[Secret::new(secret.to_owned())], Purpose::Report)
}

struct World {
    _directory: tempfile::TempDir,
    store: Arc<dyn Store>,
    line: Line,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    key: KeyId,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("t.db");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&database, context().now).await.unwrap());
        let command = crate::domain::tenant::Found::parse("Acme".to_owned(), None).unwrap();
        let rng = &mut crate::store::contract::rng(0);
        let tenant = crate::domain::tenant::found(command, None, &context(), rng).unwrap();
        commit(store.as_ref(), tenant.change).await.unwrap();
        commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
        commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
        new_file(store.as_ref(), "1.0", "tool.exe", 1).await;
        let key = new_key(store.as_ref(), "c1", 2).await.key.policy.id;
        let clock = Arc::new(ManualClock::at(context().now));
        let metrics = Arc::new(Metrics::default());
        Self { _directory: directory, store, line: Line::default(), clock, metrics, key }
    }

    fn ingest(&self) -> Ingest {
        Ingest::new(Tools {
            store: self.store.clone(),
            inbox: Arc::new(self.line.clone()),
            keys: keys("the-secret-of-the-edges"),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            announcer: Announcer::default(),
            keeping: Keeping::default(),
        })
    }

    async fn send(&self, report: &Report) {
        let sealed = report.seal(&keys("the-secret-of-the-edges")).unwrap();
        self.line.bus().send(sealed.into()).await.unwrap();
    }

    fn transfer(&self, sent: (u64, u64), completed: bool) -> Transfer {
        Transfer {
            began_at: context().now,
            ended_at: context().now,
            tenant: tenant(),
            key: self.key.clone(),
            customer: Some("c1".parse().unwrap()),
            application: "tool".parse().unwrap(),
            version: "1.0".parse().unwrap(),
            file: "file_1".parse().unwrap(),
            file_name: "tool.exe".to_owned(),
            file_size: 100,
            sent: vec![sent],
            completed,
            carrier: Carrier::Key,
            address: "192.0.2.1".parse().unwrap(),
            user_agent: None,
            request_id: "r".to_owned(),
        }
    }

    fn report(&self, number: u64) -> Report {
        let (edge, transfers) = ("e".to_owned(), vec![self.transfer((0, 100), true)]);
        Report { edge, boot: 1, number, transfers, usage: vec![] }
    }

    /// Whole downloads, all transfers, and their bytes.
    async fn sums(&self) -> (u64, u64, u64) {
        let mut reading = self.store.read().await.unwrap();
        let question = CountQuestion {
            application: "tool".parse().unwrap(),
            version: None,
            customer: None,
            since: None,
            until: None,
        };
        let whole = reading.counts(tenant(), &question).await.unwrap().total;
        let question = ActivityQuestion { key: Some(self.key.clone()), ..ActivityQuestion::default() };
        let listed = reading.activities(tenant(), &question, None, Slice::ALL).await.unwrap();
        (whole, listed.total, listed.items.iter().map(|item| item.activity.bytes).sum())
    }
}

#[tokio::test]
async fn what_was_counted_is_let_go_of_and_counts_no_more() {
    let world = World::new().await;
    let mut ingest = world.ingest();
    for number in [0, 1, 1, 0] {
        world.send(&world.report(number)).await;
    }
    ingest.step(Duration::ZERO).await.unwrap();
    assert_eq!(world.sums().await, (2, 2, 200));
    assert!(world.line.receive(&Mark::default(), 9, Duration::ZERO).await.unwrap().is_empty());
    let told = world.metrics.render(0, crate::fleet::Counted::default());
    assert!(told.contains(r#"reports_total{outcome="counted"} 2"#), "{told}");
    assert!(told.contains(r#"reports_total{outcome="repeated"} 2"#), "{told}");
    world.send(&world.report(1)).await;
    world.send(&world.report(2)).await;
    ingest.step(Duration::ZERO).await.unwrap();
    assert_eq!(world.sums().await.0, 3);
}

#[tokio::test]
async fn a_desk_that_ends_between_writing_and_letting_go_counts_once() {
    let world = World::new().await;
    world.line.forgets_nothing.store(true, Ordering::SeqCst);
    world.send(&world.report(0)).await;
    for _ in 0..3 {
        assert!(world.ingest().step(Duration::ZERO).await.is_err());
    }
    world.line.forgets_nothing.store(false, Ordering::SeqCst);
    world.ingest().step(Duration::ZERO).await.unwrap();
    assert_eq!(world.sums().await, (1, 1, 100));
}

#[tokio::test]
async fn a_bus_that_begins_anew_is_read_from_its_beginning() {
    let world = World::new().await;
    let mut ingest = world.ingest();
    for number in 0..5 {
        world.send(&world.report(number)).await;
    }
    ingest.step(Duration::ZERO).await.unwrap();
    world.line.exchange();
    // It counts its places from 1 again, below where this desk stands; the edge sends again what it is not sure of.
    world.send(&world.report(4)).await;
    world.send(&world.report(5)).await;
    for _ in 0..PATIENCE {
        ingest.step(Duration::ZERO).await.unwrap();
    }
    assert_eq!(world.sums().await.0, 6);
}

#[tokio::test]
async fn junk_is_passed_over_and_told() {
    let world = World::new().await;
    let bus = world.line.bus();
    let (genuine, report) = (keys("the-secret-of-the-edges"), world.report(0));
    let mut changed = report.seal(&genuine).unwrap();
    changed[20] ^= 1;
    for junk in [
        Bytes::new(),
        Bytes::from_static(b"\xff\x00"),
        changed.into(),
        report.seal(&keys("another-secret")).unwrap().into(),
        genuine.seal_bytes(b"{}".to_vec()).unwrap().into(),
    ] {
        bus.send(junk).await.unwrap();
    }
    world.send(&world.report(1)).await;
    world.ingest().step(Duration::ZERO).await.unwrap();
    assert_eq!(world.sums().await, (1, 1, 100));
    let told = world.metrics.render(0, crate::fleet::Counted::default());
    assert!(told.contains(r#"reports_total{outcome="junk"} 5"#), "{told}");
}

#[tokio::test]
async fn an_edge_whose_clock_is_ahead_does_not_write_into_the_future() {
    let world = World::new().await;
    let mut report = world.report(0);
    report.transfers[0].began_at = Timestamp::from_millis(i64::MAX);
    report.transfers[0].user_agent = Some("x".repeat(5_000));
    world.send(&report).await;
    world.ingest().step(Duration::ZERO).await.unwrap();
    let mut reading = world.store.read().await.unwrap();
    let question = ActivityQuestion { key: Some(world.key.clone()), ..ActivityQuestion::default() };
    let listed = reading.activities(tenant(), &question, None, Slice::ALL).await.unwrap();
    let activity = &listed.items[0].activity;
    assert_eq!((activity.at, activity.user_agent.as_ref().unwrap().len()), (world.clock.now(), 200));
}

#[tokio::test]
async fn counts_are_told_at_most_once_in_their_time() {
    let world = World::new().await;
    let mut ingest = world.ingest();
    let told = async || {
        let mut reading = world.store.read().await.unwrap();
        let (tool, version) = ("tool".parse().unwrap(), "1.0".parse().unwrap());
        reading.version(tenant(), &tool, &version).await.unwrap().unwrap().facts.download_count
    };
    let mut seen = Vec::new();
    for number in 0..4 {
        world.send(&world.report(number)).await;
        ingest.step(Duration::ZERO).await.unwrap();
        seen.push(told().await);
        world.clock.advance(Duration::from_secs(25));
    }
    assert_eq!(seen, [1, 1, 1, 4]);
}

#[derive(Clone, Debug)]
struct Said {
    edge: u8,
    transfers: Vec<(u64, u64, bool)>,
    usage: Vec<(u8, bool, u64, u64, u64)>,
}

fn said() -> impl Strategy<Value = Said> {
    let transfer = (0u64..=100, 0u64..=100, any::<bool>());
    let usage = (0u8..180, any::<bool>(), 0u64..50, 0u64..1_000, 0u64..5);
    let (transfers, usage) =
        (proptest::collection::vec(transfer, 0..4), proptest::collection::vec(usage, 0..4));
    (0u8..3, transfers, usage).prop_map(|(edge, transfers, usage)| Said { edge, transfers, usage })
}

/// The reports as edges would number them.
fn reports(world: &World, all: &[Said]) -> Vec<Report> {
    let mut next: BTreeMap<u8, u64> = BTreeMap::new();
    let report = |said: &Said| {
        let number = next.entry(said.edge).or_default();
        let transfers = said.transfers.iter();
        let transfers = transfers.map(|(a, b, done)| world.transfer((*a.min(b), *a.max(b)), *done)).collect();
        let usage = said.usage.iter().map(|(minute, named, requests, bytes, refused)| Usage {
            minute: Timestamp::from_millis(context().now.millis() - 60_000 * i64::from(*minute)),
            tenant: tenant(),
            key: world.key.clone(),
            application: named.then(|| "tool".parse().unwrap()),
            requests: *requests,
            bytes: *bytes,
            refused: [("rate_limited".to_owned(), *refused)].into(),
        });
        let report = Report {
            edge: format!("e{}", said.edge),
            boot: 3,
            number: *number,
            transfers,
            usage: usage.collect(),
        };
        *number += 1;
        report
    };
    all.iter().map(report).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_truth_is_the_sum_of_what_was_said_in_whatever_order_and_however_often(
        all in proptest::collection::vec(said(), 1..12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        restarts in any::<u32>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let reports = reports(&world, &all);
            let mut ingest = world.ingest();
            // In any order with repetitions, and at last each at least once.
            let sent = order.iter().map(|index| index.get(&reports)).chain(reports.iter().rev());
            for (turn, report) in sent.enumerate() {
                world.send(report).await;
                let restart = restarts >> (turn % 32) & 1 == 1;
                world.line.forgets_nothing.store(restart, Ordering::SeqCst);
                let _ = ingest.step(Duration::ZERO).await;
                if restart {
                    ingest = world.ingest();
                }
            }
            world.line.forgets_nothing.store(false, Ordering::SeqCst);
            ingest.step(Duration::ZERO).await.unwrap();
            check(&world, &reports).await;
        });
    }
}

async fn check(world: &World, reports: &[Report]) {
    let transfers = || reports.iter().flat_map(|report| &report.transfers);
    let whole = transfers().filter(|transfer| transfer.is_whole()).count() as u64;
    let bytes: u64 = transfers().map(Transfer::bytes).sum();
    assert_eq!(world.sums().await, (whole, transfers().count() as u64, bytes));
    let usage = || reports.iter().flat_map(|report| &report.usage);
    for span in [Span::Minute, Span::Hour] {
        let question = UsageQuestion {
            span,
            bucket: span.length(),
            from: Timestamp::from_millis(0),
            to: context().now.plus(Duration::from_secs(3_600)),
        };
        let counted = world.store.read().await.unwrap().usage(&world.key, question).await.unwrap();
        let sum = |part: fn(&crate::store::activity::Amount) -> u64| -> u64 {
            counted.timeline.values().map(part).sum()
        };
        assert_eq!(sum(|amount| amount.requests), usage().map(|used| used.requests).sum::<u64>());
        assert_eq!(sum(|amount| amount.bytes), usage().map(|used| used.bytes).sum::<u64>());
        let refused: u64 = usage().flat_map(|used| used.refused.values()).sum();
        assert_eq!(sum(|amount| amount.errors), refused);
        assert_eq!(counted.by_reason.iter().map(|(_, count)| count).sum::<u64>(), refused);
        let slots: std::collections::BTreeSet<i64> =
            usage().map(|used| used.minute.millis() / span.length().as_millis() as i64).collect();
        assert_eq!(counted.timeline.len(), slots.len());
    }
}
