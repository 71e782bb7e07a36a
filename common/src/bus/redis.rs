//! The bus over Redis: buckets and head under plain keys, the two logs as streams whose entry ids are our own
//! sequence, so that a lost or repeated entry shows.
//!
//! Nothing that lies here is needed: all of it can be published again, and all that matters in it is signed.

mod acks;
pub mod arbiter;
mod bounded;
mod connection;
mod large;
mod reports;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::streams::{StreamId, StreamReadReply};
use redis::{AsyncCommands as _, RedisError, Value};

use crate::bus::arbiter::Arbiter;
use crate::bus::{
    Arbitrated, BusError, Cursor, Feed, LaidHead, LogId, MOST_BUCKET_BYTES, MOST_BUCKETS, News, Outlet, Trim,
};
use crate::digest::Digest;
use crate::wire::address::{HEAD, bucket_key, changes_key, denials_key};
use crate::wire::{Position, Unreadable};

use arbiter::RedisArbiter;
use connection::{Bound, Slot};
use large::{Large, MOST_ANSWERED, MOST_HEAD, MOST_READ, MOST_VALUE};

/// How long a command may take. No request of a client ever waits for one.
const PATIENCE: Duration = Duration::from_secs(2);
/// Entries taken at once from each log: of ours, 64 KiB each unless a single record is larger.
const MOST_ENTRIES: usize = 250;
/// The one field of a stream entry.
const FIELD: &str = "b";

/// Lays the head down unless one of a later position is there; in Redis, so that two publishers cannot race.
const PUT_HEAD: &str = r"
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '') or 0
local sequence = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '') or 0
local e, s = tonumber(ARGV[1]), tonumber(ARGV[2])
if e > epoch or (e == epoch and s >= sequence) then
  redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'sequence', ARGV[2], 'sealed', ARGV[3])
end
return 1";

/// What is laid down as a head, unless it is none or larger than one.
const GET_HEAD: &str = r"
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then return {false, false, false} end
if kind ~= 'hash' then return {false, false, ''} end
for _, field in ipairs({'epoch', 'sequence', 'sealed'}) do
  if redis.call('HSTRLEN', KEYS[1], field) > tonumber(ARGV[1]) then return {false, false, ''} end
end
return redis.call('HMGET', KEYS[1], 'epoch', 'sequence', 'sealed')";

/// The first buckets whose bytes together are not too many, in one round trip; in Redis, because nobody else knows how
/// many they are. What is no string is as good as absent, and so is what is larger than any bucket.
const GET_BUCKETS: &str = r"
local count, bytes = 0, 0
for at, key in ipairs(KEYS) do
  local length = redis.pcall('STRLEN', key)
  if type(length) == 'number' and length > tonumber(ARGV[2]) then redis.call('DEL', key) end
  bytes = bytes + (type(length) == 'number' and length or 0)
  if at > 1 and bytes > tonumber(ARGV[1]) then break end
  count = at
end
return redis.call('MGET', unpack(KEYS, 1, count))";

/// A connection to Redis, made when it is first needed and made again when it broke.
pub struct RedisBus {
    commands: Slot,
    /// `XREAD BLOCK` holds its connection: it has one of its own, whose patience covers the wait.
    reading: Slot,
    /// The same for acknowledgements, which wait for nothing else.
    acks: Slot,
    swept: AtomicU64,
    arbiter: Arc<RedisArbiter>,
    large: Large,
}

impl RedisBus {
    /// For a URL like `redis://127.0.0.1:6379/0` or `rediss://…`. Does not connect yet: a bus that is away at start is
    /// a bus that is away.
    ///
    /// # Errors
    /// When the URL cannot be read; the text does not repeat it, for it may hold a password.
    pub fn new(url: &str) -> Result<Self, String> {
        let client = redis::Client::open(url).map_err(|_| {
            "must be a URL like redis://host:6379 or rediss://user:password@host:6379/0".to_owned()
        })?;
        let overflowed = Arc::new(AtomicBool::new(false));
        let bound = |bytes| Bound { bytes, overflowed: overflowed.clone() };
        let slot = |bytes| Slot::new(client.clone(), PATIENCE, bound(bytes));
        Ok(Self {
            commands: slot(MOST_ANSWERED),
            reading: slot(MOST_READ),
            acks: slot(MOST_READ),
            arbiter: Arc::new(RedisArbiter::over(client.clone(), bound(MOST_ANSWERED))),
            swept: AtomicU64::new(0),
            large: Large { overflowed, is_careful: AtomicBool::new(false) },
        })
    }

