//! Applications, versions and files as lines.

use common::catalog::{self, FileType};
use common::digest::Digest;
use common::id::{ApplicationId, FileId, TenantId, VersionId, VersionName};
use common::tier::TierName;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::application::Application;
use crate::domain::version::Version;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApplicationForm {
    id: ApplicationId,
    name: String,
    description: String,
    tags: Vec<String>,
    is_active: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionForm {
    id: VersionId,
    application: ApplicationId,
    name: VersionName,
    release_notes: Option<String>,
    required_tier: Option<TierName>,
    channel: String,
    is_active: bool,
    is_enabled: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileForm {
    id: FileId,
    name: String,
    file_type: FileType,
    content_type: String,
    size: u64,
    digest: Digest,
    order: u32,
    description: Option<String>,
    added_at: Timestamp,
}

impl ApplicationForm {
    pub(super) fn of(application: &Application) -> Self {
        let Application { tenant: _, facts, deleted_at } = application.clone();
        let catalog::Application { id, name, description, tags, is_active, created_at, updated_at } = facts;
        Self { id, name, description, tags, is_active, created_at, updated_at, deleted_at }
    }

    pub(super) fn application(self, tenant: TenantId) -> Application {
        let Self { id, name, description, tags, is_active, created_at, updated_at, deleted_at } = self;
        let facts = catalog::Application { id, name, description, tags, is_active, created_at, updated_at };
        Application { tenant, facts, deleted_at }
    }
}

impl VersionForm {
    pub(super) fn of(version: &Version) -> Self {
        let facts = &version.facts;
        Self {
            id: facts.id.clone(),
            application: version.application.clone(),
            name: facts.name.clone(),
            release_notes: facts.release_notes.clone(),
            required_tier: facts.required_tier.clone(),
            channel: facts.channel.clone(),
            is_active: facts.is_active,
            is_enabled: facts.is_enabled,
            created_at: facts.created_at,
            updated_at: facts.updated_at,
        }
    }

    /// Without its files, which follow.
    pub(super) fn version(self, tenant: TenantId) -> Version {
        let facts = catalog::Version {
            id: self.id,
            name: self.name,
            release_notes: self.release_notes,
            required_tier: self.required_tier,
            channel: self.channel,
            is_active: self.is_active,
            is_enabled: self.is_enabled,
            files: vec![],
            // Counted here, not restored: what was downloaded elsewhere is told there.
            download_count: 0,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Version { tenant, application: self.application, facts }
    }
}

impl FileForm {
    pub(super) fn of(file: &catalog::File, added_at: Timestamp) -> Self {
        let catalog::File { id, name, file_type, content_type, size, digest, order, description } =
            file.clone();
        Self { id, name, file_type, content_type, size, digest, order, description, added_at }
    }

    /// The file, and when it came.
    pub(super) fn file(self) -> (catalog::File, Timestamp) {
        let Self { id, name, file_type, content_type, size, digest, order, description, added_at } = self;
        let file = catalog::File { id, name, file_type, content_type, size, digest, order, description };
        (file, added_at)
    }
}
