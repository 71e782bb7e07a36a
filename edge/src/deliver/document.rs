//! The OpenAPI document as an answer: it changes with the program and the base alone, so that caches may ask by its tag.

use std::borrow::Cow;

use bytes::Bytes;
use common::openapi::{self, Served};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::{Body, Piece, conditional, headers};

/// 200 with the document for who reaches us at `base`, or 304 (RFC 9110 section 15.4.5).
pub(crate) fn document(base: &str, request: &HeaderMap) -> Response<Body> {
    let Served { body, etag } = openapi::served(base);
    let etag = headers::ascii(etag);
    let is_known = conditional::is_known(request, &etag);
    let body = body.map(|text| Piece::Memory(shared(text)));
    let mut response = Response::new(if is_known { Body::empty() } else { Body::pieces(body) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response.headers_mut().insert(ETAG, etag);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// What lives as long as the program is not copied.
fn shared(text: Cow<'static, str>) -> Bytes {
    match text {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => text.into(),
    }
}
