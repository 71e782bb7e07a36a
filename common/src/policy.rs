//! What an edge must know about one key, and the verdict on its use: the same rule on both planes.

use std::net::IpAddr;

use crate::id::{ApplicationId, CustomerId, KeyId, TenantId};
use crate::key::{Kind, Owner};
use crate::limit::RequestsPerMinute;
use crate::network::Allowlist;
use crate::scope::Scopes;
use crate::tier::{Tier, TierName};
use crate::time::Timestamp;

/// A key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyPolicy {
    /// Its public name.
    pub id: KeyId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Whom it speaks for.
    pub kind: Kind,
    /// The customer it belongs to; `None` for admin keys.
    pub customer: Option<CustomerId>,
    /// What it may do.
    pub scopes: Scopes,
    /// Its own limit; `None` = the tier's for a customer, unlimited for an admin.
    pub rate_limit: Option<RequestsPerMinute>,
    /// Where it may be used from.
    pub allowlist: Allowlist,
    /// The applications that it is narrowed to; `None` = all that its customer has.
    pub applications: Option<Vec<ApplicationId>>,
    /// Draft channels that it may see, besides its customer's.
    pub channels: Vec<String>,
    /// When it stops working; `None` = never.
    pub expires_at: Option<Timestamp>,
    /// Switched on.
    pub is_enabled: bool,
    /// Deleted for good; still known, so that its owner is told so.
    pub is_deleted: bool,
}

/// What an edge knows of a customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerPolicy {
    /// Its name in the tenant.
    pub id: CustomerId,
    /// The plan it is on.
    pub tier: TierName,
    /// Draft channels that all its keys may see.
    pub channels: Vec<String>,
    /// False stops every key of the customer.
    pub is_active: bool,
    /// The applications that are assigned to it.
    pub applications: Vec<ApplicationId>,
}

/// What an edge knows of a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TenantPolicy {
    /// Its id.
    pub id: TenantId,
    /// False stops everything of the tenant.
    pub is_active: bool,
}

/// Why a key that was presented does not open the door. In the order in which they are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// Text that is meant to be a session's token and is not one of ours to the letter, or a session that never was.
    SessionUnknown,
    /// The session's token is past its time.
    SessionExpired,
    /// The session was ended before its time.
    SessionRevoked,
    /// The text before the dot is not the key's tenant or customer: such a key does not exist.
    Unknown,
    /// The key was deleted.
    Deleted,
    /// A right was taken from the key a moment ago; the record that says which is still on its way.
    Revoked,
    /// The key is switched off.
    Disabled,
    /// The key is past its time.
    Expired,
    /// The tenant is suspended.
    TenantInactive,
    /// The customer is deactivated.
    CustomerInactive,
    /// The client's address is not in the key's allowlist.
    AddressNotAllowed,
}

impl Denied {
    /// The stable machine word for it. Everything about an unknown key says the same.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::SessionUnknown => "session_unknown",
            Self::SessionExpired => "session_expired",
            Self::SessionRevoked => "session_revoked",
            Self::Unknown => "key_unknown",
            Self::Deleted => "key_deleted",
            Self::Revoked => "key_revoked",
            Self::Disabled => "key_disabled",
            Self::Expired => "key_expired",
            Self::TenantInactive => "tenant_inactive",
            Self::CustomerInactive => "customer_inactive",
            Self::AddressNotAllowed => "ip_not_allowed",
        }
    }
}

impl Denied {
    /// Whether the credential itself proves nothing (401), so that it may be a guess; otherwise it is genuine, and may
    /// not be used now or from there (403).
    #[must_use]
    pub fn is_unauthenticated(self) -> bool {
        match self {
            Self::SessionUnknown
            | Self::SessionExpired
            | Self::SessionRevoked
            | Self::Unknown
            | Self::Deleted
            | Self::Revoked
            | Self::Disabled
            | Self::Expired => true,
            Self::TenantInactive | Self::CustomerInactive | Self::AddressNotAllowed => false,
        }
    }
}

/// Everything that the verdict depends on, but the time.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The key that the secret belongs to.
    pub key: &'a KeyPolicy,
    /// Its customer, when it has one that is known.
    pub customer: Option<&'a CustomerPolicy>,
    /// Its tenant, when known.
    pub tenant: Option<&'a TenantPolicy>,
    /// What the presented text named before the dot.
    pub owner: Owner<'a>,
    /// Who is asking.
    pub address: IpAddr,
}

/// May this key be used now, from there? Limits, scopes and objects come after.
///
/// # Errors
/// The first reason, in the order of [`Denied`], that it may not. What cannot be decided is denied: a customer's key
/// whose customer is unknown is a key of nobody.
pub fn evaluate(facts: Facts<'_>, now: Timestamp) -> Result<(), Denied> {
    let key = facts.key;
    if !owner_fits(facts.owner, key) {
        return Err(Denied::Unknown);
    }
    if key.is_deleted {
        return Err(Denied::Deleted);
    }
    if !key.is_enabled {
        return Err(Denied::Disabled);
    }
    if key.expires_at.is_some_and(|end| end <= now) {
        return Err(Denied::Expired);
    }
    if !facts.tenant.is_some_and(|tenant| tenant.is_active) {
        return Err(Denied::TenantInactive);
    }
    if key.kind == Kind::Customer && !facts.customer.is_some_and(|customer| customer.is_active) {
        return Err(Denied::CustomerInactive);
    }
    if !key.allowlist.admits(facts.address) {
        return Err(Denied::AddressNotAllowed);
    }
    Ok(())
}

