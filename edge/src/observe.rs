//! What an edge tells of itself: the headers on every answer, and the metrics.

mod connections;
mod metrics;
mod reports;

use std::fmt::Arguments;
use std::io::Write as _;

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
    insert_written(headers, RATE_LIMIT, format_args!("\"key\";r={remaining};t={seconds}"));
    insert_written(headers, RATE_LIMIT_POLICY, format_args!("\"key\";q={limit};w=60"));
}

/// Writes a short value where it takes no memory of its own.
fn insert_written(headers: &mut HeaderMap, name: HeaderName, value: Arguments<'_>) {
    let mut space = [0u8; 64];
    let mut rest = &mut space[..];
    let written = rest.write_fmt(value).map(|()| rest.len());
    let Ok(left) = written else { return };
    if let Ok(value) = HeaderValue::from_bytes(&space[..64 - left]) {
        headers.insert(name, value);
    }
}

/// The request id, on every answer.
pub fn tell_request_id(headers: &mut HeaderMap, caller: &Caller) {
    // In place of the control plane's, which an answer that was passed on brings: extending would say it twice.
    if let Ok(value) = HeaderValue::from_str(&caller.request_id) {
        headers.insert(REQUEST_ID, value);
    }
}
