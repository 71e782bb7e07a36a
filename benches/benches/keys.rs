//! The same stages with any number of keys, what each allocates, and what the process holds in memory.
//!
//! `cargo bench -p benches --bench keys -- 10000000 /var/tmp/replica` makes the replica once and then takes it as it is;
//! a third word chooses the stages whose names hold it.
//! Times are of the fastest tenth of short rounds: on a machine that does other things, too, a mean tells of those.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod stages;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use stages::{Stage, Taken};

const ROUNDS: usize = 1_000;
const IN_A_ROUND: u64 = 100;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let count: usize = words.next().map_or(100_000, |word| word.parse().expect("a number of keys"));
    let passing = tempfile::tempdir().expect("a directory");
    let directory = words.next().map_or_else(|| passing.path().to_owned(), PathBuf::from);
    let wanted = words.next().unwrap_or_default();
    let began = Instant::now();
    drop(benches::replica(&directory, count));
    println!("{count} keys, made or found in {:?}", began.elapsed());
    println!("RssAnon after making it: {}", anonymous_memory());
    let began = Instant::now();
    let replica = benches::replica(&directory, count);
    println!("opened in {:?}, RssAnon {}", began.elapsed(), anonymous_memory());
    println!("{:42} {:>9} {:>9} {:>12}", "stage", "ns", "median", "allocations");
    for mut stage in stages::stages(&replica, count).into_iter().filter(|stage| stage.name.contains(&wanted))
    {
        let (fast, median, allocations) = measure(&mut stage);
        println!("{:42} {fast:9.0} {median:9.0} {allocations:12.3}", stage.name);
    }
    println!("RssAnon {}", anonymous_memory());
}

/// Nanoseconds of one call in the fastest tenth of the rounds and in the median, and allocations of one call.
fn measure(stage: &mut Stage) -> (f64, f64, f64) {
    let warm = Instant::now();
    while warm.elapsed() < Duration::from_millis(300) {
        (stage.run)(IN_A_ROUND);
    }
    let mut rounds: Vec<Taken> = (0..ROUNDS).map(|_| (stage.run)(IN_A_ROUND)).collect();
    rounds.sort_by_key(|taken| taken.time);
    let one = |place: usize| rounds[place].time.as_nanos() as f64 / IN_A_ROUND as f64;
    let allocations: u64 = rounds.iter().map(|taken| taken.allocations).sum();
    (one(ROUNDS / 10), one(ROUNDS / 2), allocations as f64 / (ROUNDS as u64 * IN_A_ROUND) as f64)
}

fn anonymous_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}
