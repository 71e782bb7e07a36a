//! The gate: may this key do this now? Cheap questions first, never async, no network.
//!
//! Order of refusal: malformed, without a tenant where there are several, unknown, dead, inactive, address, minute, scope. Failed authentications are charged to
//! their source address, never to a key: a valid key from the same address is not delayed by them.

mod again;
pub mod budget;
mod limiter;
mod permit;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use common::id::KeyId;
use common::key::{Kind, Owner, Presented};
use common::limit::RequestsPerMinute;
use common::mac::{MacKeys, Purpose};
use common::policy::{self, Denied};
use common::routes::{Credential, Route};
use common::scope::Scope;
use common::session::is_token;
use common::tenancy::Tenancy;
use common::time::Timestamp;
use common::wire::address::Address;

use crate::error::{Failure, Refusal};
use crate::keyring::{Holder, KeyEntry, Keyring};
use crate::replica::SharedReplica;
use crate::request::{Arrival, Ask};
pub use again::Right;
use budget::{Budgets, Spent, Standing};
use limiter::Failures;
use permit::Joined;
pub use permit::Permit;

/// How a replica that has not heard of the control plane for long is treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Staleness {
    /// After how long without a fresh head it counts as stale.
    pub most: Duration,
    /// Whether a stale edge refuses to serve.
    pub denies: bool,
}

/// A refusal, with what was known of the key by then.
#[derive(Debug)]
pub struct Turned {
    /// Why.
    pub failure: Failure,
    /// The minute of the key, if it came that far.
    pub standing: Option<Standing>,
    /// The key that was refused, when it is known to be the caller's.
    pub key: Option<Arc<KeyEntry>>,
}

impl Turned {
    fn of(refusal: Refusal, key: &Arc<KeyEntry>) -> Self {
        Self { failure: refusal.into(), standing: None, key: Some(key.clone()) }
    }
}

impl<F: Into<Failure>> From<F> for Turned {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), standing: None, key: None }
    }
}

/// A key that all else speaks for, and of whose minute nobody has said yet whether anything is left.
#[derive(Debug)]
pub struct Wanting(pub KeyId);

/// Whether a request was admitted.
pub type Admitted = Result<Permit, Turned>;

/// What decides.
pub struct Gate {
    keyring: Arc<Keyring>,
    replica: SharedReplica,
    budgets: Budgets,
    failures: Failures,
    staleness: Staleness,
    sessions: MacKeys,
    tenancy: Tenancy,
}

impl Gate {
    /// Over a keyring and the denials of its replica. It takes keys, and no tokens of sessions yet.
    pub fn new(keyring: Arc<Keyring>, replica: SharedReplica, staleness: Staleness) -> Self {
        let (budgets, failures, sessions) =
            (Budgets::default(), Failures::default(), MacKeys::derive(&[], Purpose::Session));
        let tenancy = Tenancy::default();
        Self { keyring, replica, budgets, failures, staleness, sessions, tenancy }
    }

    /// The same, taking the tokens that `sessions` opens.
    #[must_use]
    pub fn with_sessions(self, sessions: MacKeys) -> Self {
        Self { sessions, ..self }
    }

    /// The same, counting in `budgets`.
    #[must_use]
    pub fn with_budgets(self, budgets: Budgets) -> Self {
        Self { budgets, ..self }
    }

    /// What the keys have spent.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The same in a system of this tenancy.
    #[must_use]
    pub fn with_tenancy(self, tenancy: Tenancy) -> Self {
        Self { tenancy, ..self }
    }

