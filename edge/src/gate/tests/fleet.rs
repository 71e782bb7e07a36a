//! A key's minute at an edge that is one of several: what it spends without asking, and what it is never talked into.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::bus::arbiter::{Claim, Share, Verdict};
use common::id::KeyId;
use common::limit::RequestsPerMinute;

use super::{HERE, arrival};
use crate::gate::budget::{Budgets, Fleet, Standing};

const SECOND: u64 = 1_000;

struct Edge {
    budgets: Budgets,
    rung: Arc<AtomicU32>,
    limit: u32,
}

fn key() -> KeyId {
    "key_1".parse().unwrap()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Edge {
    fn of(edges: u32, limit: u32) -> Self {
        let rung = Arc::new(AtomicU32::new(0));
        let bell = rung.clone();
        let fleet = Fleet::new(edges, Box::new(move |_| _ = bell.fetch_add(1, Ordering::Relaxed)));
        Self { budgets: Budgets::shared(fleet), rung, limit }
    }

    fn limit(&self) -> RequestsPerMinute {
        RequestsPerMinute::new(self.limit).unwrap()
    }

    /// Whether it was admitted, none when it wants to ask; and what the client is told.
    fn ask(&self, tick: u64) -> Option<(bool, Standing)> {
        let spent = self.budgets.try_spend(&key(), self.limit(), arrival(HERE, tick));
        spent.map(|(spent, standing)| (spent.is_ok(), standing))
    }

    fn hurry(&self, tick: u64) -> bool {
        self.budgets.spend(&key(), self.limit(), arrival(HERE, tick)).0.is_ok()
    }

    fn claim(&self, waiting: u32, tick: u64) -> Claim {
        self.budgets.claim(&key(), waiting, millis(tick)).unwrap()
    }

    fn hear(&self, share: Share, tick: u64) {
        self.budgets.settle(&key(), &Verdict::Shared(share), millis(tick));
    }

    /// Asked at `tick`, and at once told this.
    fn lent(&self, share: Share, tick: u64) {
        self.claim(1, tick);
        self.hear(share, tick);
    }
}

fn lease(lease: u32, free: u32) -> Share {
    Share { lease, free, ..Share::default() }
}

#[test]
fn who_finds_no_lease_asks_first_and_spends_nothing_meanwhile() {
    let edge = Edge::of(3, 9);
    assert!(edge.ask(0).is_none() && edge.ask(1).is_none());
    let claim = edge.claim(2, 5);
    assert_eq!((claim.total, claim.waiting, claim.is_whole), (0, 2, true));
    edge.hear(lease(2, 7), 7);
    for left in [8, 7] {
        assert_eq!(edge.ask(10).map(|(ok, standing)| (ok, standing.remaining)), Some((true, left)));
    }
    assert!(edge.ask(10).is_none(), "what was lent is spent, and more is free");
    assert_eq!(edge.claim(1, 20).spent, [(0, 2)]);
}

#[test]
fn without_an_answer_a_key_has_its_fair_share_and_not_less_than_one() {
    for (edges, limit, share) in [(3, 9, 3), (3, 10, 3), (8, 5, 1), (1, 4, 4)] {
        let edge = Edge::of(edges, limit);
        let admitted = (0..20).filter(|tick| edge.hurry(*tick)).count();
        assert_eq!(admitted, share, "{limit} on {edges}");
        edge.budgets.fleet().unwrap().note_answer(false);
        assert_eq!(edge.ask(30).map(|(ok, _)| ok), Some(false), "nobody waits for who is away");
        assert!(edge.hurry(61 * SECOND));
    }
}

#[test]
fn nobody_waits_while_answers_are_late() {
    let edge = Edge::of(3, 9);
    assert!(edge.ask(0).is_none());
    edge.budgets.fleet().unwrap().note_late();
    assert_eq!(edge.ask(0).map(|(ok, _)| ok), Some(true));
    edge.budgets.fleet().unwrap().note_answer(true);
    assert!(edge.ask(0).is_none());
}

#[test]
fn what_an_edge_counts_itself_is_never_more_than_the_limit_whatever_it_is_lent() {
    let edge = Edge::of(3, 5);
    edge.ask(0);
    let mut admitted = 0;
    for tick in 0..100 {
        edge.lent(lease(u32::MAX, u32::MAX), tick);
        admitted += (0..10).filter(|_| edge.ask(tick).is_some_and(|(ok, _)| ok)).count();
    }
    assert_eq!(admitted, 5);
}

#[test]
fn a_lease_ends_and_what_is_left_of_it_is_not_spent() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(5, 100), 0);
    assert_eq!(edge.ask(999).map(|(ok, _)| ok), Some(true));
    assert!(edge.ask(1_000).is_none());
    assert_eq!(edge.claim(1, 1_000).held, 0);
}

