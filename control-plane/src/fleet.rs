//! The edges, as far as they speak: who there is, how far each has come, and who is waited for.
//!
//! An edge is known from its first word until it says goodbye or is removed. One that falls silent in between is named
//! and never counted as done: nobody knows what it still serves.

mod keep;
mod read;
pub(crate) mod roster;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::mac::MacKeys;
use common::runtime::clock::Clock;
use common::time::Timestamp;
use common::wire::Position;
use common::wire::v1::ack::Ack;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use crate::store::{KeptEdge, Store, StoreFault};
use roster::{Member, Roster, Taken};

/// From here on an edge's clock is wrong, either way.
const MOST_SKEW_MILLIS: i64 = 30_000;

/// What one desk knows of the edges.
pub(crate) struct Fleet {
    state: Mutex<State>,
    /// Counts what was taken in; whoever waits looks again.
    changed: watch::Sender<u64>,
    /// Somebody came or went, which is to be written down.
    came_or_went: Notify,
    has_heard_strangers: AtomicBool,
    keys: MacKeys,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    roster: Roster,
    /// Whose rows are to be written.
    came: BTreeSet<String>,
    /// Whose rows are to go.
    went: BTreeSet<String>,
}

/// An edge that has applied a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Confirmed {
    pub(crate) edge: String,
    /// Since the wait began.
    pub(crate) after: Duration,
}

/// What came of waiting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Confirmation {
    pub(crate) confirmed: Vec<Confirmed>,
    pub(crate) missing: Vec<Member>,
}

/// How the fleet stands, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) live: u64,
    pub(crate) silent: u64,
    /// Of the edge that is furthest behind, in writes.
    pub(crate) worst_lag: u64,
    /// Edges whose clocks are wrong.
    pub(crate) skewed: u64,
}

impl Fleet {
    /// Nobody yet. `keys` open what edges seal ([`common::mac::Purpose::Acknowledgement`]).
    pub(crate) fn new(keys: MacKeys, clock: Arc<dyn Clock>) -> Self {
        let (state, changed) = (Mutex::default(), watch::channel(0).0);
        let has_heard_strangers = AtomicBool::new(false);
        Self { state, changed, came_or_went: Notify::new(), has_heard_strangers, keys, clock }
    }

    /// With those whom an earlier process knew: silent ones are named from the first request on.
    pub(crate) async fn open(
        keys: MacKeys,
        clock: Arc<dyn Clock>,
        store: &dyn Store,
    ) -> Result<Self, StoreFault> {
        let fleet = Self::new(keys, clock);
        let kept = store.kept_edges().await?;
        fleet.state().roster = Roster::of(kept.into_iter().map(KeptEdge::into_member));
        Ok(fleet)
    }

    /// Takes in what some carrier brought; false when no edge of ours sealed it.
    pub(crate) fn take(&self, sealed: &[u8]) -> bool {
        let Some(ack) = Ack::open(sealed, &self.keys) else { return false };
        let (edge, now) = (ack.edge.clone(), self.clock.now());
        let (taken, skews) = {
            let mut state = self.state();
            let before = state.roster.skew_of(&edge);
            let taken = state.take(ack, now);
            (taken, (before, state.roster.skew_of(&edge)))
        };
        tell_skew(&edge, skews);
        match taken {
            Taken::Joined | Taken::Left => {
                tracing::info!(edge, ?taken, "the fleet changes");
                self.came_or_went.notify_one();
            }
            Taken::Twin => {
                tracing::warn!(
                    edge,
                    "an older start of this edge speaks: two go by one name (give each its own TIDEGATE_EDGE_ID), or its clock went back (remove the one that is gone)"
                );
            }
            Taken::Full => tracing::error!(edge, "too many edges: remove those that are gone"),
            Taken::Heard => {}
            Taken::Late => return true,
        }
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        true
    }

    /// The furthest that any edge has come.
    fn furthest(&self) -> Option<Position> {
        self.state().roster.members().map(|member| member.position).max()
    }

