//! What a connection has done so far, written on its way by whoever does it and read by the sweep: counters instead of
//! a timer for every request. All of it is relaxed: the sweep comes again, and nothing else is decided by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The counters of one connection.
#[derive(Debug, Default)]
pub(super) struct Progress {
    received: AtomicU64,
    sent: AtomicU64,
    /// The kernel took not all of what there is to write.
    blocked: AtomicBool,
    /// The handshake is over; clear text has none.
    established: AtomicBool,
    /// One of its requests came by HTTP/2.
    http2: AtomicBool,
    /// Requests that ever began.
    requests: AtomicU32,
    /// Requests whose answer, or whose body, is not at its end.
    serving: AtomicU32,
    /// What was received when the last request ended: more than that is the head of another one.
    settled: AtomicU64,
    /// Bodies of requests that are wanted, and whose next bytes have not come.
    awaited: AtomicU32,
    /// Bodies of answers that have more to give.
    answering: AtomicU32,
    /// Those of them that wait for their own source.
    unready: AtomicU32,
}

/// The counters at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Seen {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) settled: u64,
    pub(super) requests: u32,
    pub(super) established: bool,
    pub(super) http2: bool,
    /// Some request is under way.
    pub(super) serving: bool,
    /// The client owes bytes of a body.
    pub(super) awaits_body: bool,
    /// The kernel has no room: the client owes the taking of bytes.
    pub(super) blocked: bool,
    /// An answer has bytes that are not asked for. On HTTP/1.1 this comes with `blocked`; alone, it is a window of
    /// HTTP/2 that does not open.
    pub(super) holds_answer: bool,
}

impl Progress {
    /// Only the connection's own task writes this, and so do the next two: a load and a store cost less than adding.
    pub(super) fn note_received(&self, bytes: usize) {
        self.received.store(self.received.load(Relaxed).wrapping_add(bytes as u64), Relaxed);
    }

    /// Gives all that was ever sent.
    pub(super) fn note_sent(&self, bytes: usize) -> u64 {
        let sent = self.sent.load(Relaxed).wrapping_add(bytes as u64);
        self.sent.store(sent, Relaxed);
        self.blocked.store(false, Relaxed);
        sent
    }

    pub(super) fn note_blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    pub(super) fn note_established(&self) {
        self.established.store(true, Relaxed);
    }

    pub(super) fn see(&self) -> Seen {
        Seen {
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            settled: self.settled.load(Relaxed),
            requests: self.requests.load(Relaxed),
            established: self.established.load(Relaxed),
            http2: self.http2.load(Relaxed),
            serving: self.serving.load(Relaxed) > 0,
            awaits_body: self.awaited.load(Relaxed) > 0,
            blocked: self.blocked.load(Relaxed),
            holds_answer: self.answering.load(Relaxed) > self.unready.load(Relaxed),
        }
    }
}

/// A request under way, or a body of it that somebody still reads. Requests of HTTP/2 run on tasks, and perhaps on
/// threads, of their own: these counters are added to.
pub(super) struct Exchange {
    progress: Arc<Progress>,
    answering: bool,
    awaits: bool,
    unready: bool,
}

impl Exchange {
    /// A request begins.
    pub(super) fn begin(progress: &Arc<Progress>, http2: bool) -> Self {
        progress.requests.fetch_add(1, Relaxed);
        if http2 {
            progress.http2.store(true, Relaxed);
        }
        Self::join(progress)
    }

    /// Something of a request that has begun, and that may outlive the rest of it.
    pub(super) fn join(progress: &Arc<Progress>) -> Self {
        progress.serving.fetch_add(1, Relaxed);
        Self { progress: progress.clone(), answering: false, awaits: false, unready: false }
    }

    /// From now on it has an answer to give.
    pub(super) fn note_answer(&mut self) {
        turn(&mut self.answering, true, &self.progress.answering);
    }

    /// Whether the client is waited for.
    pub(super) fn note_awaits(&mut self, awaits: bool) {
        turn(&mut self.awaits, awaits, &self.progress.awaited);
    }

    /// Whether the answer waits for its own source.
    pub(super) fn note_unready(&mut self, unready: bool) {
        turn(&mut self.unready, unready, &self.progress.unready);
    }
}

fn turn(mine: &mut bool, now: bool, count: &AtomicU32) {
    if *mine != now {
        *mine = now;
        if now {
            count.fetch_add(1, Relaxed)
        } else {
            count.fetch_sub(1, Relaxed)
        };
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.note_awaits(false);
        self.note_unready(false);
        turn(&mut self.answering, false, &self.progress.answering);
        let progress = &self.progress;
        if progress.serving.load(Relaxed) == 1 {
            progress.settled.store(progress.received.load(Relaxed), Relaxed);
        }
        progress.serving.fetch_sub(1, Relaxed);
    }
}
