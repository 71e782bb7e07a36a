//! One write to a socket in clear text: from memory, or from a file without a copy.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

use super::mapping::Mapping;

/// Below, copying from the mapping is cheaper than a second system call. Measured: see docs/performance.md.
const LEAST: usize = 32 << 10;
/// The most that one call sends: other connections of the thread wait meanwhile.
const MOST: usize = 1 << 20;

/// Bytes that went out without a copy, since the process began.
static SENT: AtomicU64 = AtomicU64::new(0);
/// The kernel said that it cannot: for this kind of file or socket it never will.
static CANNOT: AtomicBool = AtomicBool::new(false);

/// Bytes that went from files to sockets without a copy, since the process began.
pub fn sent_from_files() -> u64 {
    SENT.load(Ordering::Relaxed)
}

/// Writes the beginning of `slices` to a non-blocking socket; what of it, is the answer.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when the socket is full; what the socket says; [`io::ErrorKind::UnexpectedEof`] when
/// a file was cut.
pub(crate) fn send(socket: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    send_unless(&CANNOT, socket, slices)
}

/// The same, without files when `cannot` says so.
pub(super) fn send_unless(
    cannot: &AtomicBool,
    socket: impl AsFd,
    slices: &[IoSlice<'_>],
) -> io::Result<usize> {
    let place = slices.iter().position(|slice| slice.len() >= LEAST);
    let found = place.filter(|_| !cannot.load(Ordering::Relaxed)).and_then(|place| {
        let (mapping, at) = Mapping::of(&slices[place])?;
        Some((place, mapping, at))
    });
    let Some((place, mapping, at)) = found else {
        return write(&socket, slices, SendFlags::NOSIGNAL);
    };
    let before = &slices[..place];
    let length: usize = before.iter().map(|slice| slice.len()).sum();
    if length > 0 {
        // The head waits in the kernel for the first bytes of the file: one packet, not two.
        let sent = write(&socket, before, SendFlags::NOSIGNAL | SendFlags::MORE)?;
        if sent < length {
            return Ok(sent);
        }
    }
    match send_file(&socket, (&mapping, at), slices[place].len().min(MOST), cannot) {
        Ok(sent) => Ok(length + sent),
        // It comes again with the next call, which has nothing to say but that.
        Err(_) if length > 0 => Ok(length),
        Err(error) => Err(error),
    }
}

fn write(socket: impl AsFd, slices: &[IoSlice<'_>], flags: SendFlags) -> io::Result<usize> {
    Ok(sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), flags)?)
}

fn send_file(
    socket: impl AsFd,
    (mapping, mut at): (&Mapping, u64),
    most: usize,
    cannot: &AtomicBool,
) -> io::Result<usize> {
    match rustix::fs::sendfile(socket, mapping.file(), Some(&mut at), most) {
        // The file ends before the mapping does.
        Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file was cut while it was sent")),
        Ok(sent) => {
            SENT.fetch_add(sent as u64, Ordering::Relaxed);
            Ok(sent)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OVERFLOW) => {
            cannot.store(true, Ordering::Relaxed);
            // Once more, from the mapping.
            Err(io::ErrorKind::Interrupted.into())
        }
        Err(error) => Err(error.into()),
    }
}
