//! The acknowledgements, in memory.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::LocalBus;
use super::reports::Queue;
use crate::bus::{AckInbox, Acks, BusError, Mark};

/// More than this and the oldest go. Each says everything that the one before it said.
const MOST: usize = 1_000;

/// The acknowledgements that nobody may have read yet.
pub(super) struct Acknowledged(Queue);

impl Default for Acknowledged {
    fn default() -> Self {
        Self(Queue::holding(MOST))
    }
}

#[async_trait]
impl Acks for LocalBus {
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        self.state().acks.0.push(sealed);
        self.announce();
        Ok(())
    }
}

#[async_trait]
impl AckInbox for LocalBus {
    async fn acks_end(&self) -> Result<Mark, BusError> {
        Ok(self.state().acks.0.end())
    }

    async fn acknowledgements(&self, after: &Mark, wait: Duration) -> Result<Vec<(Mark, Bytes)>, BusError> {
        let mut changed = self.0.changed.subscribe();
        let there = self.state().acks.0.after(after, MOST);
        if !there.is_empty() {
            return Ok(there);
        }
        // Either outcome leads to one more look: elapsed, or something was laid down.
        let _ = tokio::time::timeout(wait, changed.changed()).await;
        Ok(self.state().acks.0.after(after, MOST))
    }
}
