//! A key's minute: at most its limit in any 60 seconds, all of it at once if it likes.
//!
//! Not governor's: a GCRA of L a minute admits almost 2 L in its first minute. This is a sliding window over slots of
//! a quarter second; a slot leaves the window when its *end* is 60 s ago, so that the promise is never broken and a
//! request comes back at most a quarter second late.
//!
//! An edge that is alone counts by itself. One of several spends what it was lent (`budget/lease.rs`), and where nobody
//! lends, its fair share; what it counts itself is never more than the limit, whatever it is told.

mod fleet;
mod lease;
mod window;

use std::time::Duration;

use common::bus::arbiter::{Claim, Verdict};
use common::id::KeyId;
use common::limit::RequestsPerMinute;
use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::request::Arrival;
pub use fleet::Fleet;
use lease::{Lease, Offer};
use window::Window;

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

/// Whether one was spent, else how long to wait until one fits; and where that leaves the key.
pub type Spent = (Result<(), Duration>, Standing);

/// What the keys have spent. Kept apart from everything that may be evicted or replaced, and never dropped within the
/// window.
#[derive(Default)]
pub struct Budgets {
    minutes: DashMap<KeyId, Minute, RandomState>,
    fleet: Option<Fleet>,
}

#[derive(Default)]
struct Minute {
    window: Window,
    /// None at an edge that is alone.
    lease: Option<Box<Lease>>,
}

impl Budgets {
    /// Of an edge that is one of `fleet`.
    pub fn shared(fleet: Fleet) -> Self {
        Self { minutes: DashMap::default(), fleet: Some(fleet) }
    }

    /// What is known of the others; none at an edge that is alone.
    pub fn fleet(&self) -> Option<&Fleet> {
        self.fleet.as_ref()
    }

    /// Spends one request, without waiting for anything.
    pub fn spend(&self, key: &KeyId, limit: RequestsPerMinute, arrival: Arrival) -> Spent {
        self.minute(key, |minute| {
            let Some(fleet) = &self.fleet else { return minute.spend_alone(limit.get(), arrival) };
            match minute.offer(fleet, key, limit.get(), arrival.tick) {
                Offer::Open | Offer::Unlent => minute.spend_share(fleet, limit.get(), arrival),
                offer => minute.take(&offer, limit.get(), arrival),
            }
        })
    }

    /// The same, none when it is worth while to ask the arbiter first.
    pub fn try_spend(&self, key: &KeyId, limit: RequestsPerMinute, arrival: Arrival) -> Option<Spent> {
        let Some(fleet) = &self.fleet else { return Some(self.spend(key, limit, arrival)) };
        self.minute(key, |minute| match minute.offer(fleet, key, limit.get(), arrival.tick) {
            Offer::Open if fleet.is_prompt() => None,
            Offer::Open | Offer::Unlent => Some(minute.spend_share(fleet, limit.get(), arrival)),
            offer => Some(minute.take(&offer, limit.get(), arrival)),
        })
    }

    fn minute<T>(&self, key: &KeyId, run: impl FnOnce(&mut Minute) -> T) -> T {
        let mut minute = match self.minutes.get_mut(key) {
            Some(minute) => minute,
            None => self.minutes.entry(key.clone()).or_default(),
        };
        run(&mut minute)
    }

    /// What to tell the arbiter of this key, and to ask of it for so many requests that wait. To be followed by
    /// [`Self::settle`] or [`Self::give_up`]. None when there is nothing to say.
    pub fn claim(&self, key: &KeyId, waiting: u32, tick: Duration) -> Option<Claim> {
        let mut minute = self.minutes.get_mut(key)?;
        let Minute { window, lease } = &mut *minute;
        window.expire(tick);
        lease.as_mut()?.claim((key, window), waiting, tick)
    }

