//! The audit: a line for everything that was done, never updated.

use async_trait::async_trait;
use common::id::{KeyId, TenantId};
use serde_json::{Map, Value};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{Audit, AuditLine, Listed, Slice, StoreFault};
use super::fields::{Fields, number};
use super::{Session, broke};
use crate::domain::AuditEntry;
use crate::domain::change::Facts;

const READING: &str = "reading the audit";

fn line(row: &SqliteRow) -> Result<AuditLine, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(AuditLine {
        at: fields.time("at")?,
        actor: fields.parsed_optional("actor")?,
        action: fields.get("action")?,
        target: fields.get("target")?,
        before: fields.get("before")?,
        after: fields.get("after")?,
        address: fields.get("address")?,
        request_id: fields.get("request_id")?,
    })
}

#[async_trait]
impl Audit for Session {
    async fn audit(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<AuditLine>, StoreFault> {
        let query = sqlx::query("SELECT * FROM audit WHERE tenant = ? ORDER BY row DESC LIMIT ? OFFSET ?");
        let query = query.bind(tenant.to_string()).bind(number(slice.limit)).bind(number(slice.offset));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let count = sqlx::query("SELECT count(*) FROM audit WHERE tenant = ?").bind(tenant.to_string());
        let count = count.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let total: i64 = count.try_get(0).map_err(broke(READING))?;
        Ok(Listed { items: rows.iter().map(line).collect::<Result<_, _>>()?, total: total.unsigned_abs() })
    }
}

fn object(facts: &Facts) -> String {
    let object: Map<String, Value> =
        facts.iter().map(|(field, value)| ((*field).to_owned(), Value::String(value.clone()))).collect();
    Value::Object(object).to_string()
}

impl Session {
    pub(super) async fn insert_audit(
        &mut self,
        entry: &AuditEntry,
        sequence: u64,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO audit (tenant, at, actor, action, target, before, after, address, request_id, sequence)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = query.bind(entry.tenant.to_string()).bind(entry.at.millis());
        let query =
            query.bind(entry.actor.key.as_ref().map(KeyId::as_str)).bind(entry.action).bind(&entry.target);
        let query = query.bind(object(&entry.before)).bind(object(&entry.after));
        let query = query.bind(entry.actor.address.map(|address| address.to_string()));
        let query = query.bind(&entry.actor.request_id).bind(number(sequence));
        query.execute(&mut *self.transaction).await.map(drop)
    }
}
