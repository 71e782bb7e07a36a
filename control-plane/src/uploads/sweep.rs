//! What uploads leave behind is removed: parts that nobody goes on with, bytes that were never completed, and rows that
//! nobody asks about any more. Whatever a file or another upload refers to stays.

use std::time::Duration;

use common::id::UploadId;
use common::runtime::clock::Clock;
use common::time::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::domain::upload::{self, Progress, REMEMBERED, Upload};
use crate::domain::version::Stored;
use crate::domain::{Actor, Context};
use crate::store::{Reading, Store, StoreError, StoreFault};
use crate::uploads::Blobs;

/// Uploads that are looked for at once.
const BATCH: u64 = 100;

/// Why a sweep ended early. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepFault {
    /// The truth.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes.
    #[error("bytes cannot be removed: {0}")]
    Disk(#[from] std::io::Error),
}

impl From<StoreFault> for SweepFault {
    fn from(fault: StoreFault) -> Self {
        Self::Store(fault.into())
    }
}

/// Sweeps again and again, until `stop`.
pub(crate) async fn run(
    store: &dyn Store,
    blobs: &Blobs,
    clock: &dyn Clock,
    every: Duration,
    stop: CancellationToken,
) {
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = turns.tick() => {}
        }
        match sweep(store, blobs, clock.now()).await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "removed what uploads left behind"),
            Err(fault) => tracing::warn!(%fault, "what uploads left behind could not be removed"),
        }
    }
}

/// Ends every upload whose time is over at `now`, each in a transaction of its own, and says how many those were.
pub(crate) async fn sweep(store: &dyn Store, blobs: &Blobs, now: Timestamp) -> Result<u64, SweepFault> {
    let kept_since = Timestamp::from_millis(
        now.millis().saturating_sub(i64::try_from(REMEMBERED.as_millis()).unwrap_or(i64::MAX)),
    );
    let mut ended = 0;
    loop {
        let overdue = store.read().await?.overdue_uploads(now, kept_since, BATCH).await?;
        let before = ended;
        for upload in overdue {
            ended += u64::from(end(store, blobs, &upload, now).await?);
        }
        if ended == before {
            return Ok(ended);
        }
    }
}

/// False when it was ended, or completed, meanwhile.
async fn end(store: &dyn Store, blobs: &Blobs, found: &Upload, now: Timestamp) -> Result<bool, SweepFault> {
    let context = Context { tenant: found.tenant, actor: Actor::operator(), now };
    let mut truth = store.write().await?;
    let Some(upload) = truth.upload(found.tenant, &found.id).await? else { return Ok(false) };
    let Some(decision) = upload::expire(upload, &context) else { return Ok(false) };
    clear(&mut *truth, blobs, &decision.outcome).await?;
    truth.commit(decision.change).await?;
    Ok(true)
}

/// Removes the bytes of an upload that ends in this transaction. Before its commit: what a crash in between leaves is
/// a row without bytes, which the next sweep ends.
pub(crate) async fn clear(
    truth: &mut (impl Reading + ?Sized),
    blobs: &Blobs,
    upload: &Upload,
) -> Result<(), SweepFault> {
    if let Progress::Received(stored) = upload.progress {
        forget(truth, blobs, &upload.id, stored).await?;
    }
    Ok(blobs.drop_parts(&upload.id).await?)
}

/// Removes bytes that an upload no longer has, unless anything else refers to them.
pub(crate) async fn forget(
    truth: &mut (impl Reading + ?Sized),
    blobs: &Blobs,
    id: &UploadId,
    stored: Stored,
) -> Result<(), SweepFault> {
    if !truth.refers_to(stored.digest, id).await? {
        blobs.discard(stored.digest).await?;
    }
    Ok(())
}
