//! Follows the bus: the snapshot once, then the log by its dense sequence; a gap means a full read.
//!
//! Order of applying a change: denials in memory, replica commit, caches, and only then the position moves, which is
//! what an acknowledgement tells. Whatever cannot be verified or read is refused, and what was there stays in force.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use common::bus::{BusError, Cursor, Feed, LogId, News};
use common::wire::address::Address;
use common::wire::seal::{self, Kind};
use common::wire::v1::{Batch, Denials, Head};
use common::wire::{Position, Unreadable};
use ed25519_dalek::VerifyingKey;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::rebuild::{RebuildError, rebuild};
use super::{Changed, ReplicaFault, SharedReplica};

/// How long one wait for news lasts; between two of them the head is looked at.
const WAIT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Told of every change after it is committed and before it counts as applied: what keeps decoded copies.
pub trait Observer: Send + Sync + 'static {
    /// These were denied: in force already, before anything is written.
    fn denied(&self, _addresses: &[Address]) {}

    /// These records and keys changed.
    fn changed(&self, changed: &Changed);

    /// Everything may have changed.
    fn replaced(&self);
}

/// Why a round of following ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Replica(#[from] ReplicaFault),
    #[error("rebuild: {0}")]
    Rebuild(#[from] RebuildError),
    #[error("nothing has been published yet")]
    NoHead,
    #[error("a panic while following")]
    Panicked,
}

impl From<Unreadable> for Broken {
    fn from(error: Unreadable) -> Self {
        Self::Bus(error.into())
    }
}

/// One edge's follower.
pub struct Follower {
    /// What is kept up to date.
    pub replica: SharedReplica,
    /// Where the news come from.
    pub feed: Arc<dyn Feed>,
    /// Who may speak for the control plane.
    pub keys: Vec<VerifyingKey>,
    /// Who keeps decoded copies.
    pub observer: Arc<dyn Observer>,
}

/// What a follower remembers between two looks at the bus.
struct Memory {
    cursor: Cursor,
    /// Parts of a change that has not arrived whole.
    parts: Vec<Batch>,
    /// A change before what came last is missing: only a newer snapshot leads on, or a change that covers it.
    gap: bool,
}

impl Memory {
    fn at(position: Position) -> Self {
        let end = LogId::end_of(position.sequence);
        Self {
            cursor: Cursor { epoch: position.epoch, changes: end, denials: end },
            parts: Vec::new(),
            gap: false,
        }
    }
}

impl Follower {
    /// Follows until `stop`. A bus that is away is asked again, ever more slowly; nothing that is in force is touched.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        let mut away = false;
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => return,
                // A panic, in redb on a damaged page for one, must not end the following and leave an edge that serves
                // on without hearing of revocations.
                round = AssertUnwindSafe(self.follow(&mut pause, &mut away)).catch_unwind() => {
                    round.unwrap_or(Err(Broken::Panicked))
                }
            };
            match round {
                // A control plane that starts beside this edge will publish in a moment.
                Err(Broken::NoHead) => tracing::debug!("nothing has been published yet"),
                Err(error) if !away => {
                    away = true;
                    let position = self.replica.position();
                    tracing::warn!(%error, %position, "not following: serving from the replica");
                }
                Err(_) | Ok(()) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered(pause, self.replica.position().sequence)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Looks at the head, then follows the log, until something breaks.
    async fn follow(&self, pause: &mut Duration, away: &mut bool) -> Result<(), Broken> {
        let mut memory = Memory::at(self.replica.position());
        loop {
            let head = self.readable_head().await?;
            if let Some(head) = &head {
                let mine = self.replica.position();
                if mine.epoch < head.epoch || mine.epoch == 0 {
                    self.rebuild(head).await?;
                    memory = Memory::at(head.position());
                }
                let mine = self.replica.position();
                if mine.epoch == head.epoch && mine >= head.position() {
                    // Only then: a head that this replica does not keep up with does not make it any fresher.
                    self.replica.note_head(head.issued_at)?;
                }
            }
            let news = self.feed.news(memory.cursor, WAIT).await?;
            let quiet = news.is_empty();
            self.take(&mut memory, news)?;
            let behind = head.is_some_and(|head| self.replica.position() < head.position());
            if memory.gap || (behind && quiet) {
                self.catch_up(&mut memory).await?;
            }
            // Only a whole round counts: a snapshot that cannot be read is asked for ever more slowly.
            *pause = FIRST_PAUSE;
            if std::mem::take(away) {
                tracing::info!(position = %self.replica.position(), "following again");
            }
        }
    }

    /// The log does not lead on from here: the snapshot does, once it is newer than what is here. Until then the log is
    /// followed from where it was read to, for its denials and for a change that covers the gap.
    async fn catch_up(&self, memory: &mut Memory) -> Result<(), Broken> {
        let head = self.head().await?;
        if head.position() > self.replica.position() {
            tracing::info!(from = %self.replica.position(), to = %head.position(), "the log has a gap: reading the snapshot");
            self.rebuild(&head).await?;
            *memory = Memory::at(self.replica.position());
        }
        Ok(())
    }

    /// The head, or none when what lies there is nobody's of ours: an edge that has a replica goes on with the log then,
    /// for denials above all.
    async fn readable_head(&self) -> Result<Option<Head>, Broken> {
        match self.head().await {
            Err(Broken::Bus(BusError::Unreadable(error))) if self.replica.is_usable() => {
                tracing::debug!(%error, "the head is not ours");
                Ok(None)
            }
            head => head.map(Some),
        }
    }

    async fn head(&self) -> Result<Head, Broken> {
        let sealed = self.feed.head().await?.ok_or(Broken::NoHead)?;
        Ok(Head::decode(&seal::open(Kind::Head, &sealed, &self.keys)?)?)
    }

    async fn rebuild(&self, head: &Head) -> Result<(), Broken> {
        rebuild(&self.replica, self.feed.as_ref(), head).await?;
        self.observer.replaced();
        // As with a change: until the caches hold the new truth, denials are what denies.
        self.replica.lift_all(head.position());
        self.replica.advance(head.position());
        self.replica.note_head(head.issued_at)?;
        tracing::info!(position = %head.position(), records = head.records, "snapshot in force");
        Ok(())
    }

    /// Applies news.
    fn take(&self, memory: &mut Memory, news: News) -> Result<(), Broken> {
        for (id, sealed) in news.denials {
            memory.cursor.denials = id;
            match seal::open(Kind::Denials, &sealed, &self.keys).and_then(|payload| Denials::decode(&payload))
            {
                Ok(denials) if denials.epoch == memory.cursor.epoch => {
                    self.observer.denied(&self.replica.deny(&denials));
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, %id, "denials refused"),
            }
        }
        for (id, sealed) in news.changes {
            memory.cursor.changes = id;
            match seal::open(Kind::Batch, &sealed, &self.keys).and_then(|payload| Batch::decode(&payload)) {
                Ok(batch) => self.take_batch(memory, batch)?,
                // Skipped: what follows does not lead on from here, and the gap leads to the snapshot.
                Err(error) => tracing::error!(%error, %id, "change refused"),
            }
        }
        Ok(self.replica.keep_denials()?)
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
}

/// Between half of `pause` and all of it, so that a fleet does not come back in step. `seed` differs from edge to edge
/// and from time to time; it need not be random.
pub(crate) fn jittered(pause: Duration, seed: u64) -> Duration {
    let spread = u64::from(std::process::id()).wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    pause / 2 + pause.mul_f64(f64::from(u32::try_from(spread).unwrap_or(0)) / 2048.0)
}
