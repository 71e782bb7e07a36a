//! What the desk counts, as text for Prometheus (OpenMetrics).

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::fleet::Counted;
use crate::store::activity::Taken;

/// The counters of one desk.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    reads: Counter,
    writes: Counter,
    failures: Counter,
    uploads: Counter,
    upload_bytes: Counter,
    unannounced: Gauge<u64, AtomicU64>,
    edges: Family<[(&'static str, &'static str); 1], Gauge<u64, AtomicU64>>,
    worst_lag: Gauge<u64, AtomicU64>,
    skewed: Gauge<u64, AtomicU64>,
    reports: Family<[(&'static str, &'static str); 1], Counter>,
    transfers: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tidegate_control_plane");
        let (reads, writes, failures) = (Counter::default(), Counter::default(), Counter::default());
        let (uploads, upload_bytes) = (Counter::default(), Counter::default());
        let unannounced = Gauge::default();
        registry.register("reads", "Requests that were answered and changed nothing", reads.clone());
        registry.register("writes", "Requests that changed something, durably", writes.clone());
        registry.register("failures", "Requests that were refused or broke", failures.clone());
        registry.register("uploads", "Files that were received whole", uploads.clone());
        registry.register_with_unit("received", "Bytes of those files", Unit::Bytes, upload_bytes.clone());
        registry.register(
            "unannounced_writes",
            "Writes that the bus has not been told of yet",
            unannounced.clone(),
        );
        let (edges, worst_lag) = (Family::default(), Gauge::default());
        registry.register(
            "edges",
            "Edges that are known, by whether they were heard of just now",
            edges.clone(),
        );
        let says = "Writes that the edge furthest behind has not applied";
        registry.register("edges_worst_lag_writes", says, worst_lag.clone());
        let skewed = Gauge::default();
        let says = "Edges whose clocks are more than 30 seconds away from the control plane's";
        registry.register("edges_skewed", says, skewed.clone());
        let (reports, transfers) = (Family::default(), Counter::default());
        registry.register("reports", "Reports of edges, by what came of them", reports.clone());
        registry.register("transfers", "Downloads that edges reported", transfers.clone());
        Self {
            registry,
            reads,
            writes,
            failures,
            uploads,
            upload_bytes,
            unannounced,
            edges,
            worst_lag,
            skewed,
            reports,
            transfers,
        }
    }
}

impl Metrics {
    /// A request went well.
    pub(crate) fn count_answer(&self, is_write: bool) {
        if is_write {
            self.writes.inc()
        } else {
            self.reads.inc()
        };
    }

    /// A request did not.
    pub(crate) fn count_failure(&self) {
        self.failures.inc();
    }

    /// A file came in.
    pub(crate) fn count_upload(&self, size: u64) {
        self.uploads.inc();
        self.upload_bytes.inc_by(size);
    }

    /// Reports were taken in.
    pub(crate) fn count_reports(&self, taken: Taken) {
        for (outcome, count) in [("counted", taken.counted), ("repeated", taken.repeated)] {
            self.reports.get_or_create(&[("outcome", outcome)]).inc_by(count);
        }
        self.transfers.inc_by(taken.transfers);
        if taken.strange > 0 {
            tracing::warn!(transfers = taken.strange, "edges report transfers of tenants that there are not");
        }
    }

    /// Something that no edge of ours sealed lay among the reports.
    pub(crate) fn count_junk_report(&self) {
        self.reports.get_or_create(&[("outcome", "junk")]).inc();
    }

    /// All of it as text; `unannounced` and `fleet` are looked up for each reading.
    pub(crate) fn render(&self, unannounced: u64, fleet: Counted) -> String {
        self.unannounced.set(unannounced);
        for (state, edges) in [("live", fleet.live), ("silent", fleet.silent)] {
            self.edges.get_or_create(&[("state", state)]).set(edges);
        }
        self.worst_lag.set(fleet.worst_lag);
        self.skewed.set(fleet.skewed);
        let mut text = String::new();
        // A String takes whatever is written to it.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        metrics.count_upload(10);
        let text = metrics.render(3, Counted { live: 2, silent: 1, worst_lag: 7, skewed: 1 });
        assert!(text.contains("tidegate_control_plane_received_bytes_total 10"), "{text}");
        assert!(text.contains("tidegate_control_plane_unannounced_writes 3"), "{text}");
        assert!(text.contains("tidegate_control_plane_edges{state=\"silent\"} 1"), "{text}");
        assert!(text.contains("tidegate_control_plane_edges_worst_lag_writes 7"), "{text}");
        assert!(text.contains("tidegate_control_plane_edges_skewed 1"), "{text}");
    }
}
