//! The truth: what was decided, written in one transaction or not at all, and read as of one moment.
//!
//! A [`Reading`] sees one moment however long it takes; a [`Writing`] sees the latest and keeps other writers out until
//! it commits or is dropped. Both offer the same questions, a trait per noun.

pub mod activity;
mod answers;
mod audit;
mod backups;
#[cfg(test)]
pub(crate) mod contract;
mod edges;
pub mod sessions;
pub mod sqlite;
mod sums;

use std::collections::BTreeMap;

pub use answers::Answers;
use async_trait::async_trait;
pub use audit::{Audit, AuditLine, AuditQuestion};
pub use backups::Backups;
use common::cursor::Place;
use common::digest::Digest;
use common::id::{ApplicationId, CustomerId, KeyId, TenantId, UploadId, VersionName};
use common::tier::Tier;
use common::time::Timestamp;
use common::wire::Position;
use common::wire::address::Address;
pub use edges::KeptEdge;

use self::activity::{Activities, Counted, Ledger};
use crate::domain::application::Application;
use crate::domain::customer::Customer;
use crate::domain::key::Key;
use crate::domain::quota::Usage;
use crate::domain::tenant::Tenant;
use crate::domain::upload::Upload;
use crate::domain::version::Version;
use crate::domain::{Announcement, Change, Noun, Refusal};
use sessions::Sessions;

/// The database broke, is away, or holds what it should not. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("the database failed while {doing}: {source}")]
pub struct StoreFault {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreFault {
    /// What was being done, and what came of it.
    pub fn new(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { doing, source: source.into() }
    }
}

/// Why a change was not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another write was faster, and this one is no longer right.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It broke.
    #[error(transparent)]
    Fault(#[from] StoreFault),
}

/// A written change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Committed {
    /// Where history stands with it; an edge that has applied this shows the change.
    pub position: Position,
    /// False when there was nothing to announce.
    pub is_announced: bool,
}

/// A slice of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// How many to leave out.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u64,
}

impl Slice {
    /// The whole list.
    pub const ALL: Self = Self { offset: 0, limit: i64::MAX as u64 };
}

/// A slice of a list, and how long the list is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    /// The items of the slice.
    pub items: Vec<T>,
    /// How many items the list has.
    pub total: u64,
}

/// A customer's id and name, as listings of applications show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CustomerName {
    /// The id.
    pub id: CustomerId,
    /// The display name.
    pub name: String,
}

/// Everything that a caller's admission depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The key, which may be deleted.
    pub key: Key,
    /// Its customer, when it has one.
    pub customer: Option<Customer>,
    /// Its tenant.
    pub tenant: Tenant,
    /// The tenant's tiers, lowest first.
    pub tiers: Vec<Tier>,
}

