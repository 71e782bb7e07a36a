//! The directory of reports: names, and whole files or none.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Id;

const REPORT: &str = "report";
const UNFINISHED: &str = "part";

pub(super) struct Files(PathBuf);

impl Files {
    /// Makes the directory, for its owner alone: reports tell who downloaded what from where. Also gives what lies in
    /// it, oldest first, with the sizes.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Vec<(Id, u64)>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut there = Vec::new();
        for entry in std::fs::read_dir(directory)? {
            let (path, size) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?.len())))?;
            if path.extension().is_some_and(|extension| extension == UNFINISHED) {
                std::fs::remove_file(&path)?;
            }
            there.extend(id_of(&path).map(|id| (id, size)));
        }
        there.sort_unstable();
        Ok((Self(directory.to_owned()), there))
    }

    /// Whole, in place of an earlier one: a crash leaves the one or the other.
    pub(super) async fn write(&self, id: Id, sealed: &[u8]) -> io::Result<()> {
        let beside = self.path(id, UNFINISHED);
        tokio::fs::write(&beside, sealed).await?;
        tokio::fs::rename(&beside, self.path(id, REPORT)).await
    }

    pub(super) async fn read(&self, id: Id) -> io::Result<Vec<u8>> {
        tokio::fs::read(self.path(id, REPORT)).await
    }

    pub(super) async fn remove(&self, id: Id) {
        match tokio::fs::remove_file(self.path(id, REPORT)).await {
            // It would be sent again after a restart, which is harmless.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the file of a report cannot be removed");
            }
            _ => {}
        }
    }

    fn path(&self, id: Id, extension: &str) -> PathBuf {
        self.0.join(format!("{}-{}.{extension}", id.boot, id.number))
    }
}

fn id_of(path: &Path) -> Option<Id> {
    if path.extension()? != REPORT {
        return None;
    }
    let (boot, number) = path.file_stem()?.to_str()?.split_once('-')?;
    Some(Id { boot: boot.parse().ok()?, number: number.parse().ok()? })
}
