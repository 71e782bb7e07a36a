//! One hop as proxies write it: an address, perhaps with a port.

use std::net::{IpAddr, Ipv6Addr};

use common::network::canonical;

/// The address that a hop names: `192.0.2.1`, `2001:db8::1`, `[2001:db8::1]`, and but for the second one with a port
/// behind it, which may be hidden (`_x`, RFC 7239 section 6.2). `None` for `unknown`, hidden names (`_x`), zone ids and
/// whatever else names nobody.
pub(super) fn address_of(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None if text.matches(':').count() == 1 => {
            let (address, port) = text.split_at(text.find(':')?);
            (address.parse().ok()?, port)
        }
        None => (text.parse().ok()?, ""),
    };
    let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    is_whole.then(|| canonical(address))
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty() && hidden.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => matches!(text.len(), 1..=5) && text.bytes().all(|b| b.is_ascii_digit()),
    }
}
