//! Customers: who the vendor's keys are for, what plan they are on, what is assigned to them.

use common::cursor::Place;
use common::id::{CustomerId, TenantId};
use common::policy::CustomerPolicy;
use common::tier::{Tier, TierName};
use common::time::Timestamp;
use common::wire::address::Address;
use rand::Rng;

use super::change::{Change, Decision, Facts, Noun};
use super::{Context, Edit, Faults, Refusal, field, known_tier};

/// The customerId that stands for the vendor itself.
pub const ADMIN: &str = "admin";

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Customer {
    /// Whose customer.
    pub tenant: TenantId,
    /// What the edges know: id, tier, channels, state, assigned applications.
    pub policy: CustomerPolicy,
    /// Display name.
    pub name: String,
    /// For the vendor.
    pub notes: Option<String>,
    /// Where to reach it.
    pub email: Option<String>,
    /// Its number in the vendor's books.
    pub reference: Option<String>,
    /// What it bought.
    pub license: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl Customer {
    /// The name of its record.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Customer(self.tenant, self.policy.id.clone())
    }

    /// What lists of customers are sorted by, text that sorts the same: the name, whatever its case.
    #[must_use]
    pub fn name_key(&self) -> String {
        self.name.to_lowercase()
    }

    /// Where it stands in a list by name.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { key: self.name_key(), id: self.policy.id.to_string() }
    }

    pub(super) fn describe(&self) -> Facts {
        let mut facts = vec![
            ("name", self.name.clone()),
            ("tier", self.policy.tier.to_string()),
            ("channels", self.policy.channels.join(",")),
            ("isActive", self.policy.is_active.to_string()),
        ];
        let optional = [
            ("notes", &self.notes),
            ("email", &self.email),
            ("reference", &self.reference),
            ("license", &self.license),
        ];
        facts.extend(optional.into_iter().filter_map(|(field, value)| Some((field, value.clone()?))));
        facts
    }
}

/// The fields of POST and PATCH as they come. Creation reads `Keep` like `Clear`.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// 1 to 200 characters.
    pub name: Option<String>,
    /// A tier of the tenant; default Basic.
    pub tier: Edit<String>,
    /// Draft channels that all its keys may see.
    pub channels: Edit<Vec<String>>,
    /// At most 2 000 characters.
    pub notes: Edit<String>,
    /// At most 320 characters.
    pub email: Edit<String>,
    /// At most 200 characters.
    pub reference: Edit<String>,
    /// At most 500 characters.
    pub license: Edit<String>,
    /// False stops every key of the customer.
    pub is_active: Option<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Settings {
    name: Option<String>,
    tier: Edit<TierName>,
    channels: Edit<Vec<String>>,
    notes: Edit<String>,
    email: Edit<String>,
    reference: Edit<String>,
    license: Edit<String>,
    is_active: Option<bool>,
}

impl Settings {
    fn parse(fields: Fields, faults: &mut Faults) -> Self {
        Self {
            name: faults.optional("name", fields.name, field::name),
            tier: faults.edit("tier", fields.tier, field::text),
            channels: faults.edit("channels", fields.channels, field::words),
            notes: faults.edit("notes", fields.notes, field::prose(2_000)),
            email: faults.edit("email", fields.email, field::line(320)),
            reference: faults.edit("reference", fields.reference, field::line(200)),
            license: faults.edit("license", fields.license, field::prose(500)),
            is_active: fields.is_active,
        }
    }

    fn apply(self, customer: &mut Customer, tiers: &[Tier]) -> Result<(), Refusal> {
        let tier = match self.tier {
            Edit::Set(name) => Edit::Set(known_tier(&name, tiers)?),
            unset => unset,
        };
        tier.apply(&mut customer.policy.tier, TierName::basic);
        self.channels.apply(&mut customer.policy.channels, Vec::new);
        self.notes.apply_optional(&mut customer.notes);
        self.email.apply_optional(&mut customer.email);
        self.reference.apply_optional(&mut customer.reference);
        self.license.apply_optional(&mut customer.license);
        customer.policy.is_active = self.is_active.unwrap_or(customer.policy.is_active);
        if let Some(name) = self.name {
            customer.name = name;
        }
        Ok(())
    }
}

