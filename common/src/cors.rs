//! What browsers ask before they let a page of another origin call us, and what both planes answer.
//!
//! Every origin may: who may do what is decided by the credential, which a page must hold and send itself. No cookie
//! and no browser login is ever looked at, so credentials mode stays off (Fetch standard, section 3.2).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::routes::allowed_methods;

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD");
/// Authorization must be named: `*` does not cover it. The last line is what a resumed upload sends (tus 1.0).
const TAKEN: HeaderValue = HeaderValue::from_static(concat!(
    "Authorization, Content-Type, X-API-Key, X-Channel, Range, Idempotency-Key, X-Request-Id, ",
    "If-Match, If-None-Match, If-Range, If-Modified-Since, If-Unmodified-Since, ",
    "Tus-Resumable, Upload-Offset, Upload-Length, Upload-Metadata",
));
/// What a page may read beside the few headers that every page may.
const TOLD: HeaderValue = HeaderValue::from_static(concat!(
    "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, ",
    "Retry-After, ETag, Content-Range, Content-Disposition, Accept-Ranges, X-Checksum-Sha256, Repr-Digest, ",
    "Idempotency-Replayed, Location, Link, Allow, WWW-Authenticate, ",
    "Tus-Resumable, Tus-Version, Upload-Offset, Upload-Length, Upload-Expires",
));
/// Browsers take less when they think it too long.
const A_DAY: HeaderValue = HeaderValue::from_static("86400");

/// The path that large uploads are sent to: it says which protocol goes on with them.
const UPLOADS: &str = "/v1/uploads/{ticket}";
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS: HeaderValue = HeaderValue::from_static("1.0.0");

/// Lets pages of every origin read an answer, whatever was said about that before. What of it is told in headers only
/// a page wants to know, and it names itself (Fetch standard, section 3.1): others are spared the long line.
pub fn open(headers: &mut HeaderMap, is_page: bool) {
    // Always, so that an answer that a browser kept opens to a page that asks for it later.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    if is_page {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, TOLD);
    }
}

/// Whether a page of some origin asks.
#[must_use]
pub fn is_page(request: &HeaderMap) -> bool {
    request.contains_key(ORIGIN)
}

/// The headers of an answer to `OPTIONS`; `path` is the line of the route table, when the request's is in it.
#[must_use]
pub fn options(path: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    open(&mut headers, true);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
    headers.insert(ACCESS_CONTROL_MAX_AGE, A_DAY);
    let allowed = path.and_then(|path| HeaderValue::from_str(&allowed_methods(path).join(", ")).ok());
    headers.extend(allowed.map(|allowed| (ALLOW, allowed)));
    if path == Some(UPLOADS) {
        headers.insert(TUS_VERSION, TUS);
        headers.insert(TUS_RESUMABLE, TUS);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::ROUTES;

    fn told(path: Option<&str>) -> String {
        let headers = options(path);
        let lines = headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_preflight_is_told_everything_and_a_known_path_its_methods() {
        insta::assert_snapshot!(told(None), @r"
        access-control-allow-origin: *
        access-control-expose-headers: X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, Retry-After, ETag, Content-Range, Content-Disposition, Accept-Ranges, X-Checksum-Sha256, Repr-Digest, Idempotency-Replayed, Location, Link, Allow, WWW-Authenticate, Tus-Resumable, Tus-Version, Upload-Offset, Upload-Length, Upload-Expires
        access-control-allow-methods: GET, POST, PUT, PATCH, DELETE, HEAD
        access-control-allow-headers: Authorization, Content-Type, X-API-Key, X-Channel, Range, Idempotency-Key, X-Request-Id, If-Match, If-None-Match, If-Range, If-Modified-Since, If-Unmodified-Since, Tus-Resumable, Upload-Offset, Upload-Length, Upload-Metadata
        access-control-max-age: 86400
        ");
        assert!(told(Some("/v1/applications")).ends_with("\nallow: GET, HEAD, OPTIONS"));
        let uploads = told(Some(UPLOADS));
        assert!(uploads.contains("tus-version: 1.0.0\ntus-resumable: 1.0.0"), "{uploads}");
        assert!(ROUTES.iter().any(|route| route.path == UPLOADS));
        assert!(!uploads.contains("credentials"));
    }

    #[test]
    fn every_method_of_the_table_is_allowed() {
        let methods = METHODS;
        let named = |method: &str| methods.to_str().unwrap().split(", ").any(|name| name == method);
        assert!(ROUTES.iter().all(|route| named(route.method.as_str())));
    }

    #[test]
    fn what_was_said_before_is_said_once() {
        let mut headers = HeaderMap::new();
        for value in ["https://a.example", "*"] {
            headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, value.parse().unwrap());
        }
        open(&mut headers, true);
        assert_eq!(headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>(), [ANY]);
    }
}
