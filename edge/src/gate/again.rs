//! Rights that were used once and are looked at again, while what they were used for goes on.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::digest::Digest;
use common::id::{CustomerId, KeyId, SessionId, TenantId};
use common::key::Owner;
use common::policy::Denied;
use common::scope::Scope;
use common::time::Timestamp;

use super::Gate;
use super::permit::{Joined, Permit};
use crate::error::{Failure, Refusal};
use crate::request::Arrival;

/// All that an admission to a download depended on, but for the minute, which is spent.
#[derive(Clone, Debug)]
pub struct Right {
    /// Whose it is.
    pub tenant: TenantId,
    /// Of which customer.
    pub customer: Option<CustomerId>,
    /// By which key …
    pub key: KeyId,
    /// … and which of its secrets,
    digest: Digest,
    /// or which session that was opened with it.
    pub session: Option<SessionId>,
    /// Where it was used from; `None` when it may be from anywhere.
    address: Option<IpAddr>,
    /// When.
    used_at: Timestamp,
}

impl Permit {
    /// The right by which this was given to who asks; a share link is good from anywhere.
    pub fn right(&self, arrival: Arrival, from_anywhere: bool) -> Right {
        let key = self.key();
        Right {
            tenant: key.tenant,
            customer: key.customer.clone(),
            key: key.id.clone(),
            digest: self.entry().digest,
            session: self.session.clone(),
            address: (!from_anywhere).then_some(arrival.address),
            used_at: arrival.at,
        }
    }
}

impl Gate {
    /// Admits by a right that was used: as the same request would be by the rules of now, if it had come when it came.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn readmit(&self, right: &Right) -> Result<Permit, Failure> {
        if let Some(session) = &right.session
            && self.replica.is_revoked(session)?
        {
            return Err(Refusal::Denied(Denied::SessionRevoked).into());
        }
        // None when another secret took the place of that one.
        let entry = self.keyring.find(&right.digest)?.filter(|entry| entry.policy.id == right.key);
        let joined = Joined::of(entry.ok_or(Refusal::Denied(Denied::Unknown))?);
        let address = right.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let arrival = Arrival { address, at: right.used_at, tick: Duration::ZERO };
        match self.judge(&joined, Owner::Tenant(right.tenant), arrival) {
            // Looked at last: nothing else speaks against the key.
            Err(Refusal::Denied(Denied::AddressNotAllowed)) if right.address.is_none() => {}
            verdict => verdict?,
        }
        let permit = Permit::new(joined)?;
        match permit.key().scopes.contains(Scope::DownloadsRead) {
            true => Ok(permit),
            false => Err(Refusal::ScopeMissing(Scope::DownloadsRead).into()),
        }
    }
}
