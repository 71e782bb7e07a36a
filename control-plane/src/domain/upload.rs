//! Large uploads: begun with everything that can be refused early, received as bare bytes, completed into a version.

use common::digest::Digest;
use common::id::{FileId, KeyId, TenantId, UploadId, VersionId};
use common::time::Timestamp;
use rand::Rng;
use std::time::Duration;

use super::application::{Application, living};
use super::change::{Change, Decision, Noun, Row};
use super::tenant::Tenant;
use super::version::{AddFile, Added, FileFacts, FileFields, Stored, add_file, foresee};
use super::{Context, Faults, Refusal, field};

/// No file is larger: a PiB.
const LARGEST: u64 = 1 << 50;

/// How long an upload may take from its beginning to its completion.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a completed upload is remembered after its time, so that completing it again gives the same answer.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How far an upload has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Nothing has come.
    Begun,
    /// The bytes lie in the store; nobody sees them.
    Received(Stored),
    /// They are a file of a version.
    Completed {
        /// What came.
        stored: Stored,
        /// The version.
        version: VersionId,
        /// The file.
        file: FileId,
    },
}

/// A large upload under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Whose.
    pub tenant: TenantId,
    /// What the bytes will be.
    pub command: AddFile,
    /// How many bytes were announced.
    pub declared_size: u64,
    /// How far it has come.
    pub progress: Progress,
    /// Who began it.
    pub created_by: Option<KeyId>,
    /// When.
    pub created_at: Timestamp,
    /// When it may no longer go on.
    pub expires_at: Timestamp,
}

impl Upload {
    fn target(&self) -> String {
        format!("upload:{}", self.id)
    }
}

/// The command: a large upload.
#[derive(Clone, Debug)]
pub struct Begin {
    /// What the bytes will be.
    pub file: AddFile,
    size: u64,
}

impl Begin {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(fields: FileFields, file_size: Option<u64>) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let size = faults.required("fileSize", file_size, |size| {
            if (1..=LARGEST).contains(&size) { Ok(size) } else { Err(format!("must be 1 to {LARGEST}")) }
        });
        match (AddFile::collect(fields, &mut faults), size) {
            (Some(file), Some(size)) => Ok(Self { file, size }),
            _ => Err(faults.refuse()),
        }
    }
}

