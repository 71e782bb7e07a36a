//! Backups: what one holds, when the next is due, and how long it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::cursor::Place;
use common::digest::Digest;
use common::id::{BackupId, FileId, TenantId};
use common::tier::Tier;
use common::time::Timestamp;

use super::application::Application;
use super::change::{Change, Decision, Facts, Row};
use super::customer::Customer;
use super::key::Key;
use super::tenant::Tenant;
use super::version::Version;
use super::{Context, Refusal};

/// The most records of a tenant that is backed up: all of them are in memory for a moment, some 500 bytes each.
pub const MOST_RECORDS: u64 = 500_000;
/// The most backups that a tenant keeps.
pub const MOST_KEPT: u64 = 1_000;
/// How soon an automatic backup is tried again after one that failed.
const AGAIN: Duration = Duration::from_secs(60 * 60);

/// Why it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// It was time.
    Automatic,
    /// Somebody asked for it.
    Manual,
}

impl Cause {
    /// As the contract writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "AUTOMATIC",
            Self::Manual => "MANUAL",
        }
    }
}

/// What is known of a backup beside its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backup {
    /// Its id, which names the file.
    pub id: BackupId,
    /// Of whom.
    pub tenant: TenantId,
    /// Why.
    pub cause: Cause,
    /// Bytes of the file; `None`: it could not be written.
    pub size: Option<u64>,
    /// When.
    pub created_at: Timestamp,
    /// When it is removed by itself.
    pub expires_at: Option<Timestamp>,
}

impl Backup {
    /// What the audit calls it.
    #[must_use]
    pub fn target(&self) -> String {
        format!("backup:{}", self.id)
    }

    /// Where it stands in a list by age.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { key: self.created_at.millis().to_string(), id: self.id.to_string() }
    }

    fn describe(&self) -> Facts {
        let mut facts = vec![("backupType", self.cause.as_str().to_owned())];
        facts.extend(self.size.map(|size| ("sizeBytes", size.to_string())));
        facts.extend(self.expires_at.map(|at| ("expiresAt", at.to_string())));
        facts
    }
}

/// A tenant's truth as of one moment, deleted and withdrawn things too. Lists are in the order of their rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The tenant.
    pub tenant: Tenant,
    /// Its tiers.
    pub tiers: Vec<Tier>,
    /// Its customers, with what is assigned to them.
    pub customers: Vec<Customer>,
    /// Its applications.
    pub applications: Vec<Application>,
    /// Their versions, with their files.
    pub versions: Vec<Version>,
    /// When each file came.
    pub added: BTreeMap<FileId, Timestamp>,
    /// Its keys, with digests of their secrets.
    pub keys: Vec<Key>,
}

impl Contents {
    /// The names of the bytes that its files have.
    #[must_use]
    pub fn blobs(&self) -> BTreeSet<Digest> {
        let files = self.versions.iter().flat_map(|version| &version.facts.files);
        files.map(|file| file.digest).collect()
    }
}

/// What the automatic backups of a tenant have come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rhythm {
    /// When the last one was begun.
    pub tried: Option<Timestamp>,
    /// When the last one that can be read was.
    pub made: Option<Timestamp>,
}

/// Whether a tenant is due for an automatic backup; a new one after its first span.
#[must_use]
pub fn is_due(tenant: &Tenant, rhythm: Rhythm, every: Duration, now: Timestamp) -> bool {
    let by_time = rhythm.made.unwrap_or(tenant.created_at).plus(every) <= now;
    by_time && rhythm.tried.is_none_or(|tried| tried.plus(AGAIN.min(every)) <= now)
}

/// Decides on one more backup.
///
/// # Errors
/// When there are too many things, or backups.
pub fn may_make(records: u64, kept: u64) -> Result<(), Refusal> {
    if records > MOST_RECORDS {
        return Err(Refusal::BackupTooLarge { most: MOST_RECORDS });
    }
    if kept >= MOST_KEPT { Err(Refusal::TooManyBackups { most: MOST_KEPT }) } else { Ok(()) }
}

/// Notes a backup that was made, or could not be.
#[must_use]
pub fn note(backup: Backup, context: &Context) -> Decision<Backup> {
    let mut change = Change::default();
    let action = if backup.size.is_some() { "backup.create" } else { "backup.fail" };
    change.audit(context, action, backup.target(), (vec![], backup.describe()));
    change.rows.push(Row::Backup(backup.clone()));
    Decision { change, outcome: backup }
}

/// Forgets a backup whose time is over, or that the operator wants gone.
#[must_use]
pub fn forget(backup: &Backup, context: &Context) -> Change {
    let mut change = Change::default();
    change.audit(context, "backup.remove", backup.target(), (backup.describe(), vec![]));
    change.rows.push(Row::ForgetBackup(backup.id.clone()));
    change
}

/// The backup that is there and can be read.
///
/// # Errors
/// When there is none, or it failed.
pub fn whole(existing: Option<Backup>, id: &BackupId) -> Result<Backup, Refusal> {
    let backup = existing.ok_or_else(|| Refusal::UnknownBackup(id.clone()))?;
    if backup.size.is_none() { Err(Refusal::BackupFailed(id.clone())) } else { Ok(backup) }
}
