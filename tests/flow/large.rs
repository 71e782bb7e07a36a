//! A file larger than anybody's memory should be, on its whole way through real processes.

use support::large::journey;

/// KiB of anonymous memory that each process may hold. Measured on two cores, unoptimised: control plane 8.4 MiB, edges
/// 5.4 MiB. The margin is for machines with more cores, whose allocators keep more; the file is still far larger.
const MOST: u64 = 24 * 1024;

#[tokio::test]
async fn a_large_file_is_the_same_for_curl_and_wget_at_both_edges_and_fills_nobodys_memory() {
    for peak in journey(64).await {
        println!("{peak:?}");
        assert!(peak.memory.anonymous < MOST, "{peak:?}");
    }
}
