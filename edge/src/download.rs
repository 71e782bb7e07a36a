//! The spine: one request, from its head to its answer, through the rooms.

mod account;
mod admission;
mod delivery;
mod lent;
mod running;
mod service;
mod update;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use common::cors;
use common::key::Kind;
use common::page::next_link;
use common::problem::Code;
use common::wire::v1::event::Carrier;
use futures_util::FutureExt as _;
use http::HeaderValue;
use http::header::LINK;
use http::request::Parts;
use http::{Method, Response};

use crate::app::Edge;
use crate::catalog::listing::Listed;
use crate::catalog::selection::Wanted;
use crate::deliver::body::Body;
use crate::deliver::plain::{head_of, text};
use crate::deliver::receipt::Slip;
use crate::deliver::{Plan, document, plan};
use crate::error::{Caller, Failure, Fault, Refusal, options};
use crate::gate::Permit;
use crate::listen::Incoming;
use crate::observe::{tell_request_id, tell_standing};
use crate::report::Account;
use crate::request::{Arrival, Ask, asked_about};
use delivery::Delivery;
use service::{Keyed, Service};

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
        let is_page = cors::is_page(&head.headers);
        let is_head = head.method == Method::HEAD;
        let answer = if head.method == Method::OPTIONS {
            asked_about(&head, &self.table).map(options).map_err(Failure::from)
        } else {
            let client = self.proxies.find_client(arrival.address, &head.headers);
            let parse = |address| Ask::parse(head, Arrival { address, ..arrival }, &self.table);
            match client.and_then(parse) {
                // A panic is a fault of this one request: others on the connection, and all else, go on.
                Ok(ask) => {
                    let served = AssertUnwindSafe(self.serve(&ask, body, &caller)).catch_unwind().await;
                    served.unwrap_or_else(|_| Err(Fault::Panicked(ask.id()).into()))
                }
                Err(refusal) => Err(refusal.into()),
            }
        };
        let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, arrival.at));
        tell_request_id(response.headers_mut(), &caller);
        cors::open(response.headers_mut(), is_page);
        if is_head { head_of(response) } else { response }
    }

    /// What a download does not need has memory of its own: a request has the room of the largest, and is moved.
    async fn serve(&self, ask: &Ask, body: &mut Option<Incoming>, caller: &Caller) -> Answer {
        match Service::of(ask.id()) {
            Service::Health => Ok(text("ok\n")),
            Service::Description => Ok(document(&self.forwarder.base_of(ask), &ask.headers)),
            Service::Login => Box::pin(self.log_in(ask, body, caller)).await,
            Service::Ticket => Box::pin(self.forwarder.forward(ask, body, caller)).await,
            Service::Link => Box::pin(self.download_linked(ask, caller)).await,
            Service::Share => Box::pin(self.download_shared(ask, caller)).await,
            Service::Upload => Box::pin(self.forwarder.receive_upload(ask, body, caller)).await,
            Service::Keyed(keyed) => {
                let admitted = self.admit(ask).await;
                let (key, standing) = match &admitted {
                    Ok(permit) => (Some(permit.entry()), permit.standing()),
                    Err(turned) => (turned.key.as_ref(), turned.standing),
                };
                let account = key.map(|key| Account::new(key, ask.application().as_deref()));
                self.count_request(account.as_ref(), ask);
                let answer = match admitted {
                    Ok(permit) => self.serve_key(keyed, (&permit, ask), body, caller).await,
                    Err(turned) => Err(turned.failure),
                };
                self.count_refusal(account.as_ref(), ask, &answer);
                let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, ask.arrival.at));
                tell_standing(response.headers_mut(), standing);
                Ok(response)
            }
        }
    }

    /// Passes a login on. The control plane looks at the key in its body, and a failure counts here as any other does.
    async fn log_in(&self, ask: &Ask, body: &mut Option<Incoming>, caller: &Caller) -> Answer {
        let answer = self.forwarder.forward(ask, body, caller).await?;
        let failed = answer.status().as_u16() == Code::Unauthorized.status();
        if failed && !self.gate.is_patient(ask) { Err(Refusal::AuthThrottled.into()) } else { Ok(answer) }
    }

    /// Answers a key that was admitted.
    async fn serve_key(
        &self,
        keyed: Keyed,
        (permit, ask): (&Permit, &Ask),
        body: &mut Option<Incoming>,
        caller: &Caller,
    ) -> Answer {
        match keyed {
            Keyed::Forward => Box::pin(self.forwarder.forward(ask, body, caller)).await,
            Keyed::ListApplications | Keyed::ReadApplication if permit.key().kind == Kind::Admin => {
                Box::pin(self.forwarder.forward(ask, body, caller)).await
            }
            Keyed::ListApplications => self.list(ask, caller, self.catalog.list_applications(permit, ask)),
            Keyed::ReadApplication => self.list(ask, caller, self.catalog.read_application(permit, ask)),
            Keyed::ListVersions => self.list(ask, caller, self.catalog.list_versions(permit, ask)),
            Keyed::ListFiles => self.list(ask, caller, self.catalog.list_files(permit, ask)),
            Keyed::Download => {
                let selected = self.catalog.select(permit, &Wanted::parse(ask)?, ask.channel())?;
                let (carrier, channel) = (Carrier::Key, ask.channel());
                self.deliver(ask, caller, &Delivery { permit, selected: &selected, carrier, channel }).await
            }
            Keyed::IssueLink => self.issue_link(permit, ask, caller),
            Keyed::ShareFile => Box::pin(self.share(permit, ask, body, caller)).await,
            Keyed::CheckUpdate => self.check_update(permit, ask).await,
        }
    }

    async fn deliver(&self, ask: &Ask, caller: &Caller, delivery: &Delivery<'_>) -> Answer {
        let object = &delivery.selected.object;
        match plan(&ask.method, &ask.headers, object) {
            Plan::Head(head) => Ok(head.into_response()),
            Plan::Refuse(problem, headers) => Err(Failure::Told(Box::new((problem, headers)))),
            Plan::Send(transfer) => {
                let (place, paced) = self.begin_transfer(delivery.permit, ask.arrival).await?;
                let file = self.origin.open(&object.digest, object.size).await?;
                let file = file.ok_or(Fault::BytesMissing(object.digest))?;
                let slip = Slip::new(delivery.errand(ask, caller), self.ledger.clone()).holding(place);
                let running = self.enter(ask, delivery, (&transfer, paced.is_some()))?;
                Ok(transfer.into_response(&file, slip.with(running)).map(|body| body.paced(paced)))
            }
        }
    }

    /// A page of a list, and in a header where the next one is.
    fn list(&self, ask: &Ask, caller: &Caller, listed: Result<Arc<Listed>, Failure>) -> Answer {
        let listed = listed?;
        let mut response = listed.told.answer(&ask.headers, &caller.request_id)?;
        if let Some(cursor) = &listed.next {
            let (path, query) = (ask.target.path(), ask.target.query().unwrap_or_default());
            let link = next_link(&self.forwarder.base_of(ask), path, query, cursor);
            let link = link.and_then(|link| HeaderValue::from_str(&link).ok());
            response.headers_mut().extend(link.map(|link| (LINK, link)));
        }
        Ok(response)
    }
}
