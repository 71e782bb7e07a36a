//! Other ways to keep a limit, so that the one chosen can be held against them.

use std::collections::VecDeque;

use super::{Case, Micros, Outcome, SECOND, Told};

/// Requests of the last minute.
#[derive(Default)]
struct Log(VecDeque<Micros>);

impl Log {
    fn count(&mut self, now: Micros) -> usize {
        while self.0.front().is_some_and(|at| at + 60 * SECOND <= now) {
            self.0.pop_front();
        }
        self.0.len()
    }
}

fn told(asked: &[(Micros, usize)], mut admit: impl FnMut(Micros, usize) -> bool, calls: u64) -> Told {
    let outcome =
        |&(at, edge): &(Micros, usize)| Outcome { at, edge, is_admitted: admit(at, edge), waited: 0 };
    Told { outcomes: asked.iter().map(outcome).collect(), calls }
}

/// One count for all, known everywhere at once: what cannot be built.
#[must_use]
pub fn exact(case: &Case, asked: &[(Micros, usize)]) -> Told {
    let mut log = Log::default();
    let admit = |at, _| {
        let fits = log.count(at) < case.limit as usize;
        if fits {
            log.0.push_back(at);
        }
        fits
    };
    told(asked, admit, 0)
}

/// The limit divided by the number of edges.
#[must_use]
pub fn split(case: &Case, asked: &[(Micros, usize)]) -> Told {
    let mut logs: Vec<Log> = (0..case.edges).map(|_| Log::default()).collect();
    let share = (case.limit as usize / case.edges).max(1);
    let admit = |at, edge: usize| {
        let fits = logs[edge].count(at) < share;
        if fits {
            logs[edge].0.push_back(at);
        }
        fits
    };
    told(asked, admit, 0)
}

/// Each edge counts, and hears every 100 ms what the others counted by then.
#[must_use]
pub fn reconciled(case: &Case, asked: &[(Micros, usize)]) -> Told {
    const EVERY: Micros = SECOND / 10;
    let mut logs: Vec<Log> = (0..case.edges).map(|_| Log::default()).collect();
    let mut known = vec![0usize; case.edges];
    let mut next = 0;
    let (mut calls, last) = (0, asked.last().map_or(0, |(at, _)| *at));
    calls += case.edges as u64 * last.saturating_sub(5 * SECOND) / EVERY;
    let admit = |at: Micros, edge: usize| {
        if at >= next {
            // What arrives now left one way ago, there and back.
            let counts: Vec<usize> = logs
                .iter_mut()
                .map(|log| {
                    log.0.iter().filter(|of| **of + 2 * case.latency <= at && **of + 60 * SECOND > at).count()
                })
                .collect();
            for (of, known) in known.iter_mut().enumerate() {
                *known =
                    counts.iter().enumerate().filter(|(other, _)| *other != of).map(|(_, count)| count).sum();
            }
            next = at - at % EVERY + EVERY;
        }
        let fits = logs[edge].count(at) + known[edge] < case.limit as usize;
        if fits {
            logs[edge].0.push_back(at);
        }
        fits
    };
    told(asked, admit, calls)
}
