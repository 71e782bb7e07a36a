//! Files of backups: `DATA/backups/{tenant}/{backup}.jsonl.zst`, written under another name until they are whole.
//!
//! Everything here waits for the disk: callers run it where that holds up nobody.

pub(crate) mod file;
mod forms;
pub mod make;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::id::{BackupId, TenantId};
use common::time::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::domain::backup::{Backup, Contents};
use file::{Unreadable, Written};

const ENDING: &str = ".jsonl.zst";
/// Of files that are not whole.
const UNFINISHED: &str = ".unfinished";

/// The directory of all backups.
#[derive(Clone, Debug)]
pub(crate) struct BackupFiles {
    root: PathBuf,
    /// Who makes or restores a backup holds it: one tenant's records are in memory, not all that are asked for.
    turn: Arc<Mutex<()>>,
}

impl BackupFiles {
    /// Below the data directory.
    pub(crate) fn below(data: &Path) -> Self {
        Self { root: data.join("backups"), turn: Arc::default() }
    }

    /// Waits for the right to hold a tenant's records.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Where the file of a backup lies.
    pub(crate) fn path(&self, tenant: TenantId, id: &BackupId) -> PathBuf {
        self.directory(tenant).join(format!("{id}{ENDING}"))
    }

    fn directory(&self, tenant: TenantId) -> PathBuf {
        self.root.join(tenant.to_string())
    }

    /// Writes a backup; it is whole and on the disk when this returns.
    ///
    /// # Errors
    /// When the disk does not take it; then there is nothing.
    pub(crate) fn write(&self, id: &BackupId, contents: &Contents, at: Timestamp) -> io::Result<Written> {
        let directory = self.directory(contents.tenant.id);
        make_private(&directory)?;
        let path = self.path(contents.tenant.id, id);
        let unfinished = path.with_added_extension(&UNFINISHED[1..]);
        let written = file::write(&unfinished, contents, at).and_then(|written| {
            std::fs::rename(&unfinished, &path)?;
            std::fs::File::open(&directory)?.sync_all()?;
            Ok(written)
        });
        if written.is_err() {
            // What is left is swept at the next start.
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }

    /// Reads a backup of that tenant, whole and as it was written.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn read(&self, backup: &Backup) -> Result<Contents, Unreadable> {
        let (_, contents) = file::read(&self.path(backup.tenant, &backup.id))?;
        if contents.tenant.id == backup.tenant {
            Ok(contents)
        } else {
            Err(Unreadable::Wrong("it is another tenant's"))
        }
    }

    /// Removes a file; that it is gone already is as good.
    ///
    /// # Errors
    /// When it stays.
    pub(crate) fn remove(&self, backup: &Backup) -> io::Result<()> {
        match std::fs::remove_file(self.path(backup.tenant, &backup.id)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes what a crash left half written, and says how many files that were.
    ///
    /// # Errors
    /// When a directory cannot be read.
    pub(crate) fn sweep(&self) -> io::Result<usize> {
        let mut swept = 0;
        if !self.root.is_dir() {
            return Ok(swept);
        }
        for tenant in self.root.read_dir()? {
            let tenant = tenant?.path();
            for file in tenant.is_dir().then(|| tenant.read_dir()).transpose()?.into_iter().flatten() {
                let path = file?.path();
                if path.to_string_lossy().ends_with(UNFINISHED) {
                    std::fs::remove_file(path)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }
}

/// Digests of secrets and names of customers are for the owner alone.
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
