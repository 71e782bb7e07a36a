//! Heads of requests, well-formed and not.

use std::time::Duration;

use common::routes::RouteId;
use common::time::Timestamp;
use http::{Request, Uri};
use proptest::prelude::*;

use super::{Arrival, Ask, Query, Table};
use crate::error::Refusal;

pub(crate) fn nowhere() -> Arrival {
    Arrival {
        address: "203.0.113.9".parse().unwrap(),
        at: Timestamp::from_millis(100_000),
        tick: Duration::ZERO,
    }
}

/// A request to `localhost`, parsed.
pub(crate) fn ask(
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    arrival: Arrival,
) -> Result<Ask, Refusal> {
    let request = Request::builder().method(method).uri(target).header("host", "localhost");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Ask::parse(parts, arrival, &Table::new("").unwrap())
}

/// The route and the names of a path, or nothing when the edge knows no such path.
fn check(target: &str, expected: Option<(RouteId, &[&str])>) {
    let Ok(uri) = target.parse::<Uri>() else {
        assert_eq!(expected, None, "{target}: refused before us");
        return;
    };
    let found = match ask(("GET", &uri.to_string()), &[], nowhere()) {
        Ok(ask) => Some((ask.id(), (0..3).map(|n| ask.param(n).to_owned()).collect::<Vec<_>>())),
        Err(Refusal::UnknownRoute) => None,
        Err(other) => panic!("{target}: {other:?}"),
    };
    let found =
        found.map(|(id, names)| (id, names.into_iter().filter(|n| !n.is_empty()).collect::<Vec<_>>()));
    assert_eq!(
        found,
        expected.map(|(id, names)| (id, names.iter().map(|n| (*n).to_owned()).collect())),
        "{target}"
    );
}

#[test]
fn paths_are_decoded_once_and_never_walked() {
    let read = |name| check(&format!("/v1/applications/{name}"), None);
    for nothing in ["../x", "a/../b", "..//", "a//", "", "/", "a/", "%ff", "%c0%af", "a/b"] {
        read(nothing);
    }
    let one = |text: &str, name: &str| {
        check(&format!("/v1/applications/{text}"), Some((RouteId::ReadApplication, &[name])));
    };
    // What no id can be is still a name here: the catalog knows nothing of it.
    one("..", "..");
    one("%2e%2e%2fetc", "../etc");
    one("%252e%252e", "%2e%2e");
    one("..%5c", "..\\");
    one("....%2f%2f", "....//");
    one("a;a=b", "a;a=b");
    one("a%00", "a\0");
    one("%0d%0aSet-Cookie:x", "\r\nSet-Cookie:x");
    one("a%2fb", "a/b");
    one("%F0%9F%98%80", "😀");
    one("a%", "a%");
    one("a%zz", "a%zz");
    one(&"x".repeat(1_000), &"x".repeat(1_000));
    check("/v1/applications/a/versions/1.0%2Bmeta/files", Some((RouteId::ListFiles, &["a", "1.0+meta"])));
    check("/v1/applications/a/versions/1.0+meta/files", Some((RouteId::ListFiles, &["a", "1.0+meta"])));
    check("/v1/applications/a/versions//files", None);
    check("/v1/applications//versions", None);
    check("//v1/applications", None);
    check("/v1//applications", None);
    check("/V1/applications", None);
    check("/v1/download/a/1/x%2F..%2Fy", Some((RouteId::DownloadNamed, &["a", "1", "x/../y"])));
    check("/v1/download/a/1/%C3%BC%20b.zip?x=%2F", Some((RouteId::DownloadNamed, &["a", "1", "ü b.zip"])));
}

#[test]
fn names_that_cannot_be_ids_name_nothing() {
    use crate::catalog::selection::Wanted;
    let check = |target: &str, expected: Result<(), &str>| {
        let wanted = Wanted::parse(&ask(("GET", target), &[], nowhere()).unwrap());
        let told = wanted.map(|_| ()).map_err(|failure| match failure {
            crate::error::Failure::Refused(refusal) => refusal.reason(),
            other => panic!("{other:?}"),
        });
        assert_eq!(told, expected, "{target}");
    };
    for id in ["A", "_", "-", "con", &"a".repeat(100)] {
        check(&format!("/v1/download/{id}/1.0/f"), Ok(()));
    }
    let long = "a".repeat(1_000);
    // The dotless i, and the two spellings of one accent, are no letters of an id.
    for id in [".", "..", "a%2fb", "%F0%9F%98%80", "%C4%B1", "%C3%A9", "e%CC%81", "a%00", "a%20b", &long] {
        check(&format!("/v1/download/{id}/1.0/f"), Err("application_not_found"));
    }
    for version in ["latest", "1.0", "1.0.0", "v1", "1.0+meta", "1.0%2Bmeta"] {
        check(&format!("/v1/download/a/{version}/f"), Ok(()));
    }
    for version in ["%2e%2e%2f1", "1%200", &"1".repeat(10_000), "1%00", "%C3%A9"] {
        check(&format!("/v1/download/a/{version}/f"), Err("version_not_found"));
    }
    check("/v1/applications/a/versions/1/files/file%2F1/download", Err("file_not_found"));
    check("/v1/downloads/url?applicationId=a&version=1", Ok(()));
    check("/v1/downloads/url?applicationId=a&version=1&fileId=%2e%2e", Err("file_not_found"));
    check("/v1/downloads/url?applicationId=a", Err("invalid_parameter"));
    check("/v1/downloads/url?applicationId=a&version=", Err("invalid_parameter"));
    check("/v1/downloads/url?applicationId=a&version=1&version=1", Err("invalid_parameter"));
}

