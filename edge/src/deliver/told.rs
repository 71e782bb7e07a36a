//! JSON that was made once and is told many times: with a tag, so that who has it is spared it.
//!
//! The tags are weak (RFC 9110 section 8.8.1): an envelope names its request and a link is signed anew, so that two
//! answers with one tag say the same without being the same bytes. If-None-Match compares weakly in any case.

use bytes::Bytes;
use common::digest::Digest;
use common::problem::{Pagination, render_closing, render_opening};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::{Body, Piece, conditional, headers};

/// What a key is told may stay with it, and be asked for again each time.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");

/// An answer in its envelope, but for what names the request.
#[derive(Debug)]
pub struct Told {
    opening: Bytes,
    pagination: Option<Pagination>,
    etag: HeaderValue,
}

impl Told {
    /// Writes `data` down.
    ///
    /// # Errors
    /// As [`render_opening`].
    pub fn render(data: &impl Serialize, pagination: Option<Pagination>) -> Result<Self, serde_json::Error> {
        let opening: Bytes = render_opening(data)?.into();
        let mut covered = Digest::of(&opening).0.to_vec();
        covered.append(&mut render_closing(pagination, "")?);
        Ok(Self { opening, pagination, etag: etag_of(&Digest::of(&covered)) })
    }

    /// Bytes that it holds.
    pub fn len(&self) -> usize {
        self.opening.len() + self.etag.len()
    }

    /// True for nothing at all, which no envelope is.
    pub fn is_empty(&self) -> bool {
        self.opening.is_empty()
    }

    /// The whole of it for one request, in one piece.
    ///
    /// # Errors
    /// As [`render_closing`].
    pub fn json(&self, request_id: &str) -> Result<Vec<u8>, serde_json::Error> {
        Ok([&self.opening[..], &render_closing(self.pagination, request_id)?].concat())
    }

    /// The answer to one request: 304 to who has it.
    ///
    /// # Errors
    /// As [`render_closing`].
    pub fn answer(&self, request: &HeaderMap, request_id: &str) -> Result<Response<Body>, serde_json::Error> {
        if conditional::is_known(request, &self.etag) {
            return Ok(unchanged(self.etag.clone()));
        }
        let closing = render_closing(self.pagination, request_id)?;
        let pieces = [Piece::Memory(self.opening.clone()), Piece::Memory(closing.into())];
        Ok(tagged(Body::pieces(pieces), self.etag.clone()))
    }
}

/// The tag of what a digest says everything of.
pub fn etag_of(digest: &Digest) -> HeaderValue {
    // Half of it names more than there will ever be.
    headers::ascii(format!("W/\"{}\"", &digest.to_string()[..32]))
}

/// JSON in no envelope, 304 to who has what this tag names.
///
/// # Errors
/// Those of `make`.
pub fn tell_bare<E>(
    request: &HeaderMap,
    etag: HeaderValue,
    make: impl FnOnce() -> Result<Vec<u8>, E>,
) -> Result<Response<Body>, E> {
    if conditional::is_known(request, &etag) {
        return Ok(unchanged(etag));
    }
    Ok(tagged(Body::bytes(make()?.into()), etag))
}

fn tagged(body: Body, etag: HeaderValue) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, CACHING);
    headers.insert(ETAG, etag);
    response
}

/// RFC 9110 section 15.4.5.
fn unchanged(etag: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(CACHE_CONTROL, CACHING);
    response.headers_mut().insert(ETAG, etag);
    response
}
