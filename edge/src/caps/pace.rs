//! Bytes a second of all transfers of a customer on this edge. Not governor's: it counts in 32 bits and lets those who
//! wait race for what comes, where reservations are in order and nobody starves.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// What timers are late by is made up for, up to so much.
const SLACK: Duration = Duration::from_millis(50);
/// Pieces are no smaller, unless that is more than a second's worth; and no larger.
const SMALLEST: u64 = 16 << 10;
const LARGEST: u64 = 1 << 20;

/// When the next byte of a customer may go.
#[derive(Debug)]
pub struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    rate: u64,
    next: Instant,
}

impl Pace {
    /// So many bytes a second.
    pub fn new(rate: u64) -> Self {
        Self(Mutex::new(State { rate: rate.max(1), next: Instant::now() }))
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> T) -> T {
        // Two numbers, either of which may be old: a panic leaves nothing half done.
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on so many.
    pub fn change(&self, rate: u64) {
        self.with(|state| state.rate = rate.max(1));
    }

    /// Whether what went is not paid for by time yet.
    pub(super) fn is_owed(&self) -> bool {
        self.with(|state| state.next > Instant::now())
    }

    /// Reserves a piece of at most `most` bytes: its size, and when it may go.
    fn reserve(&self, most: u64) -> (u64, Instant) {
        self.with(|state| {
            let size = most.min((state.rate / 8).clamp(SMALLEST.min(state.rate), LARGEST)).max(1);
            let now = Instant::now();
            let at = state.next.max(now.checked_sub(SLACK).unwrap_or(now));
            state.next = at + Duration::from_secs_f64(time_of(size, state.rate));
            (size, at)
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a byte more or less in a piece changes no pace")]
fn time_of(size: u64, rate: u64) -> f64 {
    size as f64 / rate as f64
}

/// One transfer at the pace of its customer.
#[derive(Debug)]
pub struct Paced {
    pace: Arc<Pace>,
    reserved: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Paced {
    /// One of them.
    pub fn new(pace: Arc<Pace>) -> Self {
        Self { pace, reserved: None }
    }

    /// How many of `most` bytes may go now, when some may.
    pub fn poll_piece(&mut self, most: u64, context: &mut Context<'_>) -> Poll<u64> {
        let (size, sleep) = self.reserved.get_or_insert_with(|| {
            let (size, at) = self.pace.reserve(most);
            (size, Box::pin(tokio::time::sleep_until(at)))
        });
        if sleep.deadline() > Instant::now() {
            ready!(sleep.as_mut().poll(context));
        }
        let size = (*size).min(most);
        self.reserved = None;
        Poll::Ready(size)
    }
}
