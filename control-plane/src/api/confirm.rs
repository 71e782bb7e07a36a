//! `?wait=edges`: a write is answered when every edge has applied it, or with the names of those that have not.
//!
//! The write is durable before the wait begins, and the wait changes nothing of it: whoever gets a 202 may look at
//! `GET /v1/control/edges`, or send a named request (`Idempotency-Key`) again, which goes on waiting.

use std::time::Duration;

use common::key::Kind;
use common::problem::refusals;
use common::routes::Route;
use common::tenancy::Tenancy;
use common::time::Timestamp;
use serde::Serialize;
use tokio::time::Instant;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::error::Failure;
use crate::fleet::Confirmation;

/// How long one waits who does not say how long.
const USUALLY: u64 = 5;

/// Who waits, and how long.
pub(super) struct Wait(Duration);

/// An edge that has applied the write.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmedView {
    edge: String,
    confirmed_after_ms: u128,
}

/// An edge that is not known to have.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MissingView {
    edge: String,
    last_seen: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

/// What `meta` says of it.
#[derive(Debug, Serialize)]
pub(crate) struct EdgesView {
    edges: Vec<ConfirmedView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingView>,
}

impl EdgesView {
    fn of(confirmation: Confirmation, tenancy: Tenancy) -> Self {
        let confirmed = confirmation.confirmed.into_iter();
        let missing = confirmation.missing.into_iter();
        Self {
            edges: confirmed
                .map(|edge| ConfirmedView { edge: edge.edge, confirmed_after_ms: edge.after.as_millis() })
                .collect(),
            missing: missing
                .map(|edge| MissingView {
                    edge: edge.id,
                    last_seen: edge.last_seen,
                    sequence: shown(tenancy, edge.position.sequence),
                })
                .collect(),
        }
    }

    /// Whether nobody is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Writes are counted over all tenants: how many there are is nobody's business but the operator's.
pub(super) fn shown(tenancy: Tenancy, count: u64) -> Option<u64> {
    (tenancy == Tenancy::Single).then_some(count)
}

/// Whether a request asks to wait. Looked at before anything is done, so that a mistake in it changes nothing.
pub(super) fn asked(route: &Route, caller: &Caller, call: &Call) -> Result<Option<Wait>, Failure> {
    if !route.may_wait() || call.query.is_none() {
        return Ok(None);
    }
    let mut fields = call.query_fields();
    let (wait, seconds) =
        (fields.text("wait").flatten(), fields.whole_within("waitSeconds", 1..=30).flatten());
    let is_empty = |name: &str| {
        let pairs = call.query.as_deref().unwrap_or_default().split('&');
        pairs.into_iter().any(|pair| pair.strip_suffix('=').unwrap_or(pair) == name)
    };
    match wait.as_deref() {
        // A script whose variable is not set must not believe that it waited.
        None if is_empty("wait") => fields.fault("wait", "must be `edges`, or be left out"),
        _ if is_empty("waitSeconds") => fields.fault("waitSeconds", "must be a whole number from 1 to 30"),
        None if seconds.is_some() => fields.fault("waitSeconds", "says how long: send wait=edges with it"),
        None | Some("edges") => {}
        Some(_) => fields.fault("wait", "must be `edges`, or be left out"),
    }
    fields.settle(Ok(()))?;
    if wait.is_none() {
        return Ok(None);
    }
    if caller.policy().kind != Kind::Admin {
        // The names of edges are the vendor's.
        return Err(refusals::admin_key_required().into());
    }
    Ok(Some(Wait(Duration::from_secs(seconds.unwrap_or(USUALLY)))))
}

impl Wait {
    /// Waits for every edge that is known, and puts into the answer what came of it.
    pub(super) async fn confirm(self, desk: &Desk, answer: Answer) -> Handled {
        let began = Instant::now();
        let mut standing = desk.fleet.check_history(desk.store.as_ref()).await?;
        loop {
            // Of another history than the one that stands, a position says nothing.
            let own = answer.position().filter(|position| position.epoch == standing.epoch);
            let position = own.unwrap_or(standing);
            let confirmation = desk.fleet.wait_for(position, self.0.saturating_sub(began.elapsed())).await;
            // Who was heard only now may be ahead of the truth: then it has confirmed something else.
            let after = desk.fleet.check_history(desk.store.as_ref()).await?;
            if after.epoch == standing.epoch {
                return Ok(answer.at(position).confirmed(EdgesView::of(confirmation, desk.tenancy)));
            }
            standing = after;
        }
    }
}
