//! Whose use of what is counted.

use common::id::{ApplicationId, KeyId, TenantId};
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
    pub fn new(key: &KeyEntry, application: Option<ApplicationId>) -> Self {
        let customer = key.customer.as_ref().and_then(|cell| cell.load_full());
        let knows = |id: &ApplicationId| policy::may_know(&key.policy, customer.as_deref(), id);
        let (tenant, id) = (key.policy.tenant, key.policy.id.clone());
        Self { tenant, key: id, application: application.filter(knows) }
    }

    /// Of bytes that were sent.
    pub fn of(errand: &Errand) -> Self {
        let application = Some(errand.application.clone());
        Self { tenant: errand.tenant, key: errand.key.clone(), application }
    }
}
