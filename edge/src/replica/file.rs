//! The tables on disk (redb): records by address, key ids by digest, denials, and where it all stands.

mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::digest::Digest;
use common::key::Digests;
use common::policy::KeyPolicy;
use common::time::Timestamp;
use common::wire::address::Address;
use common::wire::v1::{Batch, Entry, Head, Record};
use common::wire::{Position, Unreadable};
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _,
    ReadableTableMetadata as _, StorageError, TableDefinition, WriteTransaction,
};

use super::{Changed, ReplicaFault};
use writer::Writer;

/// Address to sequence (8 bytes, little-endian) and the record's JSON.
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records-v1");
/// Digests of a key's secrets to its id.
const DIGESTS: TableDefinition<'_, &[u8; 32], &str> = TableDefinition::new("digests-v1");
/// Address to the sequence of the denial.
const DENIED: TableDefinition<'_, &str, u64> = TableDefinition::new("denied-v1");
/// `epoch`, `sequence`, `issued` (milliseconds).
const PLACE: TableDefinition<'_, &str, u64> = TableDefinition::new("place-v1");

/// Pages that redb keeps in memory; the rest is the page cache of the system.
const CACHE_BYTES: usize = 32 << 20;
/// Up to this size a file is checked page by page when it is opened, which takes a fraction of a second.
const MOST_CHECKED_BYTES: u64 = 256 << 20;

macro_rules! faults {
    ($($error:ty),*) => { $(impl From<$error> for ReplicaFault {
        fn from(error: $error) -> Self {
            let error = redb::Error::from(error);
            Self { says: error.to_string(), is_damage: is_damage(&error) }
        }
    })* };
}

faults!(redb::CommitError, redb::DatabaseError, redb::StorageError, redb::TableError, redb::TransactionError);

impl From<std::io::Error> for ReplicaFault {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

pub(super) struct File {
    path: PathBuf,
    /// What readers see: opened once a commit instead of once a look-up, which costs more than the look-up itself.
    view: ArcSwap<View>,
    /// What the feed writes: another one after damage.
    database: ArcSwap<Database>,
}

/// The tables as the last commit left them.
struct View {
    records: ReadOnlyTable<&'static str, &'static [u8]>,
    digests: ReadOnlyTable<&'static [u8; 32], &'static str>,
    /// Closed after its last reader.
    _database: Arc<Database>,
}

impl View {
    fn of(database: &Arc<Database>) -> Result<Self, ReplicaFault> {
        let read = database.begin_read()?;
        let (records, digests) = (read.open_table(RECORDS)?, read.open_table(DIGESTS)?);
        Ok(Self { records, digests, _database: database.clone() })
    }

    fn record(&self, address: &Address) -> Result<Option<Record>, ReplicaFault> {
        let found = self.records.get(address.to_string().as_str())?;
        Ok(found.and_then(|value| decode(address, value.value()).ok()))
    }
}

impl File {
    pub(super) fn open(directory: &Path) -> Result<Self, ReplicaFault> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("replica.redb");
        let database = match create(&path) {
            Ok(database) => database,
            Err(DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch) => {
                return Err(ReplicaFault::new(format!("{} is in use by another edge", path.display())));
            }
            // The disk is full or not ours: no reason to give up what may be the only thing to serve from.
            Err(DatabaseError::Storage(StorageError::Io(error))) if !is_of_the_file(&error) => {
                return Err(error.into());
            }
            Err(error) => {
                // Disposable: begin anew and let the feed fill it.
                tracing::error!(%error, "the replica is damaged: beginning a new one");
                std::fs::rename(&path, path.with_extension("damaged"))?;
                create(&path)?
            }
        };
        let tables = database.begin_write()?;
        make_tables(&tables)?;
        tables.commit()?;
        let database = Arc::new(database);
        Ok(Self { path, view: ArcSwap::from_pointee(View::of(&database)?), database: ArcSwap::new(database) })
    }

    /// Readers see it from when this returns, and all of it. After every commit, however small: the pages that it freed
    /// are kept for as long as somebody reads as before.
    fn commit(&self, write: WriteTransaction) -> Result<(), ReplicaFault> {
        write.commit()?;
        self.view.store(View::of(&self.database.load_full())?.into());
        Ok(())
    }

