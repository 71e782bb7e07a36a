//! The headers of an object: the same for a whole, a range and HEAD.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::catalog::parse_file_name;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Facts;

/// The bytes never change, but who may have them does: so no shared cache keeps them and a private one asks each time,
/// which a 304 answers. Nobody on the way may recode them: tag, digest and ranges are of these very bytes.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache, no-transform");

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const CHECKSUM: HeaderName = HeaderName::from_static("x-checksum-sha256");

const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Lines of an answer, those included that others add: the map need not grow.
const ROOM: usize = 24;

/// All but `attr-char` of RFC 8187 section 3.2.1.
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// What answers say of an object, written once: to say it again is to count references.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// Strong: the digest names the bytes.
    pub(super) etag: HeaderValue,
    pub(super) last_modified: HeaderValue,
    /// The same in seconds of the epoch.
    pub(super) modified: u64,
    media_type: HeaderValue,
    disposition: HeaderValue,
    repr_digest: HeaderValue,
    checksum: HeaderValue,
}

impl Prepared {
    pub(super) fn of(facts: &Facts) -> Self {
        let (digest, modified) = (facts.digest, u64::try_from(facts.modified.seconds()).unwrap_or(0));
        Self {
            etag: ascii(format!("\"sha256-{digest}\"")),
            last_modified: ascii(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(modified))),
            modified,
            media_type: ascii(media_type(&facts.content_type).to_owned()),
            disposition: ascii(disposition(&facts.file_name)),
            repr_digest: ascii(format!("sha-256=:{}:", STANDARD.encode(digest.0))),
            checksum: ascii(digest.to_string()),
        }
    }

    /// What caches compare and obey.
    pub(super) fn validators(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(ROOM);
        self.tell_validators(&mut headers);
        headers
    }

    /// All that is said of the object, whatever part of it is sent.
    pub(super) fn representation(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(ROOM);
        self.tell_validators(&mut headers);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_TYPE, self.media_type.clone());
        headers.insert(CONTENT_DISPOSITION, self.disposition.clone());
        headers.insert(REPR_DIGEST, self.repr_digest.clone());
        headers.insert(CHECKSUM, self.checksum.clone());
        // What a vendor uploads runs nothing here, even when a browser is made to show it.
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
        headers
    }

    fn tell_validators(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.etag.clone());
        headers.insert(LAST_MODIFIED, self.last_modified.clone());
        headers.insert(CACHE_CONTROL, CACHING);
    }

    /// The media type as it stands in the parts of a body of several.
    pub(super) fn media_type(&self) -> &str {
        self.media_type.to_str().unwrap_or(UNKNOWN_TYPE)
    }
}

/// The vendor's word, when it has the form of a media type.
fn media_type(text: &str) -> &str {
    let text = text.trim();
    let plain = text.contains('/') && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if plain { text } else { UNKNOWN_TYPE }
}

/// RFC 6266: a name for old clients in ASCII, and the real one (RFC 8187).
fn disposition(file_name: &str) -> String {
    let name = safe_name(file_name);
    // A percent sign is left out too: some clients decode it (RFC 6266 appendix D).
    let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    let encoded = utf8_percent_encode(&name, NOT_ATTR_CHAR);
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

/// The name itself when it obeys the catalog's rule, as all that come through our uploads do; otherwise with what is
/// dangerous in it replaced.
fn safe_name(name: &str) -> Cow<'_, str> {
    if parse_file_name(name).is_ok() {
        return Cow::Borrowed(name);
    }
    let safe = |c: &char| parse_file_name(&format!("a{c}a")).is_ok();
    let replaced: String = name.chars().map(|c| if safe(&c) { c } else { '_' }).collect();
    let usable = parse_file_name(&replaced).is_ok();
    if usable { Cow::Owned(replaced) } else { Cow::Borrowed("download") }
}

/// A header value of text that is visible ASCII by how it was made.
pub(super) fn ascii(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
