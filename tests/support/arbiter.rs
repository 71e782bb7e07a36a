//! The arbiter of limits once more, in memory and by a clock that is moved by hand: what the scripts in Redis do, said a
//! second time, so that each can be held against the other, and fleets can be simulated.

use std::collections::{BTreeMap, HashMap};

use common::bus::arbiter::{Claim, LEASE, PRESENCE, SETTLING, SLOT, Share, Verdict, WINDOW};
use common::id::KeyId;

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

/// What it remembers.
#[derive(Default)]
pub struct ArbiterByHand {
    born: Option<u64>,
    edges: HashMap<String, u64>,
    minutes: HashMap<KeyId, Minute>,
}

#[derive(Default)]
struct Minute {
    slots: BTreeMap<u64, u64>,
    leases: HashMap<String, Held>,
    left: u64,
    lost: Option<u64>,
}

struct Held {
    number: u64,
    total: u64,
    tokens: u64,
    until: u64,
}

/// When a slot leaves the window.
fn end_of(slot: u64) -> u64 {
    (slot + 1) * millis(SLOT) + millis(WINDOW)
}

impl ArbiterByHand {
    /// An edge says that it is there.
    pub fn attend(&mut self, edge: &str, now: u64) -> u32 {
        self.born.get_or_insert(now);
        self.edges.insert(edge.to_owned(), now);
        self.edges.retain(|_, at| *at + millis(PRESENCE) > now);
        u32::try_from(self.edges.len()).unwrap()
    }

    /// Answers one claim, `now` in milliseconds.
    pub fn settle(&mut self, edge: &str, claim: &Claim, now: u64) -> Verdict {
        let mut born = *self.born.get_or_insert(now);
        let edges = self.edges.len().max(1) as u64;
        let is_new = !self.minutes.contains_key(&claim.key);
        let minute = self.minutes.entry(claim.key.clone()).or_default();
        if is_new && claim.was_answered {
            minute.lost = Some(now);
        }
        born = born.max(minute.lost.unwrap_or(0));
        minute.forget(now);
        let mine = minute.leases.get(edge).map(|held| (held.number, held.total));
        match mine {
            Some((number, _)) if claim.number <= number => return Verdict::Overtaken,
            None if !claim.is_whole => return Verdict::TellAll,
            _ => minute.note(claim, mine.map(|(_, total)| total), now),
        }
        let spent: u64 = minute.slots.values().sum();
        let others: u64 =
            minute.leases.iter().filter(|(of, _)| *of != edge).map(|(_, held)| held.tokens).sum();
        let settles = (born + millis(SETTLING)).saturating_sub(now);
        let (limit, held, waiting) =
            (u64::from(claim.limit), u64::from(claim.held), u64::from(claim.waiting));
        let room = limit.saturating_sub(spent + others + held);
        let mut lease = held;
        if settles == 0 {
            let served = waiting.min(room);
            let most = ((room - served) / (2 * edges)).min(limit / (20 * edges));
            lease +=
                if room == 0 { 0 } else { served + u64::from(claim.ahead).min(most.saturating_sub(held)) };
        }
        let until = now + millis(LEASE);
        let held = Held { number: claim.number, total: claim.total, tokens: lease, until };
        minute.leases.insert(edge.to_owned(), held);
        Verdict::Shared(minute.share((limit, spent + others + lease, lease), settles, now))
    }
}

impl Minute {
    fn forget(&mut self, now: u64) {
        let gone: Vec<u64> = self.slots.keys().copied().take_while(|slot| end_of(*slot) <= now).collect();
        self.left += gone.iter().filter_map(|slot| self.slots.remove(slot)).sum::<u64>();
        self.leases.retain(|_, held| held.until + millis(WINDOW) + millis(SLOT) > now);
    }

    fn note(&mut self, claim: &Claim, before: Option<u64>, now: u64) {
        let told: u64 = claim.spent.iter().map(|(_, count)| u64::from(*count)).sum();
        let mut fresh = before.map_or(told, |before| claim.total.saturating_sub(before));
        for (age, count) in &claim.spent {
            let slot = now.saturating_sub(*age) / millis(SLOT);
            let count = u64::from(*count).min(fresh);
            fresh -= count;
            if count > 0 && end_of(slot) > now {
                *self.slots.entry(slot).or_default() += count;
            }
        }
    }

    fn share(&self, (limit, taken, lease): (u64, u64, u64), settles: u64, now: u64) -> Share {
        let count = |number: u64| u32::try_from(number).unwrap();
        let time = std::time::Duration::from_millis;
        let free = limit.saturating_sub(taken);
        let mut next_in = 0;
        if free == 0 {
            let mut over = taken - limit;
            let next = self.slots.iter().find(|(_, count)| {
                let is_enough = **count > over;
                over = over.saturating_sub(**count);
                is_enough
            });
            next_in = next.map_or(millis(WINDOW), |(slot, _)| end_of(*slot) - now);
        }
        let whole_in = self.slots.keys().next_back().map_or(0, |slot| end_of(*slot) - now);
        Share {
            lease: count(lease),
            free: count(free),
            next_in: time(next_in),
            whole_in: time(whole_in),
            left: self.left,
            settles_in: time(settles),
        }
    }
}
