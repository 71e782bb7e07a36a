//! From the truth to the wire: what edges are told of a record. Pure.

use common::policy::{KeyPolicy, TenantPolicy};
use common::session::Revoked;
use common::wire::Unreadable;
use common::wire::v1::{Entry, Record};

use crate::domain::Noun;
use crate::store::Stamped;

/// The entry of a record; one that was deleted says only that it is gone.
pub(super) fn render(stamped: &Stamped) -> Result<Entry, Unreadable> {
    Entry::new(&stamped.address, stamped.sequence, record(&stamped.noun).as_ref())
}

/// The record; `None` for what edges must not find.
pub(super) fn record(noun: &Noun) -> Option<Record> {
    match noun {
        Noun::Tenant(tenant) => {
            Some(Record::Tenant(TenantPolicy { id: tenant.id, is_active: tenant.is_active }))
        }
        Noun::Tier(_, tier) => Some(Record::Tier(tier.clone())),
        Noun::Customer(customer) => Some(Record::Customer(customer.policy.clone())),
        Noun::Application(application) => match application.deleted_at {
            None => Some(Record::Application(application.facts.clone())),
            Some(_) => None,
        },
        Noun::Version(version) => Some(Record::Version(version.facts.clone())),
        // Deleted keys stay known, so that edges can tell their owners from who guesses.
        Noun::Key(key) => {
            let policy = KeyPolicy { is_deleted: key.deleted_at.is_some(), ..key.policy.clone() };
            Some(Record::Key(policy, key.digests))
        }
        Noun::Session(session) => session.revoked_at.map(|revoked_at| {
            let (id, expires_at) = (session.id.clone(), session.expires_at);
            Record::Session(Revoked { id, revoked_at, expires_at })
        }),
        Noun::Upload(_) => None,
    }
}