/// Decides on a large upload, refusing now what would be refused at its completion.
///
/// # Errors
/// As [`add_file`], and when the tenant may not store so much.
pub fn begin(
    command: Begin,
    facts: FileFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Upload>, Refusal> {
    let usage = facts.usage;
    foresee(&command.file, facts, context, rng)?;
    usage.admit(command.size)?;
    let upload = Upload {
        id: UploadId::generate(rng),
        tenant: context.tenant,
        command: command.file,
        declared_size: command.size,
        progress: Progress::Begun,
        created_by: context.actor.key.clone(),
        created_at: context.now,
        expires_at: context.now.plus(LIFETIME),
    };
    let mut change = Change::default();
    let after = vec![
        ("applicationId", upload.command.application.to_string()),
        ("version", upload.command.version.to_string()),
        ("fileName", upload.command.file_name.clone()),
        ("fileSize", upload.declared_size.to_string()),
    ];
    change.audit(context, "upload.begin", upload.target(), (vec![], after));
    change.insert(Noun::Upload(upload.clone()));
    Ok(Decision { change, outcome: upload })
}

/// Whether those whom an upload is for still want it: a ticket is no key, and is not asked about in any other way.
///
/// # Errors
/// When the tenant is suspended, or the application was deleted meanwhile.
pub fn is_wanted(
    upload: &Upload,
    tenant: Option<&Tenant>,
    application: Option<Application>,
) -> Result<(), Refusal> {
    if !tenant.is_some_and(|tenant| tenant.is_active) {
        return Err(Refusal::TenantSuspended);
    }
    living(application, &upload.command.application).map(drop)
}

/// Whether bytes may come now, before any is read.
///
/// # Errors
/// When there is no such upload, it is complete or past its time.
pub fn may_receive(id: &UploadId, existing: Option<Upload>, context: &Context) -> Result<Upload, Refusal> {
    let upload = own(id, existing, context)?;
    if let Progress::Completed { .. } = upload.progress {
        return Err(Refusal::UploadCompleted(upload.id));
    }
    if upload.expires_at <= context.now {
        return Err(Refusal::UploadExpired(upload.id));
    }
    Ok(upload)
}

fn own(id: &UploadId, existing: Option<Upload>, context: &Context) -> Result<Upload, Refusal> {
    existing
        .filter(|upload| upload.tenant == context.tenant)
        .ok_or_else(|| Refusal::UnknownUpload(id.clone()))
}

/// Notes that the bytes lie in the store. Sent again, the later ones count, until the upload is completed.
///
/// # Errors
/// As [`may_receive`], and when they are not as many as were announced.
pub fn receive(
    id: &UploadId,
    existing: Option<Upload>,
    stored: Stored,
    context: &Context,
) -> Result<Decision<Upload>, Refusal> {
    let mut upload = may_receive(id, existing, context)?;
    if upload.declared_size != stored.size {
        return Err(Refusal::SizeMismatch { declared: upload.declared_size, received: stored.size });
    }
    let mut change = Change::default();
    if upload.progress != Progress::Received(stored) {
        upload.progress = Progress::Received(stored);
        change.audit(
            context,
            "upload.receive",
            upload.target(),
            (vec![], vec![("checksum", stored.digest.to_string())]),
        );
        change.update(Noun::Upload(upload.clone()));
    }
    Ok(Decision { change, outcome: upload })
}

/// Gives an upload up: what came of it goes.
///
/// # Errors
/// As [`may_receive`].
pub fn abandon(
    id: &UploadId,
    existing: Option<Upload>,
    context: &Context,
) -> Result<Decision<Upload>, Refusal> {
    let upload = may_receive(id, existing, context)?;
    Ok(end(upload, "upload.abandon", context))
}

/// Ends an upload whose time is over; `None` while it is not.
#[must_use]
pub fn expire(upload: Upload, context: &Context) -> Option<Decision<Upload>> {
    let kept = match upload.progress {
        Progress::Begun | Progress::Received(_) => Duration::ZERO,
        Progress::Completed { .. } => REMEMBERED,
    };
    (upload.expires_at.plus(kept) <= context.now).then(|| end(upload, "upload.expire", context))
}

fn end(upload: Upload, action: &'static str, context: &Context) -> Decision<Upload> {
    let mut change = Change::default();
    let before = vec![("fileName", upload.command.file_name.clone())];
    change.audit(context, action, upload.target(), (before, vec![]));
    change.rows.push(Row::EndUpload(upload.id.clone()));
    Decision { change, outcome: upload }
}

/// The fields of the completion as they come: the short form names the upload, the long one repeats what it is about.
#[derive(Clone, Debug, Default)]
pub struct CompleteFields {
    /// Which upload.
    pub upload_id: Option<String>,
    /// At most 5 000 characters; wins over what was said at the beginning.
    pub release_notes: Option<String>,
    /// Checked when sent.
    pub application_id: Option<String>,
    /// Checked when sent.
    pub version: Option<String>,
    /// Checked when sent.
    pub file_name: Option<String>,
    /// Checked when sent.
    pub file_size: Option<u64>,
    /// SHA-256 in hexadecimal; checked when sent.
    pub checksum: Option<String>,
}

/// The command: publish what an upload brought.
#[derive(Clone, Debug)]
pub struct Complete {
    /// Which.
    pub id: UploadId,
    release_notes: Option<String>,
    application: Option<String>,
    version: Option<String>,
    file_name: Option<String>,
    size: Option<u64>,
    digest: Option<Digest>,
}

impl Complete {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(fields: CompleteFields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let id = faults.required("uploadId", fields.upload_id, field::text);
        let release_notes = faults.optional("releaseNotes", fields.release_notes, field::prose(5_000));
        let checksum = fields.checksum.filter(|text| !text.is_empty());
        let digest = faults.optional("checksum", checksum, |text| bare_digest(&text).parse());
        let file_name = fields.file_name.filter(|text| !text.is_empty());
        let file_name =
            faults.optional("fileName", file_name, |name| common::catalog::parse_file_name(&name));
        let Some(id) = id else { return Err(faults.refuse()) };
        faults.check()?;
        Ok(Self {
            id,
            release_notes: release_notes.filter(|text| !text.is_empty()),
            application: fields.application_id,
            version: fields.version,
            file_name,
            size: fields.file_size,
            digest,
        })
    }

    /// Whether it speaks of this upload and what came for it.
    fn check(&self, upload: &Upload, stored: Stored) -> Result<(), Refusal> {
        let about = &upload.command;
        let claims = [
            ("applicationId", &self.application, about.application.as_str()),
            ("version", &self.version, about.version.as_str()),
            ("fileName", &self.file_name, about.file_name.as_str()),
        ];
        for (field, claim, truth) in claims {
            if claim.as_deref().is_some_and(|claim| claim != truth) {
                return Err(Refusal::UploadDiffers { field });
            }
        }
        match (self.size, self.digest) {
            (Some(declared), _) if declared != stored.size => {
                Err(Refusal::SizeMismatch { declared, received: stored.size })
            }
            (_, Some(declared)) if declared != stored.digest => {
                Err(Refusal::DigestMismatch { declared, received: stored.digest })
            }
            _ => Ok(()),
        }
    }
}

/// Clients also write `sha256:…`.
fn bare_digest(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix("sha256:").or_else(|| text.strip_prefix("SHA256:")).unwrap_or(text)
}

/// What [`complete`] depends on.
#[derive(Clone, Debug)]
pub struct CompleteFacts {
    /// The upload.
    pub upload: Option<Upload>,
    /// About its application and version.
    pub file: FileFacts,
}

/// Decides on publishing what came. Repeated, it gives the same answer and changes nothing.
///
/// # Errors
/// When there is no such upload, nothing came, it is not what the command says, or as [`add_file`].
pub fn complete(
    command: Complete,
    facts: CompleteFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Added>, Refusal> {
    let mut upload = own(&command.id, facts.upload, context)?;
    let stored = match &upload.progress {
        // Nothing can be sent any more: whoever is told to send it would be refused.
        Progress::Begun if upload.expires_at <= context.now => return Err(Refusal::UploadExpired(upload.id)),
        Progress::Begun => return Err(Refusal::UploadNotReceived(upload.id)),
        Progress::Received(stored) => *stored,
        Progress::Completed { stored, file, .. } => {
            command.check(&upload, *stored)?;
            let file = file.clone();
            return again(&upload, &file, facts.file);
        }
    };
    command.check(&upload, stored)?;
    if upload.expires_at <= context.now {
        return Err(Refusal::UploadExpired(upload.id));
    }
    let mut file = upload.command.clone();
    file.release_notes = command.release_notes.or(file.release_notes);
    let Decision { mut change, outcome } = add_file(file, stored, facts.file, context, rng)?;
    upload.progress = Progress::Completed {
        stored,
        version: outcome.version.facts.id.clone(),
        file: outcome.file.id.clone(),
    };
    change.update(Noun::Upload(upload));
    Ok(Decision { change, outcome })
}

/// The answer that the first completion had, from what became of it.
fn again(upload: &Upload, file: &FileId, facts: FileFacts) -> Result<Decision<Added>, Refusal> {
    let found = facts.version.and_then(|version| {
        let file = version.facts.files.iter().find(|candidate| candidate.id == *file)?.clone();
        Some(Added { version, file })
    });
    let outcome = found.ok_or_else(|| Refusal::UploadCompleted(upload.id.clone()))?;
    Ok(Decision { change: Change::default(), outcome })
}
