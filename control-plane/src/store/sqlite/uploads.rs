//! Large uploads under way.

use async_trait::async_trait;
use common::digest::Digest;
use common::id::{FileId, KeyId, TenantId, UploadId, VersionId};
use common::tier::TierName;
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::super::{StoreFault, Uploads};
use super::fields::{Fields, number};
use super::{Session, broke};
use crate::domain::upload::{Progress, Upload};
use crate::domain::version::{AddFile, Stored};

const READING: &str = "reading uploads";

fn upload(row: &SqliteRow) -> Result<Upload, StoreFault> {
    let fields = Fields::of(row, READING);
    let command = AddFile {
        application: fields.parsed("application")?,
        version: fields.parsed("version")?,
        file_name: fields.get("file_name")?,
        file_type: fields.parsed("file_type")?,
        content_type: fields.get("content_type")?,
        description: fields.get("description")?,
        release_notes: fields.get("release_notes")?,
        required_tier: fields.parsed_optional("required_tier")?,
        channel: fields.get("channel")?,
        is_enabled: fields.get("is_enabled")?,
    };
    Ok(Upload {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        command,
        declared_size: fields.number("declared_size")?,
        progress: progress(&fields)?,
        created_by: fields.parsed_optional("created_by")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
    })
}

fn progress(fields: &Fields<'_>) -> Result<Progress, StoreFault> {
    let (size, digest) =
        (fields.number_optional("received_size")?, fields.digest_optional("received_digest")?);
    let (Some(size), Some(digest)) = (size, digest) else { return Ok(Progress::Begun) };
    let stored = Stored { size, digest };
    let (version, file) = (fields.parsed_optional("version_id")?, fields.parsed_optional("file_id")?);
    Ok(match (version, file) {
        (Some(version), Some(file)) => Progress::Completed { stored, version, file },
        _ => Progress::Received(stored),
    })
}

#[async_trait]
impl Uploads for Session {
    async fn upload(&mut self, tenant: TenantId, id: &UploadId) -> Result<Option<Upload>, StoreFault> {
        let query = sqlx::query("SELECT * FROM uploads WHERE tenant = ? AND id = ?");
        let query = query.bind(tenant.to_string()).bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(upload).transpose()
    }

    async fn overdue_uploads(
        &mut self,
        now: Timestamp,
        kept_since: Timestamp,
        most: u64,
    ) -> Result<Vec<Upload>, StoreFault> {
        let query = sqlx::query(
            "SELECT * FROM uploads WHERE expires_at <= ? AND (version_id IS NULL OR expires_at <= ?)
             ORDER BY expires_at, row LIMIT ?",
        );
        let query = query.bind(now.millis()).bind(kept_since.millis()).bind(number(most));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(upload).collect()
    }

    async fn refers_to(&mut self, digest: Digest, but: &UploadId) -> Result<bool, StoreFault> {
        let query = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM files WHERE digest = ?1)
             OR EXISTS (SELECT 1 FROM uploads WHERE received_digest = ?1 AND id <> ?2) AS refers",
        );
        let query = query.bind(digest.0.to_vec()).bind(but.as_str());
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        Fields::of(&row, READING).get("refers")
    }
}

/// What came, and what it became, as far as it has come.
fn parts(progress: &Progress) -> (Option<&Stored>, Option<&VersionId>, Option<&FileId>) {
    match progress {
        Progress::Begun => (None, None, None),
        Progress::Received(stored) => (Some(stored), None, None),
        Progress::Completed { stored, version, file } => (Some(stored), Some(version), Some(file)),
    }
}

impl Session {
    pub(super) async fn insert_upload(&mut self, upload: &Upload) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO uploads (id, tenant, application, version, file_name, file_type, content_type, description,
             release_notes, required_tier, channel, is_enabled, declared_size, created_by, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let about = &upload.command;
        let query =
            query.bind(upload.id.as_str()).bind(upload.tenant.to_string()).bind(about.application.as_str());
        let query = query.bind(about.version.as_str()).bind(&about.file_name).bind(about.file_type.as_str());
        let query = query.bind(&about.content_type).bind(&about.description).bind(&about.release_notes);
        let query = query.bind(about.required_tier.as_ref().map(TierName::as_str)).bind(&about.channel);
        let query = query.bind(about.is_enabled).bind(number(upload.declared_size));
        let query =
            query.bind(upload.created_by.as_ref().map(KeyId::as_str)).bind(upload.created_at.millis());
        query.bind(upload.expires_at.millis()).execute(&mut *self.transaction).await?;
        self.update_upload(upload).await
    }

    pub(super) async fn delete_upload(&mut self, id: &UploadId) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM uploads WHERE id = ?").bind(id.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    /// What an upload is about never changes; how far it has come does.
    pub(super) async fn update_upload(&mut self, upload: &Upload) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE uploads SET received_size = ?, received_digest = ?, version_id = ?, file_id = ? WHERE id = ?",
        );
        let (stored, version, file) = parts(&upload.progress);
        let query = query.bind(stored.map(|s| number(s.size))).bind(stored.map(|s| s.digest.0.to_vec()));
        let query = query.bind(version.map(VersionId::as_str)).bind(file.map(FileId::as_str));
        query.bind(upload.id.as_str()).execute(&mut *self.transaction).await.map(drop)
    }
}
