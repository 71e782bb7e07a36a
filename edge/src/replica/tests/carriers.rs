//! Two carriers beside each other: the bus, and the control plane itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::{BusError, Cursor, Feed, News, Outlet as _, Trim};
use common::digest::Digest;
use common::wire::seal::{Kind, seal};
use common::wire::v1::Batch;
use common::wire::{Position, address::Address};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::followed::Desk;
use super::world::{entry, gone, key, key_at};
use crate::replica::feed::pace::Pace;
use crate::replica::feed::{Applier, Follower, Observer, Refusals, Refused};
use crate::replica::{Changed, Replica, SharedReplica};

const PATIENCE: Duration = Duration::from_secs(20);

/// Denials that a carrier tells at once.
const MOST_DENIALS: usize = 2;

struct Nobody;

impl Observer for Nobody {
    fn changed(&self, _: &Changed) {}

    fn replaced(&self) {}
}

/// A carrier that breaks, and one whose buckets take their time.
#[derive(Clone)]
struct Carrier {
    bus: LocalBus,
    works: Arc<watch::Sender<bool>>,
    /// How often buckets were asked for, and whether they are handed over.
    buckets: Arc<watch::Sender<(u64, bool)>>,
}

impl Carrier {
    fn of(bus: &LocalBus) -> Self {
        let (works, buckets) = (watch::channel(true).0, watch::channel((0, true)).0);
        Self { bus: bus.clone(), works: Arc::new(works), buckets: Arc::new(buckets) }
    }

    fn hold_buckets(&self, hold: bool) {
        self.buckets.send_modify(|(_, hands_over)| *hands_over = !hold);
    }

    fn check(&self) -> Result<(), BusError> {
        if *self.works.borrow() { Ok(()) } else { Err(BusError::Away("unplugged".to_owned())) }
    }
}

#[async_trait]
impl Feed for Carrier {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        self.check()?;
        Feed::head(&self.bus).await
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        self.buckets.send_modify(|(asked, _)| *asked += 1);
        let _ = self.buckets.subscribe().wait_for(|(_, hands_over)| *hands_over).await;
        self.bus.buckets(names).await
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        self.check()?;
        let mut works = self.works.subscribe();
        tokio::select! {
            news = self.bus.news(cursor, wait) => news.map(|mut news| {
                // As every carrier, it tells only so much at once.
                news.denials.truncate(MOST_DENIALS);
                news
            }),
            _ = works.wait_for(|works| !works) => Err(BusError::Away("unplugged".to_owned())),
        }
    }
}

/// Breaks on everything that holds one record, until that is mended.
#[derive(Default)]
struct Fragile {
    sees: AtomicBool,
    is_mended: AtomicBool,
    /// How often it broke.
    broke: AtomicU64,
}

const LETHAL: &str = "key_lethal";

impl Fragile {
    fn look(&self) {
        let breaks = self.sees.load(Ordering::SeqCst) && !self.is_mended.load(Ordering::SeqCst);
        self.broke.fetch_add(u64::from(breaks), Ordering::SeqCst);
        assert!(!breaks, "this record is too much for this edge");
    }
}

impl Observer for Fragile {
    fn changed(&self, changed: &Changed) {
        self.sees.fetch_or(changed.addresses.contains(&key_at(LETHAL)), Ordering::SeqCst);
        self.look();
    }

    fn replaced(&self) {
        self.look();
    }
}

struct Edge {
    replica: SharedReplica,
    refusals: Refusals,
    _directory: TempDir,
    _stop: DropGuard,
}

impl Edge {
    fn follow(bus: &Carrier, desk: &Carrier) -> Self {
        Self::observed(bus, desk, Arc::new(Nobody))
    }

    fn observed(bus: &Carrier, desk: &Carrier, observer: Arc<dyn Observer>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let replica = Arc::new(Replica::open(directory.path()).unwrap());
        let keys = vec![Desk::new().key.verifying_key()];
        let refusals = Refusals::default();
        let applier = Arc::new(Applier::new(replica.clone(), keys, observer, refusals.clone()));
        let (of_bus, of_desk, _) = Pace::pair();
        let stop = CancellationToken::new();
        for (carrier, pace) in [(bus, of_bus), (desk, of_desk)] {
            let follower = Follower { applier: applier.clone(), feed: Arc::new(carrier.clone()), pace };
            tokio::spawn(follower.run(stop.clone()));
        }
        Self { replica, refusals, _directory: directory, _stop: stop.drop_guard() }
    }

