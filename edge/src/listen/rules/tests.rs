//! Connections as a table of what they did by each second, and when they are ended for it.

use super::*;

const OPEN: Seen = Seen {
    received: 0,
    sent: 0,
    settled: 0,
    requests: 0,
    established: true,
    http2: false,
    serving: false,
    awaits_body: false,
    blocked: false,
    holds_answer: false,
};
/// It has been answered once, and wrote 100 bytes for that.
const SERVED: Seen = Seen { received: 100, sent: 500, settled: 100, requests: 1, ..OPEN };
const READING: Seen = Seen { serving: true, awaits_body: true, ..SERVED };
const WRITING: Seen = Seen { serving: true, blocked: true, holds_answer: true, ..SERVED };

/// Looks once a second at what a connection has done by then, for ten minutes.
fn ends(done: impl Fn(u64) -> Seen) -> Option<(Reason, u64)> {
    ends_with(done, |_| 0)
}

fn ends_with(done: impl Fn(u64) -> Seen, unsent: impl Fn(u64) -> u64) -> Option<(Reason, u64)> {
    let (deadlines, mut watch) = (Deadlines::default(), Watch::new(Duration::ZERO));
    (1..600).find_map(|second| {
        let now = Duration::from_secs(second);
        let reason = watch.judge(done(second), || unsent(second), now, &deadlines)?;
        Some((reason, second))
    })
}

#[test]
fn who_does_not_come_to_the_point_is_ended_within_ten_seconds() {
    assert_eq!(ends(|_| Seen::default()), Some((Reason::Handshake, 9)));
    let dripped = |second| Seen { received: second, established: false, ..OPEN };
    assert_eq!(ends(dripped), Some((Reason::Handshake, 9)));
    assert_eq!(ends(|_| OPEN), Some((Reason::Head, 10)), "no byte");
    assert_eq!(ends(|second| Seen { received: second, ..OPEN }), Some((Reason::Head, 10)), "a byte a second");
    let late = |second| if second < 8 { Seen::default() } else { OPEN };
    assert_eq!(ends(late), Some((Reason::Head, 17)), "a handshake has a deadline of its own");
}

#[test]
fn between_requests_there_is_time_but_not_within_the_next_head() {
    assert_eq!(ends(|_| SERVED), Some((Reason::Idle, 76)));
    let begun = |second: u64| Seen { received: 100 + second.saturating_sub(30), ..SERVED };
    assert_eq!(ends(begun), Some((Reason::Head, 40)));
    let busy = |second: u64| Seen { requests: u32::try_from(second / 60).unwrap() + 1, ..SERVED };
    assert_eq!(ends(busy), None, "one request a minute");
    // Answers to pings are no heads.
    let pinged = |second: u64| Seen { http2: true, received: 100 + second / 30 * 17, ..SERVED };
    assert_eq!(ends(pinged), Some((Reason::Idle, 76)));
}

#[test]
fn the_end_of_an_answer_may_be_taken_slowly_wherever_it_lies() {
    // In the socket, which had room for all of it at once.
    let written = |_| Seen { sent: 1_000_500, ..SERVED };
    let left = |pace: u64| move |second: u64| 1_000_000_u64.saturating_sub(second * pace);
    assert_eq!(ends_with(written, left(5_000)), Some((Reason::Idle, 200)), "when it has all, and not before");
    assert_eq!(ends_with(written, left(0)), Some((Reason::Answer, 105)));
    assert_eq!(ends_with(written, left(100_000)), Some((Reason::Idle, 76)));
    // In HTTP/2, which counts as done what waits for a window.
    let passed = |second: u64| Seen { http2: true, sent: 500 + second.min(150) * 350, ..SERVED };
    assert_eq!(ends(passed), Some((Reason::Idle, 225)));
    let bursts = |second: u64| Seen { http2: true, sent: 500 + second.min(150) / 60 * 30_000, ..SERVED };
    assert_eq!(ends(bursts), Some((Reason::Idle, 195)));
}

