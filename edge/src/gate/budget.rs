//! A key's minute: at most its limit in any 60 seconds, all of it at once if it likes.
//!
//! Not governor's: a GCRA of L a minute admits almost 2 L in its first minute. This is a sliding window over slots of
//! a quarter second; a slot leaves the window when its *end* is 60 s ago, so that the promise is never broken and a
//! request comes back at most a quarter second late.

use std::collections::VecDeque;
use std::time::Duration;

use common::id::KeyId;
use common::limit::RequestsPerMinute;
use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::request::Arrival;

const SLOT_MILLIS: u64 = 250;
const WINDOW: Duration = Duration::from_secs(60);

/// Where a key stands in its minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Its limit.
    pub limit: u32,
    /// What is left.
    pub remaining: u32,
    /// How long until all of it is there again, if nothing more is sent.
    pub whole_in: Duration,
    /// When that is, in Unix seconds.
    pub whole_at: i64,
}

/// What the keys have spent. Kept apart from everything that may be evicted or replaced, and never dropped within the
/// window.
#[derive(Default)]
pub struct Budgets(DashMap<KeyId, Window, RandomState>);

impl Budgets {
    /// Spends one request. The error is how long to wait until one fits.
    pub fn spend(
        &self,
        key: &KeyId,
        limit: RequestsPerMinute,
        arrival: Arrival,
    ) -> (Result<(), Duration>, Standing) {
        let mut window = match self.0.get_mut(key) {
            Some(window) => window,
            None => self.0.entry(key.clone()).or_default(),
        };
        let admitted = window.spend(limit.get(), arrival.tick);
        let whole_in = window.whole_in(arrival.tick);
        let standing = Standing {
            limit: limit.get(),
            remaining: limit.get().saturating_sub(window.spent),
            whole_in,
            whole_at: round_up(arrival.at.plus(whole_in).millis()),
        };
        (admitted, standing)
    }

    /// Drops windows in which nothing was spent for 60 s.
    pub fn sweep(&self, tick: Duration) {
        self.0.retain(|_, window| {
            window.expire(tick);
            window.spent > 0
        });
    }
}

fn round_up(millis: i64) -> i64 {
    millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) > 0)
}

/// Slots that hold requests, oldest first, and their sum. Idle keys cost nothing, busy ones at most 241 slots.
#[derive(Default)]
struct Window {
    slots: VecDeque<(u64, u32)>,
    spent: u32,
}

impl Window {
    fn spend(&mut self, limit: u32, tick: Duration) -> Result<(), Duration> {
        self.expire(tick);
        if self.spent >= limit {
            return Err(self.wait(limit, tick));
        }
        let slot = slot_of(tick);
        match self.slots.back_mut() {
            // A thread that took the time earlier may come later: the slots stay in order, and none leaves too soon.
            Some((last, count)) if *last >= slot => *count += 1,
            _ => self.slots.push_back((slot, 1)),
        }
        self.spent += 1;
        Ok(())
    }

    fn expire(&mut self, tick: Duration) {
        while let Some((slot, count)) = self.slots.front().copied() {
            if end_of(slot) > tick {
                return;
            }
            self.spent -= count;
            self.slots.pop_front();
        }
    }

    /// Until so many slots have left that one more fits; more than one may have to, when the limit was lowered.
    fn wait(&self, limit: u32, tick: Duration) -> Duration {
        let mut left = self.spent;
        for (slot, count) in &self.slots {
            left -= count;
            if left < limit {
                return end_of(*slot).saturating_sub(tick);
            }
        }
        WINDOW
    }

    fn whole_in(&self, tick: Duration) -> Duration {
        self.slots.back().map_or(Duration::ZERO, |(slot, _)| end_of(*slot).saturating_sub(tick))
    }
}

fn slot_of(tick: Duration) -> u64 {
    // Without the 128 bits of `as_millis`, whose division takes longer than all the rest.
    let a_second = 1_000 / SLOT_MILLIS;
    tick.as_secs().saturating_mul(a_second) + u64::from(tick.subsec_millis()) / SLOT_MILLIS
}

/// When a slot leaves the window.
fn end_of(slot: u64) -> Duration {
    Duration::from_millis((slot + 1).saturating_mul(SLOT_MILLIS)) + WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_whole_limit_may_be_spent_at_once_and_comes_back_after_a_minute() {
        let mut window = Window::default();
        let start = Duration::from_millis(10_100);
        for _ in 0..10 {
            assert_eq!(window.spend(10, start), Ok(()));
        }
        let wait = window.spend(10, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(60_150));
        assert!(window.spend(10, start + wait - Duration::from_millis(1)).is_err());
        assert_eq!(window.spend(10, start + wait), Ok(()));
    }

    #[test]
    fn a_lowered_limit_counts_what_was_spent_before() {
        let mut window = Window::default();
        for second in 0..10 {
            assert_eq!(window.spend(10, Duration::from_secs(second)), Ok(()));
        }
        let wait = window.spend(3, Duration::from_secs(10)).unwrap_err();
        assert_eq!(wait, end_of(slot_of(Duration::from_secs(7))) - Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn no_sixty_seconds_hold_more_than_the_limit(
            gaps in prop::collection::vec(0u64..3_000, 1..400),
            limit in 1u32..40,
        ) {
            let (mut window, mut now, mut admitted) = (Window::default(), 0u64, Vec::new());
            for gap in gaps {
                now += gap;
                if window.spend(limit, Duration::from_millis(now)).is_ok() {
                    admitted.push(now);
                }
            }
            for (i, start) in admitted.iter().enumerate() {
                let within = admitted[i..].iter().filter(|at| **at < start + 60_000).count();
                prop_assert!(within <= limit as usize);
            }
        }
    }
}
