//! Restores of random histories, followed in memory.

use std::collections::BTreeMap;

use common::catalog;
use common::digest::Digest;
use common::key::{Digests, Kind, Previous};
use common::policy::{CustomerPolicy, KeyPolicy};
use common::scope::Scopes;
use proptest::prelude::*;

use super::*;
use crate::domain::application::Application;
use crate::domain::backup::Contents;
use crate::domain::key::Key;
use crate::domain::restore::{Restored, restore};
use crate::domain::tenant::Tenant;
use crate::domain::version::Version;
use crate::domain::{Noun, Row};

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(NOW + minutes * 60_000)
}

fn empty() -> Contents {
    let tenant = Tenant {
        id: context().tenant,
        name: "Acme".to_owned(),
        is_active: true,
        quota_bytes: None,
        created_at: at(-100),
    };
    Contents {
        tenant,
        tiers: tier::defaults(),
        customers: vec![],
        applications: vec![],
        versions: vec![],
        added: BTreeMap::new(),
        keys: vec![],
    }
}

fn add(contents: &mut Contents, name: &str, rng: &mut StdRng) {
    let (tenant, made) = (context().tenant, at(0));
    let id = format!("thing-{name}");
    let facts = catalog::Application {
        id: id.parse().unwrap(),
        name: id.clone(),
        description: String::new(),
        tags: vec![],
        is_active: true,
        created_at: made,
        updated_at: made,
    };
    contents.applications.push(Application { tenant, facts, deleted_at: None });
    let facts = catalog::Version {
        id: format!("ver_{name}").parse().unwrap(),
        name: "1.0".parse().unwrap(),
        release_notes: None,
        required_tier: None,
        channel: "Production".to_owned(),
        is_active: true,
        is_enabled: true,
        files: vec![],
        download_count: 0,
        created_at: made,
        updated_at: made,
    };
    contents.versions.push(Version { tenant, application: id.parse().unwrap(), facts });
    let policy = CustomerPolicy {
        id: id.parse().unwrap(),
        tier: tier::defaults()[0].name.clone(),
        channels: vec![],
        is_active: true,
        applications: vec![id.parse().unwrap()],
    };
    contents.customers.push(Customer {
        tenant,
        policy,
        name: id.clone(),
        notes: None,
        email: None,
        reference: None,
        license: None,
        created_at: made,
        updated_at: made,
    });
    for number in 0..2 {
        contents.keys.push(key(&format!("key_{name}_{number}"), &id, rng));
    }
}

fn key(id: &str, customer: &str, rng: &mut StdRng) -> Key {
    let policy = KeyPolicy {
        id: id.parse().unwrap(),
        tenant: context().tenant,
        kind: Kind::Customer,
        customer: Some(customer.parse().unwrap()),
        scopes: Scopes::customer(),
        rate_limit: None,
        allowlist: common::network::Allowlist::default(),
        applications: None,
        channels: vec![],
        expires_at: rng.random_bool(0.3).then(|| at(rng.random_range(-5..20))),
        is_enabled: rng.random_bool(0.8),
        is_deleted: false,
    };
    Key {
        policy,
        digests: Digests::of(Digest(rng.random())),
        name: String::new(),
        description: String::new(),
        created_at: at(0),
        updated_at: at(0),
        last_used_at: None,
        deleted_at: rng.random_bool(0.2).then(|| at(0)),
    }
}

/// What vendors do all day.
fn meddle(contents: &mut Contents, rng: &mut StdRng) {
    for application in &mut contents.applications {
        if rng.random_bool(0.3) {
            application.deleted_at = application.deleted_at.xor(Some(at(1)));
        }
        if rng.random_bool(0.3) {
            application.facts.name.push('!');
        }
    }
    for version in &mut contents.versions {
        version.facts.is_active ^= rng.random_bool(0.3);
        version.facts.download_count += 1;
    }
    for customer in &mut contents.customers {
        customer.policy.is_active ^= rng.random_bool(0.2);
        if rng.random_bool(0.3) {
            customer.policy.applications.clear();
        }
    }
    for key in &mut contents.keys {
        match rng.random_range(0..7) {
            0 => key.deleted_at = key.deleted_at.or(Some(at(1))),
            1 => key.policy.is_enabled ^= true,
            2 => key.policy.expires_at = rng.random_bool(0.7).then(|| at(rng.random_range(-5..20))),
            3 => key.digests = Digests::of(Digest(rng.random())),
            4 => {
                let previous = Previous { digest: key.digests.current, until: at(rng.random_range(-5..20)) };
                key.digests = Digests { current: Digest(rng.random()), previous: Some(previous) };
            }
            5 => key.name.push('!'),
            _ => {}
        }
    }
}

