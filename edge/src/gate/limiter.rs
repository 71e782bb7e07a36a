//! Failed authentications per source address: governor, capped, off the way of who succeeds.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use common::network::source_of;
use foldhash::fast::RandomState;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::request::Arrival;

/// Failures a second from one source before they are answered with 429: ten.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Sources remembered; beyond that all new ones share one budget, so that a flood of addresses bounds itself.
const MOST_SOURCES: usize = 100_000;

type Source = Option<IpAddr>;
type Sources = DashMapStateStore<Source, RandomState>;

pub(super) struct Failures {
    sources: RateLimiter<Source, Sources, Ticks, NoOpMiddleware<Nanos>>,
    ticks: Ticks,
    /// As many as are remembered or more, but for those that come while they are counted: the map's own count takes all
    /// its locks.
    most: AtomicUsize,
}

/// The latest tick that anybody came with, in whole milliseconds: governor would read a clock, and time is an argument
/// here.
#[derive(Clone, Debug, Default)]
struct Ticks(Arc<AtomicU64>);

impl Ticks {
    fn reach(&self, tick: Duration) {
        let millis = tick.as_secs().saturating_mul(1_000).saturating_add(tick.subsec_millis().into());
        // In a flood most come in the same millisecond, and all cores share this one place.
        if self.0.load(Ordering::Relaxed) < millis {
            self.0.fetch_max(millis, Ordering::Relaxed);
        }
    }
}

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed).saturating_mul(1_000_000))
    }
}

impl Default for Failures {
    fn default() -> Self {
        let (ticks, hasher) = (Ticks::default(), RandomState::default());
        let quota = Quota::per_second(PER_SECOND);
        let sources = RateLimiter::dashmap_with_clock_and_hasher(quota, ticks.clone(), hasher);
        Self { sources, ticks, most: AtomicUsize::new(0) }
    }
}

impl Failures {
    /// Charges a failure to its source; false when it has had too many.
    pub(super) fn admit(&self, arrival: Arrival) -> bool {
        self.ticks.reach(arrival.tick);
        let source = if self.has_room() { Some(source_of(arrival.address)) } else { None };
        self.sources.check_key(&source).is_ok()
    }

    pub(super) fn sweep(&self, tick: Duration) {
        self.ticks.reach(tick);
        self.sources.retain_recent();
    }

    /// Each failure brings one source at most: only when there were so many are they counted again.
    fn has_room(&self) -> bool {
        if self.most.fetch_add(1, Ordering::Relaxed) < MOST_SOURCES {
            return true;
        }
        let count = self.sources.len();
        self.most.store(count, Ordering::Relaxed);
        count < MOST_SOURCES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::nowhere;

    #[test]
    fn a_flood_of_sources_is_bounded_and_makes_room_again() {
        let (failures, mut arrival) = (Failures::default(), nowhere());
        let mut admit = |number: u32, seconds| {
            arrival.address = IpAddr::from(number.to_be_bytes());
            arrival.tick = Duration::from_secs(seconds);
            failures.admit(arrival)
        };
        let most = u32::try_from(MOST_SOURCES).unwrap();
        assert!((0..most).all(|number| admit(number, 0)), "each is new");
        let more = (0..100).filter(|number| admit(most + number, 0)).count();
        assert_eq!(more, 10, "all that come then share one budget");
        failures.sweep(Duration::from_secs(2));
        assert!((0..100).all(|number| admit(2 * most + number, 2)), "those of then are forgotten");
    }
}
