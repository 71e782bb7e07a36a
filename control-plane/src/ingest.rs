//! Takes in what edges report: the loop that carries reports from the bus to the truth, each counted exactly once.
//!
//! A report is written in one transaction with its name, and let go of on the bus after that. Whatever breaks between
//! the two, it comes again and its name is known. So no place in the queue is remembered over a start: a carrier may
//! be emptied, replaced, or begin anew with its process, and the names alone decide.

mod intake;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::bus::{BusError, Inbox, Mark};
use common::mac::MacKeys;
use common::runtime::clock::Clock;
use common::time::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::publish::Announcer;
use crate::store::activity::{Forgetting, Intake};
use crate::store::{Store, StoreFault};
use intake::{open, weight};

/// Reports that are read at once.
const MOST_REPORTS: usize = 64;
/// Rows that one transaction writes, unless a single report has more: other writers wait meanwhile.
const MOST_ROWS: usize = 1_000;
/// How long one look at the bus waits for a report.
const LOOK: Duration = Duration::from_secs(1);
/// Looks in a row that find nothing before the queue is looked at from its beginning.
const PATIENCE: u32 = 10;
const RETRY: Duration = Duration::from_secs(1);
/// Versions that are announced anew at once.
const MOST_TOLD: u64 = 500;
/// How often something may be old enough to be forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
const MOST_FORGOTTEN: u64 = 2_000;
/// How long the last look may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// For how long what happened is kept, and how often counts are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// Activity, and usage by the hour.
    pub activity: Duration,
    /// Usage by the minute.
    pub minutes: Duration,
    /// Versions whose downloads were counted are announced at most this often.
    pub tell_every: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Self {
            activity: Duration::from_secs(400 * DAY),
            minutes: Duration::from_secs(7 * DAY),
            tell_every: Duration::from_secs(60),
        }
    }
}

/// Why something could not be taken in. It will be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestFault {
    /// The truth cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The bus does not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What it works with.
pub(crate) struct Tools {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) inbox: Arc<dyn Inbox>,
    /// Opens what edges seal.
    pub(crate) keys: MacKeys,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announcer: Announcer,
    pub(crate) keeping: Keeping,
}

/// The ingest of one control plane.
pub(crate) struct Ingest {
    tools: Tools,
    /// Up to where this process has read. Nothing hangs on it but that the same is not read again and again.
    mark: Mark,
    idle: u32,
    told_at: Option<Timestamp>,
    forgot_at: Option<Timestamp>,
}

impl Ingest {
    pub(crate) fn new(tools: Tools) -> Self {
        Self { tools, mark: Mark::default(), idle: 0, told_at: None, forgot_at: None }
    }

    /// Takes in until `stop`, then what is still there.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut fails = false;
        while !stop.is_cancelled() {
            let step = tokio::select! {
                // Let go of in the middle, a step leaves its reports on the bus: they come again.
                () = stop.cancelled() => break,
                step = self.step(LOOK) => step,
            };
            let failed = step.is_err();
            match (step, fails) {
                (Ok(()), true) => info!("reports are taken in again"),
                (Err(fault), false) => warn!(%fault, "cannot take in reports; they wait on the bus"),
                (Ok(()), false) | (Err(_), true) => {}
            }
            fails = failed;
            if fails {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
        let rest = async {
            while self.take(Duration::ZERO).await? > 0 {}
            Ok::<(), IngestFault>(())
        };
        if !matches!(tokio::time::timeout(FAREWELL, rest).await, Ok(Ok(()))) {
            info!("reports that came last are taken in at the next start");
        }
    }

    /// One look at the bus, and whatever is due by the clock.
    ///
    /// # Errors
    /// When store or bus fail; what was taken in by then stays, and comes again without counting again.
    pub(crate) async fn step(&mut self, wait: Duration) -> Result<(), IngestFault> {
        let taken = self.take(wait).await;
        // The bus being away is no reason not to tell and forget.
        let now = self.tools.clock.now();
        self.tell(now).await?;
        self.forget(now).await?;
        taken.map(drop)
    }

    /// Takes in the next reports; gives how many there were.
    async fn take(&mut self, wait: Duration) -> Result<usize, IngestFault> {
        let reports = self.receive(wait).await?;
        let Some((last, _)) = reports.last() else { return Ok(0) };
        let last = last.clone();
        let now = self.tools.clock.now();
        let mut batch: Vec<Intake> = Vec::new();
        for (_, sealed) in &reports {
            let Some(report) = open(sealed, &self.tools.keys) else {
                self.tools.metrics.count_junk_report();
                continue;
            };
            let intake = intake::intake(report, now);
            if !batch.is_empty() && batch.iter().map(weight).sum::<usize>() + weight(&intake) > MOST_ROWS {
                self.write(&std::mem::take(&mut batch), now).await?;
            }
            batch.push(intake);
        }
        self.write(&batch, now).await?;
        // Only now: until it is written, the bus has the only copy.
        self.tools.inbox.forget(&last).await?;
        self.mark = last;
        Ok(reports.len())
    }

    async fn write(&self, batch: &[Intake], now: Timestamp) -> Result<(), IngestFault> {
        if !batch.is_empty() {
            let taken = self.tools.store.take_in(batch, now).await?;
            self.tools.metrics.count_reports(taken);
        }
        Ok(())
    }

    /// The next reports. A queue that begins anew may count from lower places than ours: after a while without
    /// anything its beginning is looked at too, where otherwise only lies what we have let go of.
    async fn receive(&mut self, wait: Duration) -> Result<Vec<(Mark, Bytes)>, BusError> {
        let next = self.tools.inbox.receive(&self.mark, MOST_REPORTS, wait).await?;
        if !next.is_empty() {
            self.idle = 0;
            return Ok(next);
        }
        self.idle += 1;
        if self.idle < PATIENCE {
            return Ok(next);
        }
        self.idle = 0;
        let first = self.tools.inbox.receive(&Mark::default(), MOST_REPORTS, Duration::ZERO).await?;
        Ok(if first.iter().any(|(mark, _)| *mark == self.mark) { next } else { first })
    }

    /// Announces versions whose downloads were counted, when it is time.
    async fn tell(&mut self, now: Timestamp) -> Result<(), IngestFault> {
        if !is_due(self.told_at, self.tools.keeping.tell_every, now) {
            return Ok(());
        }
        let told = self.tools.store.tell_downloads(MOST_TOLD).await?;
        if told > 0 {
            self.tools.announcer.announce();
        }
        if told < MOST_TOLD {
            self.told_at = Some(now);
        }
        Ok(())
    }

    async fn forget(&mut self, now: Timestamp) -> Result<(), IngestFault> {
        if !is_due(self.forgot_at, FORGET_EVERY, now) {
            return Ok(());
        }
        let Keeping { activity, minutes, .. } = self.tools.keeping;
        let old =
            Forgetting { activity: ago(now, activity), minutes: ago(now, minutes), most: MOST_FORGOTTEN };
        if !self.tools.store.forget(old).await? {
            self.forgot_at = Some(now);
        }
        Ok(())
    }
}

fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(millis))
}

/// Whether `span` has gone by since `last`; also when the clock was turned back.
fn is_due(last: Option<Timestamp>, span: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| now < last || now.since(last) >= span)
}
