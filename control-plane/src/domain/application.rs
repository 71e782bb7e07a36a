//! Applications: what the vendor ships, and which customers it is assigned to.

mod edit;

use common::catalog;
use common::id::{ApplicationId, CustomerId, TenantId};
use common::time::Timestamp;
use common::wire::address::Address;

use super::change::{Change, Decision, Facts, Noun, Row};
use super::{Context, Faults, Refusal, field};

pub use edit::{Edited, Patch, PatchFields, patch, restore};

/// An application, deleted ones too: their ids are not given again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Application {
    /// Whose.
    pub tenant: TenantId,
    /// What every plane knows of it.
    pub facts: catalog::Application,
    /// Since when it is hidden from everybody; its bytes are kept.
    pub deleted_at: Option<Timestamp>,
}

impl Application {
    /// The name of its record.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Application(self.tenant, self.facts.id.clone())
    }

    fn describe(&self) -> Facts {
        let mut facts = vec![
            ("name", self.facts.name.clone()),
            ("description", self.facts.description.clone()),
            ("tags", self.facts.tags.join(",")),
            ("isActive", self.facts.is_active.to_string()),
        ];
        facts.extend(self.deleted_at.map(|at| ("deletedAt", at.to_string())));
        facts
    }
}

/// The application that is there and not deleted.
///
/// # Errors
/// When there is none: to its vendor too, a deleted one does not exist.
pub fn living(existing: Option<Application>, id: &ApplicationId) -> Result<Application, Refusal> {
    let living = existing.filter(|application| application.deleted_at.is_none());
    living.ok_or_else(|| Refusal::UnknownApplication(id.clone()))
}

/// The fields of POST as they come.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// 3 to 50 of `[a-z0-9-]`.
    pub application_id: Option<String>,
    /// 1 to 200 characters.
    pub name: Option<String>,
    /// At most 2 000 characters.
    pub description: Option<String>,
    /// At most 20 of 1 to 50 characters.
    pub tags: Option<Vec<String>>,
    /// Whom it is assigned to; none when absent.
    pub customer_ids: Option<Vec<String>>,
    /// True for one that comes from another system: its id may have the form that ids had there.
    pub is_imported: bool,
}

/// The command: a new application.
#[derive(Clone, Debug)]
pub struct Create {
    /// Its id.
    pub id: ApplicationId,
    /// Whom it is assigned to.
    pub customers: Vec<CustomerId>,
    name: String,
    description: String,
    tags: Vec<String>,
}

impl Create {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let id = faults.required("applicationId", fields.application_id, |text| match fields.is_imported {
            true => text.parse(),
            false => ApplicationId::parse_new(&text),
        });
        let name = faults.required("name", fields.name, field::name);
        let description = faults.optional("description", fields.description, field::prose(2_000));
        let tags = faults.optional("tags", fields.tags, field::words);
        let customers = faults.optional("customerIds", fields.customer_ids, field::ids);
        let (Some(id), Some(name)) = (id, name) else { return Err(faults.refuse()) };
        faults.check()?;
        Ok(Self {
            id,
            name,
            description: description.unwrap_or_default(),
            tags: tags.unwrap_or_default(),
            customers: customers.unwrap_or_default(),
        })
    }
}

/// Decides on a new application. `existing` has the id, deleted or not; `unknown` are those of its customers that do
/// not exist.
///
/// # Errors
/// When the id is taken or customers are unknown.
pub fn create(
    command: Create,
    existing: Option<&Application>,
    unknown: Vec<CustomerId>,
    context: &Context,
) -> Result<Decision<Application>, Refusal> {
    if existing.is_some() {
        return Err(Refusal::DuplicateApplication(command.id));
    }
    if !unknown.is_empty() {
        return Err(Refusal::UnknownCustomers(unknown));
    }
    let facts = catalog::Application {
        id: command.id,
        name: command.name,
        description: command.description,
        tags: command.tags,
        is_active: true,
        created_at: context.now,
        updated_at: context.now,
    };
    let application = Application { tenant: context.tenant, facts, deleted_at: None };
    let mut change = Change::default();
    let mut after = application.describe();
    after.push(("customerIds", texts(&command.customers)));
    change.audit(context, "application.create", application.address().to_string(), (vec![], after));
    change.announce(application.address(), false);
    change.insert(Noun::Application(application.clone()));
    assign_to(&mut change, &application, command.customers);
    Ok(Decision { change, outcome: application })
}

