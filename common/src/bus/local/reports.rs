//! The queue of reports, in memory.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::LocalBus;
use crate::bus::{BusError, Inbox, Mark, Reports};

/// More than this and the oldest go: the desk of this very process has stopped reading.
const MOST: usize = 100_000;

#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<(u64, Bytes)>,
    next: u64,
}

impl Queue {
    fn push(&mut self, sealed: Bytes) {
        self.next += 1;
        self.entries.push_back((self.next, sealed));
        if self.entries.len() > MOST {
            self.entries.pop_front();
        }
    }

    fn after(&self, mark: &Mark, most: usize) -> Vec<(Mark, Bytes)> {
        let after = place(mark);
        let later = self.entries.iter().filter(|(number, _)| *number > after);
        later.take(most).map(|(number, sealed)| (Mark(number.to_string()), sealed.clone())).collect()
    }
}

/// A mark of an earlier process is before everything: this queue began with the process.
fn place(mark: &Mark) -> u64 {
    mark.0.parse().unwrap_or(0)
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
        let up_to = place(mark);
        self.state().reports.entries.retain(|(number, _)| *number > up_to);
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
}
