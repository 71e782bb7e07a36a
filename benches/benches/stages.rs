//! The stages from the head of a request to its permit, each by itself and all together: what they take and allocate.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{Rooms, head, key_text, rooms};
use common::bus::arbiter::{Share, Verdict};
use common::credential;
use common::digest::Digest;
use common::id::KeyId;
use common::key::{Owner, Presented};
use common::limit::RequestsPerMinute;
use common::policy::{self, Facts};
use common::runtime::clock::SystemClock;
use common::time::Timestamp;
use edge::gate::budget::{Budgets, Fleet};
use edge::keyring::KeyEntry;
use edge::observe::Metrics;
use edge::replica::SharedReplica;
use edge::report::{Account, Ledger};
use edge::request::{Arrival, Ask, Table};
use http::request::Parts;

/// A well-formed key that was never issued.
const UNKNOWN: &str = "14632221-b1b6-4eec-844a-39f60c7f1523.an-imported-secret-that-nobody-has";
/// A key of ours with a wrong check.
const GARBAGE: &str = "14632221-b1b6-4eec-844a-39f60c7f1523.tg_cus_012345678901234567890123456789zzzzzz";

/// What some rounds of a stage took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Taken {
    pub(crate) time: Duration,
    pub(crate) allocations: u64,
}

/// One stage, to be run so many times; what it is given is made beforehand and what it makes is dropped afterwards.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) run: Box<dyn FnMut(u64) -> Taken>,
}

fn stage<I: 'static, O: 'static>(
    name: &'static str,
    mut make: impl FnMut() -> I + 'static,
    mut work: impl FnMut(I) -> O + 'static,
) -> Stage {
    let run = move |times: u64| {
        let mut taken = Taken::default();
        let mut left = times;
        while left > 0 {
            let round = left.min(100);
            left -= round;
            let inputs: Vec<I> = (0..round).map(|_| make()).collect();
            let mut outputs = Vec::with_capacity(inputs.len());
            let counted = allocation_counter::measure(|| {
                let began = Instant::now();
                outputs.extend(inputs.into_iter().map(|input| black_box(work(black_box(input)))));
                taken.time += began.elapsed();
            });
            taken.allocations += counted.count_total;
        }
        taken
    };
    Stage { name, run: Box::new(run) }
}

fn arrival(began: Instant) -> Arrival {
    let at = Timestamp::from_millis(1_800_000_000_000);
    Arrival { address: IpAddr::from([127, 0, 0, 1]), at, tick: began.elapsed() }
}

/// All of them over `replica`, which holds `count` keys.
pub(crate) fn stages(replica: &SharedReplica, count: usize) -> Vec<Stage> {
    let hot = Arc::new(rooms(replica, 100_000));
    let mut stages = single(&hot);
    // Nothing stays ready: every look-up goes to the replica, for the key and for its customer. Their tenant is known to
    // an edge that has any key ready, as this one has.
    let cold = Arc::new(rooms(replica, 0));
    let held = cold.keyring.find(&digest_of(&key_text(0))).expect("a replica that is read");
    // Of all keys in a random order, at most so many that the heads fit into memory.
    let sample: Vec<usize> = (0..count.min(100_000)).map(|n| n * 7_919 % count).collect();
    let looked_up = sample.clone();
    let mut next = (0..sample.len()).cycle();
    let also_held = held.clone();
    let mut any = move || {
        black_box(&also_held);
        sample[next.next().unwrap_or(0)]
    };
    let keyring = cold.keyring.clone();
    let mut digests = (0..looked_up.len()).cycle();
    let digest = move || digest_of(&key_text(looked_up[digests.next().unwrap_or(0)]));
    let find = move |digest: Digest| {
        black_box(&held);
        keyring.find(&digest).expect("a replica that is read")
    };
    stages.push(stage("keyring, only the replica knows", digest, find));
    stages.push(whole("head to permit, hot key", &hot, || key_text(0), true));
    let ready = count.min(50_000);
    for number in 0..ready {
        hot.keyring.find(&digest_of(&key_text(number))).expect("a replica that is read");
    }
    let mut number = (0..ready).cycle();
    stages.push(whole(
        "head to permit, 50 000 hot keys",
        &hot,
        move || key_text(number.next().unwrap_or(0)),
        true,
    ));
    stages.push(whole("head to permit, only the replica knows", &cold, move || key_text(any()), true));
    stages.push(whole("head to no, unknown key", &hot, || UNKNOWN.to_owned(), false));
    stages.push(whole("head to no, garbage", &hot, || GARBAGE.to_owned(), false));
    stages
}

