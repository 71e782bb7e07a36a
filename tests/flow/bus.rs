//! The carriers of the bus keep one contract: what the publisher lays down is what followers read, whichever it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::redis::RedisBus;
use common::bus::{
    AckInbox, Acks, BusError, Cursor, Feed, Inbox, LaidHead, LogId, Mark, News, Outlet, Reports, Trim,
};
use common::bus::{MOST_BUCKET_BYTES, MOST_BUCKETS};
use common::digest::Digest;
use common::wire::Position;
use common::wire::address::bucket_key;
use support::eventually::{PATIENCE, eventually};
use support::redis::{Reply, TestRedis};

trait Carrier: Feed + Outlet + Reports + Inbox + Acks + AckInbox {}
impl<T: Feed + Outlet + Reports + Inbox + Acks + AckInbox> Carrier for T {}

const START: Cursor = Cursor {
    epoch: 7,
    changes: LogId { sequence: 0, part: u64::MAX },
    denials: LogId { sequence: 0, part: u64::MAX },
};

fn at(sequence: u64, part: u64) -> LogId {
    LogId { sequence, part }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn read(bus: &dyn Feed, cursor: Cursor) -> News {
    bus.news(cursor, Duration::ZERO).await.unwrap()
}

/// Every promise of the traits, on an empty carrier.
async fn keeps_the_contract(bus: Arc<dyn Carrier>) {
    emptiness_is_told_as_absence(bus.as_ref()).await;
    the_log_keeps_order_and_ignores_repetition(bus.as_ref()).await;
    a_head_never_goes_back(bus.as_ref()).await;
    buckets_lie_until_they_are_released(bus.as_ref()).await;
    a_trimmed_log_still_knows_its_end(bus.as_ref()).await;
    reports_lie_in_order_until_they_are_forgotten(bus.as_ref()).await;
    a_mark_of_another_carrier_is_before_everything(bus.as_ref()).await;
    who_waits_is_woken(bus.clone()).await;
    who_waits_for_reports_is_woken(bus.clone()).await;
    acknowledgements_are_read_from_where_one_begins_to_listen(bus.as_ref()).await;
    who_waits_for_acknowledgements_is_woken(bus).await;
}

async fn emptiness_is_told_as_absence(bus: &dyn Carrier) {
    assert_eq!(Feed::head(bus).await.unwrap(), None);
    assert_eq!(bus.last_change(7).await.unwrap(), None);
    assert!(read(bus, START).await.is_empty());
}

async fn the_log_keeps_order_and_ignores_repetition(bus: &dyn Carrier) {
    for (id, text) in
        [(at(1, 0), "1-0"), (at(1, 1), "1-1"), (at(1, 1), "again"), (at(1, 0), "late"), (at(3, 0), "3")]
    {
        bus.append_change(7, id, bytes(text)).await.unwrap();
    }
    bus.append_denials(7, at(3, 0), bytes("no")).await.unwrap();
    let news = read(bus, START).await;
    let expected = [(at(1, 0), bytes("1-0")), (at(1, 1), bytes("1-1")), (at(3, 0), bytes("3"))];
    assert_eq!(news.changes, expected);
    assert_eq!(news.denials, [(at(3, 0), bytes("no"))]);
    let later = Cursor { changes: LogId::end_of(1), denials: LogId::end_of(3), ..START };
    assert_eq!(read(bus, later).await.changes, expected[2..]);
    assert!(read(bus, Cursor { epoch: 8, ..START }).await.is_empty(), "another history");
    assert_eq!(bus.last_change(7).await.unwrap(), Some(at(3, 0)));
}

async fn a_head_never_goes_back(bus: &dyn Carrier) {
    let position = |epoch, sequence| Position { epoch, sequence };
    for (position, text, stands) in [
        (position(7, 5), "five", "five"),
        (position(7, 4), "four", "five"),
        (position(7, 5), "five, signed anew", "five, signed anew"),
        (position(8, 1), "a new history", "a new history"),
        (position(7, 9), "the old one", "a new history"),
    ] {
        bus.put_head(position, bytes(text)).await.unwrap();
        assert_eq!(Feed::head(bus).await.unwrap(), Some(bytes(stands)), "after {text}");
    }
}

async fn buckets_lie_until_they_are_released(bus: &dyn Carrier) {
    let (name, other) = (Digest::of(b"packed"), Digest::of(b"other"));
    assert_eq!(bus.buckets(&[]).await.unwrap(), []);
    assert_eq!(bus.buckets(&[name]).await.unwrap(), [None]);
    bus.put_bucket(&name, bytes("packed")).await.unwrap();
    assert_eq!(bus.buckets(&[name]).await.unwrap(), [Some(bytes("packed"))]);
    bus.put_bucket(&other, Bytes::from_static(&[0, 255, b'\r', b'\n'])).await.unwrap();
    let found = bus.buckets(&[other, Digest::of(b"absent"), name]).await.unwrap();
    assert_eq!(found, [Some(Bytes::from_static(&[0, 255, b'\r', b'\n'])), None, Some(bytes("packed"))]);
    bus.release_bucket(&name).await.unwrap();
    assert_eq!(bus.buckets(&[name, other]).await.unwrap()[0], None);
}

async fn a_trimmed_log_still_knows_its_end(bus: &dyn Carrier) {
    bus.trim(7, Trim { changes: 1, denials: 1 }).await.unwrap();
    assert_eq!(read(bus, START).await.changes, [(at(3, 0), bytes("3"))]);
    bus.trim(7, Trim { changes: 3, denials: 3 }).await.unwrap();
    assert!(read(bus, START).await.is_empty());
    assert_eq!(bus.last_change(7).await.unwrap(), Some(at(3, 0)));
    bus.append_change(7, at(2, 0), bytes("late")).await.unwrap();
    assert!(read(bus, START).await.is_empty(), "what was overtaken stays out after a trim as well");
    bus.append_change(9, at(1, 0), bytes("new history")).await.unwrap();
    bus.trim(9, Trim { changes: 0, denials: 0 }).await.unwrap();
    assert_eq!(bus.last_change(7).await.unwrap(), None, "logs of older histories go");
}

async fn receive(bus: &dyn Carrier, mark: &Mark, most: usize) -> Vec<(Mark, Bytes)> {
    bus.receive(mark, most, Duration::ZERO).await.unwrap()
}

fn texts(received: &[(Mark, Bytes)]) -> Vec<&[u8]> {
    received.iter().map(|(_, sealed)| sealed.as_ref()).collect()
}

async fn reports_lie_in_order_until_they_are_forgotten(bus: &dyn Carrier) {
    let beginning = Mark::default();
    assert_eq!(receive(bus, &beginning, 9).await, []);
    bus.forget(&beginning).await.unwrap();
    let binary = Bytes::from_static(&[0, 255, b'\r', b'\n']);
    for sealed in [bytes("a"), bytes("b"), bytes("b"), binary.clone()] {
        bus.send(sealed).await.unwrap();
    }
    let first = receive(bus, &beginning, 2).await;
    assert_eq!(texts(&first), [b"a", b"b"]);
    assert_eq!(receive(bus, &beginning, 2).await, first, "reading takes nothing away");
    let rest = receive(bus, &first[1].0, 9).await;
    assert_eq!(texts(&rest), [&b"b"[..], &binary], "what was sent twice lies there twice");
    bus.forget(&first[1].0).await.unwrap();
    assert_eq!(receive(bus, &beginning, 9).await, rest, "what was forgotten is gone, and nothing else");
    bus.forget(&first[0].0).await.unwrap();
    bus.forget(&rest[1].0).await.unwrap();
    assert_eq!(receive(bus, &beginning, 9).await, []);
    bus.send(bytes("c")).await.unwrap();
    assert_eq!(texts(&receive(bus, &rest[1].0, 9).await), [b"c"], "a mark outlives what it marks");
}

async fn a_mark_of_another_carrier_is_before_everything(bus: &dyn Carrier) {
    for text in ["", "none of ours", "1-2-3"] {
        let received = receive(bus, &Mark(text.to_owned()), 9).await;
        assert_eq!(texts(&received), [b"c"], "{text}");
    }
}

async fn hear(bus: &dyn Carrier, after: &Mark) -> Vec<(Mark, Bytes)> {
    bus.acknowledgements(after, Duration::ZERO).await.unwrap()
}

async fn acknowledgements_are_read_from_where_one_begins_to_listen(bus: &dyn Carrier) {
    let beginning = bus.acks_end().await.unwrap();
    assert_eq!(hear(bus, &beginning).await, []);
    for text in ["a", "b"] {
        bus.acknowledge(bytes(text)).await.unwrap();
    }
    let both = hear(bus, &beginning).await;
    assert_eq!(texts(&both), [b"a", b"b"]);
    assert_eq!(texts(&hear(bus, &both[0].0).await), [b"b"]);
    let later = bus.acks_end().await.unwrap();
    assert_eq!(hear(bus, &later).await, []);
    bus.acknowledge(bytes("c")).await.unwrap();
    assert_eq!(texts(&hear(bus, &later).await), [b"c"]);
}

async fn who_waits_for_acknowledgements_is_woken(bus: Arc<dyn Carrier>) {
    let mark = bus.acks_end().await.unwrap();
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.acknowledgements(&mark, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    // A follower that waits beside it holds up nothing.
    let cursor = Cursor { epoch: 9, changes: LogId::end_of(9), denials: LogId::end_of(9) };
    let follower = bus.clone();
    tokio::spawn(async move { follower.news(cursor, Duration::from_secs(60)).await });
    bus.acknowledge(bytes("d")).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(texts(&heard), [b"d"]);
}

async fn who_waits_for_reports_is_woken(bus: Arc<dyn Carrier>) {
    let mark = receive(bus.as_ref(), &Mark::default(), 9).await.pop().unwrap().0;
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.receive(&mark, 9, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    bus.send(bytes("d")).await.unwrap();
    let received = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(texts(&received), [b"d"]);
}

async fn who_waits_is_woken(bus: Arc<dyn Carrier>) {
    let cursor = Cursor { epoch: 9, changes: LogId::end_of(1), denials: LogId::end_of(1) };
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.news(cursor, Duration::from_secs(60)).await }
    });
    tokio::task::yield_now().await;
    bus.append_denials(9, at(2, 0), bytes("no")).await.unwrap();
    let news = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(news.denials, [(at(2, 0), bytes("no"))]);
}

