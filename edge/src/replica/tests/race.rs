//! Where a look-up can be held up between reading the replica and keeping what it read: hostile schedules on purpose.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

type Hesitation = Box<dyn FnMut()>;

thread_local! {
    static HESITATION: RefCell<Option<Hesitation>> = const { RefCell::new(None) };
}

/// Called by the rooms after they read.
pub(crate) fn hesitate() {
    // Taken out while it runs, so that it may look things up itself.
    if let Some(mut hesitation) = HESITATION.take() {
        hesitation();
        HESITATION.set(Some(hesitation));
    }
}

/// Makes every look-up of this thread do `this` after it read.
pub(crate) fn hesitate_with(this: impl FnMut() + 'static) {
    HESITATION.set(Some(Box::new(this)));
}

/// Runs `look_up` so that it reads before `change` and ends after `tell`, if `tell` lets it. A `tell` that does not
/// wait for it has told too early.
pub(crate) fn overtake(look_up: impl FnOnce() + Send, change: impl FnOnce(), tell: impl FnOnce() + Send) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    TOLD.store(false, Ordering::SeqCst);
    let (read, has_read) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            hesitate_with(move || {
                let _ = read.send(());
                let began = Instant::now();
                // Whoever must be waited for cannot wait for the one who waits.
                while !TOLD.load(Ordering::SeqCst) && began.elapsed() < Duration::from_millis(200) {
                    std::thread::yield_now();
                }
            });
            look_up();
        });
        has_read.recv().unwrap();
        change();
        scope.spawn(move || {
            tell();
            TOLD.store(true, Ordering::SeqCst);
        });
    });
}
