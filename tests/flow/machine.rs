//! Whatever a vendor does in whatever order, each key lists and downloads what it should.

use support::machine;

/// The order of the commands: another one every day would fail on a day when nobody changed anything.
const SEED: u64 = 17;

#[test]
fn a_thousand_random_commands_leave_every_key_with_what_the_model_says() {
    machine::run(1_000, SEED);
}
