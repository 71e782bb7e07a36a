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

    pub(super) async fn write_edges(&self, known: &[KeptEdge], gone: &[String]) -> Result<(), StoreFault> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(broke(KEEPING))?;
        for id in gone {
            let query = sqlx::query("DELETE FROM edges WHERE id = ?").bind(id);
            query.execute(&mut *transaction).await.map_err(broke(KEEPING))?;
        }
        for edge in known {
            let query = sqlx::query(
                "INSERT INTO edges (id, version, started_at, number, epoch, sequence, first_seen, last_seen)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,
                 started_at = excluded.started_at, number = excluded.number, epoch = excluded.epoch,
                 sequence = excluded.sequence, last_seen = excluded.last_seen",
            );
            let query = query.bind(&edge.id).bind(&edge.version);
            let query = query.bind(number(edge.started_at)).bind(number(edge.number));
            let query = query.bind(number(edge.position.epoch)).bind(number(edge.position.sequence));
            let query = query.bind(edge.first_seen.millis()).bind(edge.last_seen.millis());
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
