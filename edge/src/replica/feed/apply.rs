//! Takes in what a carrier brought: verified, in order, once.
//!
//! Order of applying a change: denials in memory, replica commit, caches, and only then the position moves, which is
//! what an acknowledgement tells. Whatever cannot be verified or read is refused, and what was there stays in force.
//!
//! Several followers share this. Denials each of them takes at any time: they only add to a set in memory, and adding
//! one twice is adding it once. Changes and snapshots take turns. A change is judged by the position *inside* its turn:
//! one that the other carrier has brought by then is behind it and changes nothing. So no record ever goes back, in
//! whichever order two carriers bring what the control plane wrote in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use common::bus::{Feed, LogId};
use common::wire::seal::{self, Kind};
use common::wire::v1::{Batch, Denials, Head};
use common::wire::{Position, Unreadable};
use ed25519_dalek::VerifyingKey;
use tokio::sync::Mutex;

use super::{Broken, Memory, Observer};
use crate::replica::SharedReplica;
use crate::replica::rebuild::rebuild;

/// What something was that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The head of a snapshot.
    Head,
    /// A change.
    Change,
    /// A denial.
    Denials,
    /// The buckets of a snapshot.
    Snapshot,
}

/// How often something was refused, by what it was. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<[AtomicU64; 4]>);