#[tokio::test]
async fn the_bus_in_memory_keeps_the_contract() {
    keeps_the_contract(Arc::new(LocalBus::new())).await;
}

#[tokio::test]
async fn the_bus_over_redis_keeps_the_contract() {
    let redis = TestRedis::start().await;
    keeps_the_contract(Arc::new(RedisBus::new(&redis.url()).unwrap())).await;
}

#[tokio::test]
async fn what_stands_beside_a_head_in_redis_is_told_and_keeps_none_of_ours_out_that_it_cannot_be() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    let ours = Position { epoch: 7, sequence: 5 };
    let laid = |position, sealed| Some(LaidHead { position, sealed: bytes(sealed) });
    let write = |words: &[&str]| {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let _ = redis.command(&words);
    };
    for (field, value, told) in [
        ("epoch", "abc", None),
        ("sequence", "", None),
        ("epoch", "9007199254740993", Some(Position { epoch: 9_007_199_254_740_993, ..ours })),
        ("sequence", "6", Some(Position { sequence: 6, ..ours })),
    ] {
        redis.flush();
        bus.put_head(ours, bytes("ours")).await.unwrap();
        assert_eq!(Outlet::head(&bus).await.unwrap(), laid(Some(ours), "ours"));
        write(&["HSET", "tidegate:v1:head", field, value]);
        assert_eq!(Outlet::head(&bus).await.unwrap(), laid(told, "ours"), "{field} {value}");
        if told.is_none() {
            bus.put_head(ours, bytes("again")).await.unwrap();
            assert_eq!(Outlet::head(&bus).await.unwrap(), laid(Some(ours), "again"), "{field} {value}");
        }
    }
    write(&["HDEL", "tidegate:v1:head", "sealed", "epoch"]);
    assert_eq!(Outlet::head(&bus).await.unwrap(), laid(None, ""));
    write(&["SET", "tidegate:v1:head", "x"]);
    assert_eq!(Outlet::head(&bus).await.unwrap(), laid(None, ""));
}

