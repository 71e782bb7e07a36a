//! Where a request carries its credential, and when it carries two.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

use crate::secret::Secret;

/// The header that carries a key without a scheme.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// A request that says who it is in two ways; which one is meant is not for us to guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Send one credential, once: in Authorization or in X-API-Key")]
pub struct Ambiguous;

/// The text of a credential: in the header that carried it, or decoded from there.
pub enum Carried<'a> {
    /// As it was sent.
    Plain(&'a str),
    /// The password of `Basic`.
    Decoded(Secret),
}

impl Carried<'_> {
    /// The text itself. Every call is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Decoded(secret) => secret.expose(),
        }
    }

    /// The text, to be kept longer than the request.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        match self {
            Self::Plain(text) => Secret::new(text.to_owned()),
            Self::Decoded(secret) => secret,
        }
    }
}

impl fmt::Debug for Carried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried(…)")
    }
}

/// What is there, and no key.
const NO_KEY: &str = "\u{0}";

/// The credential of a request: `Authorization: Bearer`, the raw key in `Authorization`, `Authorization: Basic` with
/// the key as password (RFC 7617), or `X-API-Key`. `Ok(None)` when there is none. Text that is no valid header value
/// or no valid Basic comes back as a secret that is no key.
///
/// # Errors
/// When one of the headers is repeated, or both are there and differ.
pub fn find(headers: &HeaderMap) -> Result<Option<Carried<'_>>, Ambiguous> {
    let authorization = only(headers, &AUTHORIZATION)?.and_then(from_authorization);
    let api_key = only(headers, &API_KEY_HEADER)?.map(str::trim).filter(|text| !text.is_empty());
    match (authorization, api_key.map(Carried::Plain)) {
        (Some(a), Some(b)) if a.expose() != b.expose() => Err(Ambiguous),
        (a, b) => Ok(a.or(b)),
    }
}

/// The one value of a header. A value with bytes outside ASCII is present, and no key.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        // As `to_str`, which looks at byte after byte: in a header value only bytes from 0x80 on are no text.
        (Some(value), None) if value.as_bytes().is_ascii() => {
            Ok(Some(std::str::from_utf8(value.as_bytes()).unwrap_or(NO_KEY)))
        }
        (Some(_), None) => Ok(Some(NO_KEY)),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}

/// `None` when the header is empty or names a scheme and nothing else.
fn from_authorization(value: &str) -> Option<Carried<'_>> {
    let value = value.trim();
    let gap = value.bytes().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
    let (scheme, rest) = value.split_at(gap);
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return (!rest.is_empty()).then_some(Carried::Plain(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return (!value.is_empty()).then_some(Carried::Plain(value));
    }
    match password(rest) {
        _ if rest.is_empty() => None,
        None => Some(Carried::Plain(NO_KEY)),
        Some(password) => (!password.is_empty()).then(|| Carried::Decoded(Secret::new(password))),
    }
}

fn password(encoded: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    text.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: Result<Option<&str>, Ambiguous>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let found = find(&map);
        let found = found.as_ref().map(|s| s.as_ref().map(Carried::expose)).map_err(|e| *e);
        assert_eq!(found, expected, "{headers:?}");
    }

    #[test]
    fn a_credential_is_found_in_every_form_that_clients_send() {
        check(&[], Ok(None));
        check(&[("authorization", "Bearer k.s")], Ok(Some("k.s")));
        check(&[("authorization", "bEARER   k.s ")], Ok(Some("k.s")));
        check(&[("authorization", "k.s")], Ok(Some("k.s")));
        check(&[("x-api-key", "k.s")], Ok(Some("k.s")));
        check(&[("authorization", "Basic dXNlcjprLnM=")], Ok(Some("k.s")));
        check(&[("authorization", "Basic OmsucyE6eA==")], Ok(Some("k.s!:x")));
        check(&[("authorization", "Bearer k.s"), ("x-api-key", "k.s")], Ok(Some("k.s")));
    }

    #[test]
    fn an_empty_credential_is_none_and_nonsense_is_no_key() {
        for empty in ["", "Bearer", "Bearer ", "Basic", "Basic  "] {
            check(&[("authorization", empty)], Ok(None));
        }
        check(&[("authorization", "Basic %%%")], Ok(Some("\u{0}")));
        check(&[("authorization", "Bearer two words")], Ok(Some("two words")));
    }

    #[test]
    fn two_credentials_are_refused_instead_of_one_being_chosen() {
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], Err(Ambiguous));
        check(&[("x-api-key", "a"), ("x-api-key", "b")], Err(Ambiguous));
        check(&[("authorization", "Bearer a"), ("x-api-key", "b")], Err(Ambiguous));
    }
}
