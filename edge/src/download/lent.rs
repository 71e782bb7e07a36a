//! Rights that keys lend: signed URLs and share links, made and followed.

use common::problem::render_success;
use common::wire::v1::event::Carrier;
use http::Response;

use super::Answer;
use super::delivery::Delivery;
use crate::app::Edge;
use crate::catalog::issue::{Issuer, Order, lend_on};
use crate::catalog::link::Link;
use crate::catalog::selection::{Selected, Wanted};
use crate::config::ShareLinks;
use crate::deliver::body::Body;
use crate::deliver::plain::{elsewhere, json, keep_to_who_has_the_link};
use crate::error::{Caller, Failure, Refusal};
use crate::gate::{Gate, Permit};
use crate::listen::Incoming;
use crate::report::Account;
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
        let link = Link::open(ask.param(0), &self.link_keys, ask.arrival.at)?;
        let (admitted, account) = self.admit_lent(&link, link.is_shared, ask);
        self.count_request(account.as_ref(), ask);
        let serving = async {
            let permit = &admitted?;
            let selected = &self.select_lent(permit, &link)?;
            // The name is in the URL for people to read: another one would promise another file.
            if ask.param(1) != &*selected.object.file_name {
                return Err(Refusal::LinkInvalid.into());
            }
            let carrier = if link.is_shared { Carrier::Share } else { Carrier::Link };
            let channel = link.channel.as_deref();
            self.deliver(ask, caller, &Delivery { permit, selected, carrier, channel }).await
        };
        let answer = serving.await;
        self.count_refusal(account.as_ref(), ask, &answer);
        if link.is_shared { Ok(private(answer, ask, caller)) } else { answer }
    }

    /// What a share link leads to, as its creator would get it now, wherever it is followed.
    pub(super) async fn download_shared(&self, ask: &Ask, caller: &Caller) -> Answer {
        Ok(private(self.follow_share(ask, caller).await, ask, caller))
    }

    async fn follow_share(&self, ask: &Ask, caller: &Caller) -> Answer {
        let share = Link::open(ask.param(0), &self.share_keys, ask.arrival.at)?;
        let (admitted, account) = self.admit_lent(&share, true, ask);
        self.count_request(account.as_ref(), ask);
        let serving = async {
            let permit = &admitted?;
            let selected = &self.select_lent(permit, &share)?;
            match self.share_links {
                ShareLinks::Stream => {
                    let (carrier, channel) = (Carrier::Share, share.channel.as_deref());
                    self.deliver(ask, caller, &Delivery { permit, selected, carrier, channel }).await
                }
                ShareLinks::Redirect => {
                    let base = self.forwarder.base_of(ask);
                    let file_name = &selected.object.file_name;
                    Ok(elsewhere(&lend_on(&share, ask.arrival.at, file_name, &self.issuer(&base))?.url))
                }
            }
        };
        let answer = serving.await;
        self.count_refusal(account.as_ref(), ask, &answer);
        answer
    }

    /// The key that lent it, as it is admitted now, and the account that this goes on.
    fn admit_lent(
        &self,
        link: &Link,
        from_anywhere: bool,
        ask: &Ask,
    ) -> (Result<Permit, Failure>, Option<Account>) {
        let admit = if from_anywhere { Gate::admit_share } else { Gate::admit_link };
        let admitted = admit(&self.gate, &link.holder, ask);
        let key = match &admitted {
            Ok(permit) => Some(permit.entry()),
            Err(turned) => turned.key.as_ref(),
        };
        let account = key.map(|key| Account::new(key, Some(link.application.as_str())));
        (admitted.map_err(|turned| turned.failure), account)
    }

    fn select_lent(&self, permit: &Permit, link: &Link) -> Result<Selected, Failure> {
        self.catalog.select(permit, &Wanted::of_link(link), link.channel.as_deref())
    }
}

/// The answer to a share link, a failure too, says that its URL is not for others.
fn private(answer: Answer, ask: &Ask, caller: &Caller) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|failure| caller.tell(failure, ask.arrival.at));
    keep_to_who_has_the_link(response.headers_mut());
    response
}
