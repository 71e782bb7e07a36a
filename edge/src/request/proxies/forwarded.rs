//! `Forwarded` (RFC 7239): elements of pairs, of which `for` names who asked.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::FORWARDED;

use super::node::address_of;

/// The hops, the last first; `None` for an element that names no address.
pub(super) fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED).into_iter().rev();
    lines.flat_map(|line| elements(line.as_bytes()).map(client_of))
}

/// The elements of a line, the last first. Read from the right: what trusted proxies appended is well-formed, and what
/// their client wrote before it, a quote that never ends say, cannot reach over the comma between them.
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let (before, last) = match last_comma(line) {
            Some(at) => (Some(&line[..at]), &line[at + 1..]),
            None => (None, line),
        };
        rest = before;
        Some(last)
    })
}

fn last_comma(line: &[u8]) -> Option<usize> {
    let is_escaped = |at: usize| line[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let mut quoted = false;
    for (at, byte) in line.iter().enumerate().rev() {
        match byte {
            b'"' if !quoted || !is_escaped(at) => quoted = !quoted,
            b',' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The address that the one `for` of an element names.
fn client_of(element: &[u8]) -> Option<IpAddr> {
    let element = std::str::from_utf8(element).ok()?;
    let mut found = None;
    for pair in pairs(element).map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        if name.trim_end().eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    let value = found?.trim_start();
    // No address needs an escape within its quotes.
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    address_of(value.as_bytes())
}

/// Split at semicolons, but for those in quotes: hosts are quoted there, and clients choose them.
fn pairs(element: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    element.split(move |c| {
        let ends = c == ';' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}
