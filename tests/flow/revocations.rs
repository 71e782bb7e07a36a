//! A right that was taken away opens no door any more, at any edge.

use std::time::Duration;

use support::Fleet;
use support::revocations::{WAYS, Wares, measure};

const WAITING: &str = "?wait=edges&waitSeconds=20";

#[tokio::test]
async fn every_way_to_end_a_right_reaches_every_edge_also_without_the_bus() {
    let mut fleet = Fleet::start(3).await;
    let mut wares = Wares::gather(&fleet).await;
    let lags = measure(&fleet, &mut wares, (2 * WAYS.len(), &[0, 1, 2]), "").await;
    println!("over the bus: {lags}");
    let lags = measure(&fleet, &mut wares, (WAYS.len(), &[0, 1, 2]), WAITING).await;
    assert_eq!(lags.longest(), Duration::ZERO, "accepted after every edge had confirmed: {lags}");
    fleet.redis.kill();
    let lags = measure(&fleet, &mut wares, (WAYS.len(), &[0, 1, 2]), "").await;
    println!("without it: {lags}");
    let lags = measure(&fleet, &mut wares, (WAYS.len(), &[0, 1, 2]), WAITING).await;
    assert_eq!(lags.longest(), Duration::ZERO, "accepted after every edge had confirmed: {lags}");
    fleet.assert_sound();
}