    async fn reaches(&self, epoch: u64, sequence: u64) {
        let wanted = Position { epoch, sequence };
        let mut position = self.replica.watch();
        let reached = tokio::time::timeout(PATIENCE, position.wait_for(|mine| *mine >= wanted)).await;
        assert!(reached.is_ok(), "stands at {}, not at {wanted}", self.replica.position());
    }

    fn has(&self, address: &Address) -> bool {
        self.replica.record(address).unwrap().is_some()
    }

    async fn denies(&self, address: &Address) {
        until(|| self.replica.is_denied(address)).await;
    }
}

async fn until(is: impl Fn() -> bool) {
    let waiting = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok());
}

/// Two carriers of one control plane.
fn both() -> ((Desk, Carrier), (Desk, Carrier)) {
    let (first, second) = (Desk::new(), Desk::new());
    let carriers = (Carrier::of(&first.bus), Carrier::of(&second.bus));
    ((first, carriers.0), (second, carriers.1))
}

#[tokio::test]
async fn what_the_bus_withholds_the_control_plane_brings() {
    let ((bus, of_bus), (desk, of_desk)) = both();
    for carrier in [&bus, &desk] {
        carrier.snapshot(1, &[key("key_1", 1)]).await;
    }
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 1).await;
    desk.deny(2, &["key:key_1".to_owned()]).await;
    desk.change(1, 2, &[gone(key_at("key_1"))]).await;
    edge.reaches(1, 2).await;
    assert!(!edge.has(&key_at("key_1")));
    // What lies on the bus still is what was before: it brings nothing back.
    bus.snapshot(1, &[key("key_1", 1)]).await;
    bus.change(0, 1, &[key("key_1", 1)]).await;
    desk.change(2, 3, &[key("key_3", 3)]).await;
    edge.reaches(1, 3).await;
    assert!(!edge.has(&key_at("key_1")) && edge.has(&key_at("key_3")));
}

#[tokio::test]
async fn an_edge_goes_on_with_either_carrier_while_the_other_is_away() {
    let ((bus, of_bus), (desk, of_desk)) = both();
    for carrier in [&bus, &desk] {
        carrier.snapshot(1, &[]).await;
    }
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 1).await;
    of_bus.works.send_replace(false);
    desk.change(1, 2, &[key("key_2", 2)]).await;
    edge.reaches(1, 2).await;
    of_desk.works.send_replace(false);
    of_bus.works.send_replace(true);
    // The bus never carried 2: what comes now says it again, as a publisher does that was cut off.
    bus.change(1, 3, &[key("key_2", 2), key("key_3", 3)]).await;
    edge.reaches(1, 3).await;
    assert!(edge.has(&key_at("key_2")) && edge.has(&key_at("key_3")));
}

#[tokio::test]
async fn denials_act_while_the_snapshot_of_the_other_carrier_is_read() {
    let ((bus, of_bus), (desk, of_desk)) = both();
    for carrier in [&bus, &desk] {
        carrier.snapshot(1, &[key("key_1", 1)]).await;
    }
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 1).await;
    of_bus.hold_buckets(true);
    let before = of_bus.buckets.borrow().0;
    // A gap: only the snapshot leads on, and its bucket does not come.
    bus.snapshot(5, &[key("key_5", 5)]).await;
    bus.change(5, 6, &[key("key_6", 6)]).await;
    of_bus.buckets.subscribe().wait_for(|(asked, _)| *asked > before).await.unwrap();
    desk.deny(7, &["key:key_1".to_owned()]).await;
    edge.denies(&key_at("key_1")).await;
    of_bus.hold_buckets(false);
    edge.reaches(1, 5).await;
    assert!(edge.replica.is_denied(&key_at("key_1")), "the snapshot is of before the denial");
}

#[tokio::test]
async fn an_entry_under_another_id_than_its_own_leads_past_nothing() {
    let ((bus, of_bus), (_desk, of_desk)) = both();
    of_desk.works.send_replace(false);
    bus.snapshot(1, &[]).await;
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 1).await;
    // Genuine words, laid by somebody under an id that keeps out all later ones.
    let batch = Batch {
        epoch: 1,
        previous: 1,
        sequence: 2,
        part: 0,
        parts: 1,
        entries: vec![entry(2, &key("key_2", 2))],
    };
    bus.append((900, 0), seal(Kind::Batch, &batch.encode().unwrap(), &bus.key)).await;
    // It was read, and led nowhere.
    until(|| edge.refusals.count(Refused::Change) > 0).await;
    assert_eq!(edge.replica.position().sequence, 1);
    // The publisher clears it away and goes on.
    bus.bus.discard(1).await.unwrap();
    bus.snapshot(1, &[]).await;
    bus.change(1, 3, &[key("key_3", 3)]).await;
    edge.reaches(1, 3).await;
    assert!(edge.has(&key_at("key_3")));
}

