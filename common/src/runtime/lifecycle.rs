//! Stopping: the first signal drains, the second one is hard.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at once with exit code 1:
/// whoever sends it has waited long enough.
///
/// # Errors
/// When the handlers cannot be installed. Must be called inside a runtime.
pub fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! { _ = term.recv() => {} _ = int.recv() => {} }
            if round == 0 {
                tracing::info!("stopping: finishing what has begun");
                cancelled.cancel();
            }
        }
        tracing::warn!("stopped by a second signal");
        std::process::exit(i32::from(super::EXIT_FAILED));
    });
    Ok(stop)
}