    pub(super) fn position(&self) -> Result<(Position, Timestamp), ReplicaFault> {
        let table = self.database.load().begin_read()?.open_table(PLACE)?;
        let number =
            |name: &str| -> Result<u64, ReplicaFault> { Ok(table.get(name)?.map_or(0, |v| v.value())) };
        let issued = i64::try_from(number("issued")?).unwrap_or(0);
        Ok((
            Position { epoch: number("epoch")?, sequence: number("sequence")? },
            Timestamp::from_millis(issued),
        ))
    }

    pub(super) fn key_of(&self, digest: &Digest) -> Result<Option<(KeyPolicy, Digests)>, ReplicaFault> {
        let view = self.view.load();
        let Some(id) = view.digests.get(&digest.0)? else { return Ok(None) };
        let id = id.value().parse().map_err(|_| Unreadable::new("key id"))?;
        match view.record(&Address::Key(id))? {
            Some(Record::Key(policy, digests)) => Ok(Some((policy, digests))),
            _ => Ok(None),
        }
    }

    pub(super) fn record(&self, address: &Address) -> Result<Option<Record>, ReplicaFault> {
        self.view.load().record(address)
    }

    /// Whether anything stands at the address, readable or not.
    pub(super) fn holds(&self, address: &Address) -> Result<bool, ReplicaFault> {
        Ok(self.view.load().records.get(address.to_string().as_str())?.is_some())
    }

    /// Records whose address begins with `prefix`. Unreadable ones are left out, which denies them.
    pub(super) fn records_below(&self, prefix: &str) -> Result<Vec<Record>, ReplicaFault> {
        let view = self.view.load_full();
        let mut records = Vec::new();
        for row in view.records.range(prefix..)? {
            let (address, value) = row?;
            if !address.value().starts_with(prefix) {
                break;
            }
            let address: Address = address.value().parse()?;
            records.extend(decode(&address, value.value()).ok());
        }
        Ok(records)
    }

    pub(super) fn denied(&self) -> Result<Vec<(Address, u64)>, ReplicaFault> {
        let table = self.database.load().begin_read()?.open_table(DENIED)?;
        let mut denied = Vec::new();
        for row in table.iter()? {
            let (address, sequence) = row?;
            // One of a kind that only a newer edge on the same file knew has no rights here.
            denied.extend(address.value().parse().ok().map(|address| (address, sequence.value())));
        }
        Ok(denied)
    }

    pub(super) fn digest_count(&self) -> Result<u64, ReplicaFault> {
        Ok(self.view.load().digests.len()?)
    }

    pub(super) fn each_digest(&self, mut each: impl FnMut(&[u8; 32])) -> Result<(), ReplicaFault> {
        let view = self.view.load_full();
        for row in view.digests.iter()? {
            each(row?.0.value());
        }
        Ok(())
    }

    pub(super) fn deny(&self, denials: &[(Address, u64)]) -> Result<(), ReplicaFault> {
        let write = self.database.load().begin_write()?;
        deny(&write, denials)?;
        self.commit(write)
    }

    pub(super) fn note_issued(&self, issued: Timestamp) -> Result<(), ReplicaFault> {
        let write = self.database.load().begin_write()?;
        note_issued(&write, issued)?;
        self.commit(write)
    }

    /// All parts in one commit, on disk when this returns.
    pub(super) fn apply(&self, parts: &[Batch]) -> Result<Changed, ReplicaFault> {
        let write = self.database.load().begin_write()?;
        let mut changed = Changed::default();
        {
            let mut writer = Writer::open(&write)?;
            for entry in parts.iter().flat_map(|part| &part.entries) {
                writer.put(entry, &mut changed)?;
            }
        }
        if let Some(last) = parts.last() {
            place(&write, Position { epoch: last.epoch, sequence: last.sequence })?;
        }
        self.commit(write)?;
        Ok(changed)
    }

