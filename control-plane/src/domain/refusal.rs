//! Everything that a vendor can be told no for, with what a message needs to say what to change.

use std::fmt::Display;

use common::digest::Digest;
use common::id::{ApplicationId, BackupId, CustomerId, KeyId, SessionId, TenantId, UploadId, VersionName};
use common::scope::Scope;
use common::tier::TierName;

use super::field::FieldFault;

/// We said no on purpose. The text says what to change.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Fields that do not have their form: all of them.
    #[error("{}", sentences(.0))]
    Invalid(Vec<FieldFault>),
    /// No such application.
    #[error("Application '{0}' does not exist")]
    UnknownApplication(ApplicationId),
    /// A list names applications that do not exist.
    #[error("These applications do not exist: {}", list(.0))]
    UnknownApplications(Vec<ApplicationId>),
    /// The id is in use, or was: ids of deleted applications are not given again.
    #[error("Application '{0}' exists already, or existed once: choose another applicationId")]
    DuplicateApplication(ApplicationId),
    /// No such customer.
    #[error("Customer '{0}' does not exist")]
    UnknownCustomer(CustomerId),
    /// A list names customers that do not exist.
    #[error("These customers do not exist: {}", list(.0))]
    UnknownCustomers(Vec<CustomerId>),
    /// The id is in use.
    #[error("Customer '{0}' exists already: choose another customerId, or change that customer")]
    DuplicateCustomer(CustomerId),
    /// The id stands for the vendor itself.
    #[error("The customerId '{0}' is reserved: choose another")]
    ReservedCustomer(CustomerId),
    /// A key was asked for by a customer's id and another customer's name.
    #[error("Customer '{customer}' is called '{name}': leave the name out, or change the customer first")]
    NameTaken {
        /// Who has the id.
        customer: CustomerId,
        /// Its name.
        name: String,
    },
    /// The tenant has no such tier.
    #[error("There is no tier '{name}': choose one of {}", list(.known))]
    UnknownTier {
        /// The name that was given.
        name: TierName,
        /// Those that there are.
        known: Vec<TierName>,
    },
    /// No such tier, where one is asked for by its name.
    #[error("Tier '{0}' does not exist")]
    NoSuchTier(TierName),
    /// A tenant has as many tiers as it can have.
    #[error("There are {most} tiers, the most that there can be: change one of them")]
    TooManyTiers {
        /// The limit.
        most: usize,
    },
    /// No such key.
    #[error("API key '{0}' does not exist")]
    UnknownKey(KeyId),
    /// The customer has no key that could be replaced.
    #[error("Customer '{0}' has no API key: create one")]
    CustomerWithoutKey(CustomerId),
    /// Nobody hands on what he does not have.
    #[error("Your key does not have these scopes itself: {}", list(.0))]
    ScopesNotOwned(Vec<Scope>),
    /// Nor a right to other applications than he has.
    #[error("Your key is narrowed to applications: send applicationIds with some of {}", list(.0))]
    ApplicationsNotOwned(Vec<ApplicationId>),
    /// A customer's key reads and downloads, and no more.
    #[error("A customer's key can have the scopes apps:read and downloads:read, not {}", list(.0))]
    ScopesNotForCustomers(Vec<Scope>),
    /// An expired key stays expired.
    #[error("The key has expired and cannot be extended: create a new one")]
    ExpiredKeyCannotBeExtended,
    /// What narrows a key is taken from it by another one.
    #[error("A key cannot lift its own limits (ipAllowlist, expiresAt, rateLimitRpm): use another admin key")]
    OwnKey,
    /// Two keys would have one secret.
    #[error("This secret belongs to a key already: choose another")]
    DuplicateSecret,
    /// No such session, none that lives, or not for this key to know of.
    #[error("Session '{0}' does not exist, or has ended")]
    UnknownSession(SessionId),
    /// The key has no living session of that name.
    #[error("This key has no such session: it has ended, or was never begun")]
    NoSession,
    /// The key has as many sessions as it can have.
    #[error(
        "This key has {most} sessions, the most that it can have: use one of them, or wait until some end"
    )]
    TooManySessions {
        /// The limit.
        most: u64,
    },
    /// The tenant is there.
    #[error("Tenant '{0}' exists already")]
    DuplicateTenant(TenantId),
    /// No such tenant.
    #[error("Tenant '{0}' does not exist")]
    UnknownTenant(TenantId),
    /// More than the tenant may store.
    #[error(
        "This would exceed the storage quota: {current} of {limit} bytes are used, {requested} more were requested. Ask the operator for more"
    )]
    QuotaExceeded {
        /// In bytes, uploads under way counted.
        current: u64,
        /// In bytes.
        limit: u64,
        /// In bytes.
        requested: u64,
    },
    /// The operator has stopped it.
    #[error("Account is inactive")]
    TenantSuspended,
    /// No such version.
    #[error("Version '{version}' of application '{application}' does not exist")]
    UnknownVersion {
        /// Of which application.
        application: ApplicationId,
        /// The version.
        version: VersionName,
    },
    /// Files are not added to what was withdrawn.
    #[error(
        "Version '{0}' was withdrawn: activate it with PATCH isActive=true first, or upload another version"
    )]
    VersionYanked(VersionName),
    /// An upload says something about the version that is not so.
    #[error(
        "Version '{version}' exists with another {field}: leave it out, or change the version with PATCH"
    )]
    VersionDiffers {
        /// The version.
        version: VersionName,
        /// The field of the request.
        field: &'static str,
    },
    /// The version has a file of that name, whatever its case.
    #[error(
        "Version '{version}' has a file '{name}' already: files never change, choose another name or version"
    )]
    DuplicateFile {
        /// The version.
        version: VersionName,
        /// The file's name.
        name: String,
    },
    /// A version has as many files as it can have.
    #[error("Version '{version}' has {most} files, the most that a version can have")]
    TooManyFiles {
        /// The version.
        version: VersionName,
        /// The limit.
        most: usize,
    },
    /// More than this route takes.
    #[error("The file is larger than {limit} bytes: use POST /v1/management/upload/large-url")]
    FileTooLarge {
        /// In bytes.
        limit: u64,
    },
    /// No such upload.
    #[error("Upload '{0}' does not exist")]
    UnknownUpload(UploadId),
    /// Its time is over.
    #[error("Upload '{0}' has expired: begin a new one")]
    UploadExpired(UploadId),
    /// Somebody is sending a part of it.
    #[error("Upload '{0}' is receiving a part right now: wait for that to end, then ask where it stands")]
    UploadBusy(UploadId),
    /// A whole body took the place of the parts that were being sent.
    #[error("Upload '{0}' was replaced, or given up, by another request: ask where it stands")]
    UploadReplaced(UploadId),
    /// Its file is published; bytes that come now would change nothing.
    #[error("Upload '{0}' is complete: begin a new one for another file")]
    UploadCompleted(UploadId),
    /// The bytes have not come yet.
    #[error("Upload '{0}' has not received its file: PUT it to the uploadUrl first")]
    UploadNotReceived(UploadId),
    /// What is said at completion is not what was said at the beginning.
    #[error("The upload was begun with another {field}: leave it out, or begin a new upload")]
    UploadDiffers {
        /// The field of the request.
        field: &'static str,
    },
    /// Bytes are missing or too many.
    #[error("The file has {received} bytes, {declared} were declared")]
    SizeMismatch {
        /// What the request says.
        declared: u64,
        /// What came.
        received: u64,
    },
    /// The bytes are not those that were meant.
    #[error("The file's SHA-256 is {received}, {declared} was declared")]
    DigestMismatch {
        /// What the request says.
        declared: Digest,
        /// Of what came.
        received: Digest,
    },
    /// No such backup.
    #[error("Backup '{0}' does not exist")]
    UnknownBackup(BackupId),
    /// No such edge, or it said goodbye.
    #[error("There is no such edge: GET /v1/control/edges lists those that are known")]
    UnknownEdge,
    /// What all tenants rely on is not one's to change.
    #[error("Edges serve every tenant of this system: ask its operator")]
    OperatorOnly,
    /// It was never finished.
    #[error("Backup '{0}' failed when it was made: choose another")]
    BackupFailed(BackupId),
    /// Its file is not what was written.
    #[error("Backup '{backup}' cannot be read ({why}): choose another")]
    BackupDamaged {
        /// The backup.
        backup: BackupId,
        /// What is wrong with the file.
        why: String,
    },
    /// It would not fit into memory.
    #[error("There is more than a backup holds ({most} records): back up the database file itself")]
    BackupTooLarge {
        /// The limit.
        most: u64,
    },
    /// A tenant has as many backups as it can have.
    #[error(
        "There are {most} backups, the most that there can be: have the operator remove some (tidegate-control-plane backups remove)"
    )]
    TooManyBackups {
        /// The limit.
        most: u64,
    },
    /// It concerns every application.
    #[error("Your key is narrowed to applications, and this concerns all of them: use another admin key")]
    NotForNarrowedKeys,
    /// Nor a longer, wider or faster one than his own.
    #[error(
        "Your key is limited by expiresAt, ipAllowlist or rateLimitRpm: an admin's key that it makes or changes must have limits that are no wider"
    )]
    LimitsNotOwned,
    /// Another write got there in the same moment.
    #[error("This was changed by another request at the same moment: try again")]
    Raced,
}

/// A list for people, bounded: a request with a thousand mistakes does not get a page of them.
fn list<T: Display>(items: &[T]) -> String {
    const MOST: usize = 20;
    let named: Vec<String> = items.iter().take(MOST).map(T::to_string).collect();
    let more = if items.len() > MOST { format!(" and {} more", items.len() - MOST) } else { String::new() };
    named.join(", ") + &more
}

fn sentences(faults: &[FieldFault]) -> String {
    faults.iter().map(FieldFault::to_string).collect::<Vec<_>>().join("; ")
}
