//! What an edge says when it does not serve: refusals, faults, and the one table that maps them to codes.

use std::sync::Arc;
use std::time::Duration;

use common::cors;
use common::fields::FieldFault;
use common::id::VersionName;
use common::policy::Denied;
use common::problem::{Code, Format, Problem, refusals, sane_request_id};
use common::scope::Scope;
use common::tier::TierName;
use common::time::Timestamp;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::deliver::body::Body;
use crate::origin::OriginFault;
use crate::replica::ReplicaFault;

/// We said no, on purpose: the caller can change something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The head of the request is not one that we answer; says what is wrong with it.
    BadRequest(&'static str),
    /// A parameter of the query, and what it must be.
    BadParameter(&'static str, String),
    /// Everything that is wrong with the query.
    BadParameters(Vec<FieldFault>),
    /// A cursor that is not of this list.
    InvalidCursor,
    /// Everything that is wrong with the fields of the body.
    BadFields(Vec<FieldFault>),
    /// A body of another type than JSON.
    NotJson,
    /// A body of JSON with more than this many bytes.
    JsonTooLarge(usize),
    /// A body that did not come to its end.
    BodyIncomplete,
    /// More bytes than the route takes.
    BodyTooLarge,
    /// Two credentials.
    AmbiguousCredentials,
    /// Two clients, by the headers of the proxies before us.
    AmbiguousAddress,
    /// No such path.
    UnknownRoute,
    /// The path has other methods.
    MethodNotAllowed(Vec<&'static str>),
    /// No credential at all.
    NoCredential,
    /// Text that cannot be a key.
    MalformedKey,
    /// A bare secret, in a system of several tenants.
    TenantRequired,
    /// A key that may not be used, and why.
    Denied(Denied),
    /// Too many failures from one address.
    AuthThrottled,
    /// The key's minute is spent; when the first request fits again.
    RateLimited(Duration),
    /// The customer has as many transfers as its tier allows; after how long to try again.
    TooManyDownloads(Duration),
    /// An admin's key is needed.
    AdminOnly,
    /// The key lacks this scope.
    ScopeMissing(Scope),
    /// No such application, or none that this key may know of.
    ApplicationNotFound,
    /// No such version, or a yanked one.
    VersionNotFound,
    /// No such file in the version.
    FileNotFound,
    /// The version needs a higher tier.
    TierTooLow(TierName),
    /// A draft, or a channel that was not asked for or is not granted.
    VersionNotEnabled(VersionName),
    /// A link or upload URL that we did not make.
    LinkInvalid,
    /// A genuine link past its time.
    LinkExpired,
    /// This edge has never held a snapshot, or none fresh enough where the policy demands one.
    NotReady,
    /// The control plane does not answer.
    ControlPlaneAway,
}

/// It broke: the caller sees a constant text, the log the cause.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The replica.
    #[error(transparent)]
    Replica(#[from] ReplicaFault),
    /// The bytes.
    #[error(transparent)]
    Origin(#[from] OriginFault),
    /// The bytes of a file that a record names are not there.
    #[error("the bytes {0} are missing")]
    BytesMissing(common::digest::Digest),
    /// A mistake of ours in the code of this route.
    #[error("a panic in {0:?}")]
    Panicked(common::routes::RouteId),
    /// An answer could not be written.
    #[error("an answer could not be written: {0}")]
    Render(#[from] serde_json::Error),
}

/// Either.
#[derive(Debug)]
pub enum Failure {
    /// We said no.
    Refused(Refusal),
    /// We said no, ready to be told, with headers of its own: ranges and preconditions.
    Told(Box<(Problem, HeaderMap)>),
    /// It broke.
    Broke(Fault),
}

impl Failure {
    /// The stable word for it, as the caller is told.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Told(told) => told.0.reason,
            Self::Broke(_) => INTERNAL_ERROR,
        }
    }
}

/// The one reason of all faults.
const INTERNAL_ERROR: &str = "internal_error";

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<F: Into<Fault>> From<F> for Failure {
    fn from(fault: F) -> Self {
        Self::Broke(fault.into())
    }
}

fn too_many(reason: &'static str, says: &'static str) -> Problem {
    Problem::new(Code::RateLimited, reason, says)
}

impl Refusal {
    /// The one table. What the control plane refuses as well is said in its words.
    fn problem(&self) -> Problem {
        match self {
            Self::BadRequest(says) => Problem::new(Code::Validation, "bad_request", *says),
            Self::BadParameter(name, says) => {
                let problem = Problem::new(Code::Validation, "invalid_parameter", format!("{name} {says}"));
                problem.with_details(serde_json::json!({ "fields": [{ "field": name, "message": says }] }))
            }
            Self::BadParameters(faults) => {
                Problem { reason: "invalid_parameter", ..refusals::invalid_fields(faults) }
            }
            Self::InvalidCursor => refusals::invalid_cursor(),
            Self::BadFields(faults) => refusals::invalid_fields(faults),
            Self::NotJson => refusals::unsupported_media_type("Send application/json"),
            Self::JsonTooLarge(most) => {
                let says = format!("The body is larger than {} KiB", most / 1024);
                Problem::new(Code::PayloadTooLarge, "body_too_large", says)
            }
            Self::BodyIncomplete => refusals::body_incomplete(),
            Self::BodyTooLarge => {
                let says = "The body is larger than 16 MiB: send large files by POST /v1/management/upload/large-url";
                Problem::new(Code::PayloadTooLarge, "body_too_large", says)
            }
            Self::AmbiguousCredentials => refusals::ambiguous_credentials(),
            Self::AmbiguousAddress => {
                let says = "X-Forwarded-For and Forwarded name different clients: send neither";
                Problem::new(Code::Validation, "ambiguous_address", says)
            }
            Self::UnknownRoute => refusals::route_not_found(),
            Self::MethodNotAllowed(methods) => refusals::method_not_allowed(methods),
            Self::NoCredential => refusals::missing_credential(),
            Self::MalformedKey => refusals::malformed_key(),
            Self::TenantRequired => refusals::tenant_required(),
            Self::Denied(denied) => refusals::denied(*denied),
            Self::AuthThrottled => {
                too_many("auth_throttled", "Too many failed authentications from this address")
            }
            Self::RateLimited(_) => {
                too_many("rate_limited", "This key has spent its requests of this minute")
            }
            Self::TooManyDownloads(_) => too_many(
                "too_many_downloads",
                "As many downloads of this account are running as its tier allows",
            ),
            Self::AdminOnly => refusals::admin_key_required(),
            Self::ScopeMissing(scope) => refusals::scope_missing(*scope),
            Self::ApplicationNotFound => refusals::application_not_found(),
            Self::VersionNotFound => refusals::version_not_found(),
            Self::FileNotFound => Problem::new(Code::NotFound, "file_not_found", "File not found"),
            Self::TierTooLow(tier) => {
                let says = format!("This version requires {tier} tier access");
                Problem::new(Code::Forbidden, "tier_too_low", says)
            }
            Self::VersionNotEnabled(version) => {
                let says = format!("Version {version} is not enabled");
                Problem::new(Code::Forbidden, "version_not_enabled", says)
            }
            Self::LinkInvalid => {
                Problem::new(Code::NotFound, "link_not_found", "There is nothing at this link")
            }
            Self::LinkExpired => {
                Problem::new(Code::Expired, "link_expired", "This link has expired: ask for a new one")
            }
            Self::NotReady => {
                Problem::new(Code::Unavailable, "edge_not_ready", "This edge cannot serve yet: try again")
            }
            Self::ControlPlaneAway => {
                let says = "Management is not available right now; downloads are. Try again";
                Problem::new(Code::Unavailable, "control_plane_unavailable", says)
            }
        }
    }

    /// The stable word for metrics and logs.
    pub fn reason(&self) -> &'static str {
        self.problem().reason
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(after) | Self::TooManyDownloads(after) => Some(*after),
            Self::AuthThrottled | Self::NotReady | Self::ControlPlaneAway => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// How the caller of one request is answered: under which id, and failures in which form.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The caller's request id when it is sane, else ours.
    pub request_id: Arc<str>,
    format: Format,
}

/// The header of the request id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Caller {
    /// From the head of a request; `make_id` is asked when it brings no sane id.
    pub fn of(headers: &HeaderMap, make_id: impl FnOnce() -> Arc<str>) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: text(REQUEST_ID).and_then(sane_request_id).map_or_else(make_id, Arc::from),
            format: Format::of_headers(headers),
        }
    }

    /// The answer to a request that failed. Faults are logged here, once.
    pub fn tell(&self, failure: Failure, now: Timestamp) -> Response<Body> {
        let (problem, mut headers) = match failure {
            Failure::Refused(refusal) => {
                tracing::debug!(request_id = &*self.request_id, reason = refusal.reason(), "refused");
                (refusal.problem(), headers_of(&refusal))
            }
            Failure::Told(told) => *told,
            Failure::Broke(fault) => {
                tracing::error!(request_id = &*self.request_id, error = %fault, "fault");
                let says = "Something broke on our side. Tell the vendor this request id";
                (Problem::new(Code::Internal, INTERNAL_ERROR, says), HeaderMap::new())
            }
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let body = problem.render(self.format, &self.request_id, now);
        let mut response = Response::new(Body::bytes(body.into()));
        *response.status_mut() =
            StatusCode::from_u16(problem.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        *response.headers_mut() = headers;
        response
    }
}

/// The answer to `OPTIONS`, which asks for nothing; `path` is the line of the route table.
pub fn options(path: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = cors::options(path);
    response
}

fn headers_of(refusal: &Refusal) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if refusal.problem().code == Code::Unauthorized {
        // RFC 9110 section 11.6.1: one field line a challenge.
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tidegate\""));
    }
    if let Refusal::MethodNotAllowed(methods) = refusal {
        headers.extend(HeaderValue::from_str(&methods.join(", ")).ok().map(|value| (ALLOW, value)));
    }
    if let Some(after) = refusal.retry_after() {
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from((after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1)),
        );
    }
    headers
}
