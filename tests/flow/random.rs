//! Whatever is sent, every program answers and lives.

use rand::Rng as _;
use support::Fleet;
use support::fuzz::{Material, fire, successes};

/// A seed that a failure has printed, to see it again.
const SEED: Option<u64> = None;

#[tokio::test]
async fn two_thousand_random_requests_meet_no_fault_no_hang_and_no_panic() {
    let seed = SEED.unwrap_or_else(|| common::runtime::clock::entropy().unwrap().next_u64());
    println!("seed {seed}");
    let mut fleet = Fleet::start(2).await;
    let material = Material::gather(&fleet).await;
    let counts = fire(&material, seed, 0..2_000).await;
    println!("answers by status, 0 is none: {counts:?}");
    assert!(successes(&counts) > 200, "the requests do not reach what they are about: {counts:?}");
    fleet.assert_sound();
}
