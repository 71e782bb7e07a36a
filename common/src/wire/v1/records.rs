//! The records, as JSON says them, and their way from and to the types that both planes compute with.

mod key;
mod session;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::catalog::{Application, File, FileType, Version};
use crate::digest::Digest;
use crate::id::{ApplicationId, CustomerId, FileId, VersionId, VersionName};
use crate::key::Digests;
use crate::limit::RequestsPerMinute;
use crate::policy::{CustomerPolicy, KeyPolicy, TenantPolicy};
use crate::session::Revoked;
use crate::tier::{Tier, TierName};
use crate::time::Timestamp;
use crate::wire::Unreadable;
use crate::wire::address::Address;
use key::KeyForm;
use session::SessionForm;

/// What a record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// At [`Address::Tenant`].
    Tenant(TenantPolicy),
    /// At [`Address::Tier`].
    Tier(Tier),
    /// At [`Address::Customer`].
    Customer(CustomerPolicy),
    /// At [`Address::Application`].
    Application(Application),
    /// At [`Address::Version`].
    Version(Version),
    /// At [`Address::Key`], with the digests of its secrets.
    Key(KeyPolicy, Digests),
    /// At [`Address::Session`], while it matters that it was revoked.
    Session(Revoked),
}

/// What this reader understands beyond the fields; a record that requires more is not read. Nothing so far.
const UNDERSTOOD: &[&str] = &[];

impl Record {
    /// The JSON of the record.
    ///
    /// # Errors
    /// Never for records that we made; serde's signature allows it.
    pub fn encode(&self) -> Result<Box<RawValue>, Unreadable> {
        match self {
            Self::Tenant(tenant) => raw(&TenantForm { is_active: tenant.is_active, requires: vec![] }),
            Self::Tier(tier) => raw(&TierForm::from(tier)),
            Self::Customer(customer) => raw(&CustomerForm::from(customer)),
            Self::Application(application) => raw(&ApplicationForm::from(application)),
            Self::Version(version) => raw(&VersionForm::from(version)),
            Self::Key(key, digests) => raw(&KeyForm::new(key, *digests)),
            Self::Session(session) => raw(&SessionForm::from(session)),
        }
    }

    /// Reads the JSON of the record at `address`.
    ///
    /// # Errors
    /// When it does not have the form, or requires something that this reader does not understand.
    pub fn decode(address: &Address, json: &str) -> Result<Self, Unreadable> {
        match address {
            Address::Tenant(id) => {
                let form: TenantForm = read(json)?;
                understood(&form.requires)?;
                Ok(Self::Tenant(TenantPolicy { id: *id, is_active: form.is_active }))
            }
            Address::Tier(_, name) => read::<TierForm>(json)?.into_tier(name.clone()).map(Self::Tier),
            Address::Customer(_, id) => {
                read::<CustomerForm>(json)?.into_policy(id.clone()).map(Self::Customer)
            }
            Address::Application(_, id) => {
                read::<ApplicationForm>(json)?.into_application(id.clone()).map(Self::Application)
            }
            Address::Version(_, _, name) => {
                read::<VersionForm>(json)?.into_version(name.clone()).map(Self::Version)
            }
            Address::Key(id) => {
                read::<KeyForm>(json)?.into_policy(id.clone()).map(|(key, digests)| Self::Key(key, digests))
            }
            Address::Session(id) => read::<SessionForm>(json)?.into_revoked(id.clone()).map(Self::Session),
        }
    }
}

fn raw(form: &impl Serialize) -> Result<Box<RawValue>, Unreadable> {
    serde_json::value::to_raw_value(form).map_err(|e| Unreadable::json("record", &e))
}

fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, Unreadable> {
    serde_json::from_str(json).map_err(|e| Unreadable::json("record", &e))
}

