//! Where the bytes lie: a directory of immutable files, each under its SHA-256. A file is opened by digest and by the
//! size that its record says; one of another size is a fault, never served.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::digest::Digest;

/// The directory that the control plane puts blobs into.
#[derive(Clone, Debug)]
pub struct Origin {
    root: PathBuf,
}

/// An open file whose bytes never change while anybody reads it.
#[derive(Debug)]
pub struct ImmutableFile {
    file: File,
    size: u64,
    digest: Digest,
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
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The file of `digest`, none when there is none. Safe to cancel: an opened file that nobody waits for is closed.
    pub async fn open(&self, digest: &Digest, size: u64) -> Result<Option<Arc<ImmutableFile>>, OriginFault> {
        let digest = *digest;
        let path = self.root.join(digest.blob_path());
        let opened = tokio::task::spawn_blocking(move || open_blocking(&path, digest, size)).await;
        opened.map_err(|e| OriginFault::Unreadable { digest, source: io::Error::other(e) }).flatten()
    }

    /// All bytes of a small file, none when there is none.
    pub async fn read(&self, digest: &Digest, size: u64) -> Result<Option<Bytes>, OriginFault> {
        let digest = *digest;
        let path = self.root.join(digest.blob_path());
        let read = tokio::task::spawn_blocking(move || {
            let Some(file) = open_blocking(&path, digest, size)? else { return Ok(None) };
            let bytes = file.read_exact(0, size);
            bytes.map(Some).map_err(|source| OriginFault::Unreadable { digest, source })
        });
        read.await.map_err(|e| OriginFault::Unreadable { digest, source: io::Error::other(e) }).flatten()
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
    Ok(Some(Arc::new(ImmutableFile { file, size, digest })))
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

    /// The bytes from `position` up to `end`. Blocks. Fewer than that are an error: somebody cut the file.
    pub fn read_exact(&self, position: u64, end: u64) -> io::Result<Bytes> {
        let length = usize::try_from(end.saturating_sub(position)).map_err(io::Error::other)?;
        let mut buffer = vec![0; length];
        let read = self.file.read_exact_at(&mut buffer, position);
        read.map_err(|e| {
            io::Error::new(e.kind(), format!("blob {} from {position} to {end}: {e}", self.digest))
        })?;
        Ok(buffer.into())
    }
}

#[cfg(test)]
mod tests;
