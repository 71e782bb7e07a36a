//! The bus inside one process: the same snapshot and log, in memory.

mod acks;
mod reports;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::bus::arbiter::Arbiter;
use crate::bus::{Arbitrated, BusError, Cursor, Feed, LaidHead, LogId, News, Outlet, Trim};
use crate::digest::Digest;
use crate::wire::Position;

/// A handle on the bus; clones share it.
#[derive(Clone, Default)]
pub struct LocalBus(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::channel(0).0 }
    }
}

#[derive(Default)]
struct State {
    head: Option<(Position, Bytes)>,
    buckets: HashMap<Digest, Bytes>,
    logs: BTreeMap<u64, Logs>,
    reports: reports::Queue,
    acks: acks::Acknowledged,
}

#[derive(Default)]
struct Logs {
    changes: Log,
    denials: Log,
}

/// Like a Redis stream: ids only grow, also past what was trimmed.
#[derive(Default)]
struct Log {
    entries: BTreeMap<LogId, Bytes>,
    last: Option<LogId>,
}

impl Log {
    fn append(&mut self, id: LogId, sealed: Bytes) {
        if self.last.is_none_or(|last| last < id) {
            self.entries.insert(id, sealed);
            self.last = Some(id);
        }
    }

    fn after(&self, id: LogId) -> Vec<(LogId, Bytes)> {
        let range = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
        self.entries.range(range).map(|(id, bytes)| (*id, bytes.clone())).collect()
    }

    fn trim(&mut self, sequence: u64) {
        self.entries = self.entries.split_off(&LogId { sequence: sequence + 1, part: 0 });
    }
}

impl LocalBus {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the maps half changed: every change is one call.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, cursor: Cursor) -> News {
        let state = self.state();
        let Some(logs) = state.logs.get(&cursor.epoch) else { return News::default() };
        News { changes: logs.changes.after(cursor.changes), denials: logs.denials.after(cursor.denials) }
    }

    fn announce(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }
}

#[async_trait]
impl Feed for LocalBus {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        Ok(self.state().head.as_ref().map(|(_, sealed)| sealed.clone()))
    }

    /// All of them, whatever their size: nothing is copied.
    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        let state = self.state();
        Ok(names.iter().map(|name| state.buckets.get(name).cloned()).collect())
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        // Subscribed before the first look, so that nothing falls between the look and the wait.
        let mut changed = self.0.changed.subscribe();
        let news = self.read(cursor);
        if !news.is_empty() {
            return Ok(news);
        }
        // Either outcome leads to one more look: elapsed, or the sender is gone with all handles.
        let _ = tokio::time::timeout(wait, changed.changed()).await;
        Ok(self.read(cursor))
    }
}

#[async_trait]
impl Outlet for LocalBus {
    async fn head(&self) -> Result<Option<LaidHead>, BusError> {
        let laid = self.state().head.clone();
        Ok(laid.map(|(position, sealed)| LaidHead { position: Some(position), sealed }))
    }

    async fn last_change(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        Ok(self.state().logs.get(&epoch).and_then(|logs| logs.changes.last))
    }

    async fn last_denials(&self, epoch: u64) -> Result<Option<LogId>, BusError> {
        Ok(self.state().logs.get(&epoch).and_then(|logs| logs.denials.last))
    }

    async fn holds_buckets(&self, names: &[Digest]) -> Result<bool, BusError> {
        let state = self.state();
        Ok(names.iter().all(|name| state.buckets.contains_key(name)))
    }

    async fn discard(&self, epoch: u64) -> Result<(), BusError> {
        let mut state = self.state();
        state.head = None;
        state.logs.remove(&epoch);
        Ok(())
    }

    async fn put_bucket(&self, name: &Digest, packed: Bytes) -> Result<(), BusError> {
        self.state().buckets.insert(*name, packed);
        Ok(())
    }

    async fn put_head(&self, position: Position, sealed: Bytes) -> Result<(), BusError> {
        let mut state = self.state();
        if state.head.as_ref().is_none_or(|(there, _)| *there <= position) {
            state.head = Some((position, sealed));
        }
        drop(state);
        self.announce();
        Ok(())
    }

    async fn append_change(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.state().logs.entry(epoch).or_default().changes.append(id, sealed);
        self.announce();
        Ok(())
    }

    async fn append_denials(&self, epoch: u64, id: LogId, sealed: Bytes) -> Result<(), BusError> {
        self.state().logs.entry(epoch).or_default().denials.append(id, sealed);
        self.announce();
        Ok(())
    }

    async fn trim(&self, epoch: u64, to: Trim) -> Result<(), BusError> {
        let mut state = self.state();
        state.logs.retain(|of, _| *of >= epoch);
        if let Some(logs) = state.logs.get_mut(&epoch) {
            logs.changes.trim(to.changes);
            logs.denials.trim(to.denials);
        }
        Ok(())
    }

    async fn release_bucket(&self, name: &Digest) -> Result<(), BusError> {
        self.state().buckets.remove(name);
        Ok(())
    }
}

impl Arbitrated for LocalBus {
    fn arbiter(&self) -> Option<Arc<dyn Arbiter>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Cursor = Cursor {
        epoch: 1,
        changes: LogId { sequence: 0, part: u64::MAX },
        denials: LogId { sequence: 0, part: u64::MAX },
    };

    #[tokio::test]
    async fn a_follower_that_waits_is_woken_by_the_next_change() {
        let bus = LocalBus::new();
        let follower = tokio::spawn({
            let bus = bus.clone();
            async move { bus.news(START, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        bus.append_change(1, LogId { sequence: 1, part: 0 }, Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(follower.await.unwrap().unwrap().changes.len(), 1);
    }

    #[tokio::test]
    async fn repeated_and_overtaken_changes_change_nothing() {
        let bus = LocalBus::new();
        for (sequence, text) in [(2, "two"), (2, "again"), (1, "late")] {
            bus.append_change(1, LogId { sequence, part: 0 }, Bytes::from(text)).await.unwrap();
        }
        let news = bus.news(START, Duration::ZERO).await.unwrap();
        assert_eq!(news.changes, [(LogId { sequence: 2, part: 0 }, Bytes::from("two"))]);
    }
}
