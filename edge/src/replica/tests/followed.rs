//! A control plane that says whatever a test wants, and a replica that follows it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::{BusError, Cursor, Feed, LogId, News, Outlet as _};
use common::digest::Digest;
use common::time::Timestamp;
use common::wire::Position;
use common::wire::address::Address;
use common::wire::seal::{Kind, seal};
use common::wire::v1::{Batch, Denials, Entry, Head, bucket};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::world::{Row, entry};
use crate::replica::feed::pace::Pace;
use crate::replica::feed::{Applier, Follower, Observer, Refusals, Refused};
use crate::replica::{Changed, Replica, SharedReplica};

const PATIENCE: Duration = Duration::from_secs(20);

/// Speaks for the control plane on a bus of its own.
pub(super) struct Desk {
    pub(super) bus: LocalBus,
    pub(super) key: SigningKey,
    pub(super) epoch: u64,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self { bus: LocalBus::new(), key: SigningKey::from_bytes(&[7; 32]), epoch: 1 }
    }

    /// The head of a snapshot of these rows, with its bucket.
    pub(super) fn packed(&self, sequence: u64, rows: &[Row]) -> (Head, Bytes) {
        let entries: Vec<Entry> = rows.iter().map(|row| entry(sequence, row)).collect();
        let (name, packed) = bucket::pack(&entries).unwrap();
        let head = Head {
            epoch: self.epoch,
            sequence,
            announced: sequence,
            issued_at: Timestamp::from_millis(i64::try_from(sequence).unwrap() * 60_000),
            records: entries.len() as u64,
            buckets: [(0, name)].into(),
        };
        (head, packed)
    }

    pub(super) async fn put_head(&self, head: &Head) {
        let sealed = seal(Kind::Head, &head.encode().unwrap(), &self.key);
        self.bus.put_head(head.position(), sealed).await.unwrap();
    }

    pub(super) async fn snapshot(&self, sequence: u64, rows: &[Row]) {
        let (head, packed) = self.packed(sequence, rows);
        self.bus.put_bucket(&head.buckets[&0], packed).await.unwrap();
        self.put_head(&head).await;
    }

    /// One change in one part.
    pub(super) async fn change(&self, previous: u64, sequence: u64, rows: &[Row]) {
        self.part((previous, sequence), (0, 1), rows).await;
    }

    pub(super) async fn part(
        &self,
        (previous, sequence): (u64, u64),
        (part, parts): (u32, u32),
        rows: &[Row],
    ) {
        let entries = rows.iter().map(|row| entry(sequence, row)).collect();
        self.batch(Batch { epoch: self.epoch, previous, sequence, part, parts, entries }).await;
    }

    pub(super) async fn batch(&self, batch: Batch) {
        let sealed = seal(Kind::Batch, &batch.encode().unwrap(), &self.key);
        self.append((batch.sequence, batch.part), sealed).await;
    }

    /// Whatever bytes, where a change belongs.
    pub(super) async fn append(&self, (sequence, part): (u64, u32), sealed: Bytes) {
        let id = LogId { sequence, part: part.into() };
        self.bus.append_change(self.epoch, id, sealed).await.unwrap();
    }

    pub(super) async fn deny(&self, sequence: u64, addresses: &[String]) {
        let denials = Denials { epoch: self.epoch, sequence, addresses: addresses.to_vec() };
        let sealed = seal(Kind::Denials, &denials.encode().unwrap(), &self.key);
        self.bus.append_denials(self.epoch, LogId { sequence, part: 0 }, sealed).await.unwrap();
    }
}

/// The bus as one edge reads it; remembers what it was asked.
#[derive(Clone)]
struct Tap {
    bus: LocalBus,
    heads: Arc<watch::Sender<u64>>,
    asked: Arc<watch::Sender<Option<Cursor>>>,
}

#[async_trait]
impl Feed for Tap {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        self.heads.send_modify(|count| *count += 1);
        // A follower that spins must let the test see that it does.
        tokio::task::yield_now().await;
        Feed::head(&self.bus).await
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        self.bus.buckets(names).await
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        self.asked.send_replace(Some(cursor));
        self.bus.news(cursor, wait).await
    }
}

/// What an observer was told, and what was true at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// `None` when everything was replaced.
    pub(super) changed: Option<Changed>,
    pub(super) position: Position,
    /// Which of the watched addresses were denied.
    pub(super) denied: Vec<Address>,
    /// Which of the watched addresses had a record.
    pub(super) recorded: Vec<Address>,
}

