//! Versions and their files: added once, then only shown, hidden or withdrawn.

mod file;

use common::catalog::{self, PRODUCTION};
use common::id::{ApplicationId, TenantId, VersionName};
use common::tier::{Tier, TierName};
use common::wire::address::Address;

use super::application::{Application, living};
use super::change::{Change, Decision, Facts, Noun};
use super::{Context, Edit, Faults, Refusal, field, known_tier};

pub(super) use file::foresee;
pub use file::{
    AddFile, Added, FileFacts, FileFields, MOST_FILES, Stored, add_file, add_unannounced, folded,
};

/// A version of an application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Whose.
    pub tenant: TenantId,
    /// Of which application.
    pub application: ApplicationId,
    /// What every plane knows of it, files included.
    pub facts: catalog::Version,
}

impl Version {
    /// The name of its record.
    #[must_use]
    pub fn address(&self) -> Address {
        Address::Version(self.tenant, self.application.clone(), self.facts.name.clone())
    }

    fn describe(&self) -> Facts {
        let facts = &self.facts;
        let mut said = vec![
            ("channel", facts.channel.clone()),
            ("isActive", facts.is_active.to_string()),
            ("isEnabled", facts.is_enabled.to_string()),
            ("files", facts.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(",")),
        ];
        said.extend(facts.release_notes.iter().map(|notes| ("releaseNotes", notes.clone())));
        said.extend(facts.required_tier.iter().map(|tier| ("requiredTier", tier.to_string())));
        said
    }
}

/// The fields of PATCH as they come.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    /// At most 5 000 characters.
    pub release_notes: Edit<String>,
    /// The tier that a customer needs.
    pub required_tier: Edit<String>,
    /// Who may see it; null for Production.
    pub channel: Edit<String>,
    /// False: withdrawn.
    pub is_active: Option<bool>,
    /// False: a draft.
    pub is_enabled: Option<bool>,
}

/// The command: changes to a version.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Of which application.
    pub application: ApplicationId,
    /// Which version.
    pub version: VersionName,
    release_notes: Edit<String>,
    required_tier: Edit<TierName>,
    channel: Edit<String>,
    is_active: Option<bool>,
    is_enabled: Option<bool>,
}

impl Patch {
    /// Reads the command.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(application: ApplicationId, version: VersionName, fields: Fields) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let patch = Self {
            application,
            version,
            release_notes: faults.edit("releaseNotes", fields.release_notes, field::prose(5_000)),
            required_tier: faults.edit("requiredTier", fields.required_tier, field::text),
            channel: faults.edit("channel", fields.channel, field::word),
            is_active: fields.is_active,
            is_enabled: fields.is_enabled,
        };
        faults.check()?;
        Ok(patch)
    }

    /// The command to withdraw a version: nobody gets it any more.
    #[must_use]
    pub fn yank(application: ApplicationId, version: VersionName) -> Self {
        Self {
            application,
            version,
            release_notes: Edit::Keep,
            required_tier: Edit::Keep,
            channel: Edit::Keep,
            is_active: Some(false),
            is_enabled: None,
        }
    }
}

/// What [`patch`] depends on.
#[derive(Clone, Debug)]
pub struct PatchFacts {
    /// The application.
    pub application: Option<Application>,
    /// The version.
    pub version: Option<Version>,
    /// The tenant's tiers.
    pub tiers: Vec<Tier>,
}

/// Decides on changes to a version.
///
/// # Errors
/// When application, version or tier are unknown.
pub fn patch(command: Patch, facts: PatchFacts, context: &Context) -> Result<Decision<Version>, Refusal> {
    living(facts.application, &command.application)?;
    let Patch { application, version, .. } = &command;
    let unknown = || Refusal::UnknownVersion { application: application.clone(), version: version.clone() };
    let before = facts.version.ok_or_else(unknown)?;
    let mut after = before.clone();
    let required = match command.required_tier {
        Edit::Set(name) => Edit::Set(known_tier(&name, &facts.tiers)?),
        unset => unset,
    };
    required.apply_optional(&mut after.facts.required_tier);
    command.release_notes.apply_optional(&mut after.facts.release_notes);
    command.channel.apply(&mut after.facts.channel, || PRODUCTION.to_owned());
    after.facts.is_active = command.is_active.unwrap_or(after.facts.is_active);
    after.facts.is_enabled = command.is_enabled.unwrap_or(after.facts.is_enabled);
    let mut change = Change::default();
    if after != before {
        after.facts.updated_at = context.now;
        let shown = |version: &Version| version.facts.is_active && version.facts.is_enabled;
        change.audit(
            context,
            "version.change",
            after.address().to_string(),
            (before.describe(), after.describe()),
        );
        change.announce(after.address(), shown(&before) && !shown(&after));
        change.update(Noun::Version(after.clone()));
    }
    Ok(Decision { change, outcome: after })
}
