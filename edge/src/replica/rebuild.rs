//! The whole replica from the snapshot on the bus: bucket by bucket, one in memory at a time, all or nothing.

use common::bus::{BusError, Feed};
use common::wire::v1::{Entry, Head, bucket};
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

use super::{Replica, ReplicaFault, SharedReplica};

/// Why a rebuild did not happen; what was there stays in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum RebuildError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("bucket {0:02x} is not on the bus")]
    Missing(u8),
    #[error(transparent)]
    Replica(#[from] ReplicaFault),
}

/// Replaces the contents of `replica` by the snapshot that `head` names.
pub(super) async fn rebuild(
    replica: &SharedReplica,
    feed: &dyn Feed,
    head: &Head,
) -> Result<(), RebuildError> {
    let (send, receive) = mpsc::channel(1);
    let writing = tokio::task::spawn_blocking({
        let (replica, head) = (replica.clone(), head.clone());
        move || replica.replace(&head, receive)
    });
    let fetched = fetch(feed, head, send).await;
    let written = writing.await.map_err(ReplicaFault::new)?;
    // A bucket that could not be fetched also breaks the writing; the cause is the better message.
    fetched?;
    Ok(written?)
}

async fn fetch(
    feed: &dyn Feed,
    head: &Head,
    send: mpsc::Sender<Option<Vec<Entry>>>,
) -> Result<(), RebuildError> {
    for (number, name) in &head.buckets {
        let packed = feed.bucket(name).await?.ok_or(RebuildError::Missing(*number))?;
        let mut entries = Vec::new();
        bucket::unpack(name, &packed, |entry| entries.push(entry)).map_err(BusError::from)?;
        if send.send(Some(entries)).await.is_err() {
            // The writer gave up; its error is told by the caller.
            return Ok(());
        }
    }
    // Only this says that it was all: a sender that is dropped early leaves everything as it was.
    let _ = send.send(None).await;
    Ok(())
}

impl Replica {
    fn replace(
        &self,
        head: &Head,
        mut buckets: mpsc::Receiver<Option<Vec<Entry>>>,
    ) -> Result<(), ReplicaFault> {
        let damaged = self.is_damaged();
        let mut replacement = if damaged { self.file.replace_damaged()? } else { self.file.replace()? };
        while let Some(entries) = buckets.blocking_recv() {
            match entries {
                Some(entries) => replacement.put_all(&entries)?,
                None => {
                    // The snapshot tells the whole truth up to its position; later denials stay.
                    let open = self.denied.those(|at| self.outlasts(head.position(), at));
                    replacement.commit(head, &open)?;
                    self.is_damaged.fetch_and(!damaged, Ordering::AcqRel);
                    self.filter.rebuild(&self.file)?;
                    return Ok(());
                }
            }
        }
        Err(ReplicaFault::new("the snapshot did not arrive whole"))
    }
}
