//! Who is refused why, cheapest reason first, each before all that come after it.

use common::key::Kind;
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::policy::KeyPolicy;
use common::scope::Scopes;
use common::tenancy::Tenancy;
use common::time::Timestamp;
use common::wire::address::Address;

use super::{HERE, House, NOW, SERVE, arrival, ask_of, listing, reason, text};
use crate::gate::Staleness;
use crate::keyring::Holder;
use crate::replica::tests::world::{
    Row, World, customer, customer_at, digest, gone, key_at, key_row, secret, tenant, tenant_id,
};

/// What can be wrong at once; each alone leads to the reason beside it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Wrong {
    Malformed,
    Unknown,
    Owner,
    DeniedKey,
    Disabled,
    Expired,
    TenantInactive,
    CustomerInactive,
    Address,
    Minute,
    Scope,
}

const ORDER: [(Wrong, &str); 11] = [
    (Wrong::Malformed, "key_malformed"),
    (Wrong::Unknown, "key_unknown"),
    (Wrong::Owner, "key_unknown"),
    (Wrong::DeniedKey, "key_revoked"),
    (Wrong::Disabled, "key_disabled"),
    (Wrong::Expired, "key_expired"),
    (Wrong::TenantInactive, "tenant_inactive"),
    (Wrong::CustomerInactive, "customer_inactive"),
    (Wrong::Address, "ip_not_allowed"),
    (Wrong::Minute, "rate_limited"),
    (Wrong::Scope, "scope_missing"),
];

/// What a request is answered for which all of this is wrong.
fn check(wrong: &[Wrong], expected: &str) {
    let is = |one| wrong.contains(&one);
    let spoil = |key: &mut KeyPolicy| {
        key.rate_limit = RequestsPerMinute::new(1);
        key.is_enabled = !is(Wrong::Disabled);
        key.expires_at = is(Wrong::Expired).then(|| Timestamp::from_millis(NOW));
    };
    let spoil_late = |key: &mut KeyPolicy| {
        if is(Wrong::Address) {
            key.allowlist = Allowlist::parse(["10.0.0.0/8"]).unwrap();
        }
        if is(Wrong::Scope) {
            key.scopes = Scopes::preset("publisher").unwrap();
        }
    };
    let mut house = House::of(World::furnished(&[key_row("key_1", 1, spoil)]), SERVE);
    if is(Wrong::Minute) {
        // Spent while nothing was wrong.
        house.keyring.refresh(
            &house.world.write(&[key_row("key_1", 1, |k| k.rate_limit = RequestsPerMinute::new(1))]),
        );
        assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted");
    }
    let mut rows: Vec<Row> = vec![
        tenant(!is(Wrong::TenantInactive)),
        customer(|c| c.is_active = !is(Wrong::CustomerInactive)),
        key_row("key_1", 1, |key| {
            spoil(key);
            spoil_late(key);
        }),
    ];
    if is(Wrong::Unknown) {
        rows.push(gone(key_at("key_1")));
    }
    house.keyring.refresh(&house.world.write(&rows));
    if is(Wrong::DeniedKey) {
        house.world.deny(&[key_at("key_1")]);
    }
    let secret = secret(1);
    let mut presented = text(1);
    if is(Wrong::Owner) {
        presented = format!("cust_2.{}", secret.expose());
    }
    if is(Wrong::Malformed) {
        presented.push('x');
    }
    assert_eq!(reason(house.admit(&listing(&presented))), expected, "{wrong:?}");
}

#[test]
fn of_two_reasons_the_earlier_is_told() {
    check(&[], "admitted");
    for (i, (first, expected)) in ORDER.iter().enumerate() {
        check(&[*first], expected);
        for (second, _) in &ORDER[i + 1..] {
            check(&[*first, *second], expected);
        }
    }
    check(&ORDER.map(|(wrong, _)| wrong), "key_malformed");
}

#[test]
fn denials_refuse_before_any_record_changes() {
    let cases = [
        (key_at("key_1"), "key_revoked"),
        (customer_at(), "customer_inactive"),
        (Address::Tenant(tenant_id()), "tenant_inactive"),
        (key_at("key_2"), "admitted"),
    ];
    for (address, expected) in cases {
        let house = House::of(World::furnished(&[]), SERVE);
        assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted");
        house.world.deny(std::slice::from_ref(&address));
        assert_eq!(reason(house.admit(&listing(&text(1)))), expected, "{address}");
        let link = house.gate.admit_link(&holder(1), &listing(""));
        assert_eq!(reason(link), expected, "{address}");
    }
}

