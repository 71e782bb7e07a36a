//! Transfers that go on, judged as they began.

use std::sync::Arc;

use common::wire::address::Address;
use common::wire::v1::event::Carrier;

use super::delivery::Delivery;
use crate::app::Edge;
use crate::catalog::selection::{FileWanted, VersionWanted, Wanted};
use crate::deliver::Transfer;
use crate::error::Failure;
use crate::request::Ask;
use crate::transfers::{Claim, LONGEST_UNSEEN, Running, Transfer as Going};

/// So many are judged again before others have their turn: some hundred µs.
const AT_ONCE: usize = 256;

impl Edge {
    /// Enters a transfer among those that run, unless it is over at once.
    ///
    /// # Errors
    /// When what it may was taken away since it was admitted.
    pub(super) fn enter(
        &self,
        ask: &Ask,
        delivery: &Delivery<'_>,
        (transfer, is_paced): (&Transfer, bool),
    ) -> Result<Option<Running>, Failure> {
        if transfer.content_length() <= LONGEST_UNSEEN && !is_paced {
            return Ok(None);
        }
        self.transfers.enter(claim_of(ask, delivery), |claim| self.judge_again(claim)).map(Some)
    }

    /// Whether the same would be sent now to who asked for it then.
    pub(crate) fn judge_again(&self, claim: &Claim) -> Result<(), Failure> {
        let permit = self.gate.readmit(&claim.right)?;
        self.catalog.select(&permit, &claim.wanted, claim.channel.as_deref()).map(|_| ())
    }

    /// Cuts what runs under these and may not any more. Whoever is told that a change is in force is told after this.
    pub(crate) fn review(&self, addresses: &[Address]) {
        self.review_these(&self.transfers.under(addresses));
    }

    /// The same for all, a few at a time.
    pub(crate) async fn review_all(self: Arc<Self>) {
        for some in self.transfers.all().chunks(AT_ONCE) {
            self.review_these(some);
            tokio::task::yield_now().await;
        }
    }

    fn review_these(&self, found: &[Arc<Going>]) {
        self.transfers.review(found, |claim| self.judge_again(claim));
    }
}

fn claim_of(ask: &Ask, delivery: &Delivery<'_>) -> Claim {
    let from_anywhere = delivery.carrier == Carrier::Share;
    let right = delivery.permit.right(ask.arrival, from_anywhere);
    let (application, version, file) = delivery.selected.names();
    Claim {
        version: Address::Version(right.tenant, application.clone(), version.clone()),
        wanted: Wanted { application, version: VersionWanted::Named(version), file: FileWanted::Id(file) },
        channel: delivery.channel.map(str::to_owned),
        right,
    }
}