    /// Admits the key of a request to its route, and spends one request of its minute.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn admit(&self, ask: &Ask) -> Admitted {
        self.admit_by(ask, |key, limit, arrival| Ok(self.budgets.spend(key, limit, arrival)))
            .unwrap_or_else(|never: std::convert::Infallible| match never {})
    }

    /// The same where there is time to ask the other edges.
    ///
    /// # Errors
    /// When they should be asked first. Nothing was spent then.
    pub fn try_admit(&self, ask: &Ask) -> Result<Admitted, Wanting> {
        self.admit_by(ask, |key, limit, arrival| {
            self.budgets.try_spend(key, limit, arrival).ok_or_else(|| Wanting(key.clone()))
        })
    }

    fn admit_by<E>(
        &self,
        ask: &Ask,
        spend: impl FnOnce(&KeyId, RequestsPerMinute, Arrival) -> Result<Spent, E>,
    ) -> Result<Admitted, E> {
        let mut permit = match self.know(ask) {
            Ok(permit) => permit,
            Err(turned) => return Ok(Err(turned)),
        };
        if let Some(limit) = policy::rate_limit(permit.key(), permit.tier()) {
            let spent = spend(&permit.key().id, limit, ask.arrival)?;
            match told(spent, &permit, ask.arrival) {
                Ok(standing) => permit.standing = Some(standing),
                Err(turned) => return Ok(Err(turned)),
            }
        }
        Ok(match entitled(&permit, ask.route) {
            Ok(()) => Ok(permit),
            Err(refusal) => Err(Turned { standing: permit.standing, ..Turned::of(refusal, permit.entry()) }),
        })
    }

    /// The key of a request, as far as nothing speaks against it.
    fn know(&self, ask: &Ask) -> Admitted {
        self.check_ready(ask.arrival)?;
        let secret = ask.credential()?.ok_or(Refusal::NoCredential)?;
        let joined = match self.authenticate(secret.expose(), ask.arrival) {
            Ok(joined) => joined,
            Err(Turned { failure: Failure::Refused(refusal), key, .. }) if is_guess(&refusal) => {
                return Err(Turned { failure: self.charge(refusal, ask).into(), standing: None, key });
            }
            Err(turned) => return Err(turned),
        };
        Ok(Permit::new(joined)?)
    }

    /// Admits the key that a signed link was issued to; spends nothing of its minute.
    ///
    /// # Errors
    /// As that key would be answered.
    pub fn admit_link(&self, holder: &Holder, ask: &Ask) -> Result<Permit, Turned> {
        self.admit_lent(holder, ask, false)
    }

    /// The same for a share link, which is for others than the key's owner: it works from any address.
    ///
    /// # Errors
    /// As that key would be answered from an address that it may be used from.
    pub fn admit_share(&self, holder: &Holder, ask: &Ask) -> Result<Permit, Turned> {
        self.admit_lent(holder, ask, true)
    }

    fn admit_lent(&self, holder: &Holder, ask: &Ask, from_anywhere: bool) -> Result<Permit, Turned> {
        self.check_ready(ask.arrival)?;
        // None too when a new secret took the place of the one that the link was lent by.
        let entry = self.keyring.find_held(holder)?.ok_or(Refusal::Denied(Denied::Unknown))?;
        let owner = Owner::Tenant(entry.policy.tenant);
        let joined = Joined::of(entry);
        match self.judge(&joined, owner, ask.arrival) {
            // Looked at last: nothing else speaks against the key.
            Err(Refusal::Denied(Denied::AddressNotAllowed)) if from_anywhere => {}
            verdict => verdict.map_err(|refusal| Turned::of(refusal, &joined.entry))?,
        }
        let permit = Permit::new(joined)?;
        if !permit.key().scopes.contains(Scope::DownloadsRead) {
            return Err(Turned::of(Refusal::ScopeMissing(Scope::DownloadsRead), permit.entry()));
        }
        Ok(permit)
    }

    /// Forgets what no longer matters: idle budgets, addresses that behaved. Off the hot path, every few seconds.
    pub fn sweep(&self, tick: Duration) {
        self.budgets.sweep(tick);
        self.failures.sweep(tick);
    }

    fn check_ready(&self, arrival: Arrival) -> Result<(), Refusal> {
        if self.serves(arrival.at) { Ok(()) } else { Err(Refusal::NotReady) }
    }

    /// Whether anybody is served: it has a replica, and one that is not too old where the settings refuse by that.
    pub fn serves(&self, now: Timestamp) -> bool {
        self.replica.is_usable() && !(self.staleness.denies && self.is_stale(now))
    }

    /// Whether nothing fresh was heard of the control plane, on any carrier, for longer than the settings allow.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now.since(self.replica.head_issued_at()) > self.staleness.most
    }

    fn authenticate(&self, secret: &str, arrival: Arrival) -> Result<Joined, Turned> {
        if is_token(secret) {
            return self.authenticate_session(secret, arrival);
        }
        let presented = Presented::parse(secret).ok_or(Refusal::MalformedKey)?;
        if !self.tenancy.takes(presented.owner) {
            return Err(Refusal::TenantRequired.into());
        }
        let entry = self.keyring.find(&presented.digest())?.ok_or(Refusal::Denied(Denied::Unknown))?;
        let joined = Joined::of(entry);
        match self.judge(&joined, presented.owner, arrival) {
            Ok(()) => Ok(joined),
            // It named another owner than the key's: nobody is told that this key was tried.
            Err(refusal @ Refusal::Denied(Denied::Unknown)) => Err(refusal.into()),
            Err(refusal) => Err(Turned::of(refusal, &joined.entry)),
        }
    }

    fn judge(&self, joined: &Joined, owner: Owner<'_>, arrival: Arrival) -> Result<(), Refusal> {
        let verdict = policy::evaluate(joined.facts(owner, arrival.address), arrival.at);
        // Both may refuse; the reason is the one that is looked at first, which is the order of the enum.
        let reasons = [verdict.err(), self.check_denials(&joined.entry).err()];
        let first = reasons.into_iter().flatten().min_by_key(|denied| *denied as u8);
        first.map_or(Ok(()), |denied| Err(Refusal::Denied(denied)))
    }

    /// Denials that no record has followed yet. Mostly there are none at all.
    fn check_denials(&self, entry: &KeyEntry) -> Result<(), Denied> {
        if !self.replica.has_denials() {
            return Ok(());
        }
        let key = &entry.policy;
        if self.replica.is_denied(&Address::Key(key.id.clone())) {
            return Err(Denied::Revoked);
        }
        if self.replica.is_denied(&Address::Tenant(key.tenant)) {
            return Err(Denied::TenantInactive);
        }
        let customer = key.customer.as_ref().map(|id| Address::Customer(key.tenant, id.clone()));
        if customer.is_some_and(|address| self.replica.is_denied(&address)) {
            return Err(Denied::CustomerInactive);
        }
        Ok(())
    }

    fn charge(&self, refusal: Refusal, ask: &Ask) -> Refusal {
        if self.is_patient(ask) { refusal } else { Refusal::AuthThrottled }
    }

    /// Charges a failed authentication to where it came from; false when there were too many.
    pub fn is_patient(&self, ask: &Ask) -> bool {
        self.failures.admit(ask.arrival)
    }
}

fn told((spent, standing): Spent, permit: &Permit, arrival: Arrival) -> Result<Standing, Turned> {
    match spent {
        Ok(()) => Ok(standing),
        Err(after) => {
            // The moment of arrival is as good as random here: clients that were turned away together come back
            // spread over a second.
            let jitter = Duration::from_nanos(u64::from(arrival.tick.subsec_nanos()));
            let refusal = Refusal::RateLimited(after + jitter);
            Err(Turned { standing: Some(standing), ..Turned::of(refusal, permit.entry()) })
        }
    }
}

/// A failure that could be somebody guessing keys: everything that is told as 401.
fn is_guess(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::MalformedKey | Refusal::TenantRequired => true,
        Refusal::Denied(denied) => denied.is_unauthenticated(),
        _ => false,
    }
}

fn entitled(permit: &Permit, route: &Route) -> Result<(), Refusal> {
    if route.credential == Credential::Admin && permit.key().kind != Kind::Admin {
        return Err(Refusal::AdminOnly);
    }
    match route.scope {
        Some(scope) if !permit.key().scopes.contains(scope) => Err(Refusal::ScopeMissing(scope)),
        _ => Ok(()),
    }
}
