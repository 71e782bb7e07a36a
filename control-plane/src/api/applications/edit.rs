//! An application that is there: changed, and brought back after it was deleted.

use std::sync::Arc;

use common::id::{ApplicationId, CustomerId};

use super::{ApplicationView, latest_of_each};
use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::domain::Decision;
use crate::domain::application::{self, AssignFacts, Edited, Patch, PatchFields};
use crate::store::{CustomerName, Writing};

/// `PATCH /v1/management/applications/{applicationId}`.
pub(crate) async fn change(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let context = caller.context(&call);
    let mut fields = call.json_fields().await?;
    let sent = PatchFields {
        name: fields.text("name").flatten(),
        description: fields.text("description").into(),
        tags: fields.texts("tags").into(),
        is_active: fields.flag_or("isActive", true),
        customer_ids: fields.texts("customerIds").into(),
    };
    let command = fields.settle(Patch::parse(id, sent))?;
    let mut truth = desk.store.write().await?;
    let facts = AssignFacts {
        application: truth.application(context.tenant, &command.id).await?,
        assigned: ids(truth.assigned(context.tenant, &command.id).await?),
        unknown: truth.missing_customers(context.tenant, command.customers()).await?,
    };
    let decision = application::patch(command, facts, &context)?;
    settle(&desk, &caller, truth, decision).await
}

/// `POST /v1/management/applications/{applicationId}/restore`: there again, with everything that it had. Asked twice, the
/// answer is the same.
pub(crate) async fn restore(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let context = caller.context(&call);
    let mut truth = desk.store.write().await?;
    let existing = truth.application(context.tenant, &id).await?;
    let assigned = ids(truth.assigned(context.tenant, &id).await?);
    let decision = application::restore(&id, existing, assigned, &context)?;
    settle(&desk, &caller, truth, decision).await
}

async fn settle(
    desk: &Desk,
    caller: &Caller,
    mut truth: Box<dyn Writing>,
    decision: Decision<Edited>,
) -> Handled {
    let Edited { application, customers } = &decision.outcome;
    let versions = truth.versions(application.tenant, &application.facts.id).await?;
    let view = ApplicationView {
        customer_ids: Some(customers),
        latest_version: latest_of_each(&versions).get(&application.facts.id).copied(),
        ..ApplicationView::of(application)
    };
    let answer = Answer::done(&view)?;
    desk.settle(caller, truth, decision.change, answer).await
}

fn ids(customers: Vec<CustomerName>) -> Vec<CustomerId> {
    customers.into_iter().map(|customer| customer.id).collect()
}