#[tokio::test]
async fn a_redis_tells_of_the_first_buckets_where_all_would_be_too_much_at_once() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    let names: Vec<Digest> = (0..MOST_BUCKETS + 1).map(|n| Digest::of(&n.to_be_bytes())).collect();
    let half = Bytes::from(vec![7; MOST_BUCKET_BYTES / 2]);
    for at in [1, 3, 4] {
        bus.put_bucket(&names[at], half.clone()).await.unwrap();
    }
    bus.put_bucket(&names[6], Bytes::from(vec![7; MOST_BUCKET_BYTES + 1])).await.unwrap();
    let told = |found: Vec<Option<Bytes>>| found.iter().map(|p| p.as_ref().map_or(0, Bytes::len)).collect();
    let told = async |from: usize| -> Vec<usize> { told(bus.buckets(&names[from..]).await.unwrap()) };
    assert_eq!(told(0).await, [0, half.len(), 0, half.len()]);
    assert_eq!(told(4).await, [half.len(), 0]);
    assert_eq!(told(6).await, [MOST_BUCKET_BYTES + 1], "the first is told of whatever its size");
    assert_eq!(told(7).await.len(), MOST_BUCKETS + 1 - 7);
}

#[tokio::test]
async fn what_is_no_bucket_in_the_place_of_one_is_as_good_as_absent() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    let (name, other) = (Digest::of(b"list"), Digest::of(b"packed"));
    let _length = redis.command(&[b"LPUSH", bucket_key(&name).as_bytes(), b"x"]);
    bus.put_bucket(&other, bytes("packed")).await.unwrap();
    assert_eq!(bus.buckets(&[name, other]).await.unwrap(), [None, Some(bytes("packed"))]);
}

