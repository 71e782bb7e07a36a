//! Reports that the bus has not taken yet: a file each, sealed, in a directory of a bounded size.
//!
//! Over its bound the oldest reports lose their transfers and keep their usage, which is what quotas and bills are made
//! of; only when all have lost them do the oldest go. Nothing is fsynced: what a power failure tears does not open, and
//! is dropped. Memory holds names, what the disk did not take, and for the way to the bus the newest few.

mod files;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use common::mac::MacKeys;
use common::wire::v1::event::Report;
use tokio::sync::Notify;

use crate::observe::{Lost, ReportMetrics};
use files::Files;

/// So many names in memory; at one report a second, three days.
const MOST_REPORTS: usize = 250_000;
/// Bytes of reports that the disk did not take.
const MOST_IN_MEMORY: u64 = 16 << 20;

/// Bytes of reports that lie on disk too: while the bus answers, nothing is read back.
const MOST_COPIED: u64 = 4 << 20;

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the reports in {directory} cannot be read: {source}")]
pub struct SpoolError {
    directory: PathBuf,
    source: io::Error,
}

/// Which report of this edge: the order is that of their making.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Id {
    pub(super) boot: u64,
    pub(super) number: u64,
}

struct Kept {
    id: Id,
    bytes: u64,
    /// It has no transfers, or none any more.
    thin: bool,
    /// The disk took it.
    on_disk: bool,
    /// The report itself, as it was sealed here.
    memory: Option<Bytes>,
}

#[derive(Default)]
struct Queue {
    kept: VecDeque<Kept>,
    bytes: u64,
}

/// The reports.
pub struct Spool {
    files: Files,
    keys: MacKeys,
    /// The most bytes of all of them.
    most: u64,
    queue: Mutex<Queue>,
    grown: Notify,
    metrics: ReportMetrics,
}

impl Spool {
    /// In `directory`, with what an earlier edge left there. `keys` are those of [`common::mac::Purpose::Report`].
    ///
    /// # Errors
    /// When it cannot be made or listed.
    pub fn open(
        directory: PathBuf,
        keys: MacKeys,
        most: u64,
        metrics: ReportMetrics,
    ) -> Result<Self, SpoolError> {
        let opened = Files::open(&directory);
        let (files, left) = opened.map_err(|source| SpoolError { directory, source })?;
        let kept =
            left.into_iter().map(|(id, bytes)| Kept { id, bytes, thin: false, on_disk: true, memory: None });
        let mut queue = Queue::default();
        kept.for_each(|kept| queue.push(kept));
        metrics.pending(queue.kept.len());
        Ok(Self { files, keys, most, queue: Mutex::new(queue), grown: Notify::new(), metrics })
    }

    /// The newest boot of which a report lies here.
    pub fn newest_boot(&self) -> Option<u64> {
        self.queue().kept.back().map(|kept| kept.id.boot)
    }

    /// How many reports lie here.
    pub fn pending(&self) -> usize {
        self.queue().kept.len()
    }

    /// Lays a report down, behind all others.
    pub async fn push(&self, report: &Report) {
        let id = Id { boot: report.boot, number: report.number };
        let Some(sealed) = self.seal(report) else { return self.metrics.lost(Lost::Reports, 1) };
        let (bytes, thin) = (sealed.len() as u64, report.transfers.is_empty());
        let on_disk = match self.files.write(id, &sealed).await {
            Ok(()) => true,
            Err(error) if self.in_memory(false) + bytes > MOST_IN_MEMORY => {
                tracing::error!(%error, number = id.number, "a report is lost: the disk did not take it");
                return self.metrics.lost(Lost::Reports, 1);
            }
            Err(error) => {
                tracing::warn!(%error, number = id.number, "a report is kept in memory: the disk did not take it");
                false
            }
        };
        let is_held = !on_disk || self.in_memory(true) + bytes <= MOST_COPIED;
        let memory = if is_held { Some(sealed) } else { None };
        self.queue().push(Kept { id, bytes, thin, on_disk, memory });
        self.make_room().await;
        self.metrics.pending(self.pending());
        self.grown.notify_one();
    }

    /// Waits until there was a push since it was last waited for.
    pub(super) async fn grown(&self) {
        self.grown.notified().await;
    }

