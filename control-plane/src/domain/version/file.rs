//! A file for a version, which comes into being with its first one.

use common::catalog::{self, File, FileType, InvalidForm, PRODUCTION};
use common::digest::Digest;
use common::id::{ApplicationId, FileId, VersionId, VersionName};
use common::tier::{Tier, TierName};
use rand::Rng;

use super::super::activity::Activity;
use super::super::application::{Application, living};
use super::super::change::{Change, Decision, Noun, Row};
use super::super::quota::Usage;
use super::super::{Context, Edit, Faults, Refusal, field, known_tier};
use super::Version;

/// The most files that a version can have.
pub const MOST_FILES: usize = 500;

/// The fields of an upload as they come, whatever way the bytes take.
#[derive(Clone, Debug, Default)]
pub struct FileFields {
    /// Which application.
    pub application_id: Option<String>,
    /// The version's number or name.
    pub version: Option<String>,
    /// The file's name.
    pub file_name: Option<String>,
    /// MAIN, DEPENDENCY, DOCUMENTATION or CONFIGURATION; guessed from the name when absent.
    pub file_type: Option<String>,
    /// Default application/octet-stream.
    pub content_type: Option<String>,
    /// At most 2 000 characters, about the file.
    pub description: Option<String>,
    /// At most 5 000 characters, about the version.
    pub release_notes: Option<String>,
    /// The tier that a customer needs.
    pub required_tier: Option<String>,
    /// Who may see it; default Production.
    pub channel: Option<String>,
    /// False: a draft.
    pub is_enabled: Option<bool>,
}

/// The command: a file for a version, which comes into being with its first one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddFile {
    /// Which application.
    pub application: ApplicationId,
    /// Which version.
    pub version: VersionName,
    /// The file's name, in NFKC.
    pub file_name: String,
    /// What it is for.
    pub file_type: FileType,
    /// What it is served as.
    pub content_type: String,
    /// About the file.
    pub description: Option<String>,
    /// About the version.
    pub release_notes: Option<String>,
    /// The tier that a customer needs.
    pub required_tier: Option<TierName>,
    /// Who may see the version.
    pub channel: Option<String>,
    /// False: a draft. `None`: as the house has it.
    pub is_enabled: Option<bool>,
}

impl AddFile {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(fields: FileFields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        Self::collect(fields, &mut faults).map_or_else(|| Err(faults.refuse()), Ok)
    }

    /// Like [`AddFile::parse`] for a command that has more fields: `None` when any has a fault.
    pub(in crate::domain) fn collect(fields: FileFields, faults: &mut Faults) -> Option<Self> {
        let application = faults.required("applicationId", fields.application_id, field::text);
        let version = faults.required("version", fields.version, field::text);
        let file_name = faults.required("fileName", fields.file_name, |name| catalog::parse_file_name(&name));
        let file_type = faults.edit("fileType", or_guess(fields.file_type), field::text::<FileType>);
        let content_type = faults.optional("contentType", said(fields.content_type), content_type);
        let description = faults.optional("description", fields.description, field::prose(2_000));
        let release_notes = faults.optional("releaseNotes", fields.release_notes, field::prose(5_000));
        let required_tier =
            faults.edit("requiredTier", or_guess(fields.required_tier), field::text::<TierName>);
        let channel = faults.optional("channel", said(fields.channel), field::word);
        let file_name = file_name?;
        Some(Self {
            application: application?,
            version: version?,
            file_type: file_type.set().copied().unwrap_or_else(|| FileType::guess(&file_name)),
            file_name,
            content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
            description: description.filter(|text| !text.is_empty()),
            release_notes: release_notes.filter(|text| !text.is_empty()),
            required_tier: required_tier.set().cloned(),
            channel,
            is_enabled: fields.is_enabled,
        })
        .filter(|_| faults.is_empty())
    }
}

/// Forms of web pages send empty text for what was left out.
fn said(raw: Option<String>) -> Option<String> {
    raw.filter(|text| !text.trim().is_empty())
}

fn or_guess(raw: Option<String>) -> Edit<String> {
    said(raw).into()
}

/// A media type (RFC 9110 section 8.3.1) of at most 100 characters; only what a header can carry.
fn content_type(text: String) -> Result<String, InvalidForm> {
    let (kind, rest) = text.split_once('/').unwrap_or_default();
    let fits = text.len() <= 100 && text.bytes().all(|b| (b' '..=b'~').contains(&b));
    let shaped = !kind.is_empty() && !rest.is_empty() && !kind.contains(' ');
    if fits && shaped {
        Ok(text)
    } else {
        Err(InvalidForm("must be a media type of at most 100 characters, like application/zip"))
    }
}

/// What is known of bytes that lie in the store: counted and hashed by us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stored {
    /// In bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
}

