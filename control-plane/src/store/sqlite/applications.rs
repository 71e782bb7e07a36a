//! Applications, and whom they are assigned to.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::catalog;
use common::id::{ApplicationId, CustomerId, TenantId};
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::super::{Applications, CustomerName, StoreFault};
use super::fields::{Fields, json};
use super::{Query, Session, broke};
use crate::domain::application::Application;

const READING: &str = "reading applications";

pub(super) fn application(row: &SqliteRow) -> Result<Application, StoreFault> {
    let fields = Fields::of(row, READING);
    let facts = catalog::Application {
        id: fields.parsed("id")?,
        name: fields.get("name")?,
        description: fields.get("description")?,
        tags: fields.list("tags")?,
        is_active: fields.get("is_active")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    };
    Ok(Application {
        tenant: fields.parsed("tenant")?,
        facts,
        deleted_at: fields.time_optional("deleted_at")?,
    })
}

fn customer_name(row: &SqliteRow) -> Result<CustomerName, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(CustomerName { id: fields.parsed("id")?, name: fields.get("name")? })
}

#[async_trait]
impl Applications for Session {
    async fn application(
        &mut self,
        tenant: TenantId,
        id: &ApplicationId,
    ) -> Result<Option<Application>, StoreFault> {
        let query = sqlx::query("SELECT * FROM applications WHERE tenant = ? AND id = ?");
        let query = query.bind(tenant.to_string()).bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(application).transpose()
    }

    async fn applications(&mut self, tenant: TenantId) -> Result<Vec<Application>, StoreFault> {
        let query =
            sqlx::query("SELECT * FROM applications WHERE tenant = ? AND deleted_at IS NULL ORDER BY id");
        let rows =
            query.bind(tenant.to_string()).fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(application).collect()
    }

    async fn missing_applications(
        &mut self,
        tenant: TenantId,
        ids: &[ApplicationId],
    ) -> Result<Vec<ApplicationId>, StoreFault> {
        let query = sqlx::query(
            "SELECT value AS id FROM json_each(?) WHERE NOT EXISTS
             (SELECT 1 FROM applications a WHERE a.tenant = ? AND a.id = value AND a.deleted_at IS NULL)",
        );
        let query = query.bind(json(ids).map_err(broke(READING))?).bind(tenant.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(|row| Fields::of(row, READING).parsed("id")).collect()
    }

    async fn assigned(
        &mut self,
        tenant: TenantId,
        id: &ApplicationId,
    ) -> Result<Vec<CustomerName>, StoreFault> {
        let query = sqlx::query(
            "SELECT c.id, c.name FROM grants g JOIN customers c ON c.tenant = g.tenant AND c.id = g.customer
             WHERE g.tenant = ? AND g.application = ? ORDER BY c.id",
        );
        let query = query.bind(tenant.to_string()).bind(id.as_str());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(customer_name).collect()
    }

    async fn assignments(
        &mut self,
        tenant: TenantId,
        ids: &[ApplicationId],
    ) -> Result<BTreeMap<ApplicationId, Vec<CustomerName>>, StoreFault> {
        let query = sqlx::query(
            "SELECT g.application, c.id, c.name FROM json_each(?) JOIN grants g ON g.application = value
             JOIN customers c ON c.tenant = g.tenant AND c.id = g.customer WHERE g.tenant = ? ORDER BY c.id",
        );
        let query = query.bind(json(ids).map_err(broke(READING))?).bind(tenant.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let mut assignments: BTreeMap<ApplicationId, Vec<CustomerName>> = BTreeMap::new();
        for row in &rows {
            let application = Fields::of(row, READING).parsed("application")?;
            assignments.entry(application).or_default().push(customer_name(row)?);
        }
        Ok(assignments)
    }
}

fn bind<'q>(query: Query<'q>, application: &Application) -> Result<Query<'q>, sqlx::Error> {
    let facts = &application.facts;
    let query =
        query.bind(&facts.name).bind(&facts.description).bind(json(&facts.tags)?).bind(facts.is_active);
    let query = query.bind(facts.updated_at.millis()).bind(application.deleted_at.map(Timestamp::millis));
    Ok(query.bind(application.tenant.to_string()).bind(facts.id.as_str()))
}

impl Session {
    pub(super) async fn insert_application(&mut self, application: &Application) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO applications
             (name, description, tags, is_active, updated_at, deleted_at, tenant, id, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        bind(query, application)?
            .bind(application.facts.created_at.millis())
            .execute(&mut *self.transaction)
            .await
            .map(drop)
    }

    pub(super) async fn update_application(&mut self, application: &Application) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE applications SET name = ?, description = ?, tags = ?, is_active = ?, updated_at = ?,
             deleted_at = ? WHERE tenant = ? AND id = ?",
        );
        bind(query, application)?.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn grant(
        &mut self,
        tenant: TenantId,
        customer: &CustomerId,
        application: &ApplicationId,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO grants (tenant, customer, application) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        );
        let query = query.bind(tenant.to_string()).bind(customer.as_str()).bind(application.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn revoke(
        &mut self,
        tenant: TenantId,
        customer: &CustomerId,
        application: &ApplicationId,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM grants WHERE tenant = ? AND customer = ? AND application = ?");
        let query = query.bind(tenant.to_string()).bind(customer.as_str()).bind(application.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }
}