fn texts(customers: &[CustomerId]) -> String {
    customers.iter().map(CustomerId::as_str).collect::<Vec<_>>().join(",")
}

fn assign_to(change: &mut Change, application: &Application, customers: Vec<CustomerId>) {
    for customer in customers {
        change.announce(Address::Customer(application.tenant, customer.clone()), false);
        change.rows.push(Row::Grant(application.tenant, customer, application.facts.id.clone()));
    }
}

/// Decides on hiding an application from everybody, at once.
///
/// # Errors
/// When there is no such application.
pub fn delete(
    id: &ApplicationId,
    existing: Option<Application>,
    context: &Context,
) -> Result<Decision<Application>, Refusal> {
    let before = living(existing, id)?;
    let mut after = before.clone();
    after.deleted_at = Some(context.now);
    after.facts.updated_at = context.now;
    let mut change = Change::default();
    edit::update(&mut change, "application.delete", (&before, &after), true, context);
    Ok(Decision { change, outcome: after })
}

/// The command: customers to assign an application to, and to take it from.
#[derive(Clone, Debug)]
pub struct Assign {
    /// Which application.
    pub application: ApplicationId,
    /// Who gets it.
    pub add: Vec<CustomerId>,
    /// Who loses it.
    pub remove: Vec<CustomerId>,
}

impl Assign {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields; a customer in both lists is one.
    pub fn parse(
        application: ApplicationId,
        add: Option<Vec<String>>,
        remove: Option<Vec<String>>,
    ) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let add: Vec<CustomerId> = faults.optional("addCustomerIds", add, field::ids).unwrap_or_default();
        let remove = faults.optional("removeCustomerIds", remove, field::ids).unwrap_or_default();
        if add.iter().any(|id| remove.contains(id)) {
            faults.note("removeCustomerIds", "must not name customers that addCustomerIds names too");
        }
        faults.check()?;
        Ok(Self { application, add, remove })
    }
}

/// What [`assign`] depends on.
#[derive(Clone, Debug)]
pub struct AssignFacts {
    /// The application.
    pub application: Option<Application>,
    /// Whom it is assigned to now.
    pub assigned: Vec<CustomerId>,
    /// Those of the command's customers that do not exist.
    pub unknown: Vec<CustomerId>,
}

/// What an assignment came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// Whom the application is assigned to now.
    pub customers: Vec<CustomerId>,
    /// Who was not among them before.
    pub added: Vec<CustomerId>,
    /// Who was.
    pub removed: Vec<CustomerId>,
}

/// Decides on assignments. Those that are as asked for already are left alone.
///
/// # Errors
/// When application or customers are unknown.
pub fn assign(
    command: Assign,
    facts: AssignFacts,
    context: &Context,
) -> Result<Decision<Assignment>, Refusal> {
    let application = living(facts.application, &command.application)?;
    if !facts.unknown.is_empty() {
        return Err(Refusal::UnknownCustomers(facts.unknown));
    }
    let mut change = Change::default();
    let lists = (command.add, command.remove);
    let outcome = reassign(&mut change, &application, facts.assigned, lists, context);
    Ok(Decision { change, outcome })
}

/// Assigns an application to some and takes it from others, leaving alone what is as it should be.
fn reassign(
    change: &mut Change,
    application: &Application,
    before: Vec<CustomerId>,
    (add, remove): (Vec<CustomerId>, Vec<CustomerId>),
    context: &Context,
) -> Assignment {
    let added: Vec<CustomerId> = add.into_iter().filter(|id| !before.contains(id)).collect();
    let removed: Vec<CustomerId> = remove.into_iter().filter(|id| before.contains(id)).collect();
    let kept = before.iter().filter(|id| !removed.contains(id));
    let mut customers: Vec<CustomerId> = kept.chain(&added).cloned().collect();
    customers.sort();
    if !(added.is_empty() && removed.is_empty()) {
        let sides = (vec![("customerIds", texts(&before))], vec![("customerIds", texts(&customers))]);
        change.audit(context, "application.assign", application.address().to_string(), sides);
        assign_to(change, application, added.clone());
        for customer in &removed {
            change.announce(Address::Customer(application.tenant, customer.clone()), false);
            change.rows.push(Row::Revoke(application.tenant, customer.clone(), application.facts.id.clone()));
        }
    }
    Assignment { customers, added, removed }
}
