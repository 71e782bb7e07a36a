//! All records, on disk, with the position they stand at: what lets an edge refuse an unknown key without asking, and
//! serve after a restart while everything else is down.
//!
//! It is disposable: deleted or damaged, it is built again from the feed. One writer, the feed; readers see the last
//! commit. It applies what the control plane says and never decides.

mod denied;
pub mod feed;
mod file;
mod filter;
mod rebuild;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use common::catalog::Version;
use common::digest::Digest;
use common::id::{ApplicationId, SessionId, TenantId};
use common::key::Digests;
use common::policy::KeyPolicy;
use common::tier::Tier;
use common::time::Timestamp;
use common::wire::address::Address;
use common::wire::v1::{Batch, Denials, Record};
use common::wire::{Position, Unreadable};
use tokio::sync::watch;

use denied::Denied;
use filter::Filter;

/// The replica could not be read or written: disk full, damaged, out of memory.
#[derive(Debug, thiserror::Error)]
#[error("the replica failed: {says}")]
pub struct ReplicaFault {
    says: String,
    /// Whether its file is of no more use.
    is_damage: bool,
}

impl ReplicaFault {
    fn new(says: impl std::fmt::Display) -> Self {
        Self { says: says.to_string(), is_damage: false }
    }
}

impl From<Unreadable> for ReplicaFault {
    fn from(error: Unreadable) -> Self {
        Self::new(error)
    }
}

/// The records that a batch changed, and every digest that a key of them had or has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Whose records.
    pub addresses: Vec<Address>,
    /// Whose keys.
    pub digests: Vec<Digest>,
}

/// A handle on the replica; cheap to share.
pub struct Replica {
    file: file::File,
    filter: Filter,
    denied: Denied,
    position: watch::Sender<Position>,
    /// Whether the position is one that may be served: told apart, because every request asks, and a look at the position
    /// is a lock.
    is_usable: AtomicBool,
    /// Whether its file was found to be damaged: a snapshot must take its place.
    is_damaged: AtomicBool,
    /// It holds its first snapshot, and not yet the log that leads on from there.
    is_filling: AtomicBool,
    head_issued_at: AtomicI64,
}

impl Replica {
    /// Opens the replica in `directory`, or begins an empty one.
    ///
    /// # Errors
    /// When the directory cannot be used at all. A damaged file is put aside and begun anew.
    pub fn open(directory: &Path) -> Result<Self, ReplicaFault> {
        let file = file::File::open(directory)?;
        let (filter, denied) = (Filter::of(&file)?, Denied::default());
        for (address, sequence) in file.denied()? {
            denied.deny(address, sequence);
        }
        let (position, issued_at) = file.position()?;
        Ok(Self {
            file,
            filter,
            denied,
            position: watch::channel(position).0,
            is_usable: AtomicBool::new(position.epoch != 0),
            is_damaged: AtomicBool::new(false),
            is_filling: AtomicBool::new(false),
            head_issued_at: AtomicI64::new(issued_at.millis()),
        })
    }

    /// The position that is in force on this edge.
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Follows the position.
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    /// True once it has ever held a snapshot with the log that leads on from it. A snapshot alone is seconds old: it does
    /// not know the keys that were made since, and knows those that were withdrawn.
    pub fn is_usable(&self) -> bool {
        self.is_usable.load(Ordering::Acquire)
    }

    /// When the newest head that this replica has kept up with had been signed.
    pub fn head_issued_at(&self) -> Timestamp {
        Timestamp::from_millis(self.head_issued_at.load(Ordering::Relaxed))
    }

    /// Whether any address is denied at all: the quick answer on the hot path.
    pub fn has_denials(&self) -> bool {
        !self.denied.is_empty()
    }

    /// True when a denial of this address has come, and no record after it.
    pub fn is_denied(&self, address: &Address) -> bool {
        self.denied.holds(address)
    }

    /// False when no key has this digest, without a look at the disk; true for all that have one and for one in a
    /// hundred that have none.
    pub fn may_hold(&self, digest: &Digest) -> bool {
        self.filter.may_hold(digest)
    }

