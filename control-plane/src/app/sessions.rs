//! Sweeps the sessions whose time has been over for an hour: by then no clock in the system takes their tokens any more.

use std::sync::Arc;
use std::time::Duration;

use common::time::Timestamp;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::api::Desk;
use crate::domain::session::forget;
use crate::store::{Store, StoreError};

/// How long a session is known beyond its time: clocks differ, and a revoked one must not come back by one that is late.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// Sessions that are swept in one write, so that others come in between.
const MOST: u64 = 500;

/// Sweeps now and then, until `stop`.
pub(super) async fn sweep(desk: Arc<Desk>, every: Duration, stop: CancellationToken) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match forget_spent(desk.store.as_ref(), desk.clock.now()).await {
            Ok(0) => {}
            Ok(sessions) => {
                tracing::debug!(sessions, "spent sessions were swept");
                desk.announcer.announce();
            }
            // The next time is soon, and nothing depends on it: what is spent opens nothing.
            Err(error) => tracing::warn!(%error, "spent sessions could not be swept"),
        }
    }
}

/// Forgets what is spent at `now`; how many that were.
async fn forget_spent(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let kept = i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
    let end = Timestamp::from_millis(now.millis().saturating_sub(kept));
    let mut swept = 0;
    // Looked for without keeping writers out: mostly there are none.
    while !store.read().await?.spent_sessions(end, 1).await?.is_empty() {
        let mut truth = store.write().await?;
        let spent = truth.spent_sessions(end, MOST).await?;
        swept += spent.len();
        truth.commit(forget(&spent)).await?;
    }
    Ok(swept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{self, context, opened, revoked, with_tenant};
    use crate::store::sqlite::SqliteStore;

    struct File(tempfile::TempDir);

    #[async_trait::async_trait]
    impl contract::Database for File {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(SqliteStore::open(&self.0.path().join("t.db"), context().now).await.unwrap())
        }
    }

    #[tokio::test]
    async fn a_session_is_swept_when_its_time_has_been_over_for_an_hour() {
        let file = File(tempfile::tempdir().unwrap());
        let (store, made) = with_tenant(&file).await;
        // One ends each second; the last one was revoked.
        for after in 0..MOST + 10 {
            opened(store.as_ref(), &made.key, Some(&format!("s{after}")), after).await;
        }
        let ended = opened(store.as_ref(), &made.key, None, MOST + 10).await;
        let ended = revoked(store.as_ref(), ended).await;
        let hours = context().now.plus(Duration::from_secs(3 * 3_600));
        let swept = async |millis: u64| {
            forget_spent(
                store.as_ref(),
                Timestamp::from_millis(hours.millis() - 1).plus(Duration::from_millis(millis)),
            )
            .await
            .unwrap()
        };
        assert_eq!((swept(0).await, swept(1).await, swept(1).await), (0, 1, 0));
        let record = async || store.read().await.unwrap().record(&ended.address()).await.unwrap();
        assert_eq!(swept(1 + 1_000 * (MOST + 9)).await, 509, "more than one write takes");
        assert!(record().await.is_some());
        assert_eq!((swept(1 + 1_000 * (MOST + 10)).await, record().await), (1, None));
    }
}