fn digest_of(text: &str) -> Digest {
    Presented::parse(text).expect("a key").digest()
}

/// From the head to the permit, or to no.
fn whole(
    name: &'static str,
    rooms: &Arc<Rooms>,
    mut key: impl FnMut() -> String + 'static,
    admits: bool,
) -> Stage {
    let (rooms, began) = (rooms.clone(), Instant::now());
    let table = Table::new("").expect("a table");
    let work = move |parts: Parts| {
        let ask = Ask::parse(parts, arrival(began), &table).expect("a head");
        assert_eq!(rooms.gate.admit(&ask).is_ok(), admits);
        ask
    };
    stage(name, move || head(&key()), work)
}

fn single(hot: &Arc<Rooms>) -> Vec<Stage> {
    let (text, began) = (key_text(0), Instant::now());
    let parts = head(&text);
    let entry = hot.keyring.find(&digest_of(&text)).expect("a replica").expect("a key");
    let mut stages = reading(&parts, &text);
    let (keyring, digest) = (hot.keyring.clone(), digest_of(&text));
    stages.push(stage("keyring, hot", || (), move |()| keyring.find(&digest).expect("a replica")));
    let judged = entry.clone();
    stages.push(stage("judge", || (), move |()| judge(&judged)));
    let (budgets, id) = (Budgets::default(), entry.policy.id.clone());
    let limit = RequestsPerMinute::new(u32::MAX).expect("a limit");
    stages.push(stage("budget", || (), move |()| budgets.spend(&id, limit, arrival(began)).0.is_ok()));
    let (budgets, id) = (Budgets::shared(Fleet::new(3, Box::new(|_| ()))), entry.policy.id.clone());
    stages.push(stage("budget, lent", || (), move |()| spend_lent(&budgets, &id, limit, arrival(began))));
    let ledger = Ledger::new(Arc::new(SystemClock), Metrics::new("bench").reports());
    let ask = Ask::parse(parts.clone(), arrival(began), &Table::new("").expect("a table")).expect("a head");
    let account = move |()| {
        let account = Account::new(&entry, ask.application().as_deref());
        ledger.count_request(&account, ask.arrival.at);
        account
    };
    stages.push(stage("ledger", || (), account));
    let (hot, ask) = (hot.clone(), parsed(&head(GARBAGE), began));
    stages.push(stage("gate, garbage", || (), move |()| hot.gate.admit(&ask).is_ok()));
    stages
}

/// Of a lease, which somebody renews once a second.
fn spend_lent(budgets: &Budgets, key: &KeyId, limit: RequestsPerMinute, arrival: Arrival) -> bool {
    let spent = budgets.try_spend(key, limit, arrival);
    if spent.is_none() && budgets.claim(key, 1, arrival.tick).is_some() {
        let share = Share { lease: u32::MAX, free: u32::MAX, ..Share::default() };
        budgets.settle(key, &Verdict::Shared(share), arrival.tick);
    }
    spent.is_some_and(|(spent, _)| spent.is_ok())
}

fn parsed(parts: &Parts, began: Instant) -> Ask {
    Ask::parse(parts.clone(), arrival(began), &Table::new("").expect("a table")).expect("a head")
}

fn reading(parts: &Parts, text: &str) -> Vec<Stage> {
    let (table, began, given) = (Table::new("").expect("a table"), Instant::now(), parts.clone());
    let read = move |parts| Ask::parse(parts, arrival(began), &table).expect("a head");
    let secret = text.split_once('.').map_or("", |(_, secret)| secret);
    let (headers, key, digested) = (parts.headers.clone(), text.to_owned(), secret.to_owned());
    let found = move |()| credential::find(&headers).is_ok_and(|found| found.is_some());
    vec![
        stage("read the head", move || given.clone(), read),
        stage("find the credential", || (), found),
        stage("read the key", || (), move |()| Presented::parse(&key).is_some()),
        stage("digest", || (), move |()| Digest::of(digested.as_bytes())),
    ]
}

fn judge(entry: &KeyEntry) -> bool {
    let (tenant, customer) = (entry.tenant.load(), entry.customer.as_ref().map(|cell| cell.load()));
    let facts = Facts {
        key: &entry.policy,
        customer: customer.as_ref().and_then(|held| held.as_deref()),
        tenant: tenant.as_ref().map(|facts| &facts.policy),
        owner: Owner::Tenant(entry.policy.tenant),
        address: IpAddr::from([127, 0, 0, 1]),
    };
    policy::evaluate(facts, Timestamp::from_millis(1_800_000_000_000)).is_ok()
}
