//! What is there again after a restart, and what becomes of a file that is not.

use common::time::Timestamp;
use common::wire::Position;
use tempfile::TempDir;

use super::followed::{Desk, Edge};
use super::world::{digest, gone, key, key_at, key_of};
use crate::replica::{Replica, ReplicaFault};

/// A directory that a replica of two keys, at position 1.2, was left in.
async fn left_behind(desk: &Desk) -> TempDir {
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(desk);
    edge.reaches(1, 1).await;
    desk.change(1, 2, &[key("key_2", 2)]).await;
    edge.reaches(1, 2).await;
    edge.end().await
}

#[tokio::test]
async fn records_open_denials_and_position_are_there_after_a_restart() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1), key("key_2", 2)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.deny(3, &["key:key_1".to_owned(), "door:9".to_owned()]).await;
    edge.asks_after_denial(3).await;
    let directory = edge.end().await;
    // Nobody to ask.
    let replica = Replica::open(directory.path()).unwrap();
    assert_eq!(replica.position(), Position { epoch: 1, sequence: 1 });
    assert!(replica.is_usable());
    assert_eq!(replica.head_issued_at(), Timestamp::from_millis(60_000));
    assert!(replica.record(&key_at("key_2")).unwrap().is_some());
    assert!(replica.may_hold(&digest(2)));
    assert_eq!(key_of(&replica, 2), Some("key_2".parse().unwrap()));
    assert!(replica.is_denied(&key_at("key_1")) && !replica.is_denied(&key_at("key_2")));
    drop(replica);
    // A snapshot that is older than the denial keeps it, on disk too.
    desk.snapshot(2, &[key("key_1", 1)]).await;
    let edge = Edge::follow_in(&desk, directory, &[]);
    edge.reaches(1, 2).await;
    let directory = edge.end().await;
    assert!(Replica::open(directory.path()).unwrap().is_denied(&key_at("key_1")));
    // The record that follows ends it, on disk too.
    desk.change(2, 3, &[key("key_1", 1)]).await;
    let edge = Edge::follow_in(&desk, directory, &[]);
    edge.reaches(1, 3).await;
    let directory = edge.end().await;
    assert!(!Replica::open(directory.path()).unwrap().has_denials());
}

#[tokio::test]
async fn following_goes_on_where_it_ended() {
    let desk = Desk::new();
    let directory = left_behind(&desk).await;
    desk.change(2, 3, &[key("key_3", 3)]).await;
    let edge = Edge::follow_in(&desk, directory, &[]);
    edge.reaches(1, 3).await;
    assert!(edge.told().iter().all(|told| told.changed.is_some()), "no full read");
    assert!(["key_1", "key_2", "key_3"].iter().all(|id| edge.has(&key_at(id))));
}

#[tokio::test]
async fn a_damaged_file_is_put_aside_and_built_again() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 7] = [
        ("no database", |bytes| *bytes = b"this is no database at all".to_vec()),
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("cut to a page", |bytes| bytes.truncate(4096)),
        ("empty", Vec::clear),
        ("a header of zeros", |bytes| bytes[..512].fill(0)),
        ("all pages overwritten", |bytes| bytes[4096..].fill(0xa5)),
        ("one bit of one record", |bytes| {
            let at = bytes.windows(9).position(|window| window == b"isEnabled").unwrap();
            bytes[at] ^= 1;
        }),
    ];
    for (what, damage) in damages {
        let desk = Desk::new();
        let directory = left_behind(&desk).await;
        let path = directory.path().join("replica.redb");
        let mut bytes = std::fs::read(&path).unwrap();
        damage(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let edge = Edge::follow_in(&desk, directory, &[]);
        edge.reaches(1, 2).await;
        assert!(edge.has(&key_at("key_1")) && edge.has(&key_at("key_2")), "{what}");
        assert_eq!(key_of(&edge.replica, 2), Some("key_2".parse().unwrap()), "{what}");
    }
}

#[tokio::test]
async fn a_file_that_breaks_while_it_is_used_is_built_again_in_another() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let path = edge.directory().join("replica.redb");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    // What the first read of a page that is not in memory comes to.
    let fault = ReplicaFault::from(redb::StorageError::Corrupted("a page".to_owned()));
    assert!(edge.replica.seen::<()>(Err(fault)).is_err());
    desk.change(1, 2, &[gone(key_at("key_1")), key("key_2", 2)]).await;
    desk.snapshot(2, &[key("key_2", 2)]).await;
    desk.change(2, 3, &[key("key_3", 3)]).await;
    edge.reaches(1, 3).await;
    let there = |edge: &Edge| [1, 2, 3].map(|number| edge.has(&key_at(&format!("key_{number}"))));
    assert_eq!(there(&edge), [false, true, true]);
    let again = Edge::follow_in(&desk, edge.end().await, &[]);
    assert_eq!(again.replica.position().sequence, 3, "what it wrote is what the next start finds");
    assert_eq!(there(&again), [false, true, true]);
}

#[test]
fn a_directory_belongs_to_one_edge() {
    let directory = tempfile::tempdir().unwrap();
    let _replica = Replica::open(directory.path()).unwrap();
    let second = Replica::open(directory.path()).map(|_| ()).unwrap_err();
    assert!(second.to_string().contains("in use"), "{second}");
    assert!(directory.path().join("replica.redb").exists(), "not put aside");
}
