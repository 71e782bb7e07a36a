//! An edge whose reports a test reads in the desk's place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::arbiter::Arbiter;
use common::bus::local::LocalBus;
use common::bus::{Acks, Arbitrated, BusError, Cursor, Feed, Inbox, Mark, News, Reports};
use common::digest::Digest;
use common::mac::{MacKeys, Purpose};
use common::secret::Secret;
use common::wire::v1::event::{Report, Transfer};
use edge::app::Running;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};
use crate::system::System;

/// Follows one carrier and reports over another, which a test may take away.
struct Split {
    feed: LocalBus,
    reports: Arc<dyn Reports>,
    away: Arc<AtomicBool>,
}

#[async_trait]
impl Feed for Split {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        Feed::head(&self.feed).await
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        self.feed.buckets(names).await
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        self.feed.news(cursor, wait).await
    }
}

#[async_trait]
impl Acks for Split {
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        self.feed.acknowledge(sealed).await
    }
}

#[async_trait]
impl Reports for Split {
    async fn send(&self, sealed: Bytes) -> Result<(), BusError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BusError::Away("taken away".to_owned()));
        }
        self.reports.send(sealed).await
    }
}

impl Arbitrated for Split {
    fn arbiter(&self) -> Option<Arc<dyn Arbiter>> {
        self.feed.arbiter()
    }
}

/// The edge, and where it is reached.
pub struct ReportingEdge {
    pub base: String,
    away: Arc<AtomicBool>,
    running: Running,
    stop: CancellationToken,
}

impl ReportingEdge {
    /// The edge of that name in `system`, ready to serve.
    pub async fn start(system: &System, name: &str, reports: Arc<dyn Reports>) -> Self {
        let (away, stop) = (Arc::new(AtomicBool::new(false)), CancellationToken::new());
        let bus = Split { feed: system.bus.clone(), reports, away: away.clone() };
        let config = system.edge_config(name);
        let started = edge::app::start(config, Arc::new(bus), system.clock.clone(), stop.clone()).await;
        let running = started.unwrap();
        let base = format!("http://{}", running.address);
        let mut applied = running.replica.watch();
        let ready = applied.wait_for(|position| position.epoch != 0);
        tokio::time::timeout(PATIENCE, ready).await.expect("no snapshot").unwrap();
        Self { base, away, running, stop }
    }

    /// Takes the way of the reports away, or gives it back.
    pub fn cut_off(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// A caller with that key.
    #[must_use]
    pub fn client(&self, key: &str) -> Client {
        Client::new(&self.base, Some(key))
    }

    /// Stops it and waits for its end.
    pub async fn stop(self) {
        self.stop.cancel();
        self.running.stopped().await;
    }
}

impl Drop for ReportingEdge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What arrived so far, opened with the keys that the desk has.
pub struct Arrived {
    inbox: Arc<dyn Inbox>,
    keys: MacKeys,
    /// Also what the carrier has lost since.
    seen: Mutex<Vec<Report>>,
}

impl Arrived {
    #[must_use]
    pub fn new(inbox: Arc<dyn Inbox>, secrets: &[Secret]) -> Self {
        Self { inbox, keys: MacKeys::derive(secrets, Purpose::Report), seen: Mutex::default() }
    }

    /// The report in a seal that an edge made.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Report {
        Report::open(sealed, &self.keys).expect("sealed by an edge")
    }

    /// Every report once, in the order of its making. A number that came twice must have said the same.
    pub async fn reports(&self) -> Vec<Report> {
        let received = self.inbox.receive(&Mark::default(), 10_000, Duration::ZERO).await.unwrap_or_default();
        let mut reports = self.seen.lock().unwrap();
        reports.extend(received.iter().map(|(_, sealed)| self.open(sealed)));
        reports.sort_by_key(|report| (report.edge.clone(), report.boot, report.number));
        reports.dedup();
        for boot in reports.chunk_by(|a, b| (&a.edge, a.boot) == (&b.edge, b.boot)) {
            let dense = boot.windows(2).all(|two| two[1].number == two[0].number + 1);
            assert!(dense, "a number is missing, or said two things: {boot:?}");
        }
        reports.clone()
    }

    /// Waits for so many transfers.
    pub async fn transfers(&self, count: usize) -> Vec<Transfer> {
        eventually(PATIENCE, || async {
            let reports = self.reports().await;
            let transfers: Vec<_> = reports.into_iter().flat_map(|report| report.transfers).collect();
            if transfers.len() >= count { Ok(transfers) } else { Err(transfers) }
        })
        .await
    }

    /// What was used by that key, added up: requests, bytes, refusals by reason.
    pub async fn usage(&self, key: &str) -> (u64, u64, BTreeMap<String, u64>) {
        let reports = self.reports().await;
        let mut sum = (0, 0, BTreeMap::new());
        for usage in reports.iter().flat_map(|report| &report.usage).filter(|u| u.key.as_str() == key) {
            sum.0 += usage.requests;
            sum.1 += usage.bytes;
            for (reason, times) in &usage.refused {
                *sum.2.entry(reason.clone()).or_default() += times;
            }
        }
        sum
    }
}
