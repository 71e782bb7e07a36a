//! What a decision leads to: rows to write, records to announce, lines for the audit.

use common::id::{ApplicationId, BackupId, CustomerId, SessionId, TenantId, UploadId, VersionId};
use common::tier::Tier;
use common::time::Timestamp;
use common::wire::address::Address;

use super::activity::Activity;
use super::answer::KeptAnswer;
use super::application::Application;
use super::backup::Backup;
use super::customer::Customer;
use super::key::Key;
use super::session::Session;
use super::tenant::Tenant;
use super::upload::Upload;
use super::version::Version;
use super::{Actor, Context};

/// A thing that has a row of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Noun {
    /// A vendor.
    Tenant(Tenant),
    /// One of its plans.
    Tier(TenantId, Tier),
    /// One of its customers. What is assigned to it is written by [`Row::Grant`] and [`Row::Revoke`] alone.
    Customer(Customer),
    /// One of its applications.
    Application(Application),
    /// A version. Its files are written by [`Row::AddFile`] alone.
    Version(Version),
    /// A key.
    Key(Key),
    /// A large upload under way. Never announced.
    Upload(Upload),
    /// A session. Announced when it is revoked.
    Session(Session),
}

/// One thing to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Row {
    /// It must not be there yet.
    Insert(Noun),
    /// It is there.
    Update(Noun),
    /// A file of a version; its name must not be there yet.
    AddFile {
        /// The version that gets it.
        version: VersionId,
        /// The file.
        file: common::catalog::File,
        /// When it came.
        at: Timestamp,
    },
    /// The customer gets the application.
    Grant(TenantId, CustomerId, ApplicationId),
    /// The customer loses the application.
    Revoke(TenantId, CustomerId, ApplicationId),
    /// What the request was answered. Nobody may have been answered under its id before.
    Answer(KeptAnswer),
    /// The row of a session goes: its time has been over for long.
    Forget(SessionId),
    /// The upload is gone.
    EndUpload(UploadId),
    /// Something happened that the activity tells of.
    Happened(Box<Activity>),
    /// What became of a backup. Its id must not be there yet.
    Backup(Backup),
    /// The row of a backup goes: its file is gone, or goes next.
    ForgetBackup(BackupId),
    /// The row of an edge goes: nobody waits for it any more.
    ForgetEdge(String),
}

/// A record that changed, for the edges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// Its name; what it says is read again when it is announced.
    pub address: Address,
    /// True when rights were taken away: told apart, and first.
    pub denies: bool,
}

/// What a thing said before or after: names of fields and their values as text. Never a secret.
pub type Facts = Vec<(&'static str, String)>;

/// One line of the audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEntry {
    /// Whose audit.
    pub tenant: TenantId,
    /// When it was decided.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// What was done, like `key.create`.
    pub action: &'static str,
    /// To what: the record's address, or `upload:{id}`.
    pub target: String,
    /// What changed, as it was.
    pub before: Facts,
    /// What changed, as it is.
    pub after: Facts,
}

/// Everything that one transaction writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// In the order in which they must be written.
    pub rows: Vec<Row>,
    /// Records that read differently afterwards.
    pub announcements: Vec<Announcement>,
    /// At least one line whenever somebody did something.
    pub audit: Vec<AuditEntry>,
}

impl Change {
    /// True when there is nothing to write: the state is already what was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn insert(&mut self, noun: Noun) {
        self.rows.push(Row::Insert(noun));
    }

    pub(super) fn update(&mut self, noun: Noun) {
        self.rows.push(Row::Update(noun));
    }

    pub(super) fn announce(&mut self, address: Address, denies: bool) {
        self.announcements.push(Announcement { address, denies });
    }

    /// Notes what was done, keeping of `before` and `after` only what differs.
    pub(super) fn audit(
        &mut self,
        context: &Context,
        action: &'static str,
        target: String,
        (before, after): (Facts, Facts),
    ) {
        let differs = |facts: &Facts, others: &Facts| {
            facts.iter().filter(|fact| !others.contains(fact)).cloned().collect()
        };
        self.audit.push(AuditEntry {
            tenant: context.tenant,
            at: context.now,
            actor: context.actor.clone(),
            action,
            target,
            before: differs(&before, &after),
            after: differs(&after, &before),
        });
    }
}

/// What was decided: what to write, and what to tell whoever asked once it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision<T> {
    /// For the store.
    pub change: Change,
    /// For the answer.
    pub outcome: T,
}