impl Refusals {
    pub(super) fn note(&self, refused: Refused, count: u64) {
        self.0[refused as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// All kinds, as metrics name them.
    pub const KINDS: [(Refused, &'static str); 4] = [
        (Refused::Head, "head"),
        (Refused::Change, "change"),
        (Refused::Denials, "denials"),
        (Refused::Snapshot, "snapshot"),
    ];

    /// The count of one kind.
    pub fn count(&self, refused: Refused) -> u64 {
        self.0[refused as usize].load(Ordering::Relaxed)
    }
}

/// What was refused of one reading.
#[derive(Default)]
struct Turned {
    first: Option<(Unreadable, LogId)>,
    count: u64,
}

impl Turned {
    fn note(&mut self, error: Unreadable, id: LogId) {
        self.count += 1;
        self.first.get_or_insert((error, id));
    }
}

/// Whether changes could be applied now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    Taken,
    /// A snapshot is being read: they come again.
    Busy,
}

/// What all followers of an edge apply with.
pub struct Applier {
    pub(super) replica: SharedReplica,
    /// Who may speak for the control plane.
    pub(super) keys: Vec<VerifyingKey>,
    /// Who keeps decoded copies.
    observer: Arc<dyn Observer>,
    /// What was refused.
    pub(super) refused: Refusals,
    turn: Mutex<()>,
}

impl Applier {
    /// To a replica, for an observer, by the keys of who may speak for the control plane; counts what it refuses.
    pub fn new(
        replica: SharedReplica,
        keys: Vec<VerifyingKey>,
        observer: Arc<dyn Observer>,
        refused: Refusals,
    ) -> Self {
        Self { replica, keys, observer, refused, turn: Mutex::default() }
    }

    /// Takes rights away at once.
    pub(super) fn deny(&self, memory: &mut Memory, entries: Vec<(LogId, Bytes)>) {
        let mut refused = Turned::default();
        for (id, sealed) in entries {
            let read = seal::open(Kind::Denials, &sealed, &self.keys).and_then(|payload| {
                let denials = Denials::decode(&payload)?;
                let place = LogId { sequence: denials.sequence, part: 0 };
                vouch((place, denials.epoch), (id, memory.cursor.epoch)).map(|()| denials)
            });
            if read.is_ok() || memory.is_past(id) {
                memory.cursor.denials = id;
            }
            match read {
                Ok(denials) => self.observer.denied(&self.replica.deny(&denials)),
                Err(error) => refused.note(error, id),
            }
        }
        self.refuse(Refused::Denials, &refused);
    }

    /// Applies changes, in the order of their ids.
    pub(super) fn take(&self, memory: &mut Memory, entries: Vec<(LogId, Bytes)>) -> Result<Turn, Broken> {
        let Ok(_turn) = self.turn.try_lock() else { return Ok(Turn::Busy) };
        let mut refused = Turned::default();
        for (id, sealed) in entries {
            let read = seal::open(Kind::Batch, &sealed, &self.keys).and_then(|payload| {
                let batch = Batch::decode(&payload)?;
                let place = LogId { sequence: batch.sequence, part: batch.part.into() };
                vouch((place, batch.epoch), (id, memory.cursor.epoch)).map(|()| batch)
            });
            if read.is_ok() || memory.is_past(id) {
                memory.cursor.changes = id;
            }
            match read {
                Ok(batch) => self.take_batch(memory, batch)?,
                // Skipped: what follows does not lead on from here, and the gap leads to the snapshot.
                Err(error) => refused.note(error, id),
            }
        }
        self.refuse(Refused::Change, &refused);
        self.replica.keep_denials()?;
        Ok(Turn::Taken)
    }

    /// Counts what was refused of one reading; one line of the log, however much it was.
    fn refuse(&self, what: Refused, refused: &Turned) {
        let Some((error, id)) = &refused.first else { return };
        self.refused.note(what, refused.count);
        let count = refused.count;
        tracing::error!(%error, %id, count, ?what, "refused: it is not from our control plane");
    }

    /// Collects the parts of a change and applies them together.
    fn take_batch(&self, memory: &mut Memory, batch: Batch) -> Result<(), Broken> {
        let mine = self.replica.position();
        if batch.epoch != mine.epoch || batch.sequence <= mine.sequence {
            return Ok(());
        }
        if batch.previous > mine.sequence {
            memory.gap = true;
            return Ok(());
        }
        let fits = memory
            .parts
            .first()
            .is_some_and(|first| first.sequence == batch.sequence && first.parts == batch.parts);
        if !fits {
            memory.parts.clear();
        }
        if usize::try_from(batch.part).is_ok_and(|part| part == memory.parts.len()) {
            memory.parts.push(batch);
        }
        if memory.parts.last().is_none_or(|last| last.part + 1 < last.parts) {
            return Ok(());
        }
        self.apply(&std::mem::take(&mut memory.parts))?;
        // The log is in order: what was missing lies before this change, and so within it.
        memory.gap = false;
        Ok(())
    }

    fn apply(&self, parts: &[Batch]) -> Result<(), Broken> {
        let Some(last) = parts.last() else { return Ok(()) };
        let position = Position { epoch: last.epoch, sequence: last.sequence };
        let changed = self.replica.apply(parts)?;
        self.observer.changed(&changed);
        // Denials end only now: until the caches hold the new truth, they are what denies.
        self.replica.lift(parts);
        self.replica.advance(position);
        Ok(())
    }

    /// Replaces the whole replica by a snapshot, unless another carrier has brought as much meanwhile.
    pub(super) async fn rebuild(&self, feed: &dyn Feed, head: &Head) -> Result<(), Broken> {
        let _turn = self.turn.lock().await;
        let mine = self.replica.position();
        let is_sound = mine.epoch != 0 && !self.replica.is_damaged();
        if is_sound && mine >= head.position() {
            return Ok(());
        }
        self.replica.fill();
        if let Err(error) = rebuild(&self.replica, feed, head).await {
            self.refused.note(Refused::Snapshot, 1);
            return Err(error.into());
        }
        self.observer.replaced();
        // As with a change: until the caches hold the new truth, denials are what denies.
        self.replica.lift_all(head.position());
        self.replica.advance(head.position());
        self.replica.note_head(head.issued_at)?;
        tracing::info!(position = %head.position(), records = head.records, "snapshot in force");
        Ok(())
    }
}

/// That an entry is where its own words say, in the history that is followed: one that is genuine elsewhere is here
/// somebody's who replays it.
fn vouch(says: (LogId, u64), is: (LogId, u64)) -> Result<(), Unreadable> {
    if says == is { Ok(()) } else { Err(Unreadable::new("place in the log")) }
}
