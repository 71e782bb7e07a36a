//! A crowd of slow clients as a process: says how each ended, in one line.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "part of a test: it fails by panicking, and what it prints is its result"
)]

use std::time::Duration;

use support::slow::Target;

/// KIND COUNT SECONDS ADDRESS PATH KEY ADMIN_KEY
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().unwrap();
    let (kind, count, seconds) = (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap());
    let target = Target {
        address: next().parse().unwrap(),
        from: "127.0.1.1:0".parse().unwrap(),
        path: next(),
        key: next(),
        admin_key: next(),
        pace: Duration::from_secs(1),
    };
    let ends = target.crowd(kind, count, Duration::from_secs(seconds)).await;
    println!(
        "{} {:.1} {:.1} {}",
        ends.ended,
        ends.first.as_secs_f64(),
        ends.last.as_secs_f64(),
        ends.faults.join("; ")
    );
}
