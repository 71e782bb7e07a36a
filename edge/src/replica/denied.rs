//! The denials that no record has followed yet: rights taken away at once, in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use common::wire::address::Address;
use dashmap::DashMap;

/// What is denied until a record of this or a later sequence comes. Small: emptied by the records that follow each.
#[derive(Default)]
pub(super) struct Denied {
    until: DashMap<Address, u64>,
    /// Never less than what is in the map, so that zero means that it is empty: asked on the way of every request, where
    /// the map's own count would take all its locks.
    most: AtomicUsize,
}

impl Denied {
    pub(super) fn is_empty(&self) -> bool {
        self.most.load(Ordering::SeqCst) == 0
    }

    pub(super) fn holds(&self, address: &Address) -> bool {
        self.until.contains_key(address)
    }

    /// Denies an address until a record of that sequence. In force when this returns.
    pub(super) fn deny(&self, address: Address, sequence: u64) {
        // Counted before it is in the map: nobody finds zero while it is there.
        self.most.fetch_add(1, Ordering::SeqCst);
        let mut is_new = false;
        let mut at = self.until.entry(address).or_insert_with(|| {
            is_new = true;
            sequence
        });
        *at = (*at).max(sequence);
        drop(at);
        if !is_new {
            self.most.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Ends the denial of an address, if a record of that sequence overtakes it.
    pub(super) fn lift(&self, address: &Address, sequence: u64) {
        if self.until.remove_if(address, |_, at| *at <= sequence).is_some() {
            self.most.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Ends all denials but those whose sequence `stays`.
    pub(super) fn retain(&self, stays: impl Fn(u64) -> bool) {
        let mut ended = 0;
        self.until.retain(|_, at| {
            let stays = stays(*at);
            ended += usize::from(!stays);
            stays
        });
        self.most.fetch_sub(ended, Ordering::SeqCst);
    }

    /// Those whose sequence is `wanted`.
    pub(super) fn those(&self, wanted: impl Fn(u64) -> bool) -> Vec<(Address, u64)> {
        let wanted = self.until.iter().filter(|denial| wanted(*denial.value()));
        wanted.map(|denial| (denial.key().clone(), *denial.value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_empty_when_nothing_is_denied_and_only_then() {
        let denied = Denied::default();
        let address = |number: u32| format!("key:key_{number}").parse::<Address>().unwrap();
        let check = |count: usize| {
            assert_eq!((denied.is_empty(), denied.those(|_| true).len()), (count == 0, count));
            assert_eq!(denied.most.load(Ordering::SeqCst), count);
        };
        check(0);
        denied.deny(address(1), 5);
        denied.deny(address(1), 3);
        denied.deny(address(2), 7);
        check(2);
        assert!(denied.holds(&address(1)) && !denied.holds(&address(3)));
        denied.lift(&address(1), 4);
        denied.lift(&address(3), 9);
        check(2);
        denied.lift(&address(1), 5);
        check(1);
        denied.deny(address(3), 8);
        denied.retain(|at| at > 7);
        assert!(denied.holds(&address(3)));
        check(1);
        denied.retain(|_| false);
        check(0);
    }
}
