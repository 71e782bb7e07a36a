//! Management routes, passed on to the control plane: what the route table says, and nothing else.
//!
//! The key was admitted before this polls the body, so nobody streams to the control plane who may not. Bodies flow
//! both ways in pieces, with their Content-Length; nothing is retried. An answer that carries the sequence of a write
//! is held until this edge has applied it: who created a key can use it through this edge at once.

mod body;
#[cfg(test)]
mod tests;

use std::time::Duration;

use common::mac::MacKeys;
use common::proof::{FORWARDED_HEADER, Forwarded, SEQUENCE_HEADER, UploadTicket};
use common::routes::RouteId;
use common::wire::Position;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use reqwest::Url;

use crate::deliver::body::Body;
use crate::error::{Caller, Failure, REQUEST_ID, Refusal};
use crate::listen::Incoming;
use crate::replica::SharedReplica;
use crate::request::{Ask, Target};
use body::{Stage, Watched, overdue};

/// How long an answer is held for this edge to have applied its write.
const READ_YOUR_WRITES: Duration = Duration::from_secs(1);
/// The longest that a write may be made to wait for the edges (`waitSeconds`).
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// The most bytes of a body, but for the bytes of large uploads: 10 MiB in base64, with white space in it.
const LARGEST_BODY: u64 = 16 << 20;

/// Headers that belong to one connection (RFC 9110 section 7.6.1), and those that we make ourselves.
const NOT_PASSED: [HeaderName; 10] = [
    CONNECTION,
    EXPECT,
    HOST,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The way to the control plane.
pub struct Forwarder {
    client: reqwest::Client,
    /// Where it is; `None` = management is not reachable through this edge.
    control_plane: Option<String>,
    site: Site,
    word: MacKeys,
    uploads: MacKeys,
    replica: SharedReplica,
}

/// How this edge is reached from outside.
#[derive(Clone, Debug)]
pub struct Site {
    /// What links start with. `None` only on loopback, where they follow the request's own host.
    pub public_url: Option<String>,
    /// Whether the listener speaks TLS itself.
    pub encrypted: bool,
}

/// What signs an edge's word, and what opens upload tickets.
pub struct Keys {
    /// [`common::mac::Purpose::Forwarding`].
    pub word: MacKeys,
    /// [`common::mac::Purpose::Upload`].
    pub uploads: MacKeys,
}

impl Forwarder {
    /// To `control_plane`, a URL without a trailing slash.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(
        control_plane: Option<String>,
        site: Site,
        keys: Keys,
        replica: SharedReplica,
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let encrypted = control_plane.as_ref().is_some_and(|url| url.starts_with("https:"));
        // A machine without root certificates is no reason not to start, unless they are needed.
        let client = if encrypted { client } else { client.tls_certs_only([]) }.build()?;
        Ok(Self { client, control_plane, site, word: keys.word, uploads: keys.uploads, replica })
    }

    /// What links in an answer to this request start with.
    pub fn base_of(&self, ask: &Ask) -> String {
        if let Some(url) = &self.site.public_url {
            return url.clone();
        }
        // Only on loopback does a Host header choose where links lead; settings see to that.
        let host = ask.target.authority().map(|a| a.as_str().to_owned());
        let header = || Some(ask.headers.get(HOST)?.to_str().ok()?.to_owned());
        let scheme = if self.site.encrypted { "https" } else { "http" };
        format!("{scheme}://{}", host.or_else(header).unwrap_or_else(|| "localhost".to_owned()))
    }

    /// Passes on what concerns the bytes of a large upload, whose ticket stands in the path.
    ///
    /// # Errors
    /// 404 when we did not make the ticket, 410 when it is past its time.
    pub async fn receive_upload(
        &self,
        ask: &Ask,
        body: &mut Option<Incoming>,
        caller: &Caller,
    ) -> Result<Response<Body>, Failure> {
        let ticket = UploadTicket::open(ask.param(0), &self.uploads).ok_or(Refusal::LinkInvalid)?;
        if ticket.expires_at <= ask.arrival.at {
            return Err(Refusal::LinkExpired.into());
        }
        self.forward(ask, body, caller).await
    }

    /// Passes a request on and its answer back.
    ///
    /// # Errors
    /// [`Refusal::ControlPlaneAway`] when no answer came; 413 and 400 for a body that is too large or broke off.
    pub async fn forward(
        &self,
        ask: &Ask,
        body: &mut Option<Incoming>,
        caller: &Caller,
    ) -> Result<Response<Body>, Failure> {
        let control_plane = self.control_plane.as_ref().ok_or(Refusal::ControlPlaneAway)?;
        let mut request = self
            .client
            .request(ask.method.clone(), url_of(control_plane, &ask.target)?)
            .headers(self.passed_headers(ask, caller)?);
        let most = if brings_a_file(ask.id()) { u64::MAX } else { LARGEST_BODY };
        if body.as_ref().is_some_and(|body| body.size_hint().lower() > most) {
            // Not taken: what is left here is read on for a while, so that the client sees the answer.
            return Err(Refusal::BodyTooLarge.into());
        }
        let mut stages = tokio::sync::watch::channel(Stage::Sending(0)).1;
        if let Some(body) = body.take().filter(|body| !body.is_end_stream()) {
            let (watched, its_stages) = Watched::new(body, most);
            request = request.body(reqwest::Body::wrap(watched));
            stages = its_stages;
        }
        let answer: http::Response<reqwest::Body> = tokio::select! {
            answer = request.send() => answer.map_err(|error| why_not(error, *stages.borrow(), caller))?.into(),
            () = overdue(stages.clone(), patience(ask)) => {
                tracing::warn!(request_id = &*caller.request_id, "the control plane took too long");
                return Err(Refusal::ControlPlaneAway.into());
            }
        };
        self.hold(answer.headers()).await;
        Ok(pass_back(answer))
    }

    fn passed_headers(&self, ask: &Ask, caller: &Caller) -> Result<HeaderMap, Refusal> {
        let word = Forwarded { address: ask.arrival.address, base: self.base_of(ask), at: ask.arrival.at };
        let sealed =
            word.seal(&self.word).and_then(|text| text.parse().ok()).ok_or(Refusal::ControlPlaneAway)?;
        let mut headers = ask.headers.clone();
        strip(&mut headers);
        // Made anew from the body, which knows its length.
        headers.remove(CONTENT_LENGTH);
        headers.insert(HeaderName::from_static(FORWARDED_HEADER), sealed);
        if let Ok(id) = caller.request_id.parse() {
            headers.insert(REQUEST_ID, id);
        }
        Ok(headers)
    }

    /// Waits until this edge has applied the write that an answer tells of.
    async fn hold(&self, headers: &HeaderMap) {
        let told = headers.get(SEQUENCE_HEADER).and_then(|value| value.to_str().ok());
        let Some(position) = told.and_then(|text| text.parse::<Position>().ok()) else { return };
        let mut applied = self.replica.watch();
        let reached = applied.wait_for(|mine| *mine >= position);
        if tokio::time::timeout(READ_YOUR_WRITES, reached).await.is_err() {
            tracing::warn!(%position, "answered before the change was applied here");
        }
    }
}

