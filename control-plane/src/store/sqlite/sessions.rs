//! Sessions, without their tokens.

use async_trait::async_trait;
use common::id::{CustomerId, KeyId, SessionId, TenantId};
use common::key::Holder;
use common::time::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::super::sessions::{SessionFilter, Sessions};
use super::super::{Listed, Slice, StoreFault};
use super::fields::{Fields, number};
use super::{Session as Transaction, broke};
use crate::domain::session::{Count, Session};

const READING: &str = "reading sessions";

/// What of a tenant's living sessions a list shows, as far as the filter says. A session whose secret was replaced is as
/// dead as one that was revoked; that of a key that is switched off is not: it lives again with its key.
macro_rules! listed {
    ($select:literal, $end:literal) => {
        concat!(
            "SELECT ",
            $select,
            " FROM sessions s JOIN keys k ON k.id = s.key AND k.deleted_at IS NULL
             WHERE s.tenant = ?1 AND s.revoked_at IS NULL AND s.expires_at > ?2
             AND (?3 IS NULL OR s.key = ?3) AND (?4 IS NULL OR s.customer = ?4)
             AND (s.generation = lower(substr(hex(k.digest), 1, 16))
                  OR (s.generation = lower(substr(hex(k.previous_digest), 1, 16)) AND k.previous_until > ?2)) ",
            $end
        )
    };
}

pub(super) fn session(row: &SqliteRow) -> Result<Session, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(Session {
        id: fields.parsed("id")?,
        tenant: fields.parsed("tenant")?,
        holder: Holder { key: fields.parsed("key")?, generation: fields.get("generation")? },
        customer: fields.parsed_optional("customer")?,
        label: fields.get("label")?,
        issued_at: fields.time("issued_at")?,
        expires_at: fields.time("expires_at")?,
        revoked_at: fields.time_optional("revoked_at")?,
    })
}

#[async_trait]
impl Sessions for Transaction {
    async fn session(&mut self, id: &SessionId) -> Result<Option<Session>, StoreFault> {
        let query = sqlx::query("SELECT * FROM sessions WHERE id = ?").bind(id.as_str());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(session).transpose()
    }

    async fn session_of(
        &mut self,
        holder: &Holder,
        label: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreFault> {
        let query = sqlx::query(
            "SELECT * FROM sessions WHERE key = ? AND generation = ? AND label IS ? AND expires_at > ?
             AND revoked_at IS NULL ORDER BY expires_at DESC LIMIT 1",
        );
        let query = query.bind(holder.key.as_str()).bind(&holder.generation).bind(label).bind(now.millis());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(session).transpose()
    }

    async fn sessions(
        &mut self,
        tenant: TenantId,
        filter: &SessionFilter,
        now: Timestamp,
        slice: Slice,
    ) -> Result<Listed<Session>, StoreFault> {
        let filtered = |text: &'static str| {
            let query = sqlx::query(text).bind(tenant.to_string()).bind(now.millis());
            let query = query.bind(filter.key.as_ref().map(KeyId::as_str));
            query.bind(filter.customer.as_ref().map(CustomerId::as_str))
        };
        let list = filtered(listed!("s.*", "ORDER BY s.issued_at, s.row LIMIT ?5 OFFSET ?6"));
        let list = list.bind(number(slice.limit)).bind(number(slice.offset));
        let rows = list.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        let count = filtered(listed!("count(*)", ""));
        let count = count.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let total: i64 = count.try_get(0).map_err(broke(READING))?;
        let items = rows.iter().map(session).collect::<Result<_, _>>()?;
        Ok(Listed { items, total: total.unsigned_abs() })
    }

    async fn count_sessions(&mut self, key: &KeyId, now: Timestamp) -> Result<Count, StoreFault> {
        let query = sqlx::query(
            "SELECT count(*) AS kept, count(*) FILTER (WHERE revoked_at IS NULL) AS living
             FROM sessions WHERE key = ? AND expires_at > ?",
        );
        let query = query.bind(key.as_str()).bind(now.millis());
        let row = query.fetch_one(&mut *self.transaction).await.map_err(broke(READING))?;
        let fields = Fields::of(&row, READING);
        Ok(Count { living: fields.number("living")?, kept: fields.number("kept")? })
    }

    async fn spent_sessions(&mut self, end: Timestamp, most: u64) -> Result<Vec<Session>, StoreFault> {
        let query = sqlx::query("SELECT * FROM sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?");
        let query = query.bind(end.millis()).bind(number(most));
        let rows = query.fetch_all(&mut *self.transaction).await.map_err(broke(READING))?;
        rows.iter().map(session).collect()
    }
}

impl Transaction {
    pub(super) async fn insert_session(&mut self, session: &Session) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO sessions (id, tenant, key, generation, customer, label, issued_at, expires_at, revoked_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let query = query.bind(session.id.as_str()).bind(session.tenant.to_string());
        let query = query.bind(session.holder.key.as_str()).bind(&session.holder.generation);
        let query = query.bind(session.customer.as_ref().map(CustomerId::as_str)).bind(&session.label);
        let query = query.bind(session.issued_at.millis()).bind(session.expires_at.millis());
        let query = query.bind(session.revoked_at.map(Timestamp::millis));
        query.execute(&mut *self.transaction).await.map(drop)
    }

    /// What a session is never changes; that it was revoked does.
    pub(super) async fn update_session(&mut self, session: &Session) -> Result<(), sqlx::Error> {
        let query = sqlx::query("UPDATE sessions SET revoked_at = ? WHERE id = ?");
        let query = query.bind(session.revoked_at.map(Timestamp::millis)).bind(session.id.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }

    pub(super) async fn forget_session(&mut self, id: &SessionId) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM sessions WHERE id = ?").bind(id.as_str());
        query.execute(&mut *self.transaction).await.map(drop)
    }
}
