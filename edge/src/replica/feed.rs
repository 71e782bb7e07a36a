//! Follows the carriers: the snapshot once, then the log by its dense sequence; a gap means a full read.
//!
//! An edge follows two at the same time: the bus, and the control plane itself. The second confirms the first, every
//! second, and takes over while it is away: whoever holds the bus can neither withhold a revocation nor replay what
//! was before it. Which of them brings a change does not matter; it is applied once (`apply.rs`).

mod apply;
pub mod pace;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::bus::{BusError, Cursor, Feed, LogId, News};
use common::wire::address::Address;
use common::wire::seal::{self, Kind};
use common::wire::v1::{Batch, Head};
use common::wire::{Position, Unreadable};
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::rebuild::RebuildError;
use super::{Changed, ReplicaFault};
use apply::Turn;
pub use apply::{Applier, Refusals, Refused};
use pace::Pace;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a follower whose turn it is not waits before it looks again.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

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
    #[error("what lies there is not from our control plane")]
    Foreign,
    #[error(
        "what lies there is signed by no key of snapshot_key (`tidegate-control-plane keys public` prints it)"
    )]
    ForeignHead,
}

impl From<Unreadable> for Broken {
    fn from(error: Unreadable) -> Self {
        Self::Bus(error.into())
    }
}

/// One edge's follower of one carrier.
pub struct Follower {
    /// What takes in what it reads.
    pub applier: Arc<Applier>,
    /// Where the news come from.
    pub feed: Arc<dyn Feed>,
    /// How often it asks.
    pub pace: Pace,
}

/// What a follower remembers between two looks at its carrier.
struct Memory {
    cursor: Cursor,
    /// Parts of a change that has not arrived whole.
    parts: Vec<Batch>,
    /// A change before what came last is missing: only a newer snapshot leads on, or a change that covers it.
    gap: bool,
    /// The last write that the control plane is known to have told.
    announced: u64,
}

impl Memory {
    fn at(position: Position) -> Self {
        let end = LogId::end_of(position.sequence);
        Self {
            cursor: Cursor { epoch: position.epoch, changes: end, denials: end },
            parts: Vec::new(),
            gap: false,
            announced: position.sequence,
        }
    }

    /// Whether nothing is to come before this place any more: then the cursor may pass an entry that was refused. One
    /// that somebody laid under a huge id must not lead it past those that are to come.
    fn is_past(&self, id: LogId) -> bool {
        id.sequence <= self.announced
    }

    /// Passes over what another carrier has brought meanwhile.
    fn pass(&mut self, position: Position) {
        if self.cursor.epoch != position.epoch {
            *self = Self::at(position);
        }
        let end = LogId::end_of(position.sequence);
        self.cursor.changes = self.cursor.changes.max(end);
        self.cursor.denials = self.cursor.denials.max(end);
    }
}

