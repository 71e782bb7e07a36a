//! Uploads and downloads, as they are listed.

use async_trait::async_trait;
use common::id::{ApplicationId, CustomerId, KeyId, TenantId, VersionName};
use common::time::Timestamp;
use common::wire::v1::event::Carrier;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

use super::super::activity::{Activities, ActivityQuestion, Happened, Place};
use super::super::{Listed, Slice, StoreFault};
use super::fields::{Fields, json, number};
use super::{Session, broke};
use crate::domain::activity::{Activity, ActivityKind};

const READING: &str = "reading activity";

fn activity(row: &SqliteRow) -> Result<Activity, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(Activity {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        kind: if fields.get::<&str>("kind")? == "upload" {
            ActivityKind::Upload
        } else {
            ActivityKind::Download
        },
        at: fields.time("at")?,
        ended_at: fields.time("ended_at")?,
        application: fields.parsed("application")?,
        version: fields.parsed("version")?,
        file: fields.parsed("file")?,
        file_name: fields.get("file_name")?,
        file_size: fields.number("file_size")?,
        sent: fields.list("sent")?,
        bytes: fields.number("bytes")?,
        completed: fields.get("completed")?,
        customer: fields.parsed_optional("customer")?,
        key: fields.parsed_optional("key")?,
        carrier: fields.get::<Option<&str>>("carrier")?.map(carrier).transpose()?,
        address: fields.parsed_optional("address")?,
        user_agent: fields.get("user_agent")?,
        request_id: fields.get("request_id")?,
    })
}

fn carrier(text: &str) -> Result<Carrier, StoreFault> {
    match text {
        "key" => Ok(Carrier::Key),
        "link" => Ok(Carrier::Link),
        "share" => Ok(Carrier::Share),
        _ => Err(StoreFault::new(READING, "a carrier that is none")),
    }
}

fn carrier_text(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Key => "key",
        Carrier::Link => "link",
        Carrier::Share => "share",
    }
}

fn happened(row: &SqliteRow) -> Result<Happened, StoreFault> {
    let fields = Fields::of(row, READING);
    let place = Place { at: fields.time("at")?, row: fields.get("row")? };
    Ok(Happened { place, activity: activity(row)?, application_name: fields.get("application_name")? })
}

/// Which rows answer the question; each condition that is there can use an index of its own.
fn narrow(
    query: &mut QueryBuilder<Sqlite>,
    tenant: TenantId,
    question: &ActivityQuestion,
) -> Result<(), sqlx::Error> {
    query.push(" WHERE a.tenant = ").push_bind(tenant.to_string());
    if let Some(kind) = question.kind {
        query.push(" AND a.kind = ").push_bind(kind.as_str());
    }
    let texts = [
        (" AND a.application = ", question.application.as_ref().map(ApplicationId::as_str)),
        (" AND a.version = ", question.version.as_ref().map(VersionName::as_str)),
        (" AND a.customer = ", question.customer.as_ref().map(CustomerId::as_str)),
        (" AND a.key = ", question.key.as_ref().map(KeyId::as_str)),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            query.push(condition).push_bind(text.to_owned());
        }
    }
    if let Some(within) = &question.within {
        query.push(" AND a.application IN (SELECT value FROM json_each(").push_bind(json(within)?).push("))");
    }
    for (condition, moment) in [(" AND a.at >= ", question.since), (" AND a.at < ", question.until)] {
        if let Some(moment) = moment {
            query.push(condition).push_bind(moment.millis());
        }
    }
    Ok(())
}

#[async_trait]
impl Activities for Session {
    async fn activities(
        &mut self,
        tenant: TenantId,
        question: &ActivityQuestion,
        after: Option<Place>,
        slice: Slice,
    ) -> Result<Listed<Happened>, StoreFault> {
        let mut list = QueryBuilder::new(
            "SELECT a.*, p.name AS application_name FROM activity a
             LEFT JOIN applications p ON p.tenant = a.tenant AND p.id = a.application",
        );
        narrow(&mut list, tenant, question).map_err(broke(READING))?;
        if let Some(Place { at, row }) = after {
            list.push(" AND (a.at, a.row) < (").push_bind(at.millis()).push(", ").push_bind(row).push(")");
        }
        list.push(" ORDER BY a.at DESC, a.row DESC LIMIT ").push_bind(number(slice.limit));
        list.push(" OFFSET ").push_bind(number(slice.offset));
        let rows = list.build().fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let mut count = QueryBuilder::new("SELECT count(*) FROM activity a");
        narrow(&mut count, tenant, question).map_err(broke(READING))?;
        let count = count.build().fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let total: i64 = count.try_get(0).map_err(broke(READING))?;
        let items = rows.iter().map(happened).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }
}

impl Session {
    /// Writes down what happened; false when it was written down before.
    pub(super) async fn insert_activity(&mut self, activity: &Activity) -> Result<bool, sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO activity (id, tenant, kind, at, ended_at, application, version, file, file_name, file_size,
             sent, bytes, completed, customer, key, carrier, address, user_agent, request_id)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        );
        let query = query.bind(activity.id.as_str()).bind(activity.tenant.to_string());
        let query = query.bind(activity.kind.as_str()).bind(Timestamp::millis(activity.at));
        let query = query.bind(activity.ended_at.millis()).bind(activity.application.as_str());
        let query = query.bind(activity.version.as_str()).bind(activity.file.as_str());
        let query = query.bind(&activity.file_name).bind(number(activity.file_size));
        let query = query.bind(json(&activity.sent)?).bind(number(activity.bytes)).bind(activity.completed);
        let query = query.bind(activity.customer.as_ref().map(CustomerId::as_str));
        let query = query.bind(activity.key.as_ref().map(KeyId::as_str));
        let query = query.bind(activity.carrier.map(carrier_text));
        let query = query.bind(activity.address.map(|address| address.to_string()));
        let query = query.bind(&activity.user_agent).bind(&activity.request_id);
        Ok(query.execute(&mut *self.transaction).await?.rows_affected() == 1)
    }
}
