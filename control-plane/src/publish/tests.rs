//! The publisher through the bus in memory: whatever happens on the way, who reads the bus ends with the truth.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::{BusError, Cursor, Feed, LaidHead, LogId, News, Outlet, Trim};
use common::digest::Digest;
use common::runtime::clock::ManualClock;
use common::time::Timestamp;
use common::wire::Position;
use common::wire::seal::{Kind, open, seal};
use common::wire::v1::{Batch, Denials, Entry, Head, bucket};
use ed25519_dalek::{SigningKey, VerifyingKey};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use super::render::{record, render};
use super::{Marking, PublishFault, Publisher, Told};
use crate::domain::{Change, application, key, version};
use crate::store::contract::{
    commit, context, new_application, new_customer, new_file, new_key, rng, tenant,
};
use crate::store::sqlite::SqliteStore;
use crate::store::{Mark, Slice, Store};

/// The records by address: the write that made each, and its JSON.
type Records = BTreeMap<String, (u64, String)>;

/// A bus that can be emptied, and that fails after a number of calls.
#[derive(Clone)]
struct Line(Arc<Inner>);

struct Inner {
    bus: Mutex<LocalBus>,
    calls_left: AtomicI64,
    said: Mutex<Vec<(&'static str, LogId)>>,
}

impl Line {
    fn new() -> Self {
        let said = Mutex::default();
        Self(Arc::new(Inner { bus: Mutex::new(LocalBus::new()), calls_left: AtomicI64::new(i64::MAX), said }))
    }

    fn bus(&self) -> LocalBus {
        self.0.bus.lock().unwrap().clone()
    }

    fn flush(&self) {
        *self.0.bus.lock().unwrap() = LocalBus::new();
    }

    fn fail_after(&self, calls: i64) {
        self.0.calls_left.store(calls, Ordering::SeqCst);
    }

    fn call(&self) -> Result<LocalBus, BusError> {
        let left = self.0.calls_left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 { Ok(self.bus()) } else { Err(BusError::Away("unplugged".to_owned())) }
    }

    fn note(&self, what: &'static str, id: LogId) {
        self.0.said.lock().unwrap().push((what, id));
    }
}

#[async_trait]
impl Outlet for Line {
    async fn head(&self) -> Result<Option<LaidHead>, BusError> {
        Outlet::head(&self.call()?).await
    }

    async fn last_change(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        self.call()?.last_change(epoch).await
    }

    async fn last_denials(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        self.call()?.last_denials(epoch).await
    }

    async fn holds_buckets(&self, names: &[Digest]) -> Result<bool, BusError> {
        self.call()?.holds_buckets(names).await
    }

    async fn discard(&self, epoch: u64) -> Result<(), BusError> {
        self.call()?.discard(epoch).await
    }

    async fn put_bucket(&self, name: &Digest, packed: Bytes) -> Result<(), BusError> {
        self.call()?.put_bucket(name, packed).await
    }

    async fn put_head(&self, position: Position, sealed: Bytes) -> Result<(), BusError> {
        self.call()?.put_head(position, sealed).await
    }

    async fn append_change(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.note("change", id);
        self.call()?.append_change(epoch, id, sealed).await
    }

    async fn append_denials(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.note("denials", id);
        self.call()?.append_denials(epoch, id, sealed).await
    }

    async fn trim(&self, epoch: u64, to: Trim) -> Result<(), BusError> {
        self.call()?.trim(epoch, to).await
    }

