//! Whether bytes of a file are in memory: sending what is not would stall everybody on the thread.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Advice, fadvise};

use super::buffer::Buffer;

const PAGE: u64 = 4096;
/// `cachestat(2)`, since Linux 6.5. The number is the same on all machines that Rust runs on.
const CACHESTAT: libc::c_long = 451;

/// An older kernel, or one that does not let us: then every window is read ahead, asked or not.
static CANNOT: AtomicBool = AtomicBool::new(false);

/// `struct cachestat_range` of the kernel.
#[repr(C)]
struct Range {
    offset: u64,
    length: u64,
}

/// `struct cachestat` of the kernel: counts of pages.
#[repr(C)]
#[derive(Default)]
struct Pages {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Lets the kernel read nothing of the file but what it is told to. It would go on reading behind what was fetched, by
/// megabytes, and on whatever thread happens to send the page at which it left a mark for itself.
pub(crate) fn forbid_reading_ahead(file: &File) {
    // Who cannot be told reads ahead: slower, and right.
    let _ = fadvise(file, 0, None, Advice::Random);
}

/// Whether all bytes from `position` up to `end` are in the page cache, or on their way there: pages that are being read
/// count. False when nobody can say.
pub(crate) fn is_resident(file: &File, position: u64, end: u64) -> bool {
    if CANNOT.load(Ordering::Relaxed) {
        return false;
    }
    let first = position / PAGE;
    let range = Range { offset: position, length: end.saturating_sub(position) };
    match count_pages(file.as_raw_fd(), &range) {
        Ok(pages) => pages.cached >= end.div_ceil(PAGE).saturating_sub(first),
        Err(_) => {
            CANNOT.store(true, Ordering::Relaxed);
            false
        }
    }
}

#[expect(unsafe_code, reason = "no crate of ours wraps cachestat(2)")]
fn count_pages(file: RawFd, range: &Range) -> io::Result<Pages> {
    let mut pages = Pages::default();
    // SAFETY: the kernel reads `range` and writes `pages`, both of the layout that it documents, both alive and ours
    // for the call; it keeps neither. A descriptor that is none makes it answer EBADF.
    let told = unsafe {
        libc::syscall(CACHESTAT, file, std::ptr::from_ref(range), std::ptr::from_mut(&mut pages), 0)
    };
    if told == 0 { Ok(pages) } else { Err(io::Error::last_os_error()) }
}

/// Reads the bytes from `position` up to `end` and forgets them: then they are in the page cache. Blocks.
///
/// # Errors
/// As reading does; [`io::ErrorKind::UnexpectedEof`] when the file ends before `end`.
pub(crate) fn make_resident(file: &File, mut position: u64, end: u64) -> io::Result<()> {
    // All at once, where reading piece by piece would wait for the disk between each and the next.
    let _ = fadvise(file, position, NonZeroU64::new(end.saturating_sub(position)), Advice::WillNeed);
    while position < end {
        let piece = Buffer::take(end - position).fill(file, position)?;
        position += piece.as_ref().len() as u64;
    }
    Ok(())
}
