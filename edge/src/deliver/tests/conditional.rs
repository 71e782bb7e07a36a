//! RFC 9110 section 13: what each condition does, alone and beside others.

use super::*;

const SAME: &str = "Wed, 15 Jan 2025 10:00:00 GMT";
const BEFORE: &str = "Wed, 15 Jan 2025 09:59:59 GMT";
const AFTER: &str = "Wed, 15 Jan 2025 10:00:01 GMT";

/// `current` in a value stands for the object's tag without its quotes.
fn check(method: &Method, lines: &[(&'static str, &str)], expected: u16) {
    let object = object(10);
    let current = format!("sha256-{}", object.digest);
    let lines: Vec<_> =
        lines.iter().map(|(name, value)| (*name, value.replace("current", &current))).collect();
    let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(plan(method, &request(&lines), &object).status(), expected, "{method} {lines:?}");
}

#[test]
fn if_none_match_spares_what_the_client_has() {
    let cases = [
        ("\"current\"", 304),
        ("W/\"current\"", 304),
        ("*", 304),
        ("\"a\", \"current\"", 304),
        ("\"a\",,W/\"current\" ,", 304),
        ("\"a,b\", \"current\"", 304),
        ("\"\u{fc}\", \"current\"", 304),
        ("\"\",\"current\"", 304),
        ("\"other\"", 200),
        ("current", 200),
        ("w/\"current\"", 200),
        ("\"current", 200),
        ("\"a\" *", 200),
        ("", 200),
        ("\"current\"x", 200),
        ("\"a, current\"", 200),
        ("W/", 200),
        (",,,", 200),
    ];
    for (value, expected) in cases {
        check(&Method::GET, &[("if-none-match", value)], expected);
        check(&Method::HEAD, &[("if-none-match", value)], expected);
    }
    check(&Method::GET, &[("if-none-match", "\"a\""), ("if-none-match", "\"current\"")], 304);
    check(&Method::POST, &[("if-none-match", "\"current\"")], 412);
}

#[test]
fn if_match_wants_the_very_bytes() {
    let cases = [
        ("\"current\"", 200),
        ("*", 200),
        ("\"a\", \"current\"", 200),
        ("W/\"current\"", 412),
        ("\"other\"", 412),
        ("current", 412),
        ("", 412),
    ];
    for (value, expected) in cases {
        check(&Method::GET, &[("if-match", value)], expected);
        check(&Method::HEAD, &[("if-match", value)], expected);
    }
}

#[test]
fn dates_are_compared_in_whole_seconds_in_all_three_forms() {
    let since = |value: &str, expected: u16| check(&Method::GET, &[("if-modified-since", value)], expected);
    since(BEFORE, 200);
    since(SAME, 304);
    since(AFTER, 304);
    since("Wednesday, 15-Jan-25 10:00:00 GMT", 304);
    since("Wed Jan 15 10:00:00 2025", 304);
    for ignored in ["yesterday", "2025-01-15T10:00:00Z", "Wed, 32 Jan 2025 10:00:00 GMT", ""] {
        since(ignored, 200);
    }
    check(&Method::GET, &[("if-modified-since", SAME), ("if-modified-since", SAME)], 200);
    check(&Method::HEAD, &[("if-modified-since", SAME)], 304);
    check(&Method::POST, &[("if-modified-since", SAME)], 200);
    let unless =
        |value: &str, expected: u16| check(&Method::GET, &[("if-unmodified-since", value)], expected);
    unless(BEFORE, 412);
    unless(SAME, 200);
    unless(AFTER, 200);
    unless("yesterday", 200);
}

#[test]
fn a_tag_outranks_the_date_and_a_failure_outranks_a_304() {
    check(&Method::GET, &[("if-none-match", "\"other\""), ("if-modified-since", SAME)], 200);
    check(&Method::GET, &[("if-none-match", "\"current\""), ("if-modified-since", BEFORE)], 304);
    check(&Method::GET, &[("if-match", "\"current\""), ("if-unmodified-since", BEFORE)], 200);
    check(&Method::GET, &[("if-match", "\"other\""), ("if-none-match", "\"current\"")], 412);
    check(&Method::GET, &[("if-unmodified-since", BEFORE), ("if-modified-since", AFTER)], 412);
    check(&Method::GET, &[("if-match", "\"current\""), ("if-none-match", "\"current\"")], 304);
    check(&Method::GET, &[("if-none-match", "\"current\""), ("range", "bytes=0-0")], 304);
    check(&Method::GET, &[("if-match", "\"other\""), ("range", "bytes=10-")], 412);
    check(&Method::GET, &[("if-none-match", "\"other\""), ("range", "bytes=0-0")], 206);
}

#[test]
fn if_range_gives_a_part_only_of_the_same_bytes() {
    let cases = [
        ("\"current\"", 206),
        (SAME, 200),
        ("W/\"current\"", 200),
        ("\"stale\"", 200),
        ("current", 200),
        ("*", 200),
        (BEFORE, 200),
        (AFTER, 200),
        ("yesterday", 200),
        ("", 200),
        ("\"current\", \"current\"", 200),
    ];
    for (value, expected) in cases {
        check(&Method::GET, &[("if-range", value), ("range", "bytes=0-0")], expected);
    }
    check(
        &Method::GET,
        &[("if-range", "\"current\""), ("if-range", "\"current\""), ("range", "bytes=0-0")],
        200,
    );
    check(&Method::GET, &[("if-range", "\"stale\"")], 200);
    check(&Method::GET, &[("if-range", "\"current\""), ("range", "bytes=10-")], 416);
    check(&Method::GET, &[("if-range", "\"stale\""), ("range", "bytes=10-")], 200);
}
