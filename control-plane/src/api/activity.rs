//! What happened, for the vendor: uploads and downloads, newest first.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use common::cursor::{self, List};
use common::id::{ActivityId, ApplicationId, CustomerId, InvalidId, KeyId, TenantId, VersionName};
use common::problem::{Problem, refusals};
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::dates::Dates;
use crate::api::fields::Fields;
use crate::api::page::{More, Page};
use crate::domain::activity::ActivityKind;
use crate::store::Slice;
use crate::store::activity::{ActivityQuestion, Happened, Place};

/// An activity as it is told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActivityView<'a> {
    r#type: &'static str,
    id: &'a ActivityId,
    application_id: &'a ApplicationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_name: Option<&'a str>,
    version: &'a VersionName,
    file_name: &'a str,
    file_size: u64,
    bytes: u64,
    completed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a CustomerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    timestamp: Timestamp,
}

impl<'a> ActivityView<'a> {
    pub(super) fn of(happened: &'a Happened) -> Self {
        let activity = &happened.activity;
        Self {
            r#type: activity.kind.as_str(),
            id: &activity.id,
            application_id: &activity.application,
            application_name: happened.application_name.as_deref(),
            version: &activity.version,
            file_name: &activity.file_name,
            file_size: activity.file_size,
            bytes: activity.bytes,
            completed: activity.completed,
            customer_id: activity.customer.as_ref(),
            key_id: activity.key.as_ref(),
            client_ip: activity.address,
            user_agent: activity.user_agent.as_deref(),
            timestamp: activity.at,
        }
    }
}

#[derive(Serialize)]
struct ActivityList<'a> {
    activities: Vec<ActivityView<'a>>,
    count: usize,
    pagination: &'a More,
}

/// `GET /v1/activity`. A key that is narrowed to applications sees what happened to those.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let question = read(&mut fields, &caller);
    let page = Page::read_in(&mut fields, list_of(&question, caller.tenant()), &desk.cursors)?;
    let page = fields.settle(Ok(page))?;
    let (after, slice) = match page.after() {
        Some(after) => (Some(place_of(after)?), Slice { offset: 0, limit: page.reach() }),
        None => (None, page.slice()),
    };
    let listed = desk.store.read().await?.activities(caller.tenant(), &question, after, slice).await?;
    let told = |place: Place| cursor::Place { key: place.at.millis().to_string(), id: place.row.to_string() };
    let (items, turn) = page.turn(listed, |item| told(item.place));
    let activities: Vec<ActivityView<'_>> = items.iter().map(ActivityView::of).collect();
    let list = ActivityList { count: activities.len(), activities, pagination: &turn.more };
    Answer::turned(&list, &turn, &call)
}

/// The list that cursors belong to: another question is another list.
fn list_of(question: &ActivityQuestion, tenant: TenantId) -> List {
    let moment = |moment: Option<Timestamp>| moment.map_or_else(String::new, |moment| moment.to_string());
    List::of("activity", tenant)
        .and(question.kind.map_or("", ActivityKind::as_str))
        .and(question.application.as_ref().map_or("", ApplicationId::as_str))
        .and(question.customer.as_ref().map_or("", CustomerId::as_str))
        .and(question.key.as_ref().map_or("", KeyId::as_str))
        .and(&moment(question.since))
        .and(&moment(question.until))
}

fn place_of(after: &cursor::Place) -> Result<Place, Problem> {
    let at = after.key.parse().map(Timestamp::from_millis).ok();
    let place = at.zip(after.id.parse().ok()).map(|(at, row)| Place { at, row });
    place.ok_or_else(refusals::invalid_cursor)
}

fn read(fields: &mut Fields, caller: &Caller) -> ActivityQuestion {
    let kind = match fields.text("type").flatten().map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("all") => None,
        Some("upload" | "uploads") => Some(ActivityKind::Upload),
        Some("download" | "downloads") => Some(ActivityKind::Download),
        Some(_) => {
            fields.fault("type", "must be upload, download or all");
            None
        }
    };
    let Dates { since, until } = Dates::read(fields);
    ActivityQuestion {
        kind,
        application: named(fields, "applicationId"),
        within: caller.applications().map(<[ApplicationId]>::to_vec),
        version: None,
        customer: named(fields, "customerId"),
        key: named(fields, "keyId"),
        since,
        until,
    }
}

/// An id that a list is narrowed to; text that cannot be one is a mistake.
pub(super) fn named<T: FromStr<Err = InvalidId>>(fields: &mut Fields, name: &'static str) -> Option<T> {
    let text = fields.text(name).flatten()?;
    text.parse().map_err(|InvalidId(form)| fields.fault(name, form)).ok()
}
