//! What every handler works with, and what all of them do with it.

use std::sync::Arc;

use common::id::{CustomerId, TenantId};
use common::mac::MacKeys;
use common::runtime::clock::{Clock, entropy};
use common::wire::Position;
use rand::rngs::StdRng;

use crate::api::answer::{Answer, Handled};
use crate::api::caller::Caller;
use crate::domain::Change;
use crate::domain::version::{AddFile, FileFacts};
use crate::error::Failure;
use crate::metrics::Metrics;
use crate::publish::Announcer;
use crate::store::{Reading, Store, Writing};
use crate::uploads::Blobs;

/// What every handler works with.
pub(crate) struct Desk {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Blobs,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Arc<Metrics>,
    /// Opens what edges say of a request.
    pub(crate) forwarding: MacKeys,
    /// Seals and opens the tickets in upload URLs.
    pub(crate) tickets: MacKeys,
    /// Seals and opens the cursors of lists.
    pub(crate) cursors: MacKeys,
    /// What links start with, when it is configured.
    pub(crate) public_url: Option<String>,
    pub(crate) draft_by_default: bool,
    /// Customer ids that stand for the vendor itself, besides `admin`.
    pub(crate) admin_aliases: Vec<CustomerId>,
    /// Wakes the publisher.
    pub(crate) announcer: Announcer,
}

impl Desk {
    /// Writes what a caller's command came to, and gives the answer its place in the history.
    pub(super) async fn settle(
        &self,
        _caller: &Caller,
        truth: Box<dyn Writing>,
        change: Change,
        answer: Answer,
    ) -> Handled {
        Ok(answer.at(self.commit(truth, change).await?))
    }

    /// Writes a change, and wakes whoever tells the edges.
    pub(super) async fn commit(&self, truth: Box<dyn Writing>, change: Change) -> Result<Position, Failure> {
        let committed = truth.commit(change).await?;
        if committed.is_announced {
            self.announcer.announce();
        }
        Ok(committed.position)
    }

    /// True for an id that the settings let stand for the vendor.
    pub(super) fn is_alias(&self, id: &CustomerId) -> bool {
        self.admin_aliases.iter().any(|alias| alias.as_str().eq_ignore_ascii_case(id.as_str()))
    }

    /// Fresh randomness for ids and secrets.
    pub(super) fn rng(&self) -> Result<StdRng, Failure> {
        entropy().map_err(|e| Failure::broken("api", e))
    }

    /// What adding a file depends on.
    pub(super) async fn file_facts(
        &self,
        truth: &mut (impl Reading + ?Sized),
        tenant: TenantId,
        file: &AddFile,
    ) -> Result<FileFacts, Failure> {
        Ok(FileFacts {
            application: truth.application(tenant, &file.application).await?,
            version: truth.version(tenant, &file.application, &file.version).await?,
            tiers: truth.tiers(tenant).await?,
            enabled_by_default: !self.draft_by_default,
        })
    }
}
