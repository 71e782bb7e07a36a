//! Applications as the vendor sees them: listed with their customers, created, hidden, assigned.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::catalog::{compare_versions, shows};
use common::id::{ApplicationId, CustomerId, VersionName};
use common::scope::Scope;
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::fields::Fields;
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
    pagination: More,
}

/// `GET /v1/applications`, for the vendor.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let (question, page) = (Question::read(&mut fields), Page::read(&mut fields)?);
    let (question, page) = fields.settle(Ok((question, page)))?;
    let mut truth = desk.store.read().await?;
    let mut found = truth.applications(caller.tenant()).await?;
    found.retain(|application| caller.may_know(&application.facts.id) && question.matches(application));
    question.sort(&mut found);
    let assignments = truth.assignments(caller.tenant()).await?;
    let outlines = truth.outlines(caller.tenant()).await?;
    drop(truth);
    let latest = latest_of_each(&outlines);
    let (found, pagination, pagination_in_data) = page.cut(found);
    let mut applications = Vec::with_capacity(found.len());
    for application in &found {
        let id = &application.facts.id;
        let customers = assignments.get(id).map(Vec::as_slice).unwrap_or_default();
        applications.push(ApplicationView::of(application).with(latest.get(id).copied(), customers));
    }
    let list = ApplicationList {
        applications,
        is_admin: true,
        is_financial_admin: caller.has(Scope::AuditRead) && caller.has(Scope::BackupsWrite),
        pagination: pagination_in_data,
    };
    Answer::page(&list, pagination)
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

/// What a listing is asked to hold, and in which order.
struct Question {
    search: Option<String>,
    tags: Vec<String>,
    is_active: Option<bool>,
    sort_by: SortBy,
    descending: bool,
}

#[derive(Clone, Copy)]
enum SortBy {
    Name,
    CreatedAt,
    UpdatedAt,
}

impl Question {
    fn read(fields: &mut Fields) -> Self {
        let mut tags = fields.texts("tags").flatten().unwrap_or_default();
        tags.extend(fields.texts("tag").flatten().unwrap_or_default());
        let sort_by = match fields.text("sortBy").flatten().as_deref() {
            None | Some("name") => SortBy::Name,
            Some("createdAt") => SortBy::CreatedAt,
            Some("updatedAt") => SortBy::UpdatedAt,
            Some(_) => {
                fields.fault("sortBy", "must be name, createdAt or updatedAt");
                SortBy::Name
            }
        };
        let descending =
            match fields.text("sortOrder").flatten().map(|text| text.to_ascii_lowercase()).as_deref() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(_) => {
                    fields.fault("sortOrder", "must be asc or desc");
                    false
                }
            };
        Self {
            search: fields.text("search").flatten().map(|text| text.trim().to_lowercase()),
            tags,
            is_active: fields.flag("isActive").flatten(),
            sort_by,
            descending,
        }
    }

    fn matches(&self, application: &Application) -> bool {
        let facts = &application.facts;
        let found = |needle: &String| {
            facts.name.to_lowercase().contains(needle) || facts.description.to_lowercase().contains(needle)
        };
        let tagged = |tag: &String| facts.tags.iter().any(|own| own.eq_ignore_ascii_case(tag));
        self.search.as_ref().is_none_or(found)
            && (self.tags.is_empty() || self.tags.iter().any(tagged))
            && self.is_active.is_none_or(|asked| asked == facts.is_active)
    }

    fn sort(&self, applications: &mut [Application]) {
        match self.sort_by {
            SortBy::Name => {
                applications.sort_by_cached_key(|a| (a.facts.name.to_lowercase(), a.facts.id.clone()))
            }
            SortBy::CreatedAt => {
                applications.sort_by_cached_key(|a| (a.facts.created_at, a.facts.id.clone()))
            }
            SortBy::UpdatedAt => {
                applications.sort_by_cached_key(|a| (a.facts.updated_at, a.facts.id.clone()))
            }
        }
        if self.descending {
            applications.reverse();
        }
    }
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
