//! What is larger in Redis than anything of ours: refused by who reads (`bounded.rs`), and then taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{RedisError, Script};

use super::{RedisBus, away};
use crate::bus::BusError;

/// The largest answer to whoever reads logs and queues.
pub(super) const MOST_READ: u64 = 72 << 20;
/// The largest other answer: a bucket may be this large.
pub(super) const MOST_ANSWERED: u64 = 136 << 20;
/// The largest entry of a log or queue: a record may be this large.
const MOST_ENTRY: u64 = 8 << 20;
/// The largest value of another kind.
pub(super) const MOST_VALUE: u64 = 128 << 20;
/// The largest sealed head.
pub(super) const MOST_HEAD: u64 = 4 << 20;
/// Entries that are read at once where larger ones may lie: of two logs, and not too many bytes in any case.
const CAREFUL: usize = 4;

/// Takes away what is too large among all that is ours by name, and says how much that was. Few entries of a stream are
/// looked at at a time: their sizes are known only with them.
const CLEAR: &str = r"
local gone, cursor = 0, '0'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', 'tidegate:v1:*', 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do
    local kind = redis.call('TYPE', key).ok
    if kind == 'stream' then
      local from = '-'
      repeat
        local entries = redis.call('XRANGE', key, from, '+', 'COUNT', 8)
        for _, entry in ipairs(entries) do
          local size = 0
          for _, word in ipairs(entry[2]) do size = size + #word end
          if size > tonumber(ARGV[1]) then gone = gone + redis.call('XDEL', key, entry[1]) end
          from = '(' .. entry[1]
        end
      until #entries < 8
    elseif kind == 'string' and redis.call('STRLEN', key) > tonumber(ARGV[2]) then
      gone = gone + redis.call('DEL', key)
    elseif key == KEYS[1] and kind == 'hash' then
      for _, field in ipairs({'epoch', 'sequence', 'sealed'}) do
        if redis.call('HSTRLEN', key, field) > tonumber(ARGV[3]) then
          gone = gone + redis.call('DEL', key)
        end
      end
    end
  end
until cursor == '0'
return gone";

/// What is known of it.
pub(super) struct Large {
    /// An answer was too large.
    pub(super) overflowed: Arc<AtomicBool>,
    /// Others may be, too: little is read at once until the end was seen.
    pub(super) is_careful: AtomicBool,
}

impl Large {
    /// How many entries to read at once.
    pub(super) fn entries(&self, most: usize) -> usize {
        if self.is_careful.load(Ordering::Acquire) { CAREFUL.min(most) } else { most }
    }

    /// So many were read.
    pub(super) fn was_read(&self, entries: usize) {
        if entries < CAREFUL {
            self.is_careful.store(false, Ordering::Release);
        }
    }
}

impl RedisBus {
    /// Clears what is too large, once an answer was.
    pub(super) async fn clear_large(&self) -> Result<(), BusError> {
        if !self.large.overflowed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.large.is_careful.store(true, Ordering::Release);
        let script = Script::new(CLEAR);
        let mut call = script.key(crate::wire::address::HEAD);
        call.arg(MOST_ENTRY).arg(MOST_VALUE).arg(MOST_HEAD);
        let gone: Result<u64, RedisError> =
            self.commands.call(async |mut c| call.invoke_async(&mut c).await).await?;
        let values = gone.map_err(|e| away(&e))?;
        tracing::error!(values, "the bus holds what is larger than anything of ours: cleared away");
        Ok(())
    }
}
