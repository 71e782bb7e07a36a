//! How much the kernel takes from us beyond what is on its way (`TCP_NOTSENT_LOWAT`, tcp(7)): a quarter of what a connection
//! takes in a second, within bounds.
//!
//! Without a bound that is megabytes for each who takes nothing: some thousand of them spend what the machine has for
//! all sockets (`net.ipv4.tcp_mem`), and everybody else stands still. One small bound for all makes `sendfile` stop
//! short and wake us again and again: with 128 KiB a large file to a fast client cost twice the CPU of 4 MiB.
//!
//! It doubles on the way, as soon as that much was taken since the last sweep, and comes down with the sweep.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// For who takes little, and for everybody at first.
const LEAST: u32 = 128 << 10;
/// For who takes gigabytes a second.
const MOST: u32 = 4 << 20;
/// The same where bytes pass through memory of the process and then of the kernel: more leaves the processor's cache
/// before it is sent.
const MOST_COPIED: u32 = 512 << 10;
/// So many rooms a second.
const A_SECOND: u64 = 4;

/// The room of one connection. Its own task and the sweep change it; that they meet costs a room of half or twice the
/// size for a second.
#[derive(Debug)]
pub(super) struct Room {
    bytes: AtomicU32,
    most: u32,
    /// When so much was taken, it doubles.
    grows_at: AtomicU64,
    /// What was taken at the last sweep.
    swept: AtomicU64,
}

impl Room {
    /// Of a new connection; what it sends is copied, or comes from the page cache.
    pub(super) fn new(is_copied: bool) -> Self {
        let most = if is_copied { MOST_COPIED } else { MOST };
        let grows_at = AtomicU64::new(u64::from(LEAST) * A_SECOND);
        Self { bytes: AtomicU32::new(LEAST), most, grows_at, swept: AtomicU64::new(0) }
    }

    /// Bytes.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes.load(Relaxed)
    }

    /// The room from now on, if it grows; `taken` is all that the kernel ever took.
    pub(super) fn grow(&self, taken: u64) -> Option<u32> {
        if taken < self.grows_at.load(Relaxed) {
            return None;
        }
        let grown = self.bytes().saturating_mul(2).min(self.most);
        self.set(grown, taken)
    }

    /// The room from now on, if it becomes another one; `span` has passed since this was last asked. A connection that
    /// rests keeps its room for what it asks next.
    pub(super) fn fit(&self, taken: u64, span: Duration, rests: bool) -> Option<u32> {
        let went = taken.saturating_sub(self.swept.swap(taken, Relaxed));
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 || (went == 0 && rests) {
            return None;
        }
        let wanted = went.saturating_mul(1_000) / millis / A_SECOND;
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(LEAST, self.most);
        self.set(1 << wanted.ilog2(), taken)
    }

    fn set(&self, bytes: u32, taken: u64) -> Option<u32> {
        self.grows_at.store(taken.saturating_add(u64::from(bytes) * A_SECOND), Relaxed);
        (self.bytes.swap(bytes, Relaxed) != bytes).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_takes_much_gets_room_and_loses_it_when_it_takes_little() {
        let room = Room::new(false);
        assert_eq!(room.bytes(), LEAST);
        assert_eq!(room.fit(5 << 20, SECOND, false), Some(1 << 20));
        assert_eq!(room.fit(10 << 20, SECOND, false), None);
        assert_eq!(room.fit(10 << 30, SECOND, false), Some(MOST));
        assert_eq!(room.fit(10 << 30, SECOND, false), Some(LEAST));
        assert_eq!(room.bytes(), LEAST);
    }

    #[test]
    fn who_takes_much_at_once_need_not_wait_for_the_sweep() {
        let room = Room::new(false);
        let (mut taken, mut rooms) = (0, Vec::new());
        while taken < 30 << 20 {
            taken += 512 << 10;
            rooms.extend(room.grow(taken).map(|bytes| (taken >> 10, bytes >> 10)));
        }
        assert_eq!(rooms, [(512, 256), (1536, 512), (3584, 1024), (7680, 2048), (15872, 4096)]);
        // The same taken in a minute is another matter.
        assert_eq!(room.fit(taken, 60 * SECOND, false), Some(LEAST));
    }

    #[test]
    fn who_rests_keeps_its_room() {
        let room = Room::new(true);
        assert_eq!(room.fit(1 << 30, SECOND, false), Some(MOST_COPIED));
        assert_eq!(room.fit(1 << 30, 9 * SECOND, true), None);
        assert_eq!(room.bytes(), MOST_COPIED);
    }
}