/// Questions about tenants and their tiers.
#[async_trait]
pub trait Tenants {
    /// The tenant of that id.
    async fn tenant(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreFault>;
    /// What the tenant stores at `now`. Where there is no limit it is not counted.
    async fn storage(&mut self, id: TenantId, now: Timestamp) -> Result<Usage, StoreFault>;
    /// How many bytes that are, whether there is a limit or not.
    async fn used_bytes(&mut self, id: TenantId, now: Timestamp) -> Result<u64, StoreFault>;
    /// All tenants, oldest first.
    async fn tenants(&mut self) -> Result<Vec<Tenant>, StoreFault>;
    /// The tenant's tiers, lowest first.
    async fn tiers(&mut self, tenant: TenantId) -> Result<Vec<Tier>, StoreFault>;
}

/// Questions about applications.
#[async_trait]
pub trait Applications {
    /// The application of that id, deleted or not.
    async fn application(
        &mut self,
        tenant: TenantId,
        id: &ApplicationId,
    ) -> Result<Option<Application>, StoreFault>;
    /// Those that are not deleted, by id.
    async fn applications(&mut self, tenant: TenantId) -> Result<Vec<Application>, StoreFault>;
    /// Those of `ids` that do not exist or are deleted.
    async fn missing_applications(
        &mut self,
        tenant: TenantId,
        ids: &[ApplicationId],
    ) -> Result<Vec<ApplicationId>, StoreFault>;
    /// Whom the application is assigned to, by id.
    async fn assigned(
        &mut self,
        tenant: TenantId,
        id: &ApplicationId,
    ) -> Result<Vec<CustomerName>, StoreFault>;
    /// Whom each of these applications is assigned to.
    async fn assignments(
        &mut self,
        tenant: TenantId,
        ids: &[ApplicationId],
    ) -> Result<BTreeMap<ApplicationId, Vec<CustomerName>>, StoreFault>;
}

/// Questions about customers.
#[async_trait]
pub trait Customers {
    /// The customer of that id.
    async fn customer(&mut self, tenant: TenantId, id: &CustomerId) -> Result<Option<Customer>, StoreFault>;
    /// By name, whatever its case.
    async fn customers(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<Customer>, StoreFault>;
    /// The same list behind a place of [`Customer::place`], at most `most`.
    async fn customers_after(
        &mut self,
        tenant: TenantId,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Customer>, StoreFault>;
    /// Those of `ids` that do not exist.
    async fn missing_customers(
        &mut self,
        tenant: TenantId,
        ids: &[CustomerId],
    ) -> Result<Vec<CustomerId>, StoreFault>;
}

/// Questions about keys.
#[async_trait]
pub trait Keys {
    /// The key of that id, deleted or not.
    async fn key(&mut self, tenant: TenantId, id: &KeyId) -> Result<Option<Key>, StoreFault>;
    /// Those that are not deleted, oldest first; a customer's, or all.
    async fn keys(
        &mut self,
        tenant: TenantId,
        customer: Option<&CustomerId>,
        slice: Slice,
    ) -> Result<Listed<Key>, StoreFault>;
    /// The same list behind a place of [`Key::place`], at most `most`.
    async fn keys_after(
        &mut self,
        tenant: TenantId,
        customer: Option<&CustomerId>,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Key>, StoreFault>;
    /// Whose secret has that digest: the key's, or the one before it, whether its time is over or not.
    async fn identify(&mut self, digest: &Digest) -> Result<Option<Identity>, StoreFault>;
    /// The key of that id, deleted or not, whoever's it is.
    async fn identify_by_id(&mut self, id: &KeyId) -> Result<Option<Identity>, StoreFault>;
}

/// Questions about versions.
#[async_trait]
pub trait Versions {
    /// The version with its files.
    async fn version(
        &mut self,
        tenant: TenantId,
        application: &ApplicationId,
        name: &VersionName,
    ) -> Result<Option<Version>, StoreFault>;
    /// All versions of an application with their files, oldest first.
    async fn versions(
        &mut self,
        tenant: TenantId,
        application: &ApplicationId,
    ) -> Result<Vec<Version>, StoreFault>;
    /// All versions of these applications WITHOUT their files, for the latest of each.
    async fn outlines(&mut self, tenant: TenantId, ids: &[ApplicationId])
    -> Result<Vec<Version>, StoreFault>;
}

/// Questions about uploads.
#[async_trait]
pub trait Uploads {
    /// The upload of that id.
    async fn upload(&mut self, tenant: TenantId, id: &UploadId) -> Result<Option<Upload>, StoreFault>;
    /// All tenants' uploads whose time was over at `now`, longest first; of those that were completed the ones whose
    /// time was over at `kept_since`.
    async fn overdue_uploads(
        &mut self,
        now: Timestamp,
        kept_since: Timestamp,
        most: u64,
    ) -> Result<Vec<Upload>, StoreFault>;
    /// Whether any file, or any other upload than `but`, has these bytes.
    async fn refers_to(&mut self, digest: Digest, but: &UploadId) -> Result<bool, StoreFault>;
}

/// A change that edges have not been told yet: names only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pending {
    /// The write.
    pub sequence: u64,
    /// What it changed.
    pub announcement: Announcement,
}

/// Where history stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The last announced write.
    pub position: Position,
    /// The last write that the bus was told.
    pub announced: u64,
}

/// A record's truth, and the write that made it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamped {
    /// Its name.
    pub address: Address,
    /// The write.
    pub sequence: u64,
    /// What it is, deleted or not.
    pub noun: Noun,
}

/// The nouns that are published, in the order in which a bucket holds them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Shelf {
    /// Tenants.
    Tenants,
    /// Tiers.
    Tiers,
    /// Customers.
    Customers,
    /// Applications.
    Applications,
    /// Versions.
    Versions,
    /// Keys.
    Keys,
    /// Sessions that were revoked.
    Sessions,
}