    /// Begins another history when some edge is ahead of the truth: the database was put back to an earlier state, and
    /// that edge would take what is written now for what it has. Gives where history stands.
    pub(crate) async fn check_history(&self, store: &dyn Store) -> Result<Position, StoreFault> {
        // In this order: what an edge has applied was written before.
        let furthest = self.furthest();
        let standing = store.read().await?.standing().await?.position;
        let Some(furthest) = furthest.filter(|furthest| standing < *furthest) else { return Ok(standing) };
        let position = store.begin_history(furthest, self.clock.now()).await?;
        tracing::warn!(%position, "the database was put back to an earlier state: another history begins");
        Ok(position)
    }

    /// Everybody, by name.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.state().roster.members().cloned().collect()
    }

    /// Lets go of an edge, until it speaks again.
    pub(crate) fn remove(&self, id: &str) {
        let mut state = self.state();
        if state.roster.remove(id, self.clock.now()).is_some() {
            state.leave(id.to_owned());
            drop(state);
            self.came_or_went.notify_one();
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Waits until everybody who is known has applied everything up to `position`, and no longer than `longest`.
    pub(crate) async fn wait_for(&self, position: Position, longest: Duration) -> Confirmation {
        let (began, deadline) = (self.clock.now(), Instant::now() + longest);
        // Subscribed before the first look, so that nothing falls between the look and the wait.
        let mut changed = self.changed.subscribe();
        let mut reached = BTreeMap::new();
        loop {
            let confirmation = self.look(position, began, &mut reached);
            if confirmation.missing.is_empty() {
                return confirmation;
            }
            // The sender is as old as we are: only the deadline ends this.
            if timeout_at(deadline, changed.changed()).await.is_err() {
                return self.look(position, began, &mut reached);
            }
        }
    }

    fn look(
        &self,
        position: Position,
        began: Timestamp,
        reached: &mut BTreeMap<String, Duration>,
    ) -> Confirmation {
        let now = self.clock.now();
        let state = self.state();
        let (there, missing): (Vec<&Member>, Vec<&Member>) =
            state.roster.members().partition(|member| member.has_reached(position, now));
        let confirmed = there.iter().map(|member| {
            let after = *reached.entry(member.id.clone()).or_insert_with(|| now.since(began));
            Confirmed { edge: member.id.clone(), after }
        });
        Confirmation { confirmed: confirmed.collect(), missing: missing.into_iter().cloned().collect() }
    }

    /// In numbers; `standing` is the last write there is.
    pub(crate) fn count(&self, standing: Position) -> Counted {
        let now = self.clock.now();
        let add = |counted: Counted, member: &Member| Counted {
            live: counted.live + u64::from(member.is_live(now)),
            silent: counted.silent + u64::from(!member.is_live(now)),
            worst_lag: counted.worst_lag.max(lag(member.position, standing)),
            skewed: counted.skewed + u64::from(member.is_live(now) && is_skewed(member.skew)),
        };
        self.state().roster.members().fold(Counted::default(), add)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave it half changed: the maps are changed by calls that do not fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a clock is further from ours than a word may take to get here.
fn is_skewed(skew: Option<i64>) -> bool {
    skew.is_some_and(|skew| skew.saturating_abs() > MOST_SKEW_MILLIS)
}

/// Alarms when an edge's clock becomes wrong: it says when keys, sessions and links expire there.
fn tell_skew(edge: &str, (before, after): (Option<i64>, Option<i64>)) {
    match (is_skewed(before), is_skewed(after)) {
        (false, true) => tracing::error!(edge, skew_ms = after, "the clock of this edge is wrong"),
        (true, false) => tracing::info!(edge, skew_ms = after, "the clock of this edge is right again"),
        (true, true) | (false, false) => {}
    }
}

impl State {
    fn take(&mut self, ack: Ack, now: Timestamp) -> Taken {
        let edge = ack.edge.clone();
        let taken = self.roster.take(ack, now);
        match taken {
            Taken::Joined => {
                self.went.remove(&edge);
                self.came.insert(edge);
            }
            Taken::Left => self.leave(edge),
            Taken::Heard | Taken::Twin | Taken::Late | Taken::Full => {}
        }
        taken
    }

    fn leave(&mut self, edge: String) {
        self.came.remove(&edge);
        self.went.insert(edge);
    }
}

/// How many writes `position` is behind; all of them, when it is of another history.
pub(crate) fn lag(position: Position, standing: Position) -> u64 {
    let of_this_history = if position.epoch == standing.epoch { position.sequence } else { 0 };
    if position >= standing { 0 } else { standing.sequence.saturating_sub(of_this_history) }
}