    /// Epoch, sequence and what is sealed; that is empty, and the others absent, where no head of ours can be.
    async fn read_head(&self) -> Result<[Option<Vec<u8>>; 3], BusError> {
        let script = redis::Script::new(GET_HEAD);
        let mut call = script.key(HEAD);
        call.arg(MOST_HEAD);
        let laid: Result<[Option<Vec<u8>>; 3], RedisError> =
            self.commands.call(async |mut c| call.invoke_async(&mut c).await).await?;
        laid.map_err(|e| away(&e))
    }

    async fn append(&self, key: String, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        let appended: Result<String, RedisError> = self
            .commands
            .call(async |mut c| c.xadd(&key, id.to_string(), &[(FIELD, sealed.as_ref())]).await)
            .await?;
        match appended {
            Ok(_) => Ok(()),
            // It is there already, or a later one overtook it: see Outlet.
            Err(e) if e.to_string().contains("equal or smaller") => Ok(()),
            Err(e) => Err(away(&e)),
        }
    }

    /// The last id that a log ever had. Not its last entry: a trimmed stream has none and still knows the id.
    async fn last_of(&self, key: String) -> Result<Option<LogId>, BusError> {
        let info: Result<redis::streams::StreamInfoStreamReply, RedisError> =
            self.commands.call(async |mut c| c.xinfo_stream(&key).await).await?;
        match info {
            Ok(info) => Ok(Some(info.last_generated_id.parse()?)),
            Err(e) if e.to_string().contains("no such key") => Ok(None),
            // Something that is no log stands in its place: whoever laid it there is beyond all of ours.
            Err(e) if is_foreign(&e) => Ok(Some(LogId { sequence: u64::MAX, part: u64::MAX })),
            Err(e) => Err(away(&e)),
        }
    }

    /// Logs of older histories. Looked for once an epoch: `SCAN` walks every key.
    async fn sweep_before(&self, epoch: u64) -> Result<(), BusError> {
        if self.swept.load(Ordering::Relaxed) == epoch {
            return Ok(());
        }
        let keys: Vec<String> = self
            .commands
            .call(async |mut c| -> Result<Vec<String>, RedisError> {
                let mut found = c.scan_match::<_, String>("tidegate:v1:*:*").await?;
                let mut keys = Vec::new();
                while let Some(key) = found.next_item().await {
                    keys.push(key?);
                }
                Ok(keys)
            })
            .await?
            .map_err(|e| away(&e))?;
        for key in keys.iter().filter(|key| epoch_of(key).is_some_and(|of| of < epoch)) {
            let _: u64 = self.commands.call(async |mut c| c.del(key).await).await?.map_err(|e| away(&e))?;
        }
        self.swept.store(epoch, Ordering::Relaxed);
        Ok(())
    }
}

fn epoch_of(key: &str) -> Option<u64> {
    let (epoch, log) = key.strip_prefix("tidegate:v1:")?.split_once(':')?;
    if matches!(log, "changes" | "denials") { epoch.parse().ok() } else { None }
}

fn away(error: &RedisError) -> BusError {
    // The category only: the text of a connection error can hold the address with its credentials.
    BusError::Away(error.category().to_owned())
}

/// Whether Redis says that a key holds a thing of another type than ours.
fn is_foreign(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

fn number(text: Option<Vec<u8>>) -> Option<u64> {
    String::from_utf8(text?).ok()?.parse().ok()
}

fn entry(id: &StreamId) -> Result<(LogId, Bytes), Unreadable> {
    let bytes = match id.map.get(FIELD) {
        Some(Value::BulkString(bytes)) => Bytes::copy_from_slice(bytes),
        _ => return Err(Unreadable::new("log entry")),
    };
    Ok((id.id.parse()?, bytes))
}

#[async_trait]
impl Feed for RedisBus {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        self.clear_large().await?;
        let [_, _, sealed] = self.read_head().await?;
        Ok(sealed.map(Bytes::from))
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let script = redis::Script::new(GET_BUCKETS);
        let mut call = script.arg(MOST_BUCKET_BYTES);
        call.arg(MOST_VALUE);
        for name in names.iter().take(MOST_BUCKETS) {
            call.key(bucket_key(name));
        }
        let found: Result<Vec<Option<Vec<u8>>>, RedisError> =
            self.commands.call(async |mut c| call.invoke_async(&mut c).await).await?;
        Ok(found.map_err(|e| away(&e))?.into_iter().map(|packed| packed.map(Bytes::from)).collect())
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        let keys = [changes_key(cursor.epoch), denials_key(cursor.epoch)];
        self.clear_large().await?;
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(self.large.entries(MOST_ENTRIES));
        if !wait.is_zero() {
            // 0 would mean for ever.
            command.arg("BLOCK").arg(wait.as_millis().max(1).to_string());
        }
        command.arg("STREAMS").arg(&keys).arg(cursor.changes.to_string()).arg(cursor.denials.to_string());
        let reply: Option<StreamReadReply> = self
            .reading
            .call_within(wait + PATIENCE, async |mut c| command.query_async(&mut c).await)
            .await?
            .map_err(|e| away(&e))?;
        let mut news = News::default();
        for stream in reply.into_iter().flat_map(|reply| reply.keys) {
            let log = if stream.key == keys[0] { &mut news.changes } else { &mut news.denials };
            for id in &stream.ids {
                log.push(entry(id)?);
            }
        }
        self.large.was_read(news.changes.len().max(news.denials.len()));
        Ok(news)
    }
}

