//! Failures as callers see them: the envelope of the contract, or a problem document (RFC 9457).

pub mod refusals;

use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::time::Timestamp;

/// The version that every answer's `meta` names.
pub const API_VERSION: &str = "1.0.0";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $status:literal $text:literal;)*) => {
        /// What went wrong, coarsely: one HTTP status each, stable text.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The HTTP status (RFC 9110 section 15).
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The text in `error.code`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// No key, or none that works.
    Unauthorized 401 "UNAUTHORIZED";
    /// Known, and not allowed.
    Forbidden 403 "FORBIDDEN";
    /// Not there, or not for this key to know of.
    NotFound 404 "NOT_FOUND";
    /// The request does not say what the route needs.
    Validation 400 "VALIDATION_ERROR";
    /// The path exists, with other methods.
    MethodNotAllowed 405 "METHOD_NOT_ALLOWED";
    /// The request is well formed, and contradicts an earlier one.
    Unprocessable 422 "VALIDATION_ERROR";
    /// The body is of a type that the route does not read.
    UnsupportedMediaType 415 "UNSUPPORTED_MEDIA_TYPE";
    /// `If-Match` or `If-Unmodified-Since` is not met.
    PreconditionFailed 412 "PRECONDITION_FAILED";
    /// It is there already, or not in the state that the request needs.
    Conflict 409 "CONFLICT";
    /// A genuine link past its time.
    Expired 410 "EXPIRED";
    /// More than this route takes.
    PayloadTooLarge 413 "PAYLOAD_TOO_LARGE";
    /// More than the tenant may store.
    QuotaExceeded 413 "QUOTA_EXCEEDED";
    /// No range of the request lies in the file.
    RangeNotSatisfiable 416 "RANGE_NOT_SATISFIABLE";
    /// The request head is larger than we read.
    HeaderTooLarge 431 "VALIDATION_ERROR";
    /// The target is longer than we read.
    UriTooLong 414 "VALIDATION_ERROR";
    /// Too many requests in a minute.
    RateLimited 429 "RATE_LIMITED";
    /// It broke.
    Internal 500 "INTERNAL_ERROR";
    /// Not now.
    Unavailable 503 "UNAVAILABLE";
}

/// A failure, ready to be told.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// Coarse, with a status.
    pub code: Code,
    /// The stable machine word that says exactly why.
    pub reason: &'static str,
    /// For people: what to change.
    pub message: String,
    /// More for machines: `details`.
    pub details: Option<Value>,
}

/// How a caller wants failures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `{"success":false,"error":{…}}`.
    #[default]
    Envelope,
    /// `application/problem+json` (RFC 9457).
    ProblemJson,
}

impl Format {
    /// What the `Accept` lines of a request ask for (RFC 9110 section 12.5.1): problem documents only when they are
    /// named themselves, and not when plain JSON is named and preferred. A wildcard chooses nothing.
    #[must_use]
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let lines = || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let best =
            |media| lines().flat_map(|line| line.split(',')).filter_map(|range| weight(range, media)).max();
        match (best("application/problem+json"), best("application/json")) {
            (Some(problem), plain) if problem > 0 && plain.is_none_or(|plain| plain <= problem) => {
                Self::ProblemJson
            }
            _ => Self::Envelope,
        }
    }

    /// The Content-Type of a failure in this form.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Envelope => "application/json",
            Self::ProblemJson => "application/problem+json",
        }
    }
}

/// The weight of a media range in thousandths, when it is this very type. A weight that is none counts as none sent.
fn weight(range: &str, media: &str) -> Option<u16> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(media) {
        return None;
    }
    let sent = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let thousandths = |text: &str| {
        let weight: f32 = text.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
        // At most three digits are sent: within 0 to 1000 by the line above.
        Some((weight * 1000.0).round() as u16)
    };
    Some(sent.and_then(thousandths).unwrap_or(1000))
}

impl Problem {
    /// A failure without details.
    #[must_use]
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// What `about:blank` is called: the phrase of its status (RFC 9457 section 4.2.1).
    fn title(&self) -> &'static str {
        StatusCode::from_u16(self.code.status())
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Failure")
    }

    /// The body in the form that the caller wants.
    #[must_use]
    pub fn render(&self, format: Format, request_id: &str, now: Timestamp) -> Vec<u8> {
        let mut body = match format {
            Format::Envelope => json!({
                "success": false,
                "error": {
                    "code": self.code.as_str(),
                    "message": self.message,
                    "reason": self.reason,
                    "timestamp": now.to_string(),
                },
                "meta": Meta { request_id, version: API_VERSION, pagination: None },
            }),
            Format::ProblemJson => json!({
                "type": "about:blank",
                "title": self.title(),
                "status": self.code.status(),
                "detail": self.message,
                "code": self.code.as_str(),
                "reason": self.reason,
                "requestId": request_id,
                "timestamp": now.to_string(),
            }),
        };
        if let Some(details) = &self.details {
            let target = if format == Format::Envelope { &mut body["error"] } else { &mut body };
            target["details"] = details.clone();
        }
        body.to_string().into_bytes()
    }
}

