//! Ten thousand random requests meet no fault, no hang and no panic, and leave memory as it was after two thousand.

use rand::Rng as _;
use support::Fleet;
use support::fuzz::{Material, fire};

/// KiB that a process may have grown between request 2 000 and request 10 000.
const GROWTH: u64 = 8 * 1024;

#[tokio::test]
async fn ten_thousand_random_requests_leave_memory_flat() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    let mut fleet = Fleet::start(2).await;
    let material = Material::gather(&fleet).await;
    let held = |fleet: &Fleet| -> Vec<u64> {
        fleet.programs().iter().map(|(_, program)| program.memory().anonymous).collect()
    };
    let counts = fire(&material, seed, 0..2_000).await;
    println!("answers by status, 0 is none: {counts:?}");
    let early = held(&fleet);
    let counts = fire(&material, seed, 2_000..10_000).await;
    println!("answers by status, 0 is none: {counts:?}");
    let late = held(&fleet);
    println!("RssAnon in KiB, control plane and edges: {early:?}, then {late:?}");
    fleet.assert_sound();
    for (early, late) in early.iter().zip(&late) {
        assert!(*late < early + GROWTH, "{early} KiB grew to {late} KiB");
    }
}
