//! Tiers: listed, read, put in their place.

use std::sync::Arc;

use common::tier::{Tier, TierName};
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::domain::Refusal;
use crate::domain::tier::{self, Fields, Placed, Put};

/// A tier as it is told; what is absent is unlimited.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TierView<'a> {
    name: &'a TierName,
    rank: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit_rpm: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent_downloads: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_second: Option<u64>,
}

impl<'a> TierView<'a> {
    fn of(tier: &'a Tier) -> Self {
        Self {
            name: &tier.name,
            rank: tier.rank,
            rate_limit_rpm: tier.rate_limit.map(|limit| limit.get()),
            max_concurrent_downloads: tier.max_concurrent_downloads,
            bytes_per_second: tier.bytes_per_second,
        }
    }
}

#[derive(Serialize)]
struct TierList<'a> {
    tiers: Vec<TierView<'a>>,
}

/// `GET /v1/management/tiers`: all of them, the lowest first. There are never so many that one needs pages.
pub(super) async fn list(desk: Arc<Desk>, caller: Caller, _call: Call) -> Handled {
    let tiers = desk.store.read().await?.tiers(caller.tenant()).await?;
    Answer::done(&TierList { tiers: tiers.iter().map(TierView::of).collect() })
}

/// `GET /v1/management/tiers/{name}`.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let name: TierName = call.id("name")?;
    let tiers = desk.store.read().await?.tiers(caller.tenant()).await?;
    let found = tier::find(&name, &tiers).map(TierView::of);
    Answer::done(&found.ok_or(Refusal::NoSuchTier(name))?)
}

/// `PUT /v1/management/tiers/{name}`: new, or in place of the one of that name.
pub(super) async fn put(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let context = caller.context(&call);
    let name: String = call.id("name")?;
    let mut fields = call.json_fields().await?;
    let sent = Fields {
        rank: fields.whole("rank").flatten(),
        rate_limit_rpm: fields.whole("rateLimitRpm").flatten(),
        max_concurrent_downloads: fields.whole("maxConcurrentDownloads").flatten(),
        bytes_per_second: fields.whole("bytesPerSecond").flatten(),
    };
    let command = fields.settle(Put::parse(&name, sent))?;
    let mut truth = desk.store.write().await?;
    let tiers = truth.tiers(context.tenant).await?;
    let decision = tier::put(command, &tiers, &context)?;
    let Placed { tier, is_new } = &decision.outcome;
    let view = TierView::of(tier);
    let answer = if *is_new { Answer::created(&view) } else { Answer::done(&view) }?;
    desk.settle(&caller, truth, decision.change, answer).await
}
