//! What happened: taken in exactly once, told, counted, and forgotten in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use common::id::{ApplicationId, CustomerId, KeyId, TenantId, VersionName};
use common::time::Timestamp;
use common::wire::v1::event::Usage;

use super::{Listed, Slice, StoreFault};
use crate::domain::activity::{Activity, ActivityKind};

/// Which activity is wanted; what is absent narrows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActivityQuestion {
    /// Uploads or downloads.
    pub kind: Option<ActivityKind>,
    /// Of one application.
    pub application: Option<ApplicationId>,
    /// Of these applications alone, whatever else is asked for.
    pub within: Option<Vec<ApplicationId>>,
    /// Of one version.
    pub version: Option<VersionName>,
    /// Of one customer.
    pub customer: Option<CustomerId>,
    /// By one key.
    pub key: Option<KeyId>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Where an item stands in the listing of activity: newest first, of one moment the latest written first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The activity's time.
    pub at: Timestamp,
    /// Its row.
    pub row: i64,
}

/// An activity as it is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// Where it stands.
    pub place: Place,
    /// What happened.
    pub activity: Activity,
    /// What its application is called, when it is still known.
    pub application_name: Option<String>,
}

/// Questions about activity.
#[async_trait]
pub trait Activities {
    /// Newest first; what comes after a place, or all.
    async fn activities(
        &mut self,
        tenant: TenantId,
        question: &ActivityQuestion,
        after: Option<Place>,
        slice: Slice,
    ) -> Result<Listed<Happened>, StoreFault>;
}

/// Which downloads are counted, by whole UTC days.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountQuestion {
    /// Of this application.
    pub application: ApplicationId,
    /// Of one version.
    pub version: Option<VersionName>,
    /// Of one customer.
    pub customer: Option<CustomerId>,
    /// From the day of this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Downloads, counted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// All of them.
    pub total: u64,
    /// How many customers there are among who downloaded.
    pub customers: u64,
    /// By version.
    pub by_version: BTreeMap<String, u64>,
    /// By the beginning of the UTC day.
    pub by_day: BTreeMap<Timestamp, u64>,
}

/// Requests, bytes of files, and requests that were refused or failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Amount {
    /// All requests.
    pub requests: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Requests that came to nothing.
    pub errors: u64,
}

/// For how long one row of usage stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Span {
    /// 60 s, kept for days.
    Minute,
    /// 60 min, kept as long as activity.
    Hour,
}

impl Span {
    /// Its length.
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3_600),
        }
    }
}

/// Which usage of a key is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageQuestion {
    /// Read from these rows.
    pub span: Span,
    /// Told in pieces of this length, a multiple of the span.
    pub bucket: Duration,
    /// From this beginning of a piece on.
    pub from: Timestamp,
    /// Before this one.
    pub to: Timestamp,
}

/// How a key was used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyUsage {
    /// By application, the busiest first; `None`: no application was named, or none that there is.
    pub by_application: Vec<(Option<ApplicationId>, Amount)>,
    /// Refusals by reason, the most frequent first.
    pub by_reason: Vec<(String, u64)>,
    /// By the beginning of the piece; pieces without anything are absent.
    pub timeline: BTreeMap<Timestamp, Amount>,
}

/// Questions about what was counted.
#[async_trait]
pub trait Counted {
    /// Whole downloads.
    async fn counts(&mut self, tenant: TenantId, question: &CountQuestion) -> Result<Counts, StoreFault>;
    /// The use of a key.
    async fn usage(&mut self, key: &KeyId, question: UsageQuestion) -> Result<KeyUsage, StoreFault>;
}

/// The name of a report: what has it counts once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReportName {
    /// The edge.
    pub edge: String,
    /// Its start.
    pub boot: u64,
    /// Its number since.
    pub number: u64,
}

/// A download, and whether it counts as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Download {
    /// What happened.
    pub activity: Activity,
    /// By the rule of [`common::wire::v1::event::Transfer::is_whole`].
    pub counts: bool,
}

/// What one report brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intake {
    /// Its name.
    pub report: ReportName,
    /// The transfers.
    pub downloads: Vec<Download>,
    /// The use of keys.
    pub usage: Vec<Usage>,
}

/// What came of taking in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// Reports that were counted.
    pub counted: u64,
    /// Reports that had been counted before.
    pub repeated: u64,
    /// Transfers that were written down.
    pub transfers: u64,
    /// Transfers of tenants that there are not.
    pub strange: u64,
}

/// Up to when things are forgotten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forgetting {
    /// Activity, hours of usage, and edges that were not heard of since.
    pub activity: Timestamp,
    /// Minutes of usage.
    pub minutes: Timestamp,
    /// At most so many rows of each kind.
    pub most: u64,
}

/// What is written about what happened, beside the commands of people.
#[async_trait]
pub trait Ledger {
    /// Takes reports in, in one transaction: each counts once, however often it comes and whatever breaks between.
    async fn take_in(&self, intakes: &[Intake], now: Timestamp) -> Result<Taken, StoreFault>;
    /// Announces versions whose downloads were counted since they were last announced; gives how many, at most `most`.
    async fn tell_downloads(&self, most: u64) -> Result<u64, StoreFault>;
    /// Forgets what is old enough; true when there is more of it.
    async fn forget(&self, old: Forgetting) -> Result<bool, StoreFault>;
}
