//! The edges that were known.

use common::wire::Position;
use sqlx::sqlite::SqliteRow;

use super::super::{KeptEdge, StoreFault};
use super::fields::{Fields, number};
use super::{Session, SqliteStore, broke};

const READING: &str = "reading what is known of the edges";
const KEEPING: &str = "keeping what is known of the edges";

fn edge(row: &SqliteRow) -> Result<KeptEdge, StoreFault> {
    let fields = Fields::of(row, READING);
    Ok(KeptEdge {
        id: fields.get("id")?,
        version: fields.get("version")?,
        started_at: fields.number("started_at")?,
        number: fields.number("number")?,
        position: Position { epoch: fields.number("epoch")?, sequence: fields.number("sequence")? },
        first_seen: fields.time("first_seen")?,
        last_seen: fields.time("last_seen")?,
    })
}

impl SqliteStore {
    pub(super) async fn read_edges(&self) -> Result<Vec<KeptEdge>, StoreFault> {
        let query = sqlx::query("SELECT * FROM edges ORDER BY id");
        let rows = query.fetch_all(&self.readers).await.map_err(broke(READING))?;
        rows.iter().map(edge).collect()
    }

    pub(super) async fn write_edges(
        &self,
        (came, heard): (&[KeptEdge], &[KeptEdge]),
        gone: &[String],
    ) -> Result<(), StoreFault> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(broke(KEEPING))?;
        for id in gone {
            let query = sqlx::query("DELETE FROM edges WHERE id = ?").bind(id);
            query.execute(&mut *transaction).await.map_err(broke(KEEPING))?;
        }
        for edge in came {
            let insert = "INSERT OR IGNORE INTO edges (id, version, started_at, number, epoch, sequence,
                first_seen, last_seen) VALUES (?, '', 0, 0, 0, 0, ?, 0)";
            let query = sqlx::query(insert).bind(&edge.id).bind(edge.first_seen.millis());
            query.execute(&mut *transaction).await.map_err(broke(KEEPING))?;
        }
        for edge in came.iter().chain(heard) {
            let update = "UPDATE edges SET version = ?, started_at = ?, number = ?, epoch = ?, sequence = ?,
                last_seen = ? WHERE id = ?";
            let query = sqlx::query(update).bind(&edge.version);
            let query = query.bind(number(edge.started_at)).bind(number(edge.number));
            let query = query.bind(number(edge.position.epoch)).bind(number(edge.position.sequence));
            let query = query.bind(edge.last_seen.millis()).bind(&edge.id);
            query.execute(&mut *transaction).await.map_err(broke(KEEPING))?;
        }
        transaction.commit().await.map_err(broke(KEEPING))
    }
}

impl Session {
    pub(super) async fn forget_edge(&mut self, id: &str) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM edges WHERE id = ?").bind(id.to_owned());
        query.execute(&mut *self.transaction).await.map(drop)
    }
}
