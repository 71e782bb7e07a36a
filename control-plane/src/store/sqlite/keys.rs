//! Keys, without their secrets.

use async_trait::async_trait;
use common::cursor::Place;
use common::digest::Digest;
use common::id::{CustomerId, KeyId, TenantId};
use common::key::{Digests, Kind, Previous};
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::policy::KeyPolicy;
use common::scope::{Scope, Scopes};
use common::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{Customers as _, Identity, Keys, Listed, Slice, StoreFault, Tenants as _};
use super::fields::{Fields, json, number};
use super::{Query, Session, broke};
use crate::domain::key::Key;

const READING: &str = "reading keys";

pub(super) fn key(row: &SqliteRow) -> Result<Key, StoreFault> {
    let fields = Fields::of(row, READING);
    let networks: Vec<String> = fields.list("allowlist")?;
    let allowlist = Allowlist::parse(networks.iter().map(String::as_str));
    let policy = KeyPolicy {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        kind: kind(fields.get("kind")?)?,
        customer: fields.parsed_optional("customer")?,
        scopes: scopes(fields.get("scopes")?)?,
        rate_limit: fields.number_optional("rate_limit")?.and_then(RequestsPerMinute::new),
        allowlist: allowlist.map_err(|fault| StoreFault::new(READING, fault))?,
        applications: fields.list_optional("applications")?,
        channels: fields.list("channels")?,
        expires_at: fields.time_optional("expires_at")?,
        is_enabled: fields.get("is_enabled")?,
        is_deleted: false,
    };
    Ok(Key {
        policy,
        digests: digests(&fields)?,
        name: fields.get("name")?,
        description: fields.get("description")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        deleted_at: fields.time_optional("deleted_at")?,
        last_used_at: fields.time_optional("last_used_at")?,
    })
}

fn digests(fields: &Fields<'_>) -> Result<Digests, StoreFault> {
    let (digest, until) =
        (fields.digest_optional("previous_digest")?, fields.time_optional("previous_until")?);
    let previous = digest.zip(until).map(|(digest, until)| Previous { digest, until });
    Ok(Digests { current: fields.digest("digest")?, previous })
}

fn kind(text: &str) -> Result<Kind, StoreFault> {
    match text {
        "admin" => Ok(Kind::Admin),
        "customer" => Ok(Kind::Customer),
        _ => Err(StoreFault::new(READING, "a kind that is none")),
    }
}

fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Admin => "admin",
        Kind::Customer => "customer",
    }
}

fn scopes(text: &str) -> Result<Scopes, StoreFault> {
    let scopes = text.split_whitespace().map(str::parse::<Scope>);
    scopes.collect::<Result<Scopes, _>>().map_err(|fault| StoreFault::new(READING, fault))
}

#[async_trait]
impl Keys for Session {
    async fn key(&mut self, tenant: TenantId, id: &KeyId) -> Result<Option<Key>, StoreFault> {
        let query = sqlx::query("SELECT * FROM keys WHERE tenant = ? AND id = ?");
        let query = query.bind(tenant.to_string()).bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(key).transpose()
    }

    async fn keys(
        &mut self,
        tenant: TenantId,
        customer: Option<&CustomerId>,
        slice: Slice,
    ) -> Result<Listed<Key>, StoreFault> {
        let list = match customer {
            None => {
                "SELECT * FROM keys WHERE tenant = ?1 AND ?2 IS NULL AND deleted_at IS NULL
                 ORDER BY created_at, row LIMIT ?3 OFFSET ?4"
            }
            Some(_) => {
                "SELECT * FROM keys WHERE tenant = ?1 AND customer = ?2 AND deleted_at IS NULL
                 ORDER BY created_at, row LIMIT ?3 OFFSET ?4"
            }
        };
        let query = sqlx::query(list).bind(tenant.to_string()).bind(customer.map(CustomerId::as_str));
        let query = query.bind(number(slice.limit)).bind(number(slice.offset));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let items = rows.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: self.count_keys(tenant, customer).await? })
    }

    async fn keys_after(
        &mut self,
        tenant: TenantId,
        customer: Option<&CustomerId>,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Key>, StoreFault> {
        // Keys of one millisecond stand in the order of their rows. A row outlives its key, but not a restored backup.
        let list = match customer {
            None => {
                "SELECT * FROM keys WHERE tenant = ?1 AND ?2 IS NULL AND deleted_at IS NULL
                 AND (created_at, row) > (?3, coalesce((SELECT row FROM keys WHERE id = ?4), 0))
                 ORDER BY created_at, row LIMIT ?5"
            }
            Some(_) => {
                "SELECT * FROM keys WHERE tenant = ?1 AND customer = ?2 AND deleted_at IS NULL
                 AND (created_at, row) > (?3, coalesce((SELECT row FROM keys WHERE id = ?4), 0))
                 ORDER BY created_at, row LIMIT ?5"
            }
        };
        let created_at: i64 = after.key.parse().map_err(|fault| StoreFault::new(READING, fault))?;
        let query = sqlx::query(list).bind(tenant.to_string()).bind(customer.map(CustomerId::as_str));
        let query = query.bind(created_at).bind(&after.id).bind(number(most));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let items = rows.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: self.count_keys(tenant, customer).await? })
    }

    async fn identify(&mut self, digest: &Digest) -> Result<Option<Identity>, StoreFault> {
        let query = sqlx::query("SELECT * FROM keys WHERE digest = ?1 OR previous_digest = ?1");
        let query = query.bind(digest.0.to_vec());
        self.identified(query).await
    }

    async fn identify_by_id(&mut self, id: &KeyId) -> Result<Option<Identity>, StoreFault> {
        let query = sqlx::query("SELECT * FROM keys WHERE id = ?").bind(id.as_str().to_owned());
        self.identified(query).await
    }
}

