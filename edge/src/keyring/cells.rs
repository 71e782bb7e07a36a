//! Shared places for what many keys have in common, so that a customer's change rewrites one of them.

use std::hash::Hash;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::Cell;

/// Cells by key; a cell lives as long as somebody holds it. Loads run under the shard's lock, which gives them the
/// order that the no-resurrection argument needs.
pub(super) struct Cells<K, T>(DashMap<K, Weak<ArcSwapOption<T>>>);

impl<K: Eq + Hash, T> Default for Cells<K, T> {
    fn default() -> Self {
        Self(DashMap::new())
    }
}

impl<K: Eq + Hash + Clone, T> Cells<K, T> {
    /// The cell of `key`, filled by `load` when nobody holds it.
    pub(super) fn get(&self, key: &K, load: impl FnOnce() -> Option<T>) -> Cell<T> {
        match self.0.entry(key.clone()) {
            Entry::Occupied(mut held) => held.get().upgrade().unwrap_or_else(|| {
                let cell = filled(load());
                held.insert(Arc::downgrade(&cell));
                cell
            }),
            Entry::Vacant(vacant) => {
                let cell = filled(load());
                vacant.insert(Arc::downgrade(&cell));
                cell
            }
        }
    }

    /// Loads the cell of `key` again, if somebody holds it; forgets it otherwise.
    pub(super) fn refresh(&self, key: &K, load: impl FnOnce() -> Option<T>) {
        if let Entry::Occupied(held) = self.0.entry(key.clone()) {
            match held.get().upgrade() {
                Some(cell) => cell.store(load().map(Arc::new)),
                None => {
                    held.remove();
                }
            }
        }
    }

    /// Loads every held cell again and forgets the others.
    pub(super) fn refresh_each(&self, load: impl Fn(&K) -> Option<T>) {
        self.0.retain(|key, held| {
            let cell = held.upgrade();
            if let Some(cell) = &cell {
                cell.store(load(key).map(Arc::new));
            }
            cell.is_some()
        });
    }
}

fn filled<T>(value: Option<T>) -> Cell<T> {
    Arc::new(ArcSwapOption::new(value.map(Arc::new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn value(cell: &Cell<u32>) -> Option<u32> {
        cell.load().as_deref().copied()
    }

    #[test]
    fn a_cell_is_shared_while_somebody_holds_it_and_forgotten_after() {
        let cells = Cells::<&str, u32>::default();
        let first = cells.get(&"a", || Some(1));
        assert!(Arc::ptr_eq(&first, &cells.get(&"a", || unreachable!("it is held"))));
        cells.refresh(&"a", || Some(2));
        cells.refresh(&"b", || unreachable!("nobody holds it"));
        assert_eq!(value(&first), Some(2));
        drop(first);
        cells.refresh(&"a", || unreachable!("nobody holds it any more"));
        assert!(cells.0.is_empty());
        let (kept, _) = (cells.get(&"a", || Some(3)), cells.get(&"b", || Some(3)));
        assert_eq!(cells.0.len(), 2);
        cells.refresh_each(|_| Some(4));
        assert_eq!((cells.0.len(), value(&kept)), (1, Some(4)));
    }

    /// The truth only grows, and every change of it is followed by a refresh: then nobody finds less than what was
    /// refreshed before he asked, whoever made the cell.
    #[test]
    fn a_cell_that_is_made_while_it_is_refreshed_misses_nothing() {
        let (cells, truth, told) = (Cells::<u32, u32>::default(), AtomicU32::new(0), AtomicU32::new(0));
        let load = || Some(truth.load(Ordering::SeqCst));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let floor = told.load(Ordering::SeqCst);
                        let found = value(&cells.get(&1, load)).unwrap();
                        assert!(found >= floor, "{found} after {floor}");
                        if floor >= 20_000 {
                            return;
                        }
                    }
                });
            }
            for n in 1..=20_000 {
                truth.store(n, Ordering::SeqCst);
                if n % 2 == 0 {
                    cells.refresh(&1, load)
                } else {
                    cells.refresh_each(|_| load())
                }
                told.store(n, Ordering::SeqCst);
            }
        });
    }
}
