//! What a key may ask in a minute, and what an address may get wrong in a second.

use std::time::Duration;

use common::limit::RequestsPerMinute;
use common::policy::KeyPolicy;

use super::{HERE, House, SERVE, arrival, ask_of, listing, reason, text, wait_of};
use crate::error::{Failure, Refusal};
use crate::replica::tests::world::{World, customer, key_row, secret, tier};

fn limited(most: u32) -> impl Fn(&mut KeyPolicy) {
    move |key| key.rate_limit = RequestsPerMinute::new(most)
}

fn house(most: u32) -> House {
    House::of(World::furnished(&[key_row("key_1", 1, limited(most))]), SERVE)
}

fn ask_at(tick_millis: u64) -> crate::request::Ask {
    ask_of("GET", "/v1/applications", &text(1), arrival(HERE, tick_millis))
}

fn remaining(house: &House, tick_millis: u64) -> Option<(u32, u32)> {
    let standing = match house.admit(&ask_at(tick_millis)) {
        Ok(permit) => permit.standing(),
        Err(turned) => turned.standing,
    };
    standing.map(|standing| (standing.limit, standing.remaining))
}

#[test]
fn a_minute_is_carried_over_when_the_entry_of_the_key_is_loaded_again() {
    let mut house = house(3);
    assert_eq!(remaining(&house, 0), Some((3, 2)));
    house.keyring.refresh(&house.world.write(&[key_row("key_1", 1, limited(3))]));
    assert_eq!(remaining(&house, 0), Some((3, 1)));
    house.keyring.refresh_all();
    assert_eq!(remaining(&house, 0), Some((3, 0)));
    // A new secret of the same key has no new minute.
    house.keyring.refresh(&house.world.write(&[key_row("key_1", 2, limited(3))]));
    assert_eq!(reason(house.admit(&listing(&text(2)))), "rate_limited");
}

#[test]
fn a_minute_is_carried_over_when_the_limit_changes() {
    let mut house = house(3);
    for _ in 0..3 {
        house.admit(&ask_at(0)).unwrap();
    }
    house.keyring.refresh(&house.world.write(&[key_row("key_1", 1, limited(5))]));
    assert_eq!(remaining(&house, 10), Some((5, 1)));
    house.keyring.refresh(&house.world.write(&[key_row("key_1", 1, limited(2))]));
    assert_eq!(remaining(&house, 20), Some((2, 0)));
    // Sweeping forgets only what no longer counts.
    house.gate.sweep(Duration::from_secs(30));
    assert_eq!(reason(house.admit(&ask_at(30_000))), "rate_limited");
    house.gate.sweep(Duration::from_secs(61));
    assert_eq!(remaining(&house, 61_000), Some((2, 1)));
}

#[test]
fn a_limit_comes_from_the_key_else_from_the_tier_and_never_from_an_unknown_tier() {
    let tiers = [tier("Basic", 10, 7), tier("Enterprise", 30, 0)];
    for (tier, own, expected) in [
        ("Basic", None, Some(7)),
        ("Basic", Some(9), Some(9)),
        ("Enterprise", None, None),
        ("Enterprise", Some(9), Some(9)),
        ("Unheard-of", None, Some(100)),
    ] {
        let mut rows = tiers.to_vec();
        rows.push(customer(|c| c.tier = tier.parse().unwrap()));
        rows.push(key_row("key_1", 1, |k| k.rate_limit = own.and_then(RequestsPerMinute::new)));
        let house = House::of(World::furnished(&rows), SERVE);
        assert_eq!(remaining(&house, 0).map(|(limit, _)| limit), expected, "{tier} {own:?}");
    }
}

#[test]
fn who_is_turned_away_is_told_when_to_come_back_and_may_then() {
    let house = house(1);
    house.admit(&ask_at(0)).unwrap();
    let wait = wait_of(house.admit(&ask_at(0))).unwrap();
    assert!((60_000..=61_250).contains(&wait.as_millis()), "{wait:?}");
    assert_eq!(reason(house.admit(&ask_at(wait.as_millis().try_into().unwrap()))), "admitted");
}

#[test]
fn a_refusal_for_scope_spends_the_minute_and_one_before_it_does_not() {
    let house = house(2);
    let elsewhere = ask_of("GET", "/v1/management/customers", &text(1), arrival(HERE, 0));
    assert_eq!(reason(house.admit(&elsewhere)), "admin_key_required");
    let owner = listing(&format!("cust_9.{}", secret(1).expose()));
    for _ in 0..5 {
        assert_eq!(reason(house.admit(&owner)), "key_unknown");
    }
    assert_eq!(remaining(&house, 0), Some((2, 0)));
}

/// Tries a wrong key from `address` until it is throttled; how often it was told 401 before.
fn failures_until_throttled(house: &House, address: &str) -> u32 {
    for told in 0..1_000 {
        let ask = ask_of("GET", "/v1/applications", &text(404), arrival(address, 0));
        match house.admit(&ask).map_err(|turned| turned.failure) {
            Err(Failure::Refused(Refusal::AuthThrottled)) => return told,
            Err(Failure::Refused(refusal)) => assert_eq!(refusal.reason(), "key_unknown"),
            other => panic!("{other:?}"),
        }
    }
    panic!("never throttled");
}

#[test]
fn failures_are_throttled_by_their_address_and_nobody_else_is() {
    let house = house(1_000);
    // A slow machine gains one every tenth of a second.
    assert!((10..100).contains(&failures_until_throttled(&house, HERE)));
    assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted", "a valid key from the same address");
    assert!(failures_until_throttled(&house, "203.0.113.10") >= 10, "another address");
    assert!(failures_until_throttled(&house, "2001:db8:0:1::1") >= 10);
    assert!(failures_until_throttled(&house, "2001:db8:0:1:ffff::2") < 10, "the same /64");
    assert!(failures_until_throttled(&house, "2001:db8:0:2::1") >= 10, "another /64");
    assert!(failures_until_throttled(&house, "::ffff:203.0.113.9") < 10, "the first, as v6");
}

#[test]
fn every_401_for_a_key_counts_as_a_failure_and_no_403_does() {
    type Spoil = fn(&mut KeyPolicy);
    let cases: [(Spoil, bool); 3] = [
        (|k| k.is_enabled = false, true),
        (|k| k.expires_at = Some(common::time::Timestamp::from_millis(0)), true),
        (|k| k.allowlist = common::network::Allowlist::parse(["10.0.0.0/8"]).unwrap(), false),
    ];
    for (spoil, counts) in cases {
        let house = House::of(World::furnished(&[key_row("key_1", 1, spoil)]), SERVE);
        let throttled = (0..100).any(|_| reason(house.admit(&listing(&text(1)))) == "auth_throttled");
        assert_eq!(throttled, counts);
    }
}
