//! Answers without bytes of a file: JSON, nothing at all, and the way to somewhere else.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body as _;

use super::body::Body;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// JSON that nobody on the way may keep.
pub fn json(body: Vec<u8>) -> Response<Body> {
    let mut response = answer(StatusCode::OK, Body::bytes(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A word of text that nobody on the way may keep.
pub fn text(word: &'static str) -> Response<Body> {
    let mut response = answer(StatusCode::OK, Body::bytes(word.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// There is nothing to tell (204).
pub fn nothing() -> Response<Body> {
    answer(StatusCode::NO_CONTENT, Body::empty())
}

/// For now it is there (302).
pub fn elsewhere(url: &str) -> Response<Body> {
    let mut response = answer(StatusCode::FOUND, Body::empty());
    response.headers_mut().extend(HeaderValue::from_str(url).ok().map(|url| (LOCATION, url)));
    response
}

/// What HEAD is told of an answer: its headers, with the length that it would have (RFC 9110 section 9.3.2). HTTP/1.1
/// leaves the content out by itself; HTTP/2 would send it, and break the stream.
pub fn head_of(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let length = body.size_hint().exact().filter(|_| !body.is_end_stream());
    if let Some(length) = length {
        parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    Response::from_parts(parts, Body::empty())
}

fn answer(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

/// Whoever has the URL of a share link has the file: so nobody is told the URL, lists it, or keeps what lies there.
pub fn keep_to_who_has_the_link(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
}
