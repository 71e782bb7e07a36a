//! What went wrong, and how HTTP says it: the one file of the desk that knows statuses.
//!
//! A refusal is a no on purpose: it says what to change. A fault is ours: it is logged once, and the caller sees a
//! constant text and the request id.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use common::cors;
use common::openapi;
use common::problem::{Code, Format, Problem, refusals};
use common::time::Timestamp;
use futures_util::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::json;

use crate::domain::Refusal;
use crate::store::{StoreError, StoreFault};
use crate::uploads::sweep::SweepFault;

/// The header that names a request in answers and logs.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that says that a request was answered before, and is not done again.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// We said no.
    Refused(Problem),
    /// It broke.
    Broken(Fault),
}

/// Something of ours that broke.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Which room it broke in.
    pub(crate) side: &'static str,
    /// For the log alone; never a secret.
    pub(crate) cause: String,
}

impl Failure {
    /// Something broke in the room `side`.
    pub(crate) fn broken(side: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Broken(Fault { side, cause: cause.to_string() })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(problem_of(&refusal))
    }
}

impl From<StoreFault> for Failure {
    fn from(fault: StoreFault) -> Self {
        Self::broken("store", fault)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Fault(fault) => fault.into(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::broken("uploads", error)
    }
}

impl From<SweepFault> for Failure {
    fn from(fault: SweepFault) -> Self {
        Self::broken("uploads", fault)
    }
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::broken("uploads", error)
    }
}

/// How an answer comes out when all went well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It is as asked.
    Done,
    /// Something new is there.
    Created,
    /// There is nothing to tell.
    Empty,
    /// It is done, and has not reached everybody who must know.
    Unconfirmed,
}

impl Outcome {
    fn status(self) -> StatusCode {
        match self {
            Self::Done => StatusCode::OK,
            Self::Created => StatusCode::CREATED,
            Self::Empty => StatusCode::NO_CONTENT,
            Self::Unconfirmed => StatusCode::ACCEPTED,
        }
    }
}

/// A success with its JSON body; without one where headers tell all.
pub(crate) fn succeed(outcome: Outcome, body: Vec<u8>, request_id: &str) -> Response {
    let status = outcome.status();
    let is_bare = body.is_empty();
    let mut response = respond(status, HeaderValue::from_static("application/json"), body, request_id);
    if is_bare {
        // RFC 9110 section 8.6: none on a 204, and what a HEAD tells is not of zero bytes.
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

/// Bytes to be saved as a file.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// The bytes.
    pub(crate) body: Body,
    /// How many.
    pub(crate) length: u64,
    /// The file's name: plain characters.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) content_type: &'static str,
}

/// A success with bytes.
pub(crate) fn attach(attachment: Attachment, request_id: &str) -> Response {
    let Attachment { body, length, name, content_type } = attachment;
    let mut response =
        respond(StatusCode::OK, HeaderValue::from_static(content_type), Vec::new(), request_id);
    *response.body_mut() = body;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, named);
    }
    response
}

