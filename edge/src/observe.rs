//! What an edge tells of itself: the headers on every answer, and the metrics.

mod connections;
mod metrics;
mod reports;
mod transfers;

use std::ops::Range;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Caller, REQUEST_ID};
use crate::gate::budget::Standing;
pub use connections::ConnectionMetrics;
pub use metrics::Metrics;
pub use reports::{Lost, ReportMetrics};
pub use transfers::TransferMetrics;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// draft-ietf-httpapi-ratelimit-headers: both as structured fields (RFC 9651).
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The headers of a key's minute, on every answer to it; none for a key without a limit.
pub fn tell_standing(headers: &mut HeaderMap, standing: Option<Standing>) {
    let Some(Standing { limit, remaining, whole_in, whole_at }) = standing else { return };
    let seconds = whole_in.as_secs() + u64::from(whole_in.subsec_nanos() > 0);
    // All of them in one piece of memory, of which each is a slice.
    let mut text = Text(BytesMut::with_capacity(ROOM));
    let values = [
        (LIMIT, text.put(&[Word::Number(limit.into())])),
        (REMAINING, text.put(&[Word::Number(remaining.into())])),
        (RESET, text.put(&[Word::Number(u64::try_from(whole_at).unwrap_or(0))])),
        (
            RATE_LIMIT,
            text.put(&[
                Word::Plain("\"key\";r="),
                Word::Number(remaining.into()),
                Word::Plain(";t="),
                Word::Number(seconds),
            ]),
        ),
        (
            RATE_LIMIT_POLICY,
            text.put(&[Word::Plain("\"key\";q="), Word::Number(limit.into()), Word::Plain(";w=60")]),
        ),
    ];
    let written = text.0.freeze();
    for (name, place) in values {
        if let Ok(value) = HeaderValue::from_maybe_shared(written.slice(place)) {
            headers.insert(name, value);
        }
    }
}

/// What the longest numbers need.
const ROOM: usize = 112;

/// Values of headers, one after the other.
struct Text(BytesMut);

enum Word {
    Plain(&'static str),
    Number(u64),
}

impl Text {
    /// Writes a value; tells its place.
    fn put(&mut self, words: &[Word]) -> Range<usize> {
        let begin = self.0.len();
        for word in words {
            match word {
                Word::Plain(text) => self.0.extend_from_slice(text.as_bytes()),
                Word::Number(number) => {
                    self.0.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
                }
            }
        }
        begin..self.0.len()
    }
}

/// The request id, on every answer.
pub fn tell_request_id(headers: &mut HeaderMap, caller: &Caller) {
    // In place of the control plane's, which an answer that was passed on brings: extending would say it twice.
    if let Ok(value) = HeaderValue::from_str(&caller.request_id) {
        headers.insert(REQUEST_ID, value);
    }
}