impl Follower {
    /// Follows until `stop`. A carrier that is away is asked again, ever more slowly; nothing that is in force is
    /// touched.
    pub async fn run(mut self, stop: CancellationToken) {
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
            self.pace.tell(false, true);
            if matches!(round, Err(Broken::Replica(_) | Broken::Rebuild(_) | Broken::Panicked)) {
                self.only_deny().await;
            }
            let name = self.pace.carrier();
            match round {
                // By redb, where it does not expect what it finds.
                Err(Broken::Panicked) => self.applier.replica.is_damaged.store(true, Ordering::Release),
                // A control plane that starts beside this edge will publish in a moment.
                Err(Broken::NoHead) => tracing::debug!(name, "nothing has been published yet"),
                Err(error) if !away => {
                    away = true;
                    let position = self.position();
                    tracing::warn!(name, %error, %position, "not following this carrier");
                }
                Err(_) | Ok(()) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered(pause, self.position().sequence)) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes denials alone, which need no more than memory: a record that this edge breaks on, or a disk that is full,
    /// must not keep it from hearing what is withdrawn.
    async fn only_deny(&self) {
        let mut memory = Memory::at(self.position());
        if let Ok(news) = self.feed.news(memory.cursor, Duration::ZERO).await {
            self.applier.deny(&mut memory, news.denials);
        }
    }

    fn position(&self) -> Position {
        self.applier.replica.position()
    }

    /// Looks at the head, then follows the log, until something breaks.
    async fn follow(&mut self, pause: &mut Duration, away: &mut bool) -> Result<(), Broken> {
        let mut memory = Memory::at(self.position());
        loop {
            let head = self.readable_head().await?;
            let is_new = match &head {
                Some(head) => self.look(head, &mut memory).await?,
                None => false,
            };
            memory.pass(self.position());
            // Nobody is served before the log behind a first snapshot was read: what lies there lies there now.
            let wait = if is_new { Duration::ZERO } else { self.pace.wait() };
            let news = self.feed.news(memory.cursor, wait).await?;
            let quiet = news.is_empty();
            let turn = self.take(&mut memory, news).await?;
            let behind = head.as_ref().is_some_and(|head| self.position() < head.position());
            if memory.gap || (behind && quiet) {
                self.catch_up(&mut memory).await?;
            }
            // Only a whole round counts: a snapshot that cannot be read is asked for ever more slowly.
            *pause = FIRST_PAUSE;
            let knows_all =
                turn == Turn::Taken && head.is_none_or(|head| self.position() >= announced(&head));
            if knows_all {
                self.applier.replica.filled();
            }
            self.pace.tell(true, knows_all);
            if std::mem::take(away) {
                tracing::info!(name = self.pace.carrier(), position = %self.position(), "following again");
            }
            self.pace.rest(self.position().sequence).await;
        }
    }

    /// Takes the head for what it says: a new history begins with its snapshot, and a replica that has kept up with it
    /// is as fresh as it is. Gives whether the snapshot was taken.
    async fn look(&self, head: &Head, memory: &mut Memory) -> Result<bool, Broken> {
        let mine = self.position();
        // Of a damaged file only what is not behind takes the place: what was in force stays in force.
        let mends = self.applier.replica.is_damaged() && head.position() >= mine;
        let is_due = mine.epoch < head.epoch || mine.epoch == 0 || mends;
        if is_due {
            self.applier.rebuild(self.feed.as_ref(), head).await?;
            *memory = Memory::at(self.position());
        }
        let mine = self.position();
        if mine.epoch == head.epoch {
            memory.announced = memory.announced.max(head.announced);
        }
        if mine.epoch == head.epoch && mine >= head.position() {
            // Only then: a head that this replica does not keep up with does not make it any fresher.
            self.applier.replica.note_head(head.issued_at)?;
        }
        Ok(is_due)
    }

    /// The log does not lead on from here: the snapshot does, once it is newer than what is here. Until then the log is
    /// followed from where it was read to, for its denials and for a change that covers the gap.
    async fn catch_up(&self, memory: &mut Memory) -> Result<(), Broken> {
        let head = self.head().await?;
        if head.position() > self.position() {
            // However long the snapshot takes: what was withdrawn meanwhile is not.
            self.drain_denials(memory).await?;
            tracing::info!(from = %self.position(), to = %head.position(), "the log has a gap: reading the snapshot");
            self.applier.rebuild(self.feed.as_ref(), &head).await?;
            *memory = Memory::at(self.position());
        }
        Ok(())
    }

    /// Takes all denials that there are.
    async fn drain_denials(&self, memory: &mut Memory) -> Result<(), Broken> {
        let mut past_changes = memory.cursor;
        past_changes.changes = LogId::end_of(u64::MAX);
        loop {
            past_changes.denials = memory.cursor.denials;
            let denials = self.feed.news(past_changes, Duration::ZERO).await?.denials;
            if denials.is_empty() {
                return Ok(());
            }
            self.applier.deny(memory, denials);
            if memory.cursor.denials == past_changes.denials {
                return Err(Broken::Foreign);
            }
        }
    }

    /// The head, or none when what lies there is nobody's of ours: an edge that has a replica goes on with the log then,
    /// for denials above all.
    async fn readable_head(&self) -> Result<Option<Head>, Broken> {
        match self.head().await {
            Err(Broken::Bus(BusError::Unreadable(error))) => {
                self.applier.refused.note(Refused::Head, 1);
                tracing::debug!(%error, "the head is not ours");
                if self.position().epoch == 0 { Err(Broken::ForeignHead) } else { Ok(None) }
            }
            head => head.map(Some),
        }
    }

    async fn head(&self) -> Result<Head, Broken> {
        let sealed = self.feed.head().await?.ok_or(Broken::NoHead)?;
        Ok(Head::decode(&seal::open(Kind::Head, &sealed, &self.applier.keys)?)?)
    }

    /// Applies news: denials at once, changes when it is this follower's turn.
    async fn take(&self, memory: &mut Memory, news: News) -> Result<Turn, Broken> {
        let came = !news.is_empty();
        let before = memory.cursor;
        self.applier.deny(memory, news.denials);
        if self.applier.take(memory, news.changes)? == Turn::Busy {
            // Another carrier's snapshot is being read, which can take minutes: meanwhile denials are what counts.
            tokio::time::sleep(BUSY_PAUSE).await;
            return Ok(Turn::Busy);
        }
        // What cannot be ours leads nowhere: asked for again at once, it would come again at once.
        if came && memory.cursor == before { Err(Broken::Foreign) } else { Ok(Turn::Taken) }
    }
}

/// Where the log that leads on from a snapshot ended when its head was signed.
fn announced(head: &Head) -> Position {
    Position { epoch: head.epoch, sequence: head.announced.max(head.sequence) }
}

/// Between half of `pause` and all of it, so that a fleet does not come back in step. `seed` differs from edge to edge
/// and from time to time; it need not be random.
pub(crate) fn jittered(pause: Duration, seed: u64) -> Duration {
    let spread = u64::from(std::process::id()).wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
    pause / 2 + pause.mul_f64(f64::from(u32::try_from(spread).unwrap_or(0)) / 2048.0)
}
