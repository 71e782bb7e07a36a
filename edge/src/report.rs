//! What this edge saw, told to the desk: receipts of transfers and the use of keys become reports, which are numbered,
//! sealed, laid on disk and sent.
//!
//! A report lies in the spool before it is sent, and leaves it when the bus has taken it: a crash loses what the last
//! second brought, a restart sends what lies there. Under the number that it had from the beginning, so that one
//! which was sent twice, because the answer to the first time was lost, counts once.

mod account;
mod ledger;
mod sender;
mod spool;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use common::bus::Reports;
use common::runtime::clock::Clock;
use common::wire::v1::event::Report;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use account::Account;
pub use ledger::Ledger;
pub use spool::{Spool, SpoolError};

/// How often what was seen is written down: the most that a crash loses.
const EVERY: Duration = Duration::from_secs(1);
/// Transfers in one report; when there are so many, it does not wait for its second. More of them share more.
const MOST_TRANSFERS: usize = 2_000;
/// Rows of usage in one report.
const MOST_USAGE: usize = 2_000;

/// Makes reports of what is in the ledger, and has them sent.
pub struct Reporter {
    edge: String,
    boot: u64,
    next: u64,
    ledger: Arc<Ledger>,
    spool: Arc<Spool>,
}

impl Reporter {
    /// Of the edge of that name. Its numbers begin anew under a boot that is later than any that left reports behind,
    /// also when the clock was turned back.
    pub fn new(edge: String, ledger: Arc<Ledger>, spool: Spool, clock: &dyn Clock) -> Self {
        let now = u64::try_from(clock.now().millis()).unwrap_or(0);
        let boot = spool.newest_boot().map_or(now, |left| now.max(left + 1));
        Self { edge, boot, next: 0, ledger, spool: Arc::new(spool) }
    }

    /// Writes and sends until `drained`, which is when nothing more happens at this edge; then what is left, once.
    pub async fn run(mut self, bus: Arc<dyn Reports>, drained: CancellationToken) {
        let written = CancellationToken::new();
        let sending = sender::run(self.spool.clone(), bus, written.clone());
        let writing = async {
            self.write(&drained).await;
            written.cancel();
        };
        tokio::join!(writing, sending);
    }

    async fn write(&mut self, drained: &CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                () = drained.cancelled() => true,
                _ = every.tick() => false,
                () = self.ledger.many() => false,
            };
            self.write_down().await;
            if last {
                return;
            }
        }
    }

    /// What the ledger holds, as reports of bounded size.
    async fn write_down(&mut self) {
        let (transfers, usage) = self.ledger.take();
        let (mut transfers, mut usage) = (transfers.into_iter(), usage.into_iter());
        while transfers.len() > 0 || usage.len() > 0 {
            let report = Report {
                edge: self.edge.clone(),
                boot: self.boot,
                number: self.next,
                transfers: transfers.by_ref().take(MOST_TRANSFERS).collect(),
                usage: usage.by_ref().take(MOST_USAGE).collect(),
            };
            self.next += 1;
            self.spool.push(&report).await;
        }
    }
}
