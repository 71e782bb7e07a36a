//! Applications as the vendor sees them: listed with their customers, created, hidden, assigned.

pub(super) mod edit;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::catalog::question::Question;
use common::catalog::{compare_versions, shows};
use common::cursor::List;
use common::id::{ApplicationId, CustomerId, VersionName};
use common::scope::Scope;
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::page::{More, Page};
use crate::domain::application::{self, Application, Assign, AssignFacts, Create};
use crate::domain::version::Version;
use crate::store::CustomerName;

/// An application as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationView<'a> {
    application_id: &'a ApplicationId,
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    is_active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_version: Option<&'a VersionName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customers: Option<Vec<CustomerNameView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_ids: Option<&'a [CustomerId]>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomerNameView<'a> {
    customer_id: &'a CustomerId,
    name: &'a str,
}

impl<'a> ApplicationView<'a> {
    fn of(application: &'a Application) -> Self {
        let facts = &application.facts;
        Self {
            application_id: &facts.id,
            name: &facts.name,
            description: &facts.description,
            tags: &facts.tags,
            is_active: facts.is_active,
            latest_version: None,
            customers: None,
            customer_ids: None,
            created_at: facts.created_at,
            updated_at: facts.updated_at,
        }
    }

    fn with(self, latest: Option<&'a VersionName>, customers: &'a [CustomerName]) -> Self {
        let named =
            customers.iter().map(|c| CustomerNameView { customer_id: &c.id, name: &c.name }).collect();
        Self { latest_version: latest, customers: Some(named), ..self }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationList<'a> {
    applications: Vec<ApplicationView<'a>>,
    is_admin: bool,
    is_financial_admin: bool,
    pagination: &'a More,
}

/// `GET /v1/applications`, for the vendor.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let question = Question::read(&mut fields);
    let list = question.narrow(List::of("applications", caller.tenant()));
    let page = Page::read_in(&mut fields, list, &desk.cursors)?;
    let page = fields.settle(Ok(page))?;
    let mut truth = desk.store.read().await?;
    let mut found = truth.applications(caller.tenant()).await?;
    found.retain(|application| caller.may_know(&application.facts.id) && question.admits(&application.facts));
    question.sort(&mut found, |application| &application.facts);
    let (found, turn) = page.cut(
        &found,
        |application, after| question.is_past(&application.facts, after),
        |application| question.place(&application.facts),
    );
    let ids: Vec<ApplicationId> = found.iter().map(|application| application.facts.id.clone()).collect();
    let assignments = truth.assignments(caller.tenant(), &ids).await?;
    let outlines = truth.outlines(caller.tenant(), &ids).await?;
    drop(truth);
    let latest = latest_of_each(&outlines);
    let mut applications = Vec::with_capacity(found.len());
    for application in found {
        let id = &application.facts.id;
        let customers = assignments.get(id).map(Vec::as_slice).unwrap_or_default();
        applications.push(ApplicationView::of(application).with(latest.get(id).copied(), customers));
    }
    let list = ApplicationList {
        applications,
        is_admin: true,
        is_financial_admin: caller.has(Scope::AuditRead) && caller.has(Scope::BackupsWrite),
        pagination: &turn.more,
    };
    Answer::turned(&list, &turn, &call)
}

/// The latest version of each application that everybody entitled to it sees.
fn latest_of_each(versions: &[Version]) -> BTreeMap<&ApplicationId, &VersionName> {
    let mut latest: BTreeMap<&ApplicationId, &VersionName> = BTreeMap::new();
    for version in versions.iter().filter(|v| v.facts.is_active && shows(&v.facts, None, |_| false)) {
        let best = latest.entry(&version.application).or_insert(&version.facts.name);
        if compare_versions(&version.facts.name, best).is_gt() {
            *best = &version.facts.name;
        }
    }
    latest
}

/// `GET /v1/applications/{applicationId}`, for the vendor.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let mut truth = desk.store.read().await?;
    let application = application::living(truth.application(caller.tenant(), &id).await?, &id)?;
    let customers = truth.assigned(caller.tenant(), &id).await?;
    let versions = truth.versions(caller.tenant(), &id).await?;
    let latest = latest_of_each(&versions);
    Answer::done(&ApplicationView::of(&application).with(latest.get(&id).copied(), &customers))
}

/// `POST /v1/management/applications`.
pub(super) async fn create(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let sent = application::Fields {
        application_id: fields.text("applicationId").flatten(),
        name: fields.text("name").flatten(),
        description: fields.text("description").flatten(),
        tags: fields.texts("tags").flatten(),
        customer_ids: fields.texts("customerIds").flatten(),
        is_imported: fields.flag("imported").flatten().unwrap_or(false),
    };
    let command = fields.settle(Create::parse(sent))?;
    caller.permits(&command.id)?;
    let customer_ids = command.customers.clone();
    let mut truth = desk.store.write().await?;
    let existing = truth.application(context.tenant, &command.id).await?;
    let unknown = truth.missing_customers(context.tenant, &command.customers).await?;
    let decision = application::create(command, existing.as_ref(), unknown, &context)?;
    let view =
        ApplicationView { customer_ids: Some(&customer_ids), ..ApplicationView::of(&decision.outcome) };
    let answer = Answer::created(&view)?;
    desk.settle(&caller, truth, decision.change, answer).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted<'a> {
    message: &'static str,
    application_id: &'a ApplicationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
}

/// `DELETE /v1/management/applications/{applicationId}`: hidden everywhere at once, bytes kept.
pub(super) async fn delete(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let context = caller.context(&call);
    let mut truth = desk.store.write().await?;
    let existing = truth.application(context.tenant, &id).await?;
    let decision = application::delete(&id, existing, &context)?;
    let deleted_at = decision.outcome.deleted_at;
    let told = Deleted { message: "Application deleted successfully", application_id: &id, deleted_at };
    let answer = Answer::done(&told)?;
    desk.settle(&caller, truth, decision.change, answer).await
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Assigned<'a> {
    application_id: &'a ApplicationId,
    customer_ids: &'a [CustomerId],
    added: &'a [CustomerId],
    removed: &'a [CustomerId],
}

/// `PUT /v1/management/applications/{applicationId}/customers`.
pub(super) async fn assign(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let (add, remove) =
        (fields.texts("addCustomerIds").flatten(), fields.texts("removeCustomerIds").flatten());
    let command = fields.settle(Assign::parse(id.clone(), add, remove))?;
    let mut truth = desk.store.write().await?;
    let named: Vec<CustomerId> = command.add.iter().chain(&command.remove).cloned().collect();
    let facts = AssignFacts {
        application: truth.application(context.tenant, &id).await?,
        assigned: truth
            .assigned(context.tenant, &id)
            .await?
            .into_iter()
            .map(|customer| customer.id)
            .collect(),
        unknown: truth.missing_customers(context.tenant, &named).await?,
    };
    let decision = application::assign(command, facts, &context)?;
    let outcome = &decision.outcome;
    let told = Assigned {
        application_id: &id,
        customer_ids: &outcome.customers,
        added: &outcome.added,
        removed: &outcome.removed,
    };
    let answer = Answer::done(&told)?;
    desk.settle(&caller, truth, decision.change, answer).await
}
