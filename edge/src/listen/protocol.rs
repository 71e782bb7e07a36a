//! Which HTTP a connection speaks, and how we speak it.

use std::io;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::deadlines::Deadlines;

/// The longest head; hyper answers 431 beyond, over HTTP/2 h2 does.
const LONGEST_HEAD: u32 = 32 << 10;
/// Requests at the same time on one connection of HTTP/2: more than browsers and update clients use.
const MOST_STREAMS: u32 = 128;
/// Streams that a client opened and reset before we looked at them (CVE-2023-44487), and resets that a client's
/// mistakes made us send (CVE-2025-8671), before the connection is ended.
const MOST_RESETS: usize = 32;
/// What HTTP/2 holds of one answer that its window has no room for.
const HELD_OF_ANSWER: usize = 64 << 10;
/// What a client of HTTP/2 says first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The versions of HTTP that differ on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    /// HTTP/1.1 and HTTP/1.0.
    One,
    /// HTTP/2.
    Two,
}

impl Protocol {
    /// What was agreed on in the TLS handshake; who agreed on nothing speaks HTTP/1.1 (RFC 9113 section 3.2).
    pub(super) fn agreed(alpn: Option<&[u8]>) -> Self {
        if alpn == Some(b"h2") { Self::Two } else { Self::One }
    }
}

/// The first bytes of a connection in clear text, read until they say which protocol it is.
#[derive(Debug, Default)]
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    length: usize,
    taken: usize,
}

impl Opening {
    /// The protocol, once it is known.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match PREFACE.strip_prefix(&self.bytes[..self.length]) {
            None => Some(Protocol::One),
            Some([]) => Some(Protocol::Two),
            Some(_) => None,
        }
    }

    /// Where the next bytes go.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.length..]
    }

    /// So many came.
    pub(super) fn came(&mut self, bytes: usize) {
        self.length = (self.length + bytes).min(self.bytes.len());
    }

    /// At most so many of the bytes that came and were not taken yet.
    pub(super) fn take(&mut self, most: usize) -> &[u8] {
        let from = self.taken;
        self.taken = self.length.min(from.saturating_add(most));
        &self.bytes[from..self.taken]
    }
}

/// Both protocols as we speak them. Nothing here has a timer but the pings of HTTP/2, of which a connection has one:
/// deadlines are the sweep's.
pub(super) struct Http {
    pub(super) one: http1::Builder,
    pub(super) two: http2::Builder<TokioExecutor>,
}

impl Http {
    pub(super) fn new(deadlines: &Deadlines) -> Self {
        let (mut one, mut two) = (http1::Builder::new(), http2::Builder::new(TokioExecutor::new()));
        // Who will ask for nothing more may still wait for its answer, as long as it takes it.
        one.half_close(true).header_read_timeout(None).max_buf_size(LONGEST_HEAD as usize);
        two.timer(TokioTimer::new())
            .keep_alive_interval(deadlines.ping)
            .keep_alive_timeout(deadlines.pong)
            .max_header_list_size(LONGEST_HEAD)
            .max_concurrent_streams(MOST_STREAMS)
            .max_pending_accept_reset_streams(MOST_RESETS)
            .max_local_error_reset_streams(MOST_RESETS)
            .max_send_buf_size(HELD_OF_ANSWER);
        Self { one, two }
    }
}

/// It left before it had anything.
pub(super) fn left() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_no_preface_is_known_with_its_first_other_byte_and_nothing_of_it_is_lost(
            same in 0..=24usize,
            rest in prop::collection::vec(any::<u8>(), 0..30),
            steps in prop::collection::vec(1..9usize, 30),
            takes in prop::collection::vec(1..9usize, 30),
        ) {
            let sent: Vec<u8> = PREFACE[..same].iter().copied().chain(rest).collect();
            let (mut opening, mut rest, mut steps) = (Opening::default(), &sent[..], steps.into_iter());
            while opening.protocol().is_none() && !rest.is_empty() {
                let space = opening.space();
                let came = space.len().min(rest.len()).min(steps.next().unwrap());
                space[..came].copy_from_slice(&rest[..came]);
                rest = &rest[came..];
                opening.came(came);
            }
            let two = sent.starts_with(PREFACE);
            let one = !PREFACE.starts_with(&sent) && !two;
            let known = if two { Some(Protocol::Two) } else { one.then_some(Protocol::One) };
            prop_assert_eq!(opening.protocol(), known);
            let mut got = Vec::new();
            for most in takes {
                got.extend_from_slice(opening.take(most));
            }
            got.extend_from_slice(rest);
            prop_assert_eq!(got, sent);
        }
    }
}
