//! Bytes become facts: which route is asked, for what, by whom. No look-ups.

mod body;
mod proxies;
mod query;
mod table;
mod target;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use common::credential::{self, Carried};
use common::routes::{Route, RouteId};
use common::time::Timestamp;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

use crate::error::Refusal;
pub(crate) use body::read_fields;
pub use proxies::{Proxies, ProxyHeader};
pub use query::Query;
pub use table::Table;
use target::Params;
pub use target::Target;

/// When and from where a request came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The client's address; as the listener tells it, that of who passes the client on.
    pub address: IpAddr,
    /// By the wall: for expiry.
    pub at: Timestamp,
    /// Since the edge began, by a clock that never jumps: for budgets.
    pub tick: Duration,
}

/// What is asked.
#[derive(Debug)]
pub struct Ask {
    /// The line of the route table.
    pub route: &'static Route,
    /// GET, HEAD, …
    pub method: Method,
    /// The target, without our prefix.
    pub target: Target,
    /// All headers.
    pub headers: HeaderMap,
    /// Where from and when.
    pub arrival: Arrival,
    params: Params,
}

impl Ask {
    /// Reads the head of a request.
    ///
    /// # Errors
    /// When it is not one that we answer: no route, another method, a Host that is not one (RFC 9112 section 3.2).
    pub fn parse(parts: Parts, arrival: Arrival, table: &Table) -> Result<Self, Refusal> {
        let Parts { method, uri, version, headers, .. } = parts;
        check_host(&uri, version, &headers)?;
        let target = table.without_prefix(uri).ok_or(Refusal::UnknownRoute)?;
        let (route, params) = table.find(&method, target.path())?;
        Ok(Self { route, method, target, headers, arrival, params })
    }

    /// The route's name.
    pub fn id(&self) -> RouteId {
        self.route.id
    }

    /// The name at that place of the path, from 0, decoded; empty when the path has fewer.
    pub fn param(&self, number: usize) -> &str {
        self.params.get(self.target.path(), number)
    }

    /// The credential that came with it.
    ///
    /// # Errors
    /// When there are two.
    pub fn credential(&self) -> Result<Option<Carried<'_>>, Refusal> {
        credential::find(&self.headers).map_err(|_| Refusal::AmbiguousCredentials)
    }

    /// The channel that is asked for (`X-Channel`).
    pub fn channel(&self) -> Option<&str> {
        self.headers
            .get("x-channel")
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
            .filter(|c| !c.is_empty())
    }

    /// The application that the path names, or the query of the route that has it there.
    pub fn application(&self) -> Option<Cow<'_, str>> {
        if self.route.names_application {
            // It is the first parameter of every path that has it.
            return Some(self.param(0).into());
        }
        match self.id() {
            RouteId::IssueLink => Some(self.query().ok()?.get(&["applicationId"])?.to_owned().into()),
            _ => None,
        }
    }

    /// The query.
    ///
    /// # Errors
    /// When a parameter is named twice.
    pub fn query(&self) -> Result<Query, Refusal> {
        Query::parse(self.target.query().unwrap_or_default())
    }
}

/// The line of the route table that `OPTIONS` asks about, when it names one.
///
/// # Errors
/// When the head is not one that we answer.
pub fn asked_about(parts: &Parts, table: &Table) -> Result<Option<&'static str>, Refusal> {
    check_host(&parts.uri, parts.version, &parts.headers)?;
    Ok(table.path(&parts.uri))
}

/// One Host, or an authority in the target; an HTTP/1.1 request without any has no owner.
fn check_host(uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Refusal> {
    // One walk: requests have few headers, and a look-up hashes its name byte by byte.
    let mut hosts = headers.iter().filter(|(name, _)| *name == HOST).map(|(_, value)| value);
    let says = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => "Send one Host header",
        (None, None) if version == Version::HTTP_11 && uri.authority().is_none() => "Send a Host header",
        (Some(host), None) if !is_host(host.as_bytes()) => "The Host header is not a host name",
        // Two owners: a proxy before us may have meant the other one (RFC 9113 section 8.3.1).
        (Some(host), None) if uri.authority().is_some_and(|a| !is_same(a.as_str(), host)) => {
            "The Host header is not the host of the target"
        }
        _ => return Ok(()),
    };
    Err(Refusal::BadRequest(says))
}

fn is_same(authority: &str, host: &HeaderValue) -> bool {
    authority.as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

/// What a host may be written with (RFC 3986 section 3.2.2), looked up: this is asked of every byte of every request.
static OF_HOSTS: [bool; 256] = {
    let (mut bytes, marks) = ([false; 256], b"-._:[]~%!$&'()*+;=");
    let mut byte = 0;
    while byte < 128 {
        bytes[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        bytes[marks[mark] as usize] = true;
        mark += 1;
    }
    bytes
};

fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|byte| OF_HOSTS[usize::from(*byte)])
}
