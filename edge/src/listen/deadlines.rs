//! How long each thing may take that depends on the client. None of them is a setting: an operator has no reason to let
//! a client be slower, and a test that wants to see one close in a moment says so in the edge's configuration.

use std::time::Duration;

/// The deadlines of every connection.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Deadlines {
    /// How often connections are looked at; each deadline is kept to within so much.
    pub sweep: Duration,
    /// A TLS handshake, from the first packet.
    pub handshake: Duration,
    /// The head of a request: of the first one from when the connection could be used, of a later one from its first byte.
    pub head: Duration,
    /// A connection without a request.
    pub idle: Duration,
    /// The body of a request.
    pub body: Pace,
    /// The taking of an answer.
    pub answer: Pace,
    /// The taking of an answer whose window (RFC 9113 section 5.2) is spent, while the socket has room.
    pub window: Duration,
    /// How long a connection that was told to leave may take to go.
    pub leave: Duration,
    /// HTTP/2 asks so often whether anybody is there …
    pub ping: Duration,
    /// … and takes so long a silence for a no.
    pub pong: Duration,
}

/// Bytes that must flow while the client is waited for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pace {
    /// A second, on average.
    pub bytes: f64,
    /// How far behind that a client may be.
    pub grace: Duration,
    /// How much further, for one that was ahead: what it may save up.
    pub saved: Duration,
}

impl Pace {
    /// The bytes of that time, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some bytes a second, for seconds"
    )]
    pub(super) fn of(&self, span: Duration) -> u64 {
        (self.bytes * span.as_secs_f64()).ceil().max(1.0) as u64
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            sweep: Duration::from_secs(1),
            // With the sweep's second, who does not speak is gone within ten.
            handshake: Duration::from_secs(9),
            head: Duration::from_secs(9),
            // Longer than clients and proxies wait between requests of one visit, shorter than firewalls forget.
            idle: Duration::from_secs(75),
            // A modem does 4 KiB/s. Who has sent well may be without a network for half a minute.
            body: Pace { bytes: 1024.0, grace: Duration::from_secs(10), saved: Duration::from_secs(20) },
            // Slow, but a download: `--limit-rate 1k`. Nothing taken at all for half a minute is none.
            answer: Pace { bytes: 256.0, grace: Duration::from_secs(30), saved: Duration::ZERO },
            // Clients open their window when they have read half of it, which may be megabytes.
            window: Duration::from_secs(75),
            leave: Duration::from_secs(9),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
        }
    }
}
