//! What an edge tells of itself: the headers on every answer, and the metrics.

mod connections;
mod metrics;
mod reports;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Caller, REQUEST_ID};
use crate::gate::budget::Standing;
pub use connections::ConnectionMetrics;
pub use metrics::Metrics;
pub use reports::{Lost, ReportMetrics};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// draft-ietf-httpapi-ratelimit-headers: both as structured fields (RFC 9651).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The headers of a key's minute, on every answer to it; none for a key without a limit.
pub fn tell_standing(headers: &mut HeaderMap, standing: Option<Standing>) {
    let Some(Standing { limit, remaining, whole_in, whole_at }) = standing else { return };
    headers.insert(LIMIT, HeaderValue::from(limit));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(whole_at));
    let seconds = whole_in.as_secs() + u64::from(whole_in.subsec_nanos() > 0);
    let fields = [
        (RATE_LIMIT, format!("\"key\";r={remaining};t={seconds}")),
        (RATE_LIMIT_POLICY, format!("\"key\";q={limit};w=60")),
    ];
    headers.extend(
        fields.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))),
    );
}

/// The request id, on every answer.
pub fn tell_request_id(headers: &mut HeaderMap, caller: &Caller) {
    // In place of the control plane's, which an answer that was passed on brings: extending would say it twice.
    if let Ok(value) = HeaderValue::from_str(&caller.request_id) {
        headers.insert(REQUEST_ID, value);
    }
}
