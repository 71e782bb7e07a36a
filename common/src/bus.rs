//! How records travel from the control plane to the edges: one trait to publish, one to follow, several carriers.
//!
//! What lies on a carrier is a snapshot (a signed head that names buckets by their digest) and a log (signed batches
//! of changes and, apart, denials). A carrier never looks inside: it moves sealed bytes. An edge never asks about a
//! single key; it takes the snapshot once and follows the log.

pub mod arbiter;
pub mod https;
pub mod local;
pub mod redis;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::wire::{Position, Unreadable};
pub use arbiter::Arbitrated;

/// The carrier is away or answers nonsense. What one has stays in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BusError {
    /// It cannot be reached, or did not answer in time.
    #[error("the bus is away: {0}")]
    Away(String),
    /// It answered something that is none of ours.
    #[error("the bus holds something unreadable: {0}")]
    Unreadable(#[from] Unreadable),
}

/// The place of an entry in a log: the sequence it leads to, and its part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogId {
    /// The sequence that the entry leads to.
    pub sequence: u64,
    /// The part, from 0.
    pub part: u64,
}

impl LogId {
    /// The last place that a sequence can have: reading after it begins with the next sequence.
    #[must_use]
    pub fn end_of(sequence: u64) -> Self {
        Self { sequence, part: u64::MAX }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.sequence, self.part)
    }
}

impl Serialize for LogId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

impl FromStr for LogId {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let parsed = text.split_once('-').and_then(|(s, p)| Some((s.parse().ok()?, p.parse().ok()?)));
        parsed.map(|(sequence, part)| Self { sequence, part }).ok_or(Unreadable::new("log id"))
    }
}

/// Where a follower stands in the two logs of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The history that is followed.
    pub epoch: u64,
    /// The last batch that was taken.
    pub changes: LogId,
    /// The last denials that were taken.
    pub denials: LogId,
}

/// What came after a [`Cursor`]: sealed bytes with their places, oldest first.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Sealed [`crate::wire::v1::Batch`]es.
    pub changes: Vec<(LogId, Bytes)>,
    /// Sealed [`crate::wire::v1::Denials`].
    pub denials: Vec<(LogId, Bytes)>,
}

impl News {
    /// True when there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.denials.is_empty()
    }
}

/// Who rebuilds asks for so many buckets at a time.
pub const MOST_BUCKETS: usize = 32;
/// And is told of so many bytes at once, or of a single bucket: what both ends hold in memory and a carrier moves within
/// its patience, however large a system is.
pub const MOST_BUCKET_BYTES: usize = 8 << 20;

/// How many buckets of these sizes are told at once: the first, and those after it with which it is not too much.
fn told_at_once(sizes: impl IntoIterator<Item = usize>) -> usize {
    let mut total = 0usize;
    let fits = |(at, size): &(usize, usize)| {
        total = total.saturating_add(*size);
        *at == 0 || total <= MOST_BUCKET_BYTES
    };
    sizes.into_iter().enumerate().take_while(fits).count()
}

/// What a follower reads. Absence (`None`) means that there is nothing to be had, never that there is nothing to know.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// The sealed [`crate::wire::v1::Head`].
    async fn head(&self) -> Result<Option<Bytes>, BusError>;

    /// The packed bytes of the buckets of these names, in their order. Always of the first; of fewer than were named
    /// where all would be too much at once, so that who wants the others asks again, from there on.
    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError>;

    /// What came after `cursor`; waits up to `wait` for the first of it, and answers empty after that.
    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError>;
}

/// Up to which sequence the logs go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    /// That of changes.
    pub changes: u64,
    /// That of denials.
    pub denials: u64,
}

/// A head as it lies on a carrier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaidHead {
    /// What [`Outlet::put_head`] compares: everything before it is kept out. `None` when that cannot be read.
    pub position: Option<Position>,
    /// The sealed [`crate::wire::v1::Head`]; empty when there is none.
    pub sealed: Bytes,
}

