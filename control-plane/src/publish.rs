//! Tells the edges what was written: the loop that carries the outbox to the bus and keeps the snapshot there.
//!
//! The outbox names what changed; the truth is read again when it is told, so that repeating is harmless. A bus that is
//! away never holds up a write: what was decided waits in the outbox.

mod changes;
pub mod pair;
mod render;
mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::bus::{BusError, Outlet};
use common::runtime::clock::{Clock, entropy};
use common::time::Timestamp;
use common::wire::Unreadable;
use ed25519_dalek::SigningKey;
use rand::RngExt as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::store::{Store, StoreFault};
use changes::Changes;
use snapshot::Snapshot;

/// The loop looks at least this often, whether it was woken or not.
const TICK: Duration = Duration::from_secs(1);
const SHORTEST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// How long the last words may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// Rounds of changes before the snapshot gets its turn, when changes never end.
const ROUNDS: u32 = 16;

/// Wakes the publishers; clones wake the same ones.
#[derive(Clone, Debug)]
pub struct Announcer(Arc<watch::Sender<u64>>);

impl Default for Announcer {
    fn default() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }
}

impl Announcer {
    /// Says that something was committed. Never waits.
    pub fn announce(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The last write that a publisher has told its carrier; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<AtomicU64>);

impl Told {
    fn reach(&self, sequence: u64) {
        self.0.fetch_max(sequence, Ordering::AcqRel);
    }

    fn sequence(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// How far the store may forget what was told: what is marked there leaves the outbox.
#[derive(Clone, Debug)]
enum Marking {
    /// As far as this carrier was told.
    Told,
    /// As far as both, this carrier and that of the other publisher, were told.
    Both(Told),
    /// Not at all: what is told lives only as long as this process, and another publisher marks.
    Never,
}

impl Marking {
    fn bound(&self, announced: u64) -> u64 {
        match self {
            Self::Told => announced,
            Self::Both(other) => announced.min(other.sequence()),
            Self::Never => 0,
        }
    }
}

/// Why something could not be told. It will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum PublishFault {
    /// The truth cannot be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The bus does not take it.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It cannot be written down.
    #[error(transparent)]
    Form(#[from] Unreadable),
}

/// What every step works with.
struct Tools {
    store: Arc<dyn Store>,
    outlet: Arc<dyn Outlet>,
    signing: SigningKey,
    told: Told,
    marking: Marking,
}

/// What carries the writes of one control plane to one carrier.
pub struct Publisher {
    tools: Tools,
    clock: Arc<dyn Clock>,
    announcer: Announcer,
    wake: watch::Receiver<u64>,
    /// The history that is told.
    epoch: Option<u64>,
    changes: Changes,
    snapshot: Snapshot,
    jitter: Option<StdRng>,
}

impl Publisher {
    /// A publisher that has told nothing yet; what is known comes from the store and the bus.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        outlet: Arc<dyn Outlet>,
        signing: SigningKey,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let announcer = Announcer::default();
        let wake = announcer.0.subscribe();
        let (told, marking) = (Told::default(), Marking::Told);
        Self {
            tools: Tools { store, outlet, signing, told, marking },
            clock,
            announcer,
            wake,
            epoch: None,
            changes: Changes::default(),
            snapshot: Snapshot::default(),
            jitter: entropy().ok(),
        }
    }

    /// The handle by which writers wake it.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        self.announcer.clone()
    }

    /// Publishes until `stop`, then says what is left to say.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures: u32 = 0;
        while !stop.is_cancelled() {
            failures = self.attempt(failures).await;
            let pause = if failures == 0 { TICK } else { self.retry_after(failures) };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                // While the bus is away, writes do not make it come back sooner.
                // An error would mean that the announcer is gone, which this holds itself.
                _ = self.wake.changed(), if failures == 0 => {}
            }
        }
        let last_words = async {
            self.step().await?;
            self.changes.mark(&self.tools).await
        };
        match tokio::time::timeout(FAREWELL, last_words).await {
            Ok(Ok(())) => debug!("everything that was written is published"),
            Ok(Err(_)) | Err(_) => info!("what was written last is published at the next start"),
        }
    }

    /// One step; gives the number of failures in a row. Speaks up when the state changes, not at every failure.
    async fn attempt(&mut self, failures: u32) -> u32 {
        match self.step().await {
            Ok(()) => {
                if failures > 0 {
                    info!(failures, "publishing works again");
                }
                0
            }
            Err(fault) => {
                if failures == 0 {
                    warn!(%fault, "cannot publish; writes go on and wait in the outbox");
                }
                failures.saturating_add(1)
            }
        }
    }

    fn retry_after(&mut self, failures: u32) -> Duration {
        let longest = SHORTEST_RETRY.saturating_mul(1 << failures.min(10)).min(LONGEST_RETRY);
        // Between half and all of it, so that many do not come back in the same moment.
        let share = self.jitter.as_mut().map_or(1.0, |rng| rng.random_range(0.5..=1.0));
        longest.mul_f64(share)
    }

    /// Tells everything that is pending, and renews the snapshot as far as it is due.
    ///
    /// # Errors
    /// When store or bus fail; what was told by then stays told, and telling it again is harmless.
    pub async fn step(&mut self) -> Result<(), PublishFault> {
        let epoch = self.tools.store.read().await?.standing().await?.position.epoch;
        if self.epoch.replace(epoch).is_some_and(|told| told != epoch) {
            info!(epoch, "another history begins: putting everything again");
            self.changes = Changes::default();
            self.snapshot.begin_anew();
        }
        let told = self.tell().await;
        let now = self.clock.now();
        // Also when the log did not take it: what somebody else laid in its place is cleared away by this.
        self.snapshot.renew(&self.tools, self.changes.announced(), now).await?;
        told?;
        self.changes.mark_when_due(&self.tools, now).await
    }

    async fn tell(&mut self) -> Result<(), PublishFault> {
        let mut rounds = 0;
        while self.changes.tell(&self.tools, self.snapshot.dirt()).await? {
            rounds += 1;
            if rounds == ROUNDS {
                self.announcer.announce();
                break;
            }
        }
        Ok(())
    }
}

/// Whether `span` has gone by since `last`; also when the clock was turned back.
fn is_due(last: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| now < last || now.since(last) >= span)
}
