//! Hot keys, decoded and ready: moka over the replica. Never decides, and holds no budgets.
//!
//! **No resurrection.** A key that was revoked must not come back because a look-up that began earlier ends later.
//! Everything that writes an entry goes through `and_compute_with`, which moka serialises per key, and reads the
//! replica *inside* it. The feed does so after the replica's commit, which ends when readers see it. So for a commit C
//! and any load L of the same key: either L's closure ran before the feed's, then the feed's replaces what L put; or it
//! ran after, then it read what C had committed. `insert`, `get_with` and `invalidate` bypass that order and are banned
//! by lint. A missing key leaves no entry: absence is the replica's to say. The joined cells follow the same rule under
//! their own lock.

mod cells;
mod hash;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use common::digest::Digest;
use common::id::{CustomerId, TenantId};
pub use common::key::Holder;
use common::policy::{CustomerPolicy, KeyPolicy, TenantPolicy};
use common::tier::{Tier, TierName};
use common::wire::address::Address;
use common::wire::v1::Record;
use moka::ops::compute::Op;
use moka::sync::Cache;

use crate::replica::{Changed, ReplicaFault, SharedReplica};
use cells::Cells;
use hash::ByDigest;

/// What is known of a tenant: whether it is active, and its tiers.
#[derive(Clone, Debug)]
pub struct TenantFacts {
    /// The tenant itself.
    pub policy: TenantPolicy,
    /// All its tiers.
    pub tiers: Vec<Tier>,
}

impl TenantFacts {
    /// The tier of that name.
    pub fn tier(&self, name: &TierName) -> Option<&Tier> {
        self.tiers.iter().find(|tier| tier.name == *name)
    }
}

/// A place whose content the feed replaces and every key of that tenant or customer reads.
pub type Cell<T> = Arc<ArcSwapOption<T>>;

/// One key, joined with the cells of those it belongs to.
#[derive(Debug)]
pub struct KeyEntry {
    /// The key itself, as the secret that it was found by opens it: by one that was replaced it ends when that one does.
    pub policy: KeyPolicy,
    /// What is kept of that secret.
    pub digest: Digest,
    /// Its tenant; empty when unknown.
    pub tenant: Cell<TenantFacts>,
    /// Its customer, for a customer's key; empty when unknown.
    pub customer: Option<Cell<CustomerPolicy>>,
}

impl KeyEntry {
    /// This key with the secret that it was found by.
    pub fn holder(&self) -> Holder {
        Holder::new(self.policy.id.clone(), &self.digest)
    }
}

/// The hot keys of an edge.
pub struct Keyring {
    replica: SharedReplica,
    hot: Cache<Digest, Arc<KeyEntry>, ByDigest>,
    tenants: Cells<TenantId, TenantFacts>,
    customers: Cells<(TenantId, CustomerId), CustomerPolicy>,
    /// Held shared while a look-up loads and puts; taken once after the replica was replaced, to see them end.
    loading: RwLock<()>,
}

impl Keyring {
    /// Over `replica`, with at most `most` keys held ready.
    pub fn new(replica: SharedReplica, most: u64) -> Self {
        let (tenants, customers) = (Cells::default(), Cells::default());
        let hot = Cache::builder().max_capacity(most).build_with_hasher(ByDigest::default());
        Self { replica, hot, tenants, customers, loading: RwLock::default() }
    }

    /// The key whose secret has this digest; `None` when there is none that this edge can read.
    ///
    /// # Errors
    /// When the replica cannot be read. That is no answer: neither yes nor no.
    pub fn find(&self, digest: &Digest) -> Result<Option<Arc<KeyEntry>>, ReplicaFault> {
        if let Some(entry) = self.hot.get(digest) {
            return Ok(Some(entry));
        }
        if !self.replica.may_hold(digest) {
            // A flood of unknown keys ends here: no lock, no disk.
            return Ok(None);
        }
        let _loading = self.loading.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = Ok(None);
        self.hot.entry(*digest).and_compute_with(|there| match there {
            Some(entry) => {
                found = Ok(Some(entry.into_value()));
                Op::Nop
            }
            None => {
                found = self.load(digest);
                match &found {
                    Ok(Some(entry)) => Op::Put(entry.clone()),
                    _ => Op::Nop,
                }
            }
        });
        found
    }

