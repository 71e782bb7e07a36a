//! What the arbiter lends an edge of one key's minute. Pure: it says what to tell, takes what was answered, and never
//! waits.

use std::time::Duration;

use common::bus::arbiter::{Claim, LEASE, Share, Verdict};
use common::id::KeyId;

use super::fleet::Fleet;
use super::window::{WINDOW, Window};

/// An exhausted key asks again after so long: somebody may have given back what it did not need.
const RECHECK: Duration = Duration::from_millis(250);
/// How many seconds of its pace a key holds ahead.
const HORIZON: f64 = 1.0;
/// A pace is not told by less.
const SHORTEST: Duration = Duration::from_millis(50);
/// When a lease is looked at again: early enough that an answer comes before it ends.
const LOOK: Duration = Duration::from_millis(600);

/// What the next request of a key may do.
pub(super) enum Offer {
    /// There is a token.
    Token,
    /// There is none in the whole fleet, and for how long.
    Closed(Duration),
    /// Nobody said: ask, or go by the fair share.
    Open,
    /// The arbiter lends nothing yet: go by the fair share.
    Unlent,
}

/// What is known of one key's share, and what the arbiter knows of it.
pub(super) struct Lease {
    tokens: u32,
    /// How many of them there were at first.
    size: u32,
    ends_at: Duration,
    free: u32,
    /// Until when the whole fleet has none …
    closed_until: Duration,
    /// … and when one comes for certain.
    next_at: Duration,
    whole_at: Duration,
    /// Until when the arbiter lends nothing.
    settles_at: Duration,
    /// The most that may be told as left, so that it rises only when requests leave the window.
    ceiling: u32,
    left: u64,
    /// Ever spent; how much of that was confirmed, and how many without a token since.
    total: u64,
    told: u64,
    unlent: u32,
    number: u64,
    answered_at: Option<Duration>,
    needs_all: bool,
    flight: Option<Flight>,
    demand: Demand,
    rung: bool,
}

/// A claim that is on its way.
struct Flight {
    sent_at: Duration,
    total: u64,
    held: u32,
    unlent: u32,
    limit: u32,
}

/// How often a key is used here.
struct Demand {
    attempts: u32,
    since: Duration,
    /// A second.
    pace: f64,
    limit: u32,
}

impl Demand {
    fn measure(&mut self, tick: Duration) {
        let span = tick.saturating_sub(self.since);
        if span < SHORTEST {
            return;
        }
        let pace = f64::from(self.attempts) / span.as_secs_f64();
        self.pace = if self.pace > 0.0 { (self.pace + pace) / 2.0 } else { pace };
        (self.attempts, self.since) = (0, tick);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is no less than 0"
    )]
    fn wanted(&self) -> u32 {
        (self.pace * HORIZON).round() as u32
    }
}

impl Lease {
    pub(super) fn new(tick: Duration) -> Self {
        Self {
            tokens: 0,
            size: 0,
            ends_at: Duration::ZERO,
            free: 0,
            closed_until: Duration::ZERO,
            next_at: Duration::ZERO,
            whole_at: Duration::ZERO,
            settles_at: Duration::ZERO,
            ceiling: u32::MAX,
            left: 0,
            total: 0,
            told: 0,
            unlent: 0,
            number: 0,
            answered_at: None,
            needs_all: false,
            flight: None,
            demand: Demand { attempts: 0, since: tick, pace: 0.0, limit: 0 },
            rung: false,
        }
    }

    /// What there is for one more request.
    pub(super) fn offer(&mut self, fleet: &Fleet, key: &KeyId, limit: u32, tick: Duration) -> Offer {
        self.demand.attempts = self.demand.attempts.saturating_add(1);
        self.demand.limit = limit;
        if self.tokens > 0 && tick < self.ends_at {
            let is_low = self.tokens.saturating_sub(1) <= self.size / 2;
            if is_low && !self.rung && self.flight.is_none() && fleet.lends_ahead(limit) {
                self.rung = true;
                fleet.ring(key);
            }
            return Offer::Token;
        }
        if tick < self.closed_until {
            return Offer::Closed(self.next_at.max(self.closed_until).saturating_sub(tick));
        }
        if tick < self.settles_at { Offer::Unlent } else { Offer::Open }
    }

    /// Spends a token; tells what is left then.
    pub(super) fn spend_token(&mut self) -> u32 {
        self.tokens = self.tokens.saturating_sub(1);
        self.total += 1;
        self.ceiling = self.ceiling.saturating_sub(1);
        let left = self.left();
        self.ceiling = left;
        left
    }

    /// Spends what nobody lent.
    pub(super) fn spend_unlent(&mut self) {
        self.total += 1;
        self.unlent = self.unlent.saturating_add(1);
        self.ceiling = self.ceiling.saturating_sub(1);
    }

