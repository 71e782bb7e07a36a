//! Bytes that are whole and durable, but have no name yet.
//!
//! **No name is lost to a sweep.** The names are digests, so uploads share them: the bytes that one upload leaves behind
//! may be those that another has just brought. So a name is given, and taken away, only while the store's one writer
//! is held: whoever names bytes refers to them in the same transaction, and whoever removes them has seen, in his, that
//! nothing refers to them.

use std::path::PathBuf;

use object_store::ObjectStoreExt as _;
use object_store::path::Path as ObjectPath;

use crate::uploads::{Blob, Blobs};

/// Whole bytes below `.incoming/`. Dropped without a name, a receiver's are removed; what was sent in parts stays, so
/// that its upload can still come to its end.
#[must_use = "without a name the bytes are nobody's"]
pub(crate) struct Sealed {
    /// What the bytes are.
    pub(crate) blob: Blob,
    blobs: Blobs,
    name: ObjectPath,
    /// What a drop removes.
    left: Option<PathBuf>,
}

impl Sealed {
    /// What a receiver has received.
    pub(super) fn of_receiver(blobs: Blobs, name: ObjectPath, blob: Blob) -> Self {
        let left = Some(blobs.root.join(name.as_ref()));
        Self { blob, blobs, name, left }
    }

    /// What has come in parts.
    pub(super) fn of_parts(blobs: Blobs, name: ObjectPath, blob: Blob) -> Self {
        Self { blob, blobs, name, left: None }
    }

    /// Gives the bytes their name, durably. Only while the store's writer is held, before the row that refers to them
    /// is committed.
    ///
    /// # Errors
    /// When they cannot be moved; nothing is visible then.
    pub(crate) async fn name(mut self) -> Result<(), object_store::Error> {
        let to = ObjectPath::from(self.blob.digest.blob_path());
        // The same bytes may lie there already: the rename puts equal bytes over them.
        self.blobs.files.rename(&self.name, &to).await?;
        self.left = None;
        Ok(())
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        let Some(path) = self.left.take() else { return };
        // A large file takes its time to go: not on a thread that serves.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || {
                if let Err(e) = std::fs::remove_file(&path) {
                    tracing::warn!(error = %e, "bytes of a refused upload could not be removed");
                }
            });
        }
    }
}
