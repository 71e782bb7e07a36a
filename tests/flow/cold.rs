//! What is not in memory is fetched from the disk apart from the threads that serve: nobody else waits for it.

use std::time::Duration;

use rand::Rng as _;
use support::cold::ColdFile;
use support::{Fleet, eventually};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn readers_of_a_cold_file_get_its_bytes_and_no_thread_that_serves_reads_them() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    let mut fleet = Fleet::start(1).await;
    let cold = ColdFile::upload(&fleet, 64).await;
    cold.forget().await;
    let enough = CancellationToken::new();
    let looking = async {
        let much = || async { if cold.sent() > 16 << 20 { Ok(()) } else { Err(cold.sent()) } };
        eventually(Duration::from_secs(60), much).await;
        enough.cancel();
    };
    tokio::join!(cold.read(seed, 16, &enough), looking);
    let threads = fleet.edges[0].disk_reads();
    let of = |serves: bool| -> u64 {
        let chosen = threads.iter().filter(|(name, _)| name.starts_with("edge-") == serves);
        chosen.map(|(_, bytes)| bytes).sum()
    };
    // Some pages of the program itself are none of the file's.
    assert!(of(false) > 8 << 20 && of(true) < 1 << 20, "{threads:?}");
    fleet.assert_sound();
}
