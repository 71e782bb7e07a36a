//! The acknowledgements: a short stream that edges append to and the desk reads the end of.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::RedisError;

use super::reports::{Place, Way, place};
use super::{FIELD, MOST_ENTRIES, RedisBus, away};
use crate::bus::{AckInbox, Acks, BusError, Mark};
use crate::wire::address::ACKS;

/// A hundred edges for a minute and more; each says everything that the one before it said.
const MOST: u64 = 10_000;
/// Entries that one command lets go of at most: nobody waits for a long cut.
const CUT: u64 = 1_000;

#[async_trait]
impl Acks for RedisBus {
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        let mut command = redis::cmd("XADD");
        command.arg(ACKS).arg("MAXLEN").arg("~").arg(MOST).arg("LIMIT").arg(CUT);
        command.arg("*").arg(FIELD).arg(sealed.as_ref());
        let told: Result<String, RedisError> =
            self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
        told.map(drop).map_err(|e| away(&e))
    }
}

#[async_trait]
impl AckInbox for RedisBus {
    async fn acks_end(&self) -> Result<Mark, BusError> {
        Ok(Mark(self.last(ACKS).await?.unwrap_or_default().to_string()))
    }

    async fn acknowledgements(&self, after: &Mark, wait: Duration) -> Result<Vec<(Mark, Bytes)>, BusError> {
        self.clear_large().await?;
        let (stream, after) = ((&self.acks, ACKS), place(after));
        let read = self.read(stream, after, MOST_ENTRIES, wait).await?;
        if !read.is_empty() {
            return Ok(read);
        }
        if self.make_way(ACKS, after).await? == Way::Made {
            // It may have been what the mark names, and whatever comes now comes before that.
            return self.read(stream, Place::default(), MOST_ENTRIES, wait).await;
        }
        if self.begins_anew(ACKS, after).await? {
            return self.read(stream, Place::default(), MOST_ENTRIES, Duration::ZERO).await;
        }
        Ok(read)
    }
}