#[tokio::test]
async fn a_redis_that_is_away_is_told_and_comes_back() {
    let mut redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    assert_eq!(Feed::head(&bus).await.unwrap(), None);
    redis.kill();
    assert!(matches!(Feed::head(&bus).await, Err(BusError::Away(_))));
    redis.restart().await;
    eventually(PATIENCE, || Feed::head(&bus)).await;
}

#[tokio::test]
async fn a_redis_that_lost_its_reports_and_whose_clock_is_behind_is_read_from_its_beginning() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    bus.send(bytes("new")).await.unwrap();
    let there = receive(&bus, &Mark::default(), 9).await;
    // As a desk would hold it that read from a Redis whose clock was an hour ahead.
    let (time, count) = there[0].0.0.split_once('-').unwrap();
    let ahead = Mark(format!("{}-{count}", time.parse::<u64>().unwrap() + 3_600_000));
    assert_eq!(receive(&bus, &ahead, 9).await, there);
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_heard_again_at_once_whatever_its_clock_says() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    bus.acknowledge(bytes("old")).await.unwrap();
    let Mark(end) = bus.acks_end().await.unwrap();
    let (time, count) = end.split_once('-').unwrap();
    let ahead = Mark(format!("{}-{count}", time.parse::<u64>().unwrap() + 3_600_000));
    redis.flush();
    assert_eq!(bus.acknowledgements(&ahead, Duration::ZERO).await.unwrap(), []);
    bus.acknowledge(bytes("new")).await.unwrap();
    assert_eq!(texts(&bus.acknowledgements(&ahead, Duration::ZERO).await.unwrap()), [b"new"]);
}

