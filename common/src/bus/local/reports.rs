//! The queue of reports, in memory.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::LocalBus;
use crate::bus::{BusError, Inbox, Mark, Reports};

/// More than this and the oldest go: the desk of this very process has stopped reading.
const MOST: usize = 100_000;

pub(super) struct Queue {
    entries: VecDeque<(u64, Bytes)>,
    next: u64,
    /// Tells marks of this queue from those of one that an earlier process had.
    incarnation: u64,
    most: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self::holding(MOST)
    }
}

impl Queue {
    /// An empty one for so many; the oldest go when there are more.
    pub(super) fn holding(most: usize) -> Self {
        let incarnation = RandomState::new().hash_one("reports");
        Self { entries: VecDeque::new(), next: 0, incarnation, most }
    }

    /// The place behind everything in it.
    pub(super) fn end(&self) -> Mark {
        self.mark(self.next)
    }

    pub(super) fn push(&mut self, sealed: Bytes) {
        self.next += 1;
        self.entries.push_back((self.next, sealed));
        if self.entries.len() > self.most {
            self.entries.pop_front();
        }
    }

    pub(super) fn after(&self, mark: &Mark, most: usize) -> Vec<(Mark, Bytes)> {
        let after = self.place(mark);
        let later = self.entries.iter().filter(|(number, _)| *number > after);
        later.take(most).map(|(number, sealed)| (self.mark(*number), sealed.clone())).collect()
    }

    fn mark(&self, number: u64) -> Mark {
        Mark(format!("{:016x}:{number}", self.incarnation))
    }

    /// A mark of an earlier process is before everything: this queue began with the process.
    fn place(&self, mark: &Mark) -> u64 {
        let ours = mark.0.split_once(':').filter(|(of, _)| *of == format!("{:016x}", self.incarnation));
        ours.and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
    }
}

#[async_trait]
impl Reports for LocalBus {
    async fn send(&self, sealed: Bytes) -> Result<(), BusError> {
        self.state().reports.push(sealed);
        self.announce();
        Ok(())
    }
}

#[async_trait]
impl Inbox for LocalBus {
    async fn receive(
        &self,
        mark: &Mark,
        most: usize,
        wait: Duration,
    ) -> Result<Vec<(Mark, Bytes)>, BusError> {
        let mut changed = self.0.changed.subscribe();
        let there = self.state().reports.after(mark, most);
        if !there.is_empty() {
            return Ok(there);
        }
        // Either outcome leads to one more look: elapsed, or something was laid down.
        let _ = tokio::time::timeout(wait, changed.changed()).await;
        Ok(self.state().reports.after(mark, most))
    }

    async fn forget(&self, mark: &Mark) -> Result<(), BusError> {
        let mut state = self.state();
        let up_to = state.reports.place(mark);
        state.reports.entries.retain(|(number, _)| *number > up_to);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_are_read_in_order_until_they_are_forgotten() {
        let bus = LocalBus::new();
        for text in ["a", "b", "c"] {
            bus.send(Bytes::from(text)).await.unwrap();
        }
        let two = bus.receive(&Mark::default(), 2, Duration::ZERO).await.unwrap();
        assert_eq!(two.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b"a", b"b"]);
        bus.forget(&two[1].0).await.unwrap();
        let rest = bus.receive(&Mark::default(), 9, Duration::ZERO).await.unwrap();
        assert_eq!(rest.iter().map(|(_, bytes)| &bytes[..]).collect::<Vec<_>>(), [b"c"]);
    }

    #[tokio::test]
    async fn a_mark_of_an_earlier_process_skips_nothing() {
        let earlier = LocalBus::new();
        earlier.send(Bytes::from("old")).await.unwrap();
        let mark = earlier.receive(&Mark::default(), 1, Duration::ZERO).await.unwrap().remove(0).0;
        let bus = LocalBus::new();
        bus.send(Bytes::from("new")).await.unwrap();
        bus.forget(&mark).await.unwrap();
        assert_eq!(bus.receive(&mark, 1, Duration::ZERO).await.unwrap()[0].1, "new");
    }
}
