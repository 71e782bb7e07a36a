//! The fleet: which edges there are and how far each has come; and letting go of one that is gone.

use std::sync::Arc;

use common::tenancy::Tenancy;
use common::time::Timestamp;
use common::wire::Position;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::confirm::shown;
use crate::domain::{Refusal, edge};
use crate::fleet::lag;
use crate::fleet::roster::Member;

/// An edge as it is told. Numbers of writes are told where there is one tenant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeView<'a> {
    edge_id: &'a str,
    version: &'a str,
    live: bool,
    first_seen: Timestamp,
    last_seen: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skew_ms: Option<i64>,
}

impl<'a> EdgeView<'a> {
    fn of(member: &'a Member, (standing, now): (Position, Timestamp), tenancy: Tenancy) -> Self {
        Self {
            edge_id: &member.id,
            version: &member.version,
            live: member.is_live(now),
            first_seen: member.first_seen,
            last_seen: member.last_seen,
            epoch: shown(tenancy, member.position.epoch),
            sequence: shown(tenancy, member.position.sequence),
            lag: shown(tenancy, lag(member.position, standing)),
            age_seconds: member.head_issued_at.map(|at| now.since(at).as_secs()),
            skew_ms: member.skew,
        }
    }
}

#[derive(Serialize)]
struct EdgeList<'a> {
    edges: Vec<EdgeView<'a>>,
}

/// `GET /v1/control/edges`: everybody who spoke and did not say goodbye, by name. There are never so many that one needs
/// pages.
pub(super) async fn list(desk: Arc<Desk>, _caller: Caller, _call: Call) -> Handled {
    let standing = desk.store.read().await?.standing().await?.position;
    let (members, now) = (desk.fleet.members(), desk.clock.now());
    let view = |member| EdgeView::of(member, (standing, now), desk.tenancy);
    Answer::done(&EdgeList { edges: members.iter().map(view).collect() })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed<'a> {
    message: &'static str,
    edge_id: &'a str,
    removed_at: Timestamp,
}

/// `DELETE /v1/control/edges/{edgeId}`: nobody waits for it any more, until it speaks again. Whose silence it is for
/// all tenants, no tenant's admin decides.
pub(super) async fn remove(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    if desk.tenancy != Tenancy::Single {
        return Err(Refusal::OperatorOnly.into());
    }
    if caller.applications().is_some() {
        return Err(Refusal::NotForNarrowedKeys.into());
    }
    let context = caller.context(&call);
    let named = call.params.get("edgeId").map(String::as_str).unwrap_or_default();
    let known = desk.fleet.members().into_iter().find(|member| member.id == named).map(|member| {
        edge::Known { id: member.id, sequence: member.position.sequence, last_seen: member.last_seen }
    });
    let change = edge::remove(known.as_ref(), &context)?;
    let told = Removed { message: "Edge removed successfully", edge_id: named, removed_at: context.now };
    let answered = desk.settle(&caller, desk.store.write().await?, change, Answer::done(&told)?).await?;
    desk.fleet.remove(named);
    Ok(answered)
}
