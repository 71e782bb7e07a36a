//! What is counted of transfers that were cut because their right ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Cut {
    /// As a request would be told: of these there is a fixed number.
    reason: &'static str,
}

/// A handle on the counters; clones share them.
#[derive(Clone, Default)]
pub struct TransferMetrics {
    cut: Family<Cut, Counter>,
}

impl TransferMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tidegate_edge_transfers_cut",
            "Running transfers that were cut because they may not go on, by reason",
            self.cut.clone(),
        );
    }

    /// Counts one.
    pub fn cut(&self, reason: &'static str) {
        self.cut.get_or_create(&Cut { reason }).inc();
    }
}
