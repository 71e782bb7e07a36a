//! What the vendor may do, decided: a command and the facts it depends on become a [`Change`] or a [`Refusal`].
//!
//! Pure: no database, no HTTP, no clock. Each noun has a room with its raw fields, the command that they parse into
//! (all faults of a request at once), and a function that decides.

pub mod activity;
pub mod answer;
pub mod application;
pub mod backup;
pub mod change;
pub mod customer;
pub mod edge;
pub mod field;
pub mod key;
pub mod quota;
pub mod refusal;
pub mod restore;
pub mod session;
pub mod tenant;
#[cfg(test)]
mod tests;
pub mod tier;
pub mod upload;
pub mod version;

use std::net::IpAddr;

use common::id::{ApplicationId, KeyId, TenantId};
use common::scope::Scopes;
use common::tier::{Tier, TierName};
use common::time::Timestamp;

pub use change::{Announcement, AuditEntry, Change, Decision, Noun, Row};
pub use field::{Edit, Faults, FieldFault};
pub use key::Limits;
pub use refusal::Refusal;

/// Who gives a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    /// The key that was used; `None` for the operator at the machine.
    pub key: Option<KeyId>,
    /// What it may do, and so the most that it may hand on.
    pub scopes: Scopes,
    /// The applications that it is narrowed to, and so everything that it hands on; `None` = all.
    pub applications: Option<Vec<ApplicationId>>,
    /// Its own limits, which hold for every admin's key that it makes or changes.
    pub limits: Limits,
    /// Where it came from.
    pub address: Option<IpAddr>,
    /// The request that carried it.
    pub request_id: String,
}

impl Actor {
    /// The operator at the machine: first start, command line.
    #[must_use]
    pub fn operator() -> Self {
        Self {
            key: None,
            applications: None,
            limits: Limits::default(),
            scopes: Scopes::full(),
            address: None,
            request_id: String::new(),
        }
    }
}

/// What every decision knows besides its command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// Whose things are changed.
    pub tenant: TenantId,
    /// Who changes them.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
}

/// The tenant's own spelling of a tier's name.
fn known_tier(name: &TierName, tiers: &[Tier]) -> Result<TierName, Refusal> {
    tier::find(name, tiers).map(|tier| tier.name.clone()).ok_or_else(|| Refusal::UnknownTier {
        name: name.clone(),
        known: tiers.iter().map(|tier| tier.name.clone()).collect(),
    })
}