    async fn release_bucket(&self, name: &Digest) -> Result<(), BusError> {
        self.call()?.release_bucket(name).await
    }
}

struct House {
    store: Arc<dyn Store>,
    line: Line,
    clock: Arc<ManualClock>,
    publisher: Publisher,
    _directory: tempfile::TempDir,
}

const SEED: [u8; 32] = [7; 32];

fn trusted() -> [VerifyingKey; 1] {
    [SigningKey::from_bytes(&SEED).verifying_key()]
}

impl House {
    async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("truth.db");
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(&path, Timestamp::from_millis(9)).await.unwrap());
        let founding = crate::domain::tenant::Found::parse("Acme".to_owned(), None).unwrap();
        let founded = crate::domain::tenant::found(founding, None, &context(), &mut rng(0)).unwrap();
        commit(store.as_ref(), founded.change).await.unwrap();
        let (line, clock) = (Line::new(), Arc::new(ManualClock::at(context().now)));
        let publisher = publisher(&store, &line, &clock);
        Self { store, line, clock, publisher, _directory: directory }
    }

    async fn step(&mut self) -> Result<(), PublishFault> {
        self.publisher.step().await
    }

    /// Another run of the program, which remembers nothing.
    fn restart(&mut self) {
        self.publisher = publisher(&self.store, &self.line, &self.clock);
    }

    async fn truth(&self) -> Records {
        let mut reading = self.store.read().await.unwrap();
        let mut records = Records::new();
        for number in 0..=u8::MAX {
            for shelf in reading.shelves(number).await.unwrap() {
                let (page, _) = reading.walk(number, shelf, Mark::default(), 10_000).await.unwrap();
                for stamped in page.iter().filter(|stamped| record(&stamped.noun).is_some()) {
                    apply(&mut records, &render(stamped).unwrap());
                }
            }
        }
        records
    }

    async fn head(&self) -> Head {
        let sealed = Feed::head(&self.line.bus()).await.unwrap().unwrap();
        Head::decode(&open(Kind::Head, &sealed, &trusted()).unwrap()).unwrap()
    }

    async fn news(&self, after: u64) -> News {
        let epoch = self.store.read().await.unwrap().standing().await.unwrap().position.epoch;
        let cursor = Cursor { epoch, changes: LogId::end_of(after), denials: LogId::end_of(after) };
        self.line.bus().news(cursor, Duration::ZERO).await.unwrap()
    }

    /// What an edge knows that follows the log from `position`, where it knows `records`.
    async fn follow(&self, mut records: Records, mut position: u64) -> (Records, u64) {
        for (id, sealed) in self.news(position).await.changes {
            let batch = Batch::decode(&open(Kind::Batch, &sealed, &trusted()).unwrap()).unwrap();
            assert_eq!((id.sequence, id.part), (batch.sequence, u64::from(batch.part)));
            assert!(sealed.len() <= 64 * 1024, "{} bytes", sealed.len());
            assert!(batch.previous <= position, "a gap: {} after {position}", batch.previous);
            batch.entries.iter().for_each(|entry| apply(&mut records, entry));
            if batch.part + 1 == batch.parts {
                position = batch.sequence;
            }
        }
        (records, position)
    }

    async fn bucket(&self, name: &Digest) -> Option<Bytes> {
        self.line.bus().buckets(&[*name]).await.unwrap().remove(0)
    }

    /// What an edge knows that reads the snapshot, then follows.
    async fn read_all(&self) -> (Records, u64) {
        let head = self.head().await;
        let mut records = Records::new();
        for (number, name) in &head.buckets {
            let packed = self.bucket(name).await.expect("a named bucket is there");
            bucket::unpack(name, &packed, |entry| {
                assert_eq!(
                    entry.address.parse::<common::wire::address::Address>().unwrap().bucket(),
                    *number
                );
                apply(&mut records, &entry);
            })
            .unwrap();
        }
        assert_eq!(records.len() as u64, head.records);
        self.follow(records, head.sequence).await
    }

    async fn check(&self) {
        let (truth, standing) =
            (self.truth().await, self.store.read().await.unwrap().standing().await.unwrap());
        let (records, position) = self.read_all().await;
        assert_eq!(records, truth, "snapshot and log");
        assert_eq!(position, standing.position.sequence);
    }

    async fn check_log(&self) {
        let (records, _) = self.follow(Records::new(), 0).await;
        assert_eq!(records, self.truth().await, "the log from its beginning");
    }
}

fn publisher(store: &Arc<dyn Store>, line: &Line, clock: &Arc<ManualClock>) -> Publisher {
    Publisher::new(store.clone(), Arc::new(line.clone()), SigningKey::from_bytes(&SEED), clock.clone())
}

fn apply(records: &mut Records, entry: &Entry) {
    match &entry.record {
        Some(record) => {
            let earlier = records.insert(entry.address.clone(), (entry.sequence, record.get().to_owned()));
            assert!(earlier.is_none_or(|(sequence, _)| sequence <= entry.sequence), "{}", entry.address);
        }
        None => drop(records.remove(&entry.address)),
    }
}

