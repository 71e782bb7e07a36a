//! Versions with their files.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::catalog::{self, File};
use common::id::{ApplicationId, TenantId, VersionId, VersionName};
use common::tier::TierName;
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::super::{StoreFault, Versions};
use super::fields::{Fields, json, number};
use super::{Query, Session, broke};
use crate::domain::version::{Version, folded};

const READING: &str = "reading versions";

/// A version without its files.
pub(super) fn version(row: &SqliteRow) -> Result<Version, StoreFault> {
    let fields = Fields::of(row, READING);
    let facts = catalog::Version {
        id: fields.parsed("id")?,
        name: fields.parsed("name")?,
        release_notes: fields.get("release_notes")?,
        required_tier: fields.parsed_optional("required_tier")?,
        channel: fields.get("channel")?,
        is_active: fields.get("is_active")?,
        is_enabled: fields.get("is_enabled")?,
        files: vec![],
        download_count: fields.number("download_count")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    };
    Ok(Version { tenant: fields.parsed("tenant")?, application: fields.parsed("application")?, facts })
}

fn file(row: &SqliteRow) -> Result<File, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(File {
        id: fields.parsed("id")?,
        name: fields.get("name")?,
        file_type: fields.parsed("file_type")?,
        content_type: fields.get("content_type")?,
        size: fields.number("size")?,
        digest: fields.digest("digest")?,
        order: fields.number("position")?,
        description: fields.get("description")?,
    })
}

#[async_trait]
impl Versions for Session {
    async fn version(
        &mut self,
        tenant: TenantId,
        application: &ApplicationId,
        name: &VersionName,
    ) -> Result<Option<Version>, StoreFault> {
        let query = sqlx::query("SELECT * FROM versions WHERE tenant = ? AND application = ? AND name = ?");
        let query = query.bind(tenant.to_string()).bind(application.as_str()).bind(name.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        let found = self.with_files(row.as_ref().map(version).transpose()?.into_iter().collect()).await?;
        Ok(found.into_iter().next())
    }

    async fn versions(
        &mut self,
        tenant: TenantId,
        application: &ApplicationId,
    ) -> Result<Vec<Version>, StoreFault> {
        let query = sqlx::query("SELECT * FROM versions WHERE tenant = ? AND application = ? ORDER BY row");
        let query = query.bind(tenant.to_string()).bind(application.as_str());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        self.with_files(rows.iter().map(version).collect::<Result<_, _>>()?).await
    }

    async fn outlines(
        &mut self,
        tenant: TenantId,
        ids: &[ApplicationId],
    ) -> Result<Vec<Version>, StoreFault> {
        let query = sqlx::query(
            "SELECT versions.* FROM json_each(?) JOIN versions ON application = value
             WHERE tenant = ? ORDER BY versions.row",
        );
        let query = query.bind(json(ids).map_err(broke(READING))?).bind(tenant.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(version).collect()
    }
}

fn bind<'q>(query: Query<'q>, version: &Version) -> Query<'q> {
    let facts = &version.facts;
    let query = query.bind(&facts.release_notes).bind(facts.required_tier.as_ref().map(TierName::as_str));
    let query = query.bind(&facts.channel).bind(facts.is_active).bind(facts.is_enabled);
    query.bind(facts.updated_at.millis()).bind(facts.id.as_str())
}

impl Session {
    /// The versions, each with its files by order: one query for all of them.
    pub(super) async fn with_files(
        &mut self,
        mut versions: Vec<Version>,
    ) -> Result<Vec<Version>, StoreFault> {
        let ids: Vec<&VersionId> = versions.iter().map(|version| &version.facts.id).collect();
        let query = sqlx::query(
            "SELECT files.* FROM json_each(?) JOIN files ON files.version = value ORDER BY files.version, position",
        );
        let query = query.bind(json(&ids).map_err(broke(READING))?);
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let mut files: BTreeMap<VersionId, Vec<File>> = BTreeMap::new();
        for row in &rows {
            files.entry(Fields::of(row, READING).parsed("version")?).or_default().push(file(row)?);
        }
        for version in &mut versions {
            version.facts.files = files.remove(&version.facts.id).unwrap_or_default();
        }
        Ok(versions)
    }

    pub(super) async fn insert_version(&mut self, version: &Version) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO versions (release_notes, required_tier, channel, is_active, is_enabled, updated_at, id,
             tenant, application, name, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = bind(query, version).bind(version.tenant.to_string()).bind(version.application.as_str());
        let query = query.bind(version.facts.name.as_str()).bind(version.facts.created_at.millis());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn update_version(&mut self, version: &Version) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE versions SET release_notes = ?, required_tier = ?, channel = ?, is_active = ?, is_enabled = ?,
             updated_at = ? WHERE id = ?",
        );
        bind(query, version).execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn insert_file(
        &mut self,
        version: &VersionId,
        file: &File,
        at: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO files (id, version, position, name, name_key, file_type, content_type, size, digest,
             description, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = query.bind(file.id.as_str()).bind(version.as_str()).bind(file.order);
        let query = query.bind(&file.name).bind(folded(&file.name)).bind(file.file_type.as_str());
        let query = query.bind(&file.content_type).bind(number(file.size)).bind(file.digest.0.as_slice());
        query.bind(&file.description).bind(at.millis()).execute(&mut *self.transaction).await.map(drop)
    }
}
