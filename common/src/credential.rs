//! Where a request carries its credential, and when it carries two.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::secret::Secret;

/// The header that carries a key without a scheme.
pub const API_KEY_HEADER: &str = "x-api-key";

/// A request that says who it is in two ways; which one is meant is not for us to guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Send one credential, once: in Authorization or in X-API-Key")]
pub struct Ambiguous;

/// The credential of a request: `Authorization: Bearer`, the raw key in `Authorization`, `Authorization: Basic` with
/// the key as password (RFC 7617), or `X-API-Key`. `Ok(None)` when there is none. Text that is no valid header value
/// or no valid Basic comes back as an empty secret, which is no key.
///
/// # Errors
/// When one of the headers is repeated, or both are there and differ.
pub fn find(headers: &HeaderMap) -> Result<Option<Secret>, Ambiguous> {
    let authorization = only(headers, AUTHORIZATION.as_str())?.and_then(from_authorization);
    let api_key =
        only(headers, API_KEY_HEADER)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match (authorization, api_key) {
        (Some(a), Some(b)) if a != b => Err(Ambiguous),
        (a, b) => Ok(a.or(b).map(Secret::new)),
    }
}

/// The one value of a header. A value with bytes outside ASCII is present, and no key.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Ambiguous> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or("\u{0}"))),
        (Some(_), Some(_)) => Err(Ambiguous),
    }
}

/// `None` when the header is empty or names a scheme and nothing else.
fn from_authorization(value: &str) -> Option<String> {
    let value = value.trim();
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let rest = rest.trim();
    let text = if scheme.eq_ignore_ascii_case("bearer") {
        rest.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        if rest.is_empty() { String::new() } else { password(rest).unwrap_or_else(|| "\u{0}".to_owned()) }
    } else {
        value.to_owned()
    };
    (!text.is_empty()).then_some(text)
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
        let found = found.as_ref().map(|s| s.as_ref().map(Secret::expose)).map_err(|e| *e);
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
