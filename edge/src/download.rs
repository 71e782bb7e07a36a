//! The spine: one request, from its head to its answer, through the rooms.

use std::panic::AssertUnwindSafe;

use common::key::Kind;
use common::routes::{Credential, Plane, RouteId};
use futures_util::FutureExt as _;
use http::HeaderValue;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use hyper::body::Incoming;

use crate::app::Edge;
use crate::catalog::link::Link;
use crate::catalog::listing::{Issuer, Listing};
use crate::catalog::selection::Wanted;
use crate::deliver::body::Body;
use crate::deliver::{Object, Plan, document, plan};
use crate::error::{Caller, Failure, Fault};
use crate::gate::Permit;
use crate::observe::{tell_request_id, tell_standing};
use crate::request::{Arrival, Ask};

type Answer = Result<Response<Body>, Failure>;

impl Edge {
    /// Answers one request. What is left in `body` was not read.
    pub(crate) async fn answer(
        &self,
        head: Parts,
        body: &mut Option<Incoming>,
        arrival: Arrival,
    ) -> Response<Body> {
        let caller = Caller::of(&head.headers, || self.make_request_id());
        let answer = match Ask::parse(head, arrival, &self.table) {
            // A panic is a fault of this one request: others on the connection, and all else, go on.
            Ok(ask) => {
                let served = AssertUnwindSafe(self.serve(&ask, body, &caller)).catch_unwind().await;
                served.unwrap_or_else(|_| Err(Fault::Panicked(ask.id()).into()))
            }
            Err(refusal) => Err(refusal.into()),
        };
        let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, arrival.at));
        tell_request_id(response.headers_mut(), &caller);
        response
    }

    async fn serve(&self, ask: &Ask, body: &mut Option<Incoming>, caller: &Caller) -> Answer {
        match ask.route.credential {
            Credential::Public if ask.route.plane == Plane::Desk => {
                self.forwarder.forward(ask, body, caller).await
            }
            Credential::Public if ask.id() == RouteId::OpenApi => {
                Ok(document(&self.forwarder.base_of(ask), &ask.headers))
            }
            Credential::Public => Ok(healthy()),
            Credential::Signed if ask.id() == RouteId::DownloadSigned => self.download_linked(ask).await,
            Credential::Signed => self.forwarder.receive_upload(ask, body, caller).await,
            Credential::Any | Credential::Admin => {
                let (answer, standing) = match self.gate.admit(ask) {
                    Ok(permit) => (self.serve_key(&permit, ask, body, caller).await, permit.standing()),
                    Err(turned) => (Err(turned.failure), turned.standing),
                };
                let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, ask.arrival.at));
                tell_standing(response.headers_mut(), standing);
                Ok(response)
            }
        }
    }

    /// Answers a key that was admitted.
    async fn serve_key(
        &self,
        permit: &Permit,
        ask: &Ask,
        body: &mut Option<Incoming>,
        caller: &Caller,
    ) -> Answer {
        let forwards = match ask.route.plane {
            Plane::Desk => true,
            Plane::Edge => false,
            Plane::EdgeOrDesk => permit.key().kind == Kind::Admin,
        };
        if forwards {
            return self.forwarder.forward(ask, body, caller).await;
        }
        match ask.id() {
            RouteId::DownloadFile | RouteId::DownloadNamed => {
                let selected = self.catalog.select(permit, &Wanted::parse(ask)?, ask.channel())?;
                self.deliver(ask, &selected.object).await
            }
            _ => Ok(json(self.list(permit, ask, caller)?)),
        }
    }

    /// The bytes behind a signed URL, as its key would get them now.
    async fn download_linked(&self, ask: &Ask) -> Answer {
        let link = Link::open(ask.params.get(0), &self.link_keys, ask.arrival.at)?;
        let permit = self.gate.admit_link(&link.holder, ask)?;
        let selected = self.catalog.select(&permit, &Wanted::of_link(&link), link.channel.as_deref())?;
        self.deliver(ask, &selected.object).await
    }

    async fn deliver(&self, ask: &Ask, object: &Object) -> Answer {
        match plan(&ask.method, &ask.headers, object) {
            Plan::Head(head) => Ok(head.into_response()),
            Plan::Refuse(problem, headers) => Err(Failure::Told(Box::new((problem, headers)))),
            Plan::Send(transfer) => {
                let file = self.origin.open(&object.digest, object.size).await?;
                let file = file.ok_or(Fault::BytesMissing(object.digest))?;
                Ok(transfer.into_response(&file))
            }
        }
    }

    fn list(&self, permit: &Permit, ask: &Ask, caller: &Caller) -> Result<Listing, Failure> {
        let id = caller.request_id.as_str();
        match ask.id() {
            RouteId::ListApplications => self.catalog.list_applications(permit, ask, id),
            RouteId::ReadApplication => self.catalog.read_application(permit, ask, id),
            RouteId::ListVersions => self.catalog.list_versions(permit, ask, id),
            RouteId::ListFiles => self.catalog.list_files(permit, ask, id),
            _ => {
                let base = self.forwarder.base_of(ask);
                self.catalog.issue_link(permit, ask, &Issuer { base: &base, keys: &self.link_keys }, id)
            }
        }
    }
}

fn healthy() -> Response<Body> {
    let mut response = Response::new(Body::bytes("ok\n".into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json(listing: Listing) -> Response<Body> {
    let mut response = Response::new(Body::bytes(listing.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
