//! What is passed on, under which headers, and how long an answer is held.

use std::time::Duration;

use common::mac::{MacKeys, Purpose};
use common::proof::{FORWARDED_HEADER, Forwarded, SEQUENCE_HEADER, UploadTicket};
use common::secret::Secret;
use common::time::Timestamp;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, Request};

use super::{Forwarder, Keys, Site, pass_back, strip, url_of};
use crate::error::{Caller, Failure, REQUEST_ID, Refusal};
use crate::replica::tests::world::{World, key, tenant_id};
use crate::request::tests::{ask, nowhere};
use crate::request::{Ask, Table};

fn keys(purpose: Purpose) -> MacKeys {
    MacKeys::derive(&[Secret::new("edge secret".to_owned())], purpose)
}

fn forwarder(world: &World, public_url: Option<&str>) -> Forwarder {
    let site = Site { public_url: public_url.map(str::to_owned), encrypted: false };
    let keys = Keys { word: keys(Purpose::Forwarding), uploads: keys(Purpose::Upload) };
    Forwarder::new(None, site, keys, world.replica.clone()).unwrap()
}

fn caller(headers: &HeaderMap) -> Caller {
    Caller::of(headers, || "made-here".into())
}

#[test]
fn what_belongs_to_a_connection_is_not_passed() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "close, X-Hop"),
        ("connection", "x-other-hop"),
        ("keep-alive", "5"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("proxy-authorization", "x"),
        ("host", "a"),
        ("x-hop", "1"),
        ("x-other-hop", "1"),
        ("accept", "a"),
        ("accept", "b"),
        ("x-forwarded-for", "1.2.3.4"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    strip(&mut headers);
    let mut left: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    left.sort_unstable();
    assert_eq!(left, [("accept", "a"), ("accept", "b"), ("x-forwarded-for", "1.2.3.4")]);
}

#[test]
fn an_edge_gives_its_own_word_and_nobody_elses() {
    let world = World::furnished(&[]);
    let forwarder = forwarder(&world, Some("https://dl.example.com"));
    let sent = [
        ("authorization", "Bearer k"),
        ("content-length", "7"),
        (FORWARDED_HEADER, "forged"),
        (FORWARDED_HEADER, "twice"),
        ("x-request-id", "not sane"),
        ("x-request-id", "and twice"),
    ];
    let ask = ask(("POST", "/v1/management/customers"), &sent, nowhere()).unwrap();
    let passed = forwarder.passed_headers(&ask, &caller(&ask.headers)).unwrap();
    let words: Vec<_> = passed.get_all(FORWARDED_HEADER).iter().collect();
    let [word] = words[..] else { panic!("{words:?}") };
    let word = Forwarded::open(word.to_str().unwrap(), &keys(Purpose::Forwarding), nowhere().at).unwrap();
    assert_eq!((word.address, word.base.as_str()), (nowhere().address, "https://dl.example.com"));
    let ids: Vec<_> = passed.get_all(REQUEST_ID).iter().collect();
    assert_eq!(ids, ["made-here"], "both planes tell of a request under one id");
    assert_eq!(passed.get(AUTHORIZATION).unwrap(), "Bearer k");
    assert_eq!((passed.get(CONTENT_LENGTH), passed.get(HOST)), (None, None));
}

#[test]
fn links_follow_the_public_url_else_the_host_that_was_asked() {
    let world = World::furnished(&[]);
    let check = |public: Option<&str>, version, target: &str, host: Option<&str>, expected: &str| {
        let request = Request::builder().uri(target).version(version);
        let request = host.into_iter().fold(request, |request, host| request.header(HOST, host));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let ask = Ask::parse(parts, nowhere(), &Table::new("").unwrap()).unwrap();
        assert_eq!(forwarder(&world, public).base_of(&ask), expected, "{target} {host:?}");
    };
    let (one, two) = (http::Version::HTTP_11, http::Version::HTTP_2);
    check(Some("https://dl.example.com/x"), one, "/healthz", Some("evil"), "https://dl.example.com/x");
    check(None, one, "/healthz", Some("127.0.0.1:8080"), "http://127.0.0.1:8080");
    check(None, two, "http://127.0.0.1:8080/healthz", None, "http://127.0.0.1:8080");
    check(None, http::Version::HTTP_10, "/healthz", None, "http://localhost");
}

#[test]
fn a_path_that_would_come_out_as_another_is_not_passed_on() {
    let table = Table::new("").unwrap();
    let check = |text: &str, expected: Option<&str>| {
        let target = text.parse().ok().and_then(|uri| table.without_prefix(uri));
        let passed = target.and_then(|target| url_of("http://desk:1/base", &target).ok());
        assert_eq!(passed.as_ref().map(reqwest::Url::as_str), expected, "{text}");
    };
    check("/v1/a?x=%2F..", Some("http://desk:1/base/v1/a?x=%2F.."));
    check("/v1/a%2Fb;c", Some("http://desk:1/base/v1/a%2Fb;c"));
    for walked in ["/v1/a/../b", "/v1/a/..", "/v1/./a", "/v1/%2e%2e/a", "/v1/%2E./a", "/v1/a\\..\\..\\b"] {
        check(walked, None);
    }
}

#[tokio::test]
async fn an_upload_needs_a_ticket_of_ours_that_is_not_past() {
    let world = World::furnished(&[]);
    let forwarder = forwarder(&world, None);
    let ticket = |purpose, expires_at| {
        let upload = "upl_1".parse().unwrap();
        UploadTicket { tenant: tenant_id(), upload, expires_at }.seal(&keys(purpose)).unwrap()
    };
    let later = nowhere().at.plus(Duration::from_secs(1));
    for (text, expected) in [
        (ticket(Purpose::Upload, later), "control_plane_unavailable"),
        (ticket(Purpose::Upload, nowhere().at), "link_expired"),
        (ticket(Purpose::Link, later), "link_not_found"),
        (ticket(Purpose::Upload, later).replace('A', "B"), "link_not_found"),
        ("x".to_owned(), "link_not_found"),
    ] {
        let ask = ask(("PUT", &format!("/v1/uploads/{text}")), &[], nowhere()).unwrap();
        assert_eq!(ask.method, Method::PUT);
        match forwarder.receive_upload(&ask, &mut None, &caller(&ask.headers)).await {
            Err(Failure::Refused(refusal)) => assert_eq!(refusal.reason(), expected),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("{expected}: there is no control plane"),
        }
    }
}

#[tokio::test]
async fn an_answer_is_held_until_its_write_is_in_force_here() {
    let mut world = World::furnished(&[]);
    let forwarder = forwarder(&world, None);
    let told = |text: &str| HeaderMap::from_iter([(SEQUENCE_HEADER.parse().unwrap(), text.parse().unwrap())]);
    // In force already, or no position at all: at once.
    for at_once in ["1.1", "0.9", "nonsense", ""] {
        let held = tokio::time::timeout(Duration::ZERO, forwarder.hold(&told(at_once))).await;
        assert!(held.is_ok(), "{at_once}");
    }
    let second = told("1.2");
    let mut held = std::pin::pin!(forwarder.hold(&second));
    assert!(futures_util::poll!(&mut held).is_pending());
    world.write(&[key("key_2", 2)]);
    assert!(futures_util::poll!(&mut held).is_pending(), "committed is not in force");
    world.in_force();
    held.await;
}

#[test]
fn an_answer_comes_back_without_what_is_between_the_planes() {
    let answer = http::Response::builder()
        .status(201)
        .header(SEQUENCE_HEADER, "1.7")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("transfer-encoding", "chunked")
        .header("content-length", "2")
        .header("x-request-id", "r")
        .body(reqwest::Body::from("{}"))
        .unwrap();
    let response = pass_back(answer);
    let left: Vec<_> = response.headers().keys().map(http::HeaderName::as_str).collect();
    assert_eq!((response.status().as_u16(), left), (201, vec!["content-length", "x-request-id"]));
}

#[tokio::test]
async fn without_a_control_plane_management_is_away_and_says_so() {
    let world = World::furnished(&[]);
    let ask = ask(("GET", "/v1/management/customers"), &[], nowhere()).unwrap();
    let answer = forwarder(&world, None).forward(&ask, &mut None, &caller(&ask.headers)).await;
    assert!(matches!(answer, Err(Failure::Refused(Refusal::ControlPlaneAway))));
    assert_eq!(ask.arrival.at, Timestamp::from_millis(100_000));
}
