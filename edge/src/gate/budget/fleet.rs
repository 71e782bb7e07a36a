//! What an edge knows of the others: how many they are, and whether the arbiter between them answers.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use common::id::KeyId;

/// Told of a key whose lease runs out while it is in use. Must not block.
type Bell = Box<dyn Fn(&KeyId) + Send + Sync>;

/// The other edges, as one sees them.
pub struct Fleet {
    edges: AtomicU32,
    answers: AtomicBool,
    is_late: AtomicBool,
    bell: Bell,
}

impl Fleet {
    /// Of as many edges as were last known; `bell` is rung for keys that will need a lease soon.
    pub fn new(edges: u32, bell: Bell) -> Self {
        Self { edges: edges.into(), answers: true.into(), is_late: false.into(), bell }
    }

    /// So many edges are there now.
    pub fn count(&self, edges: u32) {
        self.edges.store(edges.max(1), Relaxed);
    }

    /// Edges that were there last, this one included.
    pub fn edges(&self) -> u32 {
        self.edges.load(Relaxed).max(1)
    }

    /// The arbiter answered, or it did not.
    pub fn note_answer(&self, answered: bool) {
        self.answers.store(answered, Relaxed);
        if answered {
            self.is_late.store(false, Relaxed);
        }
    }

    /// Somebody waited for an answer as long as one may: until the next comes nobody waits.
    pub fn note_late(&self) {
        self.is_late.store(true, Relaxed);
    }

    /// Whether it is worth while to wait for an answer.
    pub fn is_prompt(&self) -> bool {
        self.answers.load(Relaxed) && !self.is_late.load(Relaxed)
    }

    /// What falls to each edge: all of them together have at most the limit, or one each.
    pub fn share_of(&self, limit: u32) -> u32 {
        (limit / self.edges()).max(1)
    }

    /// Whether there are leases ahead of need under so small a limit: as the arbiter has it.
    pub(super) fn lends_ahead(&self, limit: u32) -> bool {
        limit / 20 >= self.edges()
    }

    pub(super) fn ring(&self, key: &KeyId) {
        (self.bell)(key);
    }
}
