//! Where a request carries its credential, and when it carries two.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

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
    let (mut authorization, mut api_key) = (None, None);
    // One walk: requests have few headers, and a look-up hashes its name byte by byte.
    for (name, value) in headers {
        let place = match () {
            () if *name == AUTHORIZATION => &mut authorization,
            () if *name == API_KEY_HEADER => &mut api_key,
            () => continue,
        };
        if place.replace(text_of(value)).is_some() {
            return Err(Ambiguous);
        }
    }
    let api_key = api_key.map(str::trim).filter(|text| !text.is_empty());
    match (authorization.and_then(from_authorization), api_key.map(Carried::Plain)) {
        (Some(a), Some(b)) if a.expose() != b.expose() => Err(Ambiguous),
        (a, b) => Ok(a.or(b)),
    }
}

/// What a header says. A value with bytes outside ASCII is present, and no key.
fn text_of(value: &HeaderValue) -> &str {
    let bytes = value.as_bytes();
    // As `to_str`, which looks at byte after byte: in a header value only bytes from 0x80 on are no text.
    let text = if bytes.is_ascii() { std::str::from_utf8(bytes).ok() } else { None };
    text.unwrap_or(NO_KEY)
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
    use proptest::prelude::*;

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

    /// As it was before it was made to borrow: by look-ups, `to_str` and copies.
    fn find_by_look_up(headers: &HeaderMap) -> Result<Option<String>, Ambiguous> {
        let only = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (value, None) => Ok(value.map(|value| value.to_str().unwrap_or(NO_KEY))),
                _ => Err(Ambiguous),
            }
        };
        let from_authorization = |value: &str| {
            let value = value.trim();
            let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
            let rest = rest.trim();
            let text = match scheme.to_ascii_lowercase().as_str() {
                "bearer" => rest.to_owned(),
                "basic" if rest.is_empty() => String::new(),
                "basic" => password(rest).unwrap_or_else(|| NO_KEY.to_owned()),
                _ => value.to_owned(),
            };
            (!text.is_empty()).then_some(text)
        };
        let authorization = only("authorization")?.and_then(from_authorization);
        let api_key = only("x-api-key")?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        match (authorization, api_key) {
            (Some(a), Some(b)) if a != b => Err(Ambiguous),
            (a, b) => Ok(a.or(b)),
        }
    }

    proptest! {
        #[test]
        fn it_is_found_as_it_was_by_look_ups(
            headers in prop::collection::vec(
                (
                    prop::sample::select(vec!["authorization", "x-api-key", "host"]),
                    "(bearer|BASIC|Basic|key)?[ \t]{0,2}(k\\.s|dXNlcjprLnM=|Og==|[ -~]{0,6}|ü)[ \t]?",
                ),
                0..4,
            ),
        ) {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let found = find(&map).map(|found| found.map(|carried| carried.expose().to_owned()));
            prop_assert_eq!(found, find_by_look_up(&map));
        }
    }
}
