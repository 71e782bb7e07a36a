//! The whole replica from the snapshot on the bus: all or nothing.
//!
//! Buckets are asked for by the batch, so that a far carrier costs a few round trips and not one for each. One batch lies
//! packed in memory at a time, and of it one bucket unpacked while the one before it is written.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use common::bus::{BusError, Feed, MOST_BUCKETS};
use common::digest::Digest;
use common::wire::Unreadable;
use common::wire::v1::{Entry, Head, bucket};
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
    let (numbers, names): (Vec<u8>, Vec<Digest>) = head.buckets.iter().unzip();
    let mut done = 0;
    while done < names.len() {
        let batch = batch(feed, &names[done..]).await?;
        for packed in batch {
            let (number, name) = (numbers[done], &names[done]);
            let packed = packed.ok_or(RebuildError::Missing(number))?;
            let mut entries = Vec::new();
            bucket::unpack(name, &packed, |entry| entries.push(entry)).map_err(BusError::from)?;
            if send.send(Some(entries)).await.is_err() {
                // The writer gave up; its error is told by the caller.
                return Ok(());
            }
            done += 1;
        }
    }
    // Only this says that it was all: a sender that is dropped early leaves everything as it was.
    let _ = send.send(None).await;
    Ok(())
}

/// The first of these, as many as the carrier tells of at once.
async fn batch(feed: &dyn Feed, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
    let names = &names[..names.len().min(MOST_BUCKETS)];
    let batch = feed.buckets(names).await?;
    // With none this would never end, and what nobody asked for has no name.
    if (1..=names.len()).contains(&batch.len()) {
        Ok(batch)
    } else {
        Err(Unreadable::new("buckets: as many as were asked for").into())
    }
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