/// What somebody can write in place of a stream, and whether anything can be read of it.
const IN_PLACE: &[(&[&str], bool)] = &[
    (&["XADD", "KEY", "18446744073709551615-18446744073709551615", "b", "x"], true),
    (&["XADD", "KEY", "18446744073709551615-18446744073709551614", "other", "x"], true),
    (&["XADD", "KEY", "9999999999999-0", "b", "x"], true),
    (&["SET", "KEY", "x"], false),
    (&["HSET", "KEY", "x", "x"], false),
];

fn lay(redis: &TestRedis, words: &[&str], key: &str, instead: bool) {
    if instead {
        let _ = redis.command(&[b"DEL", key.as_bytes()]);
    }
    let words: Vec<&[u8]> =
        words.iter().map(|word| if *word == "KEY" { key.as_bytes() } else { word.as_bytes() }).collect();
    let reply = redis.command(&words);
    assert!(!matches!(reply, support::redis::Reply::Refused(_)), "{reply:?}");
}

/// Lets the clock of Redis pass the millisecond of that place, when it is of now.
fn pass_millisecond(redis: &TestRedis, mark: &Mark) {
    let place = mark.0.split('-').next().and_then(|millis| millis.parse::<u128>().ok()).unwrap_or(0);
    let script = b"local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000)";
    let now = || {
        let Reply::Number(millis) = redis.command(&[b"EVAL", script, b"0"]) else { return u128::MAX };
        u128::try_from(millis).unwrap_or(u128::MAX)
    };
    let from = now();
    while place >= from && now() <= place && place < from + 1_000 {}
}

#[tokio::test]
async fn acknowledgements_come_again_after_somebody_wrote_where_they_lie() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    for (words, is_read) in IN_PLACE {
        redis.flush();
        bus.acknowledge(bytes("before")).await.unwrap();
        let mut mark = bus.acks_end().await.unwrap();
        lay(&redis, words, "tidegate:v1:acks", !is_read);
        if *is_read {
            mark = hear(&bus, &mark).await.pop().unwrap().0;
        }
        // One look, and the next.
        assert_eq!(hear(&bus, &mark).await, [], "{words:?}");
        // Ids go by milliseconds, and begin anew with a stream: what comes in the same one is said again a second later.
        pass_millisecond(&redis, &mark);
        bus.acknowledge(bytes("after")).await.unwrap();
        assert_eq!(texts(&hear(&bus, &mark).await), [b"after"], "{words:?}");
    }
}

#[tokio::test]
async fn who_begins_to_listen_where_somebody_wrote_hears_what_comes() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    for (words, _) in IN_PLACE {
        redis.flush();
        lay(&redis, words, "tidegate:v1:acks", false);
        let mark = bus.acks_end().await.unwrap();
        assert_eq!(hear(&bus, &mark).await, [], "{words:?}");
        bus.acknowledge(bytes("after")).await.unwrap();
        assert_eq!(texts(&hear(&bus, &mark).await), [b"after"], "{words:?}");
    }
}

