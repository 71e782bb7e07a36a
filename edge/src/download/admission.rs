//! Admission where other edges have a say: most requests find a share of their key's minute here, and the others wait a
//! moment for one.

use std::time::{Duration, Instant};

use crate::app::Edge;
use crate::caps::{Answer, Bounds, Customer, Paced, Place};
use crate::error::Refusal;
use crate::gate::budget::Fleet;
use crate::gate::{Admitted, Permit, Wanting};
use crate::request::{Arrival, Ask};
use crate::shares::PATIENCE;

/// When to try again where a tier has no more places: nobody knows when a transfer ends.
const AGAIN: Duration = Duration::from_secs(1);

impl Edge {
    /// Admits a key; the other edges are asked first where this one has no share of its minute.
    pub(super) async fn admit(&self, ask: &Ask) -> Admitted {
        match self.gate.try_admit(ask) {
            Ok(admitted) => admitted,
            // The rare way has memory of its own.
            Err(wanting) => Box::pin(self.admit_when_told(ask, wanting)).await,
        }
    }

    async fn admit_when_told(&self, ask: &Ask, Wanting(key): Wanting) -> Admitted {
        let (until, mut was_told) = (Instant::now() + PATIENCE, false);
        // Others may take what came, so that more than one answer is needed.
        while self.wishes.minutes.wait(&key, until.saturating_duration_since(Instant::now())).await {
            was_told = true;
            if let Ok(admitted) = self.gate.try_admit(ask) {
                return admitted;
            }
        }
        if let (false, Some(fleet)) = (was_told, self.gate.budgets().fleet()) {
            fleet.note_late();
        }
        self.gate.admit(ask)
    }

    /// A place for one more transfer of a customer, and its pace, as far as its tier has bounds for them.
    pub(super) async fn begin_transfer(
        &self,
        permit: &Permit,
        arrival: Arrival,
    ) -> Result<(Option<Place>, Option<Paced>), Refusal> {
        let Some((tier, customer)) = permit.tier().zip(permit.key().customer.as_ref()) else {
            return Ok((None, None));
        };
        let (most, rate) = (tier.max_concurrent_downloads, tier.bytes_per_second);
        if most.is_none() && rate.is_none() {
            return Ok((None, None));
        }
        let customer = (permit.key().tenant, customer.clone());
        let mut place = None;
        if let Some(most) = most {
            place = Box::pin(self.take_place(&customer, most)).await;
            if place.is_none() {
                let jitter = Duration::from_nanos(u64::from(arrival.tick.subsec_nanos()));
                return Err(Refusal::TooManyDownloads(AGAIN + jitter));
            }
        }
        Ok((place, rate.map(|rate| Paced::new(self.caps.pace(&customer, rate)))))
    }

    async fn take_place(&self, customer: &Customer, most: u32) -> Option<Place> {
        let (until, fleet) = (Instant::now() + PATIENCE, self.gate.budgets().fleet());
        let share = fleet.map_or(most, |fleet| fleet.share_of(most));
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let may_ask = !left.is_zero() && fleet.is_some_and(Fleet::is_prompt);
            match self.caps.begin(customer, Bounds { most, share, may_ask }, self.began.elapsed()) {
                Answer::Taken(place) => return Some(place),
                Answer::Full => return None,
                Answer::Wanting => {}
            }
            // Late or not, the next round decides.
            self.wishes.places.wait(customer, left).await;
        }
    }
}
