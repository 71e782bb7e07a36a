//! `backups …` on the command line: the way back when the database is lost.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use common::id::BackupId;
use common::runtime::clock::SystemClock;

use super::{Ended, print};
use crate::app::operator::{Operator, Returned};
use crate::config::Config;

/// What there is to do with backups.
#[derive(Subcommand, Debug)]
pub(super) enum Backups {
    /// Make the tenant of a backup again, in a system that does not have it. Its bytes are not in it: copy them too.
    Restore {
        /// What was downloaded, or lies in the data directory.
        file: PathBuf,
    },
    /// Remove a backup, to make room.
    Remove {
        /// Which.
        id: BackupId,
    },
}

/// The most missing bytes that are named.
const MOST_NAMED: usize = 1_000;

/// Does it.
pub(super) async fn run(command: Backups, config: Config) -> Ended {
    let operator = Operator::open(&config, &SystemClock).await?;
    let done = match &command {
        Backups::Restore { file } => operator.restore(file).await.map(|returned| told(&returned)),
        Backups::Remove { id } => operator.remove_backup(id).await.map(|()| format!("{id} is gone")),
    };
    operator.close().await;
    print(&done?)
}

fn told(returned: &Returned) -> String {
    let contents = &returned.contents;
    let files: usize = contents.versions.iter().map(|version| version.facts.files.len()).sum();
    let mut text = format!(
        "restored tenant {} as of {}: {} applications, {} versions, {files} files, {} customers, {} keys",
        contents.tenant.id,
        returned.created_at,
        contents.applications.len(),
        contents.versions.len(),
        contents.customers.len(),
        contents.keys.len(),
    );
    // A String takes whatever is written to it.
    for digest in returned.missing.iter().take(MOST_NAMED) {
        let _ = write!(text, "\nmissing in TIDEGATE_BLOBS: {}", digest.blob_path());
    }
    if returned.missing.len() > MOST_NAMED {
        let _ = write!(text, "\nand {} more", returned.missing.len() - MOST_NAMED);
    }
    text
}
