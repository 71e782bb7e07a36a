//! The truth in SQLite, the embedded default: one file, one writer, any number of readers that see one moment each.

mod activity;
mod answers;
mod applications;
mod audit;
mod backups;
mod commit;
mod counted;
mod customers;
mod edges;
mod fields;
mod intake;
mod keys;
mod outbox;
mod sessions;
mod tenants;
mod uploads;
mod versions;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use common::time::Timestamp;
use common::wire::Position;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{KeptEdge, Outbox as _, Reading, Store, StoreFault, Writing};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers at the same time; more wait.
const READERS: u32 = 4;
/// How long a request waits for its turn before the desk says that it is overloaded.
const PATIENCE: Duration = Duration::from_secs(10);

/// The store over one database file.
pub struct SqliteStore {
    /// One connection: writers queue here, not on the file's lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the file, made with its directory when missing, and brings its tables up to date. `now` begins the history
    /// of a new one.
    ///
    /// # Errors
    /// When it cannot be opened, or was written by a newer program.
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, StoreFault> {
        if let Some(directory) = path.parent() {
            let made = tokio::fs::create_dir_all(directory).await;
            made.map_err(|fault| StoreFault::new("making the database's directory", fault))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        let writer = pool(1).connect_with(options.clone()).await.map_err(broke("opening the database"))?;
        let migrated = MIGRATIONS.run(&writer).await;
        migrated.map_err(|fault| StoreFault::new("bringing the tables up to date", fault))?;
        sqlx::query(
            "INSERT INTO meta (one, epoch, sequence, announced) VALUES (1, ?, 0, 0) ON CONFLICT DO NOTHING",
        )
        .bind(now.millis())
        .execute(&writer)
        .await
        .map_err(broke("beginning the history"))?;
        let reading = options.pragma("query_only", "ON");
        let readers = pool(READERS).connect_with(reading).await.map_err(broke("opening the database"))?;
        Ok(Self { writer, readers })
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    let options = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
    // A file needs no ping, and a connection to it does not age.
    options.test_before_acquire(false).idle_timeout(None).max_lifetime(None)
}

/// Turns what the driver says into a fault that says what was being done.
fn broke(doing: &'static str) -> impl FnOnce(sqlx::Error) -> StoreFault {
    move |fault| StoreFault::new(doing, fault)
}

type Query<'q> = sqlx::query::Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>;

/// A transaction; the rooms of the nouns answer their questions on it.
struct Session {
    transaction: Transaction<'static, Sqlite>,
}

#[async_trait]
impl Store for SqliteStore {
    async fn read(&self) -> Result<Box<dyn Reading>, StoreFault> {
        let transaction = self.readers.begin().await.map_err(broke("beginning to read"))?;
        Ok(Box::new(Session { transaction }))
    }

    async fn write(&self) -> Result<Box<dyn Writing>, StoreFault> {
        // Immediate: a transaction that reads first and writes later could find the file changed in between.
        let transaction =
            self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(broke("beginning to write"))?;
        Ok(Box::new(Session { transaction }))
    }

    async fn mark_announced(&self, sequence: u64) -> Result<(), StoreFault> {
        let doing = "marking what was announced";
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(broke(doing))?;
        let statements = [
            sqlx::query("UPDATE meta SET announced = max(announced, ?)"),
            sqlx::query("DELETE FROM outbox WHERE sequence <= ?"),
        ];
        for statement in statements {
            statement
                .bind(fields::number(sequence))
                .execute(&mut *transaction)
                .await
                .map_err(broke(doing))?;
        }
        transaction.commit().await.map_err(broke(doing))
    }

    async fn begin_history(&self, beyond: Position, now: Timestamp) -> Result<Position, StoreFault> {
        let doing = "beginning another history";
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(broke(doing))?;
        let mut session = Session { transaction };
        let standing = session.standing().await?.position;
        if standing >= beyond {
            return Ok(standing);
        }
        let epoch = now.millis().max(fields::number(beyond.epoch).saturating_add(1));
        let query = sqlx::query("UPDATE meta SET epoch = ?").bind(epoch);
        query.execute(&mut *session.transaction).await.map_err(broke(doing))?;
        let position = session.standing().await?.position;
        session.transaction.commit().await.map_err(broke(doing))?;
        Ok(position)
    }

    async fn forget_answers(&self, now: Timestamp, most: u64) -> Result<u64, StoreFault> {
        self.delete_expired_answers(now, most).await
    }

    async fn kept_edges(&self) -> Result<Vec<KeptEdge>, StoreFault> {
        self.read_edges().await
    }

    async fn keep_edges(
        &self,
        came: &[KeptEdge],
        heard: &[KeptEdge],
        gone: &[String],
    ) -> Result<(), StoreFault> {
        self.write_edges((came, heard), gone).await
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    struct File(tempfile::TempDir);

    #[async_trait]
    impl contract::Database for File {
        async fn open(&self) -> std::sync::Arc<dyn Store> {
            let path = self.0.path().join("deep/truth.db");
            std::sync::Arc::new(SqliteStore::open(&path, Timestamp::from_millis(1_000)).await.unwrap())
        }
    }

    #[tokio::test]
    async fn the_file_holds_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let file = File(directory);
        let (store, made) = contract::with_tenant(&file).await;
        store.close().await;
        let bytes = std::fs::read(file.0.path().join("deep/truth.db")).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(holds(made.key.policy.id.as_str().as_bytes()) && holds(&made.key.digests.current.0));
        assert!(!holds(made.secret.expose().as_bytes()));
    }

    #[tokio::test]
    async fn a_report_that_was_cut_in_the_middle_leaves_nothing_and_counts_when_it_comes_again() {
        use contract::happened::{at, intake, stocked, total};
        let file = File(tempfile::tempdir().unwrap());
        let (store, key) = stocked(&file).await;
        let path = file.0.path().join("deep/truth.db");
        let beside = SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        // The tables in the order in which they are written: whichever fails, what came before it goes too.
        for (number, table) in (0..).zip(["activity", "downloads", "usage", "refusals", "reporters"]) {
            let cut =
                format!("CREATE TRIGGER cut BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'cut'); END");
            sqlx::query(sqlx::AssertSqlSafe(cut)).execute(&beside).await.unwrap();
            let report = [intake("e", number, &key, at(1_000))];
            assert!(store.take_in(&report, at(1_000)).await.is_err(), "{table}");
            assert_eq!(total(store.as_ref()).await, number, "{table}");
            sqlx::query("DROP TRIGGER cut").execute(&beside).await.unwrap();
            assert_eq!(store.take_in(&report, at(1_000)).await.unwrap().counted, 1, "{table}");
        }
        let question = crate::store::activity::ActivityQuestion::default();
        let mut reading = store.read().await.unwrap();
        let listed = reading.activities(contract::tenant(), &question, None, crate::store::Slice::ALL).await;
        assert_eq!((listed.unwrap().total, total(store.as_ref()).await), (1 + 5, 5));
    }

    contract::suite!(File(tempfile::tempdir().unwrap()));
}
