//! Tells the desk how far this edge has come: when its position moved, and every second besides.
//!
//! The position moves after denials, commit and caches, so what is told here is in force here. Nothing is queued: what
//! could not be told is overtaken by the next, which says more. It goes on while the edge drains, and the last one,
//! after the last answer, says that the edge leaves.

mod boot;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use common::bus::{Acks, BusError};
use common::mac::MacKeys;
use common::runtime::clock::Clock;
use common::wire::Position;
use common::wire::v1::ack::Ack;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::replica::SharedReplica;

/// How often, when nothing moves. The desk calls an edge silent after three of these.
const EVERY: Duration = Duration::from_secs(1);
/// Two changes within this time are told together: a hundred edges under a storm of writes must not flood the desk.
const SHORTEST_GAP: Duration = Duration::from_millis(5);
/// How long one may take to be told. A carrier that hangs longer is tried again with what is then true.
const PATIENCE: Duration = Duration::from_secs(2);

/// What one edge says, whichever way it goes.
pub struct Acknowledger {
    edge: String,
    started_at: u64,
    keys: MacKeys,
    replica: SharedReplica,
    clock: Arc<dyn Clock>,
    /// The number of the last one. Held while the next is made: a higher number never says less.
    last: Mutex<u64>,
}

impl Acknowledger {
    /// Of the edge of that name, which keeps in `directory` when it started last: it started later now, also when its
    /// clock was turned back.
    pub fn new(
        (edge, directory): (String, &Path),
        keys: MacKeys,
        replica: SharedReplica,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let started_at = boot::next(directory, clock.now());
        Self { edge, started_at, keys, replica, clock, last: Mutex::new(0) }
    }

    /// Tells until `drained`, which is when nothing more happens at this edge, and then says goodbye. The carriers do
    /// not know of each other: one that hangs holds up none.
    pub async fn run(self, carriers: Vec<Arc<dyn Acks>>, drained: CancellationToken) {
        join_all(carriers.iter().map(|carrier| self.tell(carrier.as_ref(), &drained))).await;
    }

    async fn tell(&self, carrier: &dyn Acks, drained: &CancellationToken) {
        let mut moved = self.replica.watch();
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut away, mut not_before) = (false, Instant::now());
        loop {
            tokio::select! {
                // First of all: nothing but a goodbye follows a goodbye, on whichever carrier.
                biased;
                () = drained.cancelled() => break,
                _ = every.tick() => {}
                () = next_move(&mut moved, not_before) => every.reset(),
            }
            moved.mark_unchanged();
            let told = self.say(carrier, false).await;
            not_before = Instant::now() + SHORTEST_GAP;
            match (&told, std::mem::replace(&mut away, told.is_err())) {
                (Err(error), false) => {
                    tracing::warn!(%error, "not acknowledging over this carrier: where no other works, the desk counts this edge as silent")
                }
                (Ok(()), true) => tracing::info!("acknowledging again"),
                (Err(_), true) | (Ok(()), false) => {}
            }
        }
        if let Err(error) = self.say(carrier, true).await {
            tracing::warn!(%error, "no goodbye over this carrier: where no other works, the desk waits for this edge until it is removed there");
        }
    }

    async fn say(&self, carrier: &dyn Acks, leaving: bool) -> Result<(), BusError> {
        // Without an edge secret there is nobody to talk to.
        let Some(sealed) = self.next(leaving) else { return Ok(()) };
        let telling = if leaving { carrier.say_goodbye(sealed) } else { carrier.acknowledge(sealed) };
        let told = tokio::time::timeout(PATIENCE, telling).await;
        told.unwrap_or_else(|_| Err(BusError::Away("no answer in time".to_owned())))
    }

    /// The next one, sealed.
    fn next(&self, leaving: bool) -> Option<Bytes> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let ack = Ack {
            edge: self.edge.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            number: *last,
            position: self.replica.position(),
            head_issued_at: self.replica.head_issued_at(),
            at: self.clock.now(),
            leaving,
        };
        ack.seal(&self.keys).map(Bytes::from)
    }
}

/// Waits until the position has moved, and it is time to say so again. The replica outlives whoever watches it: an error,
/// which would say that it is gone, never comes, and must not spin if it did.
async fn next_move(moved: &mut watch::Receiver<Position>, not_before: Instant) {
    if moved.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(not_before).await;
}
