//! What answers say about the object.

use common::catalog::parse_file_name;
use percent_encoding::percent_decode_str;

use super::*;

/// A plan's headers, a line each.
fn written(plan: &Plan) -> String {
    let mut lines: Vec<_> =
        headers_of(plan).iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    lines.sort();
    format!("{}\n{}", plan.status(), lines.join("\n"))
}

#[test]
fn every_answer_carries_its_headers() {
    let object = object(10);
    let told = |method, lines: &[(&'static str, &str)]| written(&plan(&method, &request(lines), &object));
    insta::assert_snapshot!(told(Method::GET, &[]), @r#"
    200
    accept-ranges: bytes
    cache-control: private, no-cache, no-transform
    content-disposition: attachment; filename="my-app-2.2.0.exe"; filename*=UTF-8''my-app-2.2.0.exe
    content-length: 10
    content-security-policy: sandbox
    content-type: application/x-msdownload
    etag: "sha256-01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4"
    last-modified: Wed, 15 Jan 2025 10:00:00 GMT
    repr-digest: sha-256=:AUZ+9qKfm5oiuBw+kUBImX6gqqmXkfy16etU/xe+/qQ=:
    x-checksum-sha256: 01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4
    x-content-type-options: nosniff
    "#);
    assert_eq!(told(Method::HEAD, &[]), told(Method::GET, &[]));
    insta::assert_snapshot!(told(Method::GET, &[("range", "bytes=2-4")]), @r#"
    206
    accept-ranges: bytes
    cache-control: private, no-cache, no-transform
    content-disposition: attachment; filename="my-app-2.2.0.exe"; filename*=UTF-8''my-app-2.2.0.exe
    content-length: 3
    content-range: bytes 2-4/10
    content-security-policy: sandbox
    content-type: application/x-msdownload
    etag: "sha256-01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4"
    last-modified: Wed, 15 Jan 2025 10:00:00 GMT
    repr-digest: sha-256=:AUZ+9qKfm5oiuBw+kUBImX6gqqmXkfy16etU/xe+/qQ=:
    x-checksum-sha256: 01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4
    x-content-type-options: nosniff
    "#);
    insta::assert_snapshot!(told(Method::GET, &[("range", "bytes=2-4,6-7")]), @r#"
    206
    accept-ranges: bytes
    cache-control: private, no-cache, no-transform
    content-disposition: attachment; filename="my-app-2.2.0.exe"; filename*=UTF-8''my-app-2.2.0.exe
    content-length: 357
    content-security-policy: sandbox
    content-type: multipart/byteranges; boundary=01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4
    etag: "sha256-01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4"
    last-modified: Wed, 15 Jan 2025 10:00:00 GMT
    repr-digest: sha-256=:AUZ+9qKfm5oiuBw+kUBImX6gqqmXkfy16etU/xe+/qQ=:
    x-checksum-sha256: 01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4
    x-content-type-options: nosniff
    "#);
    insta::assert_snapshot!(told(Method::GET, &[("if-none-match", "*")]), @r#"
    304
    cache-control: private, no-cache, no-transform
    etag: "sha256-01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4"
    last-modified: Wed, 15 Jan 2025 10:00:00 GMT
    "#);
    insta::assert_snapshot!(told(Method::GET, &[("if-match", "\"other\"")]), @r#"
    412
    etag: "sha256-01467ef6a29f9b9a22b81c3e914048997ea0aaa99791fcb5e9eb54ff17befea4"
    "#);
    insta::assert_snapshot!(told(Method::GET, &[("range", "bytes=10-")]), @r#"
    416
    accept-ranges: bytes
    content-range: bytes */10
    "#);
}

#[test]
fn a_refusal_says_why() {
    let problem = |lines: &[(&'static str, &str)]| match plan(&Method::GET, &request(lines), &object(10)) {
        Plan::Refuse(problem, _) => (problem.code.as_str(), problem.reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(&[("if-match", "\"other\"")]), ("PRECONDITION_FAILED", "precondition_failed"));
    assert_eq!(problem(&[("range", "bytes=10-")]), ("RANGE_NOT_SATISFIABLE", "range_not_satisfiable"));
}

#[test]
fn a_content_type_that_could_harm_a_header_is_not_sent() {
    let check = |content_type: &str, expected: &str| {
        let object = Object::new(Facts { content_type: content_type.to_owned(), ..facts(10) });
        let plan = plan(&Method::GET, &HeaderMap::new(), &object);
        assert_eq!(text(headers_of(&plan), "content-type"), Some(expected), "{content_type:?}");
    };
    check("text/html; charset=utf-8", "text/html; charset=utf-8");
    check("image/svg+xml", "image/svg+xml");
    for wrong in ["", " ", "x\r\ny", "text/x\r\ny: z", "text/ü", "text", "a/b\0", "a/\tb"] {
        check(wrong, "application/octet-stream");
    }
}

/// The safe name that clients of RFC 8187 read.
fn decoded(name: &str) -> String {
    let object = Object::new(Facts { file_name: name.to_owned(), ..facts(10) });
    let plan = plan(&Method::GET, &HeaderMap::new(), &object);
    let value = text(headers_of(&plan), "content-disposition").unwrap();
    assert!(value.bytes().all(|b| matches!(b, b' '..=b'~')), "{value}");
    let (fallback, extended) = value.split_once("\"; filename*=UTF-8''").unwrap();
    let fallback = fallback.strip_prefix("attachment; filename=\"").unwrap();
    assert!(!fallback.is_empty() && !fallback.contains(['"', '\\', '%', '/']), "{value}");
    let attr = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&b);
    assert!(extended.bytes().all(attr), "{value}");
    percent_decode_str(extended).decode_utf8().unwrap().into_owned()
}

#[test]
fn file_names_arrive_as_they_are() {
    for name in [
        "a",
        "a.exe",
        "my-app-2.2.0.exe",
        "with space.zip",
        "Prüfung (1).zip",
        "日本語.tar.gz",
        "емеля.deb",
        "résumé.pdf",
        "100%.txt",
        "%41.txt",
        "a;b.txt",
        "a=b,c.txt",
        "a&b#c!.txt",
        "emoji-😀.bin",
        "a+b~c^d.txt",
        "a`b$c.txt",
        "(a)[b]{c}@.txt",
        "עברית.zip",
        "zero\u{200b}width.zip",
        &"x".repeat(255),
        &"ü".repeat(127),
    ] {
        assert!(parse_file_name(name).is_ok(), "{name}");
        assert_eq!(decoded(name), name);
    }
}

#[test]
fn file_names_that_could_do_harm_arrive_without_what_is_harmful() {
    for (name, safe) in [
        ("a\"b", "a_b"),
        ("a\\b", "a_b"),
        ("a\r\nX: y", "a__X_ y"),
        ("a\0b", "a_b"),
        ("a\u{7f}b", "a_b"),
        ("a\u{85}b", "a_b"),
        ("a/b", "a_b"),
        ("C:\\x", "C__x"),
        ("a\u{202e}exe.txt", "a_exe.txt"),
        ("a\u{2066}b", "a_b"),
        ("／etc", "_etc"),
        ("a'b", "a_b"),
        ("<script>.html", "_script_.html"),
        ("a|b?*", "a_b__"),
        ("a\";filename=b", "a_;filename=b"),
        ("", "download"),
        (".", "download"),
        ("..", "download"),
        ("../../x", "download"),
        ("NUL", "download"),
        ("con.txt", "download"),
        (".hidden", "download"),
        ("a ", "download"),
        ("a..b", "download"),
        (&"x".repeat(256), "download"),
    ] {
        assert_eq!(decoded(name), safe, "{name:?}");
    }
}
