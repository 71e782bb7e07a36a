//! Makes backups when they are due, and removes those whose time is over.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::runtime::clock::entropy;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::api::Desk;
use crate::backup::BackupFiles;
use crate::backup::make::{Automatic, keep_up};

/// How often it is looked whether one is due.
const EVERY: Duration = Duration::from_secs(60);

/// The directory of backups, without what a crash left half written.
pub(super) fn open(data: &Path) -> BackupFiles {
    let files = BackupFiles::below(data);
    match files.sweep() {
        Ok(0) => {}
        Ok(swept) => tracing::info!(files = swept, "removed unfinished backups"),
        Err(e) => tracing::warn!(error = %e, "unfinished backups could not be removed"),
    }
    files
}

/// Goes on until `stop` is cancelled.
pub(super) async fn run(desk: Arc<Desk>, rule: Automatic, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let mut rng = match entropy() {
            Ok(rng) => rng,
            Err(error) => {
                tracing::warn!(%error, "no randomness for a backup's id");
                continue;
            }
        };
        match keep_up(desk.store.as_ref(), &desk.backups, rule, desk.clock.now(), &mut rng).await {
            Ok(0) => {}
            Ok(backups) => tracing::info!(backups, "made backups that were due"),
            Err(error) => tracing::error!(%error, "backups that are due could not be made"),
        }
    }
}