#[test]
fn a_key_whose_customer_or_tenant_is_unknown_is_denied() {
    for (row, expected) in [
        (gone(customer_at()), "customer_inactive"),
        (gone(Address::Tenant(tenant_id())), "tenant_inactive"),
        (key_row("key_1", 1, |k| k.customer = None), "customer_inactive"),
        (key_row("key_1", 1, |k| k.customer = Some("cust_2".parse().unwrap())), "customer_inactive"),
    ] {
        let mut house = House::of(World::furnished(&[]), SERVE);
        assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted");
        house.keyring.refresh(&house.world.write(&[row]));
        assert_eq!(reason(house.admit(&listing(&text(1)))), expected);
    }
}

#[test]
fn key_text_may_name_the_tenant_the_customer_or_nobody() {
    let house = House::of(World::furnished(&[]), SERVE);
    let secret = secret(1);
    let secret = secret.expose();
    for (text, expected) in [
        (format!("{}.{secret}", tenant_id()), "admitted"),
        (format!("cust_1.{secret}"), "admitted"),
        (secret.to_owned(), "admitted"),
        (format!("24632221-b1b6-4eec-844a-39f60c7f1523.{secret}"), "key_unknown"),
        (String::new(), "missing_credential"),
    ] {
        assert_eq!(reason(house.admit(&listing(&text))), expected);
    }
}

#[test]
fn a_route_asks_for_its_scope_and_for_an_admin() {
    let admin = |k: &mut KeyPolicy| {
        (k.kind, k.customer, k.scopes) = (Kind::Admin, None, Scopes::full());
    };
    let reader = |k: &mut KeyPolicy| {
        admin(k);
        k.scopes = Scopes::preset("read-only").unwrap();
    };
    let all = |k: &mut KeyPolicy| k.scopes = Scopes::full();
    let world = World::furnished(&[
        key_row("key_2", 2, admin),
        key_row("key_3", 3, reader),
        key_row("key_4", 4, all),
    ]);
    let house = House::of(world, SERVE);
    let (customers, downloads) = ("/v1/management/customers", "/v1/downloads/url");
    for (seed, method, path, expected) in [
        (1, "GET", "/v1/applications", "admitted"),
        (1, "HEAD", downloads, "admitted"),
        (1, "GET", customers, "admin_key_required"),
        (4, "GET", customers, "admin_key_required"),
        (2, "GET", customers, "admitted"),
        (2, "POST", customers, "admitted"),
        (3, "GET", customers, "admitted"),
        (3, "POST", customers, "scope_missing"),
        (3, "GET", downloads, "admitted"),
    ] {
        let ask = ask_of(method, path, &text(seed), arrival(HERE, 0));
        assert_eq!(reason(house.admit(&ask)), expected, "{seed} {method} {path}");
    }
}

#[test]
fn an_edge_without_a_snapshot_admits_nobody_and_a_stale_one_as_its_policy_says() {
    let most = std::time::Duration::from_secs(60);
    for (issued, denies, expected) in [
        (NOW - 60_000, true, "admitted"),
        (NOW - 60_001, true, "edge_not_ready"),
        (NOW - 60_001, false, "admitted"),
        (0, false, "admitted"),
        (NOW + 5_000, true, "admitted"),
    ] {
        let house = House::of(World::furnished(&[]), Staleness { most, denies });
        house.world.fresh_at(Timestamp::from_millis(issued));
        assert_eq!(reason(house.admit(&listing(&text(1)))), expected, "{issued} {denies}");
        let link = house.gate.admit_link(&holder(1), &listing(""));
        assert_eq!(reason(link), expected, "{issued} {denies}");
        assert_eq!(house.gate.serves(Timestamp::from_millis(NOW)), expected == "admitted");
    }
    let directory = tempfile::tempdir().unwrap();
    let replica = std::sync::Arc::new(crate::replica::Replica::open(directory.path()).unwrap());
    let keyring = std::sync::Arc::new(crate::keyring::Keyring::new(replica.clone(), 1));
    let gate = crate::gate::Gate::new(keyring, replica, SERVE);
    assert_eq!(reason(gate.admit(&listing(&text(1)))), "edge_not_ready", "not 401: it does not know");
}

