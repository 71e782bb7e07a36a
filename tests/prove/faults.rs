//! Redis, the control plane, edges, their files and clocks at fault: nobody is wrongly turned away or let in, for long.
#![expect(clippy::print_stdout, reason = "the figures of a proof are for reading")]

use support::faults::load::Tally;
use support::faults::{LARGE, bus, poison, programs};

fn show(fault: &str, (tally, told): (Tally, String)) {
    println!("{fault}: {told}; {}", tally.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_around_the_edges_nobody_is_wronged() {
    show("nothing is wrong", programs::nothing_is_wrong(LARGE).await);
    show("Redis dies", bus::redis_dies(LARGE).await);
    show("Redis hangs", bus::redis_hangs(LARGE).await);
    show("Redis is emptied", bus::redis_is_emptied(LARGE).await);
    show("Redis goes back", bus::redis_goes_back(LARGE).await);
    show("the log is cut", bus::the_log_is_cut(LARGE).await);
    show("Redis is poisoned", poison::redis_is_poisoned(LARGE).await);
    show("the control plane dies", programs::the_desk_dies(LARGE).await);
    show("everything dies", programs::everything_dies_and_an_edge_starts(LARGE).await);
    show("a replica is damaged", programs::a_replica_is_damaged(LARGE).await);
    show("an edge is cut off", programs::an_edge_is_cut_off(LARGE, programs::hang).await);
    show("clocks are wrong", programs::clocks_are_wrong(LARGE).await);
    show("two control planes", programs::two_desks_write(LARGE).await);
    show("a herd starts", programs::a_herd_starts(LARGE).await);
}
