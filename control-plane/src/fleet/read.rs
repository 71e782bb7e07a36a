//! From the bus to the fleet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::bus::{AckInbox, BusError, Mark};
use tokio_util::sync::CancellationToken;

use super::Fleet;

/// How long one look at the bus waits.
const LOOK: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(1);
/// How long the last look may take when the program ends.
const FAREWELL: Duration = Duration::from_secs(1);

impl Fleet {
    /// Reads from now on until `stop`, then what is still there: the goodbyes of edges that end together with this.
    pub(super) async fn read(&self, inbox: &dyn AckInbox, stop: &CancellationToken) {
        let (mut mark, mut away) = (None, false);
        loop {
            let step = tokio::select! {
                () = stop.cancelled() => break,
                step = self.step(inbox, &mut mark, LOOK) => step,
            };
            match (&step, std::mem::replace(&mut away, step.is_err())) {
                (Err(error), false) => tracing::warn!(%error, "edges are not heard over the bus"),
                (Ok(()), true) => tracing::info!("edges are heard over the bus again"),
                (Err(_), true) | (Ok(()), false) => {}
            }
            if away {
                tokio::select! { () = stop.cancelled() => {} () = tokio::time::sleep(RETRY) => {} }
            }
        }
        let last = self.step(inbox, &mut mark, Duration::ZERO);
        if !matches!(tokio::time::timeout(FAREWELL, last).await, Ok(Ok(()))) {
            tracing::debug!("the last words of edges were not heard");
        }
    }

    /// One look. What lay there before the first is history: it would make the dead look alive.
    async fn step(
        &self,
        inbox: &dyn AckInbox,
        mark: &mut Option<Mark>,
        wait: Duration,
    ) -> Result<(), BusError> {
        let after = match mark {
            Some(mark) => mark,
            None => mark.insert(inbox.acks_end().await?),
        };
        for (place, sealed) in inbox.acknowledgements(after, wait).await? {
            // Once: whoever can write to the bus could fill the log by it.
            if !self.take(&sealed) && !self.has_heard_strangers.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "words that no edge of ours sealed lie on the bus: an edge with another edge_secret, or somebody else"
                );
            }
            *after = place;
        }
        Ok(())
    }
}
