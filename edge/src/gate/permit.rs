//! The permit: only the gate makes one, and without one there are no bytes.

use std::net::IpAddr;
use std::sync::Arc;

use common::catalog::{self, Version};
use common::id::{ApplicationId, SessionId};
use common::key::{Kind, Owner};
use common::policy::{self, CustomerPolicy, Denied, Facts, KeyPolicy};
use common::tier::Tier;

use super::budget::Standing;
use crate::error::Refusal;
use crate::keyring::{Holder, KeyEntry, TenantFacts};

/// A key with what it is joined with as that is now: what is judged is what is permitted.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) entry: Arc<KeyEntry>,
    tenant: Option<Arc<TenantFacts>>,
    customer: Option<Arc<CustomerPolicy>>,
    /// The session whose token stood for its secret.
    session: Option<SessionId>,
}

impl Joined {
    pub(super) fn of(entry: Arc<KeyEntry>) -> Self {
        let tenant = entry.tenant.load_full();
        let customer = entry.customer.as_ref().and_then(|cell| cell.load_full());
        Self { entry, tenant, customer, session: None }
    }

    /// The same by a token of that session.
    pub(super) fn by_session(self, session: SessionId) -> Self {
        Self { session: Some(session), ..self }
    }

    /// What a verdict on it depends on.
    pub(super) fn facts<'a>(&'a self, owner: Owner<'a>, address: IpAddr) -> Facts<'a> {
        let tenant = self.tenant.as_ref().map(|facts| &facts.policy);
        Facts { key: &self.entry.policy, customer: self.customer.as_deref(), tenant, owner, address }
    }
}

/// Proof that a key was admitted, with what it was admitted as: one consistent view for the whole request.
#[derive(Debug)]
pub struct Permit {
    entry: Arc<KeyEntry>,
    tenant: Arc<TenantFacts>,
    customer: Option<Arc<CustomerPolicy>>,
    pub(super) session: Option<SessionId>,
    pub(super) standing: Option<Standing>,
}

impl Permit {
    /// The one constructor. What is not known denies, whatever the verdict was.
    pub(super) fn new(joined: Joined) -> Result<Self, Refusal> {
        let Joined { entry, tenant, customer, session } = joined;
        let tenant = tenant.ok_or(Refusal::Denied(Denied::TenantInactive))?;
        if entry.policy.kind == Kind::Customer && customer.is_none() {
            return Err(Refusal::Denied(Denied::CustomerInactive));
        }
        Ok(Self { entry, tenant, customer, session, standing: None })
    }

    /// The key that was admitted.
    pub fn key(&self) -> &KeyPolicy {
        &self.entry.policy
    }

    /// The key with what it is joined with.
    pub fn entry(&self) -> &Arc<KeyEntry> {
        &self.entry
    }

    /// What links are lent by.
    pub fn holder(&self) -> Holder {
        self.entry.holder()
    }

    /// Its customer.
    pub fn customer(&self) -> Option<&CustomerPolicy> {
        self.customer.as_deref()
    }

    /// Where its minute stands; `None` = unlimited.
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// The tier of its customer.
    pub fn tier(&self) -> Option<&Tier> {
        self.customer().and_then(|customer| self.tenant.tier(&customer.tier))
    }

    /// Whether it may know of this application.
    pub fn may_know(&self, application: &ApplicationId) -> bool {
        policy::may_know(self.key(), self.customer(), application)
    }

    /// Whether its tier suffices for this version.
    pub fn reaches(&self, version: &Version) -> bool {
        let tier = self.tier();
        policy::tier_suffices(self.key().kind, tier, version.required_tier.as_ref(), &self.tenant.tiers)
    }

    /// Whether this version shows to it, asking with `channel`.
    pub fn sees(&self, version: &Version, channel: Option<&str>) -> bool {
        catalog::shows(version, channel, |needed| {
            policy::may_see_channel(self.key(), self.customer(), needed)
        })
    }
}
