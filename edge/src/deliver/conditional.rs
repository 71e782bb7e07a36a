//! Conditional requests (RFC 9110 section 13): pure comparison of what the client has with what is here.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, HeaderValue, Method};
use httpdate::HttpDate;

use super::headers::Prepared;
use super::sole;

/// What the preconditions say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

/// Section 13.2.2, steps 1 to 4: a date counts only where the tag of its kind is absent.
pub(super) fn evaluate(method: &Method, headers: &HeaderMap, current: &Prepared) -> Verdict {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let unchanged_since = |name| date(headers, name).map(|date| current.modified <= date);
    let expected = match matches(headers, IF_MATCH, |tag| tag == current.etag.as_bytes()) {
        None => unchanged_since(IF_UNMODIFIED_SINCE).unwrap_or(true),
        Some(matched) => matched,
    };
    if !expected {
        return Verdict::Failed;
    }
    let known = match matches(headers, IF_NONE_MATCH, |tag| weakly_equal(tag, &current.etag)) {
        None => reads && unchanged_since(IF_MODIFIED_SINCE).unwrap_or(false),
        Some(matched) => matched,
    };
    match (known, reads) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::Failed,
    }
}

/// Step 5: whether a Range is to be looked at. A satisfied `If-Range` with a range outside the file still leads to 416
/// (section 14.2): who has all of the file should learn that, not get it again.
pub(super) fn range_applies(headers: &HeaderMap, current: &Prepared) -> bool {
    if !headers.contains_key(RANGE) {
        return false;
    }
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    // Strong comparison (section 13.1.5): a weak tag never is equal to ours. A date never is strong here: two versions
    // can be published in one second and both be asked for as `latest`.
    sole(headers, IF_RANGE).is_some_and(|validator| validator == current.etag)
}

/// Whether a tag of the list satisfies `equal`, or it is `*`; none when the header is absent.
fn matches(headers: &HeaderMap, name: HeaderName, equal: impl Fn(&[u8]) -> bool) -> Option<bool> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    Some(lines.any(|line| line.as_bytes() == b"*" || Tags(line.as_bytes()).any(&equal)))
}

/// Whether If-None-Match names what is current, where nothing else is asked about (section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, current: &HeaderValue) -> bool {
    matches(headers, IF_NONE_MATCH, |tag| weakly_equal(tag, current)).unwrap_or(false)
}

/// Section 8.8.3.2.
fn weakly_equal(tag: &[u8], current: &HeaderValue) -> bool {
    opaque(tag) == opaque(current.as_bytes())
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tags of a list (section 8.8.3), as written; ends at the first thing that is none.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let separator = |b: &u8| matches!(b, b' ' | b'\t' | b',');
        let begin = self.0.iter().position(|b| !separator(b))?;
        let list = self.0.get(begin..)?;
        let opaque = list.strip_prefix(b"W/").unwrap_or(list).strip_prefix(b"\"")?;
        let quoted = opaque.iter().position(|b| *b == b'"')? + 1;
        let (tag, rest) = list.split_at_checked(list.len() - opaque.len() + quoted)?;
        // A tag ends at a comma, so that `"a"b` is not taken for `"a"`.
        let ends = rest.first().is_none_or(separator);
        self.0 = rest;
        ends.then_some(tag)
    }
}

/// A date header; one that is repeated or malformed is to be ignored (sections 13.1.3 and 13.1.4).
fn date(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    parse_date(sole(headers, name)?)
}

/// Any of the three forms of section 5.6.7, as seconds of the epoch.
fn parse_date(text: &str) -> Option<u64> {
    let date: HttpDate = text.parse().ok()?;
    SystemTime::from(date).duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}
