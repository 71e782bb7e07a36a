//! Questions about backups, and about everything that goes into one.

use async_trait::async_trait;
use common::cursor::Place;
use common::id::{BackupId, TenantId};
use common::time::Timestamp;

use super::{Listed, Slice, StoreFault};
use crate::domain::backup::{Backup, Contents, Rhythm};

/// The questions.
#[async_trait]
pub trait Backups {
    /// How many records [`Backups::contents`] would give.
    async fn count_records(&mut self, tenant: TenantId) -> Result<u64, StoreFault>;
    /// Everything of a tenant, deleted and withdrawn things too, in the order of its rows. Count first: it is all in
    /// memory.
    async fn contents(&mut self, tenant: TenantId) -> Result<Option<Contents>, StoreFault>;
    /// The backup of that id.
    async fn backup(&mut self, tenant: TenantId, id: &BackupId) -> Result<Option<Backup>, StoreFault>;
    /// Newest first.
    async fn backups(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<Backup>, StoreFault>;
    /// The same list behind a place of [`Backup::place`], at most `most`.
    async fn backups_after(
        &mut self,
        tenant: TenantId,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Backup>, StoreFault>;
    /// What the automatic ones have come to.
    async fn rhythm(&mut self, tenant: TenantId) -> Result<Rhythm, StoreFault>;
    /// Those of all tenants whose time is over at `now`, at most `most`.
    async fn expired_backups(&mut self, now: Timestamp, most: u64) -> Result<Vec<Backup>, StoreFault>;
    /// The backup of that id, whoever's it is.
    async fn any_backup(&mut self, id: &BackupId) -> Result<Option<Backup>, StoreFault>;
}