    /// The key that a digest belongs to, with all its digests.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn key_of(&self, digest: &Digest) -> Result<Option<(KeyPolicy, Digests)>, ReplicaFault> {
        self.seen(self.file.key_of(digest))
    }

    /// The record at `address`; `None` when there is none, or none that this edge can read: absence denies.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn record(&self, address: &Address) -> Result<Option<Record>, ReplicaFault> {
        self.seen(self.file.record(address))
    }

    /// Whether a session was ended before its time: by a denial, or by its record, also one that only a newer edge can
    /// read. A session that lives has none.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn is_revoked(&self, session: &SessionId) -> Result<bool, ReplicaFault> {
        let address = Address::Session(session.clone());
        // In this order: a denial is lifted after its record was committed.
        Ok(self.is_denied(&address) || self.file.holds(&address)?)
    }

    /// All versions of an application, in no order.
    pub fn versions(
        &self,
        tenant: TenantId,
        application: &ApplicationId,
    ) -> Result<Vec<Version>, ReplicaFault> {
        let records = self.file.records_below(&format!("version:{tenant}/{application}/"))?;
        Ok(records
            .into_iter()
            .filter_map(|r| if let Record::Version(v) = r { Some(v) } else { None })
            .collect())
    }

    /// All tiers of a tenant, in no order.
    pub fn tiers(&self, tenant: TenantId) -> Result<Vec<Tier>, ReplicaFault> {
        let records = self.file.records_below(&format!("tier:{tenant}/"))?;
        Ok(records.into_iter().filter_map(|r| if let Record::Tier(t) = r { Some(t) } else { None }).collect())
    }

    /// Takes rights away at once, in memory; gives whose.
    fn deny(&self, denials: &Denials) -> Vec<Address> {
        // An address of a kind that this edge does not know has no rights here.
        let known: Vec<_> =
            denials.addresses.iter().filter_map(|text| text.parse::<Address>().ok()).collect();
        for address in &known {
            self.denied.deny(address.clone(), denials.sequence);
        }
        known
    }

    /// Keeps the denials that no change has followed yet for the next start. Mostly there are none: the change
    /// arrives together with its denial, and its commit says the same.
    fn keep_denials(&self) -> Result<(), ReplicaFault> {
        let reached = self.position().sequence;
        let open = self.denied.those(|at| at > reached);
        if open.is_empty() { Ok(()) } else { self.seen(self.file.deny(&open)) }
    }

    /// Commits a whole change. The position moves only with [`Replica::advance`], after the caches were told.
    fn apply(&self, parts: &[Batch]) -> Result<Changed, ReplicaFault> {
        let changed = self.seen(self.file.apply(parts))?;
        for digest in &changed.digests {
            self.filter.add(digest);
        }
        Ok(changed)
    }

    /// Ends denials that a record of the same or a later write has overtaken: it tells the whole truth again.
    fn lift(&self, parts: &[Batch]) {
        if self.denied.is_empty() {
            return;
        }
        for entry in parts.iter().flat_map(|part| &part.entries) {
            if let Ok(address) = entry.address.parse::<Address>() {
                self.denied.lift(&address, entry.sequence);
            }
        }
    }

    /// Ends denials that the snapshot at `position` has overtaken. One of another history it overtakes in any case.
    fn lift_all(&self, position: Position) {
        self.denied.retain(|at| self.outlasts(position, at));
    }

    /// Whether a denial at `sequence` of the present history says more than the snapshot at `position`.
    fn outlasts(&self, position: Position, sequence: u64) -> bool {
        self.position().epoch == position.epoch && sequence > position.sequence
    }

    /// Says that everything up to `position` is in force.
    fn advance(&self, position: Position) {
        self.position.send_replace(position);
        let may_serve = position.epoch != 0 && !self.is_filling.load(Ordering::Relaxed);
        self.is_usable.store(may_serve, Ordering::Release);
    }

    /// Says that a snapshot comes. Only where there was nothing is it not to be served: what is old is better than
    /// nothing for those who know it.
    fn fill(&self) {
        self.is_filling.store(!self.is_usable(), Ordering::Relaxed);
    }

    /// Says that the log was read to its end.
    fn filled(&self) {
        if self.is_filling.swap(false, Ordering::Relaxed) {
            self.is_usable.store(self.position().epoch != 0, Ordering::Release);
        }
    }

    /// Notes that nothing newer was known at `issued_at`; on disk once a minute, so that after a restart the replica
    /// does not look older than it is.
    fn note_head(&self, issued_at: Timestamp) -> Result<(), ReplicaFault> {
        let before = self.head_issued_at.fetch_max(issued_at.millis(), Ordering::Relaxed);
        if before / 60_000 < issued_at.millis() / 60_000 {
            self.seen(self.file.note_issued(issued_at))
        } else {
            Ok(())
        }
    }

    fn seen<T>(&self, done: Result<T, ReplicaFault>) -> Result<T, ReplicaFault> {
        done.inspect_err(|fault| {
            self.is_damaged.store(fault.is_damage || self.is_damaged(), Ordering::Release)
        })
    }

    /// Whether its file is of no more use. What was read of it serves on until a snapshot has taken its place.
    fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire)
    }
}

/// Shared by the feed that writes and the rooms that read.
pub type SharedReplica = Arc<Replica>;
