//! The queue of reports: a stream that edges append to and the desk reads by itself.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::streams::{StreamId, StreamRangeReply, StreamReadReply};
use redis::{AsyncCommands as _, RedisError, Script};

use super::connection::Slot;
use super::{FIELD, PATIENCE, RedisBus, away, is_foreign};
use crate::bus::{BusError, Inbox, Mark, Reports};
use crate::wire::address::REPORTS;

/// Makes way in a stream. Its ids are those of Redis's clock: behind one that is far ahead of it, which no `XADD *` of
/// ours made, there may be no id left for what comes next, and then nothing more comes in. Such a stream is dropped
/// when nothing lies in it from the place on that the second argument names; so is a thing that is no stream.
const MAKE_WAY: &str = r"
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  return 0
end
if kind == 'stream' then
  local info, last = redis.call('XINFO', 'STREAM', KEYS[1]), nil
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      last = tonumber(string.match(info[i + 1], '^%d+'))
    end
  end
  if not last or last <= redis.call('TIME')[1] * 1000 + tonumber(ARGV[1]) then
    return 0
  end
  if ARGV[2] ~= '' and #redis.call('XRANGE', KEYS[1], ARGV[2], '+', 'COUNT', 1) > 0 then
    return 1
  end
end
redis.call('DEL', KEYS[1])
return 2";
/// An id so far ahead of Redis's clock is nobody's of ours, in milliseconds: a clock that is set right may jump by hours.
const AHEAD: u64 = 86_400_000;

/// When no desk reads for long, the oldest go rather than Redis's memory.
const MOST: u64 = 1_000_000;

/// The id of an entry: Redis's clock when it came, and a count within the millisecond. The default is before the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Place {
    time: u64,
    count: u64,
}

impl Place {
    /// The first place behind it; none behind the last of all.
    fn next(self) -> Option<Self> {
        let Self { time, count } = self;
        let within = count.checked_add(1).map(|count| Self { time, count });
        within.or(time.checked_add(1).map(|time| Self { time, count: 0 }))
    }
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

/// What [`RedisBus::make_way`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Nothing stands in it.
    Free,
    /// What stands in it can go when what lies there was read.
    Held,
    /// It was made.
    Made,
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
        command.arg("COUNT").arg(self.large.entries(most));
        if !wait.is_zero() {
            command.arg("BLOCK").arg(wait.as_millis().max(1).to_string());
        }
        command.arg("STREAMS").arg(stream).arg(after.to_string());
        let reply: Result<Option<StreamReadReply>, RedisError> =
            line.call_within(wait + PATIENCE, async |mut c| command.query_async(&mut c).await).await?;
        let reply = match reply {
            Err(e) if is_foreign(&e) => {
                self.make_way(stream, after).await?;
                return Ok(Vec::new());
            }
            reply => reply.map_err(|e| away(&e))?,
        };
        let entries = reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids);
        let entries: Vec<(Mark, Bytes)> = entries.map(entry).collect::<Result<_, BusError>>()?;
        self.large.was_read(entries.len());
        Ok(entries)
    }

    /// The place of the last entry of a stream, if it has any.
    pub(super) async fn last(&self, stream: &str) -> Result<Option<Place>, BusError> {
        let last: Result<StreamRangeReply, RedisError> =
            self.commands.call(async |mut c| c.xrevrange_count(stream, "+", "-", 1).await).await?;
        match last {
            // No stream, and nothing in it.
            Err(e) if is_foreign(&e) => Ok(None),
            last => Ok(last.map_err(|e| away(&e))?.ids.first().and_then(|last| parse(&last.id))),
        }
    }

    /// Clears what keeps others from writing to a stream, once nothing lies in it behind `after`.
    pub(super) async fn make_way(&self, stream: &str, after: Place) -> Result<Way, BusError> {
        let script = Script::new(MAKE_WAY);
        let mut call = script.key(stream);
        call.arg(AHEAD).arg(after.next().map_or_else(String::new, |next| next.to_string()));
        let made: Result<u8, RedisError> =
            self.commands.call(async |mut c| call.invoke_async(&mut c).await).await?;
        Ok(match made.map_err(|e| away(&e))? {
            0 => Way::Free,
            1 => Way::Held,
            _ => Way::Made,
        })
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
        self.clear_large().await?;
        let mark = place(mark);
        let stream = (&self.reading, REPORTS);
        let read = self.read(stream, mark, most, wait).await?;
        if !read.is_empty() {
            return Ok(read);
        }
        // What was taken is let go of: what still lies there was not taken, wherever the mark is.
        let is_held = self.make_way(REPORTS, Place::default()).await? == Way::Held;
        if is_held || self.begins_anew(REPORTS, mark).await? {
            return self.read(stream, Place::default(), most, Duration::ZERO).await;
        }
        Ok(read)
    }

    async fn forget(&self, mark: &Mark) -> Result<(), BusError> {
        let place = place(mark);
        let next = place.next();
        let command = match next {
            // MINID keeps what it names.
            Some(next) => redis::cmd("XTRIM").arg(REPORTS).arg("MINID").arg(next.to_string()).take(),
            // Everything is before the last place of all, also what another desk has made way for meanwhile.
            None => redis::cmd("XDEL").arg(REPORTS).arg(place.to_string()).take(),
        };
        let gone: Result<u64, RedisError> =
            self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
        gone.map_err(|e| away(&e))?;
        if next.is_none() {
            // Nothing can be sent meanwhile: not only when nothing is left to read.
            self.make_way(REPORTS, Place::default()).await?;
        }
        Ok(())
    }
}
