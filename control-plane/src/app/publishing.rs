//! What carries writes to the edges: over the bus, and where the bus is another program, from here as well.

use std::sync::Arc;

use common::bus::DeskBus;
use common::bus::local::LocalBus;
use common::runtime::clock::Clock;
use ed25519_dalek::SigningKey;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::publish::pair::Pair;
use crate::publish::{Announcer, Publisher};
use crate::store::Store;

/// One carrier or two.
pub(super) enum Publishing {
    /// The bus is of this very process: who hears the desk hears the bus.
    Embedded(Box<Publisher>),
    /// The bus can be away while the desk is not.
    Apart(Box<Pair>),
}

impl Publishing {
    pub(super) fn new(
        config: &Config,
        (store, bus): (&Arc<dyn Store>, &Arc<dyn DeskBus>),
        signing: SigningKey,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (store, bus, clock) = (store.clone(), bus.clone(), clock.clone());
        if config.bus.is_none() {
            Self::Embedded(Box::new(Publisher::new(store, bus, signing, clock)))
        } else {
            Self::Apart(Box::new(Pair::new(store, bus, signing, clock)))
        }
    }

    pub(super) fn announcer(&self) -> Announcer {
        match self {
            Self::Embedded(publisher) => publisher.announcer(),
            Self::Apart(pair) => pair.announcer(),
        }
    }

    /// What edges follow here.
    pub(super) fn carrier(&self) -> Option<LocalBus> {
        match self {
            Self::Embedded(_) => None,
            Self::Apart(pair) => Some(pair.carrier()),
        }
    }

    pub(super) async fn run(self, stop: CancellationToken) {
        match self {
            Self::Embedded(publisher) => publisher.run(stop).await,
            Self::Apart(pair) => pair.run(stop).await,
        }
    }
}
