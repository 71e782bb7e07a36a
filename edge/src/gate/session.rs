//! Session tokens at the gate: opened in memory, then judged as the key behind them would be.

use common::key::Owner;
use common::policy::Denied;
use common::session::Claims;

use super::permit::Joined;
use super::{Gate, Turned};
use crate::error::Refusal;
use crate::request::Arrival;

impl Gate {
    /// The key that a session was opened by, as the secret of then opens it now.
    pub(super) fn authenticate_session(&self, token: &str, arrival: Arrival) -> Result<Joined, Turned> {
        let claims = Claims::open(token, &self.sessions, arrival.at).map_err(Refusal::Denied)?;
        if self.replica.is_revoked(&claims.id)? {
            return Err(Refusal::Denied(Denied::SessionRevoked).into());
        }
        // None too when another secret took the place of that one.
        let entry = self.keyring.find_held(&claims.holder)?.ok_or(Refusal::Denied(Denied::Unknown))?;
        let owner = Owner::Tenant(entry.policy.tenant);
        let joined = Joined::of(entry).by_session(claims.id);
        match self.judge(&joined, owner, arrival) {
            Ok(()) => Ok(joined),
            Err(refusal) => Err(Turned::of(refusal, &joined.entry)),
        }
    }
}
