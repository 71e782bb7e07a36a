//! API keys: made, changed, replaced and deleted. Only the digest of a secret is kept.

mod for_customer;
mod limits;
mod options;
mod rotation;

use common::cursor::Place;
use common::digest::Digest;
use common::id::{ApplicationId, CustomerId, KeyId};
use common::key::{Digests, Kind, digest_of, generate};
use common::network::Allowlist;
use common::policy::KeyPolicy;
use common::scope::{Scope, Scopes};
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::address::Address;
use rand::Rng;

use super::change::{Change, Decision, Facts, Noun};
use super::customer::Customer;
use super::{Context, Refusal};

pub use for_customer::{About, ForCustomer, ForCustomerFacts, create_for_customer};
pub use limits::Limits;
pub use options::{Create, Fields, Patch};
pub use rotation::{Rotate, regenerate, rotate};

/// A key, deleted ones too: their ids are not given again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// What the edges know of it.
    pub policy: KeyPolicy,
    /// Of its secrets.
    pub digests: Digests,
    /// Display name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it is dead for good.
    pub deleted_at: Option<Timestamp>,
    /// When a request last came with it, as edges report; to the minute when it downloaded nothing.
    pub last_used_at: Option<Timestamp>,
}

impl Key {
    /// The name of its record.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Key(self.policy.id.clone())
    }

    /// Whether it opens doors now, as far as it is up to the key itself.
    #[must_use]
    pub fn works(&self, now: Timestamp) -> bool {
        self.deleted_at.is_none()
            && self.policy.is_enabled
            && self.policy.expires_at.is_none_or(|end| end > now)
    }

    /// Where it stands in a list by age.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { key: self.created_at.millis().to_string(), id: self.policy.id.to_string() }
    }

    fn describe(&self) -> Facts {
        let policy = &self.policy;
        let kind = if policy.kind == Kind::Admin { "admin" } else { "customer" };
        let mut facts = vec![
            ("kind", kind.to_owned()),
            ("name", self.name.clone()),
            ("description", self.description.clone()),
            ("scopes", join(policy.scopes.iter())),
            ("ipAllowlist", policy.allowlist.to_texts().join(",")),
            ("channels", policy.channels.join(",")),
            ("isEnabled", policy.is_enabled.to_string()),
        ];
        facts.extend(policy.customer.iter().map(|id| ("customerId", id.to_string())));
        facts.extend(policy.rate_limit.map(|limit| ("rateLimitRpm", limit.get().to_string())));
        facts.extend(policy.applications.iter().map(|ids| ("applicationIds", join(ids.iter()))));
        facts.extend(policy.expires_at.map(|at| ("expiresAt", at.to_string())));
        facts.extend(self.digests.previous.map(|old| ("previousKeyExpiresAt", old.until.to_string())));
        facts.extend(self.deleted_at.map(|at| ("deletedAt", at.to_string())));
        facts
    }
}

fn join<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// A key with its secret, which is shown once.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The key.
    pub key: Key,
    /// Its secret; kept nowhere.
    pub secret: Secret,
    /// Its customer, when it has one.
    pub customer: Option<Customer>,
}

/// What [`create`] and [`patch`] depend on.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    /// The customer that the command names, if there is one of that id.
    pub customer: Option<Customer>,
    /// Those of the command's applications that do not exist.
    pub unknown_applications: Vec<ApplicationId>,
}

/// A key without settings; its secret is still to be set.
pub(super) fn blank(kind: Kind, customer: Option<CustomerId>, context: &Context, rng: &mut impl Rng) -> Key {
    let policy = KeyPolicy {
        id: KeyId::generate(rng),
        tenant: context.tenant,
        kind,
        customer,
        scopes: options::default_scopes(kind, context),
        rate_limit: None,
        allowlist: Allowlist::default(),
        applications: None,
        channels: vec![],
        expires_at: None,
        is_enabled: true,
        is_deleted: false,
    };
    Key {
        policy,
        digests: Digests::of(Digest([0; 32])),
        name: String::new(),
        description: String::new(),
        created_at: context.now,
        updated_at: context.now,
        deleted_at: None,
        last_used_at: None,
    }
}

pub(super) fn insert(change: &mut Change, key: &Key, context: &Context) {
    change.audit(context, "key.create", key.address().to_string(), (vec![], key.describe()));
    change.announce(key.address(), false);
    change.insert(Noun::Key(key.clone()));
}

/// Decides on a new key.
///
/// # Errors
/// When its customer or applications do not exist, or its scopes are not the actor's to give.
pub fn create(
    command: Create,
    facts: KeyFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    if let (Some(id), None) = (&command.customer, &facts.customer) {
        return Err(Refusal::UnknownCustomer(id.clone()));
    }
    if !facts.unknown_applications.is_empty() {
        return Err(Refusal::UnknownApplications(facts.unknown_applications));
    }
    let mut change = Change::default();
    let mut key = blank(command.kind, command.customer, context, rng);
    key.name = facts.customer.as_ref().map_or_else(|| "Admin".to_owned(), |customer| customer.name.clone());
    let default_name = key.name.clone();
    let mut settings = command.settings;
    let secret = settings.secret.take();
    settings.apply(&mut key, &default_name, context);
    let secret = finish(&mut change, &mut key, secret, (context, rng))?;
    Ok(Decision { change, outcome: NewKey { key, secret, customer: facts.customer } })
}

