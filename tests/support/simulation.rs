//! A fleet of edges under load, simulated: the budgets are the edges' own, the arbiter and the network are by hand, and
//! the same traffic goes through other ways to keep a limit, for comparison.

mod leases;
mod others;

use rand::{RngExt as _, SeedableRng as _};

pub use leases::leases;
pub use others::{exact, reconciled, split};

/// Microseconds.
pub type Micros = u64;
pub const SECOND: Micros = 1_000_000;

/// How requests come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// To each edge the same.
    Even,
    /// Nine of ten to the first.
    Skewed,
    /// All to one edge, to another after some seconds.
    FlipFlop,
    /// All within a second, to all edges, and again when that has left every window.
    Burst,
}

/// A case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub edges: usize,
    pub shape: Shape,
    /// Requests a minute that are allowed.
    pub limit: u32,
    /// How many times that come.
    pub load: f64,
    /// One way to the arbiter.
    pub latency: Micros,
    pub seconds: u64,
    pub seed: u64,
}

/// What became of one request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub at: Micros,
    pub edge: usize,
    pub is_admitted: bool,
    pub waited: Micros,
}

/// What became of all.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub outcomes: Vec<Outcome>,
    /// Calls to the arbiter.
    pub calls: u64,
}

/// When which edge is asked.
#[must_use]
pub fn traffic(case: &Case) -> Vec<(Micros, usize)> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(case.seed);
    let gap = 60.0 * SECOND as f64 / (f64::from(case.limit) * case.load);
    let count = (case.seconds * SECOND) as f64 / gap;
    // After the arbiter's own beginning.
    let begin = 5 * SECOND;
    let mut asked: Vec<(Micros, usize)> = (0..count as u64)
        .map(|number| {
            let at = ((number as f64 + rng.random_range(-0.4..0.4)) * gap).max(0.0) as Micros;
            let round = 62 * SECOND;
            let at =
                begin + if case.shape == Shape::Burst { at / round * round + at % round / 62 } else { at };
            let any = rng.random_range(0..case.edges);
            let edge = match case.shape {
                Shape::Even | Shape::Burst => any,
                Shape::Skewed => {
                    if rng.random_range(0..10) < 9 {
                        0
                    } else {
                        any
                    }
                }
                Shape::FlipFlop => usize::try_from(at / (7 * SECOND)).unwrap() % case.edges,
            };
            (at, edge)
        })
        .collect();
    asked.sort_unstable();
    asked
}

impl Told {
    #[must_use]
    pub fn admitted(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.is_admitted).count()
    }

    /// The most that were admitted of those who came in any 60 seconds.
    #[must_use]
    pub fn worst_minute(&self) -> usize {
        let mut admitted: Vec<Micros> =
            self.outcomes.iter().filter(|o| o.is_admitted).map(|o| o.at).collect();
        admitted.sort_unstable();
        let mut from = 0;
        (0..admitted.len())
            .map(|to| {
                while admitted[from] + 60 * SECOND <= admitted[to] {
                    from += 1;
                }
                to - from + 1
            })
            .max()
            .unwrap_or(0)
    }

    /// How many of a hundred were refused.
    #[must_use]
    pub fn refused(&self) -> f64 {
        100.0 * (self.outcomes.len() - self.admitted()) as f64 / self.outcomes.len().max(1) as f64
    }

    /// How many of a hundred waited, and the longest.
    #[must_use]
    pub fn waited(&self) -> (f64, Micros) {
        let waited = self.outcomes.iter().filter(|outcome| outcome.waited > 0).count();
        let longest = self.outcomes.iter().map(|outcome| outcome.waited).max().unwrap_or(0);
        (100.0 * waited as f64 / self.outcomes.len().max(1) as f64, longest)
    }
}
