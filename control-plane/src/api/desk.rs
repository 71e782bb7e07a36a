//! What every handler works with, and what all of them do with it.

use std::sync::Arc;
use std::time::Duration;

use common::id::{CustomerId, TenantId};
use common::mac::MacKeys;
use common::runtime::clock::{Clock, entropy};
use common::tenancy::Tenancy;
use common::time::Timestamp;
use common::wire::Position;
use rand::rngs::StdRng;

use crate::api::answer::{Answer, Handled};
use crate::api::caller::Caller;
use crate::api::idempotency::InFlight;
use crate::api::throttle::Failures;
use crate::backup::BackupFiles;
use crate::domain::customer::is_reserved;
use crate::domain::version::{AddFile, FileFacts};
use crate::domain::{Change, Row};
use crate::error::Failure;
use crate::fleet::Fleet;
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
    /// Seals and opens the tokens of sessions.
    pub(crate) sessions: MacKeys,
    /// Failed logins.
    pub(crate) failures: Failures,
    /// Seals and opens the cursors of lists.
    pub(crate) cursors: MacKeys,
    /// What links start with, when it is configured.
    pub(crate) public_url: Option<String>,
    pub(crate) draft_by_default: bool,
    /// For how many vendors it works.
    pub(crate) tenancy: Tenancy,
    /// For how long usage by the minute is kept.
    pub(crate) minutes_kept: Duration,
    /// Where backups lie.
    pub(crate) backups: BackupFiles,
    /// Seals and opens the tickets in URLs of backups.
    pub(crate) backup_tickets: MacKeys,
    /// Wakes the publisher.
    pub(crate) announcer: Announcer,
    /// The requests with an `Idempotency-Key` that are being answered.
    pub(crate) in_flight: InFlight,
    /// The edges that speak to it.
    pub(crate) fleet: Arc<Fleet>,
    /// Ids that stand for the vendor itself, beside `admin`.
    pub(crate) admin_aliases: Vec<CustomerId>,
}

impl Desk {
    /// Writes what a caller's command came to, and gives the answer its place in the history. Here an answer that is to
    /// be kept joins its write: there never is one without the other.
    pub(super) async fn settle(
        &self,
        caller: &Caller,
        truth: Box<dyn Writing>,
        mut change: Change,
        mut answer: Answer,
    ) -> Handled {
        if let Some(keeping) = caller.keeps() {
            change.rows.push(Row::Answer(keeping.keep(&answer, &mut self.rng()?)?));
            answer = answer.kept();
        }
        Ok(answer.at(self.commit(truth, change).await?))
    }

    /// Whether a customer's id stands for the vendor itself.
    pub(super) fn is_vendor(&self, id: &CustomerId) -> bool {
        let named = |alias: &CustomerId| alias.as_str().eq_ignore_ascii_case(id.as_str());
        is_reserved(id) || self.admin_aliases.iter().any(named)
    }

    /// Writes a change, and wakes whoever tells the edges.
    pub(super) async fn commit(&self, truth: Box<dyn Writing>, change: Change) -> Result<Position, Failure> {
        let committed = truth.commit(change).await?;
        if committed.is_announced {
            self.announcer.announce();
        }
        Ok(committed.position)
    }

    /// Fresh randomness for ids and secrets.
    pub(super) fn rng(&self) -> Result<StdRng, Failure> {
        entropy().map_err(|e| Failure::broken("api", e))
    }

    /// What adding a file depends on.
    pub(super) async fn file_facts(
        &self,
        truth: &mut (impl Reading + ?Sized),
        (tenant, now): (TenantId, Timestamp),
        file: &AddFile,
    ) -> Result<FileFacts, Failure> {
        Ok(FileFacts {
            application: truth.application(tenant, &file.application).await?,
            version: truth.version(tenant, &file.application, &file.version).await?,
            tiers: truth.tiers(tenant).await?,
            enabled_by_default: !self.draft_by_default,
            usage: truth.storage(tenant, now).await?,
        })
    }
}