#[test]
fn among_several_tenants_a_bare_secret_is_refused_before_it_is_looked_up() {
    let house = House::of(World::furnished(&[]), SERVE);
    let bare = |seed: u64| secret(seed).expose().to_owned();
    assert_eq!(reason(house.admit(&listing(&bare(1)))), "admitted");
    let house = House { gate: house.gate.with_tenancy(Tenancy::Multi), ..house };
    for (key, expected) in [
        (bare(1), "tenant_required"),
        (bare(77), "tenant_required"),
        ("tg_cus_0000".to_owned(), "key_malformed"),
        (text(77), "key_unknown"),
        (text(1), "admitted"),
    ] {
        assert_eq!(reason(house.admit(&listing(&key))), expected);
    }
    let guesses = || reason(house.admit(&listing(&bare(77))));
    assert!((0..100).any(|_| guesses() == "auth_throttled"), "a guess like any other");
}

/// Who a link was issued to: `key_1` with the secret of that seed.
fn holder(seed: u64) -> Holder {
    Holder { key: "key_1".parse().unwrap(), generation: digest(seed).to_string()[..16].to_owned() }
}

#[test]
fn a_share_link_is_admitted_from_anywhere_and_otherwise_as_a_link() {
    let narrow = |k: &mut KeyPolicy| k.allowlist = Allowlist::parse(["10.0.0.0/8"]).unwrap();
    let ask = ask_of("GET", "/v1/downloads/d/x", "", arrival(HERE, 0));
    type Also = fn(&mut KeyPolicy);
    let cases: [(Also, &str); 4] = [
        (|_| (), "admitted"),
        (|k| k.is_enabled = false, "key_disabled"),
        (|k| k.expires_at = Some(Timestamp::from_millis(NOW)), "key_expired"),
        (|k| k.scopes = Scopes::preset("publisher").unwrap(), "scope_missing"),
    ];
    for (also, expected) in cases {
        let both = |k: &mut KeyPolicy| {
            narrow(k);
            also(k);
        };
        let house = House::of(World::furnished(&[key_row("key_1", 1, both)]), SERVE);
        assert_eq!(reason(house.gate.admit_share(&holder(1), &ask)), expected);
        assert_eq!(reason(house.gate.admit_share(&holder(2), &ask)), "key_unknown");
        assert_ne!(reason(house.gate.admit_link(&holder(1), &ask)), "admitted");
    }
    for (row, expected) in
        [(tenant(false), "tenant_inactive"), (customer(|c| c.is_active = false), "customer_inactive")]
    {
        let house = House::of(World::furnished(&[row, key_row("key_1", 1, narrow)]), SERVE);
        assert_eq!(reason(house.gate.admit_share(&holder(1), &ask)), expected);
    }
    // A denial that no record has followed yet speaks before the address.
    let house = House::of(World::furnished(&[key_row("key_1", 1, narrow)]), SERVE);
    house.world.deny(&[key_at("key_1")]);
    assert_eq!(reason(house.gate.admit_share(&holder(1), &ask)), "key_revoked");
}

#[test]
fn a_link_is_admitted_as_its_key_would_be_but_for_the_minute() {
    let link = |house: &House, address: &str| {
        let ask = ask_of("GET", "/v1/d/x/y", "", arrival(address, 0));
        reason(house.gate.admit_link(&holder(1), &ask))
    };
    let limited = |k: &mut KeyPolicy| k.rate_limit = RequestsPerMinute::new(1);
    let house = House::of(World::furnished(&[key_row("key_1", 1, limited)]), SERVE);
    assert_eq!(reason(house.admit(&listing(&text(1)))), "admitted");
    assert_eq!(reason(house.admit(&listing(&text(1)))), "rate_limited");
    for _ in 0..5 {
        assert_eq!(link(&house, HERE), "admitted");
    }
    let changes: [(Row, &str); 7] = [
        (key_row("key_1", 1, |k| k.is_enabled = false), "key_disabled"),
        (key_row("key_1", 1, |k| k.expires_at = Some(Timestamp::from_millis(NOW))), "key_expired"),
        (key_row("key_1", 1, |k| k.allowlist = Allowlist::parse(["10.0.0.0/8"]).unwrap()), "ip_not_allowed"),
        (key_row("key_1", 1, |k| k.scopes = Scopes::preset("publisher").unwrap()), "scope_missing"),
        (key_row("key_1", 1, |k| k.is_deleted = true), "key_deleted"),
        (key_row("key_1", 99, |_| ()), "key_unknown"),
        (gone(key_at("key_1")), "key_unknown"),
    ];
    for (row, expected) in changes {
        let mut house = House::of(World::furnished(&[]), SERVE);
        assert_eq!(link(&house, HERE), "admitted");
        house.keyring.refresh(&house.world.write(&[row]));
        assert_eq!(link(&house, HERE), expected);
        let from_the_list = if expected == "ip_not_allowed" { "admitted" } else { expected };
        assert_eq!(link(&house, "10.1.2.3"), from_the_list);
    }
}
