//! The keyring over a replica that tests write by hand.

mod model;
mod races;

use std::sync::Arc;

use common::time::Timestamp;
use common::wire::address::Address;

use crate::keyring::{Holder, KeyEntry, Keyring};
use crate::replica::tests::world::{
    World, customer, customer_at, digest, entry, for_newer_readers, gone, key, key_at, key_row, rotated,
    tenant, tenant_id, tier,
};

fn keyring(world: &World) -> Keyring {
    Keyring::new(world.replica.clone(), 100)
}

fn find(keyring: &Keyring, seed: u64) -> Option<Arc<KeyEntry>> {
    keyring.find(&digest(seed)).unwrap()
}

fn holder(id: &str, seed: u64) -> Holder {
    Holder::new(id.parse().unwrap(), &digest(seed))
}

fn is_active(entry: &KeyEntry) -> Option<bool> {
    entry.customer.as_ref().unwrap().load().as_ref().map(|customer| customer.is_active)
}

#[test]
fn a_key_is_found_by_its_digest_and_joined_with_tenant_tiers_and_customer() {
    let world = World::furnished(&[]);
    let keyring = keyring(&world);
    let entry = find(&keyring, 1).unwrap();
    assert_eq!(entry.policy.id.as_str(), "key_1");
    assert_eq!(is_active(&entry), Some(true));
    let facts = entry.tenant.load_full().unwrap();
    assert!(facts.policy.is_active && facts.tier(&"Premium".parse().unwrap()).is_some());
    assert!(find(&keyring, 2).is_none());
    assert!(keyring.find_held(&holder("key_1", 1)).unwrap().is_some());
    assert!(keyring.find_held(&holder("key_2", 1)).unwrap().is_none());
}

#[test]
fn what_is_not_told_to_the_keyring_it_does_not_know_and_what_is_it_obeys() {
    let mut world = World::furnished(&[]);
    let keyring = keyring(&world);
    assert!(find(&keyring, 1).unwrap().policy.is_enabled);
    let changed = world.write(&[key_row("key_1", 1, |k| k.is_enabled = false)]);
    assert!(find(&keyring, 1).unwrap().policy.is_enabled, "held ready: the feed has to tell");
    keyring.refresh(&changed);
    assert!(!find(&keyring, 1).unwrap().policy.is_enabled);
    let changed = world.write(&[key("key_1", 2)]);
    keyring.refresh(&changed);
    assert!(find(&keyring, 1).is_none(), "rotated: the old secret is no key");
    assert_eq!(find(&keyring, 2).unwrap().policy.id.as_str(), "key_1");
    keyring.refresh(&world.write(&[gone(key_at("key_1"))]));
    assert!(find(&keyring, 2).is_none() && find(&keyring, 1).is_none());
    keyring.refresh(&world.write(&[key("key_1", 1)]));
    assert!(find(&keyring, 1).is_some(), "absence is not remembered");
}

#[test]
fn during_an_overlap_a_key_is_found_by_both_secrets_and_by_the_old_one_it_ends_with_that() {
    let mut world = World::furnished(&[]);
    let keyring = keyring(&world);
    assert!(find(&keyring, 1).is_some() && find(&keyring, 2).is_none());
    let until = Timestamp::from_millis(500);
    let changed = world.write(&[rotated("key_1", 2, 1, until)]);
    assert_eq!(changed.digests, [digest(1), digest(2), digest(1)], "before and after");
    keyring.refresh(&changed);
    let ends = |seed| find(&keyring, seed).map(|entry| (entry.holder(), entry.policy.expires_at));
    assert_eq!(ends(1), Some((holder("key_1", 1), Some(until))));
    assert_eq!(ends(2), Some((holder("key_1", 2), None)));
    assert!(keyring.find_held(&holder("key_1", 1)).unwrap().unwrap().policy.expires_at.is_some());
    // Rotated again: a key has two secrets at most.
    keyring.refresh(&world.write(&[rotated("key_1", 3, 2, until)]));
    assert!(find(&keyring, 1).is_none() && keyring.find_held(&holder("key_1", 1)).unwrap().is_none());
    assert_eq!(ends(2), Some((holder("key_1", 2), Some(until))));
    keyring.refresh(&world.write(&[key("key_1", 4)]));
    assert!(find(&keyring, 2).is_none() && find(&keyring, 3).is_none() && find(&keyring, 4).is_some());
}

