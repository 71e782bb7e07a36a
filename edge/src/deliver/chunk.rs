//! What a body hands to the connection: bytes in memory, or bytes of a mapped file. What the connection took of them is
//! written on the slip, byte by byte and not before.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::receipt::Tally;
use crate::file_io::Mapping;

/// A stretch of a body.
#[derive(Debug)]
pub struct Chunk {
    source: Source,
    /// Where its next byte stands in the file, for what comes from one.
    at: Option<u64>,
    tally: Option<Arc<Tally>>,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    Mapped { mapping: Arc<Mapping>, position: usize, end: usize },
}

impl Chunk {
    /// Of no file.
    pub fn memory(bytes: Bytes) -> Self {
        Self { source: Source::Memory(bytes), at: None, tally: None }
    }

    /// Bytes of a file from `at` on, read before.
    pub(super) fn read(bytes: Bytes, at: u64) -> Self {
        Self { at: Some(at), ..Self::memory(bytes) }
    }

    /// Bytes of a file from `at` up to `end`, to be sent from the file itself.
    pub(super) fn mapped(mapping: Arc<Mapping>, at: u64, end: u64) -> Self {
        let within = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(mapping.bytes().len());
        let (position, end) = (within(at), within(end));
        Self { source: Source::Mapped { mapping, position, end }, at: Some(at), tally: None }
    }

    /// The same, told to `tally` as it is taken.
    pub(super) fn told_to(self, tally: Option<Arc<Tally>>) -> Self {
        Self { tally, ..self }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        match &self.source {
            Source::Memory(bytes) => bytes.len(),
            Source::Mapped { position, end, .. } => end.saturating_sub(*position),
        }
    }

    fn chunk(&self) -> &[u8] {
        match &self.source {
            Source::Memory(bytes) => bytes,
            Source::Mapped { mapping, position, end } => {
                mapping.bytes().get(*position..*end).unwrap_or_default()
            }
        }
    }

    fn advance(&mut self, count: usize) {
        match &mut self.source {
            Source::Memory(bytes) => bytes.advance(count),
            Source::Mapped { position, end, .. } => *position = position.saturating_add(count).min(*end),
        }
        let from = self.at;
        self.at = from.map(|at| at + count as u64);
        if let Some(tally) = &self.tally {
            tally.note(from, count as u64);
        }
    }
}
