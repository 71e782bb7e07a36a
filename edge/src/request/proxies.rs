//! Whom to believe about where a request came from: proxies before us that the operator named, each about the one who
//! asked it, and nobody else.
//!
//! The walk begins at the peer of the socket and goes from the right of what the proxies wrote to the left, as long as
//! it meets proxies that are trusted: the first other address is the client. What stands left of it is that client's own
//! word and is never looked at. An element that does not name an address ends the walk too: the address is then the one
//! of the proxy that wrote it, which no client chose.

mod forwarded;
mod node;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use common::network::Allowlist;
use http::{HeaderMap, HeaderName};

use crate::error::Refusal;
use node::address_of;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// More proxies in a row than any request passes; what is left of them is not looked at.
const MOST_HOPS: usize = 32;

/// The header that the proxies write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies before this edge. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    /// Their networks; of nobody, when there are none.
    pub trusted: Allowlist,
    /// What they write, if that is known. Of two headers that say different things, one is the client's.
    pub header: Option<ProxyHeader>,
    /// Whether each connection begins with a header of the PROXY protocol, version 2.
    pub announces: bool,
}

impl Proxies {
    /// Whether that is one of them.
    pub fn are_at(&self, address: IpAddr) -> bool {
        !self.trusted.networks().is_empty() && self.trusted.admits(address)
    }

    /// Whether a connection from there may say whose it is. Where no proxy is named, whoever reaches the listener is one.
    pub fn may_announce(&self, peer: IpAddr) -> bool {
        self.trusted.admits(peer)
    }

    /// The client's address: the peer's own, unless that is a proxy of ours, which may know better.
    ///
    /// # Errors
    /// When both headers are there and name different clients: proxies write one and pass on the other as it came.
    pub fn find_client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Refusal> {
        if !self.are_at(peer) {
            return Ok(peer);
        }
        let by = |header| match header {
            ProxyHeader::XForwardedFor => self.walk(peer, hops_of_list(headers)),
            ProxyHeader::Forwarded => self.walk(peer, forwarded::hops(headers)),
        };
        if let Some(header) = self.header {
            return Ok(by(header).unwrap_or(peer));
        }
        match (by(ProxyHeader::XForwardedFor), by(ProxyHeader::Forwarded)) {
            (Some(one), Some(other)) if one != other => Err(Refusal::AmbiguousAddress),
            (found, other) => Ok(found.or(other).unwrap_or(peer)),
        }
    }

    /// Walks from the last hop to the first; `None` when there is none at all.
    fn walk(&self, peer: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> Option<IpAddr> {
        let mut hops = hops.take(MOST_HOPS).peekable();
        hops.peek()?;
        let mut last = peer;
        for hop in hops {
            match hop {
                Some(address) if self.are_at(address) => last = address,
                client => return Some(client.unwrap_or(last)),
            }
        }
        Some(last)
    }
}

/// The hops of `X-Forwarded-For`, the last first; `None` for what is no address. An empty element is none: a proxy that
/// wrote nothing did not know, and what stands before it is not its word.
fn hops_of_list(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    // A line may hold bytes of all kinds: it is split before it is read, so that a client spoils nothing but its own.
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',').map(address_of))
}
