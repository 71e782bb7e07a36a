//! What was counted: downloads by day, the use of keys by minute and hour.

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::id::{CustomerId, KeyId, TenantId};
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite};

use super::super::StoreFault;
use super::super::activity::{Amount, CountQuestion, Counted, Counts, KeyUsage, UsageQuestion};
use super::super::sums::{DAY, floor, millis};
use super::fields::Fields;
use super::{Session, broke};

const READING: &str = "reading what was counted";

fn narrow(query: &mut QueryBuilder<Sqlite>, tenant: TenantId, question: &CountQuestion) {
    query.push(" FROM downloads WHERE tenant = ").push_bind(tenant.to_string());
    query.push(" AND application = ").push_bind(question.application.as_str().to_owned());
    if let Some(version) = &question.version {
        query.push(" AND version = ").push_bind(version.as_str().to_owned());
    }
    if let Some(customer) = question.customer.as_ref().map(CustomerId::as_str) {
        query.push(" AND customer = ").push_bind(customer.to_owned());
    }
    if let Some(since) = question.since {
        query.push(" AND day >= ").push_bind(floor(since, DAY).millis());
    }
    if let Some(until) = question.until {
        query.push(" AND day < ").push_bind(until.millis());
    }
}

fn amount(row: &SqliteRow) -> Result<Amount, StoreFault> {
    let fields = Fields::of(row, READING);
    let (requests, bytes) = (fields.number("requests")?, fields.number("bytes")?);
    Ok(Amount { requests, bytes, errors: fields.number("errors")? })
}

#[async_trait]
impl Counted for Session {
    async fn counts(&mut self, tenant: TenantId, question: &CountQuestion) -> Result<Counts, StoreFault> {
        let mut query = QueryBuilder::new(
            "SELECT coalesce(sum(count), 0) AS total, count(DISTINCT nullif(customer, '')) AS customers",
        );
        narrow(&mut query, tenant, question);
        let row = query.build().fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let fields = Fields::of(&row, READING);
        let mut counts = Counts {
            total: fields.number("total")?,
            customers: fields.number("customers")?,
            ..Counts::default()
        };
        let mut query = QueryBuilder::new("SELECT version, sum(count) AS total");
        narrow(&mut query, tenant, question);
        query.push(" GROUP BY version");
        for row in query.build().fetch_all(&mut *self.transaction).await.map_err(broke(READING))? {
            let fields = Fields::of(&row, READING);
            counts.by_version.insert(fields.get("version")?, fields.number("total")?);
        }
        let mut query = QueryBuilder::new("SELECT day, sum(count) AS total");
        narrow(&mut query, tenant, question);
        query.push(" GROUP BY day");
        for row in query.build().fetch_all(&mut *self.transaction).await.map_err(broke(READING))? {
            let fields = Fields::of(&row, READING);
            counts.by_day.insert(fields.time("day")?, fields.number("total")?);
        }
        Ok(counts)
    }

    async fn usage(&mut self, key: &KeyId, question: UsageQuestion) -> Result<KeyUsage, StoreFault> {
        let mut usage = KeyUsage::default();
        let applications = self.rows_of_key(
                "SELECT application, sum(requests) AS requests, sum(bytes) AS bytes, sum(errors) AS errors FROM usage
                 WHERE key = ?1 AND span = ?2 AND start >= ?3 AND start < ?4 AND ?5 > 0 GROUP BY application
                 ORDER BY sum(requests) DESC, application",
                key,
                question,
            );
        for row in applications.await? {
            let application = Fields::of(&row, READING).get::<&str>("application")?;
            let id = (!application.is_empty()).then(|| Fields::of(&row, READING).parsed("application"));
            usage.by_application.push((id.transpose()?, amount(&row)?));
        }
        let reasons = self.rows_of_key(
            "SELECT reason, sum(count) AS total FROM refusals
                 WHERE key = ?1 AND span = ?2 AND start >= ?3 AND start < ?4 AND ?5 > 0 GROUP BY reason
                 ORDER BY sum(count) DESC, reason",
            key,
            question,
        );
        for row in reasons.await? {
            let fields = Fields::of(&row, READING);
            usage.by_reason.push((fields.get("reason")?, fields.number("total")?));
        }
        let timeline = self.rows_of_key(
            "SELECT start / ?5 * ?5 AS start, sum(requests) AS requests, sum(bytes) AS bytes, sum(errors) AS errors
             FROM usage WHERE key = ?1 AND span = ?2 AND start >= ?3 AND start < ?4 GROUP BY start / ?5",
            key,
            question,
        );
        let rows = timeline.await?;
        let points = rows.iter().map(|row| Ok((Fields::of(row, READING).time("start")?, amount(row)?)));
        usage.timeline = points.collect::<Result<BTreeMap<Timestamp, Amount>, StoreFault>>()?;
        Ok(usage)
    }
}

impl Session {
    async fn rows_of_key(
        &mut self,
        query: &'static str,
        key: &KeyId,
        question: UsageQuestion,
    ) -> Result<Vec<SqliteRow>, StoreFault> {
        let bucket = i64::try_from(question.bucket.as_millis()).unwrap_or(i64::MAX);
        let query = sqlx::query(query).bind(key.as_str()).bind(millis(question.span));
        let query = query.bind(question.from.millis()).bind(question.to.millis()).bind(bucket);
        query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))
    }
}
