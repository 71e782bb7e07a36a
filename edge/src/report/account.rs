//! Whose use of what is counted.

use common::id::{ApplicationId, KeyId, TenantId};
use common::key::Kind;
use common::policy;

use crate::deliver::receipt::Errand;
use crate::keyring::KeyEntry;

/// A key, and the application that it asked for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Account {
    pub tenant: TenantId,
    pub key: KeyId,
    pub application: Option<ApplicationId>,
}

impl Account {
    /// Of a request by `key`. An application that the key may not know of is not named: a customer who asks for names
    /// at random leaves no rows behind.
    pub fn new(key: &KeyEntry, application: Option<&str>) -> Self {
        let application = application.and_then(|name| known(key, name));
        Self { tenant: key.policy.tenant, key: key.policy.id.clone(), application }
    }

    /// Of bytes that were sent.
    pub fn of(errand: &Errand) -> Self {
        let application = Some(errand.application.clone());
        Self { tenant: errand.tenant, key: errand.key.clone(), application }
    }
}

/// The application of that name, if the key may know of it. Taken from where it is granted: this is asked by every
/// request, and reading a name makes a new one.
fn known(key: &KeyEntry, name: &str) -> Option<ApplicationId> {
    let named = |list: &[ApplicationId]| list.iter().find(|id| id.as_str() == name).cloned();
    let customer = key.customer.as_ref().map(|cell| cell.load());
    let customer = customer.as_ref().and_then(|held| held.as_deref());
    let granted = match (key.policy.kind, &key.policy.applications) {
        (Kind::Customer, _) => named(&customer?.applications),
        (Kind::Admin, Some(narrowed)) => named(narrowed),
        (Kind::Admin, None) => name.parse().ok(),
    };
    granted.filter(|id| policy::may_know(&key.policy, customer, id))
}
