//! The room of bytes: from a request and an object to a plan of the answer, by RFC 9110. The planning is pure; what
//! it plans becomes a body that reads pieces of an immutable file.

pub mod body;
pub mod chunk;
mod conditional;
mod document;
mod headers;
mod multipart;
pub mod plain;
mod range;
pub mod receipt;
pub mod told;
mod window;

use std::sync::Arc;

use common::digest::Digest;
use common::problem::{Code, Problem};
use common::time::Timestamp;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use smallvec::smallvec;

use self::conditional::Verdict;
use self::headers::Prepared;
use self::multipart::{Part, Parts};
use self::range::Selection;
use self::receipt::Slip;
use crate::origin::ImmutableFile;

pub use self::body::{Body, Piece};
pub(crate) use self::document::document;
pub use self::range::ByteRange;

/// What is known of a file of a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    pub file_name: String,
    /// What the vendor says; sent only when it can be a header value.
    pub content_type: String,
    /// Told in whole seconds, rounded down.
    pub modified: Timestamp,
}

/// A file of a version as something to send. The catalog makes it, once for all who get it.
#[derive(Clone, Debug)]
pub struct Object {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    pub file_name: Arc<str>,
    told: Prepared,
}

impl Object {
    pub fn new(facts: Facts) -> Self {
        let told = Prepared::of(&facts);
        Self { digest: facts.digest, size: facts.size, file_name: facts.file_name.into(), told }
    }
}

/// What to answer to a request for an object.
#[derive(Debug)]
pub enum Plan {
    /// Headers alone: HEAD, and 304. No file needs to be opened.
    Head(Head),
    /// 200 or 206: bytes of the file of the object's digest.
    Send(Transfer),
    /// 412 or 416: told as any failure, with these headers added.
    Refuse(Problem, HeaderMap),
}

/// An answer without a body.
#[derive(Debug)]
pub struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// An answer with bytes of the file.
#[derive(Debug)]
pub struct Transfer {
    head: Head,
    parts: Parts,
}

/// Decides by RFC 9110: preconditions in the order of section 13.2.2, then the range. Pure.
pub fn plan(method: &Method, request: &HeaderMap, object: &Object) -> Plan {
    let current = &object.told;
    match conditional::evaluate(method, request, current) {
        Verdict::Proceed => {}
        Verdict::NotModified => return not_modified(object),
        Verdict::Failed => return refuse_precondition(object),
    }
    // Range is defined for GET alone (RFC 9110 section 14.2): HEAD tells about the whole.
    let ranged = *method == Method::GET && conditional::range_applies(request, current);
    let selection = if ranged { range::select(request, object.size) } else { Selection::Whole };
    match selection {
        Selection::Unsatisfiable => refuse_range(object),
        Selection::Whole if *method == Method::HEAD => {
            Plan::Head(Head { status: StatusCode::OK, headers: whole(object) })
        }
        Selection::Whole => {
            let parts = smallvec![Part::Range(ByteRange { start: 0, end: object.size })];
            Plan::Send(Transfer { head: Head { status: StatusCode::OK, headers: whole(object) }, parts })
        }
        Selection::One(range) => send_one(object, range),
        Selection::Several(ranges) => send_several(object, &ranges),
    }
}

fn whole(object: &Object) -> HeaderMap {
    let mut headers = object.told.representation();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(object.size));
    headers
}

fn send_one(object: &Object, range: ByteRange) -> Plan {
    let mut headers = object.told.representation();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.len()));
    headers.insert(CONTENT_RANGE, headers::ascii(range.content_range(object.size)));
    let head = Head { status: StatusCode::PARTIAL_CONTENT, headers };
    Plan::Send(Transfer { head, parts: smallvec![Part::Range(range)] })
}

fn send_several(object: &Object, ranges: &[ByteRange]) -> Plan {
    let mut headers = object.told.representation();
    let parts = multipart::frame(object, ranges);
    let length: u64 = parts.iter().map(Part::len).sum();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_TYPE, headers::ascii(multipart::content_type(object)));
    Plan::Send(Transfer { head: Head { status: StatusCode::PARTIAL_CONTENT, headers }, parts })
}

/// RFC 9110 section 15.4.5: what a cache needs to refresh what it has, no more.
fn not_modified(object: &Object) -> Plan {
    Plan::Head(Head { status: StatusCode::NOT_MODIFIED, headers: object.told.validators() })
}

fn refuse_precondition(object: &Object) -> Plan {
    let problem = Problem::new(
        Code::PreconditionFailed,
        "precondition_failed",
        "This file is not the one that the request's conditions name",
    );
    Plan::Refuse(problem, HeaderMap::from_iter([(ETAG, object.told.etag.clone())]))
}

fn refuse_range(object: &Object) -> Plan {
    let size = object.size;
    let message = format!("No requested range lies in this file of {size} bytes");
    let problem = Problem::new(Code::RangeNotSatisfiable, "range_not_satisfiable", message);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_RANGE, headers::ascii(format!("bytes */{size}")));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Plan::Refuse(problem, headers)
}

impl Plan {
    /// The status that the answer will have.
    pub fn status(&self) -> u16 {
        match self {
            Self::Head(head) => head.status.as_u16(),
            Self::Send(transfer) => transfer.head.status.as_u16(),
            Self::Refuse(problem, _) => problem.code.status(),
        }
    }
}

impl Head {
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The answer.
    pub fn into_response(self) -> Response<Body> {
        self.with(Body::empty())
    }

    fn with(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl Transfer {
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The bytes that the body will have, framing included.
    pub fn content_length(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// The answer, its bytes read from `file`, which must be the object's. What is sent of it goes on the slip.
    pub fn into_response(self, file: &Arc<ImmutableFile>, slip: Slip) -> Response<Body> {
        let pieces = self.parts.into_iter().map(|part| match part {
            Part::Framing(bytes) => Piece::Memory(bytes),
            Part::Range(range) => {
                Piece::File { file: Arc::clone(file), position: range.start, end: range.end }
            }
        });
        self.head.with(Body::witnessed(pieces, slip))
    }
}

/// The value of a header that stands once and is plain ASCII; otherwise it says nothing that we may go by.
fn sole(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next()?;
    if lines.next().is_some() { None } else { line.to_str().ok() }
}

#[cfg(test)]
mod tests;
