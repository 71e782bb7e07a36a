//! Tenants and their tiers.

use async_trait::async_trait;
use common::id::TenantId;
use common::limit::RequestsPerMinute;
use common::tier::Tier;
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::super::{StoreFault, Tenants};
use super::fields::{Fields, number};
use super::{Session, broke};
use crate::domain::quota::Usage;
use crate::domain::tenant::Tenant;

const READING: &str = "reading tenants";

pub(super) fn tenant(row: &SqliteRow) -> Result<Tenant, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(Tenant {
        id: fields.parsed("id")?,
        name: fields.get("name")?,
        is_active: fields.get("is_active")?,
        quota_bytes: fields.number_optional("quota_bytes")?,
        created_at: fields.time("created_at")?,
    })
}

pub(super) fn tier(row: &SqliteRow) -> Result<Tier, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(Tier {
        name: fields.parsed("name")?,
        rank: fields.number("rank")?,
        rate_limit: fields.number_optional("rate_limit")?.and_then(RequestsPerMinute::new),
        max_concurrent_downloads: fields.number_optional("max_concurrent_downloads")?,
        bytes_per_second: fields.number_optional("bytes_per_second")?,
    })
}

#[async_trait]
impl Tenants for Session {
    async fn tenant(&mut self, id: TenantId) -> Result<Option<Tenant>, StoreFault> {
        let query = sqlx::query("SELECT * FROM tenants WHERE id = ?").bind(id.to_string());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(tenant).transpose()
    }

    async fn storage(&mut self, id: TenantId, now: Timestamp) -> Result<Usage, StoreFault> {
        match self.tenant(id).await?.and_then(|tenant| tenant.quota_bytes) {
            Some(limit) => Ok(Usage { used: self.used_bytes(id, now).await?, limit: Some(limit) }),
            None => Ok(Usage::default()),
        }
    }

    async fn used_bytes(&mut self, id: TenantId, now: Timestamp) -> Result<u64, StoreFault> {
        let query = sqlx::query(
            "SELECT coalesce((SELECT sum(f.size) FROM versions v JOIN files f ON f.version = v.id WHERE v.tenant = ?1), 0)
             + coalesce((SELECT sum(declared_size) FROM uploads
                WHERE tenant = ?1 AND expires_at > ?2 AND version_id IS NULL), 0) AS used",
        );
        let query = query.bind(id.to_string()).bind(now.millis());
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        Fields::of(&row, READING).number("used")
    }

    async fn tenants(&mut self) -> Result<Vec<Tenant>, StoreFault> {
        let query = sqlx::query("SELECT * FROM tenants ORDER BY row");
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(tenant).collect()
    }

    async fn tiers(&mut self, tenant: TenantId) -> Result<Vec<Tier>, StoreFault> {
        let query =
            sqlx::query("SELECT * FROM tiers WHERE tenant = ? ORDER BY rank, name").bind(tenant.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(tier).collect()
    }
}

impl Session {
    pub(super) async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO tenants (id, name, is_active, quota_bytes, created_at) VALUES (?, ?, ?, ?, ?)",
        );
        let query = query.bind(tenant.id.to_string()).bind(&tenant.name).bind(tenant.is_active);
        let query = query.bind(tenant.quota_bytes.map(number)).bind(tenant.created_at.millis());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn update_tenant(&mut self, tenant: &Tenant) -> Result<(), sqlx::Error> {
        let query = sqlx::query("UPDATE tenants SET name = ?, is_active = ?, quota_bytes = ? WHERE id = ?");
        let query = query.bind(&tenant.name).bind(tenant.is_active).bind(tenant.quota_bytes.map(number));
        let query = query.bind(tenant.id.to_string());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn upsert_tier(&mut self, tenant: TenantId, tier: &Tier) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO tiers (tenant, name, rank, rate_limit, max_concurrent_downloads, bytes_per_second)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, name) DO UPDATE SET rank = excluded.rank,
             rate_limit = excluded.rate_limit, max_concurrent_downloads = excluded.max_concurrent_downloads,
             bytes_per_second = excluded.bytes_per_second",
        );
        query
            .bind(tenant.to_string())
            .bind(tier.name.as_str())
            .bind(tier.rank)
            .bind(tier.rate_limit.map(RequestsPerMinute::get))
            .bind(tier.max_concurrent_downloads)
            .bind(tier.bytes_per_second.map(number))
            .execute(&mut *self.transaction)
            .await
            .map(drop)
    }
}
