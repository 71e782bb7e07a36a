//! Answers that are kept until they expire.

use async_trait::async_trait;
use common::digest::Digest;
use common::time::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::super::{Answers, StoreFault};
use super::fields::{Fields, number};
use super::{Session, SqliteStore, broke};
use crate::domain::answer::KeptAnswer;

const READING: &str = "reading kept answers";
const FORGETTING: &str = "forgetting kept answers";

fn answer(row: &SqliteRow) -> Result<KeptAnswer, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(KeptAnswer {
        id: fields.digest("id")?,
        fingerprint: fields.digest("fingerprint")?,
        status: fields.get("status")?,
        sealed: fields.get("sealed")?,
        kept_at: fields.time("kept_at")?,
    })
}

#[async_trait]
impl Answers for Session {
    async fn kept_answer(&mut self, id: &Digest, now: Timestamp) -> Result<Option<KeptAnswer>, StoreFault> {
        let query = sqlx::query("SELECT * FROM answers WHERE id = ? AND expires_at > ?");
        let query = query.bind(id.0.to_vec()).bind(now.millis());
        let row = query.fetch_optional(&mut *self.transaction).await.map_err(broke(READING))?;
        row.as_ref().map(answer).transpose()
    }
}

impl Session {
    pub(super) async fn insert_answer(&mut self, answer: &KeptAnswer) -> Result<(), sqlx::Error> {
        // One that has expired is gone, swept or not.
        let query = sqlx::query("DELETE FROM answers WHERE id = ? AND expires_at <= ?");
        let query = query.bind(answer.id.0.to_vec()).bind(answer.kept_at.millis());
        query.execute(&mut *self.transaction).await?;
        let query = sqlx::query(
            "INSERT INTO answers (id, fingerprint, status, sealed, kept_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        );
        let query = query.bind(answer.id.0.to_vec()).bind(answer.fingerprint.0.to_vec()).bind(answer.status);
        let query =
            query.bind(&answer.sealed).bind(answer.kept_at.millis()).bind(answer.expires_at().millis());
        query.execute(&mut *self.transaction).await.map(drop)
    }
}

impl SqliteStore {
    pub(super) async fn delete_expired_answers(&self, now: Timestamp, most: u64) -> Result<u64, StoreFault> {
        let query = sqlx::query(
            "DELETE FROM answers WHERE id IN (SELECT id FROM answers WHERE expires_at <= ? LIMIT ?)",
        );
        let query = query.bind(now.millis()).bind(number(most));
        let done = query.execute(&self.writer).await.map_err(broke(FORGETTING))?;
        Ok(done.rows_affected())
    }
}
