//! An application that is there: changed, and brought back after it was deleted.

use common::id::{ApplicationId, CustomerId};

use super::super::change::{Change, Decision, Noun};
use super::super::{Context, Edit, Faults, Refusal, field};
use super::{Application, AssignFacts, living, reassign};

/// The fields of PATCH as they come.
#[derive(Clone, Debug, Default)]
pub struct PatchFields {
    /// 1 to 200 characters.
    pub name: Option<String>,
    /// At most 2 000 characters.
    pub description: Edit<String>,
    /// At most 20 of 1 to 50 characters.
    pub tags: Edit<Vec<String>>,
    /// False hides it from customers.
    pub is_active: Option<bool>,
    /// Everybody whom it is assigned to from now on; null for nobody, as at creation.
    pub customer_ids: Edit<Vec<String>>,
}

/// The command: changes to an application.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Which.
    pub id: ApplicationId,
    name: Option<String>,
    description: Edit<String>,
    tags: Edit<Vec<String>>,
    is_active: Option<bool>,
    customers: Edit<Vec<CustomerId>>,
}

impl Patch {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(id: ApplicationId, fields: PatchFields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let patch = Self {
            id,
            name: faults.optional("name", fields.name, field::name),
            description: faults.edit("description", fields.description, field::prose(2_000)),
            tags: faults.edit("tags", fields.tags, field::words),
            is_active: fields.is_active,
            customers: faults.edit("customerIds", fields.customer_ids, field::ids),
        };
        faults.check()?;
        Ok(patch)
    }

    /// The customers that it names, who must exist.
    #[must_use]
    pub fn customers(&self) -> &[CustomerId] {
        self.customers.set().map(Vec::as_slice).unwrap_or_default()
    }
}

/// An application as it was left, with everybody whom it is assigned to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edited {
    /// The application.
    pub application: Application,
    /// By id.
    pub customers: Vec<CustomerId>,
}

/// Decides on changes to an application.
///
/// # Errors
/// When application or customers are unknown.
pub fn patch(command: Patch, facts: AssignFacts, context: &Context) -> Result<Decision<Edited>, Refusal> {
    let before = living(facts.application, &command.id)?;
    if !facts.unknown.is_empty() {
        return Err(Refusal::UnknownCustomers(facts.unknown));
    }
    let mut after = before.clone();
    after.facts.name = command.name.unwrap_or(after.facts.name);
    command.description.apply(&mut after.facts.description, String::new);
    command.tags.apply(&mut after.facts.tags, Vec::new);
    after.facts.is_active = command.is_active.unwrap_or(after.facts.is_active);
    let mut change = Change::default();
    if after != before {
        after.facts.updated_at = context.now;
        let hides = before.facts.is_active && !after.facts.is_active;
        update(&mut change, "application.change", (&before, &after), hides, context);
    }
    let wanted = match command.customers {
        Edit::Keep => facts.assigned.clone(),
        Edit::Clear => vec![],
        Edit::Set(customers) => customers,
    };
    let lost = facts.assigned.iter().filter(|id| !wanted.contains(id)).cloned().collect();
    let assignment = reassign(&mut change, &after, facts.assigned, (wanted, lost), context);
    Ok(Decision { change, outcome: Edited { application: after, customers: assignment.customers } })
}

/// Decides on bringing a deleted application back, with everything that it had. One that is not deleted stays as it is.
///
/// # Errors
/// When there never was such an application.
pub fn restore(
    id: &ApplicationId,
    existing: Option<Application>,
    assigned: Vec<CustomerId>,
    context: &Context,
) -> Result<Decision<Edited>, Refusal> {
    let before = existing.ok_or_else(|| Refusal::UnknownApplication(id.clone()))?;
    let mut after = before.clone();
    let mut change = Change::default();
    if after.deleted_at.take().is_some() {
        after.facts.updated_at = context.now;
        update(&mut change, "application.restore", (&before, &after), false, context);
    }
    Ok(Decision { change, outcome: Edited { application: after, customers: assigned } })
}

/// Writes what became of an application.
pub(super) fn update(
    change: &mut Change,
    action: &'static str,
    (before, after): (&Application, &Application),
    denies: bool,
    context: &Context,
) {
    let address = after.address();
    change.audit(context, action, address.to_string(), (before.describe(), after.describe()));
    change.announce(address, denies);
    change.update(Noun::Application(after.clone()));
}
