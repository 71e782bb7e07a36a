//! Everything around the edges breaks, in a small size: `cargo xtask prove faults` does the same for longer.

use support::faults::{SMALL, bus, poison, programs};

#[tokio::test]
async fn redis_dies_and_nobody_who_may_download_notices() {
    bus::redis_dies(SMALL).await;
}

#[tokio::test]
async fn redis_hangs_and_no_request_waits_for_it() {
    bus::redis_hangs(SMALL).await;
}

#[tokio::test]
async fn redis_is_emptied_and_filled_again() {
    bus::redis_is_emptied(SMALL).await;
}

#[tokio::test]
async fn redis_goes_back_in_time_and_what_was_withdrawn_stays_so() {
    bus::redis_goes_back(SMALL).await;
}

#[tokio::test]
async fn the_log_is_cut_past_an_edge_that_finds_the_gap() {
    bus::the_log_is_cut(SMALL).await;
}

#[tokio::test]
async fn redis_is_poisoned_and_nothing_of_it_is_believed() {
    poison::redis_is_poisoned(SMALL).await;
}

#[tokio::test]
async fn the_control_plane_dies_and_downloads_go_on() {
    programs::the_desk_dies(SMALL).await;
}

#[tokio::test]
async fn everything_dies_and_an_edge_that_starts_serves_from_its_replica() {
    programs::everything_dies_and_an_edge_starts(SMALL).await;
}

#[tokio::test]
async fn a_damaged_replica_lets_nobody_in_and_is_built_again() {
    programs::a_replica_is_damaged(SMALL).await;
}

#[tokio::test]
async fn an_edge_that_is_cut_off_serves_on_is_named_and_comes_back() {
    programs::an_edge_is_cut_off(SMALL, programs::hang).await;
}

#[tokio::test]
async fn edges_whose_clocks_are_an_hour_off_go_on_and_are_seen() {
    programs::clocks_are_wrong(SMALL).await;
}

#[tokio::test]
async fn two_control_planes_over_one_database_tell_one_history() {
    programs::two_desks_write(SMALL).await;
}

#[tokio::test]
async fn a_herd_of_edges_starts_and_asks_little() {
    programs::a_herd_starts(SMALL).await;
}

#[tokio::test]
async fn what_is_withdrawn_while_all_is_well_is_gone_at_once() {
    programs::nothing_is_wrong(SMALL).await;
}
