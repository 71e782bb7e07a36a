//! Answers that were made and are kept, to be told again to who would be told the same.
//!
//! **No wrong hit.** An answer is kept under a name that has everything in it that it depends on, and is found by the
//! whole name alone: the route, the generation of each view (a change makes another one), what the key reaches there,
//! the channel and the query as they were sent. What depends on the key itself, a cursor or a link, is never part of
//! what is kept. While anything is denied that no change has followed yet, nothing is looked up and nothing kept: the
//! lifting of a denial comes with a change, and so with another generation.

use std::sync::Arc;

use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::view::{Reach, View};
use crate::request::Ask;

/// Longer questions are answered, and the answers not kept.
const LONGEST_ASKED: usize = 512;
/// What an entry takes beside its bytes: two allocations, and what moka knows of it.
const OVERHEAD: usize = 256;

/// How many bytes a thing holds.
pub(super) trait Weighed: Send + Sync + 'static {
    fn weight(&self) -> usize;
}

/// Everything that an answer depends on, each with its length before it.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// Of an answer of this route; none when too much was asked.
    pub(super) fn of(route: &str, ask: &Ask) -> Option<Self> {
        let asked = [ask.target.query().unwrap_or_default(), ask.channel().unwrap_or_default()];
        if asked.iter().map(|text| text.len()).sum::<usize>() > LONGEST_ASKED {
            return None;
        }
        let name = Self(Vec::with_capacity(128)).and(route.as_bytes());
        Some(asked.iter().fold(name, |name, text| name.and(text.as_bytes())))
    }

    /// Another part of it.
    pub(super) fn and(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&part.len().to_le_bytes());
        self.0.extend_from_slice(part);
        self
    }

    /// What a key reaches of a view.
    pub(super) fn through(self, view: &View, reach: Reach) -> Self {
        self.and(&view.generation().to_le_bytes()).and(&reach.0.to_le_bytes())
    }
}

/// The answers, the least recently used of which make room.
pub(super) struct Kept<T>(Option<Cache<Name, Arc<T>>>);

impl<T: Weighed> Kept<T> {
    /// At most so many bytes of them; with 0 every answer is made anew.
    pub(super) fn new(most: u64) -> Self {
        let weigh = |name: &Name, answer: &Arc<T>| {
            u32::try_from(name.0.len() + answer.weight() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(most).weigher(weigh);
        // By recency alone: answers of views that are no more were asked for often, and never are again.
        Self((most > 0).then(|| cache.eviction_policy(EvictionPolicy::lru()).build()))
    }

    pub(super) fn find(&self, name: Option<&Name>) -> Option<Arc<T>> {
        self.0.as_ref()?.get(name?)
    }

    /// Keeps an answer under its name, if it has one.
    pub(super) fn keep(&self, name: Option<Name>, answer: &Arc<T>) {
        let (Some(cache), Some(name)) = (&self.0, name) else { return };
        cache.entry(name).and_compute_with(|_| Op::Put(Arc::clone(answer)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        let cache = self.0.as_ref().unwrap();
        cache.run_pending_tasks();
        cache.entry_count()
    }
}