    /// Begins the replacement of everything: readers go on with what was, until it is committed.
    pub(super) fn replace(&self) -> Result<Replacement<'_>, ReplicaFault> {
        let write = self.database.load().begin_write()?;
        write.delete_table(RECORDS)?;
        write.delete_table(DIGESTS)?;
        write.delete_table(DENIED)?;
        // Made again now: a snapshot without records must leave tables behind, too.
        Writer::open(&write)?;
        Ok(Replacement { file: self, write, anew: None, records: 0 })
    }

    /// The same in a new file, which takes the place of this one: nothing can be made of one that is damaged.
    pub(super) fn replace_damaged(&self) -> Result<Replacement<'_>, ReplicaFault> {
        let path = self.path.with_extension("next");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let database = create(&path)?;
        let write = database.begin_write()?;
        make_tables(&write)?;
        Ok(Replacement { file: self, write, anew: Some((path, Arc::new(database))), records: 0 })
    }
}

fn make_tables(write: &WriteTransaction) -> Result<(), ReplicaFault> {
    write.open_table(RECORDS)?;
    write.open_table(DIGESTS)?;
    write.open_table(DENIED)?;
    write.open_table(PLACE)?;
    Ok(())
}

/// A replacement under way; dropped, it never happened.
pub(super) struct Replacement<'f> {
    file: &'f File,
    write: WriteTransaction,
    /// The new file, where that is one.
    anew: Option<(PathBuf, Arc<Database>)>,
    records: u64,
}

impl Replacement<'_> {
    pub(super) fn put_all(&mut self, entries: &[Entry]) -> Result<(), ReplicaFault> {
        let mut writer = Writer::open(&self.write)?;
        let mut ignored = Changed::default();
        for entry in entries {
            writer.put(entry, &mut ignored)?;
        }
        self.records += entries.len() as u64;
        Ok(())
    }

    /// With the denials that stay open.
    pub(super) fn commit(self, head: &Head, open: &[(Address, u64)]) -> Result<(), ReplicaFault> {
        if self.records != head.records {
            let says =
                format!("the buckets hold {} records, their head counts {}", self.records, head.records);
            return Err(ReplicaFault::new(says));
        }
        deny(&self.write, open)?;
        place(&self.write, head.position())?;
        note_issued(&self.write, head.issued_at)?;
        let Some((path, database)) = self.anew else { return self.file.commit(self.write) };
        self.write.commit()?;
        self.file.view.store(View::of(&database)?.into());
        self.file.database.store(database);
        // Last: until then the next start finds what there was, damaged as it is, and begins anew itself.
        Ok(std::fs::rename(path, &self.file.path)?)
    }
}

fn create(path: &Path) -> Result<Database, DatabaseError> {
    let checks = path.metadata().is_ok_and(|file| file.len() <= MOST_CHECKED_BYTES);
    let create = || {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(checks).create(path)
    };
    // redb panics on some damages that it was not told to look for.
    let panicked = |_| Err(StorageError::Corrupted("it cannot be opened".to_owned()).into());
    std::panic::catch_unwind(create).unwrap_or_else(panicked)
}

/// Whether a file is to blame, rather than the disk or the permissions.
fn is_of_the_file(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Whether an open file cannot be used any more: redb gives one up after the first error of its disk.
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => is_of_the_file(error),
        redb::Error::Corrupted(_) | redb::Error::PreviousIo => true,
        _ => false,
    }
}

fn place(write: &WriteTransaction, position: Position) -> Result<(), ReplicaFault> {
    let mut table = write.open_table(PLACE)?;
    table.insert("epoch", position.epoch)?;
    table.insert("sequence", position.sequence)?;
    Ok(())
}

fn note_issued(write: &WriteTransaction, issued: Timestamp) -> Result<(), ReplicaFault> {
    write.open_table(PLACE)?.insert("issued", u64::try_from(issued.millis()).unwrap_or(0))?;
    Ok(())
}

fn deny(write: &WriteTransaction, denials: &[(Address, u64)]) -> Result<(), ReplicaFault> {
    let mut table = write.open_table(DENIED)?;
    for (address, sequence) in denials {
        table.insert(address.to_string().as_str(), *sequence)?;
    }
    Ok(())
}

fn decode(address: &Address, value: &[u8]) -> Result<Record, ReplicaFault> {
    let (_, json) = split(value).ok_or(Unreadable::new("row"))?;
    Ok(Record::decode(address, std::str::from_utf8(json).map_err(|_| Unreadable::new("row"))?)?)
}

fn split(value: &[u8]) -> Option<(u64, &[u8])> {
    let (sequence, json) = value.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*sequence), json))
}