    /// The next one to be sent. One that does not open is dropped.
    pub(super) async fn oldest(&self) -> Option<(Id, Bytes)> {
        loop {
            let (id, memory) = self.queue().kept.front().map(|kept| (kept.id, kept.memory.clone()))?;
            if let Some(sealed) = memory {
                return Some((id, sealed));
            }
            match self.files.read(id).await {
                Ok(sealed) if self.is_ours(&sealed) => return Some((id, sealed.into())),
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, number = id.number, "a kept report cannot be read now");
                    return None;
                }
                Ok(_) | Err(_) => {
                    tracing::warn!(boot = id.boot, number = id.number, "a kept report was spoiled");
                    self.metrics.lost(Lost::Reports, 1);
                    self.remove(id).await;
                }
            }
        }
    }

    /// The bus has it.
    pub(super) async fn sent(&self, id: Id) {
        self.remove(id).await;
        self.metrics.report_sent();
    }

    async fn remove(&self, id: Id) {
        let removed = self.queue().remove(id);
        if removed.is_some_and(|kept| kept.on_disk) {
            self.files.remove(id).await;
        }
        self.metrics.pending(self.pending());
    }

    async fn make_room(&self) {
        loop {
            let victim = {
                let queue = self.queue();
                if queue.bytes <= self.most && queue.kept.len() <= MOST_REPORTS {
                    return;
                }
                queue
                    .kept
                    .iter()
                    .find(|kept| !kept.thin)
                    .or(queue.kept.front())
                    .map(|kept| (kept.id, kept.thin))
            };
            match victim {
                None => return,
                Some((id, false)) => self.thin(id).await,
                Some((id, true)) => {
                    self.metrics.lost(Lost::Reports, 1);
                    self.remove(id).await;
                }
            }
        }
    }

    /// Takes the transfers out of a report. Perhaps it was sent already and the answer lost: then the desk has them.
    async fn thin(&self, id: Id) {
        let sealed = match self.memory_of(id) {
            Some(sealed) => sealed.into(),
            None => self.files.read(id).await.unwrap_or_default(),
        };
        let whole = self.unseal(&sealed);
        let lost = whole.as_ref().map_or(0, |report| report.transfers.len());
        let thin = whole.and_then(|report| self.seal(&Report { transfers: Vec::new(), ..report }));
        let Some(sealed) = thin else { return self.remove(id).await };
        // Gone to memory when the disk does not take it: it is small.
        let on_disk = self.files.write(id, &sealed).await.is_ok();
        let bytes = sealed.len() as u64;
        let memory = if on_disk { None } else { Some(sealed) };
        if self.queue().replace(Kept { id, bytes, thin: true, on_disk, memory }) {
            self.metrics.lost(Lost::Transfers, lost as u64);
        } else {
            // Sent meanwhile.
            self.files.remove(id).await;
        }
    }

    fn memory_of(&self, id: Id) -> Option<Bytes> {
        self.queue().kept.iter().find(|kept| kept.id == id)?.memory.clone()
    }

    /// Bytes of reports in memory: of those that the disk took, or of those that it did not.
    fn in_memory(&self, on_disk: bool) -> u64 {
        let queue = self.queue();
        let held = queue.kept.iter().filter(|kept| kept.on_disk == on_disk && kept.memory.is_some());
        held.map(|kept| kept.bytes).sum()
    }

    /// Whether nothing was torn or changed since it was sealed.
    fn is_ours(&self, sealed: &[u8]) -> bool {
        self.keys.open_bytes(sealed).is_some()
    }

    fn seal(&self, report: &Report) -> Option<Bytes> {
        report.seal(&self.keys).map(Bytes::from)
    }

    fn unseal(&self, sealed: &[u8]) -> Option<Report> {
        Report::open(sealed, &self.keys)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A panic cannot leave it half changed in a way that matters: at worst a sum is off by one report.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, kept: Kept) {
        self.bytes += kept.bytes;
        self.kept.push_back(kept);
    }

    fn remove(&mut self, id: Id) -> Option<Kept> {
        let at = self.kept.iter().position(|kept| kept.id == id)?;
        let kept = self.kept.remove(at)?;
        self.bytes = self.bytes.saturating_sub(kept.bytes);
        Some(kept)
    }

    /// False when it is not there any more.
    fn replace(&mut self, new: Kept) -> bool {
        let Some(kept) = self.kept.iter_mut().find(|kept| kept.id == new.id) else { return false };
        self.bytes = (self.bytes + new.bytes).saturating_sub(kept.bytes);
        *kept = new;
        true
    }
}