fn bind<'q>(query: Query<'q>, key: &Key) -> Result<Query<'q>, sqlx::Error> {
    let policy = &key.policy;
    let scopes: Vec<&str> = policy.scopes.iter().map(Scope::as_str).collect();
    let query = query
        .bind(key.digests.current.0.as_slice())
        .bind(&key.name)
        .bind(&key.description)
        .bind(scopes.join(" "));
    let query =
        query.bind(policy.rate_limit.map(RequestsPerMinute::get)).bind(json(&policy.allowlist.to_texts())?);
    let applications = policy.applications.as_deref().map(json).transpose()?;
    let query = query.bind(applications).bind(json(&policy.channels)?);
    let query = query.bind(policy.expires_at.map(Timestamp::millis)).bind(policy.is_enabled);
    let query = query.bind(key.updated_at.millis()).bind(key.deleted_at.map(Timestamp::millis));
    let previous = key.digests.previous;
    let query =
        query.bind(previous.map(|old| old.digest.0.to_vec())).bind(previous.map(|old| old.until.millis()));
    Ok(query.bind(policy.id.as_str()))
}

impl Session {
    /// The key that `query` finds, with all that its admission depends on.
    async fn identified(&mut self, query: Query<'_>) -> Result<Option<Identity>, StoreFault> {
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        let Some(key) = row.as_ref().map(key).transpose()? else { return Ok(None) };
        let customer = match &key.policy.customer {
            Some(id) => self.customer(key.policy.tenant, id).await?,
            None => None,
        };
        let tenant = self.tenant(key.policy.tenant).await?;
        let tenant = tenant.ok_or_else(|| StoreFault::new(READING, "a key without its tenant"))?;
        let tiers = self.tiers(key.policy.tenant).await?;
        Ok(Some(Identity { key, customer, tenant, tiers }))
    }

    async fn count_keys(
        &mut self,
        tenant: TenantId,
        customer: Option<&CustomerId>,
    ) -> Result<u64, StoreFault> {
        let count = match customer {
            None => "SELECT count(*) FROM keys WHERE tenant = ?1 AND ?2 IS NULL AND deleted_at IS NULL",
            Some(_) => "SELECT count(*) FROM keys WHERE tenant = ?1 AND customer = ?2 AND deleted_at IS NULL",
        };
        let query = sqlx::query(count).bind(tenant.to_string()).bind(customer.map(CustomerId::as_str));
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        row.try_get(0).map(i64::unsigned_abs).map_err(broke(READING))
    }

    pub(super) async fn insert_key(&mut self, key: &Key) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO keys (digest, name, description, scopes, rate_limit, allowlist, applications, channels,
             expires_at, is_enabled, updated_at, deleted_at, previous_digest, previous_until, id, tenant, kind, customer,
             created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = bind(query, key)?.bind(key.policy.tenant.to_string()).bind(kind_text(key.policy.kind));
        let query =
            query.bind(key.policy.customer.as_ref().map(CustomerId::as_str)).bind(key.created_at.millis());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn update_key(&mut self, key: &Key) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE keys SET digest = ?, name = ?, description = ?, scopes = ?, rate_limit = ?, allowlist = ?,
             applications = ?, channels = ?, expires_at = ?, is_enabled = ?, updated_at = ?, deleted_at = ?,
             previous_digest = ?, previous_until = ?
             WHERE id = ?",
        );
        bind(query, key)?.execute(&mut *self.transaction).await.map(drop)
    }
}