#[test]
fn a_secret_that_moves_to_another_key_is_found_there() {
    let mut world = World::furnished(&[]);
    let keyring = keyring(&world);
    assert_eq!(find(&keyring, 1).unwrap().policy.id.as_str(), "key_1");
    keyring.refresh(&world.write(&[gone(key_at("key_1")), key("key_2", 1)]));
    assert_eq!(find(&keyring, 1).unwrap().policy.id.as_str(), "key_2");
}

#[test]
fn a_record_that_cannot_be_read_is_not_alive() {
    let mut world = World::furnished(&[]);
    let keyring = keyring(&world);
    let held = find(&keyring, 1).unwrap();
    let rows = [tenant(true), customer(|_| ()), key("key_1", 1)];
    let entries = rows.iter().map(|row| for_newer_readers(entry(9, row))).collect();
    keyring.refresh(&world.write_entries(entries));
    assert!(find(&keyring, 1).is_none());
    assert!(keyring.find_held(&holder("key_1", 1)).unwrap().is_none());
    assert!(held.tenant.load().is_none() && is_active(&held).is_none(), "also for who holds the entry");
}

#[test]
fn a_change_of_the_customer_reaches_all_its_keys_through_one_cell() {
    let mut world = World::furnished(&[key("key_2", 2), key("key_3", 3)]);
    let keyring = keyring(&world);
    let (first, second) = (find(&keyring, 1).unwrap(), find(&keyring, 2).unwrap());
    assert!(Arc::ptr_eq(first.customer.as_ref().unwrap(), second.customer.as_ref().unwrap()));
    let changed = world.write(&[customer(|c| c.is_active = false)]);
    assert_eq!(changed.addresses, [customer_at()]);
    assert!(changed.digests.is_empty(), "no key is touched");
    keyring.refresh(&changed);
    assert_eq!((is_active(&first), is_active(&second)), (Some(false), Some(false)));
    assert_eq!(is_active(&find(&keyring, 3).unwrap()), Some(false), "who comes later joins the same cell");
    keyring.refresh(&world.write(&[gone(customer_at())]));
    assert_eq!(is_active(&first), None);
    keyring.refresh(&world.write(&[customer(|_| ())]));
    assert_eq!(is_active(&second), Some(true));
}

#[test]
fn a_change_of_tenant_or_tier_reaches_every_key_of_the_tenant() {
    let mut world = World::furnished(&[]);
    let keyring = keyring(&world);
    let held = find(&keyring, 1).unwrap();
    let rank = || {
        let facts = held.tenant.load_full();
        facts.map(|facts| (facts.policy.is_active, facts.tier(&"Basic".parse().unwrap()).map(|t| t.rank)))
    };
    assert_eq!(rank(), Some((true, Some(10))));
    keyring.refresh(&world.write(&[tier("Basic", 15, 1)]));
    assert_eq!(rank(), Some((true, Some(15))));
    keyring.refresh(&world.write(&[tenant(false)]));
    assert_eq!(rank(), Some((false, Some(15))));
    keyring.refresh(&world.write(&[gone(Address::Tenant(tenant_id()))]));
    assert_eq!(rank(), None);
}

#[test]
fn a_replaced_replica_is_taken_over_whole() {
    let mut world = World::furnished(&[key("key_2", 2)]);
    let keyring = keyring(&world);
    let held = find(&keyring, 1).unwrap();
    assert!(find(&keyring, 2).is_some());
    // Nothing of this is told one by one.
    world.write(&[gone(key_at("key_1")), key("key_2", 3), customer(|c| c.is_active = false)]);
    keyring.refresh_all();
    assert!(find(&keyring, 1).is_none() && find(&keyring, 2).is_none());
    assert_eq!(is_active(&find(&keyring, 3).unwrap()), Some(false));
    assert_eq!(is_active(&held), Some(false));
}
