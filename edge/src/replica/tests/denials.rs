//! Rights taken away: when a denial acts, when it ends, and what happens before the position moves.

use bytes::Bytes;
use common::bus::Outlet as _;
use common::wire::Position;
use common::wire::v1::Batch;

use super::followed::{Desk, Edge};
use super::world::{
    application, customer, customer_at, digest, entry, for_newer_readers, gone, key, key_at, key_of,
};
use crate::replica::feed::Refused;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[tokio::test]
async fn denials_act_before_the_change_and_the_position_moves_after_the_observer_was_told() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let watched = [key_at("key_1"), key_at("key_2")];
    let edge = Edge::follow_in(&desk, tempfile::tempdir().unwrap(), &watched);
    edge.reaches(1, 1).await;
    // Everything of one write in one read.
    desk.deny(2, &texts(&["key:key_1"])).await;
    desk.change(1, 2, &[gone(key_at("key_1")), key("key_2", 2)]).await;
    edge.reaches(1, 2).await;
    let told = edge.told();
    let [first, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!((first.position, &first.changed), (Position::default(), &None));
    assert_eq!(second.position, Position { epoch: 1, sequence: 1 }, "not yet moved");
    assert_eq!(second.denied, [key_at("key_1")], "still denied while caches are told");
    assert_eq!(second.recorded, [key_at("key_2")], "already committed");
    let changed = second.changed.clone().unwrap();
    assert_eq!(changed.addresses, watched);
    assert_eq!(changed.digests, [digest(1), digest(2)]);
    assert!(!edge.replica.has_denials(), "the record tells the whole truth again");
}

#[tokio::test]
async fn denials_last_through_the_telling_of_a_snapshot() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow_in(&desk, tempfile::tempdir().unwrap(), &[key_at("key_1")]);
    edge.reaches(1, 1).await;
    desk.deny(2, &texts(&["key:key_1"])).await;
    edge.asks_after_denial(2).await;
    desk.snapshot(3, &[key("key_2", 2)]).await;
    edge.reaches(1, 3).await;
    let told = edge.told();
    assert_eq!(told.last().unwrap().denied, [key_at("key_1")], "until the caches hold the new truth");
    assert!(!edge.replica.has_denials());
}

#[tokio::test]
async fn a_head_of_nobodys_does_not_keep_an_edge_from_denials_and_changes() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1), key("key_2", 2)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let foreign = Position { epoch: 1, sequence: u64::MAX };
    desk.bus.put_head(foreign, Bytes::from_static(b"junk of whoever can write to the bus")).await.unwrap();
    edge.looks(2).await;
    desk.deny(3, &texts(&["key:key_1"])).await;
    desk.change(1, 2, &[gone(key_at("key_2"))]).await;
    edge.reaches(1, 2).await;
    assert!(edge.replica.is_denied(&key_at("key_1")));
}

#[tokio::test]
async fn a_denial_lasts_until_a_record_of_the_same_or_a_later_write() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1), customer(|_| ())]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let denied = || (edge.replica.is_denied(&key_at("key_1")), edge.replica.is_denied(&customer_at()));
    desk.deny(4, &[key_at("key_1").to_string(), customer_at().to_string()]).await;
    edge.asks_after_denial(4).await;
    assert_eq!(denied(), (true, true));
    desk.change(1, 3, &[key("key_1", 1)]).await;
    edge.reaches(1, 3).await;
    assert_eq!(denied(), (true, true), "an older record says nothing about the denial");
    desk.change(3, 4, &[key("key_1", 1)]).await;
    edge.reaches(1, 4).await;
    assert_eq!(denied(), (false, true));
    desk.change(4, 9, &[customer(|_| ())]).await;
    edge.reaches(1, 9).await;
    assert_eq!(denied(), (false, false));
}

#[tokio::test]
async fn denials_that_nobody_signed_or_of_another_history_deny_nothing() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let stranger = Desk { key: ed25519_dalek::SigningKey::from_bytes(&[9; 32]), ..Desk::new() };
    Desk { bus: desk.bus.clone(), ..stranger }.deny(2, &texts(&["key:key_1"])).await;
    edge.looks(2).await;
    assert!(edge.refused(Refused::Denials) > 0 && !edge.replica.has_denials());
}

#[tokio::test]
async fn kinds_of_address_that_this_edge_does_not_know_spoil_nothing() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.deny(2, &texts(&["door:1", "", "key:a/b", "key:key_1", "session:x"])).await;
    edge.asks_after_denial(2).await;
    assert!(edge.replica.is_denied(&key_at("key_1")));
    let mut strange = entry(2, &key("key_2", 2));
    strange.address = "door:1".to_owned();
    let entries = vec![strange, entry(2, &key("key_3", 3))];
    desk.batch(Batch { epoch: 1, previous: 1, sequence: 2, part: 0, parts: 1, entries }).await;
    edge.reaches(1, 2).await;
    assert!(edge.has(&key_at("key_3")));
}

#[tokio::test]
async fn a_record_that_needs_a_newer_reader_denies_its_address_and_no_other() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1), application("my-app", true), customer(|_| ())]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    let app = application("my-app", true);
    let entries = [key("key_1", 1), app.clone(), customer(|_| ())];
    let mut entries: Vec<_> = entries.iter().map(|row| for_newer_readers(entry(2, row))).collect();
    entries.push(entry(2, &key("key_2", 2)));
    desk.batch(Batch { epoch: 1, previous: 1, sequence: 2, part: 0, parts: 1, entries }).await;
    edge.reaches(1, 2).await;
    for address in [key_at("key_1"), customer_at(), app.0] {
        assert_eq!(edge.replica.record(&address).unwrap(), None, "{address}: absence denies");
    }
    assert_eq!(key_of(&edge.replica, 1), None);
    assert!(edge.has(&key_at("key_2")));
    let changed = edge.told().last().unwrap().changed.clone().unwrap();
    assert!(changed.digests.contains(&digest(1)), "whoever holds it ready must hear of it");
    // And the other way round: the next write can be read again.
    desk.change(2, 3, &[key("key_1", 1)]).await;
    edge.reaches(1, 3).await;
    assert_eq!(key_of(&edge.replica, 1), Some("key_1".parse().unwrap()));
}

#[tokio::test]
async fn a_rotated_key_is_found_by_its_new_secret_alone() {
    let desk = Desk::new();
    desk.snapshot(1, &[key("key_1", 1)]).await;
    let edge = Edge::follow(&desk);
    edge.reaches(1, 1).await;
    desk.change(1, 2, &[key("key_1", 2)]).await;
    edge.reaches(1, 2).await;
    assert_eq!(key_of(&edge.replica, 1), None);
    assert_eq!(key_of(&edge.replica, 2), Some("key_1".parse().unwrap()));
    assert!(edge.replica.may_hold(&digest(2)));
    let digests = edge.told().last().unwrap().changed.clone().unwrap().digests;
    assert_eq!(digests, [digest(1), digest(2)]);
}
