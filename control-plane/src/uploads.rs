//! Where bytes come to rest: received under a temporary name, hashed on the way, and moved to the name that their
//! SHA-256 gives them only when they are whole and on the disk.
//!
//! What `.incoming/` holds is nobody's yet. A receiver that is dropped takes its bytes along; what a crash leaves there
//! is swept at a later start. What comes in parts waits there for its next one. Nothing but the final name is ever told
//! to anybody.

mod disposition;
pub(crate) mod form;
pub(crate) mod parts;
pub(crate) mod sealed;
pub(crate) mod stream;
pub(crate) mod sweep;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use common::digest::Digest;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::uploads::parts::Hashes;
use crate::uploads::sealed::Sealed;

/// The directory below the root that holds what is not whole yet.
const INCOMING: &str = ".incoming";
/// Bytes that are gathered for one write: what one receiver holds in memory, whatever the size of the file.
const PIECE: usize = 1024 * 1024;
/// What has lain in `.incoming/` for so long was left by a crash.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes that are whole, durable, and named by their digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blob {
    /// Of the bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// The directory that holds all bytes.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    files: std::sync::Arc<LocalFileSystem>,
    root: PathBuf,
    hashes: Hashes,
}

impl Blobs {
    /// Opens the directory, and makes it when it is missing.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root.join(INCOMING))?;
        // Writes and renames return when the file and its directory are on the disk.
        let files = LocalFileSystem::new_with_prefix(root).map_err(io::Error::from)?.with_fsync(true);
        Ok(Self { files: std::sync::Arc::new(files), root: root.to_owned(), hashes: Hashes::default() })
    }

    /// Begins to receive.
    ///
    /// # Errors
    /// When no file can be made.
    pub(crate) async fn receive(&self) -> Result<Receiver, object_store::Error> {
        let name = ObjectPath::from_iter([INCOMING, &Uuid::new_v4().simple().to_string()]);
        let upload = self.files.put_multipart(&name).await?;
        Ok(Receiver {
            blobs: self.clone(),
            name,
            upload,
            hash: Sha256::new(),
            size: 0,
            piece: BytesMut::with_capacity(PIECE),
        })
    }

    /// Removes what crashes have left, and says how many files that were. The store hides its unfinished files, so
    /// the directory is read directly.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn sweep(&self, now: SystemTime) -> io::Result<usize> {
        let mut swept = 0;
        for entry in self.root.join(INCOMING).read_dir()? {
            let entry = entry?;
            let changed = entry.metadata()?.modified()?;
            if now.duration_since(changed).is_ok_and(|age| age > ABANDONED) {
                std::fs::remove_file(entry.path())?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

/// Bytes on their way in. Dropped, it leaves nothing behind.
pub(crate) struct Receiver {
    blobs: Blobs,
    name: ObjectPath,
    upload: Box<dyn MultipartUpload>,
    hash: Sha256,
    size: u64,
    piece: BytesMut,
}

impl Receiver {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) async fn write(&mut self, mut bytes: Bytes) -> Result<(), object_store::Error> {
        self.hash.update(&bytes);
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let fits = bytes.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&bytes.split_to(fits));
            if self.piece.len() == PIECE {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Ends the bytes. They are durable when this returns, and wait for their name.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) async fn seal(mut self) -> Result<Sealed, object_store::Error> {
        self.flush().await?;
        self.upload.complete().await?;
        let blob = Blob { digest: Digest(self.hash.finalize().into()), size: self.size };
        Ok(Sealed::of_receiver(self.blobs, self.name, blob))
    }

    async fn flush(&mut self) -> Result<(), object_store::Error> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.piece, BytesMut::with_capacity(PIECE));
        self.upload.put_part(PutPayload::from(full.freeze())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files_below(root: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in root.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
        }
        found
    }

    async fn eventually_empty(root: &Path) {
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        // The store removes a dropped file on a blocking thread.
        while !files_below(root).is_empty() {
            assert!(std::time::Instant::now() < deadline, "{:?}", files_below(root));
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn bytes_lie_under_their_digest_and_the_same_bytes_share_one_file() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let bytes = vec![7u8; 3 * PIECE + 11];
        for _ in 0..2 {
            let mut receiver = blobs.receive().await.unwrap();
            for part in bytes.chunks(100_000) {
                receiver.write(Bytes::copy_from_slice(part)).await.unwrap();
            }
            let sealed = receiver.seal().await.unwrap();
            assert_eq!(sealed.blob, Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 });
            sealed.name().await.unwrap();
        }
        let path = root.path().join(Digest::of(&bytes).blob_path());
        assert_eq!(files_below(root.path()), std::slice::from_ref(&path));
        assert_eq!(std::fs::read(path).unwrap(), bytes);
    }

    #[tokio::test]
    async fn nothing_is_visible_before_the_end_and_an_interrupted_receiver_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let mut receiver = blobs.receive().await.unwrap();
        receiver.write(Bytes::from(vec![1; 2 * PIECE])).await.unwrap();
        let there = files_below(root.path());
        assert!(there.iter().all(|path| path.starts_with(root.path().join(INCOMING))), "{there:?}");
        drop(receiver);
        eventually_empty(root.path()).await;
        let mut whole = blobs.receive().await.unwrap();
        whole.write(Bytes::from_static(b"whole")).await.unwrap();
        drop(whole.seal().await.unwrap());
        eventually_empty(root.path()).await;
    }

    #[tokio::test]
    async fn what_a_crash_left_is_swept_after_a_day() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let left = root.path().join(INCOMING).join("left#1");
        std::fs::write(&left, "half").unwrap();
        let written = left.metadata().unwrap().modified().unwrap();
        assert_eq!(blobs.sweep(written + ABANDONED).unwrap(), 0);
        assert_eq!(blobs.sweep(written + ABANDONED + Duration::from_secs(1)).unwrap(), 1);
        assert!(files_below(root.path()).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn the_digest_does_not_depend_on_how_the_bytes_arrive(
            bytes in proptest::collection::vec(any::<u8>(), 0..5_000),
            sizes in proptest::collection::vec(1usize..700, 1..20),
        ) {
            let root = tempfile::tempdir().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let blob = runtime.block_on(async {
                let mut receiver = Blobs::open(root.path()).unwrap().receive().await.unwrap();
                let (mut rest, mut sizes) = (&bytes[..], sizes.iter().cycle());
                while !rest.is_empty() {
                    let (part, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                    receiver.write(Bytes::copy_from_slice(part)).await.unwrap();
                    rest = later;
                }
                receiver.seal().await.unwrap().blob
            });
            prop_assert_eq!(blob, Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 });
        }
    }
}
