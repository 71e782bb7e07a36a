//! Failed authentications per source address: governor, capped, off the way of who succeeds.

use std::net::IpAddr;
use std::num::NonZeroU32;

use common::network::source_of;
use governor::{DefaultKeyedRateLimiter, Quota};

/// Failures a second from one source before they are answered with 429: ten.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
/// Sources remembered; beyond that all new ones share one budget, so that a flood of addresses bounds itself.
const MOST_SOURCES: usize = 100_000;

pub(super) struct Failures(DefaultKeyedRateLimiter<Option<IpAddr>>);

impl Default for Failures {
    fn default() -> Self {
        Self(DefaultKeyedRateLimiter::dashmap(Quota::per_second(PER_SECOND)))
    }
}

impl Failures {
    /// Charges a failure to its source; false when it has had too many.
    pub(super) fn admit(&self, address: IpAddr) -> bool {
        let source = if self.0.len() < MOST_SOURCES { Some(source_of(address)) } else { None };
        self.0.check_key(&source).is_ok()
    }

    pub(super) fn sweep(&self) {
        self.0.retain_recent();
    }
}
