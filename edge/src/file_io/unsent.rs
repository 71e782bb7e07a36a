//! How much of what was written the other end has not acknowledged yet.
#![expect(unsafe_code, reason = "no safe crate of ours asks a socket for its queue")]

use std::os::fd::{AsFd, AsRawFd as _};

/// Bytes in the socket's send queue (`SIOCOUTQ`, tcp(7)), sent or not; 0 when the kernel does not say.
pub(crate) fn unsent(socket: &impl AsFd) -> u64 {
    let mut queued: libc::c_int = 0;
    // SAFETY: the descriptor is borrowed, so it is open; TIOCOUTQ, which is SIOCOUTQ's number, writes one int, and
    // `queued` is one that lives until the call returns.
    let told = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) };
    if told == 0 { u64::try_from(queued).unwrap_or_default() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn what_the_other_end_takes_leaves_the_queue() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        assert_eq!(unsent(&writer), 0);
        writer.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(more) = writer.write(&[7; 1 << 16]) {
            written += more;
        }
        let full = unsent(&writer);
        assert!(full > 0 && full <= written as u64, "{full} of {written}");
        let mut rest = vec![0; written];
        reader.read_exact(&mut rest).unwrap();
        // The reader has it all, so it was acknowledged, or is within a delayed acknowledgement.
        while unsent(&writer) > 0 {
            std::thread::yield_now();
        }
    }
}