/// What the store does with the rows.
fn write(contents: &mut Contents, change: &Change) {
    for row in &change.rows {
        match row.clone() {
            Row::Insert(Noun::Application(new)) => contents.applications.push(new),
            Row::Insert(Noun::Customer(new)) => contents.customers.push(new),
            Row::Insert(Noun::Version(new)) => contents.versions.push(new),
            Row::Insert(Noun::Key(new)) => contents.keys.push(new),
            Row::Update(Noun::Application(new)) => {
                *contents.applications.iter_mut().find(|it| it.facts.id == new.facts.id).unwrap() =
                    new.clone();
            }
            Row::Update(Noun::Customer(new)) => {
                // What is assigned is written by rows of its own.
                let old = contents.customers.iter_mut().find(|it| it.policy.id == new.policy.id).unwrap();
                let applications = std::mem::take(&mut old.policy.applications);
                *old = new;
                old.policy.applications = applications;
            }
            Row::Update(Noun::Version(new)) => {
                *contents.versions.iter_mut().find(|it| it.facts.id == new.facts.id).unwrap() = new.clone();
            }
            Row::Update(Noun::Key(new)) => {
                *contents.keys.iter_mut().find(|it| it.policy.id == new.policy.id).unwrap() = new.clone();
            }
            Row::Grant(_, customer, application) => {
                let found = contents.customers.iter_mut().find(|it| it.policy.id == customer).unwrap();
                if !found.policy.applications.contains(&application) {
                    found.policy.applications.push(application);
                }
            }
            Row::Revoke(_, customer, application) => {
                let found = contents.customers.iter_mut().find(|it| it.policy.id == customer).unwrap();
                found.policy.applications.retain(|it| *it != application);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Which secrets open a key, as far as it is up to the key, at a moment.
fn open(contents: &Contents, now: Timestamp) -> Vec<Digest> {
    let opened = |key: &Key, digest: &Digest| {
        let policy = key.digests.opened_by(digest, key.policy.clone()).unwrap();
        key.deleted_at.is_none() && policy.is_enabled && policy.expires_at.is_none_or(|end| end > now)
    };
    contents.keys.iter().flat_map(|key| key.digests.all().filter(|digest| opened(key, digest))).collect()
}

proptest! {
    #[test]
    fn a_restore_revives_no_secret_and_done_twice_is_done_once(seed in any::<u64>(), own in 0usize..6) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut was = empty();
        for name in ["a", "b", "c"] {
            add(&mut was, name, &mut rng);
        }
        let mut now = was.clone();
        meddle(&mut now, &mut rng);
        add(&mut now, "later", &mut rng);
        let mut context = Context { now: at(2), ..context() };
        context.actor.key = Some(now.keys[own].policy.id.clone());
        let own_key = now.keys[own].clone();
        let before = now.clone();
        let once = restore(None, &was, Some(&now), &context);
        write(&mut now, &once.change);
        for minutes in 2..22 {
            let living = open(&before, at(minutes));
            for digest in open(&now, at(minutes)) {
                prop_assert!(living.contains(&digest), "revived: {digest} after {minutes} minutes");
            }
        }
        prop_assert_eq!(&now.keys[own], &own_key);
        prop_assert_eq!(&now.applications[..3], &was.applications[..]);
        prop_assert_eq!(&now.customers[..3], &was.customers[..]);
        prop_assert!(now.applications[3].deleted_at.is_some() && !now.customers[3].policy.is_active);
        prop_assert!(!now.versions[3].facts.is_active);
        for (version, was) in now.versions.iter().zip(&was.versions) {
            prop_assert_eq!(version.facts.is_active, was.facts.is_active);
            prop_assert_eq!(version.facts.download_count, 1, "counts go on");
        }
        prop_assert!(now.keys[6..].iter().all(|key| key.deleted_at.is_some()));
        let later = Context { now: at(3), ..context.clone() };
        let twice = restore(None, &was, Some(&now), &later);
        prop_assert_eq!(twice.outcome, Restored::default());
        prop_assert!(twice.change.is_empty() && twice.change.audit.is_empty());
    }

    #[test]
    fn in_an_empty_system_everything_is_as_it_was(seed in any::<u64>()) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut was = empty();
        add(&mut was, "a", &mut rng);
        meddle(&mut was, &mut rng);
        let decision = restore(None, &was, None, &context());
        let mut now = empty();
        let mut change = decision.change.clone();
        prop_assert_eq!(change.rows.remove(0), Row::Insert(Noun::Tenant(was.tenant.clone())));
        change.rows.retain(|row| !matches!(row, Row::Insert(Noun::Tier(..))));
        for row in &mut change.rows {
            if let Row::Insert(Noun::Customer(customer)) = row {
                customer.policy.applications.clear();
            }
        }
        write(&mut now, &change);
        prop_assert_eq!(now, was);
        prop_assert!(decision.change.announcements.iter().all(|announcement| !announcement.denies));
    }
}
