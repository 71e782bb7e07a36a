//! The snapshot: when it replaces what is there, and when everything stays as it was.

use common::bus::Outlet as _;
use common::digest::Digest;
use common::wire::Position;
use common::wire::v1::Head;
use common::wire::v1::bucket;

use super::followed::{Desk, Edge};
use super::world::{customer, customer_at, entry, key, key_at, key_of};

#[tokio::test]
async fn an_emptied_bus_leaves_everything_in_force() {
    let mut desk = Desk::new();
    desk.snapshot(5, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 5).await;
    let directory = edge.end().await;
    desk.bus = common::bus::local::LocalBus::new();
    let edge = Edge::follow_in(&desk, directory, &[]);
    edge.looks(3).await;
    assert!(edge.has(&key_at("key_1")));
    assert_eq!(edge.replica.position(), Position { epoch: 1, sequence: 5 });
    // Filled again, it is followed again.
    desk.change(5, 6, &[key("key_2", 2)]).await;
    desk.snapshot(5, &[key("key_1", 1)]).await;
    edge.reaches(1, 6).await;
}

#[tokio::test]
async fn a_rolled_back_head_changes_nothing() {
    for (epoch, sequence) in [(2, 4), (1, 900)] {
        let mut desk = Desk::new();
        desk.epoch = 2;
        desk.snapshot(5, &[key("key_1", 1)]).await;
        let edge = Edge::follow(&desk);
        edge.reaches(2, 5).await;
        let fresh = edge.replica.head_issued_at();
        let directory = edge.end().await;
        // Whoever holds the bus lays an old state down.
        let mut old = Desk::new();
        old.epoch = epoch;
        old.snapshot(sequence, &[key("key_old", 9)]).await;
        old.change(sequence, sequence + 1, &[key("key_old", 9)]).await;
        let edge = Edge::follow_in(&old, directory, &[]);
        edge.looks(2).await;
        assert!(edge.has(&key_at("key_1")) && !edge.has(&key_at("key_old")), "{epoch}.{sequence}");
        assert_eq!(edge.replica.position(), Position { epoch: 2, sequence: 5 });
        assert_eq!(edge.replica.head_issued_at(), fresh);
    }
}

#[tokio::test]
async fn a_new_epoch_replaces_everything_also_with_a_lower_sequence() {
    let mut desk = Desk::new();
    desk.snapshot(900, &[key("key_1", 1), customer(|_| ())]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 900).await;
    desk.deny(901, &["key:key_1".to_owned()]).await;
    edge.asks_after_denial(901).await;
    // Restored from a backup: the new history says itself who is denied in it.
    desk.epoch = 2;
    desk.snapshot(3, &[key("key_1", 1)]).await;
    edge.reaches(2, 3).await;
    assert!(!edge.has(&customer_at()));
    assert!(!edge.replica.is_denied(&key_at("key_1")), "a denial of the old history");
    desk.change(3, 4, &[key("key_4", 4)]).await;
    edge.reaches(2, 4).await;
    assert!(edge.has(&key_at("key_4")));
}

#[tokio::test]
async fn a_snapshot_that_is_not_whole_leaves_all_as_it_was() {
    let desk = Desk::new();
    let rows = [key("key_2", 2), key("key_3", 3)];
    let (whole, packed) = desk.packed(7, &rows);
    let other = bucket::pack(&[entry(7, &key("key_9", 9))]).unwrap().1;
    let missing = Digest::of(b"nothing lies there");
    let with =
        |buckets: &[(u8, Digest)]| Head { buckets: buckets.iter().copied().collect(), ..whole.clone() };
    let name = whole.buckets[&0];
    let cases = [
        ("a bucket is missing", with(&[(0, name), (1, missing)]), packed.clone()),
        ("the first is missing", with(&[(0, missing), (1, name)]), packed.clone()),
        ("other bytes", whole.clone(), other),
        ("cut off", whole.clone(), packed.slice(..packed.len() / 2)),
        ("too few records", Head { records: 3, ..whole.clone() }, packed.clone()),
        ("too many records", Head { records: 1, ..whole.clone() }, packed.clone()),
        ("no buckets", with(&[]), packed.clone()),
    ];
    for (what, head, bytes) in cases {
        let desk = Desk::new();
        desk.snapshot(5, &[key("key_1", 1)]).await;
        let edge = Edge::follow(&desk);
        edge.reaches(1, 5).await;
        let fresh = edge.replica.head_issued_at();
        desk.bus.put_bucket(&name, bytes).await.unwrap();
        desk.put_head(&head).await;
        edge.looks(4).await;
        assert!(edge.has(&key_at("key_1")) && !edge.has(&key_at("key_2")), "{what}");
        assert_eq!(key_of(&edge.replica, 1), Some("key_1".parse().unwrap()), "{what}");
        assert_eq!(edge.replica.position(), Position { epoch: 1, sequence: 5 }, "{what}");
        assert_eq!(edge.replica.head_issued_at(), fresh, "{what}: it does not keep up with that head");
        // The publisher repairs it.
        desk.snapshot(8, &rows).await;
        edge.reaches(1, 8).await;
        assert!(!edge.has(&key_at("key_1")) && edge.has(&key_at("key_2")), "{what}");
        assert_eq!(key_of(&edge.replica, 1), None, "{what}");
    }
}

#[tokio::test]
async fn a_snapshot_without_records_is_a_snapshot() {
    let desk = Desk::new();
    desk.snapshot(5, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 5).await;
    let (head, _) = desk.packed(6, &[]);
    desk.put_head(&Head { buckets: [].into(), ..head }).await;
    edge.reaches(1, 6).await;
    assert!(!edge.has(&key_at("key_1")));
    desk.change(6, 7, &[key("key_2", 2)]).await;
    edge.reaches(1, 7).await;
}
