//! Update checks, as updaters of applications send them.

use common::digest::Digest;

use super::Answer;
use crate::app::Edge;
use crate::catalog::issue::lend;
use crate::catalog::updates::Question;
use crate::deliver::plain::{json, nothing};
use crate::error::{Failure, Fault};
use crate::gate::Permit;
use crate::request::Ask;

impl Edge {
    /// 204, or what is newer, in no envelope: updaters read it as it is.
    pub(super) async fn check_update(&self, permit: &Permit, ask: &Ask) -> Answer {
        let question = Question::parse(ask)?;
        let Some(offer) = self.catalog.find_update(permit, &question)? else { return Ok(nothing()) };
        let signature = match offer.signature {
            Some((digest, size)) => self.read_text(digest, size).await?,
            None => None,
        };
        let base = self.forwarder.base_of(ask);
        let through = (&offer.selected, question.channel.as_deref());
        let lent = lend(permit, ask, through, &self.issuer(&base))?;
        let told = serde_json::to_vec(&offer.shape(&lent.url, signature.as_deref()))?;
        Ok(json(told))
    }

    /// The text of a small file, without the white space at its end; none when it is no text.
    async fn read_text(&self, digest: Digest, size: u64) -> Result<Option<String>, Failure> {
        let bytes = self.origin.read(&digest, size).await?.ok_or(Fault::BytesMissing(digest))?;
        Ok(std::str::from_utf8(&bytes).ok().map(|text| text.trim_end().to_owned()))
    }
}
