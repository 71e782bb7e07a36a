//! A million mutated records on the bus change no decision of an edge, and end none.

use rand::Rng as _;
use support::poison::hold_against;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_mutants_of_what_travels_change_no_decision() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    let made = hold_against(1_000_000, 10_000, seed).await;
    println!("{made} mutants, no decision changed, nothing panicked");
}
