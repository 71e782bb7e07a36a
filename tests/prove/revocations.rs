//! A thousand rights taken away under load: how long each edge of five still honours them, with the bus and without.

use std::time::Duration;

use support::Fleet;
use support::paced::Pace;
use support::revocations::{Wares, measure};

/// Requests a second of everybody else, at each of two edges.
const LOAD: u32 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_revocations_reach_five_edges() {
    let mut fleet = Fleet::start(5).await;
    let mut wares = Wares::gather(&fleet).await;
    let admin = fleet.at_desk();
    let stock = admin.stock("load").await;
    let mut loads = Vec::new();
    for edge in 0..2 {
        let client = fleet.client(edge, &stock.key.text);
        support::eventually(support::PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        let pace = Pace {
            address: client.base().trim_start_matches("http://").parse().unwrap(),
            path: stock.path(),
            key: stock.key.text.clone(),
            bytes: stock.bytes.clone(),
            connections: 4,
            rate: LOAD,
            time: Duration::from_secs(60),
        };
        loads.push(tokio::spawn(async move { pace.run().await }));
    }
    let all = [0, 1, 2, 3, 4];
    let lags = measure(&fleet, &mut wares, (1_000, &all), "").await;
    println!("over the bus, from the answer of the control plane to the last success: {lags}");
    assert!(lags.percentile(99) <= Duration::from_millis(50), "{lags}");
    let lags = measure(&fleet, &mut wares, (200, &all), "?wait=edges").await;
    println!("with ?wait=edges: {lags}");
    assert_eq!(lags.longest(), Duration::ZERO, "accepted after the answer");
    for load in loads {
        let took = load.await.unwrap();
        println!("{} downloads of others meanwhile, longest {:.1?}", took.len(), took.last().unwrap());
    }
    fleet.redis.kill();
    let lags = measure(&fleet, &mut wares, (200, &all), "").await;
    println!("without the bus: {lags}");
    assert!(lags.longest() <= Duration::from_secs(2), "{lags}");
    fleet.assert_sound();
}
