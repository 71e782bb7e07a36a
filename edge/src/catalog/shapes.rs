//! The JSON of the listings, field by field as clients know it.

use common::catalog::{Application, File, FileType, Version};
use common::digest::Digest;
use common::id::{ApplicationId, FileId, VersionId, VersionName};
use common::page::More;
use common::tier::TierName;
use common::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationShape<'a> {
    application_id: &'a ApplicationId,
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    is_active: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest_version: Option<&'a VersionName>,
}

impl<'a> ApplicationShape<'a> {
    pub(super) fn new(application: &'a Application, latest_version: Option<&'a VersionName>) -> Self {
        Self {
            application_id: &application.id,
            name: &application.name,
            description: &application.description,
            tags: &application.tags,
            is_active: application.is_active,
            created_at: application.created_at,
            updated_at: application.updated_at,
            latest_version,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApplicationsShape<'a> {
    pub(super) applications: Vec<ApplicationShape<'a>>,
    pub(super) is_admin: bool,
    pub(super) is_financial_admin: bool,
    pub(super) pagination: &'a More,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionShape<'a> {
    version_id: &'a VersionId,
    application_id: &'a ApplicationId,
    version: &'a VersionName,
    #[serde(skip_serializing_if = "Option::is_none")]
    release_notes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required_tier: Option<&'a TierName>,
    channel: &'a str,
    is_active: bool,
    is_enabled: bool,
    /// Of the main file, as clients that know one file a version expect.
    file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Digest>,
    download_count: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl<'a> VersionShape<'a> {
    pub(super) fn new(application_id: &'a ApplicationId, version: &'a Version) -> Self {
        let main = version.main_file();
        Self {
            version_id: &version.id,
            application_id,
            version: &version.name,
            release_notes: version.release_notes.as_deref(),
            required_tier: version.required_tier.as_ref(),
            channel: &version.channel,
            is_active: version.is_active,
            is_enabled: version.is_enabled,
            file_size: main.map_or(0, |file| file.size),
            checksum: main.map(|file| file.digest),
            download_count: version.download_count,
            created_at: version.created_at,
            updated_at: version.updated_at,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionsShape<'a> {
    pub(super) application_id: &'a ApplicationId,
    pub(super) versions: Vec<VersionShape<'a>>,
    pub(super) pagination: &'a More,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileShape<'a> {
    file_id: &'a FileId,
    file_name: &'a str,
    file_type: FileType,
    file_size: u64,
    checksum: Digest,
    order: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

impl<'a> FileShape<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self {
            file_id: &file.id,
            file_name: &file.name,
            file_type: file.file_type,
            file_size: file.size,
            checksum: file.digest,
            order: file.order,
            description: file.description.as_deref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FilesShape<'a> {
    pub(super) application_id: &'a ApplicationId,
    pub(super) version: &'a VersionName,
    pub(super) files: Vec<FileShape<'a>>,
    pub(super) pagination: &'a More,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkShape<'a> {
    pub(super) download_id: String,
    pub(super) url: &'a str,
    pub(super) download_url: &'a str,
    pub(super) expires_at: Timestamp,
    pub(super) file_name: &'a str,
    pub(super) file_size: u64,
    pub(super) checksum: Digest,
    pub(super) checksum_algorithm: &'static str,
}