/// What adding a file depends on.
#[derive(Clone, Debug)]
pub struct FileFacts {
    /// The application.
    pub application: Option<Application>,
    /// The version, when it has files already.
    pub version: Option<Version>,
    /// The tenant's tiers.
    pub tiers: Vec<Tier>,
    /// Whether a version is shown when nobody says.
    pub enabled_by_default: bool,
    /// What the tenant stores.
    pub usage: Usage,
}

/// Whether the file could be added, before its bytes are there; gives the version as it will be, without the file.
///
/// # Errors
/// Every reason but the bytes themselves.
pub(in crate::domain) fn foresee(
    command: &AddFile,
    facts: FileFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Version, Refusal> {
    living(facts.application, &command.application)?;
    let required = command.required_tier.as_ref().map(|name| known_tier(name, &facts.tiers)).transpose()?;
    match facts.version {
        Some(version) => {
            fits(command, required.as_ref(), &version)?;
            Ok(version)
        }
        None => Ok(Version {
            tenant: context.tenant,
            application: command.application.clone(),
            facts: catalog::Version {
                id: VersionId::generate(rng),
                name: command.version.clone(),
                release_notes: None,
                required_tier: required,
                channel: command.channel.clone().unwrap_or_else(|| PRODUCTION.to_owned()),
                is_active: true,
                is_enabled: command.is_enabled.unwrap_or(facts.enabled_by_default),
                files: vec![],
                download_count: 0,
                created_at: context.now,
                updated_at: context.now,
            },
        }),
    }
}

/// Whoever may only upload must not, by one more file, change who gets the version.
fn fits(command: &AddFile, required: Option<&TierName>, version: &Version) -> Result<(), Refusal> {
    let (facts, name) = (&version.facts, command.version.clone());
    let differs = |field| Err(Refusal::VersionDiffers { version: command.version.clone(), field });
    if !facts.is_active {
        return Err(Refusal::VersionYanked(name));
    }
    if required.is_some() && required != facts.required_tier.as_ref() {
        return differs("requiredTier");
    }
    if command.channel.as_ref().is_some_and(|channel| !channel.eq_ignore_ascii_case(&facts.channel)) {
        return differs("channel");
    }
    if command.is_enabled.is_some_and(|enabled| enabled != facts.is_enabled) {
        return differs("isEnabled");
    }
    let wanted = folded(&command.file_name);
    if facts.files.iter().any(|file| folded(&file.name) == wanted) {
        return Err(Refusal::DuplicateFile { version: name, name: command.file_name.clone() });
    }
    if facts.files.len() >= MOST_FILES {
        return Err(Refusal::TooManyFiles { version: name, most: MOST_FILES });
    }
    Ok(())
}

/// A file name as systems that know no case see it.
#[must_use]
pub fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// A file that was added, with its version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Added {
    /// The version with the file.
    pub version: Version,
    /// The file.
    pub file: File,
}

/// Decides on a file that comes without having been announced: there must be a place for it.
///
/// # Errors
/// As [`add_file`], and when the tenant may not store so much.
pub fn add_unannounced(
    command: AddFile,
    stored: Stored,
    facts: FileFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Added>, Refusal> {
    facts.usage.admit(stored.size)?;
    add_file(command, stored, facts, context, rng)
}

/// Decides on a file whose bytes lie in the store, and whose place was counted before.
///
/// # Errors
/// When the application or tier is unknown, the version has such a file, was withdrawn, or is not as the command says.
pub fn add_file(
    command: AddFile,
    stored: Stored,
    facts: FileFacts,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<Added>, Refusal> {
    let existing = facts.version.clone();
    let mut version = foresee(&command, facts, context, rng)?;
    let order = version.facts.files.last().map_or(0, |file| file.order.saturating_add(1));
    let file = File {
        id: FileId::generate(rng),
        name: command.file_name,
        file_type: command.file_type,
        content_type: command.content_type,
        size: stored.size,
        digest: stored.digest,
        order,
        description: command.description,
    };
    version.facts.files.push(file.clone());
    version.facts.updated_at = context.now;
    version.facts.release_notes = command.release_notes.or(version.facts.release_notes);
    let mut change = Change::default();
    let before = existing.as_ref().map(Version::describe).unwrap_or_default();
    change.audit(context, "version.upload", version.address().to_string(), (before, version.describe()));
    change.announce(version.address(), false);
    let noun = Noun::Version(version.clone());
    change.rows.push(if existing.is_some() { Row::Update(noun) } else { Row::Insert(noun) });
    change.rows.push(Row::AddFile { version: version.facts.id.clone(), file: file.clone(), at: context.now });
    change.rows.push(Row::Happened(Box::new(Activity::upload(&version, &file, context))));
    Ok(Decision { change, outcome: Added { version, file } })
}
