//! Failed logins per source address. Charged after the failure, so that who brings a right key is never delayed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use common::network::source_of;
use common::problem::{Code, Problem};
use common::time::Timestamp;

/// Failures a second from one source before they are answered with 429; as many may come at once.
const PER_SECOND: u32 = 10;
/// Sources remembered; beyond that all new ones share one budget, so that a flood of addresses bounds itself.
const MOST_SOURCES: usize = 100_000;
/// What one failure costs.
const COST: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);
const BURST: Duration = Duration::from_secs(1);

/// The instant by which each source has paid for its failures (GCRA).
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<Option<IpAddr>, Timestamp>>);

impl Failures {
    /// Charges a failure to its source; false when it has had too many.
    pub(super) fn admit(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut paid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paid.len() >= MOST_SOURCES {
            paid.retain(|_, until| *until > now);
        }
        let known = source_of(address);
        let room = paid.len() < MOST_SOURCES || paid.contains_key(&Some(known));
        let until = paid.entry(room.then_some(known)).or_insert(now);
        // A clock that was turned back must not keep a source out for longer than its burst.
        let from = (*until).max(now).min(now.plus(BURST));
        let next = from.plus(COST);
        let fits = next.since(now) <= BURST;
        *until = if fits { next } else { from };
        fits
    }
}

/// The refusal of one failure too many.
pub(super) fn throttled() -> Problem {
    Problem::new(Code::RateLimited, "auth_throttled", "Too many failed authentications from this address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_a_second_are_told_as_they_are_and_more_are_not() {
        let failures = Failures::default();
        let (here, there) = ("203.0.113.9".parse().unwrap(), "203.0.113.10".parse().unwrap());
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        let admitted =
            |address, millis, times: u32| (0..times).filter(|_| failures.admit(address, at(millis))).count();
        assert_eq!(admitted(here, 0, 30), 10);
        assert_eq!(admitted(there, 0, 30), 10, "each source for itself");
        assert_eq!(admitted(here, 100, 5), 1, "one comes back every tenth of a second");
        assert_eq!(admitted(here, 60_000, 30), 10);
        assert_eq!(admitted(here, -60_000, 1), 0, "the clock was turned back");
        assert_eq!(admitted(here, -59_000, 30), 10, "and it is soon forgiven");
    }
}
