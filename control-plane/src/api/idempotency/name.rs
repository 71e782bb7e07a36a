//! The name that a caller gives to a request.

use common::problem::{Code, Problem};
use http::HeaderMap;

const HEADER: &str = "idempotency-key";
const LONGEST: usize = 255;

/// The name in the header, with or without the quotes of a structured string (RFC 9651 section 3.3.3).
pub(super) fn find(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(parse).map(Some).ok_or_else(invalid),
        (Some(_), Some(_)) => Err(invalid()),
    }
}

fn parse(text: &str) -> Option<String> {
    let text = text.trim();
    let name = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => text.to_owned(),
    };
    let visible = name.bytes().all(|b| b.is_ascii_graphic());
    (visible && (1..=LONGEST).contains(&name.len())).then_some(name)
}

/// What stands between the quotes, of which the first is gone. Only a quote and a backslash are escaped.
fn unquote(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return rest.as_str().is_empty().then_some(name),
            '\\' => name.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            other => name.push(other),
        }
    }
}

fn invalid() -> Problem {
    let says = "Send one Idempotency-Key of 1 to 255 visible ASCII characters, like a UUID";
    Problem::new(Code::Validation, "invalid_idempotency_key", says)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Result<Option<&str>, ()>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let found = find(&headers);
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(|_| ()), expected, "{values:?}");
    }

    #[test]
    fn a_name_is_visible_ascii_with_or_without_quotes() {
        check(&[], Ok(None));
        for same in ["8e03978e-40d5", " 8e03978e-40d5 ", "\"8e03978e-40d5\""] {
            check(&[same], Ok(Some("8e03978e-40d5")));
        }
        check(&[r#""a\"b\\c""#], Ok(Some(r#"a"b\c"#)));
        check(&["a\"b"], Ok(Some("a\"b")));
        check(&[&"x".repeat(255)], Ok(Some(&"x".repeat(255))));
        for wrong in ["", "\"\"", "\"", "\"a", "\"a\"b", "\"a\\nb\"", "a b", "ü", "a\tb", &"x".repeat(256)] {
            check(&[wrong], Err(()));
        }
        check(&["a", "a"], Err(()));
    }
}
