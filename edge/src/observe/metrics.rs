//! Counters and gauges, in Prometheus text. No key, customer or path is a label: their number has no bound.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use common::time::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{ConnectionMetrics, ReportMetrics, TransferMetrics};
use crate::file_io::sent_from_files;
use crate::replica::Replica;
use crate::replica::feed::Refusals;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Class {
    /// `2xx`, `3xx`, `4xx`, `5xx`.
    status: Status,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct What {
    what: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Status(u16);

impl EncodeLabelValue for Status {
    fn encode(
        &self,
        encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&format!("{}xx", self.0), encoder)
    }
}

/// A connection that is counted.
pub struct Counted(Gauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What an edge counts.
pub struct Metrics {
    registry: Registry,
    responses: Family<Class, Counter>,
    /// The counters of the family by class, once there are any: a look-up there is a lock and a hash.
    by_class: [OnceLock<Counter>; 6],
    connections: Gauge,
    bytes: Counter,
    /// Counted by the process, not by the edge: taken over when somebody looks.
    zero_copy: Counter,
    sequence: Gauge,
    age: Gauge<f64, AtomicU64>,
    refused: Family<What, Counter>,
    refusals: Refusals,
    reports: ReportMetrics,
    ended: ConnectionMetrics,
    transfers: TransferMetrics,
}

impl Metrics {
    /// Of the edge of that name, which every line then bears.
    pub fn new(edge_id: &str) -> Self {
        let label = (Cow::Borrowed("edge"), Cow::Owned(edge_id.to_owned()));
        let mut metrics = Self {
            registry: Registry::with_labels(std::iter::once(label)),
            responses: Family::default(),
            by_class: Default::default(),
            connections: Gauge::default(),
            bytes: Counter::default(),
            zero_copy: Counter::default(),
            sequence: Gauge::default(),
            age: Gauge::default(),
            refused: Family::default(),
            refusals: Refusals::default(),
            reports: ReportMetrics::default(),
            ended: ConnectionMetrics::default(),
            transfers: TransferMetrics::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("tidegate_edge_responses", "Answers by class of status", metrics.responses.clone());
        registry.register("tidegate_edge_connections", "Open connections", metrics.connections.clone());
        registry.register(
            "tidegate_edge_response_bytes",
            "Bytes of bodies that answers began",
            metrics.bytes.clone(),
        );
        registry.register(
            "tidegate_edge_zero_copy_bytes",
            "Bytes that went from files to sockets without a copy",
            metrics.zero_copy.clone(),
        );
        registry.register("tidegate_edge_snapshot_seq", "Sequence in force", metrics.sequence.clone());
        registry.register(
            "tidegate_edge_snapshot_age_seconds",
            "Since the newest head was signed",
            metrics.age.clone(),
        );
        registry.register(
            "tidegate_edge_feed_refused",
            "What came from a carrier and was not from our control plane, or not whole",
            metrics.refused.clone(),
        );
        metrics.reports.register(registry);
        metrics.ended.register(registry);
        metrics.transfers.register(registry);
        metrics
    }

    /// The counts of what is refused of the feed.
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// The counters of transfers and reports.
    pub fn reports(&self) -> ReportMetrics {
        self.reports.clone()
    }

    /// The counters of connections that were ended.
    pub fn ended(&self) -> ConnectionMetrics {
        self.ended.clone()
    }

    /// The counters of transfers that were cut.
    pub fn transfers(&self) -> TransferMetrics {
        self.transfers.clone()
    }

    /// Counts one answer.
    pub fn answered(&self, status: u16, bytes: Option<u64>) {
        let class = Class { status: Status(status / 100) };
        let counter = || self.responses.get_or_create(&class).clone();
        match self.by_class.get(usize::from(class.status.0)) {
            Some(held) => held.get_or_init(counter).inc(),
            None => counter().inc(),
        };
        self.bytes.inc_by(bytes.unwrap_or(0));
    }

    /// Counts a connection until what this returns is dropped.
    pub fn count_connection(&self) -> Counted {
        self.connections.inc();
        Counted(self.connections.clone())
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// Only when memory cannot be written to.
    pub fn render(&self, replica: &Replica, now: Timestamp) -> Result<String, std::fmt::Error> {
        self.sequence.set(i64::try_from(replica.position().sequence).unwrap_or(i64::MAX));
        self.zero_copy.inner().store(sent_from_files(), Ordering::Relaxed);
        for (refused, what) in Refusals::KINDS {
            let counter = self.refused.get_or_create(&What { what: what.to_owned() });
            counter.inner().store(self.refusals.count(refused), Ordering::Relaxed);
        }
        self.age.set(now.since(replica.head_issued_at()).as_secs_f64());
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
