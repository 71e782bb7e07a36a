//! The ledger against a model that adds up.

use std::collections::BTreeMap;

use common::wire::v1::event::{Transfer, Usage};
use proptest::prelude::*;

use super::*;
use crate::deliver::receipt::Witness as _;
use crate::report::Account;

/// By key, application and minute: requests, bytes, refusals.
type Sums = BTreeMap<(String, Option<String>, i64), (u64, u64, BTreeMap<String, u64>)>;

#[derive(Clone, Debug)]
enum Step {
    Request { key: u64, named: bool, refused: Option<&'static str> },
    Transfer { key: u64, sent: Vec<(u64, u64)> },
    Take,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let reason = prop::option::of(prop::sample::select(vec!["rate_limited", "file_not_found"]));
    let piece = (0u64..1_000, 0u64..1_000).prop_map(|(a, b)| (a.min(b), a.max(b)));
    prop_oneof![
        4 => (0u64..4, any::<bool>(), reason).prop_map(|(key, named, refused)| Step::Request { key, named, refused }),
        4 => (0u64..4, prop::collection::vec(piece, 0..4)).prop_map(|(key, sent)| Step::Transfer { key, sent }),
        1 => Just(Step::Take),
        1 => (1u64..90).prop_map(Step::Wait),
    ]
}

fn account(key: u64, named: bool) -> Account {
    let key = format!("key_{key}").parse().unwrap();
    Account { tenant: tenant_id(), key, application: named.then(|| app("my-app")) }
}

fn add(sums: &mut Sums, usage: Usage) {
    let application = usage.application.map(|id| id.to_string());
    let sum = sums.entry((usage.key.to_string(), application, usage.minute.millis())).or_default();
    sum.0 += usage.requests;
    sum.1 += usage.bytes;
    for (reason, times) in usage.refused {
        *sum.2.entry(reason).or_default() += times;
    }
}

fn minute(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis / 60_000 * 60_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sums_of_all_that_was_taken_are_all_that_happened(steps in prop::collection::vec(step(), 0..60)) {
        let clock = clock();
        let ledger = Ledger::new(clock.clone(), metrics());
        let (mut now, mut sums, mut expected) = (NOW, Sums::new(), Sums::new());
        let (mut transfers, mut sent_in_all): (Vec<Transfer>, Vec<Vec<(u64, u64)>>) = (vec![], vec![]);
        let mut expect = |key, named, now, requests, bytes, reason: Option<&str>| {
            let Account { tenant, key, application } = account(key, named);
            let refused = reason.map(|reason| (reason.to_owned(), 1)).into_iter().collect();
            add(&mut expected, Usage { minute: minute(now), tenant, key, application, requests, bytes, refused });
        };
        for step in steps.into_iter().chain([Step::Take]) {
            match step {
                Step::Request { key, named, refused } => {
                    let at = Timestamp::from_millis(now);
                    ledger.count_request(&account(key, named), at);
                    if let Some(reason) = refused {
                        ledger.count_refusal(&account(key, named), at, reason.into());
                    }
                    expect(key, named, now, 1, 0, refused);
                }
                Step::Transfer { key, sent } => {
                    ledger.ended(receipt(key, &sent));
                    let bytes: u64 = sent.iter().map(|(from, to)| to - from).sum();
                    if bytes > 0 {
                        expect(key, true, now, 0, bytes, None);
                    }
                    sent_in_all.push(sent);
                }
                Step::Take => {
                    let (ended, usage) = ledger.take();
                    transfers.extend(ended);
                    usage.into_iter().for_each(|usage| add(&mut sums, usage));
                }
                Step::Wait(seconds) => {
                    clock.advance(Duration::from_secs(seconds));
                    now += i64::try_from(seconds).unwrap() * 1_000;
                }
            }
        }
        prop_assert_eq!(&sums, &expected);
        prop_assert_eq!(transfers.iter().map(|t| t.sent.clone()).collect::<Vec<_>>(), sent_in_all);
        let told: u64 = transfers.iter().map(Transfer::bytes).sum();
        prop_assert_eq!(told, sums.values().map(|sum| sum.1).sum::<u64>());
    }
}

#[test]
fn what_many_threads_count_is_there_exactly_once_while_it_is_taken() {
    let ledger = Ledger::new(clock(), metrics());
    let mut sums = Sums::new();
    std::thread::scope(|scope| {
        let counting: Vec<_> = (0..4)
            .map(|thread| {
                let ledger = &ledger;
                scope.spawn(move || {
                    for turn in 0..2_000 {
                        ledger.count_request(&account(turn % 3, true), Timestamp::from_millis(NOW));
                        ledger.ended(receipt(thread, &[(0, 7)]));
                    }
                })
            })
            .collect();
        while !counting.iter().all(|thread| thread.is_finished()) {
            ledger.take().1.into_iter().for_each(|usage| add(&mut sums, usage));
        }
    });
    ledger.take().1.into_iter().for_each(|usage| add(&mut sums, usage));
    assert_eq!(sums.values().map(|sum| sum.0).sum::<u64>(), 8_000);
    assert_eq!(sums.values().map(|sum| sum.1).sum::<u64>(), 8_000 * 7);
}

#[test]
fn names_without_number_do_not_grow_the_ledger_without_bound() {
    let ledger = Ledger::new(clock(), metrics());
    for key in 0..100_100 {
        ledger.count_request(&account(key, false), Timestamp::from_millis(NOW));
    }
    ledger.count_request(&account(5, false), Timestamp::from_millis(NOW));
    assert_eq!(ledger.take().1.len(), 100_000);
    ledger.count_request(&account(7, false), Timestamp::from_millis(NOW));
    assert_eq!(ledger.take().1.len(), 1, "there is room again");
}
