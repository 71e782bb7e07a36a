//! Backups, and everything that goes into one.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::cursor::Place;
use common::id::{BackupId, FileId, TenantId};
use common::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{Backups, Listed, Slice, StoreFault, Tenants as _};
use super::fields::{Fields, number};
use super::{Query, Session, applications, broke, customers, keys, tenants, versions};
use crate::domain::backup::{Backup, Cause, Contents, Rhythm};

const READING: &str = "reading backups";

fn backup(row: &SqliteRow) -> Result<Backup, StoreFault> {
    let fields = Fields::of(row, READING);
    let cause = match fields.get::<&str>("cause")? {
        "AUTOMATIC" => Cause::Automatic,
        "MANUAL" => Cause::Manual,
        _ => return Err(StoreFault::new(READING, "a cause that is none")),
    };
    Ok(Backup {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        cause,
        size: fields.number_optional("size")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time_optional("expires_at")?,
    })
}

#[async_trait]
impl Backups for Session {
    async fn count_records(&mut self, tenant: TenantId) -> Result<u64, StoreFault> {
        let query = sqlx::query(
            "SELECT (SELECT count(*) FROM tiers WHERE tenant = ?1) + (SELECT count(*) FROM customers WHERE tenant = ?1)
             + (SELECT count(*) FROM grants WHERE tenant = ?1) + (SELECT count(*) FROM applications WHERE tenant = ?1)
             + (SELECT count(*) FROM versions WHERE tenant = ?1) + (SELECT count(*) FROM keys WHERE tenant = ?1)
             + (SELECT count(*) FROM versions v JOIN files f ON f.version = v.id WHERE v.tenant = ?1)",
        );
        self.count(query.bind(tenant.to_string())).await
    }

    async fn contents(&mut self, tenant: TenantId) -> Result<Option<Contents>, StoreFault> {
        let Some(found) = self.tenant(tenant).await? else { return Ok(None) };
        let tiers = sqlx::query("SELECT * FROM tiers WHERE tenant = ? ORDER BY row");
        let customers = sqlx::query(customers::select!("WHERE c.tenant = ? ORDER BY c.row"));
        let applications = sqlx::query("SELECT * FROM applications WHERE tenant = ? ORDER BY row");
        let versions = sqlx::query("SELECT * FROM versions WHERE tenant = ? ORDER BY row");
        let keys = sqlx::query("SELECT * FROM keys WHERE tenant = ? ORDER BY row");
        let id = || tenant.to_string();
        let outlines = self.all(versions.bind(id()), versions::version).await?;
        Ok(Some(Contents {
            tenant: found,
            tiers: self.all(tiers.bind(id()), tenants::tier).await?,
            customers: self.all(customers.bind(id()), customers::customer).await?,
            applications: self.all(applications.bind(id()), applications::application).await?,
            versions: self.with_files(outlines).await?,
            added: self.when_added(tenant).await?,
            keys: self.all(keys.bind(id()), keys::key).await?,
        }))
    }

    async fn backup(&mut self, tenant: TenantId, id: &BackupId) -> Result<Option<Backup>, StoreFault> {
        Ok(self.any_backup(id).await?.filter(|backup| backup.tenant == tenant))
    }

    async fn backups(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<Backup>, StoreFault> {
        let query = sqlx::query(
            "SELECT * FROM backups WHERE tenant = ? ORDER BY created_at DESC, row DESC LIMIT ? OFFSET ?",
        );
        let query = query.bind(tenant.to_string()).bind(number(slice.limit)).bind(number(slice.offset));
        let items = self.all(query, backup).await?;
        Ok(Listed { items, total: self.count_backups(tenant).await? })
    }

    async fn backups_after(
        &mut self,
        tenant: TenantId,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Backup>, StoreFault> {
        let query = sqlx::query(
            "SELECT * FROM backups WHERE tenant = ? AND (created_at, row) <
             (?, coalesce((SELECT row FROM backups WHERE id = ?), 0)) ORDER BY created_at DESC, row DESC LIMIT ?",
        );
        let created_at: i64 = after.key.parse().map_err(|fault| StoreFault::new(READING, fault))?;
        let query = query.bind(tenant.to_string()).bind(created_at).bind(after.id.clone()).bind(number(most));
        let items = self.all(query, backup).await?;
        Ok(Listed { items, total: self.count_backups(tenant).await? })
    }

    async fn rhythm(&mut self, tenant: TenantId) -> Result<Rhythm, StoreFault> {
        let query = sqlx::query(
            "SELECT max(created_at) AS tried, max(created_at) FILTER (WHERE size IS NOT NULL) AS made
             FROM backups WHERE tenant = ? AND cause = 'AUTOMATIC'",
        );
        let query = query.bind(tenant.to_string());
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let fields = Fields::of(&row, READING);
        Ok(Rhythm { tried: fields.time_optional("tried")?, made: fields.time_optional("made")? })
    }

    async fn expired_backups(&mut self, now: Timestamp, most: u64) -> Result<Vec<Backup>, StoreFault> {
        let query = sqlx::query("SELECT * FROM backups WHERE expires_at <= ? ORDER BY expires_at LIMIT ?");
        self.all(query.bind(now.millis()).bind(number(most)), backup).await
    }

    async fn any_backup(&mut self, id: &BackupId) -> Result<Option<Backup>, StoreFault> {
        let query = sqlx::query("SELECT * FROM backups WHERE id = ?").bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(backup).transpose()
    }
}

impl Session {
    async fn all<T>(
        &mut self,
        query: Query<'_>,
        read: fn(&SqliteRow) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, StoreFault> {
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(read).collect()
    }

    async fn count(&mut self, query: Query<'_>) -> Result<u64, StoreFault> {
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        row.try_get(0).map(i64::unsigned_abs).map_err(broke(READING))
    }

    async fn count_backups(&mut self, tenant: TenantId) -> Result<u64, StoreFault> {
        let query = sqlx::query("SELECT count(*) FROM backups WHERE tenant = ?").bind(tenant.to_string());
        self.count(query).await
    }

    async fn when_added(&mut self, tenant: TenantId) -> Result<BTreeMap<FileId, Timestamp>, StoreFault> {
        let query = sqlx::query(
            "SELECT f.id, f.created_at FROM versions v JOIN files f ON f.version = v.id WHERE v.tenant = ?",
        );
        let pair = |row: &SqliteRow| {
            let fields = Fields::of(row, READING);
            Ok((fields.parsed("id")?, fields.time("created_at")?))
        };
        Ok(self.all(query.bind(tenant.to_string()), pair).await?.into_iter().collect())
    }

    pub(super) async fn insert_backup(&mut self, backup: &Backup) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO backups (id, tenant, cause, size, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        );
        let query = query.bind(backup.id.as_str()).bind(backup.tenant.to_string());
        let query = query.bind(backup.cause.as_str()).bind(backup.size.map(number));
        let query = query.bind(backup.created_at.millis()).bind(backup.expires_at.map(Timestamp::millis));
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn forget_backup(&mut self, id: &BackupId) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM backups WHERE id = ?").bind(id.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }
}
