//! What is counted of connections that we end, and of the certificate that they are greeted with.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::listen::Reason;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Ended {
    reason: Reason,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Reloaded {
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
enum Outcome {
    Taken,
    /// The files are not a pair that can be used: the one before stays.
    Refused,
}

/// A handle on the counters; clones share them.
#[derive(Clone)]
pub struct ConnectionMetrics {
    ended: Family<Ended, Counter>,
    reloads: Family<Reloaded, Counter>,
}

impl Default for ConnectionMetrics {
    fn default() -> Self {
        let reloads = Family::<Reloaded, Counter>::default();
        // There from the beginning: an alarm on an increase must not miss the first.
        for outcome in [Outcome::Taken, Outcome::Refused] {
            drop(reloads.get_or_create(&Reloaded { outcome }));
        }
        Self { ended: Family::default(), reloads }
    }
}

impl ConnectionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "tidegate_edge_connections_ended",
            "Connections that the edge ended because of what the client did not do, by reason",
            self.ended.clone(),
        );
        registry.register(
            "tidegate_edge_certificate_reloads",
            "New certificates that were found, by outcome",
            self.reloads.clone(),
        );
    }

    /// Counts a connection that we ended.
    pub fn ended(&self, reason: Reason) {
        self.ended.get_or_create(&Ended { reason }).inc();
    }

    /// Counts a certificate that was found.
    pub fn reloaded(&self, taken: bool) {
        let outcome = if taken { Outcome::Taken } else { Outcome::Refused };
        self.reloads.get_or_create(&Reloaded { outcome }).inc();
    }
}