#[test]
fn a_body_that_is_waited_for_must_flow() {
    let at = |bytes: u64| move |second: u64| Seen { received: 100 + bytes * second, ..READING };
    assert_eq!(ends(at(0)), Some((Reason::Body, 11)));
    assert_eq!(ends(at(100)), Some((Reason::Body, 12)));
    assert_eq!(ends(at(900)), Some((Reason::Body, 84)));
    assert_eq!(ends(at(1_100)), None);
    // After a good beginning, half a minute without a network.
    let stopped = |second: u64| Seen { received: 100 + second.min(60) * 50_000, ..READING };
    assert_eq!(ends(stopped), Some((Reason::Body, 90)));
    let resumed = |second: u64| Seen { received: 100 + (second / 25 + 1) * 1_000_000, ..READING };
    assert_eq!(ends(resumed), None);
    // Nobody waits for it: the control plane thinks.
    assert_eq!(ends(|_| Seen { awaits_body: false, ..READING }), None);
}

#[test]
fn an_answer_must_be_taken() {
    let at = |bytes: u64| move |second: u64| Seen { sent: 500 + bytes * second, ..WRITING };
    assert_eq!(ends(at(0)), Some((Reason::Answer, 31)));
    assert_eq!(ends(at(128)), Some((Reason::Answer, 61)));
    assert_eq!(ends(at(300)), None);
    let bursts = |second: u64| Seen { sent: 500 + second / 25 * 20_000, ..WRITING };
    assert_eq!(ends(bursts), None, "a window of a receiver that is slow and steady");
    let flushing = |_| Seen { serving: false, holds_answer: false, ..WRITING };
    assert_eq!(ends(flushing), Some((Reason::Answer, 31)), "the last bytes, too");
    // Its own source is slow: no fault of the client's.
    assert_eq!(ends(|_| Seen { blocked: false, holds_answer: false, ..WRITING }), None);
}

#[test]
fn what_counts_as_taken_is_what_was_acknowledged() {
    // The kernel takes a megabyte a minute, at once; the client reads it evenly.
    let steps = |second: u64| Seen { sent: 500 + (second / 60 + 2) * 1_000_000, ..WRITING };
    let even = |second: u64| steps(second).sent - 500 - second * 16_000;
    assert_eq!(ends_with(steps, even), None);
    assert_eq!(ends_with(steps, |_| 0), Some((Reason::Answer, 31)));
    // And the other way round: bytes that the kernel takes are taken by nobody yet.
    let swallowed = |second: u64| Seen { sent: 500 + second * 10_000, ..WRITING };
    assert_eq!(ends_with(swallowed, |second| second * 10_000), Some((Reason::Answer, 31)));
}

#[test]
fn a_window_may_stay_shut_for_longer_than_a_socket() {
    let shut = |_| Seen { blocked: false, http2: true, ..WRITING };
    assert_eq!(ends(shut), Some((Reason::Answer, 76)));
    let opened = |second: u64| Seen { sent: 500 + second / 70 * 1_000_000, ..shut(second) };
    assert_eq!(ends(opened), None);
}

#[test]
fn who_was_told_to_leave_and_has_nothing_under_way_stays_no_longer() {
    let (deadlines, mut watch) = (Deadlines::default(), Watch::new(Duration::ZERO));
    let mut judge = |seen, second| watch.judge(seen, || 0, Duration::from_secs(second), &deadlines);
    assert_eq!(judge(SERVED, 1), None);
    assert_eq!(judge(SERVED, 76), Some(Reason::Idle));
    watch.note_left(Duration::from_secs(76));
    let mut judge = |seen, second| watch.judge(seen, || 0, Duration::from_secs(second), &deadlines);
    assert_eq!(judge(SERVED, 77), Some(Reason::Idle));
    assert_eq!(judge(Seen { serving: true, ..SERVED }, 90), None);
    assert_eq!(judge(SERVED, 91), Some(Reason::Stayed));
}

#[test]
fn who_was_told_to_leave_may_take_what_it_was_promised() {
    let (deadlines, mut watch) = (Deadlines::default(), Watch::new(Duration::ZERO));
    watch.note_left(Duration::from_secs(1));
    let ended = (1..600).find_map(|second| {
        let seen = Seen { http2: true, sent: 500 + second.min(40) * 350, ..SERVED };
        Some((watch.judge(seen, || 0, Duration::from_secs(second), &deadlines)?, second))
    });
    assert_eq!(ended, Some((Reason::Stayed, 49)));
}
