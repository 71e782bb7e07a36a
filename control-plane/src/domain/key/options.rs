//! What can be set on a key: the same fields when it is made and when it is changed.

use common::id::{ApplicationId, CustomerId, KeyId};
use common::key::{Kind, is_secret};
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::scope::{Scope, Scopes};
use common::secret::Secret;
use common::time::Timestamp;

use super::super::{Context, Edit, Faults, Refusal, field};
use super::Key;

/// The fields as they come. Creation reads `Keep` like `Clear`.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// 1 to 200 characters; the customer's name when absent.
    pub name: Edit<String>,
    /// At most 2 000 characters.
    pub description: Edit<String>,
    /// Names of scopes …
    pub scopes: Edit<Vec<String>>,
    /// … or the name of a set of them.
    pub preset: Option<String>,
    /// Requests in 60 seconds, from 1; null for the tier's.
    pub rate_limit_rpm: Edit<u64>,
    /// Addresses and networks, each of which may be a comma list; null for any.
    pub ip_allowlist: Edit<Vec<String>>,
    /// The applications that it is narrowed to; null for all that its customer has.
    pub application_ids: Edit<Vec<String>>,
    /// Draft channels that it may see.
    pub channels: Edit<Vec<String>>,
    /// RFC 3339; null for never.
    pub expires_at: Edit<String>,
    /// Switched on.
    pub is_enabled: Option<bool>,
    /// A secret that its owner has already, from another system; at creation alone.
    pub secret: Option<Secret>,
}

/// The fields, parsed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    name: Edit<String>,
    description: Edit<String>,
    scopes: Edit<Scopes>,
    rate_limit: Edit<RequestsPerMinute>,
    allowlist: Edit<Allowlist>,
    applications: Edit<Vec<ApplicationId>>,
    channels: Edit<Vec<String>>,
    expires_at: Edit<Timestamp>,
    is_enabled: Option<bool>,
    /// `None`: one is made.
    pub(super) secret: Option<Secret>,
}

impl Settings {
    pub(super) fn parse(fields: Fields, faults: &mut Faults) -> Self {
        if fields.preset.is_some() && fields.scopes != Edit::Keep {
            faults.note("preset", "cannot be sent together with scopes: choose one");
        }
        let preset = faults.optional("preset", fields.preset, |name| {
            Scopes::preset(&name).ok_or("must be full, read-only, publisher or customer")
        });
        let scopes = faults.edit("scopes", fields.scopes, scopes);
        Self {
            name: faults.edit("name", fields.name, field::name),
            description: faults.edit("description", fields.description, field::prose(2_000)),
            scopes: preset.map_or(scopes, Edit::Set),
            rate_limit: faults.edit("rateLimitRpm", fields.rate_limit_rpm, rate_limit),
            allowlist: faults.edit("ipAllowlist", fields.ip_allowlist, |texts| {
                Allowlist::parse(texts.iter().map(String::as_str))
            }),
            applications: faults.edit("applicationIds", fields.application_ids, field::ids),
            channels: faults.edit("channels", fields.channels, field::words),
            expires_at: faults.edit("expiresAt", fields.expires_at, field::text),
            is_enabled: fields.is_enabled,
            secret: None,
        }
    }

    /// Like [`Settings::parse`], for a key that is not there yet: one that would be dead at birth is a mistake.
    pub(super) fn parse_new(mut fields: Fields, now: Timestamp, faults: &mut Faults) -> Self {
        let secret = faults.optional("apiSecret", fields.secret.take(), imported);
        let settings = Self { secret, ..Self::parse(fields, faults) };
        if settings.expires_at.set().is_some_and(|end| *end <= now) {
            faults.note("expiresAt", "must be in the future");
        }
        settings
    }