/// Counts begin absent, so that a version that nobody downloaded reads as it always did.
fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn understood(requires: &[String]) -> Result<(), Unreadable> {
    let known = requires.iter().all(|r| UNDERSTOOD.contains(&r.as_str()));
    if known { Ok(()) } else { Err(Unreadable::new("record: it requires a newer edge")) }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TenantForm {
    is_active: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TierForm {
    rank: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate_limit_rpm: Option<RequestsPerMinute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_concurrent_downloads: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes_per_second: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

impl From<&Tier> for TierForm {
    fn from(tier: &Tier) -> Self {
        Self {
            rank: tier.rank,
            rate_limit_rpm: tier.rate_limit,
            max_concurrent_downloads: tier.max_concurrent_downloads,
            bytes_per_second: tier.bytes_per_second,
            requires: vec![],
        }
    }
}

impl TierForm {
    fn into_tier(self, name: TierName) -> Result<Tier, Unreadable> {
        understood(&self.requires)?;
        Ok(Tier {
            name,
            rank: self.rank,
            rate_limit: self.rate_limit_rpm,
            max_concurrent_downloads: self.max_concurrent_downloads,
            bytes_per_second: self.bytes_per_second,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomerForm {
    tier: TierName,
    is_active: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    applications: Vec<ApplicationId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

impl From<&CustomerPolicy> for CustomerForm {
    fn from(customer: &CustomerPolicy) -> Self {
        Self {
            tier: customer.tier.clone(),
            is_active: customer.is_active,
            channels: customer.channels.clone(),
            applications: customer.applications.clone(),
            requires: vec![],
        }
    }
}

impl CustomerForm {
    fn into_policy(self, id: CustomerId) -> Result<CustomerPolicy, Unreadable> {
        understood(&self.requires)?;
        Ok(CustomerPolicy {
            id,
            tier: self.tier,
            channels: self.channels,
            is_active: self.is_active,
            applications: self.applications,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApplicationForm {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    is_active: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

impl From<&Application> for ApplicationForm {
    fn from(application: &Application) -> Self {
        Self {
            name: application.name.clone(),
            description: application.description.clone(),
            tags: application.tags.clone(),
            is_active: application.is_active,
            created_at: application.created_at,
            updated_at: application.updated_at,
            requires: vec![],
        }
    }
}

impl ApplicationForm {
    fn into_application(self, id: ApplicationId) -> Result<Application, Unreadable> {
        understood(&self.requires)?;
        Ok(Application {
            id,
            name: self.name,
            description: self.description,
            tags: self.tags,
            is_active: self.is_active,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionForm {
    version_id: VersionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    release_notes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    required_tier: Option<TierName>,
    channel: String,
    is_active: bool,
    is_enabled: bool,
    files: Vec<FileForm>,
    #[serde(default, skip_serializing_if = "is_zero")]
    download_count: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    requires: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileForm {
    file_id: FileId,
    file_name: String,
    file_type: FileType,
    content_type: String,
    size: u64,
    sha256: Digest,
    order: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl From<&Version> for VersionForm {
    fn from(version: &Version) -> Self {
        let file = |file: &File| FileForm {
            file_id: file.id.clone(),
            file_name: file.name.clone(),
            file_type: file.file_type,
            content_type: file.content_type.clone(),
            size: file.size,
            sha256: file.digest,
            order: file.order,
            description: file.description.clone(),
        };
        Self {
            version_id: version.id.clone(),
            release_notes: version.release_notes.clone(),
            required_tier: version.required_tier.clone(),
            channel: version.channel.clone(),
            is_active: version.is_active,
            is_enabled: version.is_enabled,
            files: version.files.iter().map(file).collect(),
            download_count: version.download_count,
            created_at: version.created_at,
            updated_at: version.updated_at,
            requires: vec![],
        }
    }
}

impl VersionForm {
    fn into_version(self, name: VersionName) -> Result<Version, Unreadable> {
        understood(&self.requires)?;
        let file = |file: FileForm| File {
            id: file.file_id,
            name: file.file_name,
            file_type: file.file_type,
            content_type: file.content_type,
            size: file.size,
            digest: file.sha256,
            order: file.order,
            description: file.description,
        };
        Ok(Version {
            id: self.version_id,
            name,
            release_notes: self.release_notes,
            required_tier: self.required_tier,
            channel: self.channel,
            is_active: self.is_active,
            is_enabled: self.is_enabled,
            files: self.files.into_iter().map(file).collect(),
            download_count: self.download_count,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
