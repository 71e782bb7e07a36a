//! Who has been too slow. Pure: what a connection has done at some moments, and the moments, are arguments.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelValue;

use super::deadlines::{Deadlines, Pace};
use super::progress::Seen;

/// What a connection is doing, as far as its deadlines go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Handshake,
    /// It may ask now, and has not asked for anything yet.
    First,
    /// It has begun to ask for something more.
    Head,
    Idle,
    Busy,
}

/// Why a connection is ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub enum Reason {
    /// The TLS handshake was not finished.
    Handshake,
    /// The head of a request did not come, or not to its end.
    Head,
    /// It had no request for long.
    Idle,
    /// The body of a request came too slowly.
    Body,
    /// An answer was taken too slowly.
    Answer,
    /// It was told to leave, and stayed.
    Stayed,
    /// Its address has too many.
    Crowd,
    /// It did not say whose it is, as a proxy must, or may not say so.
    Unannounced,
}

/// What is remembered of one connection from sweep to sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    stage: Stage,
    since: Duration,
    looked: Duration,
    requests: u32,
    received: u64,
    sent: u64,
    delivered: u64,
    /// When HTTP/2 last passed on something of an answer that was over for us.
    took: Duration,
    /// How many seconds it is behind with its body, and with taking answers.
    owes_body: f64,
    owes_taking: f64,
    /// When it was told to leave.
    left: Option<Duration>,
}

impl Watch {
    /// Of a connection that begins `now`.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            stage: Stage::Handshake,
            since: now,
            looked: now,
            requests: 0,
            received: 0,
            sent: 0,
            delivered: 0,
            took: now,
            owes_body: 0.0,
            owes_taking: 0.0,
            left: None,
        }
    }

    /// Why it must end, if it must. `unsent` is asked only where it matters.
    pub(super) fn judge(
        &mut self,
        seen: Seen,
        unsent: impl Fn() -> u64,
        now: Duration,
        deadlines: &Deadlines,
    ) -> Option<Reason> {
        let stage = stage_of(&seen);
        if (stage, seen.requests) != (self.stage, self.requests) {
            (self.stage, self.requests, self.since) = (stage, seen.requests, now);
            // Another request, another chance. The streams of HTTP/2 share one.
            if stage != Stage::Busy || !seen.http2 {
                (self.owes_body, self.owes_taking) = (0.0, 0.0);
            }
        }
        let lasted = now.saturating_sub(self.since);
        let overdue = |longest: Duration, reason| (lasted >= longest).then_some(reason);
        let reason = match stage {
            Stage::Handshake => overdue(deadlines.handshake, Reason::Handshake),
            Stage::First | Stage::Head => overdue(deadlines.head, Reason::Head),
            Stage::Idle => self.rest(&seen, &unsent, now, deadlines),
            Stage::Busy => self.pace(&seen, &unsent, now, deadlines),
        };
        (self.looked, self.received, self.sent) = (now, seen.received, seen.sent);
        if matches!(stage, Stage::Handshake | Stage::First | Stage::Head) {
            self.delivered = seen.sent;
        }
        let quiet = |left: Duration| now >= left.max(self.took) + deadlines.leave;
        let stayed = self.left.filter(|left| stage != Stage::Busy && quiet(*left));
        stayed.map(|_| Reason::Stayed).or(reason)
    }

    /// Notes that it was told to leave.
    pub(super) fn note_left(&mut self, now: Duration) {
        self.left.get_or_insert(now);
    }

    /// The requests of this connection are over for us, but perhaps not for the client. The end of an answer may lie in
    /// HTTP/2, which passes it on as its window opens, or in the socket, as much as a slow client takes in minutes.
    fn rest(
        &mut self,
        seen: &Seen,
        unsent: &impl Fn() -> u64,
        now: Duration,
        deadlines: &Deadlines,
    ) -> Option<Reason> {
        let span = now.saturating_sub(self.looked);
        let passed_on = seen.sent.saturating_sub(self.sent);
        // Pings are less.
        if seen.http2 && passed_on >= deadlines.answer.of(span) {
            self.took = now;
        }
        if now < self.since.max(self.took) + deadlines.idle {
            self.delivered = seen.sent;
            return None;
        }
        match unsent() {
            0 => Some(Reason::Idle),
            unsent => {
                let went = self.deliver(seen.sent.saturating_sub(unsent));
                is_behind(&mut self.owes_taking, span, went, deadlines.answer).then_some(Reason::Answer)
            }
        }
    }

    /// Notes what the other end has, and gives how much of it is new.
    fn deliver(&mut self, delivered: u64) -> u64 {
        let went = delivered.saturating_sub(self.delivered);
        self.delivered = delivered;
        went
    }

    fn pace(
        &mut self,
        seen: &Seen,
        unsent: &impl Fn() -> u64,
        now: Duration,
        deadlines: &Deadlines,
    ) -> Option<Reason> {
        let span = now.saturating_sub(self.looked);
        let waited = |waits: bool| if waits { span } else { Duration::ZERO };
        let came = seen.received.saturating_sub(self.received);
        if is_behind(&mut self.owes_body, waited(seen.awaits_body), came, deadlines.body) {
            return Some(Reason::Body);
        }
        // What the kernel took may lie in its queue, of which it makes room a third at once: a slow client would seem
        // to take nothing for minutes. What counts is what the other end has acknowledged.
        let went = self.deliver(if seen.blocked { seen.sent.saturating_sub(unsent()) } else { seen.sent });
        let pace = match seen.blocked {
            true => deadlines.answer,
            false => Pace { grace: deadlines.window, ..deadlines.answer },
        };
        let waits = seen.blocked || seen.holds_answer;
        is_behind(&mut self.owes_taking, waited(waits), went, pace).then_some(Reason::Answer)
    }
}

fn stage_of(seen: &Seen) -> Stage {
    match seen {
        Seen { established: false, .. } => Stage::Handshake,
        Seen { serving: true, .. } | Seen { blocked: true, .. } => Stage::Busy,
        Seen { requests: 0, .. } => Stage::First,
        // Between the requests of HTTP/2 come frames that ask for nothing, like answers to our own pings.
        Seen { http2: false, received, settled, .. } if received > settled => Stage::Head,
        _ => Stage::Idle,
    }
}

/// A client that was waited for owes the bytes of that time; what it sent or took pays for it.
#[expect(clippy::cast_precision_loss, reason = "a byte more or less in terabytes changes nobody's pace")]
fn is_behind(owes: &mut f64, waited: Duration, bytes: u64, pace: Pace) -> bool {
    let owed = *owes + waited.as_secs_f64() - bytes as f64 / pace.bytes;
    *owes = owed.max(-pace.saved.as_secs_f64());
    !waited.is_zero() && *owes >= pace.grace.as_secs_f64()
}

#[cfg(test)]
mod tests;
