//! The queue of reports: a stream that edges append to and the desk reads by itself.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncCommands as _, RedisError};

use super::connection::Slot;
use super::{FIELD, PATIENCE, RedisBus, away};
use crate::bus::{BusError, Inbox, Mark, Reports};
use crate::wire::address::REPORTS;

/// When no desk reads for long, the oldest go rather than Redis's memory.
const MOST: u64 = 1_000_000;

/// The id of an entry: Redis's clock when it came, and a count within the millisecond. The default is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    time: u64,
    count: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time, self.count)
    }
}

fn parse(id: &str) -> Option<Place> {
    let (time, count) = id.split_once('-')?;
    Some(Place { time: time.parse().ok()?, count: count.parse().ok()? })
}

/// A mark of another carrier is before everything.
pub(super) fn place(mark: &Mark) -> Place {
    parse(&mark.0).unwrap_or_default()
}

impl RedisBus {
    /// What lies in a stream behind a place.
    pub(super) async fn read(
        &self,
        (line, stream): (&Slot, &str),
        after: Place,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<(Mark, Bytes)>, BusError> {
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(most);
        if !wait.is_zero() {
            command.arg("BLOCK").arg(wait.as_millis().max(1).to_string());
        }
        command.arg("STREAMS").arg(stream).arg(after.to_string());
        let reply: Option<StreamReadReply> = line
            .call_within(wait + PATIENCE, async |mut c| command.query_async(&mut c).await)
            .await?
            .map_err(|e| away(&e))?;
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        entries.map(entry).collect()
    }

    /// The place of the last entry of a stream, if it has any.
    pub(super) async fn last(&self, stream: &str) -> Result<Option<Place>, BusError> {
        let last: Result<StreamRangeReply, RedisError> =
            self.commands.call(async |mut c| c.xrevrange_count(stream, "+", "-", 1).await).await?;
        Ok(last.map_err(|e| away(&e))?.ids.first().and_then(|last| parse(&last.id)))
    }

    /// Whether all that lies there comes before `mark`: a Redis that lost what it had gave its ids anew, by a clock that
    /// is behind. Whoever waited for what comes after the mark would wait until that clock has caught up.
    pub(super) async fn begins_anew(&self, stream: &str, mark: Place) -> Result<bool, BusError> {
        Ok(self.last(stream).await?.is_some_and(|last| last < mark))
    }
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
        let mark = place(mark);
        let stream = (&self.reading, REPORTS);
        let read = self.read(stream, mark, most, wait).await?;
        if read.is_empty() && self.begins_anew(REPORTS, mark).await? {
            return self.read(stream, Place::default(), most, Duration::ZERO).await;
        }
        Ok(read)
    }

    async fn forget(&self, mark: &Mark) -> Result<(), BusError> {
        // MINID keeps what it names.
        let Place { time, count } = place(mark);
        let mut command = redis::cmd("XTRIM");
        command.arg(REPORTS).arg("MINID").arg(Place { time, count: count.saturating_add(1) }.to_string());
        let trimmed: Result<u64, RedisError> =
            self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
        trimmed.map(drop).map_err(|e| away(&e))
    }
}