/// Anything a vendor may do, now and then nothing.
async fn write_something(store: &dyn Store, rng: &mut StdRng, serial: u64) {
    let mut reading = store.read().await.unwrap();
    let tool = "tool".parse().unwrap();
    let applications = reading.applications(tenant()).await.unwrap();
    let keys = reading.keys(tenant(), Some(&"c0".parse().unwrap()), Slice::ALL).await.unwrap().items;
    let versions = reading.versions(tenant(), &tool).await.unwrap();
    drop(reading);
    let some_key = (!keys.is_empty()).then(|| keys[rng.random_range(0..keys.len())].clone());
    let change = match (rng.random_range(0..7), some_key, versions.last()) {
        (0, ..) => new_customer(&format!("c{serial}"), "A customer"),
        (1, ..) => new_application(&format!("app-{serial}"), &["c0"]),
        (2, Some(found), _) => key::delete(&found.policy.id.clone(), Some(found), &context()).unwrap().change,
        (3, Some(found), _) => {
            let fields = key::Fields { is_enabled: Some(!found.policy.is_enabled), ..key::Fields::default() };
            let patch = key::Patch::parse(found.policy.id.clone(), fields).unwrap();
            key::patch(patch, Some(found), vec![], &context()).unwrap().change
        }
        (4, _, Some(found)) => {
            let patch = version::Patch::yank(tool, found.facts.name.clone());
            let facts = version::PatchFacts {
                application: applications.iter().find(|a| a.facts.id.as_str() == "tool").cloned(),
                version: Some(found.clone()),
                tiers: vec![],
            };
            version::patch(patch, facts, &context()).unwrap().change
        }
        (5, ..) if applications.len() > 1 => {
            let found = applications.into_iter().find(|a| a.facts.id.as_str() != "tool").unwrap();
            application::delete(&found.facts.id.clone(), Some(found), &context()).unwrap().change
        }
        (6, ..) => {
            new_file(store, &format!("1.{serial}"), "tool.exe", serial).await;
            return;
        }
        _ => {
            new_key(store, "c0", serial).await;
            return;
        }
    };
    commit(store, change).await.unwrap();
}

async fn furnished() -> House {
    let house = House::open().await;
    commit(house.store.as_ref(), new_customer("c0", "First")).await.unwrap();
    commit(house.store.as_ref(), new_application("tool", &["c0"])).await.unwrap();
    house
}

#[tokio::test]
async fn after_any_writes_snapshot_and_log_both_give_the_truth() {
    for seed in 0..3 {
        let (mut house, mut rng) = (furnished().await, rng(seed));
        for serial in 1..60 {
            write_something(house.store.as_ref(), &mut rng, 1_000 + serial).await;
            if rng.random_bool(0.4) {
                house.clock.advance(Duration::from_millis(rng.random_range(0..900)));
                house.step().await.unwrap();
            }
        }
        house.step().await.unwrap();
        house.check().await;
        house.check_log().await;
        house.clock.advance(Duration::from_secs(10));
        house.step().await.unwrap();
        assert_eq!(house.head().await.sequence, house.read_all().await.1, "the snapshot has caught up");
        house.check().await;
    }
}

#[tokio::test]
async fn a_publisher_that_fails_anywhere_and_starts_again_loses_nothing() {
    for seed in 10..12 {
        let (mut house, mut rng) = (furnished().await, rng(seed));
        for serial in 1..30 {
            write_something(house.store.as_ref(), &mut rng, 1_000 + serial).await;
            house.line.fail_after(rng.random_range(0..6));
            let _ = house.step().await;
            house.line.fail_after(i64::MAX);
            if rng.random_bool(0.3) {
                house.restart();
            }
        }
        house.step().await.unwrap();
        house.check().await;
        house.check_log().await;
    }
}

#[tokio::test]
async fn publishing_twice_is_harmless() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    let before = (house.read_all().await, house.news(0).await.changes.len());
    house.restart();
    house.step().await.unwrap();
    house.step().await.unwrap();
    assert_eq!((house.read_all().await, house.news(0).await.changes.len()), before);
}

#[tokio::test]
async fn a_bus_that_lost_everything_is_filled_again() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    house.line.flush();
    new_key(house.store.as_ref(), "c0", 50).await;
    house.clock.advance(Duration::from_secs(5));
    house.step().await.unwrap();
    house.check().await;
}

#[tokio::test]
async fn a_bus_that_was_away_gets_what_was_written_meanwhile() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    house.line.fail_after(0);
    new_key(house.store.as_ref(), "c0", 51).await;
    assert!(matches!(house.step().await, Err(PublishFault::Bus(_))));
    house.line.fail_after(i64::MAX);
    house.step().await.unwrap();
    house.check().await;
}

