//! The transfers that run, each under everything that it hangs on, so that it ends when the right ends that it began by.
//!
//! **No transfer slips through.** One that begins was admitted, is entered here and then judged once more; the feed puts
//! a change in force, in memory or in the replica and its caches, and then looks here. Both take the lock of the shelf
//! that a transfer lies on. If the look comes after the entry, it finds the transfer, judges it by the change and cuts it.
//! If it comes before, the change was in force before the entry, and the judgement after the entry is by the change.
//! There is no third order. A test goes through all of them.
//!
//! A time that runs out cuts nothing: a transfer is judged as if it had been asked for when it was.

mod running;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::wire::address::Address;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;

use crate::catalog::selection::Wanted;
use crate::error::Failure;
use crate::gate::Right;
use crate::observe::TransferMetrics;
pub use running::{Running, Transfer, Way};

/// The longest answer that is not entered. Answers are judged when they begin, and this much of one the socket takes at
/// once (its room is eight times as large), before any change can come between; it is what one record of TLS holds. Of
/// many that wait in HTTP/2 for their windows, two MiB could still leave a connection.
pub const LONGEST_UNSEEN: u64 = 16 << 10;

/// By what right which file is sent: what is needed to judge it again.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Whose, from where, since when.
    pub right: Right,
    /// The file by its version and id, also where the newest was asked for.
    pub wanted: Wanted,
    /// The version of it.
    pub version: Address,
    /// The channel that it was asked for through.
    pub channel: Option<String>,
}

impl Claim {
    /// The records that it hangs on. Tiers are not among them: theirs are the tenant's.
    fn addresses(&self) -> impl Iterator<Item = Address> {
        let right = &self.right;
        let application = Address::Application(right.tenant, self.wanted.application.clone());
        let customer = right.customer.clone().map(|id| Address::Customer(right.tenant, id));
        let session = right.session.clone().map(Address::Session);
        let always = [
            Address::Tenant(right.tenant),
            Address::Key(right.key.clone()),
            application,
            self.version.clone(),
        ];
        always.into_iter().chain(customer).chain(session)
    }
}

type Shelf = HashMap<u64, Arc<Transfer>, RandomState>;

/// All that run on this edge.
pub struct Transfers {
    shelves: DashMap<Address, Shelf, RandomState>,
    next: AtomicU64,
    metrics: TransferMetrics,
}

impl Transfers {
    /// None yet.
    pub fn new(metrics: TransferMetrics) -> Self {
        Self { shelves: DashMap::default(), next: AtomicU64::new(0), metrics }
    }

    /// Enters one that was admitted, and then judges it again. It is here until what is returned is dropped.
    ///
    /// # Errors
    /// When what it may was taken away since it was admitted.
    pub fn enter(
        self: &Arc<Self>,
        claim: Claim,
        judge: impl FnOnce(&Claim) -> Result<(), Failure>,
    ) -> Result<Running, Failure> {
        let addresses = claim.addresses().collect::<Vec<_>>().into_boxed_slice();
        let transfer = Arc::new(Transfer::new(claim));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        for address in &addresses {
            self.shelves.entry(address.clone()).or_default().insert(number, transfer.clone());
        }
        let running = Running { transfer, number, addresses, among: self.clone() };
        // Not before: whoever looked meanwhile has not found it.
        judge(running.transfer.claim())?;
        Ok(running)
    }

    /// Those that hang on any of these, some of them perhaps twice.
    pub fn under(&self, addresses: &[Address]) -> Vec<Arc<Transfer>> {
        let mut found = Vec::new();
        for address in addresses {
            let place = match address {
                Address::Tier(tenant, _) => Address::Tenant(*tenant),
                other => other.clone(),
            };
            found.extend(self.shelves.get(&place).iter().flat_map(|shelf| shelf.values()).cloned());
        }
        found
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Transfer>> {
        let of_tenants = self.shelves.iter().filter(|shelf| matches!(shelf.key(), Address::Tenant(_)));
        of_tenants.flat_map(|shelf| shelf.values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Cuts those of them whose claim is not good any more.
    pub fn review(&self, found: &[Arc<Transfer>], judge: impl Fn(&Claim) -> Result<(), Failure>) {
        for transfer in found.iter().filter(|transfer| !transfer.is_cut()) {
            match judge(transfer.claim()) {
                Ok(()) => continue,
                // A replica that cannot be read says neither yes nor no; all are judged again when it is mended.
                Err(Failure::Broke(_)) => continue,
                Err(_) if !transfer.cut() => continue,
                Err(failure) => {
                    tracing::debug!(reason = failure.reason(), "a transfer was cut");
                    self.metrics.cut(failure.reason());
                }
            }
        }
    }

    fn leave(&self, number: u64, addresses: &[Address]) {
        for address in addresses {
            if let Entry::Occupied(mut shelf) = self.shelves.entry(address.clone()) {
                shelf.get_mut().remove(&number);
                if shelf.get().is_empty() {
                    shelf.remove();
                }
            }
        }
    }
}
