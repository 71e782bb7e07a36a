//! Tokens of sessions: judged as their key would be, until their time is over or they are revoked.

use common::key::Holder;
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::scope::Scopes;
use common::session::{Claims, Revoked};
use common::time::Timestamp;
use common::wire::address::Address;
use common::wire::v1::Record;

use super::{HERE, House, NOW, SERVE, arrival, ask_of, listing, reason, session_keys, text};
use crate::replica::tests::world::{
    Row, World, customer, digest, entry, for_newer_readers, gone, key_at, key_row, rotated, tenant,
};

const HOUR: i64 = 3_600_000;

/// The token of a session of `key_1`, opened by the secret of that seed, that lives until then.
fn token(session: &str, seed: u64, until: i64) -> String {
    let holder = Holder::new("key_1".parse().unwrap(), &digest(seed));
    let at = Timestamp::from_millis;
    let claims = Claims::new(session.parse().unwrap(), holder, at(NOW - HOUR), at(until));
    claims.seal(&session_keys()).unwrap().expose().to_owned()
}

fn session_at(id: &str) -> Address {
    Address::Session(id.parse().unwrap())
}

fn revoked(id: &str) -> Row {
    let at = Timestamp::from_millis;
    let session = Revoked { id: id.parse().unwrap(), revoked_at: at(NOW), expires_at: at(NOW + HOUR) };
    (session_at(id), Some(Record::Session(session)))
}

#[test]
fn a_token_is_admitted_as_its_key_would_be_and_spends_its_keys_minute() {
    let limited = |k: &mut common::policy::KeyPolicy| k.rate_limit = RequestsPerMinute::new(2);
    let house = House::of(World::furnished(&[key_row("key_1", 1, limited)]), SERVE);
    let token = token("ses_1", 1, NOW + HOUR);
    assert_eq!(reason(house.admit(&listing(&token))), "admitted");
    assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted");
    assert_eq!(reason(house.admit(&listing(&token))), "rate_limited");
    let changes: [(Row, &str); 9] = [
        (key_row("key_1", 1, |k| k.is_enabled = false), "key_disabled"),
        (key_row("key_1", 1, |k| k.expires_at = Some(Timestamp::from_millis(NOW))), "key_expired"),
        (key_row("key_1", 1, |k| k.allowlist = Allowlist::parse(["10.0.0.0/8"]).unwrap()), "ip_not_allowed"),
        (key_row("key_1", 1, |k| k.scopes = Scopes::preset("publisher").unwrap()), "scope_missing"),
        (key_row("key_1", 1, |k| k.is_deleted = true), "key_deleted"),
        (key_row("key_1", 99, |_| ()), "key_unknown"),
        (gone(key_at("key_1")), "key_unknown"),
        (customer(|c| c.is_active = false), "customer_inactive"),
        (tenant(false), "tenant_inactive"),
    ];
    for (row, expected) in changes {
        let mut house = House::of(World::furnished(&[]), SERVE);
        assert_eq!(reason(house.admit(&listing(&token))), "admitted");
        house.keyring.refresh(&house.world.write(&[row]));
        assert_eq!(reason(house.admit(&listing(&token))), expected);
    }
}

#[test]
fn a_token_ends_at_its_last_instant_and_is_nothing_when_a_character_differs() {
    let house = House::of(World::furnished(&[]), SERVE);
    let verdict = |token: &str| reason(house.admit(&listing(token)));
    assert_eq!(verdict(&token("ses_1", 1, NOW + 1)), "admitted");
    assert_eq!(verdict(&token("ses_1", 1, NOW)), "session_expired");
    let mut altered = token("ses_1", 1, NOW + HOUR);
    altered.pop();
    assert_eq!(verdict(&altered), "session_unknown");
    assert_eq!(verdict("tg_ses_"), "session_unknown");
    assert_eq!(verdict("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."), "key_unknown");
    let named = format!("14632221-b1b6-4eec-844a-39f60c7f1523.{}", token("ses_1", 1, NOW + HOUR));
    assert_eq!(verdict(&named), "key_malformed", "a token has nothing before it");
}

#[test]
fn a_revoked_session_is_dead_by_its_denial_and_then_by_its_record_and_no_other_is() {
    let mut house = House::of(World::furnished(&[]), SERVE);
    let (first, second) = (token("ses_1", 1, NOW + HOUR), token("ses_2", 1, NOW + HOUR));
    house.world.deny(&[session_at("ses_1")]);
    assert_eq!(reason(house.admit(&listing(&first))), "session_revoked");
    assert_eq!(reason(house.admit(&listing(&second))), "admitted");
    house.keyring.refresh(&house.world.write(&[revoked("ses_2")]));
    assert_eq!(reason(house.admit(&listing(&second))), "session_revoked");
    // A record that only newer edges understand is still the record of an end.
    let strange = for_newer_readers(entry(9, &revoked("ses_3")));
    house.world.write_entries(vec![strange]);
    let third = token("ses_3", 1, NOW + HOUR);
    assert_eq!(reason(house.admit(&listing(&third))), "session_revoked");
    house.world.write_entries(vec![entry(10, &gone(session_at("ses_3")))]);
    assert_eq!(reason(house.admit(&listing(&third))), "admitted", "swept, when its time is over anyway");
}

#[test]
fn a_session_of_the_old_secret_ends_with_it() {
    let until = Timestamp::from_millis(NOW + 1);
    let house = House::of(World::furnished(&[rotated("key_1", 2, 1, until)]), SERVE);
    let at = |token: &str, millis: i64| {
        let mut arrival = arrival(HERE, 0);
        arrival.at = Timestamp::from_millis(millis);
        reason(house.admit(&ask_of("GET", "/v1/applications", token, arrival)))
    };
    let (old, new) = (token("ses_1", 1, NOW + HOUR), token("ses_2", 2, NOW + HOUR));
    assert_eq!((at(&old, NOW), at(&new, NOW)), ("admitted", "admitted"));
    assert_eq!((at(&old, NOW + 1), at(&new, NOW + 1)), ("key_expired", "admitted"));
    assert_eq!((at(&text(1), NOW), at(&text(1), NOW + 1)), ("admitted", "key_expired"));
}