#[tokio::test]
async fn what_takes_rights_away_is_told_before_everything_else_and_is_lifted_by_its_own_record() {
    let mut house = furnished().await;
    let made = new_key(house.store.as_ref(), "c0", 52).await.key;
    house.step().await.unwrap();
    house.line.0.said.lock().unwrap().clear();
    let renewed = key::regenerate(&made.policy.id, Some(made.clone()), &context(), &mut rng(53)).unwrap();
    let sequence = commit(house.store.as_ref(), renewed.change).await.unwrap().position.sequence;
    // Something later travels in the same batch and must not make the denial outlast the key's new record.
    commit(house.store.as_ref(), new_customer("c9", "Later")).await.unwrap();
    house.step().await.unwrap();
    let said = house.line.0.said.lock().unwrap().clone();
    let id = |sequence| LogId { sequence, part: 0 };
    assert_eq!(said, [("denials", id(sequence)), ("change", id(sequence + 1))]);
    let (_, sealed) = house.news(0).await.denials.pop().unwrap();
    let denials = Denials::decode(&open(Kind::Denials, &sealed, &trusted()).unwrap()).unwrap();
    assert_eq!((denials.sequence, denials.addresses), (sequence, vec![made.address().to_string()]));
    assert_eq!(house.read_all().await.0[&made.address().to_string()].0, sequence);
}

#[tokio::test]
async fn a_large_change_travels_in_parts() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    let ids: Vec<String> = (0..900).map(|n| format!("customer-{n:03}-{}", "x".repeat(60))).collect();
    let mut all = Change::default();
    for id in &ids {
        let one = new_customer(id, "One of many");
        all.rows.extend(one.rows);
        all.announcements.extend(one.announcements);
    }
    commit(house.store.as_ref(), all).await.unwrap();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    commit(house.store.as_ref(), new_application("popular", &ids)).await.unwrap();
    house.step().await.unwrap();
    assert!(house.news(0).await.changes.iter().any(|(id, _)| id.part > 1));
    house.check().await;
}

#[tokio::test]
async fn the_head_is_signed_anew_and_what_lies_behind_it_goes_in_time() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    let made = new_key(house.store.as_ref(), "c0", 52).await.key;
    let renewed = key::regenerate(&made.policy.id, Some(made.clone()), &context(), &mut rng(53)).unwrap();
    commit(house.store.as_ref(), renewed.change).await.unwrap();
    house.step().await.unwrap();
    let first = house.head().await;
    commit(house.store.as_ref(), new_application("other", &["c0"])).await.unwrap();
    for _ in 0..2 {
        house.clock.advance(Duration::from_secs(5));
        house.step().await.unwrap();
    }
    let second = house.head().await;
    assert!(second.sequence > first.sequence && second.issued_at > first.issued_at);
    let dropped = first.buckets.values().find(|name| !second.buckets.values().any(|n| n == *name)).unwrap();
    assert!(house.bucket(dropped).await.is_some());
    assert!(!house.news(0).await.changes.is_empty());
    house.clock.advance(Duration::from_secs(599));
    house.step().await.unwrap();
    assert!(!house.news(0).await.changes.is_empty());
    assert!(house.bucket(dropped).await.is_some());
    house.clock.advance(Duration::from_secs(2));
    house.step().await.unwrap();
    house.clock.advance(Duration::from_secs(5));
    house.step().await.unwrap();
    assert!(house.news(0).await.changes.is_empty(), "changes behind a head that all have read are trimmed");
    assert!(!house.news(0).await.denials.is_empty(), "who was away hears of these first");
    assert!(house.bucket(dropped).await.is_none());
    house.check().await;
    house.clock.advance(Duration::from_secs(86_400));
    commit(house.store.as_ref(), new_application("third", &["c0"])).await.unwrap();
    house.step().await.unwrap();
    house.clock.advance(Duration::from_secs(601));
    house.step().await.unwrap();
    house.clock.advance(Duration::from_secs(5));
    house.step().await.unwrap();
    assert!(house.news(0).await.denials.is_empty());
}

#[tokio::test]
async fn buckets_that_another_run_left_are_released_too() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    let first = house.head().await;
    commit(house.store.as_ref(), new_application("other", &["c0"])).await.unwrap();
    house.restart();
    house.step().await.unwrap();
    let second = house.head().await;
    let dropped = first.buckets.values().find(|name| !second.buckets.values().any(|n| n == *name)).unwrap();
    house.clock.advance(Duration::from_secs(601));
    house.step().await.unwrap();
    assert!(house.bucket(dropped).await.is_none());
    house.check().await;
}