#[tokio::test]
async fn the_first_snapshot_is_served_with_the_log_that_leads_on_from_it_and_not_before() {
    let ((bus, of_bus), (_desk, of_desk)) = both();
    of_desk.works.send_replace(false);
    // As a publisher leaves it between two snapshots: a key that was withdrawn since is still in this one.
    let (mut head, packed) = bus.packed(1, &[key("key_1", 1)]);
    head.announced = 3;
    bus.bus.put_bucket(&head.buckets[&0], packed).await.unwrap();
    bus.put_head(&head).await;
    bus.change(1, 2, &[key("key_2", 2)]).await;
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 2).await;
    assert!(!edge.replica.is_usable(), "the log has not come to where the head says that it ends");
    bus.change(2, 3, &[gone(key_at("key_1"))]).await;
    edge.reaches(1, 3).await;
    let usable = async {
        while !edge.replica.is_usable() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, usable).await.unwrap();
    assert!(!edge.has(&key_at("key_1")) && edge.has(&key_at("key_2")));
}

#[tokio::test]
async fn a_record_that_an_edge_breaks_on_leaves_it_what_it_had_and_every_denial() {
    let ((bus, of_bus), (desk, of_desk)) = both();
    let fragile = Arc::new(Fragile::default());
    for carrier in [&bus, &desk] {
        carrier.snapshot(1, &[key("key_1", 1), key("key_2", 2)]).await;
    }
    let edge = Edge::observed(&of_bus, &of_desk, fragile.clone());
    edge.reaches(1, 1).await;
    until(|| edge.replica.is_usable()).await;
    for carrier in [&bus, &desk] {
        carrier.change(1, 2, &[key(LETHAL, 3)]).await;
        // A snapshot that holds it is no way out either.
        carrier.snapshot(2, &[key("key_1", 1), key("key_2", 2), key(LETHAL, 3)]).await;
    }
    until(|| edge.replica.is_damaged()).await;
    for carrier in [&bus, &desk] {
        carrier.deny(3, &["key:key_1".to_owned()]).await;
    }
    let before = fragile.broke.load(Ordering::SeqCst);
    edge.denies(&key_at("key_1")).await;
    // With the next round of either carrier, not when chance has it.
    assert!(fragile.broke.load(Ordering::SeqCst) <= before + 3);
    assert_eq!(edge.replica.position(), Position { epoch: 1, sequence: 1 });
    assert!(edge.replica.is_usable());
    assert!(edge.has(&key_at("key_2")));
    // An edge that can take it catches up.
    fragile.is_mended.store(true, Ordering::SeqCst);
    for carrier in [&bus, &desk] {
        carrier.change(2, 3, &[gone(key_at("key_1"))]).await;
    }
    edge.reaches(1, 3).await;
    assert!(edge.has(&key_at(LETHAL)) && !edge.has(&key_at("key_1")));
}

#[tokio::test]
async fn what_was_withdrawn_while_an_edge_was_away_is_denied_before_the_snapshot_has_come() {
    let ((bus, of_bus), (desk, of_desk)) = both();
    for carrier in [&bus, &desk] {
        carrier.snapshot(1, &[key("key_1", 1), key("key_2", 2)]).await;
    }
    let edge = Edge::follow(&of_bus, &of_desk);
    edge.reaches(1, 1).await;
    for carrier in [&of_bus, &of_desk] {
        carrier.works.send_replace(false);
        carrier.hold_buckets(true);
    }
    for carrier in [&bus, &desk] {
        for sequence in 2..=6 {
            let last = if sequence == 6 { "key:key_1" } else { "key:key_other" };
            carrier.deny(sequence, &[last.to_owned()]).await;
        }
        carrier.change(1, 6, &[gone(key_at("key_1"))]).await;
        // The changes that led there are gone by now, what was denied is not.
        carrier.bus.trim(1, Trim { changes: 6, denials: 0 }).await.unwrap();
        carrier.change(6, 9, &[key("key_9", 9)]).await;
        carrier.snapshot(9, &[key("key_2", 2), key("key_9", 9)]).await;
    }
    // One alone: while it reads the snapshot, the other would bring denials.
    of_bus.works.send_replace(true);
    edge.denies(&key_at("key_1")).await;
    assert_eq!(edge.replica.position(), Position { epoch: 1, sequence: 1 });
    for carrier in [&of_bus, &of_desk] {
        carrier.hold_buckets(false);
    }
    edge.reaches(1, 9).await;
    assert!(!edge.has(&key_at("key_1")) && edge.has(&key_at("key_9")));
}
