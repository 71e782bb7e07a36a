//! How many connections come from one place, so that nobody takes all of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::network::canonical;

/// The connections of each address, as far as there are any: never more entries than connections.
pub(super) struct Crowd {
    most: u32,
    counts: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection that is counted until this is dropped.
pub(super) struct Counted {
    crowd: Arc<Crowd>,
    place: IpAddr,
}

impl Crowd {
    pub(super) fn new(most: u32) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more from `address`; `None` when there are enough.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let place = place_of(address);
        let mut counts = self.lock();
        let count = counts.entry(place).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Counted { crowd: self.clone(), place })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.crowd.lock().entry(self.place) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Whoever has one address of IPv6 has the other 2^64 of its network too (RFC 6177).
fn place_of(address: IpAddr) -> IpAddr {
    match canonical(address) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_own_count_and_gives_it_back() {
        let (crowd, ip) = (Crowd::new(2), |text: &str| text.parse::<IpAddr>().unwrap());
        let enter = |text| crowd.enter(ip(text));
        let (first, _second) = (enter("192.0.2.1"), enter("::ffff:192.0.2.1"));
        assert!(first.is_some() && enter("192.0.2.1").is_none());
        let _others = [enter("2001:db8::1").unwrap(), enter("2001:db8::ffff:0:0:2").unwrap()];
        assert!(enter("2001:db8::3").is_none() && enter("2001:db8:0:1::3").is_some());
        drop(first);
        assert!(enter("192.0.2.1").is_some() && enter("192.0.2.2").is_some());
        assert_eq!(crowd.lock().len(), 2, "who left is forgotten");
    }
}
