//! The queue of reports: a stream that edges append to and the desk reads by itself.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::RedisError;
use redis::streams::{StreamId, StreamReadReply};

use super::{FIELD, PATIENCE, RedisBus, away};
use crate::bus::{BusError, Inbox, Mark, Reports};
use crate::wire::Unreadable;
use crate::wire::address::REPORTS;

/// When no desk reads for long, the oldest go rather than Redis's memory.
const MOST: u64 = 1_000_000;

/// The place before the first entry.
const BEGINNING: &str = "0-0";

fn place(mark: &Mark) -> &str {
    let parts = mark.0.split_once('-');
    let is_place = parts.is_some_and(|(a, b)| a.parse::<u64>().is_ok() && b.parse::<u64>().is_ok());
    if is_place { &mark.0 } else { BEGINNING }
}

fn entry(id: StreamId) -> Result<(Mark, Bytes), BusError> {
    match id.map.get(FIELD) {
        Some(redis::Value::BulkString(bytes)) => Ok((Mark(id.id.clone()), Bytes::copy_from_slice(bytes))),
        // Somebody else's: told as empty, so that whoever reads goes past it.
        _ => Ok((Mark(id.id), Bytes::new())),
    }
}

#[async_trait]
impl Reports for RedisBus {
    async fn send(&self, sealed: Bytes) -> Result<(), BusError> {
        let mut command = redis::cmd("XADD");
        command.arg(REPORTS).arg("MAXLEN").arg("~").arg(MOST).arg("*").arg(FIELD).arg(sealed.as_ref());
        let sent: Result<String, RedisError> =
            self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
        sent.map(drop).map_err(|e| away(&e))
    }
}

#[async_trait]
impl Inbox for RedisBus {
    async fn receive(
        &self,
        mark: &Mark,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<(Mark, Bytes)>, BusError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(most);
        if !wait.is_zero() {
            command.arg("BLOCK").arg(wait.as_millis().max(1).to_string());
        }
        command.arg("STREAMS").arg(REPORTS).arg(place(mark));
        let reply: Option<StreamReadReply> = self
            .reading
            .call_within(wait + PATIENCE, async |mut c| command.query_async(&mut c).await)
            .await?
            .map_err(|e| away(&e))?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        entries.map(entry).collect()
    }

    async fn forget(&self, mark: &Mark) -> Result<(), BusError> {
        // MINID keeps what it names: the last one that was counted stays, and is known to be counted.
        let place = place(mark);
        if place == BEGINNING {
            return Err(Unreadable::new("mark").into());
        }
        let mut command = redis::cmd("XTRIM");
        command.arg(REPORTS).arg("MINID").arg(place);
        let trimmed: Result<u64, RedisError> =
            self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
        trimmed.map(drop).map_err(|e| away(&e))
    }
}