impl Arbitrated for RedisBus {
    fn arbiter(&self) -> Option<Arc<dyn Arbiter>> {
        Some(self.arbiter.clone())
    }
}

#[async_trait]
impl Outlet for RedisBus {
    async fn head(&self) -> Result<Option<LaidHead>, BusError> {
        self.clear_large().await?;
        Ok(match self.read_head().await? {
            [None, None, None] => None,
            [epoch, sequence, sealed] => {
                let position = number(epoch).zip(number(sequence));
                let position = position.map(|(epoch, sequence)| Position { epoch, sequence });
                Some(LaidHead { position, sealed: sealed.unwrap_or_default().into() })
            }
        })
    }

    async fn last_change(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        self.last_of(changes_key(epoch)).await
    }

    async fn last_denials(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        self.last_of(denials_key(epoch)).await
    }

    async fn holds_buckets(&self, names: &[Digest]) -> Result<bool, BusError> {
        if names.is_empty() {
            return Ok(true);
        }
        let keys: Vec<String> = names.iter().map(bucket_key).collect();
        let there: Result<usize, RedisError> =
            self.commands.call(async |mut c| c.exists(&keys).await).await?;
        there.map(|there| there == keys.len()).map_err(|e| away(&e))
    }

    async fn discard(&self, epoch: u64) -> Result<(), BusError> {
        let keys = [HEAD.to_owned(), changes_key(epoch), denials_key(epoch)];
        let gone: Result<u64, RedisError> = self.commands.call(async |mut c| c.del(&keys).await).await?;
        gone.map(|_| ()).map_err(|e| away(&e))
    }

    async fn put_bucket(&self, name: &Digest, packed: Bytes) -> Result<(), BusError> {
        let key = bucket_key(name);
        let put: Result<(), RedisError> =
            self.commands.call(async |mut c| c.set(&key, packed.as_ref()).await).await?;
        put.map_err(|e| away(&e))
    }

    async fn put_head(&self, position: Position, sealed: Bytes) -> Result<(), BusError> {
        let script = redis::Script::new(PUT_HEAD);
        let mut call = script.key(HEAD);
        call.arg(position.epoch).arg(position.sequence).arg(sealed.as_ref());
        let put: Result<u64, RedisError> =
            self.commands.call(async |mut c| call.invoke_async(&mut c).await).await?;
        put.map(|_| ()).map_err(|e| away(&e))
    }

    async fn append_change(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.append(changes_key(epoch), id, sealed).await
    }

    async fn append_denials(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.append(denials_key(epoch), id, sealed).await
    }

    async fn trim(&self, epoch: u64, to: Trim) -> Result<(), BusError> {
        for (key, sequence) in [(changes_key(epoch), to.changes), (denials_key(epoch), to.denials)] {
            let mut command = redis::cmd("XTRIM");
            command.arg(&key).arg("MINID").arg(LogId { sequence: sequence + 1, part: 0 }.to_string());
            let trimmed: Result<u64, RedisError> =
                self.commands.call(async |mut c| command.query_async(&mut c).await).await?;
            trimmed.map_err(|e| away(&e))?;
        }
        self.sweep_before(epoch).await
    }

    async fn release_bucket(&self, name: &Digest) -> Result<(), BusError> {
        let key = bucket_key(name);
        let released: Result<u64, RedisError> = self.commands.call(async |mut c| c.del(&key).await).await?;
        released.map(|_| ()).map_err(|e| away(&e))
    }
}
