//! Ten thousand random management commands, and after each one every key lists and downloads what the model says.

use rand::Rng as _;
use support::machine;

#[test]
fn ten_thousand_random_commands_leave_every_key_with_what_the_model_says() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    machine::run(10_000, seed);
}
