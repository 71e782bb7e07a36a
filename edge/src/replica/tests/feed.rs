//! Following the log: what is applied, what is refused, and when the snapshot is read.

use bytes::Bytes;
use common::wire::seal::{Kind, seal};
use common::wire::v1::Batch;
use ed25519_dalek::SigningKey;

use super::followed::{Desk, Edge};
use super::world::{entry, gone, key, key_at};
use crate::replica::feed::Refused;

#[tokio::test]
async fn the_snapshot_is_taken_once_and_the_log_followed_from_there() {
    let desk = Desk::new();
    desk.snapshot(5, &[key("key_1", 1), key("key_2", 2)]).await;
    desk.change(4, 5, &[key("key_before", 9)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 5).await;
    assert!(edge.has(&key_at("key_1")) && edge.has(&key_at("key_2")));
    desk.change(5, 6, &[key("key_3", 3)]).await;
    desk.change(6, 7, &[gone(key_at("key_1"))]).await;
    edge.reaches(1, 7).await;
    assert!(edge.has(&key_at("key_3")) && !edge.has(&key_at("key_1")));
    assert!(!edge.has(&key_at("key_before")), "the log before the snapshot is in it");
    assert_eq!(edge.told().iter().filter(|told| told.changed.is_none()).count(), 1, "one full read");
}

#[tokio::test]
async fn changes_that_overlap_apply_and_repeated_ones_change_nothing() {
    let desk = Desk::new();
    desk.snapshot(5, &[]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 5).await;
    desk.change(3, 7, &[key("key_1", 1)]).await;
    edge.reaches(1, 7).await;
    // A publisher that lost its place tells them again, in another cut.
    desk.change(2, 8, &[key("key_1", 1), key("key_2", 2)]).await;
    edge.reaches(1, 8).await;
    // Old ones behind new ones are somebody's who replays them; they change nothing, and lead nowhere.
    let again = Batch {
        epoch: 1,
        previous: 0,
        sequence: 6,
        part: 0,
        parts: 1,
        entries: vec![entry(6, &gone(key_at("key_1")))],
    };
    desk.append((9, 0), seal(Kind::Batch, &again.encode().unwrap(), &desk.key)).await;
    desk.change(8, 10, &[key("key_3", 3)]).await;
    edge.reaches(1, 10).await;
    assert!(edge.has(&key_at("key_1")));
    assert_eq!(edge.told().len(), 4, "the snapshot and three changes");
}

#[tokio::test]
async fn a_record_is_not_overwritten_by_an_older_one_of_a_later_batch() {
    let desk = Desk::new();
    desk.snapshot(5, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 5).await;
    let stale = Batch {
        epoch: 1,
        previous: 5,
        sequence: 6,
        part: 0,
        parts: 1,
        entries: vec![entry(4, &gone(key_at("key_1"))), entry(6, &key("key_2", 2))],
    };
    desk.batch(stale).await;
    edge.reaches(1, 6).await;
    assert!(edge.has(&key_at("key_1")) && edge.has(&key_at("key_2")));
}

#[tokio::test]
async fn a_change_in_parts_is_in_force_only_when_all_are_there() {
    let desk = Desk::new();
    desk.snapshot(1, &[]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    for part in 0..3 {
        assert!(!edge.has(&key_at("key_0")), "before part {part}");
        assert_eq!(edge.replica.position().sequence, 1);
        desk.part((1, 2), (part, 3), &[key(&format!("key_{part}"), part.into())]).await;
        // Each part is taken by a read of its own.
        edge.asks_after(2, part.into()).await;
    }
    edge.reaches(1, 2).await;
    assert!((0..3).all(|part| edge.has(&key_at(&format!("key_{part}")))));
    assert_eq!(edge.told().len(), 2, "the snapshot and one change");
    // The same in one read.
    let late = Edge::follow(&desk);
    late.reaches(1, 2).await;
    assert!((0..3).all(|part| late.has(&key_at(&format!("key_{part}")))));
}

#[tokio::test]
async fn an_incomplete_change_is_superseded_by_one_that_covers_it() {
    let desk = Desk::new();
    desk.snapshot(1, &[]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.part((1, 2), (0, 2), &[key("key_lost", 1)]).await;
    edge.asks_after(2, 0).await;
    // The publisher died and begins again; what it says now says everything.
    desk.part((1, 3), (0, 2), &[key("key_a", 2)]).await;
    desk.part((1, 3), (1, 2), &[key("key_b", 3)]).await;
    edge.reaches(1, 3).await;
    assert!(edge.has(&key_at("key_a")) && edge.has(&key_at("key_b")));
    assert!(!edge.has(&key_at("key_lost")));
    // A part without those before it is none.
    desk.part((3, 4), (1, 2), &[key("key_c", 4)]).await;
    edge.asks_after(4, 1).await;
    assert!(!edge.has(&key_at("key_c")));
    desk.change(3, 5, &[key("key_d", 5)]).await;
    edge.reaches(1, 5).await;
    assert!(!edge.has(&key_at("key_c")));
}

#[tokio::test]
async fn a_gap_in_the_log_leads_to_the_snapshot() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    // Sequence 2 and 3 were trimmed before this edge came by.
    desk.snapshot(4, &[key("key_2", 2)]).await;
    desk.change(3, 4, &[key("key_2", 2)]).await;
    desk.change(4, 5, &[key("key_5", 5)]).await;
    edge.reaches(1, 5).await;
    assert!(!edge.has(&key_at("key_1")), "the snapshot replaces");
    assert!(edge.has(&key_at("key_2")) && edge.has(&key_at("key_5")));
}

#[tokio::test]
async fn a_gap_without_a_newer_snapshot_waits_for_one_without_haste_and_still_hears_denials() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.change(2, 3, &[key("key_3", 3)]).await;
    edge.asks_after(3, 0).await;
    let before = edge.heads_read();
    desk.deny(4, &["key:key_1".to_owned()]).await;
    edge.asks_after_denial(4).await;
    assert!(edge.replica.is_denied(&key_at("key_1")));
    assert!(edge.has(&key_at("key_1")), "what was there stays in force");
    edge.looks(1).await;
    assert!(edge.heads_read() - before < 10, "it spins: {} heads", edge.heads_read() - before);
    desk.snapshot(3, &[key("key_1", 1), key("key_3", 3)]).await;
    edge.reaches(1, 3).await;
    assert!(edge.has(&key_at("key_3")));
    assert!(edge.replica.is_denied(&key_at("key_1")), "the denial is newer than the snapshot");
}

#[tokio::test]
async fn a_gap_is_closed_by_a_change_that_covers_it() {
    let desk = Desk::new();
    desk.snapshot(1, &[]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.change(2, 3, &[key("key_3", 3)]).await;
    edge.asks_after(3, 0).await;
    desk.change(1, 4, &[key("key_2", 2), key("key_3", 3)]).await;
    edge.reaches(1, 4).await;
    assert!(edge.has(&key_at("key_2")) && edge.has(&key_at("key_3")));
}

#[tokio::test]
async fn whatever_cannot_be_verified_or_read_changes_nothing() {
    let batch = |epoch, sequence| Batch {
        epoch,
        previous: 1,
        sequence,
        part: 0,
        parts: 1,
        entries: vec![entry(sequence, &key("key_bad", 6)), entry(sequence, &gone(key_at("key_1")))],
    };
    let (ours, other) = (Desk::new().key, SigningKey::from_bytes(&[8; 32]));
    let good = batch(1, 2).encode().unwrap();
    let mut turned = seal(Kind::Batch, &good, &ours).to_vec();
    *turned.last_mut().unwrap() ^= 1;
    let cases: [(&str, Bytes); 8] = [
        ("of another key", seal(Kind::Batch, &good, &other)),
        ("of another kind", seal(Kind::Head, &good, &ours)),
        ("changed on the way", turned.into()),
        ("cut off", seal(Kind::Batch, &good, &ours).slice(..70)),
        ("empty", Bytes::new()),
        ("no JSON", seal(Kind::Batch, b"{", &ours)),
        ("of an older history", seal(Kind::Batch, &batch(0, 2).encode().unwrap(), &ours)),
        ("of a newer history", seal(Kind::Batch, &batch(2, 2).encode().unwrap(), &ours)),
    ];
    for (what, sealed) in cases {
        let desk = Desk::new();
        desk.snapshot(1, &[key("key_1", 1)]).await;
        let edge = Edge::follow(&desk);
        edge.reaches(1, 1).await;
        desk.append((2, 0), sealed).await;
        edge.looks(2).await;
        assert!(edge.refused(Refused::Change) > 0, "{what}");
        assert!(edge.has(&key_at("key_1")) && !edge.has(&key_at("key_bad")), "{what}");
        assert_eq!(edge.replica.position().sequence, 1, "{what}");
        desk.change(1, 3, &[key("key_3", 3)]).await;
        edge.reaches(1, 3).await;
        assert!(edge.has(&key_at("key_1")) && !edge.has(&key_at("key_bad")), "{what}");
    }
}
