//! Redis, the control plane, edges, their files and clocks at fault: nobody is wrongly turned away or let in, for long.
#![expect(clippy::print_stdout, reason = "the figures of a proof are for reading")]

use support::faults::load::Tally;
use support::faults::{LARGE, bus, poison, programs};

fn show(fault: &str, (tally, told): (Tally, String)) {
    println!("{fault}: {told}; {}", tally.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_while_nothing_is_wrong() {
    show("nothing is wrong", programs::nothing_is_wrong(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_redis_dies() {
    show("Redis dies", bus::redis_dies(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_redis_hangs() {
    show("Redis hangs", bus::redis_hangs(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_redis_is_emptied() {
    show("Redis is emptied", bus::redis_is_emptied(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_redis_goes_back() {
    show("Redis goes back", bus::redis_goes_back(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_the_log_is_cut() {
    show("the log is cut", bus::the_log_is_cut(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_redis_is_poisoned() {
    show("Redis is poisoned", poison::redis_is_poisoned(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_the_control_plane_dies() {
    show("the control plane dies", programs::the_desk_dies(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_everything_dies() {
    show("everything dies", programs::everything_dies_and_an_edge_starts(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_a_replica_is_damaged() {
    show("a replica is damaged", programs::a_replica_is_damaged(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_an_edge_is_cut_off() {
    show("an edge is cut off", programs::an_edge_is_cut_off(LARGE, programs::hang).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_clocks_are_wrong() {
    show("clocks are wrong", programs::clocks_are_wrong(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_while_two_control_planes_write() {
    show("two control planes", programs::two_desks_write(LARGE).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_wronged_when_a_herd_starts() {
    show("a herd starts", programs::a_herd_starts(LARGE).await);
}
