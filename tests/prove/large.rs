//! A file of 320 MiB is uploaded, downloaded and resumed at both edges, and no process holds more for it.

use support::large::journey;

/// KiB of anonymous memory that each process may hold, as in the reduced run: size must not matter.
const MOST: u64 = 24 * 1024;

#[tokio::test]
async fn a_file_of_320_mebibytes_travels_through_flat_memory() {
    for peak in journey(320).await {
        println!(
            "{:14} RssAnon {:6} KiB, VmHWM {:6} KiB",
            peak.program, peak.memory.anonymous, peak.memory.high_water
        );
        assert!(peak.memory.anonymous < MOST, "{peak:?}");
    }
}