    /// Takes what the arbiter said at `tick`. Gives when to look at this key again, if anything is left to say.
    pub fn settle(&self, key: &KeyId, verdict: &Verdict, tick: Duration) -> Option<Duration> {
        let mut minute = self.minutes.get_mut(key)?;
        minute.lease.as_mut()?.settle(verdict, tick)
    }

    /// The arbiter did not answer.
    pub fn give_up(&self, key: &KeyId) {
        if let Some(lease) = self.minutes.get_mut(key).as_mut().and_then(|minute| minute.lease.as_mut()) {
            lease.give_up();
        }
    }

    /// The keys of which the arbiter has not heard all: those that were spent without a lease.
    pub fn untold(&self) -> Vec<KeyId> {
        let is_untold = |lease: &Lease| lease.is_untold();
        let untold = self.minutes.iter().filter(|minute| minute.lease.as_deref().is_some_and(is_untold));
        untold.map(|minute| minute.key().clone()).collect()
    }

    /// The keys of which an arbiter must be told that has forgotten everything.
    pub fn forgotten(&self) -> Vec<KeyId> {
        let mut keys = Vec::new();
        for mut minute in self.minutes.iter_mut() {
            let is_spent = minute.window.spent() > 0;
            if let (true, Some(lease)) = (is_spent, &mut minute.lease) {
                lease.forget_answers();
                keys.push(minute.key().clone());
            }
        }
        keys
    }

    /// Drops windows in which nothing was spent for 60 s, and of which the arbiter has forgotten too.
    pub fn sweep(&self, tick: Duration) {
        self.minutes.retain(|_, Minute { window, lease }| {
            window.expire(tick);
            window.spent() > 0 || lease.as_ref().is_some_and(|lease| lease.is_remembered(tick))
        });
    }
}

impl Minute {
    fn spend_alone(&mut self, limit: u32, arrival: Arrival) -> Spent {
        let spent = self.window.spend(limit, arrival.tick);
        (spent, self.standing(limit, limit.saturating_sub(self.window.spent()), arrival))
    }

    fn offer(&mut self, fleet: &Fleet, key: &KeyId, limit: u32, tick: Duration) -> Offer {
        self.window.expire(tick);
        let lease = self.lease.get_or_insert_with(|| Box::new(Lease::new(tick)));
        lease.offer(fleet, key, limit, tick)
    }

    /// As the arbiter had it.
    fn take(&mut self, offer: &Offer, limit: u32, arrival: Arrival) -> Spent {
        let spent = match *offer {
            Offer::Closed(after) => Err(after),
            // The edge's own count bounds whatever it was lent.
            _ => self.window.spend(limit, arrival.tick),
        };
        let Some(lease) = &mut self.lease else { return (spent, self.standing(limit, 0, arrival)) };
        let own = limit.saturating_sub(self.window.spent());
        let left = if spent.is_ok() { lease.spend_token() } else { lease.left() };
        let remaining = if spent.is_ok() { left.min(own) } else { 0 };
        (spent, self.standing(limit, remaining, arrival))
    }

    /// As much of the limit as falls to each edge.
    fn spend_share(&mut self, fleet: &Fleet, limit: u32, arrival: Arrival) -> Spent {
        let share = fleet.share_of(limit);
        let spent = self.window.spend(share, arrival.tick);
        if let (Ok(()), Some(lease)) = (spent, &mut self.lease) {
            lease.spend_unlent();
        }
        (spent, self.standing(limit, share.saturating_sub(self.window.spent()), arrival))
    }

    fn standing(&self, limit: u32, remaining: u32, arrival: Arrival) -> Standing {
        let elsewhere = self.lease.as_ref().map_or(Duration::ZERO, |lease| lease.whole_in(arrival.tick));
        let whole_in = self.window.whole_in(arrival.tick).max(elsewhere);
        Standing { limit, remaining, whole_in, whole_at: round_up(arrival.at.plus(whole_in).millis()) }
    }
}

fn round_up(millis: i64) -> i64 {
    millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) > 0)
}