    /// The key of that holder, as the secret that it names opens it; `None` when the key has that secret no more. For
    /// links and sessions, which carry no secret.
    ///
    /// # Errors
    /// When the replica cannot be read.
    pub fn find_held(&self, holder: &Holder) -> Result<Option<Arc<KeyEntry>>, ReplicaFault> {
        let Some(Record::Key(_, digests)) = self.replica.record(&Address::Key(holder.key.clone()))? else {
            return Ok(None);
        };
        let Some(digest) = digests.of_generation(&holder.generation) else { return Ok(None) };
        // Read apart: meanwhile the secret may have come to another key.
        Ok(self.find(&digest)?.filter(|entry| entry.policy.id == holder.key))
    }

    /// Brings what is held ready up to the replica's commit.
    pub fn refresh(&self, changed: &Changed) {
        for address in &changed.addresses {
            match address {
                Address::Tenant(tenant) | Address::Tier(tenant, _) => {
                    self.tenants.refresh(tenant, || self.load_tenant(*tenant));
                }
                Address::Customer(tenant, id) => {
                    let key = (*tenant, id.clone());
                    self.customers.refresh(&key, || self.load_customer(address));
                }
                Address::Application(..) | Address::Version(..) | Address::Key(_) | Address::Session(_) => {}
            }
        }
        for digest in &changed.digests {
            self.refresh_key(digest);
        }
    }

    /// The same for everything, after the replica was replaced.
    pub fn refresh_all(&self) {
        self.tenants.refresh_each(|tenant| self.load_tenant(*tenant));
        self.customers
            .refresh_each(|(tenant, id)| self.load_customer(&Address::Customer(*tenant, id.clone())));
        // A look-up that read before the commit may not have put its entry yet, and what is not there is not gone
        // through: wait for those. What later ones put was read after the commit.
        drop(self.loading.write().unwrap_or_else(PoisonError::into_inner));
        for (digest, _) in &self.hot {
            self.refresh_key(&digest);
        }
    }

    fn refresh_key(&self, digest: &Digest) {
        self.hot.entry(*digest).and_compute_with(|there| match (there, self.load(digest)) {
            (None, _) => Op::Nop,
            (Some(_), Ok(Some(entry))) => Op::Put(entry),
            // What cannot be read is not known to be alive.
            (Some(_), Ok(None) | Err(_)) => Op::Remove,
        });
    }

    fn load(&self, digest: &Digest) -> Result<Option<Arc<KeyEntry>>, ReplicaFault> {
        let Some((policy, digests)) = self.replica.key_of(digest)? else { return Ok(None) };
        let Some(policy) = digests.opened_by(digest, policy) else { return Ok(None) };
        let tenant = self.tenants.get(&policy.tenant, || self.load_tenant(policy.tenant));
        let customer = policy.customer.as_ref().map(|id| {
            let key = (policy.tenant, id.clone());
            self.customers.get(&key, || self.load_customer(&Address::Customer(key.0, key.1.clone())))
        });
        #[cfg(test)]
        crate::replica::tests::race::hesitate();
        Ok(Some(Arc::new(KeyEntry { policy, digest: *digest, tenant, customer })))
    }

    /// Absent or unreadable are the same here: not known to be alive.
    fn load_tenant(&self, tenant: TenantId) -> Option<TenantFacts> {
        let Ok(Some(Record::Tenant(policy))) = self.replica.record(&Address::Tenant(tenant)) else {
            return None;
        };
        let tiers = self.replica.tiers(tenant).ok()?;
        Some(TenantFacts { policy, tiers })
    }

    fn load_customer(&self, address: &Address) -> Option<CustomerPolicy> {
        match self.replica.record(address) {
            Ok(Some(Record::Customer(policy))) => Some(policy),
            _ => None,
        }
    }
}