/// The answer to `OPTIONS`, which asks for nothing; `path` is the line of the route table.
pub(crate) fn options(path: Option<&str>, request_id: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = cors::options(path);
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A success that was told before, with the body that it had then, and its status unless this time it came out otherwise.
pub(crate) fn repeat(now: Option<Outcome>, status: u16, body: Vec<u8>, request_id: &str) -> Response {
    // What was kept is the status of a success; a row that was tampered with is told as one too.
    let kept = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let status = now.map_or(kept, Outcome::status);
    let mut response = respond(status, HeaderValue::from_static("application/json"), body, request_id);
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Plain text for the private listener; not ready is 503.
pub(crate) fn tell(ready: bool, content_type: &'static str, body: String) -> Response {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond(status, HeaderValue::from_static(content_type), body.into_bytes(), "")
}

/// Bytes for an edge, in pieces that need not lie together; 404 when there are none.
pub(crate) fn hand_over(found: Option<Vec<Bytes>>, content_type: &'static str) -> Response {
    let status = if found.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let pieces = found.unwrap_or_default();
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let mut response = respond(status, HeaderValue::from_static(content_type), Vec::new(), "");
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    *response.body_mut() = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    response
}

/// The OpenAPI document for who reaches us at `base`, or 304 for who has it (RFC 9110 section 15.4.5).
pub(crate) fn tell_document(base: &str, request: &HeaderMap, request_id: &str) -> Response {
    let openapi::Served { body, etag } = openapi::served(base);
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = openapi::is_known(known, &etag);
    let (status, body) = if is_known {
        (StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        (StatusCode::OK, body.concat().into_bytes())
    };
    let mut response = respond(status, HeaderValue::from_static("application/json"), body, request_id);
    let headers = response.headers_mut();
    if is_known {
        // Section 8.6: they would speak of a body that is not sent.
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONTENT_TYPE);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.extend(HeaderValue::try_from(etag).ok().map(|etag| (ETAG, etag)));
    response
}

/// A failure in the form that the caller wants.
pub(crate) fn fail(failure: &Failure, format: Format, request_id: &str, now: Timestamp) -> Response {
    let constant;
    let problem = match failure {
        Failure::Refused(problem) => {
            tracing::debug!(request_id, reason = problem.reason, "refused");
            problem
        }
        Failure::Broken(fault) => {
            tracing::error!(request_id, side = fault.side, cause = fault.cause, "broke");
            constant = Problem::new(
                Code::Internal,
                "internal_error",
                "Something broke on our side. Tell the vendor this request id",
            );
            &constant
        }
    };
    let body = problem.render(format, request_id, now);
    let content_type = HeaderValue::from_static(format.content_type());
    let mut response = respond(status_of(problem.code), content_type, body, request_id);
    let headers = response.headers_mut();
    match problem.code {
        // RFC 9110 section 11.6.1: every challenge that would be accepted.
        Code::Unauthorized => {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tidegate\""));
        }
        Code::Unavailable => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        Code::RateLimited => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Vec<u8>, request_id: &str) -> Response {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, length);
    // Answers tell secrets and who has which rights: nobody may keep them.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id)
        && !request_id.is_empty()
    {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// What a refusal of the domain is on the wire: its code, its stable reason, and its own words.
fn problem_of(refusal: &Refusal) -> Problem {
    let (code, reason) = match refusal {
        Refusal::Invalid(_) => (Code::Validation, "invalid_fields"),
        Refusal::UnknownApplications(_) => (Code::Validation, "unknown_applications"),
        Refusal::UnknownCustomers(_) => (Code::Validation, "unknown_customers"),
        Refusal::UnknownTier { .. } => (Code::Validation, "unknown_tier"),
        Refusal::ScopesNotForCustomers(_) => (Code::Validation, "scopes_not_for_customers"),
        Refusal::UnknownApplication(_) => (Code::NotFound, "application_not_found"),
        Refusal::UnknownCustomer(_) => (Code::NotFound, "customer_not_found"),
        Refusal::NoSuchTier(_) => (Code::NotFound, "tier_not_found"),
        Refusal::CustomerWithoutKey(_) => (Code::NotFound, "customer_without_key"),
        Refusal::UnknownKey(_) => (Code::NotFound, "key_not_found"),
        Refusal::UnknownSession(_) | Refusal::NoSession => (Code::NotFound, "session_not_found"),
        Refusal::UnknownTenant(_) => (Code::NotFound, "tenant_not_found"),
        Refusal::UnknownVersion { .. } => (Code::NotFound, "version_not_found"),
        Refusal::UnknownUpload(_) => (Code::NotFound, "upload_not_found"),
        Refusal::UploadExpired(_) => (Code::Expired, "upload_expired"),
        Refusal::QuotaExceeded { .. } => (Code::QuotaExceeded, "quota_exceeded"),
        Refusal::TenantSuspended => (Code::Forbidden, "tenant_inactive"),
        Refusal::ScopesNotOwned(_) => (Code::Forbidden, "scopes_not_owned"),
        Refusal::ApplicationsNotOwned(_) => (Code::Forbidden, "applications_not_owned"),
        Refusal::OwnKey => (Code::Forbidden, "own_key"),
        Refusal::LimitsNotOwned => (Code::Forbidden, "limits_not_owned"),
        Refusal::FileTooLarge { .. } => (Code::PayloadTooLarge, "file_too_large"),
        Refusal::DuplicateApplication(_) => (Code::Conflict, "application_exists"),
        Refusal::DuplicateCustomer(_) => (Code::Conflict, "customer_exists"),
        Refusal::ReservedCustomer(_) => (Code::Conflict, "customer_reserved"),
        Refusal::NameTaken { .. } => (Code::Conflict, "customer_name_differs"),
        Refusal::ExpiredKeyCannotBeExtended => (Code::Conflict, "key_expired"),
        Refusal::TooManySessions { .. } => (Code::Conflict, "too_many_sessions"),
        Refusal::DuplicateSecret => (Code::Conflict, "secret_exists"),
        Refusal::DuplicateTenant(_) => (Code::Conflict, "tenant_exists"),
        Refusal::VersionYanked(_) => (Code::Conflict, "version_yanked"),
        Refusal::VersionDiffers { .. } => (Code::Conflict, "version_differs"),
        Refusal::DuplicateFile { .. } => (Code::Conflict, "file_exists"),
        Refusal::TooManyFiles { .. } => (Code::Conflict, "too_many_files"),
        Refusal::TooManyTiers { .. } => (Code::Conflict, "too_many_tiers"),
        Refusal::UploadBusy(_) => (Code::Conflict, "upload_busy"),
        Refusal::UploadReplaced(_) => (Code::Conflict, "upload_replaced"),
        Refusal::UploadCompleted(_) => (Code::Conflict, "upload_completed"),
        Refusal::UploadNotReceived(_) => (Code::Conflict, "upload_not_received"),
        Refusal::UploadDiffers { .. } => (Code::Conflict, "upload_differs"),
        Refusal::SizeMismatch { .. } => (Code::Conflict, "size_mismatch"),
        Refusal::DigestMismatch { .. } => (Code::Conflict, "checksum_mismatch"),
        Refusal::UnknownBackup(_) => (Code::NotFound, "backup_not_found"),
        Refusal::UnknownEdge => (Code::NotFound, "edge_not_found"),
        Refusal::OperatorOnly => (Code::Forbidden, "operator_only"),
        Refusal::BackupFailed(_) => (Code::Conflict, "backup_failed"),
        Refusal::BackupDamaged { .. } => (Code::Conflict, "backup_damaged"),
        Refusal::BackupTooLarge { .. } => (Code::Conflict, "backup_too_large"),
        Refusal::TooManyBackups { .. } => (Code::Conflict, "too_many_backups"),
        Refusal::NotForNarrowedKeys => (Code::Forbidden, "key_narrowed"),
        Refusal::Raced => (Code::Conflict, "raced"),
    };
    match refusal {
        Refusal::Invalid(faults) => refusals::invalid_fields(faults),
        Refusal::QuotaExceeded { current, limit, requested } => {
            let numbers =
                json!({ "currentBytes": current, "limitBytes": limit, "requestedBytes": requested });
            Problem::new(code, reason, refusal.to_string()).with_details(numbers)
        }
        _ => Problem::new(code, reason, refusal.to_string()),
    }
}

fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Validation => StatusCode::BAD_REQUEST,
        Code::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Expired => StatusCode::GONE,
        Code::PayloadTooLarge | Code::QuotaExceeded => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::UriTooLong => StatusCode::URI_TOO_LONG,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_that_the_contract_says() {
        for code in Code::ALL {
            assert_eq!(status_of(*code).as_u16(), code.status(), "{code:?}");
        }
    }
}