    pub(super) fn applications(&self) -> &[ApplicationId] {
        self.applications.set().map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn apply(self, key: &mut Key, default_name: &str, context: &Context) {
        let kind = key.policy.kind;
        self.name.apply(&mut key.name, || default_name.to_owned());
        self.description.apply(&mut key.description, String::new);
        self.scopes.apply(&mut key.policy.scopes, || default_scopes(kind, context));
        self.rate_limit.apply_optional(&mut key.policy.rate_limit);
        self.allowlist.apply(&mut key.policy.allowlist, Allowlist::default);
        self.applications.apply_optional(&mut key.policy.applications);
        self.channels.apply(&mut key.policy.channels, Vec::new);
        self.expires_at.apply_optional(&mut key.policy.expires_at);
        key.policy.is_enabled = self.is_enabled.unwrap_or(key.policy.is_enabled);
    }
}

/// What a key may do when nobody says: a customer's what customers may, an admin's what its maker may.
pub(super) fn default_scopes(kind: Kind, context: &Context) -> Scopes {
    match kind {
        Kind::Customer => Scopes::customer(),
        Kind::Admin => context.actor.scopes,
    }
}

fn scopes(names: Vec<String>) -> Result<Scopes, String> {
    let scopes = names.iter().map(|name| name.parse::<Scope>().map_err(|says| says.to_string()));
    let scopes: Scopes = scopes.collect::<Result<Scopes, String>>()?;
    if scopes == Scopes::default() { Err("must name at least one scope".to_owned()) } else { Ok(scopes) }
}

fn rate_limit(count: u64) -> Result<RequestsPerMinute, String> {
    let limit = u32::try_from(count).ok().and_then(RequestsPerMinute::new);
    limit.ok_or_else(|| format!("must be 1 to {}, or null for the tier's limit", u32::MAX))
}

/// A secret that somebody made elsewhere: what would be taken for one of ours must be one of ours.
fn imported(secret: Secret) -> Result<Secret, &'static str> {
    if is_secret(secret.expose()) { Ok(secret) } else { Err("must be 20 to 256 visible ASCII characters") }
}

/// The command: a new key.
#[derive(Clone, Debug)]
pub struct Create {
    /// Whom it speaks for.
    pub kind: Kind,
    /// The customer, exactly when it is a customer's.
    pub customer: Option<CustomerId>,
    pub(super) settings: Settings,
}

impl Create {
    /// Reads the command. Without `kind` it is the customer's when one is named, else an admin's.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(
        kind: Option<String>,
        customer_id: Option<String>,
        fields: Fields,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let named = faults.optional("kind", kind, |kind| match kind.as_str() {
            "admin" => Ok(Kind::Admin),
            "customer" => Ok(Kind::Customer),
            _ => Err("must be admin or customer"),
        });
        // With a customer it can only be the customer's; without one, a mistyped customerId must not make an admin.
        if named.is_none() && customer_id.is_none() {
            faults.note("kind", "is required: admin, or customer with a customerId");
        }
        let kind = named.unwrap_or(Kind::Customer);
        match (kind, &customer_id) {
            (Kind::Customer, None) if named.is_none() => {}
            (Kind::Customer, None) => faults.note("customerId", "is required for a customer's key"),
            (Kind::Admin, Some(_)) => faults.note("customerId", "must be absent for an admin's key"),
            (Kind::Customer, Some(_)) | (Kind::Admin, None) => {}
        }
        let customer = faults.optional("customerId", customer_id, field::text);
        let settings = Settings::parse_new(fields, now, &mut faults);
        faults.check()?;
        Ok(Self { kind, customer, settings })
    }

    /// The applications that it names, which must exist.
    #[must_use]
    pub fn applications(&self) -> &[ApplicationId] {
        self.settings.applications()
    }
}

/// The command: changes to a key.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Which.
    pub id: KeyId,
    pub(super) settings: Settings,
}

impl Patch {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(id: KeyId, fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let settings = Settings::parse(fields, &mut faults);
        faults.check()?;
        Ok(Self { id, settings })
    }

    /// The applications that it names, which must exist.
    #[must_use]
    pub fn applications(&self) -> &[ApplicationId] {
        self.settings.applications()
    }
}