/// The pagination of a list in `meta`: all five fields, always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// From 1.
    pub page: u64,
    /// Items a page.
    pub limit: u64,
    /// Items in all.
    pub total: u64,
    /// Whether a next page has items.
    pub has_next: bool,
    /// Whether there is a page before.
    pub has_previous: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    request_id: &'a str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

/// The body of a success: `{"success":true,"data":…,"meta":…}`.
///
/// # Errors
/// When `data` cannot be written as JSON, which no type of the house does.
pub fn render_success<T: Serialize>(
    data: &T,
    pagination: Option<Pagination>,
    request_id: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = render_opening(data)?;
    body.append(&mut render_closing(pagination, request_id)?);
    Ok(body)
}

/// The beginning of that body, which no request changes: up to the end of `data`.
///
/// # Errors
/// As [`render_success`].
pub fn render_opening<T: Serialize>(data: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = br#"{"success":true,"data":"#.to_vec();
    serde_json::to_writer(&mut body, data)?;
    Ok(body)
}

/// The rest of it, which names the request.
///
/// # Errors
/// As [`render_success`].
pub fn render_closing(
    pagination: Option<Pagination>,
    request_id: &str,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut body = Vec::with_capacity(256);
    body.extend_from_slice(br#","meta":"#);
    serde_json::to_writer(&mut body, &Meta { request_id, version: API_VERSION, pagination })?;
    body.push(b'}');
    Ok(body)
}

/// The longest request id that is echoed.
const LONGEST_REQUEST_ID: usize = 128;

/// A caller's request id, when it is sane: 1 to 128 of `[A-Za-z0-9._:-]`, so that it cannot forge log lines.
#[must_use]
pub fn sane_request_id(text: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    ((1..=LONGEST_REQUEST_ID).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_the_form_that_was_asked_for() {
        let problem =
            Problem::new(Code::Forbidden, "ip_not_allowed", "This address is not allowed for this key");
        let told =
            |format| String::from_utf8(problem.render(format, "req-1", Timestamp::from_millis(0))).unwrap();
        insta::assert_snapshot!(told(Format::Envelope), @r#"{"error":{"code":"FORBIDDEN","message":"This address is not allowed for this key","reason":"ip_not_allowed","timestamp":"1970-01-01T00:00:00.000Z"},"meta":{"requestId":"req-1","version":"1.0.0"},"success":false}"#);
        insta::assert_snapshot!(told(Format::ProblemJson), @r#"{"code":"FORBIDDEN","detail":"This address is not allowed for this key","reason":"ip_not_allowed","requestId":"req-1","status":403,"timestamp":"1970-01-01T00:00:00.000Z","title":"Forbidden","type":"about:blank"}"#);
    }

    #[test]
    fn a_success_is_its_opening_and_its_closing() {
        let pagination = Pagination { page: 1, limit: 50, total: 2, has_next: false, has_previous: false };
        let told = render_success(&json!({ "a": "\"" }), Some(pagination), "req-1").unwrap();
        insta::assert_snapshot!(String::from_utf8(told).unwrap(), @r#"{"success":true,"data":{"a":"\""},"meta":{"requestId":"req-1","version":"1.0.0","pagination":{"page":1,"limit":50,"total":2,"hasNext":false,"hasPrevious":false}}}"#);
        let told = render_success(&[1], None, "req-1").unwrap();
        insta::assert_snapshot!(String::from_utf8(told).unwrap(), @r#"{"success":true,"data":[1],"meta":{"requestId":"req-1","version":"1.0.0"}}"#);
    }

    #[test]
    fn problem_documents_are_for_those_who_name_and_do_not_rank_them_below_json() {
        let wants = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.extend(lines.iter().map(|line| (ACCEPT, line.parse().unwrap())));
            Format::of_headers(&headers) == Format::ProblemJson
        };
        for lines in [
            &["application/problem+json"][..],
            &["text/html, Application/Problem+JSON;q=0.1, */*;q=0.8"],
            &["application/json, application/problem+json"],
            &["application/json;q=0.5,application/problem+json; charset=utf-8; q=0.7"],
            &["text/html", "application/problem+json"],
            &["application/problem+json;q=nonsense"],
        ] {
            assert!(wants(lines), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["*/*"],
            &["application/*"],
            &["application/json"],
            &["application/problem+json;q=0"],
            &["application/problem+json;q=0.000, */*"],
            &["application/json, application/problem+json;q=0.9"],
            &["application/problem+jsonp"],
        ] {
            assert!(!wants(lines), "{lines:?}");
        }
    }

    #[test]
    fn every_code_has_a_title() {
        for code in Code::ALL {
            assert_ne!(Problem::new(*code, "x", "x").title(), "Failure", "{code:?}");
        }
    }

    #[test]
    fn only_sane_request_ids_are_echoed() {
        assert_eq!(sane_request_id("7f3a-9.b:c_d"), Some("7f3a-9.b:c_d"));
        for bad in ["", "a b", "a\nb", "ü", &"x".repeat(129)] {
            assert_eq!(sane_request_id(bad), None, "{bad:?}");
        }
    }
}
