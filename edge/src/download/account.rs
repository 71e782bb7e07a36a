//! The requests of a key, counted: each before it is served, and how it failed when it did.

use std::borrow::Cow;

use super::Answer;
use crate::app::Edge;
use crate::report::Account;
use crate::request::Ask;

impl Edge {
    /// Counts a request before it is served, so that one whose client leaves meanwhile counts too. One without an
    /// account is nobody's, and not counted.
    pub(super) fn count_request(&self, account: Option<&Account>, ask: &Ask) {
        if let Some(account) = account {
            self.ledger.count_request(account, ask.arrival.at);
        }
    }

    /// Counts that a request, which was counted, was not served, if it was not.
    pub(super) fn count_refusal(&self, account: Option<&Account>, ask: &Ask, answer: &Answer) {
        if let Some((account, reason)) = account.zip(reason_of(answer)) {
            self.ledger.count_refusal(account, ask.arrival.at, reason);
        }
    }
}

/// Why a request was not served. What the control plane refuses is passed on unread, and told by its status.
fn reason_of(answer: &Answer) -> Option<Cow<'static, str>> {
    match answer {
        Err(failure) => Some(failure.reason().into()),
        Ok(response) => {
            let status = response.status().as_u16();
            (status >= 400).then(|| format!("status_{status}").into())
        }
    }
}
