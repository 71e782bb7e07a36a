//! Forgets now and then what was kept for a while only.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::api::Desk;

/// How often. What has expired is not told any more, forgotten or not: this is about space.
const EVERY: Duration = Duration::from_secs(10 * 60);
/// How much at once: writers wait no longer than that takes.
const AT_ONCE: u64 = 1_000;

/// Goes on until `stop` is cancelled.
pub(super) async fn run(desk: Arc<Desk>, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => forget(&desk, &stop).await,
        }
    }
}

async fn forget(desk: &Desk, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        match desk.store.forget_answers(desk.clock.now(), AT_ONCE).await {
            Ok(AT_ONCE) => {}
            Ok(_) => return,
            Err(fault) => return tracing::warn!(error = %fault, "expired answers could not be forgotten"),
        }
    }
}