#[test]
fn a_spent_minute_is_refused_here_without_asking_for_a_moment() {
    let edge = Edge::of(3, 10);
    edge.ask(0);
    edge.lent(Share { next_in: millis(4_000), whole_in: millis(50_000), ..lease(0, 0) }, 0);
    for tick in [0, 100, 249] {
        let (is_admitted, standing) = edge.ask(tick).unwrap();
        assert!(!is_admitted && standing.remaining == 0);
        assert_eq!(standing.whole_in, millis(50_000 - tick), "as others spent it");
    }
    let waits = edge.budgets.spend(&key(), edge.limit(), arrival(HERE, 0)).0.unwrap_err();
    assert_eq!(waits, millis(4_000), "when the next leaves the window");
    assert!(edge.ask(250).is_none(), "somebody may have given back what it did not need");
}

#[test]
fn a_lease_is_renewed_before_it_is_spent_and_only_where_there_is_one_ahead_of_need() {
    for (limit, rung) in [(600, 1), (30, 0)] {
        let edge = Edge::of(3, limit);
        edge.ask(0);
        edge.lent(lease(10, 20), 0);
        for _ in 0..9 {
            edge.ask(1);
        }
        assert_eq!(edge.rung.load(Ordering::Relaxed), rung, "{limit}");
    }
}

#[test]
fn what_was_spent_while_the_arbiter_was_away_is_told_when_it_is_back() {
    let edge = Edge::of(3, 600);
    edge.budgets.fleet().unwrap().note_answer(false);
    assert_eq!((edge.hurry(0), edge.hurry(300)), (true, true));
    assert_eq!(edge.budgets.untold(), [key()]);
    let claim = edge.claim(0, 1_000);
    assert_eq!((claim.total, claim.spent), (2, vec![(500, 1), (750, 1)]));
    edge.hear(lease(0, 500), 1_001);
    assert!(edge.budgets.untold().is_empty());
}

#[test]
fn who_came_before_an_answer_and_finds_nothing_after_it_asks_again_and_takes_no_share() {
    let edge = Edge::of(3, 600);
    assert!(edge.ask(10).is_none());
    edge.lent(lease(1, 5), 30);
    assert_eq!(edge.ask(10).map(|(ok, _)| ok), Some(true));
    assert!(edge.ask(10).is_none());
}

#[test]
fn what_a_lost_answer_lent_is_not_spent_and_the_next_claim_says_all_again() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(4, 100), 0);
    for _ in 0..3 {
        edge.ask(10);
    }
    assert_eq!(edge.claim(5, 300).spent, [(50, 3)]);
    edge.budgets.give_up(&key());
    assert_eq!(edge.ask(310).map(|(ok, _)| ok), Some(true), "one is left of before");
    assert!(edge.ask(310).is_none());
    let again = edge.claim(5, 320);
    assert_eq!((again.spent, again.total), (vec![(0, 1), (70, 3)], 4));
}

#[test]
fn an_arbiter_that_forgot_is_told_the_whole_minute_and_lends_nothing_until_it_has_settled() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(2, 100), 0);
    edge.ask(0);
    edge.ask(0);
    edge.lent(lease(1, 99), 500);
    assert_eq!(edge.claim(1, 1_000).spent, [], "it was told of before");
    edge.budgets.settle(&key(), &Verdict::TellAll, millis(1_002));
    let claim = edge.claim(1, 1_010);
    assert!(claim.is_whole && claim.was_answered);
    assert_eq!(claim.spent, [(760, 2)]);
    edge.hear(Share { settles_in: millis(3_000), ..lease(0, 0) }, 1_012);
    assert_eq!(edge.ask(1_020).map(|(ok, _)| ok), Some(true), "the fair share, at once");
    assert_eq!(edge.budgets.forgotten(), [key()]);
    assert!(edge.claim(0, 1_030).is_whole);
}

#[test]
fn what_is_left_rises_only_when_requests_left_the_window() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(2, 400), 0);
    let left = |tick| edge.ask(tick).unwrap().1.remaining;
    assert_eq!(left(0), 401);
    // Others gave back 100 that they had not spent.
    edge.lent(lease(2, 499), 300);
    assert_eq!(left(300), 400);
    edge.lent(Share { left: 7, ..lease(2, 505) }, 600);
    assert_eq!(left(600), 406);
}

#[test]
fn what_is_not_needed_is_given_back_in_time() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(8, 400), 0);
    assert_eq!(edge.claim(0, 100).held, 8, "somebody may be on the way to it");
    edge.hear(lease(8, 400), 100);
    let held = (1..8).map(|look| {
        let held = edge.claim(0, 100 + 600 * look).held;
        edge.hear(lease(held, 400), 100 + 600 * look);
        held
    });
    assert_eq!(held.collect::<Vec<_>>(), [5, 3, 1, 1, 0, 0, 0]);
}

#[test]
fn a_minute_is_kept_as_long_as_the_arbiter_remembers_its_edge() {
    let edge = Edge::of(3, 600);
    edge.ask(0);
    edge.lent(lease(0, 400), 0);
    edge.budgets.sweep(millis(62 * SECOND));
    assert!(edge.budgets.claim(&key(), 0, millis(62 * SECOND)).is_some());
    edge.budgets.give_up(&key());
    edge.budgets.sweep(millis(200 * SECOND));
    assert!(edge.budgets.claim(&key(), 0, millis(200 * SECOND)).is_none());
}