/// Where a request is passed on to. A URL walks `..` and turns `\` round (WHATWG URL section 4.4): a path that would
/// come out as another one is not the route that was admitted here.
fn url_of(control_plane: &str, target: &Target) -> Result<Url, Refusal> {
    let text = target.path_and_query();
    let url = Url::parse(&format!("{control_plane}{text}")).map_err(|_| Refusal::UnknownRoute)?;
    if url.path().ends_with(target.path()) { Ok(url) } else { Err(Refusal::UnknownRoute) }
}

/// How long an answer may take once the whole request was sent: a transaction, with others before it; after a large
/// file also the way of its last bytes to the disk.
fn patience(ask: &Ask) -> Duration {
    let route = ask.id();
    let patience = match route {
        // Asked how far it is, or to complete it, the control plane may have to read the file first.
        RouteId::ReadUploadOffset | RouteId::CompleteUpload => Duration::from_secs(600),
        _ if brings_a_file(route) => Duration::from_secs(600),
        _ => Duration::from_secs(20),
    };
    // `?wait=edges`: a write that is answered when the whole fleet has applied it.
    if ask.target.path_and_query().contains("wait") { patience + LONGEST_WAIT } else { patience }
}

/// Whether the body of a route is the bytes of a large upload, or a part of them.
fn brings_a_file(route: RouteId) -> bool {
    matches!(route, RouteId::ReceiveUpload | RouteId::ResumeUpload)
}

/// Why a request got no answer: by the fault of its own body, or of the control plane.
fn why_not(error: reqwest::Error, stage: Stage, caller: &Caller) -> Failure {
    match stage {
        Stage::Broken => Refusal::BadRequest("The body broke off").into(),
        Stage::TooLarge => Refusal::BodyTooLarge.into(),
        Stage::Sending(_) => {
            // Without the URL: it can hold an upload ticket.
            tracing::warn!(error = %error.without_url(), request_id = &*caller.request_id, "the control plane did not answer");
            Refusal::ControlPlaneAway.into()
        }
    }
}

/// Drops what belongs to the connection: the standard headers, and those that `Connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = (headers.get_all(CONNECTION).iter())
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(',').filter_map(|name| name.trim().parse().ok()))
        .collect();
    for name in NOT_PASSED.iter().chain(&named) {
        headers.remove(name);
    }
}

fn pass_back(answer: http::Response<reqwest::Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    strip(&mut parts.headers);
    parts.headers.remove(SEQUENCE_HEADER);
    let mut response = Response::new(Body::stream(Box::pin(body.map_err(std::io::Error::other))));
    *response.status_mut() = parts.status;
    *response.headers_mut() = parts.headers;
    response
}
