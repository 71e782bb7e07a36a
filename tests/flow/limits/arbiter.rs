//! The arbiter in Redis answers as the one by hand, which fleets are simulated with; and what it remembers, ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::bus::arbiter::{Arbiter as _, Claim, Occupation, Verdict};
use common::bus::redis::arbiter::RedisArbiter;
use rand::{RngExt as _, SeedableRng as _};
use support::arbiter::ArbiterByHand;
use support::redis::TestRedis;

const EDGES: [&str; 3] = ["a", "b", "c"];
/// Any moment.
const BEGIN: u64 = 1_700_000_000_123;

struct Both {
    redis: TestRedis,
    real: RedisArbiter,
    by_hand: ArbiterByHand,
    now: Arc<AtomicU64>,
}

impl Both {
    async fn start() -> Self {
        let (redis, now) = (TestRedis::start().await, Arc::new(AtomicU64::new(BEGIN)));
        let real = RedisArbiter::by_hand(&redis.url(), now.clone()).unwrap();
        Self { redis, real, by_hand: ArbiterByHand::default(), now }
    }

    fn write(&self, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let reply = self.redis.command(&words);
        assert!(!matches!(reply, support::redis::Reply::Refused(_)), "{words:?}: {reply:?}");
    }

    fn pass(&self, millis: u64) {
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    async fn attend(&mut self, edge: &str) -> u32 {
        let real = self.real.attend(edge).await.unwrap().edges;
        assert_eq!(real, self.by_hand.attend(edge, self.now()));
        real
    }

    async fn settle(&mut self, edge: &str, claim: &Claim) -> Verdict {
        let real = self.real.settle(edge, std::slice::from_ref(claim)).await.unwrap()[0];
        assert_eq!(real, self.by_hand.settle(edge, claim, self.now()), "{edge} {claim:?} at {}", self.now());
        real
    }
}

fn claim(limit: u32, number: u64, waiting: u32) -> Claim {
    Claim {
        key: "key_1".parse().unwrap(),
        limit,
        number,
        total: 0,
        spent: vec![],
        is_whole: true,
        was_answered: false,
        held: 0,
        waiting,
        ahead: 0,
    }
}

fn lease(verdict: Verdict) -> Option<u32> {
    match verdict {
        Verdict::Shared(share) => Some(share.lease),
        Verdict::TellAll | Verdict::Overtaken => None,
    }
}

#[tokio::test]
async fn redis_arbitrates_as_the_arbiter_by_hand_does() {
    for seed in 0..6 {
        let mut both = Both::start().await;
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let (mut totals, mut held) = ([0u64; 3], [0u32; 3]);
        for number in 1..400 {
            both.pass(rng.random_range(0..900) * rng.random_range(0..4));
            let at = rng.random_range(0..3);
            if rng.random_range(0..5) == 0 {
                both.attend(EDGES[at]).await;
            }
            let count = rng.random_range(0..=held[at]);
            totals[at] += u64::from(count);
            let claim = Claim {
                total: totals[at],
                spent: vec![
                    (rng.random_range(0..300), count / 2),
                    (rng.random_range(300..70_000), count - count / 2),
                ],
                is_whole: rng.random_range(0..3) > 0,
                was_answered: rng.random_range(0..9) == 0,
                held: held[at] - count,
                ahead: rng.random_range(0..20),
                ..claim(
                    rng.random_range(0..3) * 70 + 10,
                    number - rng.random_range(0..2),
                    rng.random_range(0..9),
                )
            };
            if let Verdict::Shared(share) = both.settle(EDGES[at], &claim).await {
                held[at] = share.lease;
            }
        }
    }
}

#[tokio::test]
async fn what_a_silent_edge_holds_counts_as_spent_and_comes_back() {
    let mut both = Both::start().await;
    both.attend("a").await;
    both.pass(3_000);
    assert_eq!(lease(both.settle("a", &claim(10, 1, 7)).await), Some(7));
    assert_eq!(lease(both.settle("b", &claim(10, 1, 7)).await), Some(3));
    both.pass(61_000);
    assert_eq!(
        lease(both.settle("b", &claim(10, 2, 7)).await),
        Some(3),
        "a's may have been spent at the end of their life"
    );
    both.pass(250);
    assert_eq!(lease(both.settle("b", &claim(10, 3, 10)).await), Some(10));
}

/// A field of the minute that no script of ours can have written, and its value.
const FOREIGN: &[(&str, &str)] = &[
    ("x", "x"),
    ("ea", "x"),
    ("ea", "1 1 5 99999999999999"),
    ("s6800000000", "x"),
    ("s99999999999", "1"),
    ("sx", "1"),
    ("left", "-1"),
    ("lost", "99999999999999"),
];

#[tokio::test]
async fn what_somebody_else_wrote_into_the_memory_is_dropped_and_claims_are_answered() {
    const KEYS: [&str; 3] = ["tidegate:v1:arbiter", "tidegate:v1:edges", MINUTE];
    const MINUTE: &str = "tidegate:v1:minute:key_1";
    let both = Both::start().await;
    let mut number = 0;
    let mut settle = async || {
        number += 1;
        let claim = Claim { was_answered: true, ..claim(10, number, 7) };
        both.real.attend("a").await.unwrap();
        both.pass(4_000);
        both.real.attend("a").await.unwrap();
        lease(both.real.settle("a", &[claim]).await.unwrap()[0])
    };
    settle().await;
    assert!(both.redis.keys("*").contains(&MINUTE.as_bytes().to_vec()), "the name of the key of a minute");
    for key in KEYS {
        for words in [["SET", key, "nan"].as_slice(), &["LPUSH", key, "x"], &["HSET", key, "x", "x"]] {
            both.write(&["DEL", key]);
            both.write(words);
            settle().await;
            assert_eq!(settle().await, Some(7), "{words:?}");
        }
    }
    for (field, value) in FOREIGN {
        both.write(&["HSET", MINUTE, field, value]);
        settle().await;
        assert_eq!(settle().await, Some(7), "{field} {value}");
    }
    let many: Vec<String> = (0..9_000).map(|slot| format!("s{slot}")).collect();
    let many = many.iter().flat_map(|slot| [slot.as_str(), "1"]);
    both.write(&["HSET", MINUTE].into_iter().chain(many).collect::<Vec<_>>());
    settle().await;
    assert_eq!(settle().await, Some(7), "more than there can be");
    both.write(&["ZADD", "tidegate:v1:edges", "inf", "nobody"]);
    assert_eq!(both.real.attend("a").await.unwrap().edges, 1);
}

#[tokio::test]
async fn places_that_somebody_else_wrote_are_nobodys() {
    let both = Both::start().await;
    let tenant = "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap();
    let customer = "cust_1".parse().unwrap();
    let key = common::wire::address::places_key(tenant, &customer);
    let of = [Occupation { tenant, customer, most: 3, running: 0, waiting: 2 }];
    assert_eq!(both.real.occupy("a", &of).await.unwrap(), [None]);
    both.pass(3_000);
    for words in [
        ["SET", &key, "x"].as_slice(),
        &["HSET", &key, "b", "x"],
        &["HSET", &key, "b", "3 99999999999999"],
        &["HSET", &key, "a", "x"],
    ] {
        both.write(words);
        assert_eq!(both.real.occupy("a", &of).await.unwrap(), [Some(2)], "{words:?}");
    }
}

#[tokio::test]
async fn a_repeated_claim_counts_once_and_an_overtaken_one_not_at_all() {
    let mut both = Both::start().await;
    both.attend("a").await;
    both.pass(3_000);
    let spent = Claim { total: 4, spent: vec![(0, 4)], ..claim(10, 2, 0) };
    both.settle("a", &spent).await;
    assert_eq!(both.settle("a", &spent).await, Verdict::Overtaken);
    let again = Claim { number: 3, total: 5, spent: vec![(0, 1), (10, 4)], waiting: 9, ..spent };
    assert_eq!(lease(both.settle("a", &again).await), Some(5));
    both.redis.flush();
    let forgotten =
        both.real.settle("a", &[Claim { number: 4, is_whole: false, ..again.clone() }]).await.unwrap();
    assert_eq!(forgotten, [Verdict::TellAll]);
    let told = both.real.settle("a", &[Claim { number: 5, ..again }]).await.unwrap()[0];
    assert!(
        matches!(told, Verdict::Shared(share) if share.lease == 0 && !share.settles_in.is_zero()),
        "{told:?}"
    );
}

#[tokio::test]
async fn places_are_taken_until_their_edge_gives_them_back_or_falls_silent() {
    let both = Both::start().await;
    let of = |running, waiting| Occupation {
        tenant: "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap(),
        customer: "cust_1".parse().unwrap(),
        most: 3,
        running,
        waiting,
    };
    let occupy =
        async |edge, running, waiting| both.real.occupy(edge, &[of(running, waiting)]).await.unwrap()[0];
    assert_eq!(occupy("a", 0, 1).await, None, "whoever else has places has not said so yet");
    both.pass(3_000);
    assert_eq!(occupy("a", 0, 2).await, Some(2));
    assert_eq!(occupy("b", 0, 2).await, Some(1));
    assert_eq!(occupy("b", 1, 1).await, Some(1));
    assert_eq!(occupy("a", 1, 0).await, Some(1), "one has ended");
    assert_eq!(occupy("b", 1, 1).await, Some(2));
    both.pass(2_999);
    assert_eq!(occupy("b", 2, 1).await, Some(2));
    both.pass(1);
    assert_eq!(occupy("b", 2, 1).await, Some(3), "the other edge is silent");
    assert_eq!(occupy("a", 2, 0).await, Some(2), "what runs, runs");
}
