//! Answers that are kept are told to nobody who would be told anything else.

use common::limit::RequestsPerMinute;
use common::policy::{CustomerPolicy, KeyPolicy};
use common::routes::RouteId;
use common::wire::address::Address;
use common::wire::v1::Record;
use proptest::prelude::*;

use super::*;
use crate::catalog::updates::Question;
use crate::replica::tests::world::{customer_at, tier};

const CHANNELS: [&str; 3] = ["", "Test", "beta"];
const TARGETS: [&str; 14] = [
    "/v1/applications",
    "/v1/applications?limit=1",
    "/v1/applications?sortOrder=desc",
    "/v1/applications/my-app",
    "/v1/applications/other",
    "/v1/applications/my-app/versions",
    "/v1/applications/my-app/versions?limit=1",
    "/v1/applications/my-app/versions?limit=100",
    "/v1/applications/my-app/versions?changelog=b",
    "/v1/applications/my-app/versions/latest/files",
    "/v1/applications/my-app/versions/2.0.0/files",
    "/v1/updates/my-app",
    "/v1/updates/my-app?current=1.0.0",
    "/v1/updates/my-app?current=1.0.0&channel=Beta",
];

/// Something that changes what keys see.
#[derive(Clone, Debug)]
enum Happening {
    Written(Box<Row>),
    Denied(Address),
    /// The denials are lifted.
    Lifted,
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(names, 0..=names.len())
        .prop_map(|some| some.into_iter().map(str::to_owned).collect())
}

fn a_version() -> impl Strategy<Value = Row> {
    let name = prop::sample::select(&["1.0.0", "2.0.0", "3.0.0"]);
    let tier = prop::sample::select(&["", "Basic", "Premium", "Gone"]);
    let channel = prop::sample::select(&["Production", "Test", "Beta"]);
    let rest = (prop::bool::weighted(0.8), prop::bool::weighted(0.8), prop::sample::select(&["a", "b"]));
    (name, tier, channel, rest).prop_map(|(name, tier, channel, (is_enabled, is_active, notes))| {
        version(name, |v| {
            v.required_tier = tier.parse().ok();
            v.channel = channel.to_owned();
            (v.is_enabled, v.is_active) = (is_enabled, is_active);
            v.release_notes = Some(notes.to_owned());
        })
    })
}

fn a_customer() -> impl Strategy<Value = Row> {
    let tier = prop::sample::select(&["Basic", "Premium", "Gone"]);
    let rest = (some_of(&["Test", "Beta"]), some_of(&["my-app", "other"]), any::<bool>());
    (tier, rest).prop_map(|(tier, (channels, applications, is_second))| {
        of_customer(is_second, |c| {
            c.tier = tier.parse().unwrap();
            c.channels = channels;
            c.applications = applications.iter().map(|id| app(id)).collect();
        })
    })
}

/// `cust_1`, or `cust_2`.
fn of_customer(is_second: bool, change: impl FnOnce(&mut CustomerPolicy)) -> Row {
    match customer(change) {
        (_, Some(Record::Customer(policy))) if is_second => {
            let id: common::id::CustomerId = "cust_2".parse().unwrap();
            let address = Address::Customer(tenant_id(), id.clone());
            (address, Some(Record::Customer(CustomerPolicy { id, ..policy })))
        }
        row => row,
    }
}

/// Keys 1 and 2 are `cust_1`'s, 3 is `cust_2`'s, 4 an admin's.
fn of_key(number: u64, change: impl FnOnce(&mut KeyPolicy)) -> Row {
    key_row(&format!("key_{number}"), number, |k| {
        k.rate_limit = RequestsPerMinute::new(u32::MAX);
        if number == 3 {
            k.customer = Some("cust_2".parse().unwrap());
        }
        if number == 4 {
            (k.kind, k.customer) = (key::Kind::Admin, None);
        }
        change(k);
    })
}

