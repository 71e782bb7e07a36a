//! An upload that comes in parts: a file below `.incoming/` that only grows, by one writer at a time.
//!
//! The file is the truth about how far it has come, for every control plane over the same directory. Its writer holds
//! the file's lock (`flock`), which ends with the process at the latest; a length is told only after the bytes before
//! it were synced. What SHA-256 has taken in so far is remembered in this process, so that who goes on here need not
//! read the beginning again; elsewhere, or after a restart, the file is hashed from the disk when it is whole.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use common::digest::Digest;
use common::id::UploadId;
use object_store::path::Path as ObjectPath;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::uploads::sealed::Sealed;
use crate::uploads::{Blob, Blobs, INCOMING, PIECE};

/// Uploads whose hash is remembered; more are hashed from the disk.
const MOST_REMEMBERED: usize = 1_000;

/// Which content of a file was hashed: another control plane may have begun it anew meanwhile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mark {
    size: u64,
    inode: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(file: &Metadata) -> Self {
        Self { size: file.len(), inode: file.ino(), changed: (file.mtime(), file.mtime_nsec()) }
    }
}

/// How far SHA-256 has come with uploads that somebody may go on with.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes(Arc<Mutex<HashMap<UploadId, (Mark, Sha256)>>>);

impl Hashes {
    fn take(&self, id: &UploadId, found: Mark) -> Option<Sha256> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        match taken {
            _ if found.size == 0 => Some(Sha256::new()),
            Some((mark, hash)) if mark == found => Some(hash),
            Some(_) | None => None,
        }
    }

    fn put(&self, id: &UploadId, mark: Mark, hash: Sha256) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() < MOST_REMEMBERED {
            held.insert(id.clone(), (mark, hash));
        }
    }

    fn forget(&self, id: &UploadId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// The one writer of an upload's parts.
#[derive(Debug)]
pub(crate) struct Parts {
    blobs: Blobs,
    id: UploadId,
    file: tokio::fs::File,
    size: u64,
    /// Of the bytes so far, when this process has seen all of them.
    hash: Option<Sha256>,
}

impl Blobs {
    /// How many bytes of the parts are durable; 0 when none came.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn size_of_parts(&self, id: &UploadId) -> io::Result<u64> {
        let path = self.path_of_parts(id);
        blocking(move || match File::open(path) {
            // After a crash the length may be ahead of what a loss of power would leave.
            Ok(file) => file.sync_all().and_then(|()| Ok(file.metadata()?.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e),
        })
        .await
    }

    /// Becomes the writer; `None` while there is another one.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn go_on(&self, id: &UploadId) -> io::Result<Option<Parts>> {
        let (path, incoming) = (self.path_of_parts(id), self.root.join(INCOMING));
        let Some((file, mark)) = blocking(move || lock(&path, &incoming)).await? else { return Ok(None) };
        let hash = self.hashes.take(id, mark);
        Ok(Some(Parts { blobs: self.clone(), id: id.clone(), file: file.into(), size: mark.size, hash }))
    }

    /// Removes what came in parts. A writer who is at it writes on into nothing, and is refused at its end.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn drop_parts(&self, id: &UploadId) -> io::Result<()> {
        self.hashes.forget(id);
        let path = self.path_of_parts(id);
        blocking(move || remove(&path)).await
    }

    /// Whether bytes of that name and size are there.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn holds(&self, digest: Digest, size: u64) -> io::Result<bool> {
        let path = self.root.join(digest.blob_path());
        blocking(move || match path.metadata() {
            Ok(found) => Ok(found.len() == size),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        })
        .await
    }

    /// Takes a name away. Only while the store's writer is held, which has seen that nothing refers to it.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn discard(&self, digest: Digest) -> io::Result<()> {
        let path = self.root.join(digest.blob_path());
        blocking(move || remove(&path)).await
    }

    fn path_of_parts(&self, id: &UploadId) -> PathBuf {
        self.root.join(INCOMING).join(name_of(id))
    }
}

fn name_of(id: &UploadId) -> String {
    format!("{id}.parts")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opens, locks, and makes sure that the name still means this file: the writer before may have finished it, and the
/// bytes that it is now must not grow.
fn lock(path: &Path, incoming: &Path) -> io::Result<Option<(File, Mark)>> {
    let file = File::options().append(true).create(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(e)) => return Err(e),
    }
    if !is_named(&file, path)? {
        return Ok(None);
    }
    File::open(incoming)?.sync_all()?;
    let mark = Mark::of(&file.metadata()?);
    Ok(Some((file, mark)))
}

fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let (mine, named) = (file.metadata()?, path.metadata());
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (mine.dev(), mine.ino())))
}

impl Parts {
    /// Bytes so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds bytes at the end. They are durable after [`Parts::sync`].
    ///
    /// # Errors
    /// When they cannot be written; how many of them were, the file knows.
    pub(crate) async fn write(&mut self, bytes: &Bytes) -> io::Result<()> {
        // A write that fails half way leaves a longer file than was hashed.
        let hash = self.hash.take();
        self.file.write_all(bytes).await?;
        self.size += bytes.len() as u64;
        self.hash = hash.map(|hash| hash.chain_update(bytes));
        Ok(())
    }

