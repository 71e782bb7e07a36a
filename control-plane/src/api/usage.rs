//! How a key was used: requests, bytes and refusals over a span of time.

use std::sync::Arc;
use std::time::Duration;

use common::id::{ApplicationId, KeyId};
use common::time::Timestamp;
use serde::Serialize;

use crate::api::Desk;
use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::dates::Dates;
use crate::api::fields::Fields;
use crate::domain::Refusal;
use crate::store::activity::{Amount, KeyUsage, Span, UsageQuestion};

/// The most pieces that a timeline is cut into.
const MOST_BUCKETS: i64 = 1_500;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Bucket {
    Minute,
    Hour,
    Day,
}

impl Bucket {
    fn length(self) -> Duration {
        match self {
            Self::Minute => Span::Minute.length(),
            Self::Hour => Span::Hour.length(),
            Self::Day => DAY,
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Minute => Span::Minute,
            Self::Hour | Self::Day => Span::Hour,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageView<'a> {
    key_id: &'a KeyId,
    from: Timestamp,
    to: Timestamp,
    bucket: Bucket,
    total_requests: u64,
    total_bytes: u64,
    error_rate: f64,
    by_application: Vec<ApplicationUse<'a>>,
    by_reason: Vec<ReasonCount<'a>>,
    timeline: Vec<Point>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationUse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<&'a ApplicationId>,
    requests: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ReasonCount<'a> {
    reason: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Point {
    start: Timestamp,
    requests: u64,
    bytes: u64,
    errors: u64,
}

/// `GET /v1/management/apikeys/{keyId}/usage`: the last 24 hours unless another span is asked for.
pub(super) async fn read(desk: Arc<Desk>, caller: Caller, call: Call) -> Handled {
    let id: KeyId = call.id("keyId")?;
    let mut fields = call.query_fields();
    let asked = Asked::read(&mut fields, call.now, desk.minutes_kept);
    let asked = fields.settle(Ok(asked))?;
    let mut truth = desk.store.read().await?;
    let key = truth.key(caller.tenant(), &id).await?.filter(|key| key.deleted_at.is_none());
    key.ok_or_else(|| Refusal::UnknownKey(id.clone()))?;
    let usage = truth.usage(&id, asked.question()).await?;
    drop(truth);
    Answer::done(&asked.view(&id, &usage, |application| caller.may_know(application)))
}

/// What is asked for: whole pieces, so that the sums are those of the timeline.
struct Asked {
    bucket: Bucket,
    from: Timestamp,
    to: Timestamp,
}

impl Asked {
    fn read(fields: &mut Fields, now: Timestamp, minutes: Duration) -> Self {
        let bucket = match fields.text("bucket").flatten().as_deref() {
            None | Some("hour") => Bucket::Hour,
            Some("minute") => Bucket::Minute,
            Some("day") => Bucket::Day,
            Some(_) => {
                fields.fault("bucket", "must be minute, hour or day");
                Bucket::Hour
            }
        };
        let length = millis(bucket.length());
        let asked_from = Dates::begin(fields, "from");
        let to = Dates::end(fields, "to", Duration::ZERO).unwrap_or(now);
        // Up to the end of the piece that the last moment lies in.
        let to = floor(to.millis().saturating_add(length - 1), length);
        let from = floor(asked_from.map_or(to - millis(DAY), Timestamp::millis), length);
        if from >= to {
            fields.fault("to", "must be later than from");
        } else if (to - from) / length > MOST_BUCKETS {
            let says = format!(
                "makes a timeline of more than {MOST_BUCKETS} pieces: choose a larger bucket or a shorter span"
            );
            fields.fault("from", says);
        }
        let oldest = now.millis() - millis(minutes);
        if matches!(bucket, Bucket::Minute) && asked_from.is_some_and(|from| from.millis() < oldest) {
            let days = minutes.as_secs() / DAY.as_secs();
            fields.fault("from", format!("usage by the minute is kept for {days} days: choose bucket=hour"));
        }
        Self { bucket, from: Timestamp::from_millis(from), to: Timestamp::from_millis(to) }
    }

    fn question(&self) -> UsageQuestion {
        let (bucket, span) = (self.bucket.length(), self.bucket.span());
        UsageQuestion { span, bucket, from: self.from, to: self.to }
    }

    fn view<'a>(
        &self,
        id: &'a KeyId,
        usage: &'a KeyUsage,
        may_know: impl Fn(&ApplicationId) -> bool,
    ) -> UsageView<'a> {
        let sum = |part: fn(&Amount) -> u64| usage.timeline.values().map(part).sum::<u64>();
        let (requests, errors) = (sum(|amount| amount.requests), sum(|amount| amount.errors));
        let known = |id: &Option<ApplicationId>| id.as_ref().is_none_or(&may_know);
        let by_application = usage.by_application.iter().filter(|(id, _)| known(id));
        UsageView {
            key_id: id,
            from: self.from,
            to: self.to,
            bucket: self.bucket,
            total_requests: requests,
            total_bytes: sum(|amount| amount.bytes),
            error_rate: rate(errors, requests),
            by_application: by_application
                .map(|(id, amount)| ApplicationUse {
                    application_id: id.as_ref(),
                    requests: amount.requests,
                    bytes: amount.bytes,
                })
                .collect(),
            by_reason: (usage.by_reason.iter())
                .map(|(reason, count)| ReasonCount { reason, count: *count })
                .collect(),
            timeline: self.timeline(usage),
        }
    }

    fn timeline(&self, usage: &KeyUsage) -> Vec<Point> {
        let starts = std::iter::successors(Some(self.from), |start| Some(start.plus(self.bucket.length())));
        let point = |start: Timestamp| {
            let Amount { requests, bytes, errors } = usage.timeline.get(&start).copied().unwrap_or_default();
            Point { start, requests, bytes, errors }
        };
        starts.take_while(|start| *start < self.to).map(point).collect()
    }
}

/// From 0 to 1.
fn rate(errors: u64, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { (errors as f64 / requests as f64).min(1.0) }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn floor(moment: i64, length: i64) -> i64 {
    moment - moment.rem_euclid(length)
}
