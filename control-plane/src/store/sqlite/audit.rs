//! The audit: a line for everything that was done, never updated.

use async_trait::async_trait;
use common::id::{KeyId, TenantId};
use serde_json::{Map, Value};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::super::{Audit, AuditLine, AuditQuestion, Listed, Slice, StoreFault};
use super::fields::{Fields, json, number};
use super::{Session, broke};
use crate::domain::AuditEntry;
use crate::domain::change::Facts;

const READING: &str = "reading the audit";

fn line(row: &SqliteRow) -> Result<AuditLine, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(AuditLine {
        row: fields.get("row")?,
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

fn narrow(
    query: &mut QueryBuilder<Sqlite>,
    tenant: TenantId,
    question: &AuditQuestion,
) -> Result<(), sqlx::Error> {
    query.push(" FROM audit WHERE tenant = ").push_bind(tenant.to_string());
    if let Some(action) = &question.action {
        query.push(" AND action = ").push_bind(action.clone());
    }
    if let Some(targets) = &question.targets {
        query.push(" AND target IN (SELECT value FROM json_each(").push_bind(json(targets)?).push("))");
    }
    match &question.actor {
        None => {}
        Some(None) => {
            query.push(" AND actor IS NULL");
        }
        Some(Some(key)) => {
            query.push(" AND actor = ").push_bind(key.as_str().to_owned());
        }
    }
    for (condition, moment) in [(" AND at >= ", question.since), (" AND at < ", question.until)] {
        if let Some(moment) = moment {
            query.push(condition).push_bind(moment.millis());
        }
    }
    Ok(())
}

#[async_trait]
impl Audit for Session {
    async fn audit_of(
        &mut self,
        tenant: TenantId,
        question: &AuditQuestion,
        after: Option<i64>,
        slice: Slice,
    ) -> Result<Listed<AuditLine>, StoreFault> {
        let mut list = QueryBuilder::new("SELECT *");
        narrow(&mut list, tenant, question).map_err(broke(READING))?;
        if let Some(row) = after {
            list.push(" AND row < ").push_bind(row);
        }
        list.push(" ORDER BY row DESC LIMIT ").push_bind(number(slice.limit));
        list.push(" OFFSET ").push_bind(number(slice.offset));
        let rows = list.build().fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let mut count = QueryBuilder::new("SELECT count(*)");
        narrow(&mut count, tenant, question).map_err(broke(READING))?;
        let count = count.build().fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
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
