//! Customers: listed, read, created, changed.

use std::sync::Arc;

use common::cursor::List;
use common::id::CustomerId;
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::fields::Fields;
use crate::api::page::{More, Page};
use crate::domain::Refusal;
use crate::domain::customer::{self, Create, Customer, Patch};

/// A customer as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerView<'a> {
    customer_id: &'a CustomerId,
    name: &'a str,
    tier: &'a str,
    channels: &'a [String],
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    license: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> CustomerView<'a> {
    fn of(customer: &'a Customer) -> Self {
        Self {
            customer_id: &customer.policy.id,
            name: &customer.name,
            tier: customer.policy.tier.as_str(),
            channels: &customer.policy.channels,
            is_active: customer.policy.is_active,
            notes: customer.notes.as_deref(),
            email: customer.email.as_deref(),
            reference: customer.reference.as_deref(),
            license: customer.license.as_deref(),
            created_at: customer.created_at,
            updated_at: customer.updated_at,
        }
    }
}

#[derive(Serialize)]
struct CustomerList<'a> {
    customers: Vec<CustomerView<'a>>,
    pagination: &'a More,
}

/// `GET /v1/management/customers`: all of them by name, unless a page is asked for.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let page = Page::read_in(&mut fields, List::of("customers", caller.tenant()), &desk.cursors)?;
    let page = fields.settle(Ok(page))?.or_whole();
    let mut truth = desk.store.read().await?;
    let listed = match page.after() {
        Some(after) => truth.customers_after(caller.tenant(), after, page.reach()).await?,
        None => truth.customers(caller.tenant(), page.slice()).await?,
    };
    let (customers, turn) = page.turn(listed, Customer::place);
    let customers = customers.iter().map(CustomerView::of).collect();
    Answer::turned(&CustomerList { customers, pagination: &turn.more }, &turn, &call)
}

/// `GET /v1/management/customers/{customerId}`.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: CustomerId = call.id("customerId")?;
    let customer = desk.store.read().await?.customer(caller.tenant(), &id).await?;
    let customer = customer.ok_or(Refusal::UnknownCustomer(id))?;
    Answer::done(&CustomerView::of(&customer))
}

/// `POST /v1/management/customers`.
pub(super) async fn create(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let id = fields.text("customerId").flatten();
    let command = Create::parse(id, settings(&mut fields));
    let command = fields.settle(command)?;
    if let Some(id) = command.id.as_ref().filter(|id| desk.is_vendor(id)) {
        return Err(Refusal::ReservedCustomer(id.clone()).into());
    }
    let mut truth = desk.store.write().await?;
    let existing = match &command.id {
        Some(id) => truth.customer(context.tenant, id).await?,
        None => None,
    };
    let tiers = truth.tiers(context.tenant).await?;
    let decision = customer::create(command, existing.as_ref(), &tiers, &context, &mut desk.rng()?)?;
    let answer = Answer::created(&CustomerView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

/// `PATCH /v1/management/customers/{customerId}`.
pub(super) async fn change(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: CustomerId = call.id("customerId")?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let command = Patch::parse(id, settings(&mut fields));
    let command = fields.settle(command)?;
    let mut truth = desk.store.write().await?;
    let existing = truth.customer(context.tenant, &command.id).await?;
    let tiers = truth.tiers(context.tenant).await?;
    let decision = customer::patch(command, existing, &tiers, &context)?;
    let answer = Answer::done(&CustomerView::of(&decision.outcome))?;
    desk.settle(&caller, truth, decision.change, answer).await
}

fn settings(fields: &mut Fields) -> customer::Fields {
    customer::Fields {
        name: fields.text("name").flatten(),
        tier: fields.text("tier").into(),
        channels: fields.texts("channels").into(),
        notes: fields.text("notes").into(),
        email: fields.text("email").into(),
        reference: fields.text("reference").into(),
        license: fields.text("license").into(),
        is_active: fields.flag_or("isActive", true),
    }
}