#[tokio::test]
async fn the_loop_tells_at_once_what_it_is_woken_for_and_says_the_rest_at_its_end() {
    let house = furnished().await;
    let (announcer, stop) = (house.publisher.announcer(), CancellationToken::new());
    let running = tokio::spawn(house.publisher.run(stop.clone()));
    let made = new_key(house.store.as_ref(), "c0", 56).await.key.address().to_string();
    announcer.announce();
    let bus = house.line.bus();
    let mut cursor = Cursor { epoch: 9, changes: LogId::default(), denials: LogId::default() };
    let told = async {
        loop {
            for (id, sealed) in bus.news(cursor, Duration::from_secs(10)).await.unwrap().changes {
                cursor.changes = id;
                let batch = Batch::decode(&open(Kind::Batch, &sealed, &trusted()).unwrap()).unwrap();
                if batch.entries.iter().any(|entry| entry.address == made) {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    let last = commit(house.store.as_ref(), new_customer("c8", "Last")).await.unwrap();
    stop.cancel();
    running.await.unwrap();
    let standing = house.store.read().await.unwrap().standing().await.unwrap();
    assert_eq!(standing.announced, last.position.sequence);
}

#[tokio::test]
async fn what_the_other_carrier_was_not_told_stays_in_the_outbox() {
    let mut house = House::open().await;
    let other = Told::default();
    house.publisher.tools.marking = Marking::Both(other.clone());
    house.step().await.unwrap();
    let standing = house.store.read().await.unwrap().standing().await.unwrap();
    assert!(standing.position.sequence > 0);
    assert_eq!(standing.announced, 0, "the other was told nothing");
    other.reach(standing.position.sequence);
    house.step().await.unwrap();
    let marked = house.store.read().await.unwrap().standing().await.unwrap().announced;
    assert_eq!(marked, standing.position.sequence);
}

#[tokio::test]
async fn what_somebody_else_laid_on_the_bus_is_cleared_away() {
    let mut house = House::open().await;
    house.step().await.unwrap();
    let epoch = house.store.read().await.unwrap().standing().await.unwrap().position.epoch;
    let bus = house.line.bus();
    let beyond = LogId { sequence: u64::MAX, part: 0 };
    let junk = || Bytes::from_static(b"of whoever can write to the bus");
    bus.append_change(epoch, beyond, junk()).await.unwrap();
    bus.append_denials(epoch, beyond, junk()).await.unwrap();
    bus.put_head(Position { epoch: u64::MAX, sequence: 1 }, junk()).await.unwrap();
    house.clock.advance(Duration::from_secs(6));
    house.step().await.unwrap();
    for last in [bus.last_change(epoch).await.unwrap(), bus.last_denials(epoch).await.unwrap()] {
        assert_ne!(last, Some(beyond));
    }
    let head = Outlet::head(&bus).await.unwrap().unwrap();
    assert!(open(Kind::Head, &head.sealed, &trusted()).is_ok());
}

#[tokio::test]
async fn a_genuine_head_that_was_moved_to_another_place_is_laid_down_again() {
    let mut house = House::open().await;
    house.step().await.unwrap();
    let (bus, ours) = (house.line.bus(), house.head().await);
    let LaidHead { position, sealed } = Outlet::head(&bus).await.unwrap().unwrap();
    assert_eq!(position, Some(ours.position()));
    bus.put_head(Position { epoch: u64::MAX, sequence: 1 }, sealed).await.unwrap();
    house.clock.advance(Duration::from_secs(6));
    house.step().await.unwrap();
    let position = Outlet::head(&bus).await.unwrap().and_then(|laid| laid.position);
    assert_eq!(position, Some(ours.position()));
}

#[tokio::test]
async fn a_database_that_was_put_back_begins_another_history() {
    let mut house = furnished().await;
    house.step().await.unwrap();
    let before = house.head().await;
    // What was written after that is lost here, and edges have it.
    let lost = Head { announced: before.announced + 10, ..before.clone() };
    let sealed = seal(Kind::Head, &lost.encode().unwrap(), &SigningKey::from_bytes(&SEED));
    house.line.bus().put_head(lost.position(), sealed).await.unwrap();
    house.restart();
    for _ in 0..2 {
        house.step().await.unwrap();
    }
    let head = house.head().await;
    assert!(head.epoch > before.epoch, "{head:?}");
    assert_eq!(head.sequence, before.sequence);
    house.check().await;
    commit(house.store.as_ref(), new_application("other", &["c0"])).await.unwrap();
    house.step().await.unwrap();
    assert!(!house.news(head.sequence).await.changes.is_empty());
    house.check().await;
}