/// What the publisher writes. Everything is safe to repeat.
#[async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// The head that lies there, or whatever lies in its place.
    async fn head(&self) -> Result<Option<LaidHead>, BusError>;

    /// The last place in the log of changes of `epoch`, if it has any.
    async fn last_change(&self, epoch: u64) -> Result<Option<LogId>, BusError>;

    /// The same of denials.
    async fn last_denials(&self, epoch: u64) -> Result<Option<LogId>, BusError>;

    /// Whether all these buckets lie there.
    async fn holds_buckets(&self, names: &[Digest]) -> Result<bool, BusError>;

    /// Drops the head and the logs of `epoch`: somebody else wrote there what keeps ours out. Buckets stay, for their
    /// names vouch for them.
    async fn discard(&self, epoch: u64) -> Result<(), BusError>;

    /// Lays a bucket down under its name.
    async fn put_bucket(&self, name: &Digest, packed: Bytes) -> Result<(), BusError>;

    /// Lays the head down, unless one of a later `position` lies there: two publishers cannot turn time back.
    async fn put_head(&self, position: Position, sealed: Bytes) -> Result<(), BusError>;

    /// Appends a batch. One that is there already, or overtaken by a later one, changes nothing.
    async fn append_change(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError>;

    /// Appends denials, in the same way.
    async fn append_denials(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError>;

    /// Drops what leads to a sequence up to these from the logs, and the logs of older epochs.
    async fn trim(&self, epoch: u64, to: Trim) -> Result<(), BusError>;

    /// Lets buckets that no head names any more go, after the grace that readers of an old head need.
    async fn release_bucket(&self, name: &Digest) -> Result<(), BusError>;
}

/// A place in the queue of reports. Opaque: each carrier has its own; the default is before the first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mark(pub String);

/// What an edge tells the desk: sealed [`crate::wire::v1::event::Report`]s.
#[async_trait]
pub trait Reports: Send + Sync + 'static {
    /// Lays a report into the queue. Sent again after an error it may lie there twice.
    async fn send(&self, sealed: Bytes) -> Result<(), BusError>;
}

/// What the desk reads of it.
#[async_trait]
pub trait Inbox: Send + Sync + 'static {
    /// Reports after `mark`, oldest first, at most `most`; waits up to `wait` for the first.
    async fn receive(&self, mark: &Mark, most: usize, wait: Duration)
    -> Result<Vec<(Mark, Bytes)>, BusError>;

    /// Lets go of everything up to `mark`, which is counted.
    async fn forget(&self, mark: &Mark) -> Result<(), BusError>;
}

/// Where an edge says how far it has come: sealed [`crate::wire::v1::ack::Ack`]s.
#[async_trait]
pub trait Acks: Send + Sync + 'static {
    /// Tells one. Whoever gets an error lets go of it: the next one says more.
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError>;

    /// Tells the last one: nothing comes after it that it could go along with.
    async fn say_goodbye(&self, sealed: Bytes) -> Result<(), BusError> {
        self.acknowledge(sealed).await
    }
}

/// What the desk reads of it. Old ones go by themselves.
#[async_trait]
pub trait AckInbox: Send + Sync + 'static {
    /// The place behind everything that lies there now: what an edge said before somebody listened says nothing of
    /// whether it lives.
    async fn acks_end(&self) -> Result<Mark, BusError>;

    /// What came after `after`, oldest first, a bounded number; waits up to `wait` for the first.
    async fn acknowledgements(&self, after: &Mark, wait: Duration) -> Result<Vec<(Mark, Bytes)>, BusError>;
}

/// What an edge needs of a carrier.
pub trait EdgeBus: Feed + Reports + Acks + Arbitrated {}
impl<T: Feed + Reports + Acks + Arbitrated> EdgeBus for T {}

/// What the desk needs of a carrier.
pub trait DeskBus: Outlet + Inbox + AckInbox {}
impl<T: Outlet + Inbox + AckInbox> DeskBus for T {}
