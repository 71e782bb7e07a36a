//! Reading into buffers that are used again: for what must pass through the process, as TLS and HTTP/2 want it.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// Bytes of a buffer: eight TLS records.
pub(super) const SIZE: usize = 128 << 10;
/// Bytes of the smallest one.
const LEAST: usize = 4 << 10;
/// Each time that so many more bytes are lent, buffers become half as large. A client of HTTP/2 holds one for each of its
/// streams for as long as it takes a byte now and then; what a thousand of those connections hold must not be the machine.
const STEP: usize = 64 << 20;
/// Idle buffers that are kept: 8 MiB. The rest go back to the allocator.
const MOST_IDLE: usize = 64;

/// Bytes of all buffers that are not idle.
static LENT: AtomicUsize = AtomicUsize::new(0);
static IDLE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How large the next buffer is when so many bytes are lent.
pub(super) fn size_after(lent: usize) -> usize {
    let halved = u32::try_from(lent / STEP).ok().and_then(|times| SIZE.checked_shr(times)).unwrap_or(0);
    halved.max(LEAST)
}

/// A piece of a file in memory; its memory is used again after it.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Box<[u8]>,
    length: usize,
}

impl Buffer {
    /// An empty one for at most `most` bytes.
    pub(crate) fn take(most: u64) -> Self {
        let size = size_after(LENT.load(Ordering::Relaxed));
        let idle = if size == SIZE { idle().pop() } else { None };
        let memory = idle.unwrap_or_else(|| vec![0; size].into_boxed_slice());
        LENT.fetch_add(size, Ordering::Relaxed);
        Self { memory, length: usize::try_from(most).unwrap_or(SIZE).min(size) }
    }

    /// Fills it from `position` of the file on. Blocks.
    ///
    /// # Errors
    /// As reading does; [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    pub(crate) fn fill(mut self, file: &File, position: u64) -> io::Result<Self> {
        let length = self.length;
        file.read_exact_at(&mut self.memory[..length], position)?;
        Ok(self)
    }
}

/// Fills `buffer` with what of the file is in memory from `position` on; `Err` gives the buffer back when that is
/// nothing.
pub(crate) fn read_now(mut buffer: Buffer, file: &File, position: u64) -> Result<Buffer, Buffer> {
    let length = buffer.length;
    let mut into = [IoSliceMut::new(&mut buffer.memory[..length])];
    match preadv2(file, &mut into, position, ReadWriteFlags::NOWAIT) {
        Ok(0) | Err(Errno::AGAIN | Errno::INTR | Errno::NOTSUP) => Err(buffer),
        Ok(read) => {
            buffer.length = read;
            Ok(buffer)
        }
        // Whatever is wrong, the read that may block says it better.
        Err(_) => Err(buffer),
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        LENT.fetch_sub(self.memory.len(), Ordering::Relaxed);
        if self.memory.len() < SIZE {
            return;
        }
        let mut idle = idle();
        if idle.len() < MOST_IDLE {
            idle.push(std::mem::take(&mut self.memory));
        }
    }
}
