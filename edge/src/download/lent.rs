//! Rights that keys lend: signed URLs and share links, made and followed.

use common::problem::render_success;
use http::Response;
use hyper::body::Incoming;

use super::Answer;
use crate::app::Edge;
use crate::catalog::issue::{Issuer, Order, lend_on};
use crate::catalog::link::Link;
use crate::catalog::selection::{Selected, Wanted};
use crate::config::ShareLinks;
use crate::deliver::body::Body;
use crate::deliver::plain::{elsewhere, json, keep_to_who_has_the_link};
use crate::error::{Caller, Failure};
use crate::gate::{Gate, Permit};
use crate::request::{Ask, read_fields};

impl Edge {
    /// What links are made with, for the answer to this request.
    pub(super) fn issuer<'a>(&'a self, base: &'a str) -> Issuer<'a> {
        Issuer { base, links: &self.link_keys, shares: &self.share_keys }
    }

    /// A signed URL.
    pub(super) fn issue_link(&self, permit: &Permit, ask: &Ask, caller: &Caller) -> Answer {
        let base = self.forwarder.base_of(ask);
        Ok(json(self.catalog.issue_link(permit, ask, &self.issuer(&base), &caller.request_id)?))
    }

    /// A share link.
    pub(super) async fn share(
        &self,
        permit: &Permit,
        ask: &Ask,
        body: &mut Option<Incoming>,
        caller: &Caller,
    ) -> Answer {
        let order = Order::parse(read_fields(&ask.headers, body.as_mut()).await?)?;
        let base = self.forwarder.base_of(ask);
        let share = self.catalog.share(permit, ask, &order, &self.issuer(&base))?;
        Ok(json(render_success(&share, None, &caller.request_id)?))
    }

    /// The bytes behind a signed URL, as its key would get them now.
    pub(super) async fn download_linked(&self, ask: &Ask, caller: &Caller) -> Answer {
        let link = Link::open(ask.params.get(0), &self.link_keys, ask.arrival.at)?;
        let answer = match self.select_lent(&link, link.is_shared, ask) {
            Ok(selected) => self.deliver(ask, &selected.object).await,
            Err(failure) => Err(failure),
        };
        if link.is_shared { Ok(private(answer, ask, caller)) } else { answer }
    }

    /// What a share link leads to, as its creator would get it now, wherever it is followed.
    pub(super) async fn download_shared(&self, ask: &Ask, caller: &Caller) -> Answer {
        Ok(private(self.follow_share(ask).await, ask, caller))
    }

    async fn follow_share(&self, ask: &Ask) -> Answer {
        let share = Link::open(ask.params.get(0), &self.share_keys, ask.arrival.at)?;
        let selected = self.select_lent(&share, true, ask)?;
        match self.share_links {
            ShareLinks::Stream => self.deliver(ask, &selected.object).await,
            ShareLinks::Redirect => {
                let base = self.forwarder.base_of(ask);
                let file_name = &selected.object.file_name;
                Ok(elsewhere(&lend_on(&share, ask.arrival.at, file_name, &self.issuer(&base))?.url))
            }
        }
    }

    fn select_lent(&self, link: &Link, from_anywhere: bool, ask: &Ask) -> Result<Selected, Failure> {
        let admit = if from_anywhere { Gate::admit_share } else { Gate::admit_link };
        let permit = admit(&self.gate, &link.holder, ask)?;
        self.catalog.select(&permit, &Wanted::of_link(link), link.channel.as_deref())
    }
}

/// The answer to a share link, a failure too, says that its URL is not for others.
fn private(answer: Answer, ask: &Ask, caller: &Caller) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, ask.arrival.at));
    keep_to_who_has_the_link(response.headers_mut());
    response
}
