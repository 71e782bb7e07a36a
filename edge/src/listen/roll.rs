//! The connections of a worker, and the sweep that looks at all of them once a second.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::deadlines::Deadlines;
use super::line::{Line, Order};
use super::rules::{Reason, Watch};
use crate::observe::ConnectionMetrics;

/// So many are looked at before others have their turn on the worker: some 20 µs of work.
const AT_ONCE: usize = 256;

/// Who is connected. It does not keep anybody: a connection that ended is taken off by the next sweep.
pub(super) struct Roll {
    entries: Mutex<Entries>,
    deadlines: Deadlines,
    metrics: ConnectionMetrics,
    began: Instant,
}

#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    leaving: bool,
}

struct Entry {
    line: Weak<Line>,
    watch: Watch,
    looked: Duration,
}

impl Roll {
    pub(super) fn new(deadlines: Deadlines, metrics: ConnectionMetrics) -> Self {
        Self { entries: Mutex::default(), deadlines, metrics, began: Instant::now() }
    }

    /// Whatever panicked, it left the list whole: each step on it is one call.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, line: &Arc<Line>) {
        let now = self.began.elapsed();
        let watch = Watch::new(now);
        let mut entries = self.lock();
        if entries.leaving {
            line.order(Order::Leave);
        }
        entries.entries.push(Entry { line: Arc::downgrade(line), watch, looked: now });
    }

    /// Tells everybody to leave, who is here and who still comes.
    pub(super) fn leave(&self) {
        self.lock().leaving = true;
        self.tell(Order::Leave);
    }

    /// Cuts everybody.
    pub(super) fn cut(&self) {
        self.tell(Order::Cut);
    }

    fn tell(&self, order: Order) {
        let now = self.began.elapsed();
        for Entry { line, watch, .. } in &mut self.lock().entries {
            if let Some(line) = line.upgrade() {
                watch.note_left(now);
                line.order(order);
            }
        }
    }

    /// Looks at everybody, again and again.
    pub(super) async fn sweep(&self) {
        let mut every = tokio::time::interval(self.deadlines.sweep);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = self.began.elapsed();
            let mut at = 0;
            while self.sweep_some(&mut at, now) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Looks at some, from `at` on; gives whether there are more.
    fn sweep_some(&self, at: &mut usize, now: Duration) -> bool {
        let mut guard = self.lock();
        let entries = &mut guard.entries;
        for _ in 0..AT_ONCE {
            let Some(entry) = entries.get_mut(*at) else {
                // A crowd that has gone leaves no room behind.
                if entries.len() < entries.capacity() / 4 {
                    entries.shrink_to(entries.len() * 2);
                }
                return false;
            };
            match entry.line.upgrade() {
                Some(line) => {
                    self.look(entry, &line, now);
                    *at += 1;
                }
                None => drop(entries.swap_remove(*at)),
            }
        }
        true
    }

    fn look(&self, Entry { watch, looked, .. }: &mut Entry, line: &Line, now: Duration) {
        if line.is_parting() && !line.holds_much() {
            line.order(Order::Leave);
            return;
        }
        let seen = line.progress.see();
        line.fit_room(&seen, now.saturating_sub(std::mem::replace(looked, now)));
        let Some(reason) = watch.judge(seen, || line.unsent(), now, &self.deadlines) else { return };
        // Somebody without a request loses nothing by a farewell, unless it still does not take what it asked for.
        if reason == Reason::Idle && line.unsent() == 0 {
            watch.note_left(now);
            if line.order(Order::Leave) {
                self.metrics.ended(reason);
            }
        } else if line.order(Order::Cut) {
            self.metrics.ended(reason);
        }
    }
}