    /// What is left in the whole fleet, as of the last answer.
    pub(super) fn left(&self) -> u32 {
        self.tokens.saturating_add(self.free).min(self.ceiling).max(self.tokens)
    }

    pub(super) fn whole_in(&self, tick: Duration) -> Duration {
        self.whole_at.saturating_sub(tick)
    }

    /// Whether the arbiter may remember this edge.
    pub(super) fn is_remembered(&self, tick: Duration) -> bool {
        let last = self.answered_at.max(self.flight.as_ref().map(|flight| flight.sent_at));
        last.is_some_and(|at| tick < at + LEASE + WINDOW + Duration::from_secs(2))
    }

    /// Whether something was spent that nobody lent, and that no answer has confirmed.
    pub(super) fn is_untold(&self) -> bool {
        self.unlent > 0
    }

    /// From now on the arbiter is told everything.
    pub(super) fn forget_answers(&mut self) {
        self.needs_all = true;
    }

    pub(super) fn claim(
        &mut self,
        (key, window): (&KeyId, &Window),
        waiting: u32,
        tick: Duration,
    ) -> Option<Claim> {
        if self.flight.is_some() {
            return None;
        }
        self.demand.measure(tick);
        // What was not needed is given back, but not before those could take it who wait for it; what has ended is
        // nobody's any more.
        let wanted = self.demand.wanted();
        self.tokens = match self.ends_at.checked_sub(tick) {
            None | Some(Duration::ZERO) => 0,
            Some(left) if left <= LEASE - LOOK => self.tokens.min(wanted),
            Some(_) => self.tokens,
        };
        let held = self.tokens;
        let was_answered = self.answered_at.is_some_and(|at| tick < at + WINDOW);
        // Before the arbiter forgets this edge, so that it need not ask.
        let remembers = self.answered_at.is_some_and(|at| tick < at + WINDOW - 5 * LEASE);
        let is_whole = self.needs_all || !remembers;
        let news = if is_whole { u64::from(window.spent()) } else { self.total.saturating_sub(self.told) };
        self.number += 1;
        let (total, unlent, limit) = (self.total, self.unlent, self.demand.limit);
        self.flight = Some(Flight { sent_at: tick, total, held, unlent, limit });
        self.rung = false;
        Some(Claim {
            key: key.clone(),
            limit,
            number: self.number,
            total,
            spent: window.newest(news, tick),
            is_whole,
            was_answered,
            held,
            waiting,
            ahead: wanted.saturating_sub(held),
        })
    }

    pub(super) fn settle(&mut self, verdict: &Verdict, tick: Duration) -> Option<Duration> {
        let flight = self.flight.take()?;
        match verdict {
            Verdict::Shared(share) => {
                self.share(&flight, share, tick);
                let is_of_interest = self.tokens > 0 || self.unlent > 0;
                is_of_interest.then_some(flight.sent_at + LOOK)
            }
            Verdict::TellAll => {
                self.needs_all = true;
                Some(tick)
            }
            Verdict::Overtaken => Some(tick),
        }
    }

    fn share(&mut self, flight: &Flight, share: &Share, tick: Duration) {
        (self.needs_all, self.told) = (false, flight.total);
        self.unlent -= flight.unlent.min(self.unlent);
        // What was spent meanwhile was spent of what was held. Nobody lends more than the limit.
        self.tokens = self.tokens.saturating_add(share.lease.saturating_sub(flight.held)).min(flight.limit);
        self.size = self.tokens;
        // From when it was asked for: the arbiter counts from a moment after that.
        self.ends_at = flight.sent_at + LEASE;
        self.free = share.free.min(flight.limit);
        self.closed_until = if share.free == 0 && share.settles_in.is_zero() {
            tick + share.next_in.clamp(Duration::from_millis(1), RECHECK)
        } else {
            Duration::ZERO
        };
        (self.next_at, self.whole_at) = (tick + share.next_in, tick + share.whole_in);
        // Nothing to settle is no moment: who waited came before this answer did.
        self.settles_at = if share.settles_in.is_zero() { Duration::ZERO } else { tick + share.settles_in };
        let is_fresh = self.answered_at.is_some_and(|at| tick < at + WINDOW);
        self.ceiling = match share.left.checked_sub(self.left) {
            Some(gone) if is_fresh => self.ceiling.saturating_add(u32::try_from(gone).unwrap_or(u32::MAX)),
            _ => u32::MAX,
        };
        (self.left, self.answered_at) = (share.left, Some(tick));
    }

    pub(super) fn give_up(&mut self) {
        self.flight = None;
        self.rung = false;
    }
}
