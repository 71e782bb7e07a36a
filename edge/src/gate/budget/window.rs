//! Slots of a quarter second that hold what was spent in the last minute.

use std::collections::VecDeque;
use std::time::Duration;

use common::bus::arbiter::SLOT;
pub(super) use common::bus::arbiter::WINDOW;

const SLOT_MILLIS: u64 = SLOT.as_millis() as u64;

/// Slots that hold requests, oldest first, and their sum. Idle keys cost nothing, busy ones at most 241 slots.
#[derive(Default)]
pub(super) struct Window {
    slots: VecDeque<(u64, u32)>,
    spent: u32,
}

impl Window {
    /// What was spent, as of the last look.
    pub(super) fn spent(&self) -> u32 {
        self.spent
    }

    /// Spends one, if fewer than `limit` are spent.
    pub(super) fn spend(&mut self, limit: u32, tick: Duration) -> Result<(), Duration> {
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

    pub(super) fn expire(&mut self, tick: Duration) {
        while let Some((slot, count)) = self.slots.front().copied() {
            if end_of(slot) > tick {
                return;
            }
            self.spent -= count;
            self.slots.pop_front();
        }
    }

    /// The newest `count` of what is in it, from the newest back: age in milliseconds, and how many. An age is what is left
    /// of it when the whole slot is taken for as young as its end.
    pub(super) fn newest(&self, count: u64, tick: Duration) -> Vec<(u64, u32)> {
        let (mut left, mut newest) = (count, Vec::new());
        for (slot, spent) in self.slots.iter().rev() {
            let some = u64::from(*spent).min(left);
            if some == 0 {
                break;
            }
            left -= some;
            let age = tick.saturating_sub(end_of(*slot).saturating_sub(WINDOW)).as_millis();
            newest.push((u64::try_from(age).unwrap_or(u64::MAX), u32::try_from(some).unwrap_or(u32::MAX)));
        }
        newest
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

    pub(super) fn whole_in(&self, tick: Duration) -> Duration {
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