struct Recorder {
    replica: SharedReplica,
    watched: Vec<Address>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Recorder {
    fn note(&self, changed: Option<Changed>) {
        let all = |is: &dyn Fn(&Address) -> bool| self.watched.iter().filter(|a| is(a)).cloned().collect();
        self.told.lock().unwrap().push(Told {
            changed,
            position: self.replica.position(),
            denied: all(&|a| self.replica.is_denied(a)),
            recorded: all(&|a| self.replica.record(a).unwrap().is_some()),
        });
    }
}

impl Observer for Recorder {
    fn changed(&self, changed: &Changed) {
        self.note(Some(changed.clone()));
    }

    fn replaced(&self) {
        self.note(None);
    }
}

/// A replica that follows a desk.
pub(super) struct Edge {
    pub(super) replica: SharedReplica,
    directory: TempDir,
    tap: Tap,
    told: Arc<Mutex<Vec<Told>>>,
    refusals: Refusals,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Edge {
    pub(super) fn follow(desk: &Desk) -> Self {
        Self::follow_in(desk, tempfile::tempdir().unwrap(), &[])
    }

    /// Notes for `watched` addresses what was true when its observer was told.
    pub(super) fn follow_in(desk: &Desk, directory: TempDir, watched: &[Address]) -> Self {
        let replica = Arc::new(Replica::open(directory.path()).unwrap());
        let tap = Tap {
            bus: desk.bus.clone(),
            heads: Arc::new(watch::channel(0).0),
            asked: Arc::new(watch::channel(None).0),
        };
        let (told, stop) = (Arc::default(), CancellationToken::new());
        let recorder =
            Recorder { replica: replica.clone(), watched: watched.to_vec(), told: Arc::clone(&told) };
        let keys = vec![SigningKey::from_bytes(&[7; 32]).verifying_key()];
        let refusals = Refusals::default();
        let applier = Arc::new(Applier::new(replica.clone(), keys, Arc::new(recorder), refusals.clone()));
        let follower = Follower { applier, feed: Arc::new(tap.clone()), pace: Pace::alone() };
        let task = tokio::spawn(follower.run(stop.clone()));
        Self { replica, directory, tap, told, refusals, stop, task }
    }

    /// How often something of a kind was refused.
    pub(super) fn refused(&self, what: Refused) -> u64 {
        self.refusals.count(what)
    }

    pub(super) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Waits until exactly this position is in force.
    pub(super) async fn reaches(&self, epoch: u64, sequence: u64) {
        let wanted = Position { epoch, sequence };
        let mut position = self.replica.watch();
        let reached = tokio::time::timeout(PATIENCE, position.wait_for(|mine| *mine >= wanted)).await;
        assert!(reached.is_ok(), "stands at {}, not at {wanted}", self.replica.position());
        assert_eq!(self.replica.position(), wanted);
    }

    /// Waits until the follower asks for what comes after this place of the changes, having taken all before.
    pub(super) async fn asks_after(&self, sequence: u64, part: u64) {
        let wanted = LogId { sequence, part };
        let mut asked = self.tap.asked.subscribe();
        let there = asked.wait_for(|cursor| cursor.is_some_and(|c| c.changes >= wanted));
        assert!(tokio::time::timeout(PATIENCE, there).await.is_ok(), "never asked after {wanted}");
    }

    /// The same for denials.
    pub(super) async fn asks_after_denial(&self, sequence: u64) {
        let wanted = LogId { sequence, part: 0 };
        let mut asked = self.tap.asked.subscribe();
        let there = asked.wait_for(|cursor| cursor.is_some_and(|c| c.denials == wanted));
        assert!(tokio::time::timeout(PATIENCE, there).await.is_ok(), "never asked after denial {wanted}");
    }

    /// Waits for `count` more looks at the head: whatever lies on the bus was considered by then. Takes a second
    /// each when there is no news.
    pub(super) async fn looks(&self, count: u64) {
        let mut heads = self.tap.heads.subscribe();
        let until = *heads.borrow_and_update() + count;
        assert!(tokio::time::timeout(PATIENCE, heads.wait_for(|n| *n >= until)).await.is_ok());
    }

    pub(super) fn heads_read(&self) -> u64 {
        *self.tap.heads.borrow()
    }

    pub(super) fn has(&self, address: &Address) -> bool {
        self.replica.record(address).unwrap().is_some()
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Ends following and gives the directory back, for another to open.
    pub(super) async fn end(self) -> TempDir {
        self.stop.cancel();
        self.task.await.unwrap();
        self.directory
    }
}
