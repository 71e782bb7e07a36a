//! Headers as proxies and those who would like to be somebody else write them.

use std::net::Ipv4Addr;

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn proxies(header: Option<ProxyHeader>) -> Proxies {
    let trusted = Allowlist::parse(["10.0.0.0/8, 2001:db8:f::/48"]).unwrap();
    Proxies { trusted, header, announces: false }
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &[u8])| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    lines.iter().map(line).collect()
}

fn found(peer: &str, lines: &[(&'static str, &[u8])]) -> Result<IpAddr, Refusal> {
    proxies(None).find_client(ip(peer), &headers(lines))
}

const XFF: &str = "x-forwarded-for";
const FOR: &str = "forwarded";

#[test]
fn the_client_is_the_last_address_that_is_no_proxy_of_ours() {
    let check = |lines: &[(&'static str, &str)], client: &str| {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        assert_eq!(found(PROXY, &lines), Ok(ip(client)), "{lines:?}");
        assert_eq!(found("192.0.2.9", &lines), Ok(ip("192.0.2.9")), "{lines:?} by a stranger");
    };
    check(&[], PROXY);
    check(&[(XFF, "203.0.113.7")], "203.0.113.7");
    check(&[(XFF, "198.51.100.1, 203.0.113.7")], "203.0.113.7");
    check(&[(XFF, "198.51.100.1,203.0.113.7 ,\t10.9.9.9")], "203.0.113.7");
    check(&[(XFF, "10.1.1.1, 198.51.100.1, 203.0.113.7, 10.9.9.9, 10.8.8.8")], "203.0.113.7");
    check(&[(XFF, "10.1.1.1, 10.9.9.9")], "10.1.1.1");
    // Lines are one list, in their order.
    check(&[(XFF, "198.51.100.1"), (XFF, "203.0.113.7")], "203.0.113.7");
    check(&[(XFF, "203.0.113.7"), (XFF, "10.9.9.9")], "203.0.113.7");
    // Forms of addresses.
    check(&[(XFF, "203.0.113.7:4711")], "203.0.113.7");
    check(&[(XFF, "2001:db8::7")], "2001:db8::7");
    check(&[(XFF, "[2001:db8::7]")], "2001:db8::7");
    check(&[(XFF, "[2001:db8::7]:443, 2001:db8:f:1::1")], "2001:db8::7");
    check(&[(XFF, "::ffff:203.0.113.7, ::ffff:10.9.9.9")], "203.0.113.7");
    check(&[(FOR, "for=203.0.113.7")], "203.0.113.7");
    check(&[(FOR, "FOR=\"[2001:db8::7]:4711\";proto=https; by=10.0.0.1")], "2001:db8::7");
    check(
        &[(FOR, "for=198.51.100.1;host=\"a,b\\\";for=x\", for=\"203.0.113.7:_p\",for=10.9.9.9")],
        "203.0.113.7",
    );
    check(&[(FOR, "for=198.51.100.1"), (FOR, "for=203.0.113.7")], "203.0.113.7");
    check(&[(FOR, "host=\"x;for=198.51.100.1\";for=203.0.113.7")], "203.0.113.7");
    // Both, of one mind.
    check(&[(XFF, "203.0.113.7"), (FOR, "for=203.0.113.7")], "203.0.113.7");
    // Others name nobody.
    check(&[("x-real-ip", "203.0.113.7"), ("true-client-ip", "203.0.113.7")], PROXY);
}

#[test]
fn what_names_nobody_ends_the_walk_at_the_proxy_that_wrote_it() {
    let nobody = [
        "",
        " ",
        "unknown",
        "_hidden",
        "unix:",
        "203.0.113",
        "0203.0.113.7",
        "203.0.113.7:",
        "203.0.113.7:x",
        "203.0.113.7:123456",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "[203.0.113.7]",
        "[2001:db8::7",
        "2001:db8::7]",
        "[2001:db8::7]x",
        "203.0.113.7/32",
        "203.0.113.7 198.51.100.1",
        "\"203.0.113.7\"",
        "host",
        "for=203.0.113.7",
    ];
    for element in nobody {
        for (line, last) in [
            (element.to_owned(), PROXY),
            (format!("198.51.100.1, {element}"), PROXY),
            (format!("198.51.100.1, {element}, 10.9.9.9"), "10.9.9.9"),
        ] {
            assert_eq!(found(PROXY, &[(XFF, line.as_bytes())]), Ok(ip(last)), "{line}");
        }
    }
    let nobody = [
        "",
        "for=unknown",
        "for=\"_hidden\"",
        "for=",
        "for",
        "proto=https",
        "for=\"203.0.113.7",
        "for=203.0.113.7\"",
        "for=203.0.113.7;for=198.51.100.1",
        "for=\"[fe80::1%eth0]\"",
        "for=\"\\203.0.113.7\"",
        "by=203.0.113.7",
        "203.0.113.7",
        "xfor=203.0.113.7",
    ];
    for element in nobody {
        let line = format!("for=198.51.100.1, {element}");
        let lines = [(FOR, line.as_bytes())];
        assert_eq!(found(PROXY, &lines), Ok(ip(PROXY)), "{line}");
    }
}

#[test]
fn a_client_spoils_nothing_but_its_own_words() {
    for own in
        [&b"\xff\xfe"[..], b"for=\"1.2.3.4", b"\"", b"\\\"", b"for=\"a\\", b",,,,", b"[", b"for=1.2.3.4;"]
    {
        let line = [own, b", 203.0.113.7, 10.9.9.9"].concat();
        assert_eq!(found(PROXY, &[(XFF, &line)]), Ok(ip("203.0.113.7")), "{}", own.escape_ascii());
        let line = [own, b", for=203.0.113.7, for=\"10.9.9.9:80\""].concat();
        assert_eq!(found(PROXY, &[(FOR, &line)]), Ok(ip("203.0.113.7")), "{}", own.escape_ascii());
    }
}

#[test]
fn of_two_headers_that_disagree_neither_is_believed_unless_the_operator_says_which() {
    let lines: [(_, &[u8]); 2] = [(XFF, b"203.0.113.7"), (FOR, b"for=198.51.100.1")];
    assert_eq!(found(PROXY, &lines), Err(Refusal::AmbiguousAddress));
    assert_eq!(found(PROXY, &[(XFF, b"203.0.113.7"), (FOR, b"for=unknown")]), Err(Refusal::AmbiguousAddress));
    let by = |header| proxies(Some(header)).find_client(ip(PROXY), &headers(&lines));
    assert_eq!(by(ProxyHeader::XForwardedFor), Ok(ip("203.0.113.7")));
    assert_eq!(by(ProxyHeader::Forwarded), Ok(ip("198.51.100.1")));
    let other = headers(&[(FOR, b"for=198.51.100.1")]);
    let alone = proxies(Some(ProxyHeader::XForwardedFor)).find_client(ip(PROXY), &other);
    assert_eq!(alone, Ok(ip(PROXY)), "the other header is the client's");
}

#[test]
fn a_row_of_proxies_has_an_end() {
    let row = |proxies: usize| format!("203.0.113.7{}", ", 10.9.9.9".repeat(proxies));
    assert_eq!(found(PROXY, &[(XFF, row(MOST_HOPS - 1).as_bytes())]), Ok(ip("203.0.113.7")));
    assert_eq!(found(PROXY, &[(XFF, row(MOST_HOPS).as_bytes())]), Ok(ip("10.9.9.9")));
}

#[test]
fn without_proxies_nobody_is_believed() {
    let headers = headers(&[(XFF, b"203.0.113.7")]);
    assert_eq!(Proxies::default().find_client(ip(PROXY), &headers), Ok(ip(PROXY)));
    assert!(Proxies::default().may_announce(ip(PROXY)) && !proxies(None).may_announce(ip("192.0.2.1")));
}

/// A hop in either form.
fn hop(address: u32) -> (String, String) {
    let address = Ipv4Addr::from(address);
    (address.to_string(), format!("for=\"{address}:1\";host=\"a,b\""))
}

proptest! {
    #[test]
    fn no_bytes_panic_and_no_word_of_a_client_counts(
        own in prop::collection::vec(prop_oneof![
            prop::sample::select(&b",;=\"\\[]:. for10_"[..]), 0x20u8..=0x7e, 0x80u8..=0xff,
        ], 0..60),
        client in any::<u32>().prop_filter("no proxy", |bits| bits >> 24 != 10),
        rows in prop::collection::vec(0u32..1 << 24, 0..5),
        splits: bool,
    ) {
        let proxies_after: Vec<_> = rows.iter().map(|low| hop(10 << 24 | low)).collect();
        for is_list in [true, false] {
            let of = |(list, forwarded): &(String, String)| if is_list { list.clone() } else { forwarded.clone() };
            let appended: Vec<String> =
                std::iter::once(of(&hop(client))).chain(proxies_after.iter().map(of)).collect();
            let appended = appended.join(", ");
            let name = if is_list { XFF } else { FOR };
            let joined = [&own[..], b", ", appended.as_bytes()].concat();
            let lines = if splits { vec![(name, &own[..]), (name, appended.as_bytes())] } else { vec![(name, &joined[..])] };
            prop_assert_eq!(found(PROXY, &lines), Ok(IpAddr::from(Ipv4Addr::from(client))), "{:?}", lines);
            let _ = found(PROXY, &[(name, &own)]);
        }
    }
}
