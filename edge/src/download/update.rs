//! Update checks, as updaters of applications send them.

use std::sync::Arc;

use common::digest::Digest;

use super::Answer;
use crate::app::Edge;
use crate::catalog::updates::{Check, Question, Told};
use crate::deliver::plain::nothing;
use crate::deliver::told::tell_bare;
use crate::error::{Failure, Fault};
use crate::gate::Permit;
use crate::request::Ask;

impl Edge {
    /// 204, or what is newer, in no envelope: updaters read it as it is.
    pub(super) async fn check_update(&self, permit: &Permit, ask: &Ask) -> Answer {
        let check = self.find_update(permit, ask).await?;
        let Some(offer) = check.offer() else { return Ok(nothing()) };
        let (base, link_ends) = (self.forwarder.base_of(ask), Told::link_ends(ask.arrival.at));
        tell_bare(&ask.headers, offer.etag(permit, &base, link_ends), || {
            let lent = self.issuer(&base).lend_offered(permit, offer, link_ends)?;
            Ok(offer.json(&lent.url)?)
        })
    }

    async fn find_update(&self, permit: &Permit, ask: &Ask) -> Result<Arc<Check>, Failure> {
        let asked = match self.catalog.recall_update(permit, ask)? {
            Ok(check) => return Ok(check),
            Err(asked) => asked,
        };
        let question = Question::parse(ask)?;
        let found = match self.catalog.find_update(permit, &asked, &question) {
            Some(offer) => {
                let signature = match offer.signature {
                    Some((digest, size)) => Box::pin(self.read_text(digest, size)).await?,
                    None => None,
                };
                Some((offer, signature))
            }
            None => None,
        };
        self.catalog.keep_update(asked, question, found)
    }

    /// The text of a small file, without the white space at its end; none when it is no text.
    async fn read_text(&self, digest: Digest, size: u64) -> Result<Option<String>, Failure> {
        let bytes = self.origin.read(&digest, size).await?.ok_or(Fault::BytesMissing(digest))?;
        Ok(std::str::from_utf8(&bytes).ok().map(|text| text.trim_end().to_owned()))
    }
}