/// Checks the scopes, makes the secret unless it was brought, and writes the key.
fn finish(
    change: &mut Change,
    key: &mut Key,
    secret: Option<Secret>,
    (context, rng): (&Context, &mut impl Rng),
) -> Result<Secret, Refusal> {
    may_be_given(key, context)?;
    let secret = secret.unwrap_or_else(|| generate(key.policy.kind, rng));
    key.digests = Digests::of(digest_of(&secret));
    insert(change, key, context);
    Ok(secret)
}

/// Nobody hands on more than he has: neither scopes nor applications.
fn may_be_given(key: &Key, context: &Context) -> Result<(), Refusal> {
    let beyond = |most: Scopes| {
        key.policy.scopes.iter().filter(|scope| !most.contains(*scope)).collect::<Vec<Scope>>()
    };
    let (scopes, refuse): (_, fn(Vec<Scope>) -> Refusal) = match key.policy.kind {
        Kind::Customer => (beyond(Scopes::customer()), Refusal::ScopesNotForCustomers),
        Kind::Admin => (beyond(context.actor.scopes), Refusal::ScopesNotOwned),
    };
    if !scopes.is_empty() {
        return Err(refuse(scopes));
    }
    let is_another = context.actor.key.as_ref() != Some(&key.policy.id);
    let limits = &context.actor.limits;
    if key.policy.kind == Kind::Admin && is_another && !limits.cover(&Limits::of(&key.policy)) {
        return Err(Refusal::LimitsNotOwned);
    }
    match (&context.actor.applications, &key.policy.applications) {
        (None, _) => Ok(()),
        (Some(own), Some(given)) if given.iter().all(|id| own.contains(id)) => Ok(()),
        (Some(own), _) => Err(Refusal::ApplicationsNotOwned(own.clone())),
    }
}

/// The key that is there, not deleted, and not above the actor: who could change a mightier key, or have its secret
/// replaced, would have its might.
fn within_reach(existing: Option<Key>, id: &KeyId, context: &Context) -> Result<Key, Refusal> {
    let living = existing.filter(|key| key.deleted_at.is_none() && key.policy.tenant == context.tenant);
    let key = living.ok_or_else(|| Refusal::UnknownKey(id.clone()))?;
    may_be_given(&key, context)?;
    Ok(key)
}

/// Decides on changes to a key. Its secret is not among them.
///
/// # Errors
/// When there is no such key, it has expired and would be extended, it would lift its own limits, or as in [`create`].
pub fn patch(
    command: Patch,
    existing: Option<Key>,
    unknown_applications: Vec<ApplicationId>,
    context: &Context,
) -> Result<Decision<Key>, Refusal> {
    let before = within_reach(existing, &command.id, context)?;
    if !unknown_applications.is_empty() {
        return Err(Refusal::UnknownApplications(unknown_applications));
    }
    let mut after = before.clone();
    command.settings.apply(&mut after, &before.name, context);
    may_be_given(&after, context)?;
    if context.actor.key.as_ref() == Some(&after.policy.id) && lifts_limits(&before.policy, &after.policy) {
        return Err(Refusal::OwnKey);
    }
    let expired = before.policy.expires_at.is_some_and(|end| end <= context.now);
    if expired && after.policy.expires_at.is_none_or(|end| end > context.now) {
        return Err(Refusal::ExpiredKeyCannotBeExtended);
    }
    let mut change = Change::default();
    if after != before {
        after.updated_at = context.now;
        let denies = before.works(context.now) && !after.works(context.now);
        update(&mut change, "key.change", (&before, &after), denies, context);
    }
    Ok(Decision { change, outcome: after })
}

/// Whether a key would work from more addresses, for longer, or more often.
fn lifts_limits(before: &KeyPolicy, after: &KeyPolicy) -> bool {
    let later = before.expires_at.is_some_and(|end| after.expires_at.is_none_or(|new| new > end));
    let oftener = before.rate_limit.is_some_and(|most| after.rate_limit.is_none_or(|new| new > most));
    later || oftener || !after.allowlist.is_within(&before.allowlist)
}

fn update(
    change: &mut Change,
    action: &'static str,
    (before, after): (&Key, &Key),
    denies: bool,
    context: &Context,
) {
    change.audit(context, action, after.address().to_string(), (before.describe(), after.describe()));
    change.announce(after.address(), denies);
    change.update(Noun::Key(after.clone()));
}

/// Decides on the end of a key.
///
/// # Errors
/// When there is no such key.
pub fn delete(id: &KeyId, existing: Option<Key>, context: &Context) -> Result<Decision<Key>, Refusal> {
    let before = within_reach(existing, id, context)?;
    let mut after = before.clone();
    after.deleted_at = Some(context.now);
    after.updated_at = context.now;
    let mut change = Change::default();
    update(&mut change, "key.delete", (&before, &after), true, context);
    Ok(Decision { change, outcome: after })
}
