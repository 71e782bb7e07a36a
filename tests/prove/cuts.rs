//! Downloads of 1 GB at 1 MB/s are reset within 50 ms (p99) of the answer that deletes their key.

use support::cuts::{cut, percentile};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_150_running_downloads_each_is_reset_when_its_key_is_deleted() {
    let times = cut(1_024, 5, 10).await;
    let mut all: Vec<f64> = Vec::new();
    for (name, times) in &times {
        let [least, half, most, last] = [0, 50, 99, 100].map(|of_hundred| percentile(times, of_hundred));
        println!(
            "{name:24} {} cuts; ms from answer to reset: min {least:.2}, p50 {half:.2}, p99 {most:.2}, max {last:.2}",
            times.len()
        );
        all.extend(times);
    }
    all.sort_unstable_by(f64::total_cmp);
    println!("all: p99 {:.2} ms", percentile(&all, 99));
    assert!(all.len() >= 100 && percentile(&all, 99) <= 50.0);
}