/// The command: a new customer.
#[derive(Clone, Debug)]
pub struct Create {
    /// `None`: we make one.
    pub id: Option<CustomerId>,
    settings: Settings,
}

impl Create {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields; a reserved id.
    pub fn parse(customer_id: Option<String>, fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let id = faults.optional("customerId", customer_id, field::text::<CustomerId>);
        if fields.name.is_none() {
            faults.note("name", "is required");
        }
        let settings = Settings::parse(fields, &mut faults);
        faults.check()?;
        match id {
            Some(id) if is_reserved(&id) => Err(Refusal::ReservedCustomer(id)),
            id => Ok(Self { id, settings }),
        }
    }
}

/// True for ids that stand for the vendor itself.
#[must_use]
pub fn is_reserved(id: &CustomerId) -> bool {
    id.as_str().eq_ignore_ascii_case(ADMIN)
}

/// Decides on a new customer; `existing` is who has the id.
///
/// # Errors
/// When the id is taken or the tier unknown.
pub fn create(
    command: Create,
    existing: Option<&Customer>,
    tiers: &[Tier],
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Customer>, Refusal> {
    if let Some(existing) = existing {
        return Err(Refusal::DuplicateCustomer(existing.policy.id.clone()));
    }
    let id = command.id.unwrap_or_else(|| CustomerId::generate(rng));
    let mut customer = blank(id, String::new(), context);
    command.settings.apply(&mut customer, tiers)?;
    let mut change = Change::default();
    insert(&mut change, &customer, context);
    Ok(Decision { change, outcome: customer })
}

pub(super) fn blank(id: CustomerId, name: String, context: &Context) -> Customer {
    let policy = CustomerPolicy {
        id,
        tier: TierName::basic(),
        channels: vec![],
        is_active: true,
        applications: vec![],
    };
    Customer {
        tenant: context.tenant,
        policy,
        name,
        notes: None,
        email: None,
        reference: None,
        license: None,
        created_at: context.now,
        updated_at: context.now,
    }
}

pub(super) fn insert(change: &mut Change, customer: &Customer, context: &Context) {
    let address = customer.address();
    change.audit(context, "customer.create", address.to_string(), (vec![], customer.describe()));
    change.announce(address, false);
    change.insert(Noun::Customer(customer.clone()));
}

/// Writes what became of `before`.
pub(super) fn update(change: &mut Change, before: &Customer, after: &Customer, context: &Context) {
    let address = after.address();
    change.audit(context, "customer.change", address.to_string(), (before.describe(), after.describe()));
    change.announce(address, before.policy.is_active && !after.policy.is_active);
    change.update(Noun::Customer(after.clone()));
}

/// The command: changes to a customer.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Whom.
    pub id: CustomerId,
    settings: Settings,
}

impl Patch {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(id: CustomerId, fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let settings = Settings::parse(fields, &mut faults);
        faults.check()?;
        Ok(Self { id, settings })
    }
}

/// Decides on changes to a customer.
///
/// # Errors
/// When there is no such customer or tier.
pub fn patch(
    command: Patch,
    existing: Option<Customer>,
    tiers: &[Tier],
    context: &Context,
) -> Result<Decision<Customer>, Refusal> {
    let before = existing.ok_or(Refusal::UnknownCustomer(command.id))?;
    let mut after = before.clone();
    command.settings.apply(&mut after, tiers)?;
    let mut change = Change::default();
    if after != before {
        after.updated_at = context.now;
        update(&mut change, &before, &after, context);
    }
    Ok(Decision { change, outcome: after })
}
