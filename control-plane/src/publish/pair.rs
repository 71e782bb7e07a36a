//! Two carriers of one control plane: the bus, and the control plane itself, which edges follow while the bus is away.

use std::sync::Arc;

use common::bus::Outlet;
use common::bus::local::LocalBus;
use common::runtime::clock::Clock;
use ed25519_dalek::SigningKey;
use tokio_util::sync::CancellationToken;

use super::{Announcer, Marking, Publisher};
use crate::store::Store;

/// The publishers of both carriers.
pub struct Pair {
    bus: Publisher,
    own: Publisher,
    carrier: LocalBus,
}

impl Pair {
    /// One to `bus`, which also says in the store what was told, and one to a carrier in this process.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Outlet>,
        signing: SigningKey,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let carrier = LocalBus::new();
        let mut own =
            Publisher::new(store.clone(), Arc::new(carrier.clone()), signing.clone(), clock.clone());
        own.tools.marking = Marking::Never;
        let mut bus = Publisher::new(store, bus, signing, clock);
        bus.tools.marking = Marking::Both(own.tools.told.clone());
        own.wake = bus.announcer.0.subscribe();
        own.announcer = bus.announcer.clone();
        Self { bus, own, carrier }
    }

    /// Wakes both.
    #[must_use]
    pub fn announcer(&self) -> Announcer {
        self.bus.announcer()
    }

    /// What edges follow at the control plane itself.
    #[must_use]
    pub fn carrier(&self) -> LocalBus {
        self.carrier.clone()
    }

    /// Publishes until `stop`. The carrier of this process never fails, and never waits for the other.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.own.run(stop.clone()), self.bus.run(stop));
    }
}
