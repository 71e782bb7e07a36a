//! The hot path allocates nothing: a head whose key is held ready is admitted, counted, or refused for garbage without.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use common::bus::arbiter::{Share, Verdict};
use common::limit::RequestsPerMinute;
use common::runtime::clock::SystemClock;
use common::time::Timestamp;
use edge::gate::budget::{Budgets, Fleet};
use edge::observe::Metrics;
use edge::report::{Account, Ledger};
use edge::request::{Arrival, Ask, Table};
use http::Request;
use http::request::Parts;

const KEYS: usize = 100;
const TIMES: u32 = 1_000;
/// What moka sets up and tidies now and then on the way of a look-up, in bulk.
const NOW_AND_THEN: u64 = 20;

fn arrival(number: u32) -> Arrival {
    // Within one slot of the minute: a new slot is a new entry in the key's window.
    let tick = Duration::from_millis(10_000) + Duration::from_nanos(u64::from(number));
    Arrival { address: IpAddr::from([127, 0, 0, 1]), at: Timestamp::from_millis(1_800_000_000_000), tick }
}

fn heads(target: &str, headers: &[(&str, &str)]) -> Vec<Parts> {
    let one = |_| {
        let request = Request::get(target).header("host", "dl.example.com");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    };
    (0..TIMES).map(one).collect()
}

/// Allocations of all these heads on their way to a permit and into the ledger.
fn allocations(target: &str, header: &str, credential: &str, admits: bool) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let rooms = benches::rooms(&benches::replica(directory.path(), KEYS), 1_000);
    let ledger = Ledger::new(Arc::new(SystemClock), Metrics::new("test").reports());
    let table = Table::new("/dl").unwrap();
    let admit = |parts: Parts, number| {
        let ask = Ask::parse(parts, arrival(number), &table).unwrap();
        let admitted = rooms.gate.admit(&ask);
        assert_eq!(admitted.is_ok(), admits, "{target} {credential}");
        if let Ok(permit) = &admitted {
            let account = Account::new(permit.entry(), ask.application().as_deref());
            ledger.count_request(&account, ask.arrival.at);
        }
        ask
    };
    // The first look-ups make what the later ones find.
    for (parts, number) in heads(target, &[(header, credential)]).into_iter().zip(0..) {
        admit(parts, number);
    }
    let heads = heads(target, &[(header, credential)]);
    let mut asks = Vec::with_capacity(heads.len());
    let counted = measure(|| asks.extend(heads.into_iter().zip(0..).map(|(parts, n)| admit(parts, n))));
    counted.count_total
}

#[test]
fn a_hot_key_is_admitted_without_an_allocation() {
    let key = benches::key_text(0);
    let bearer = format!("Bearer {key}");
    for (target, header, credential) in [
        ("/v1/applications/my-app/versions", "authorization", bearer.as_str()),
        ("/dl/v1/updates/my-app?version=1.0", "authorization", key.as_str()),
        ("/v1/applications/my-app/versions/1.0.0/files/file_1/download", "x-api-key", key.as_str()),
    ] {
        let allocations = allocations(target, header, credential, true);
        assert!(allocations <= NOW_AND_THEN, "{target}: {allocations} in {TIMES} requests");
    }
}

#[test]
fn garbage_is_refused_without_an_allocation() {
    let mut garbage = benches::key_text(0);
    garbage.replace_range(garbage.len() - 6.., "zzzzzz");
    let allocations = allocations("/v1/applications", "x-api-key", &garbage, false);
    assert_eq!(allocations, 0, "in {TIMES} requests");
}

#[test]
fn a_key_with_a_lease_is_admitted_without_an_allocation() {
    let budgets = Budgets::shared(Fleet::new(3, Box::new(|_| ())));
    let (key, limit) = ("key_1".parse().unwrap(), RequestsPerMinute::new(1_000_000).unwrap());
    assert!(budgets.try_spend(&key, limit, arrival(0)).is_none(), "the first asks");
    budgets.claim(&key, 1, arrival(0).tick).unwrap();
    let share = Share { lease: 10 * TIMES, free: 10 * TIMES, ..Share::default() };
    budgets.settle(&key, &Verdict::Shared(share), arrival(0).tick);
    let spend =
        |number| budgets.try_spend(&key, limit, arrival(number)).is_some_and(|(spent, _)| spent.is_ok());
    assert!(spend(1));
    let counted = measure(|| assert!((0..TIMES).all(spend)));
    assert_eq!(counted.count_total, 0, "in {TIMES} requests");
}
