//! Whoever can write to the bus can neither make a key, nor revive one, nor end an edge.

use rand::Rng as _;
use support::poison::hold_against;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_mutants_of_what_travels_change_no_decision() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    hold_against(20_000, 400, seed).await;
}