    /// Makes what came durable, and remembers how far it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn sync(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        if let Some(hash) = &self.hash {
            self.blobs.hashes.put(&self.id, Mark::of(&self.file.metadata().await?), hash.clone());
        }
        Ok(())
    }

    /// Whether these parts are still the upload's: a whole body, sent meanwhile, replaces them. While the store's writer
    /// is held, the answer stays true.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn are_current(&self) -> io::Result<bool> {
        let (file, path) =
            (self.file.try_clone().await?.into_std().await, self.blobs.path_of_parts(&self.id));
        blocking(move || is_named(&file, &path)).await
    }

    /// The bytes as a whole. Hashed from the disk when this process has not seen all of them: in one go, in pieces.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn seal(&self) -> io::Result<Sealed> {
        let digest = match &self.hash {
            Some(hash) => Digest(hash.clone().finalize().into()),
            None => {
                let path = self.blobs.path_of_parts(&self.id);
                blocking(move || digest_of(&path)).await?
            }
        };
        let name = ObjectPath::from_iter([INCOMING, &name_of(&self.id)]);
        let blob = Blob { digest, size: self.size };
        Ok(Sealed::of_parts(self.blobs.clone(), name, blob))
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut piece) = (File::open(path)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> UploadId {
        "upl_1".parse().unwrap()
    }

    async fn write(parts: &mut Parts, bytes: &'static [u8]) {
        parts.write(&Bytes::from_static(bytes)).await.unwrap();
        parts.sync().await.unwrap();
    }

    #[tokio::test]
    async fn parts_are_hashed_alike_whoever_has_seen_them() {
        let root = tempfile::tempdir().unwrap();
        let here = Blobs::open(root.path()).unwrap();
        assert_eq!(here.size_of_parts(&id()).await.unwrap(), 0);
        for (number, part) in [b"first, ".as_slice(), b"second, ", b"third"].into_iter().enumerate() {
            // Another process knows nothing of what was hashed here.
            let desk = if number == 2 { Blobs::open(root.path()).unwrap() } else { here.clone() };
            let mut parts = desk.go_on(&id()).await.unwrap().unwrap();
            assert_eq!(parts.hash.is_some(), number < 2);
            write(&mut parts, part).await;
            let digest = parts.seal().await.unwrap().blob.digest;
            assert_eq!(
                digest,
                Digest::of(&b"first, second, third"[..usize::try_from(parts.size()).unwrap()])
            );
        }
        assert_eq!(here.size_of_parts(&id()).await.unwrap(), 20);
    }

    #[tokio::test]
    async fn there_is_one_writer_and_what_has_its_name_does_not_grow() {
        let root = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (Blobs::open(root.path()).unwrap(), Blobs::open(root.path()).unwrap());
        let mut parts = here.go_on(&id()).await.unwrap().unwrap();
        assert!(
            here.go_on(&id()).await.unwrap().is_none() && elsewhere.go_on(&id()).await.unwrap().is_none()
        );
        write(&mut parts, b"whole").await;
        // Opened before the rename, locked after it: as a slow second writer does.
        let path = here.path_of_parts(&id());
        let late = File::options().append(true).open(&path).unwrap();
        parts.seal().await.unwrap().name().await.unwrap();
        assert!(!parts.are_current().await.unwrap());
        drop(parts);
        late.try_lock().unwrap();
        assert!(!is_named(&late, &path).unwrap());
        drop(late);
        assert_eq!(here.go_on(&id()).await.unwrap().unwrap().size(), 0);
        assert!(here.holds(Digest::of(b"whole"), 5).await.unwrap());
        assert!(!here.holds(Digest::of(b"whole"), 6).await.unwrap());
        here.discard(Digest::of(b"whole")).await.unwrap();
        here.discard(Digest::of(b"whole")).await.unwrap();
        assert!(!here.holds(Digest::of(b"whole"), 5).await.unwrap());
    }

    #[tokio::test]
    async fn a_file_that_was_begun_anew_elsewhere_is_hashed_anew() {
        let root = tempfile::tempdir().unwrap();
        let (here, elsewhere) = (Blobs::open(root.path()).unwrap(), Blobs::open(root.path()).unwrap());
        write(&mut here.go_on(&id()).await.unwrap().unwrap(), b"old ").await;
        elsewhere.drop_parts(&id()).await.unwrap();
        write(&mut elsewhere.go_on(&id()).await.unwrap().unwrap(), b"new ").await;
        let mut parts = here.go_on(&id()).await.unwrap().unwrap();
        write(&mut parts, b"end").await;
        assert_eq!(parts.seal().await.unwrap().blob.digest, Digest::of(b"new end"));
    }

    #[tokio::test]
    async fn a_writer_whose_parts_were_dropped_is_no_longer_current() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let mut parts = blobs.go_on(&id()).await.unwrap().unwrap();
        write(&mut parts, b"half").await;
        assert!(parts.are_current().await.unwrap());
        blobs.drop_parts(&id()).await.unwrap();
        blobs.drop_parts(&id()).await.unwrap();
        assert!(!parts.are_current().await.unwrap());
        assert_eq!(blobs.size_of_parts(&id()).await.unwrap(), 0);
    }
}
