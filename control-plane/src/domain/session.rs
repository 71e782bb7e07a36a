//! Sessions: what logins open for a key, and how they end before their time.

use common::id::{CustomerId, KeyId, SessionId, TenantId};
use common::key::Holder;
use common::policy::KeyPolicy;
use common::secret::Secret;
use common::session::{Claims, LIFETIME};
use common::time::Timestamp;
use common::wire::address::Address;
use rand::Rng;

use super::change::{Change, Decision, Facts, Noun, Row};
use super::{Context, Faults, Refusal, field};

/// Living sessions that a key can have.
pub const MOST_LIVING: u64 = 1_000;
/// The same with those that were revoked and whose time is not over yet: they stay until then.
pub const MOST_KEPT: u64 = 10_000;
const LONGEST_LABEL: usize = 128;

/// A session. Its token can be made from it again, and is kept nowhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub tenant: TenantId,
    /// The key that it carries the rights of, and by which of its secrets it was opened.
    pub holder: Holder,
    /// The key's customer.
    pub customer: Option<CustomerId>,
    /// What the client calls it; `None`: the key's default session.
    pub label: Option<String>,
    /// Since when.
    pub issued_at: Timestamp,
    /// Until when; not at that instant any more.
    pub expires_at: Timestamp,
    /// When it was ended before its time.
    pub revoked_at: Option<Timestamp>,
}

impl Session {
    /// The name of its record, which is there once it is revoked.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Session(self.id.clone())
    }

    /// What its token says.
    #[must_use]
    pub fn claims(&self) -> Claims {
        Claims::new(self.id.clone(), self.holder.clone(), self.issued_at, self.expires_at)
    }

    /// Whether its token opens doors, as far as it is up to the session.
    #[must_use]
    pub fn is_living(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    fn describe(&self) -> Facts {
        let mut facts =
            vec![("keyId", self.holder.key.to_string()), ("expiresAt", self.expires_at.to_string())];
        facts.extend(self.label.iter().map(|label| ("label", label.clone())));
        facts.extend(self.revoked_at.map(|at| ("revokedAt", at.to_string())));
        facts
    }
}

/// The command: a session for who brings a key.
#[derive(Clone, Debug)]
pub struct Login {
    /// The key, not looked at yet.
    pub key: Secret,
    /// What the session is called.
    pub label: Option<String>,
}

impl Login {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(api_key: Option<String>, session_id: Option<String>) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let key = faults.required("api_key", api_key, |text| {
            if text.is_empty() { Err("is required") } else { Ok(Secret::new(text)) }
        });
        let label = faults.optional("session_id", session_id, field::line(LONGEST_LABEL));
        let Some(key) = key else { return Err(faults.refuse()) };
        faults.check()?;
        Ok(Self { key, label })
    }
}

/// Reads the label of a session that is to end.
///
/// # Errors
/// When it is none.
pub fn parse_label(session_id: Option<String>) -> Result<Option<String>, Refusal> {
    let mut faults = Faults::default();
    let label = faults.optional("session_id", session_id, field::line(LONGEST_LABEL));
    faults.check()?;
    Ok(label)
}

/// How many sessions a key has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    /// Living ones.
    pub living: u64,
    /// All whose time is not over.
    pub kept: u64,
}

/// What [`open`] depends on.
#[derive(Clone, Debug)]
pub struct OpenFacts {
    /// The key as its secret opens it.
    pub key: KeyPolicy,
    /// That key with that secret.
    pub holder: Holder,
    /// The living session of that holder and label.
    pub existing: Option<Session>,
    /// How many there are of that key.
    pub count: Count,
}

/// Decides on a login: the same key and label have the same session while it lives.
///
/// # Errors
/// When the key has as many as it can have.
pub fn open(
    label: Option<String>,
    facts: OpenFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Session>, Refusal> {
    if let Some(existing) = facts.existing {
        return Ok(Decision { change: Change::default(), outcome: existing });
    }
    if facts.count.living >= MOST_LIVING {
        return Err(Refusal::TooManySessions { most: MOST_LIVING });
    }
    if facts.count.kept >= MOST_KEPT {
        return Err(Refusal::TooManySessions { most: MOST_KEPT });
    }
    let end = context.now.plus(LIFETIME);
    let session = Session {
        id: SessionId::generate(rng),
        tenant: facts.key.tenant,
        holder: facts.holder,
        customer: facts.key.customer,
        label,
        issued_at: context.now,
        // It dies with its key: what is told of its end is the truth.
        expires_at: facts.key.expires_at.map_or(end, |key| key.min(end)),
        revoked_at: None,
    };
    let mut change = Change::default();
    change.audit(context, "session.create", session.address().to_string(), (vec![], session.describe()));
    change.insert(Noun::Session(session.clone()));
    Ok(Decision { change, outcome: session })
}

/// Whose sessions somebody may end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach<'a> {
    /// Those of this key.
    Own(&'a KeyId),
    /// All of the tenant's.
    Tenant,
}

impl Reach<'_> {
    fn covers(self, session: &Session, context: &Context) -> bool {
        let own = match self {
            Self::Own(key) => session.holder.key == *key,
            Self::Tenant => true,
        };
        own && session.tenant == context.tenant
    }
}

/// Decides on the end of a session.
///
/// # Errors
/// When there is no living one of that id within reach: somebody else's is as absent as none.
pub fn revoke(
    id: &SessionId,
    existing: Option<Session>,
    reach: Reach<'_>,
    context: &Context,
) -> Result<Decision<Session>, Refusal> {
    let living = existing.filter(|it| it.is_living(context.now) && reach.covers(it, context));
    let before = living.ok_or_else(|| Refusal::UnknownSession(id.clone()))?;
    let after = Session { revoked_at: Some(context.now), ..before.clone() };
    let mut change = Change::default();
    let address = after.address();
    change.audit(context, "session.revoke", address.to_string(), (before.describe(), after.describe()));
    change.announce(address, true);
    change.update(Noun::Session(after.clone()));
    Ok(Decision { change, outcome: after })
}

/// Decides to forget sessions whose time has been over for long. No line for the audit: nobody did anything, and
/// what ended is told there already.
#[must_use]
pub fn forget(spent: &[Session]) -> Change {
    let mut change = Change::default();
    for session in spent {
        change.rows.push(Row::Forget(session.id.clone()));
        // Only what was revoked has a record.
        if session.revoked_at.is_some() {
            change.announce(session.address(), false);
        }
    }
    change
}
