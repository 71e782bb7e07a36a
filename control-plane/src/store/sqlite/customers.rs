//! Customers, each with the applications that are assigned to it.

use async_trait::async_trait;
use common::cursor::Place;
use common::id::{CustomerId, TenantId};
use common::policy::CustomerPolicy;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::{Customers, Listed, Slice, StoreFault};
use super::fields::{Fields, json, number};
use super::{Query, Session, broke};
use crate::domain::customer::Customer;

const READING: &str = "reading customers";

/// A customer's columns, with its applications as a JSON array.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT c.*, (SELECT json_group_array(application ORDER BY application) FROM grants g
             WHERE g.tenant = c.tenant AND g.customer = c.id) AS applications FROM customers c ",
            $tail
        )
    };
}
pub(super) use select;

pub(super) fn customer(row: &SqliteRow) -> Result<Customer, StoreFault> {
    let fields = Fields::of(row, READING);
    let policy = CustomerPolicy {
        id: fields.parsed("id")?,
        tier: fields.parsed("tier")?,
        channels: fields.list("channels")?,
        is_active: fields.get("is_active")?,
        applications: fields.list("applications")?,
    };
    Ok(Customer {
        tenant: fields.parsed("tenant")?,
        policy,
        name: fields.get("name")?,
        notes: fields.get("notes")?,
        email: fields.get("email")?,
        reference: fields.get("reference")?,
        license: fields.get("license")?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
    })
}

#[async_trait]
impl Customers for Session {
    async fn customer(&mut self, tenant: TenantId, id: &CustomerId) -> Result<Option<Customer>, StoreFault> {
        let query = sqlx::query(select!("WHERE c.tenant = ? AND c.id = ?"));
        let query = query.bind(tenant.to_string()).bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(customer).transpose()
    }

    async fn customers(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<Customer>, StoreFault> {
        let query = sqlx::query(select!("WHERE c.tenant = ? ORDER BY c.name_key, c.id LIMIT ? OFFSET ?"));
        let query = query.bind(tenant.to_string()).bind(number(slice.limit)).bind(number(slice.offset));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let items = rows.iter().map(customer).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: self.count_customers(tenant).await? })
    }

    async fn customers_after(
        &mut self,
        tenant: TenantId,
        after: &Place,
        most: u64,
    ) -> Result<Listed<Customer>, StoreFault> {
        let query = sqlx::query(select!(
            "WHERE c.tenant = ? AND (c.name_key, c.id) > (?, ?) ORDER BY c.name_key, c.id LIMIT ?"
        ));
        let query = query.bind(tenant.to_string()).bind(&after.key).bind(&after.id).bind(number(most));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let items = rows.iter().map(customer).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: self.count_customers(tenant).await? })
    }

    async fn missing_customers(
        &mut self,
        tenant: TenantId,
        ids: &[CustomerId],
    ) -> Result<Vec<CustomerId>, StoreFault> {
        let query = sqlx::query(
            "SELECT value AS id FROM json_each(?) WHERE NOT EXISTS
             (SELECT 1 FROM customers c WHERE c.tenant = ? AND c.id = value)",
        );
        let query = query.bind(json(ids).map_err(broke(READING))?).bind(tenant.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(|row| Fields::of(row, READING).parsed("id")).collect()
    }
}

fn bind<'q>(query: Query<'q>, customer: &Customer) -> Result<Query<'q>, sqlx::Error> {
    let query = query.bind(&customer.name).bind(customer.name_key()).bind(customer.policy.tier.as_str());
    let query = query.bind(json(&customer.policy.channels)?).bind(customer.policy.is_active);
    let query =
        query.bind(&customer.notes).bind(&customer.email).bind(&customer.reference).bind(&customer.license);
    let query = query.bind(customer.updated_at.millis());
    Ok(query.bind(customer.tenant.to_string()).bind(customer.policy.id.as_str()))
}

impl Session {
    async fn count_customers(&mut self, tenant: TenantId) -> Result<u64, StoreFault> {
        let query = sqlx::query("SELECT count(*) FROM customers WHERE tenant = ?").bind(tenant.to_string());
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        row.try_get(0).map(i64::unsigned_abs).map_err(broke(READING))
    }

    pub(super) async fn insert_customer(&mut self, customer: &Customer) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO customers (name, name_key, tier, channels, is_active, notes, email, reference, license,
             updated_at, tenant, id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = bind(query, customer)?.bind(customer.created_at.millis());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn update_customer(&mut self, customer: &Customer) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "UPDATE customers SET name = ?, name_key = ?, tier = ?, channels = ?, is_active = ?, notes = ?,
             email = ?, reference = ?, license = ?, updated_at = ? WHERE tenant = ? AND id = ?",
        );
        bind(query, customer)?.execute(&mut *self.transaction).await.map(drop)
    }
}
