//! The transfers of customers: how many run at the same time, and how fast. Pure but for a lock: who has a place sends,
//! and gives it back when that ends, in whatever way.
//!
//! An edge that is alone counts by itself. One of several has places by word of the arbiter, which it must renew; where
//! nobody gives any, its fair share. What it counts itself is never more than the tier says.

mod pace;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use common::bus::arbiter::{OCCUPANCY, Occupation};
use common::id::{CustomerId, TenantId};
use dashmap::DashMap;
use foldhash::fast::RandomState;

pub use pace::{Pace, Paced};

/// Where nobody had a place, nobody is asked again for so long.
const RECHECK: Duration = Duration::from_millis(100);

/// Whose transfers.
pub type Customer = (TenantId, CustomerId);

/// Told of a customer who gave a place back. Must not block.
type Bell = Box<dyn Fn(&Customer) + Send + Sync>;

/// All that run on this edge.
#[derive(Default)]
pub struct Caps {
    crowds: DashMap<Customer, Crowd, RandomState>,
    /// None at an edge that is alone.
    bell: Option<Bell>,
}

#[derive(Default)]
struct Crowd {
    most: u32,
    running: u32,
    /// Places by word of the arbiter, until then.
    held: u32,
    ends_at: Duration,
    closed_until: Duration,
    /// Until when the arbiter does not know.
    unknown_until: Duration,
    pace: Option<Arc<Pace>>,
}

/// How many a customer may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// On all edges.
    pub most: u32,
    /// What falls to this edge of them, where nobody says more.
    pub share: u32,
    /// Whether there is time to ask the arbiter.
    pub may_ask: bool,
}

/// How a customer was answered who wants to begin one more.
pub enum Answer {
    /// It may.
    Taken(Place),
    /// It has as many as it may have.
    Full,
    /// Ask the arbiter.
    Wanting,
}

/// A transfer that is counted until this is dropped.
pub struct Place {
    caps: Arc<Caps>,
    customer: Customer,
}

impl Caps {
    /// Of an edge that is one of several.
    pub fn shared(bell: Bell) -> Self {
        Self { crowds: DashMap::default(), bell: Some(bell) }
    }

    /// One more of this customer's, within `bounds`.
    pub fn begin(self: &Arc<Self>, customer: &Customer, bounds: Bounds, tick: Duration) -> Answer {
        let mut crowd = self.crowds.entry(customer.clone()).or_default();
        crowd.most = bounds.most;
        let is_held = crowd.running < crowd.held && tick < crowd.ends_at;
        let fits = if crowd.running >= bounds.most {
            Some(false)
        } else if self.bell.is_none() || is_held {
            Some(true)
        } else if !bounds.may_ask || tick < crowd.unknown_until {
            Some(crowd.running < bounds.share.max(1))
        } else {
            (tick < crowd.closed_until).then_some(false)
        };
        match fits {
            None => Answer::Wanting,
            Some(false) => Answer::Full,
            Some(true) => {
                crowd.running += 1;
                Answer::Taken(Place { caps: self.clone(), customer: customer.clone() })
            }
        }
    }

    /// What paces all transfers of a customer, at so many bytes a second.
    pub fn pace(&self, customer: &Customer, rate: u64) -> Arc<Pace> {
        let mut crowd = self.crowds.entry(customer.clone()).or_default();
        let pace = crowd.pace.get_or_insert_with(|| Arc::new(Pace::new(rate)));
        pace.change(rate);
        pace.clone()
    }

    /// What to tell the arbiter of a customer, for so many who wait. None when there is nothing to say.
    pub fn occupation(&self, customer: &Customer, waiting: u32) -> Option<Occupation> {
        let crowd = self.crowds.get(customer)?;
        let (tenant, customer) = customer.clone();
        Some(Occupation { tenant, customer, most: crowd.most, running: crowd.running, waiting })
    }

    /// Takes what the arbiter said: of what was `told` to it at `sent`, so many places are this edge's. None = it does
    /// not know yet.
    pub fn settle(&self, told: &Occupation, places: Option<u32>, (sent, tick): (Duration, Duration)) {
        let customer = (told.tenant, told.customer.clone());
        let Some(mut crowd) = self.crowds.get_mut(&customer) else { return };
        let Some(places) = places else {
            (crowd.held, crowd.unknown_until) = (0, tick + RECHECK);
            return;
        };
        (crowd.held, crowd.ends_at) = (places, sent + OCCUPANCY);
        let is_full = places < told.running.saturating_add(told.waiting);
        crowd.closed_until = if is_full { tick + RECHECK } else { Duration::ZERO };
    }

    /// Customers of whom the arbiter must hear again: who has places, or had.
    pub fn occupied(&self) -> Vec<Customer> {
        let has = self.crowds.iter().filter(|crowd| crowd.running > 0 || crowd.held > 0);
        has.map(|crowd| crowd.key().clone()).collect()
    }

    /// Forgets who has none any more.
    pub fn sweep(&self) {
        self.crowds.retain(|_, crowd| {
            crowd.running > 0 || crowd.held > 0 || crowd.pace.as_ref().is_some_and(|pace| pace.is_owed())
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut crowd) = self.caps.crowds.get_mut(&self.customer) {
            crowd.running = crowd.running.saturating_sub(1);
        }
        // At once: the next may begin on another edge.
        if let Some(bell) = &self.caps.bell {
            bell(&self.customer);
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}