fn a_key() -> impl Strategy<Value = Row> {
    let narrowed = prop::option::weighted(0.3, some_of(&["my-app", "other"]));
    (1..5_u64, some_of(&["Test", "Beta"]), narrowed).prop_map(|(number, channels, narrowed)| {
        of_key(number, |k| {
            k.channels = channels;
            k.applications = narrowed.map(|ids| ids.iter().map(|id| app(id)).collect());
        })
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    let name = prop::sample::select(&["1.0.0", "2.0.0", "3.0.0"]);
    let rank = prop::sample::select(&[5_u32, 10, 20, 30]);
    let an_application = (prop::sample::select(&["my-app", "other"]), prop::bool::weighted(0.8));
    let row = prop_oneof![
        4 => a_version(),
        2 => a_customer(),
        2 => a_key(),
        1 => rank.prop_map(|rank| tier("Basic", rank, 100)),
        1 => an_application.prop_map(|(id, is_active)| application(id, is_active)),
        1 => name.clone().prop_map(|name| gone(version_at(name))),
    ];
    let denied = prop_oneof![
        2 => name.prop_map(version_at),
        1 => Just(application("my-app", true).0),
        1 => Just(customer_at()),
    ];
    prop_oneof![
        10 => row.prop_map(|row| Happening::Written(Box::new(row))),
        2 => denied.prop_map(Happening::Denied),
        3 => Just(Happening::Lifted),
    ]
}

/// An answer, from a catalog that may have one like it.
fn told(catalog: &Catalog, permit: &Permit, ask: &Ask) -> Result<(String, Option<String>), &'static str> {
    let listed = match ask.id() {
        RouteId::CheckUpdate => return checked(catalog, permit, ask),
        RouteId::ListApplications => catalog.list_applications(permit, ask),
        RouteId::ReadApplication => catalog.read_application(permit, ask),
        RouteId::ListVersions => catalog.list_versions(permit, ask),
        RouteId::ListFiles => catalog.list_files(permit, ask),
        other => panic!("{other:?}"),
    };
    let listed = listed.map_err(|failure| reason(&failure))?;
    Ok((String::from_utf8(listed.told.json("req-1").unwrap()).unwrap(), listed.next.clone()))
}

fn checked(catalog: &Catalog, permit: &Permit, ask: &Ask) -> Result<(String, Option<String>), &'static str> {
    let check = match catalog.recall_update(permit, ask).map_err(|failure| reason(&failure))? {
        Ok(check) => check,
        Err(asked) => {
            let question = Question::parse(ask).unwrap();
            let offer = catalog.find_update(permit, &asked, &question);
            catalog.keep_update(asked, question, offer.map(|offer| (offer, None))).unwrap()
        }
    };
    let Some(offer) = check.offer() else { return Ok(("nothing".to_owned(), None)) };
    let etag = offer.etag(permit, "http://localhost", ask.arrival.at);
    let json = String::from_utf8(offer.json("URL").unwrap()).unwrap();
    Ok((format!("{json} {:?} {:?} {etag:?}", offer.names, offer.channel), None))
}

fn asked_with(number: u64, target: &str, channel: &str) -> Ask {
    let text = key::text_of(tenant_id(), &secret(number));
    ask(("GET", target), &[("x-api-key", &text), ("x-channel", channel)], nowhere()).unwrap()
}

