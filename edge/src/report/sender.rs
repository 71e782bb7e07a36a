//! From the spool to the bus, oldest first, one after the other.

use std::sync::Arc;
use std::time::Duration;

use common::bus::Reports;
use tokio_util::sync::CancellationToken;

use super::spool::Spool;
use crate::replica::feed::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the last reports may take; what is not sent by then lies on disk for the next start.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// Sends until everything was `written` and is sent, or the bus is away at that time.
pub(super) async fn run(spool: Arc<Spool>, bus: Arc<dyn Reports>, written: CancellationToken) {
    let too_long = async {
        written.cancelled().await;
        tokio::time::sleep(LAST_REPORTS).await;
    };
    tokio::select! {
        () = send(&spool, bus.as_ref(), &written) => {}
        () = too_long => {}
    }
    match spool.pending() {
        0 => {}
        reports => tracing::warn!(reports, "reports wait on disk for the next start"),
    }
}

async fn send(spool: &Spool, bus: &dyn Reports, written: &CancellationToken) {
    let (mut pause, mut away) = (FIRST_PAUSE, false);
    loop {
        // Asked before the look: what is written between the two is seen by the next.
        let last = written.is_cancelled();
        let Some((id, sealed)) = spool.oldest().await else {
            if last {
                return;
            }
            tokio::select! { () = spool.grown() => {} () = written.cancelled() => {} }
            continue;
        };
        match bus.send(sealed).await {
            Ok(()) => {
                spool.sent(id).await;
                if std::mem::take(&mut away) {
                    tracing::info!("reporting again");
                }
                pause = FIRST_PAUSE;
            }
            Err(error) => {
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "not reporting: what is seen waits on disk");
                }
                if last {
                    return;
                }
                let spread = jittered(pause, id.number);
                tokio::select! { () = tokio::time::sleep(spread) => {} () = written.cancelled() => {} }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
