//! The file name in the `Content-Disposition` of a form's part, in both of its forms.

use percent_encoding::percent_decode_str;

/// The name: `filename*` (RFC 8187) where it can be read, which wins over `filename` (RFC 6266 section 4.3).
pub(super) fn file_name(header: &[u8]) -> Option<String> {
    let parameters = parameters(std::str::from_utf8(header).ok()?);
    let named = |name: &str| {
        let mut found = parameters.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    };
    named("filename*").and_then(extended).or_else(|| named("filename").map(str::to_owned))
}

/// `charset'language'percent-encoded`; UTF-8 is the one charset that everybody sends.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    percent_decode_str(encoded).decode_utf8().ok().map(Into::into)
}

/// `name=value` and `name="value"` behind the first semicolon. Of what is quoted only `\"` is unescaped: older clients
/// send paths with bare backslashes, and those are to be seen as such.
fn parameters(header: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    while let Some((name, behind)) = rest.split_once('=') {
        let behind = behind.trim_start();
        let (value, next) = match behind.strip_prefix('"') {
            Some(quoted) => {
                let end = closing_quote(quoted);
                (quoted[..end].replace("\\\"", "\""), quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let (value, next) = behind.split_once(';').unwrap_or((behind, ""));
                found.push((bare(name), value.trim().to_owned()));
                rest = next;
                continue;
            }
        };
        found.push((bare(name), value));
        rest = next.split_once(';').map_or("", |(_, next)| next);
    }
    found
}

fn bare(name: &str) -> String {
    name.trim_start_matches(';').trim().to_owned()
}

fn closing_quote(quoted: &str) -> usize {
    let mut before = ' ';
    for (at, c) in quoted.char_indices() {
        if c == '"' && before != '\\' {
            return at;
        }
        before = c;
    }
    quoted.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_extended_form_wins_where_it_can_be_read() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(file_name(header.as_bytes()).as_deref(), expected, "{header}");
        };
        check("form-data; name=\"file\"", None);
        check("form-data; name=\"file\"; filename=\"a b.bin\"", Some("a b.bin"));
        check("form-data; name=file; filename=a.bin", Some("a.bin"));
        check("form-data; name=\"file\"; FileName=\"a\\\"b\"", Some("a\"b"));
        check("form-data; name=\"file\"; filename=\"C:\\x\\y.exe\"", Some("C:\\x\\y.exe"));
        check("form-data; name=\"file\"; filename*=UTF-8''na%C3%AFve%20file.bin", Some("naïve file.bin"));
        check("form-data; name=file; filename*=utf-8'en'b.bin; filename=\"a.bin\"", Some("b.bin"));
        check("form-data; name=file; filename=\"a.bin\"; filename*=utf-8''b.bin", Some("b.bin"));
        check(
            "form-data; name=file; filename=\"a; filename*=utf-8''b.bin\"",
            Some("a; filename*=utf-8''b.bin"),
        );
        for unreadable in ["b.bin", "utf-8'b.bin", "utf-8''%ff", "koi8-r''b.bin"] {
            check(&format!("form-data; name=file; filename*={unreadable}; filename=a.bin"), Some("a.bin"));
            check(&format!("form-data; name=file; filename*={unreadable}"), None);
        }
        assert_eq!(file_name(b"form-data; filename=\"\xff\""), None);
        check("form-data; filename=\"", Some(""));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "\\PC{0,60}", tail in "[;=\"\\\\ a*'%ü]{0,30}") {
            let _ = file_name(format!("{header}; filename{tail}").as_bytes());
        }
    }
}
