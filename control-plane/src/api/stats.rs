//! How often an application was downloaded: all of it for the vendor, his own share for a customer.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::catalog::{compare_versions, shows};
use common::id::{ApplicationId, VersionName};
use common::policy::{may_see_channel, tier_suffices};
use common::problem::{Code, Problem};
use common::tier::Tier;
use common::time::Timestamp;
use http::HeaderMap;
use serde::Serialize;

use crate::api::Desk;
use crate::api::activity::ActivityView;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::dates::Dates;
use crate::domain::Refusal;
use crate::domain::activity::ActivityKind;
use crate::domain::application;
use crate::domain::version::Version;
use crate::error::Failure;
use crate::store::activity::{ActivityQuestion, CountQuestion};
use crate::store::{Reading, Slice};

/// How many of the last downloads are told.
const RECENT: Slice = Slice { offset: 0, limit: 10 };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatsView<'a> {
    application_id: &'a ApplicationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a VersionName>,
    total_downloads: u64,
    unique_customers: u64,
    downloads_by_version: &'a BTreeMap<String, u64>,
    downloads_by_date: BTreeMap<String, u64>,
    recent_downloads: Vec<RecentView<'a>>,
}

/// A download, with its time under both of its names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentView<'a> {
    #[serde(flatten)]
    activity: ActivityView<'a>,
    downloaded_at: Timestamp,
}

/// `GET /v1/applications/{applicationId}/stats`: whole files, by UTC days.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: ApplicationId = call.id("applicationId")?;
    caller.permits(&id)?;
    let mut fields = call.query_fields();
    let (wanted, dates) = (fields.text("version").flatten(), Dates::read(&mut fields));
    let Dates { since, until } = fields.settle(Ok(dates))?;
    let mut truth = desk.store.read().await?;
    let found = application::living(truth.application(caller.tenant(), &id).await?, &id)?;
    if caller.customer().is_some() && !found.facts.is_active {
        return Err(Refusal::UnknownApplication(id).into());
    }
    let version = match wanted {
        Some(wanted) => Some(pick(truth.as_mut(), &caller, &call.headers, (&id, &wanted)).await?),
        None => None,
    };
    let customer = caller.customer().map(|customer| customer.id.clone());
    let question = CountQuestion {
        application: id.clone(),
        version: version.clone(),
        customer: customer.clone(),
        since,
        until,
    };
    let counts = truth.counts(caller.tenant(), &question).await?;
    let question = ActivityQuestion {
        kind: Some(ActivityKind::Download),
        application: Some(id.clone()),
        version: version.clone(),
        customer,
        since,
        until,
        ..ActivityQuestion::default()
    };
    let recent = truth.activities(caller.tenant(), &question, None, RECENT).await?;
    let view = |item| RecentView { activity: ActivityView::of(item), downloaded_at: item.activity.at };
    Answer::done(&StatsView {
        application_id: &id,
        version: version.as_ref(),
        total_downloads: counts.total,
        unique_customers: counts.customers,
        downloads_by_version: &counts.by_version,
        downloads_by_date: counts.by_day.iter().map(|(day, count)| (date_of(*day), *count)).collect(),
        recent_downloads: recent.items.iter().map(view).collect(),
    })
}

/// `2026-01-31`.
fn date_of(day: Timestamp) -> String {
    day.to_string().split('T').next().unwrap_or_default().to_owned()
}

/// The version that is asked about, as it shows to the caller.
async fn pick(
    truth: &mut dyn Reading,
    caller: &Caller,
    headers: &HeaderMap,
    (application, wanted): (&ApplicationId, &str),
) -> Result<VersionName, Failure> {
    let tiers = truth.tiers(caller.tenant()).await?;
    let versions = truth.versions(caller.tenant(), application).await?;
    let channel = headers.get("x-channel").and_then(|value| value.to_str().ok());
    let shown = |version: &Version| allowed(caller, version, channel, &tiers);
    if wanted == "latest" {
        let shown = versions.iter().filter(|v| v.facts.is_active && shown(v).is_ok()).map(|v| &v.facts.name);
        let latest = shown.max_by(|a, b| compare_versions(a, b)).cloned();
        return latest.ok_or_else(|| common::problem::refusals::version_not_found().into());
    }
    let named = versions.iter().find(|version| version.facts.name.as_str() == wanted);
    let named = named.filter(|version| version.facts.is_active || caller.customer().is_none());
    let version = named.ok_or_else(common::problem::refusals::version_not_found)?;
    shown(version)?;
    Ok(version.facts.name.clone())
}

/// Whether a customer gets to know of a version that is not withdrawn; the vendor does of each.
fn allowed(caller: &Caller, version: &Version, channel: Option<&str>, tiers: &[Tier]) -> Result<(), Problem> {
    let (facts, policy, customer) = (&version.facts, caller.policy(), caller.customer());
    let Some(owner) = customer else { return Ok(()) };
    let tier = tiers.iter().find(|tier| tier.name == owner.tier);
    if let Some(required) = &facts.required_tier
        && !tier_suffices(policy.kind, tier, Some(required), tiers)
    {
        let says = format!("This version requires {required} tier access");
        return Err(Problem::new(Code::Forbidden, "tier_too_low", says));
    }
    if shows(facts, channel, |channel| may_see_channel(policy, customer, channel)) {
        return Ok(());
    }
    let says = format!("Version {} is not enabled", facts.name);
    Err(Problem::new(Code::Forbidden, "version_not_enabled", says))
}
