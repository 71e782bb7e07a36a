//! Files as memory, and which of them live.

use std::fs::File;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use memmap2::{Advice, Mmap};

use super::residency::forbid_reading_ahead;

/// A file of fixed length and its bytes as memory. Both live as long as any slice of it.
#[derive(Debug)]
pub struct Mapping {
    /// Dropped first, and only after `drop` took it from the list.
    memory: Mmap,
    file: File,
}

/// One entry of the list of those that live.
struct Living {
    start: usize,
    end: usize,
    mapping: Weak<Mapping>,
}

/// By address, which in a process is one space: hence one list for the process. Read by every large write, changed only
/// when a file is opened or closed.
static LIVING: LazyLock<ArcSwap<Vec<Living>>> = LazyLock::new(ArcSwap::default);
static CHANGING: Mutex<()> = Mutex::new(());

impl Mapping {
    /// Maps all of `file`, which has at least one byte.
    ///
    /// # Errors
    /// When the kernel refuses, as for some file systems, or when there are too many mappings.
    #[expect(unsafe_code, reason = "the bytes of a mapping may change while somebody looks at them")]
    pub fn new(file: File) -> io::Result<Arc<Self>> {
        // SAFETY: two things can go wrong with a mapping. Its bytes can change: blobs are written once under a
        // temporary name and renamed; and if somebody changes one all the same, no decision of ours hangs on its bytes.
        // It can be cut: then touching it raises SIGBUS; so nothing in this process does, see the head of this room.
        let memory = unsafe { Mmap::map(&file)? };
        forbid_reading_ahead(&file);
        // The same for pages that the kernel reads through the mapping, as for short pieces.
        let _ = memory.advise(Advice::Random);
        let mapping = Arc::new(Self { memory, file });
        enlist(&mapping);
        Ok(mapping)
    }

    /// The bytes. To be handed to the kernel, never to be read.
    pub fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The living mapping that all of `slice` lies in, and at which byte of the file it begins.
    pub(super) fn of(slice: &[u8]) -> Option<(Arc<Self>, u64)> {
        let living = LIVING.load();
        let address = slice.as_ptr().addr();
        // The last one that begins at or before it.
        let place = living.partition_point(|one| one.start <= address).checked_sub(1)?;
        let one = living.get(place).filter(|one| address + slice.len() <= one.end)?;
        // An entry whose mapping is gone can be met here; then the slice is of something newer at that address.
        Some((one.mapping.upgrade()?, (address - one.start) as u64))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.memory.as_ptr().addr();
        // Before the memory is unmapped, so that the address cannot be somebody else's yet.
        change(|living| living.retain(|one| one.start != start));
    }
}

fn enlist(mapping: &Arc<Mapping>) {
    let start = mapping.memory.as_ptr().addr();
    let one = Living { start, end: start + mapping.memory.len(), mapping: Arc::downgrade(mapping) };
    change(|living| {
        let place = living.partition_point(|other| other.start < start);
        living.insert(place, one);
    });
}

fn change(with: impl FnOnce(&mut Vec<Living>)) {
    let _turn = CHANGING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut next: Vec<Living> = LIVING.load().iter().map(Living::copy).collect();
    with(&mut next);
    LIVING.store(Arc::new(next));
}

impl Living {
    fn copy(&self) -> Self {
        Self { start: self.start, end: self.end, mapping: self.mapping.clone() }
    }
}
