//! Tenants: vendors. In single-tenant mode there is one, made at first start; several are the operator's to make,
//! suspend and bound.

use common::id::TenantId;
use common::scope::Scopes;
use common::secret::Secret;
use common::tier;
use common::time::Timestamp;
use common::wire::address::Address;
use rand::Rng;

use super::change::{Change, Decision, Facts, Noun};
use super::key::{self, NewKey};
use super::{Context, Faults, Refusal, field};

/// A vendor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tenant {
    /// Its id: what stands before the dot of its keys.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// False stops everything of the tenant.
    pub is_active: bool,
    /// The most bytes that its files and living uploads may have; `None` = no limit.
    pub quota_bytes: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Tenant {
    fn describe(&self) -> Facts {
        let mut said = vec![("name", self.name.clone()), ("isActive", self.is_active.to_string())];
        said.extend(self.quota_bytes.map(|quota| ("quotaBytes", quota.to_string())));
        said
    }
}

/// The command: a new tenant (the context's) with the default tiers and its first admin key.
#[derive(Clone, Debug)]
pub struct Found {
    name: String,
    secret: Option<Secret>,
    quota_bytes: Option<u64>,
}

impl Found {
    /// Reads the command; `secret` is the first admin key's when the operator brings one (text without the tenant).
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(name: String, secret: Option<Secret>) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let name = faults.required("name", Some(name), field::name);
        if secret.as_ref().is_some_and(|secret| !common::key::is_secret(secret.expose())) {
            faults.note("secret", "must be a key that we made, or at least 20 visible ASCII characters");
        }
        let Some(name) = name else { return Err(faults.refuse()) };
        faults.check()?;
        Ok(Self { name, secret, quota_bytes: None })
    }

    /// The same with a bound on what the tenant stores.
    #[must_use]
    pub fn with_quota(self, quota_bytes: Option<u64>) -> Self {
        Self { quota_bytes, ..self }
    }
}

/// Decides on a new tenant.
///
/// # Errors
/// When it is there.
pub fn found(
    command: Found,
    existing: Option<&Tenant>,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    if existing.is_some() {
        return Err(Refusal::DuplicateTenant(context.tenant));
    }
    let tenant = Tenant {
        id: context.tenant,
        name: command.name,
        is_active: true,
        quota_bytes: command.quota_bytes,
        created_at: context.now,
    };
    let mut change = Change::default();
    let address = Address::Tenant(tenant.id);
    change.announce(address.clone(), false);
    change.audit(context, "tenant.create", address.to_string(), (vec![], tenant.describe()));
    change.insert(Noun::Tenant(tenant));
    for tier in tier::defaults() {
        change.announce(Address::Tier(context.tenant, tier.name.clone()), false);
        change.insert(Noun::Tier(context.tenant, tier));
    }
    let outcome = admin_key(&mut change, command.secret, context, rng);
    Ok(Decision { change, outcome })
}

/// The command: what the operator changes about a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alter {
    /// Stops everything of the tenant: keys, sessions, links, uploads.
    Suspend,
    /// Lets it go on.
    Resume,
    /// Bounds what it stores, from now on; `None` = no limit.
    Quota(Option<u64>),
}

impl Alter {
    fn action(self) -> &'static str {
        match self {
            Self::Suspend => "tenant.suspend",
            Self::Resume => "tenant.resume",
            Self::Quota(_) => "tenant.quota",
        }
    }
}

/// Decides on a change of the context's tenant. What is so already changes nothing.
///
/// # Errors
/// When there is no such tenant.
pub fn alter(
    command: Alter,
    existing: Option<Tenant>,
    context: &Context,
) -> Result<Decision<Tenant>, Refusal> {
    let before = existing.ok_or(Refusal::UnknownTenant(context.tenant))?;
    let mut after = before.clone();
    match command {
        Alter::Suspend => after.is_active = false,
        Alter::Resume => after.is_active = true,
        Alter::Quota(quota_bytes) => after.quota_bytes = quota_bytes,
    }
    let mut change = Change::default();
    if after != before {
        let address = Address::Tenant(after.id);
        change.audit(context, command.action(), address.to_string(), (before.describe(), after.describe()));
        if after.is_active != before.is_active {
            change.announce(address, !after.is_active);
        }
        change.update(Noun::Tenant(after.clone()));
    }
    Ok(Decision { change, outcome: after })
}

/// Decides on a new admin key with all scopes, for an operator who has none (any more).
#[must_use]
pub fn add_admin(context: &Context, rng: &mut impl Rng) -> Decision<NewKey> {
    let mut change = Change::default();
    let outcome = admin_key(&mut change, None, context, rng);
    Decision { change, outcome }
}

fn admin_key(change: &mut Change, secret: Option<Secret>, context: &Context, rng: &mut impl Rng) -> NewKey {
    let secret = secret.unwrap_or_else(|| common::key::generate(common::key::Kind::Admin, rng));
    let mut key = key::blank(common::key::Kind::Admin, None, context, rng);
    key.name = "Admin".to_owned();
    key.policy.scopes = Scopes::full();
    key.digests = common::key::Digests::of(common::key::digest_of(&secret));
    key::insert(change, &key, context);
    NewKey { key, secret, customer: None }
}
