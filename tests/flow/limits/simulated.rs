//! Fleets in simulation: what leases admit and refuse, for many shapes of traffic and latencies, and that other ways
//! would not do.

use support::simulation::{Case, Shape, exact, leases, reconciled, split, traffic};

const SHAPES: [Shape; 4] = [Shape::Even, Shape::Skewed, Shape::FlipFlop, Shape::Burst];

fn cases(load: f64) -> impl Iterator<Item = Case> {
    let of =
        move |edges, shape, latency| Case { edges, shape, limit: 600, load, latency, seconds: 150, seed: 7 };
    [3, 8].into_iter().flat_map(move |edges| {
        SHAPES
            .into_iter()
            .flat_map(move |shape| [100, 1_000, 9_000].into_iter().map(move |l| of(edges, shape, l)))
    })
}

#[test]
fn no_sixty_seconds_of_a_flood_hold_more_than_the_limit_the_first_included() {
    for case in cases(3.0) {
        let asked = traffic(&case);
        let (told, ideal) = (leases(&case, &asked), exact(&case, &asked));
        // Who waited too long for an answer has the fair share, of which the arbiter is told afterwards.
        let most = if case.latency > 5_000 { 630 } else { 600 };
        assert!(told.worst_minute() <= most, "{case:?}: {}", told.worst_minute());
        let lost = ideal.admitted() - told.admitted().min(ideal.admitted());
        assert!(
            lost * 50 <= ideal.admitted(),
            "{case:?}: {} instead of {}",
            told.admitted(),
            ideal.admitted()
        );
    }
}

#[test]
fn below_the_limit_nearly_nobody_is_refused() {
    for case in cases(0.9) {
        let asked = traffic(&case);
        let told = leases(&case, &asked);
        // An answer that takes 18 ms and had to wait for another one comes too late for who waits.
        let most = if case.latency > 5_000 { 0.5 } else { 0.0 };
        assert!(told.refused() <= most, "{case:?}: {} %", told.refused());
    }
}

#[test]
fn small_limits_are_exact_to_one() {
    for edges in [3, 8] {
        for shape in SHAPES {
            let case = Case { edges, shape, limit: 10, load: 30.0, latency: 500, seconds: 200, seed: 3 };
            let asked = traffic(&case);
            let (told, ideal) = (leases(&case, &asked), exact(&case, &asked));
            assert!((9..=10).contains(&told.worst_minute()), "{case:?}: {}", told.worst_minute());
            // One for each minute that begins: a window here is a little longer than a minute.
            let lost = ideal.admitted() - told.admitted();
            assert!(lost <= 4, "{case:?}: {} instead of {}", told.admitted(), ideal.admitted());
        }
    }
}

#[test]
fn the_ways_that_were_not_taken_would_not_do() {
    let case =
        Case { edges: 8, shape: Shape::Burst, limit: 600, load: 3.0, latency: 1_000, seconds: 150, seed: 7 };
    let admitted = reconciled(&case, &traffic(&case)).worst_minute();
    assert!(admitted > 700, "counts that are told every 100 ms: {admitted}");
    let case = Case { shape: Shape::Skewed, load: 0.9, ..case };
    let refused = split(&case, &traffic(&case)).refused();
    assert!(refused > 50.0, "a fixed share each: {refused} %");
}