impl Shelf {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Tenants,
        Self::Tiers,
        Self::Customers,
        Self::Applications,
        Self::Versions,
        Self::Keys,
        Self::Sessions,
    ];
}

/// Where a walk over a bucket's shelf has come to; begins at the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark(pub i64);

/// Questions of the publisher.
#[async_trait]
pub trait Outbox {
    /// Where history stands.
    async fn standing(&mut self) -> Result<Standing, StoreFault>;
    /// Changes after a sequence in the order of writing, whole writes: at most `most`, but the last write whole.
    async fn pending(&mut self, after: u64, most: u64) -> Result<Vec<Pending>, StoreFault>;
    /// The truth at an address; `None` when there never was anything.
    async fn record(&mut self, address: &Address) -> Result<Option<Stamped>, StoreFault>;
    /// The shelves of a bucket that are not empty.
    async fn shelves(&mut self, bucket: u8) -> Result<Vec<Shelf>, StoreFault>;
    /// The next records of a bucket's shelf after `mark`, at most `most`, and the mark to go on from.
    async fn walk(
        &mut self,
        bucket: u8,
        shelf: Shelf,
        mark: Mark,
        most: u64,
    ) -> Result<(Vec<Stamped>, Mark), StoreFault>;
}

/// What is asked about things that happened.
pub trait Records: Outbox + Audit + Activities + Counted {}

impl<T: Outbox + Audit + Activities + Counted> Records for T {}

/// The truth as of one moment.
pub trait Reading:
    Tenants + Applications + Customers + Keys + Sessions + Versions + Uploads + Records + Answers + Backups + Send
{
}

impl<T> Reading for T where
    T: Tenants
        + Applications
        + Customers
        + Keys
        + Sessions
        + Versions
        + Uploads
        + Records
        + Answers
        + Backups
        + Send
{
}

/// The latest truth, and the right to change it. Dropped without a commit it leaves nothing.
#[async_trait]
pub trait Writing: Reading {
    /// Writes a change: rows, audit, outbox, and last the sequence, all or nothing. An empty change writes nothing.
    async fn commit(self: Box<Self>, change: Change) -> Result<Committed, StoreError>;
}

/// A database.
#[async_trait]
pub trait Store: Ledger + Send + Sync + 'static {
    /// Begins to read.
    async fn read(&self) -> Result<Box<dyn Reading>, StoreFault>;
    /// Begins to write; waits for the writer before.
    async fn write(&self) -> Result<Box<dyn Writing>, StoreFault>;
    /// Notes what the bus was told; forgets what was pending up to there.
    async fn mark_announced(&self, sequence: u64) -> Result<(), StoreFault>;
    /// Begins another history when this one is behind `beyond`, which was told once: the database was put back to an
    /// earlier state. Gives where history stands.
    async fn begin_history(&self, beyond: Position, now: Timestamp) -> Result<Position, StoreFault>;
    /// Forgets answers that have expired by `now`, at most `most`, and says how many those were.
    async fn forget_answers(&self, now: Timestamp, most: u64) -> Result<u64, StoreFault>;
    /// The edges that were known when the desk last ran, by name.
    async fn kept_edges(&self) -> Result<Vec<KeptEdge>, StoreFault>;
    /// Keeps edges that came, and how far those have come that were kept before; lets go of those that are gone. Who was
    /// removed meanwhile stays so, unless it came.
    async fn keep_edges(
        &self,
        came: &[KeptEdge],
        heard: &[KeptEdge],
        gone: &[String],
    ) -> Result<(), StoreFault>;
    /// Lets go of the database when all that was begun has ended.
    async fn close(&self);
}