#[tokio::test]
async fn no_report_is_lost_when_somebody_writes_where_they_lie_and_more_come() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    for (words, is_read) in IN_PLACE {
        redis.flush();
        let (mut mark, mut taken) = (Mark::default(), Vec::new());
        // As a desk does: two at a time, let go of once they are taken.
        let mut take = async || {
            let received = receive(&bus, &mark, 2).await;
            if let Some((last, _)) = received.last() {
                bus.forget(last).await.unwrap();
                mark = last.clone();
            }
            taken.extend(received.iter().map(|(_, sealed)| sealed.clone()));
            received.len()
        };
        for round in 0..3 {
            let sent = [format!("{round} a"), format!("{round} b"), format!("{round} c")];
            for text in &sent {
                bus.send(bytes(text)).await.unwrap();
            }
            if !is_read {
                while take().await > 0 {}
            }
            lay(&redis, words, "tidegate:v1:reports", !is_read);
            // What was read twice is taken once: the desk knows it again.
            for _ in 0..8 {
                take().await;
            }
        }
        bus.send(bytes("last")).await.unwrap();
        take().await;
        let all = ["0 a", "0 b", "0 c", "1 a", "1 b", "1 c", "2 a", "2 b", "2 c", "last"];
        let lost: Vec<_> = all.iter().filter(|text| !taken.contains(&bytes(text))).collect();
        assert!(lost.is_empty(), "{words:?}: {lost:?} of {taken:?}");
        assert_eq!(receive(&bus, &Mark::default(), 9).await, [], "{words:?}");
    }
}

#[tokio::test]
async fn acknowledgements_do_not_fill_a_redis() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    let beginning = bus.acks_end().await.unwrap();
    for _ in 0..12_000 {
        bus.acknowledge(bytes("a")).await.unwrap();
    }
    let (mut after, mut there) = (beginning, 0);
    while let Some((last, _)) = hear(&bus, &after).await.last() {
        there += hear(&bus, &after).await.len();
        after = last.clone();
    }
    assert!((10_000..10_500).contains(&there), "{there}");
}

#[test]
fn a_bus_url_that_cannot_be_read_is_not_repeated() {
    let says = RedisBus::new("http://user:hush@host").map(drop).unwrap_err();
    assert!(!says.contains("hush"), "{says}");
}

#[tokio::test]
async fn what_is_larger_than_anything_of_ours_is_taken_away_and_the_rest_is_read() {
    let redis = TestRedis::start().await;
    let bus = RedisBus::new(&redis.url()).unwrap();
    let large = vec![7_u8; 80 << 20];
    bus.append_change(7, at(1, 0), bytes("one")).await.unwrap();
    bus.put_head(Position { epoch: 7, sequence: 1 }, bytes("head")).await.unwrap();
    bus.send(bytes("report")).await.unwrap();
    let end = bus.acks_end().await.unwrap();
    for log in ["7:changes", "7:denials", "acks", "reports"] {
        let id: &[u8] = if log.starts_with('7') { b"5-0" } else { b"*" };
        let laid = redis.command(&[b"XADD", format!("tidegate:v1:{log}").as_bytes(), id, b"b", &large]);
        assert!(matches!(laid, Reply::Bytes(_)), "{log}");
    }
    let _ = redis.command(&[b"HSET", b"tidegate:v1:head", b"sealed", &large]);
    assert_eq!(Feed::head(&bus).await.unwrap(), Some(bytes("")), "as good as unreadable");
    bus.acknowledge(bytes("word")).await.unwrap();
    let news = eventually(PATIENCE, || bus.news(START, Duration::ZERO)).await;
    assert_eq!((news.changes, news.denials), (vec![(at(1, 0), bytes("one"))], vec![]));
    let heard = eventually(PATIENCE, || bus.acknowledgements(&end, Duration::ZERO)).await;
    assert_eq!(texts(&heard), [b"word"]);
    let from = Mark::default();
    let reports = eventually(PATIENCE, || bus.receive(&from, 10, Duration::ZERO)).await;
    assert_eq!(texts(&reports), [b"report"]);
    bus.append_denials(7, at(9, 0), bytes("no")).await.unwrap();
    assert_eq!(read(&bus, START).await.denials, [(at(9, 0), bytes("no"))]);
}