#[test]
fn a_request_has_one_owner() {
    let check = |version, target: &str, hosts: &[&[u8]], expected: bool| {
        let request = Request::builder().uri(target).version(version);
        let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let parsed = Ask::parse(parts, nowhere(), &Table::new("").unwrap());
        let shown = hosts.iter().map(|host| String::from_utf8_lossy(host)).collect::<Vec<_>>();
        match parsed {
            Ok(_) => assert!(expected, "{version:?} {target} {shown:?}"),
            Err(Refusal::BadRequest(_)) => assert!(!expected, "{version:?} {target} {shown:?}"),
            Err(other) => panic!("{other:?}"),
        }
    };
    use http::Version;
    let (old, new, two) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
    check(new, "/healthz", &[b"dl.example.com:8080"], true);
    check(new, "/healthz", &[b"[::1]:8080"], true);
    check(new, "/healthz", &[], false);
    check(old, "/healthz", &[], true);
    check(two, "http://dl.example.com/healthz", &[], true);
    check(new, "/healthz", &[b"a", b"a"], false);
    for host in [&b""[..], b"a, b", b"user@host", b"host/path", b"a b", b"h\xff", b"a\\b", b"a?b", b"a#b"] {
        check(new, "/healthz", &[host], false);
    }
    check(new, "http://a.example/healthz", &[b"A.example"], true);
    check(new, "http://a.example/healthz", &[b"b.example"], false);
    check(two, "http://a.example/healthz", &[b"b.example"], false);
}

#[test]
fn the_prefix_goes_and_the_authority_stays() {
    let table = Table::new("/dl").unwrap();
    let bare = |target: &str| {
        let target = table.without_prefix(target.parse().unwrap())?;
        let authority = target.authority().map(|host| format!("http://{host}")).unwrap_or_default();
        Some(format!("{authority}{}", target.path_and_query()))
    };
    assert_eq!(bare("/dl/v1/x?y=/dl/z").as_deref(), Some("/v1/x?y=/dl/z"));
    assert_eq!(bare("http://a.example:1/dl/v1/x?y").as_deref(), Some("http://a.example:1/v1/x?y"));
    assert_eq!(bare("/dl"), Some("/dl".to_owned()));
    assert_eq!(bare("/dl/dl/v1"), Some("/dl/v1".to_owned()));
    assert_eq!(bare("/dl//evil.example/x").as_deref(), Some("//evil.example/x"));
    assert_eq!(bare("*"), None);
}

#[test]
fn a_query_names_each_parameter_once_and_empty_ones_not_at_all() {
    let query = |text: &str| Query::parse(text);
    let all = query("a=1&b=&c&tag=%C3%BC+%2B&%61%62=x").unwrap();
    for (names, expected) in [
        (&["a"][..], Some("1")),
        (&["b"], None),
        (&["c"], None),
        (&["tags", "tag"], Some("ü +")),
        (&["b", "a"], Some("1")),
        (&["ab"], Some("x")),
        (&["A"], None),
    ] {
        assert_eq!(all.get(names), expected, "{names:?}");
    }
    for twice in ["a=1&a=2", "a&a", "a=1&%61=1", "=1&=2"] {
        assert!(query(twice).is_err(), "{twice}");
    }
    assert_eq!(query("").unwrap(), Query::default());
    assert!(query("a=%ff&b=%").is_ok(), "as browsers read it");
    let many = |count: u32| (0..count).map(|n| format!("p{n}=1&")).collect::<String>();
    assert!(query(&many(100)).is_ok());
    assert!(query(&many(101)).is_err());
}

fn any_target() -> impl Strategy<Value = Vec<u8>> {
    let junk = prop::collection::vec(any::<u8>(), 0..60);
    let piece = prop::sample::select(vec![
        "/",
        "v1",
        "applications",
        "versions",
        "files",
        "download",
        "downloads",
        "url",
        "d",
        "uploads",
        "%2f",
        "%",
        "%ff",
        "..",
        "latest",
        "?",
        "a=b",
        "&",
        "*",
        "http://a",
        "//",
        "#",
        "management",
        "ü",
        "\\",
    ]);
    let built = prop::collection::vec(piece, 0..14)
        .prop_map(|pieces| format!("/v1/{}", pieces.concat()).into_bytes());
    prop_oneof![junk, built]
}

proptest! {
    #[test]
    fn no_head_makes_the_parser_panic(
        method in prop_oneof!["[A-Z]{1,8}", "[!-~]{1,4}"],
        target in any_target(),
        headers in prop::collection::vec(
            (
                prop::sample::select(vec!["host", "authorization", "x-api-key", "x-channel", "accept", "range"]),
                prop::collection::vec(any::<u8>(), 0..40),
            ),
            0..6,
        ),
        prefix in prop::sample::select(vec!["", "/", "/v1", "/dl/"]),
    ) {
        let mut request = Request::builder().method(method.as_str()).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // What http refuses never reaches us.
        let Ok(request) = request.body(()) else { return Ok(()) };
        let (parts, ()) = request.into_parts();
        if let Ok(ask) = Ask::parse(parts, nowhere(), &Table::new(prefix).unwrap()) {
            let _ = (ask.credential(), ask.query(), ask.channel().map(str::len));
            let _ = crate::catalog::selection::Wanted::parse(&ask);
        }
    }
}