fn owner_fits(owner: Owner<'_>, key: &KeyPolicy) -> bool {
    match owner {
        Owner::Tenant(tenant) => tenant == key.tenant,
        Owner::Customer(id) => key.customer.as_ref().is_some_and(|customer| customer.as_str() == id),
        Owner::Nobody => true,
    }
}

/// The limit that a key obeys: its own, else its tier's when it is a customer's.
#[must_use]
pub fn rate_limit(key: &KeyPolicy, tier: Option<&Tier>) -> Option<RequestsPerMinute> {
    match (key.rate_limit, key.kind) {
        (Some(own), _) => Some(own),
        (None, Kind::Admin) => None,
        // An unknown tier must not mean unlimited: the lowest default then.
        (None, Kind::Customer) => tier.map_or_else(|| RequestsPerMinute::new(100), |tier| tier.rate_limit),
    }
}

/// Whether a key may know of an application: assigned to its customer and within what the key is narrowed to.
#[must_use]
pub fn may_know(key: &KeyPolicy, customer: Option<&CustomerPolicy>, application: &ApplicationId) -> bool {
    let narrowed = key.applications.as_ref().is_none_or(|list| list.contains(application));
    let granted = match key.kind {
        Kind::Admin => true,
        Kind::Customer => customer.is_some_and(|customer| customer.applications.contains(application)),
    };
    narrowed && granted
}

/// Whether a key may see the drafts of a channel: an admin's every one, a customer's those of key and customer.
#[must_use]
pub fn may_see_channel(key: &KeyPolicy, customer: Option<&CustomerPolicy>, channel: &str) -> bool {
    let named = |channels: &[String]| channels.iter().any(|c| c.eq_ignore_ascii_case(channel));
    key.kind == Kind::Admin || named(&key.channels) || customer.is_some_and(|c| named(&c.channels))
}

/// Whether a customer on `tier` gets what `required` asks for. An unknown tier on either side fits nobody.
#[must_use]
pub fn tier_suffices(kind: Kind, tier: Option<&Tier>, required: Option<&TierName>, tiers: &[Tier]) -> bool {
    let Some(required) = required else { return true };
    let needed = tiers.iter().find(|t| t.name == *required);
    kind == Kind::Admin || matches!((tier, needed), (Some(has), Some(needs)) if has.rank >= needs.rank)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key() -> KeyPolicy {
        KeyPolicy {
            id: "key_1".parse().unwrap(),
            tenant: "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap(),
            kind: Kind::Customer,
            customer: Some("cust_1".parse().unwrap()),
            scopes: Scopes::customer(),
            rate_limit: None,
            allowlist: Allowlist::default(),
            applications: None,
            channels: vec![],
            expires_at: None,
            is_enabled: true,
            is_deleted: false,
        }
    }

    fn customer() -> CustomerPolicy {
        CustomerPolicy {
            id: "cust_1".parse().unwrap(),
            tier: TierName::basic(),
            channels: vec![],
            is_active: true,
            applications: vec!["my-app".parse().unwrap()],
        }
    }

    fn verdict(
        change: impl FnOnce(&mut KeyPolicy, &mut CustomerPolicy, &mut TenantPolicy),
    ) -> Result<(), Denied> {
        let (mut key, mut customer) = (key(), customer());
        let mut tenant = TenantPolicy { id: key.tenant, is_active: true };
        change(&mut key, &mut customer, &mut tenant);
        let facts = Facts {
            key: &key,
            customer: Some(&customer),
            tenant: Some(&tenant),
            owner: Owner::Nobody,
            address: "203.0.113.9".parse().unwrap(),
        };
        evaluate(facts, Timestamp::from_millis(1_000))
    }

    #[test]
    fn each_cause_denies_for_its_own_reason() {
        assert_eq!(verdict(|_, _, _| ()), Ok(()));
        assert_eq!(verdict(|k, _, _| k.is_enabled = false), Err(Denied::Disabled));
        assert_eq!(
            verdict(|k, _, _| k.expires_at = Some(Timestamp::from_millis(1_000))),
            Err(Denied::Expired)
        );
        assert_eq!(verdict(|k, _, _| k.expires_at = Some(Timestamp::from_millis(1_001))), Ok(()));
        assert_eq!(verdict(|_, c, _| c.is_active = false), Err(Denied::CustomerInactive));
        assert_eq!(verdict(|_, _, t| t.is_active = false), Err(Denied::TenantInactive));
        let elsewhere = Allowlist::parse(["10.0.0.0/8"]).unwrap();
        assert_eq!(verdict(|k, _, _| k.allowlist = elsewhere), Err(Denied::AddressNotAllowed));
    }

    #[test]
    fn a_key_of_an_unknown_customer_or_tenant_is_denied() {
        let (key, customer) = (key(), customer());
        let tenant = TenantPolicy { id: key.tenant, is_active: true };
        let facts = Facts {
            key: &key,
            customer: Some(&customer),
            tenant: Some(&tenant),
            owner: Owner::Customer("cust_2"),
            address: "::1".parse().unwrap(),
        };
        let now = Timestamp::from_millis(0);
        assert_eq!(evaluate(facts, now), Err(Denied::Unknown));
        let facts = Facts { owner: Owner::Customer("cust_1"), ..facts };
        assert_eq!(evaluate(facts, now), Ok(()));
        assert_eq!(evaluate(Facts { customer: None, ..facts }, now), Err(Denied::CustomerInactive));
        assert_eq!(evaluate(Facts { tenant: None, ..facts }, now), Err(Denied::TenantInactive));
    }
}
