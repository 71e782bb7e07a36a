//! What is counted of transfers and of the way of their reports.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
enum Outcome {
    Completed,
    /// The client left, the server stopped, or the file broke.
    Cut,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Dropped {
    what: Lost,
}

/// What the desk will never hear of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub enum Lost {
    /// Single transfers.
    Transfers,
    /// Requests that were not counted.
    Usage,
    /// Whole reports.
    Reports,
}

/// A handle on the counters; clones share them.
#[derive(Clone)]
pub struct ReportMetrics {
    bytes: Counter,
    transfers: Family<Ended, Counter>,
    /// Two counters of the family: a look-up there is a lock and a hash.
    completed: Counter,
    cut: Counter,
    sent: Counter,
    pending: Gauge,
    dropped: Family<Dropped, Counter>,
}

impl Default for ReportMetrics {
    fn default() -> Self {
        let transfers = Family::<Ended, Counter>::default();
        let counter = |outcome| transfers.get_or_create_owned(&Ended { outcome });
        let (completed, cut) = (counter(Outcome::Completed), counter(Outcome::Cut));
        let (bytes, sent) = (Counter::default(), Counter::default());
        let dropped = Family::<Dropped, Counter>::default();
        // There from the beginning: an alarm on an increase must not miss the first.
        for what in [Lost::Transfers, Lost::Usage, Lost::Reports] {
            drop(dropped.get_or_create(&Dropped { what }));
        }
        Self { bytes, transfers, completed, cut, sent, pending: Gauge::default(), dropped }
    }
}

impl ReportMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tidegate_edge_download_bytes",
            "Bytes of files that were handed over to connections",
            self.bytes.clone(),
        );
        registry.register(
            "tidegate_edge_transfers",
            "Answers with bytes of files that ended, by outcome",
            self.transfers.clone(),
        );
        registry.register("tidegate_edge_reports_sent", "Reports that the bus took", self.sent.clone());
        registry.register(
            "tidegate_edge_reports_pending",
            "Reports that wait for the bus",
            self.pending.clone(),
        );
        registry.register(
            "tidegate_edge_report_dropped",
            "What the control plane will never hear of: transfers, requests, whole reports",
            self.dropped.clone(),
        );
    }

    /// Bytes of a file went to a connection.
    pub fn handed_over(&self, bytes: u64) {
        self.bytes.inc_by(bytes);
    }

    /// An answer with bytes of a file ended.
    pub fn transfer_ended(&self, completed: bool) {
        if completed {
            self.completed.inc()
        } else {
            self.cut.inc()
        };
    }

    /// The bus took a report.
    pub fn report_sent(&self) {
        self.sent.inc();
    }

    /// So many reports wait.
    pub fn pending(&self, reports: usize) {
        self.pending.set(i64::try_from(reports).unwrap_or(i64::MAX));
    }

    /// Something was dropped for a bound, or was spoiled.
    pub fn lost(&self, what: Lost, times: u64) {
        self.dropped.get_or_create(&Dropped { what }).inc_by(times);
    }
}