/// Every key asks everything, and is told what it would be told by an edge that keeps no answers.
fn everybody_is_told_what_is_theirs(shop: &Shop) {
    let cursors = MacKeys::derive(&[Secret::new("an-edge-secret".to_owned())], Purpose::Cursor);
    let fresh = Catalog::keeping(0, shop.world.replica.clone(), 100, cursors);
    let check = |number: u64, target: &str, channel: &str| {
        let ask = asked_with(number, target, channel);
        let permit = shop.gate.admit(&ask).ok()?;
        let answer = told(&shop.catalog, &permit, &ask);
        assert_eq!(answer, told(&fresh, &permit, &ask), "key_{number} {target} {channel:?}");
        answer.ok()?.1
    };
    for target in TARGETS {
        for channel in CHANNELS {
            let cursors: Vec<_> = (1..5).filter_map(|number| check(number, target, channel)).collect();
            for (cursor, number) in cursors.iter().flat_map(|cursor| (1..5).map(move |n| (cursor, n))) {
                check(number, &format!("{target}&cursor={cursor}"), channel);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_a_kept_answer_is_the_one_that_would_be_made(
        happenings in prop::collection::vec(happening(), 1..8),
    ) {
        let versions = ["1.0.0", "2.0.0"].map(|name| version(name, |_| ()));
        let mut rows = versions.to_vec();
        rows.extend([of_customer(true, |_| ()), tier("Premium", 20, 500)]);
        rows.extend((1..5).map(|number| of_key(number, |_| ())));
        let mut shop = Shop::with(&rows);
        everybody_is_told_what_is_theirs(&shop);
        for happening in happenings {
            match happening {
                Happening::Written(row) => shop.write(&[*row]),
                Happening::Denied(address) => shop.world.deny(&[address]),
                Happening::Lifted => shop.world.lift(),
            }
            everybody_is_told_what_is_theirs(&shop);
        }
    }
}

/// Whether two keys are told the very same thing, made once.
fn share(shop: &Shop, target: &str, keys: (u64, u64)) -> bool {
    let listed = |number| {
        let ask = asked_with(number, target, "");
        shop.catalog.list_versions(&shop.gate.admit(&ask).unwrap(), &ask).unwrap()
    };
    Arc::ptr_eq(&listed(keys.0), &listed(keys.1))
}

#[test]
fn an_answer_is_made_once_for_all_who_see_the_same() {
    let rows = [version("1.0.0", |_| ()), version("2.0.0", |v| v.required_tier = "Premium".parse().ok())];
    let keys = (1..5).map(|number| of_key(number, |_| ())).collect::<Vec<_>>();
    let mut shop = Shop::with(&[&rows[..], &[of_customer(true, |_| ())], &keys].concat());
    let versions = "/v1/applications/my-app/versions";
    assert!(
        share(&shop, versions, (1, 1)) && share(&shop, versions, (1, 2)) && share(&shop, versions, (2, 3))
    );
    assert!(!share(&shop, versions, (1, 4)), "admins see the one for Premium too");
    shop.write(&[of_customer(true, |c| c.tier = "Premium".parse().unwrap())]);
    assert!(!share(&shop, versions, (1, 3)) && share(&shop, versions, (3, 4)));
    // A cursor is made, and read, for one key.
    let cursors = format!("{versions}?limit=1");
    assert!(!share(&shop, &cursors, (4, 4)));
    assert!(!share(&shop, &format!("{versions}?changelog={}", "x".repeat(600)), (1, 1)), "too long to keep");
    shop.world.deny(&[version_at("9.0.0")]);
    assert!(!share(&shop, versions, (1, 1)), "while anything is denied");
    shop.write(&[version("1.0.0", |v| v.download_count = 7)]);
    shop.world.lift();
    assert!(share(&shop, versions, (1, 2)));
}

#[test]
fn what_is_kept_is_bounded() {
    let notes = "x".repeat(5_000);
    let rows: Vec<Row> =
        (0..200).map(|n| version(&format!("1.{n}.0"), |v| v.release_notes = Some(notes.clone()))).collect();
    let shop = Shop::with(&[&rows[..], &[of_key(1, |_| ())]].concat());
    for number in 0..40 {
        let ask = asked_with(1, &format!("/v1/applications/my-app/versions?x={number}"), "");
        shop.catalog.list_versions(&shop.permit(&ask), &ask).unwrap();
    }
    // Each is a megabyte.
    assert!((10..32).contains(&shop.catalog.lists.len()), "{}", shop.catalog.lists.len());
}
