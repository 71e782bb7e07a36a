//! A key for a customer who may not exist yet: the one call by which vendors' scripts let somebody in.

use common::id::{ApplicationId, CustomerId};
use common::key::Kind;
use common::scope::Scope;
use common::tier::{Tier, TierName};
use rand::Rng;

use super::super::change::{Change, Decision};
use super::super::customer::{self, Customer};
use super::super::{Context, Edit, Faults, Refusal, field, known_tier};
use super::options::{Fields, Settings};
use super::{NewKey, blank, finish};

/// The command.
#[derive(Clone, Debug)]
pub struct ForCustomer {
    /// The customer; `None`: a new one gets an id from us.
    pub customer: Option<CustomerId>,
    name: Option<String>,
    tier: Option<TierName>,
    notes: Option<String>,
    settings: Settings,
}

/// What the request says of the customer.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name; the key is called the same.
    pub name: Option<String>,
    /// The plan it is on from now on.
    pub tier: Option<String>,
    /// For the vendor; BinDist's clients send them here.
    pub notes: Option<String>,
}

impl ForCustomer {
    /// Reads the command. `customer` is the path's, `None` for the ids that stand for a new customer. The request's
    /// `name` is the customer's; the key is called the same. A new customer without a name is called by its id.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(
        customer: Option<CustomerId>,
        about: About,
        fields: Fields,
        context: &Context,
    ) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let name = faults.optional("name", about.name, field::name);
        let tier = faults.optional("tier", about.tier, field::text);
        let notes = faults.optional("notes", about.notes, field::prose(2_000));
        // The name is the customer's here, and was judged above.
        let fields = Fields { name: Edit::Keep, ..fields };
        let settings = Settings::parse_new(fields, context.now, &mut faults);
        faults.check()?;
        Ok(Self { customer, name, tier, notes, settings })
    }

    /// The applications that it names, which must exist.
    #[must_use]
    pub fn applications(&self) -> &[ApplicationId] {
        self.settings.applications()
    }
}

/// What [`create_for_customer`] depends on.
#[derive(Clone, Debug, Default)]
pub struct ForCustomerFacts {
    /// Who has the command's customer id.
    pub customer: Option<Customer>,
    /// The tenant's tiers.
    pub tiers: Vec<Tier>,
    /// Those of the command's applications that do not exist.
    pub unknown_applications: Vec<ApplicationId>,
}

/// Decides on a key for a customer: an unknown id with a name makes the customer, a tier changes it.
///
/// # Errors
/// When an unknown id comes without a name, a known one with another's name, or as in [`super::create`].
pub fn create_for_customer(
    command: ForCustomer,
    facts: ForCustomerFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    if !facts.unknown_applications.is_empty() {
        return Err(Refusal::UnknownApplications(facts.unknown_applications));
    }
    // Making and changing customers is a right of its own, also where it is done by the way.
    let touches = facts.customer.is_none() || command.tier.is_some() || command.notes.is_some();
    if touches && !context.actor.scopes.contains(Scope::CustomersWrite) {
        return Err(Refusal::ScopesNotOwned(vec![Scope::CustomersWrite]));
    }
    if facts.customer.is_some() && command.tier.is_some() && context.actor.applications.is_some() {
        return Err(Refusal::NotForNarrowedKeys);
    }
    let mut change = Change::default();
    let who = Named { id: command.customer, name: command.name, tier: command.tier, notes: command.notes };
    let customer = match facts.customer {
        Some(existing) => who.change(&mut change, existing, &facts.tiers, context)?,
        None => who.create(&mut change, &facts.tiers, context, rng)?,
    };
    let mut key = blank(Kind::Customer, Some(customer.policy.id.clone()), context, rng);
    key.name.clone_from(&customer.name);
    let mut settings = command.settings;
    let secret = settings.secret.take();
    settings.apply(&mut key, &customer.name, context);
    let secret = finish(&mut change, &mut key, secret, (context, rng))?;
    Ok(Decision { change, outcome: NewKey { key, secret, customer: Some(customer) } })
}

/// What the command says about the customer.
struct Named {
    id: Option<CustomerId>,
    name: Option<String>,
    tier: Option<TierName>,
    notes: Option<String>,
}

impl Named {
    fn change(
        self,
        change: &mut Change,
        existing: Customer,
        tiers: &[Tier],
        context: &Context,
    ) -> Result<Customer, Refusal> {
        if self.name.is_some_and(|name| name != existing.name) {
            return Err(Refusal::NameTaken { customer: existing.policy.id, name: existing.name });
        }
        let mut customer = existing.clone();
        if let Some(tier) = self.tier {
            customer.policy.tier = known_tier(&tier, tiers)?;
        }
        customer.notes = self.notes.or(customer.notes);
        if customer != existing {
            customer.updated_at = context.now;
            customer::update(change, &existing, &customer, context);
        }
        Ok(customer)
    }

    fn create(
        self,
        change: &mut Change,
        tiers: &[Tier],
        context: &Context,
        rng: &mut impl Rng,
    ) -> Result<Customer, Refusal> {
        let mut customer = match (self.id, self.name) {
            (Some(id), None) => return Err(Refusal::UnknownCustomer(id)),
            (id, name) => {
                let id = id.unwrap_or_else(|| CustomerId::generate(rng));
                let name = name.unwrap_or_else(|| id.to_string());
                customer::blank(id, name, context)
            }
        };
        if let Some(tier) = self.tier {
            customer.policy.tier = known_tier(&tier, tiers)?;
        }
        customer.notes = self.notes;
        customer::insert(change, &customer, context);
        Ok(customer)
    }
}
