//! What happened, for the vendor: uploads and downloads, newest first.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use common::id::{ActivityId, ApplicationId, CustomerId, InvalidId, KeyId, VersionName};
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
use crate::store::activity::{ActivityQuestion, Happened};

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
    pagination: More,
}

/// `GET /v1/activity`. A key that is narrowed to applications sees what happened to those.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let mut fields = call.query_fields();
    let (question, page) = (read(&mut fields, &caller), Page::read(&mut fields)?);
    let (question, page) = fields.settle(Ok((question, page)))?;
    let mut truth = desk.store.read().await?;
    let listed = truth.activities(caller.tenant(), &question, None, page.slice()).await?;
    let (pagination, more) = page.told(listed.total);
    let activities: Vec<ActivityView<'_>> = listed.items.iter().map(ActivityView::of).collect();
    Answer::page(&ActivityList { count: activities.len(), activities, pagination: more }, pagination)
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
