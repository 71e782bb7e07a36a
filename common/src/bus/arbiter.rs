//! Limits that hold across edges: each spends from a share that it negotiates with one arbiter, who remembers what all
//! of them spent. Pure words of that talk; who arbitrates, and how a share is used, is said elsewhere.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::id::{CustomerId, KeyId, TenantId};

/// The time in which a limit counts.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The steps in which it is counted: a slot leaves the window when its end is [`WINDOW`] ago.
pub const SLOT: Duration = Duration::from_millis(250);
/// How long a lease may be spent from. Its tokens count as spent when nobody tells otherwise.
pub const LEASE: Duration = Duration::from_secs(1);
/// How long an arbiter that lost its memory grants nothing: so long the edges have to tell it theirs.
pub const SETTLING: Duration = Duration::from_secs(3);
/// An edge that was not heard of for so long is not one of the fleet.
pub const PRESENCE: Duration = Duration::from_secs(5);
/// How long the places of a silent edge stay taken.
pub const OCCUPANCY: Duration = Duration::from_secs(3);

/// What an edge tells of a key, and what it asks for. Safe to repeat: counts are totals, and an answer that was lost is
/// made up for by the next claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Whose minute.
    pub key: KeyId,
    /// Requests in any 60 seconds.
    pub limit: u32,
    /// Grows with each claim of this edge for this key: one that was overtaken on its way changes nothing.
    pub number: u64,
    /// What this edge ever spent of it.
    pub total: u64,
    /// The newest of that, from the newest back: age in milliseconds, and how many. It covers at least what no answer
    /// has confirmed.
    pub spent: Vec<(u64, u32)>,
    /// Whether `spent` is all that is in the window.
    pub is_whole: bool,
    /// Whether the arbiter has answered about this key within the window: then it must remember.
    pub was_answered: bool,
    /// Tokens of the last lease that are kept; the others are given back.
    pub held: u32,
    /// Requests that wait for a token now.
    pub waiting: u32,
    /// Tokens wanted for requests that have not come yet.
    pub ahead: u32,
}

/// What the arbiter says of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Tokens that the edge holds from now on, those of `held` included, for [`LEASE`].
    pub lease: u32,
    /// What nobody has spent or holds.
    pub free: u32,
    /// Until the next request leaves the window, when nothing is free.
    pub next_in: Duration,
    /// Until all that was told of has left the window.
    pub whole_in: Duration,
    /// How many requests ever left the window: what is left may have risen by so many.
    pub left: u64,
    /// How long nothing is granted, because memory was lost.
    pub settles_in: Duration,
}

/// How a claim was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Heard, and granted what could be.
    Shared(Share),
    /// Not heard: the arbiter does not remember this edge, and needs all that it spent.
    TellAll,
    /// Not heard: a later claim was.
    Overtaken,
}

/// What an edge hears when it says that it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Presence {
    /// Edges that are there, this one included.
    pub edges: u32,
    /// Names the arbiter's memory: another name is another memory, which knows nothing from before.
    pub memory: u64,
}

/// A customer's transfers on one edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occupation {
    /// The customer's tenant.
    pub tenant: TenantId,
    /// Whose.
    pub customer: CustomerId,
    /// How many at the same time, all edges together.
    pub most: u32,
    /// How many run here.
    pub running: u32,
    /// How many wait to begin.
    pub waiting: u32,
}

/// Who remembers what all edges spent. One for a fleet.
#[async_trait]
pub trait Arbiter: Send + Sync + 'static {
    /// Says that this edge is there.
    async fn attend(&self, edge: &str) -> Result<Presence, BusError>;

    /// Tells what was spent and asks for more: a verdict for each claim, in their order.
    async fn settle(&self, edge: &str, claims: &[Claim]) -> Result<Vec<Verdict>, BusError>;

    /// Takes places for transfers and gives back those that ended: how many are this edge's from now on, for each; never
    /// less than run. None while the arbiter's memory is too young to know.
    async fn occupy(&self, edge: &str, occupations: &[Occupation]) -> Result<Vec<Option<u32>>, BusError>;
}

/// A carrier that may have an arbiter.
pub trait Arbitrated {
    /// None where all that is spent is spent in this process: then the edge's own count is the limit.
    fn arbiter(&self) -> Option<Arc<dyn Arbiter>>;
}
