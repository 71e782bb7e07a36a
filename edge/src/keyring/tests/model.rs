//! The argument of the keyring as a model small enough to be tried in every interleaving (loom): one key, one feed,
//! one or two look-ups. What the model leaves out is moka's own correctness.

use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::sync::{Arc, Mutex, RwLock};
use loom::thread;

/// How the feed tells, and how a look-up keeps.
#[derive(Clone, Copy)]
enum Way {
    /// One changed key: computed under the key's lock, by both.
    Refresh,
    /// Everything: whoever loads is waited for, then what is there is refreshed.
    RefreshAll,
    /// As `RefreshAll`, without waiting for who loads.
    Impatient,
    /// The feed drops the entry without the key's lock, as `invalidate` beside `get_with`.
    Invalidate,
}

struct Model {
    way: Way,
    /// The number of the committed write.
    replica: AtomicUsize,
    /// What is held ready, which readers see without the key's lock: 0 is nothing, else the write.
    held: AtomicUsize,
    /// moka's order of computations for one key.
    key: Mutex<()>,
    loading: RwLock<()>,
    position: AtomicUsize,
}

impl Model {
    fn find(&self) -> usize {
        let held = self.held.load(SeqCst);
        if held > 0 {
            return held;
        }
        let _loading = self.loading.read().unwrap();
        let _key = self.key.lock().unwrap();
        let held = self.held.load(SeqCst);
        if held > 0 {
            return held;
        }
        let loaded = self.replica.load(SeqCst);
        self.held.store(loaded, SeqCst);
        loaded
    }

    fn refresh(&self) {
        let _key = self.key.lock().unwrap();
        if self.held.load(SeqCst) > 0 {
            self.held.store(self.replica.load(SeqCst), SeqCst);
        }
    }

    fn tell(&self) {
        match self.way {
            Way::Refresh => return self.refresh(),
            Way::Invalidate => return self.held.store(0, SeqCst),
            Way::RefreshAll => drop(self.loading.write().unwrap()),
            Way::Impatient => {}
        }
        if self.held.load(SeqCst) > 0 {
            self.refresh();
        }
    }
}

/// Two look-ups against one write, in every order: none finds less than what was in force when it began.
fn explore(way: Way) {
    loom::model(move || {
        let model = Arc::new(Model {
            way,
            replica: AtomicUsize::new(1),
            held: AtomicUsize::new(0),
            key: Mutex::new(()),
            loading: RwLock::new(()),
            position: AtomicUsize::new(1),
        });
        let feed = thread::spawn({
            let model = model.clone();
            move || {
                model.replica.store(2, SeqCst);
                model.tell();
                model.position.store(2, SeqCst);
            }
        });
        let look_up = thread::spawn({
            let model = model.clone();
            move || {
                model.find();
            }
        });
        let floor = model.position.load(SeqCst);
        let found = model.find();
        assert!(found >= floor, "resurrected: {found} after {floor}");
        feed.join().unwrap();
        look_up.join().unwrap();
        assert_eq!(model.find(), 2, "resurrected for good");
    });
}

#[test]
fn a_change_is_never_undone_in_any_interleaving() {
    explore(Way::Refresh);
}

#[test]
fn a_snapshot_is_never_undone_in_any_interleaving() {
    explore(Way::RefreshAll);
}

#[test]
#[should_panic(expected = "resurrected")]
fn without_waiting_for_who_loads_a_snapshot_is_undone() {
    explore(Way::Impatient);
}

#[test]
#[should_panic(expected = "resurrected")]
fn without_the_lock_of_the_key_a_change_is_undone() {
    explore(Way::Invalidate);
}
