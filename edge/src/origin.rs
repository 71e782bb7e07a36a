//! Where the bytes lie: a directory of immutable files, each under its SHA-256. A file is opened by digest and by the
//! size that its record says; one of another size is a fault, never served.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use moka::sync::Cache;

use crate::file_io::Mapping;

/// Files up to this size are kept in memory whole: one write from memory costs less than sending from a file.
/// Measured: see docs/performance.md.
const SMALL: u64 = 32 << 10;
/// What an open file weighs beside its bytes: with 64 MiB there are at most some thousand descriptors.
const WEIGHT: u32 = 16 << 10;
/// How long a file stays open unasked about the disk: the space of a removed one is free after that.
const HELD_FOR: Duration = Duration::from_secs(60);

/// The directory that the control plane puts blobs into, and the files of it that are open.
#[derive(Clone, Debug)]
pub struct Origin {
    root: PathBuf,
    /// Never decides whether a file may be had: it is asked after the catalog said so.
    open: Cache<Digest, Arc<ImmutableFile>>,
}

/// An open file whose bytes never change while anybody reads it.
#[derive(Debug)]
pub struct ImmutableFile {
    size: u64,
    digest: Digest,
    bytes: Held,
    /// How many are fetching bytes that were not in memory.
    fetching: AtomicUsize,
}

/// Somebody who fetches bytes of a file that were not in memory.
pub(crate) struct Fetching(Arc<ImmutableFile>);

/// How the bytes of a file are held.
#[derive(Debug)]
enum Held {
    /// All in memory.
    Memory(Bytes),
    /// Open, and mapped to be sent without a copy.
    Mapped(Arc<Mapping>),
    /// Open; the kernel does not map it.
    Open(File),
}

/// Why bytes that should be there cannot be had. To be logged once by who tells the caller; names no path.
#[derive(Debug, thiserror::Error)]
pub enum OriginFault {
    #[error("blob {digest} cannot be opened: {source}")]
    Unreadable { digest: Digest, source: io::Error },
    #[error("blob {digest} is {found} bytes, its record says {expected}")]
    WrongSize { digest: Digest, expected: u64, found: u64 },
    #[error("blob {digest} is not a file")]
    NotAFile { digest: Digest },
}

impl Origin {
    /// Over that directory, holding files that weigh at most `most` together: a small one its bytes, and each some more.
    pub fn new(root: PathBuf, most: u64) -> Self {
        let weigh = |_: &Digest, file: &Arc<ImmutableFile>| file.weight();
        let open = Cache::builder().weigher(weigh).max_capacity(most).time_to_live(HELD_FOR).build();
        Self { root, open }
    }

    /// The file of `digest`, none when there is none. Safe to cancel: an opened file that nobody waits for is closed.
    pub async fn open(&self, digest: &Digest, size: u64) -> Result<Option<Arc<ImmutableFile>>, OriginFault> {
        let digest = *digest;
        if let Some(file) = self.open.get(&digest).filter(|file| file.size == size) {
            return Ok(Some(file));
        }
        let path = self.root.join(digest.blob_path());
        let opened = tokio::task::spawn_blocking(move || open_blocking(&path, digest, size)).await;
        let opened =
            opened.map_err(|e| OriginFault::Unreadable { digest, source: io::Error::other(e) }).flatten()?;
        Ok(opened.map(|file| self.open.entry(digest).or_insert(file).into_value()))
    }

    /// All bytes of a small file, none when there is none.
    pub async fn read(&self, digest: &Digest, size: u64) -> Result<Option<Bytes>, OriginFault> {
        let Some(file) = self.open(digest, size).await? else { return Ok(None) };
        let digest = *digest;
        let read = tokio::task::spawn_blocking(move || file.read_exact(0, size));
        let read = read.await.map_err(io::Error::other).flatten();
        read.map(Some).map_err(|source| OriginFault::Unreadable { digest, source })
    }
}

fn open_blocking(path: &Path, digest: Digest, size: u64) -> Result<Option<Arc<ImmutableFile>>, OriginFault> {
    let unreadable = |source| OriginFault::Unreadable { digest, source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(OriginFault::NotAFile { digest });
    }
    if metadata.len() != size {
        return Err(OriginFault::WrongSize { digest, expected: size, found: metadata.len() });
    }
    let bytes = if size <= SMALL {
        Held::Memory(read_exact(&file, 0, size).map_err(unreadable)?)
    } else {
        match file.try_clone().and_then(Mapping::new) {
            Ok(mapping) => Held::Mapped(mapping),
            Err(_) => Held::Open(file),
        }
    };
    Ok(Some(Arc::new(ImmutableFile { size, digest, bytes, fetching: AtomicUsize::default() })))
}

fn read_exact(file: &File, position: u64, end: u64) -> io::Result<Bytes> {
    let length = usize::try_from(end.saturating_sub(position)).map_err(io::Error::other)?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, position)?;
    Ok(buffer.into())
}

impl ImmutableFile {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The name of the bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes from `position` up to `end`, without waiting, when they are held in memory.
    pub fn held(&self, position: u64, end: u64) -> Option<Bytes> {
        let Held::Memory(bytes) = &self.bytes else { return None };
        let (from, to) = (usize::try_from(position).ok()?, usize::try_from(end).ok()?);
        (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
    }

    /// The mapping of the file, when it has one.
    pub fn mapping(&self) -> Option<&Arc<Mapping>> {
        match &self.bytes {
            Held::Mapped(mapping) => Some(mapping),
            Held::Memory(_) | Held::Open(_) => None,
        }
    }

    /// The file, unless it is held in memory.
    pub fn file(&self) -> Option<&File> {
        match &self.bytes {
            Held::Memory(_) => None,
            Held::Mapped(mapping) => Some(mapping.file()),
            Held::Open(file) => Some(file),
        }
    }

    /// Notes that somebody fetches, for as long as what is given lives.
    pub(crate) fn note_fetching(self: &Arc<Self>) -> Fetching {
        self.fetching.fetch_add(1, Ordering::Relaxed);
        Fetching(self.clone())
    }

    /// Whether somebody fetches: then what is in the page cache may still be on its way.
    pub(crate) fn is_fetched(&self) -> bool {
        self.fetching.load(Ordering::Relaxed) > 0
    }

    /// The bytes from `position` up to `end`. Blocks. Fewer than that are an error: somebody cut the file.
    pub fn read_exact(&self, position: u64, end: u64) -> io::Result<Bytes> {
        let read = match self.file() {
            Some(file) => read_exact(file, position, end),
            None => self.held(position, end).ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        };
        read.map_err(|error| self.named(&error))
    }

    /// The same error, saying of which file.
    pub fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("blob {}: {error}", self.digest))
    }

    fn weight(&self) -> u32 {
        let held = match &self.bytes {
            Held::Memory(bytes) => u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            Held::Mapped(_) | Held::Open(_) => 0,
        };
        held.saturating_add(WEIGHT)
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.fetching.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
