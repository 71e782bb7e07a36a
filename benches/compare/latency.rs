//! How long requests take at half of what the slower server can do: the same rate for both, so that the client's own
//! part is the same too.

use std::time::Duration;

use crate::Failure;
use crate::arguments::Arguments;
use crate::paced::{self, Pace};
use crate::programs::say;
use crate::report::{Latency, Percentiles};
use crate::rows::{MIDDLE, SMALL, is_wanted};
use crate::stage::Stage;
use crate::statistics::median;
use crate::targets::{self, Target};
use crate::wrk::{self, Load};

const CONNECTIONS: u32 = 64;

/// For small files, where it is the server that takes the time.
pub(crate) async fn measure(stage: &Stage, arguments: &Arguments) -> Result<Vec<Latency>, Failure> {
    let mut found = Vec::new();
    for (name, file) in [("p99, 1 KiB", SMALL), ("p99, 64 KiB", MIDDLE)] {
        if is_wanted(name, arguments.only.as_deref()) {
            found.push(one(stage, arguments, name, file).await?);
        }
    }
    Ok(found)
}

async fn one(
    stage: &Stage,
    arguments: &Arguments,
    name: &'static str,
    file: &str,
) -> Result<Latency, Failure> {
    let targets = [targets::ours(stage, file), targets::nginx(stage, "static", file)];
    let mut slower = f64::INFINITY;
    for target in &targets {
        slower = slower.min(saturation(stage, arguments, target).await?);
    }
    let rate = slower / 2.0;
    let mut rounds = [Vec::new(), Vec::new()];
    for round in 0..arguments.rounds() {
        for (target, rounds) in targets.iter().zip(&mut rounds) {
            let (address, request) = paced::wire(target)?;
            let pace = Pace { address, request, connections: CONNECTIONS, rate, time: arguments.cell() };
            let took = percentiles(paced::run(pace, stage.cores.load).await?)?;
            say(&format!("round {}: {name}: {} {:.0} µs at {rate:.0}/s", round + 1, target.peer, took.p99));
            rounds.push(took);
        }
    }
    let [ours, nginx] = rounds.map(|rounds| middle(&rounds));
    Ok(Latency { name, rate, ours, nginx, met: ours.p99 <= nginx.p99 })
}

/// Requests per second when there are always more.
async fn saturation(stage: &Stage, arguments: &Arguments, target: &Target) -> Result<f64, Failure> {
    let script = wrk::script(&stage.directory)?;
    let load = Load { target, connections: CONNECTIONS, time: arguments.cell() };
    let served = wrk::run(&script, stage.cores.load, &load).await?;
    #[expect(clippy::cast_precision_loss, reason = "no run serves 2^52 requests")]
    let requests = served.requests as f64;
    Ok(requests / load.time.as_secs_f64())
}

fn percentiles(mut took: Vec<Duration>) -> Result<Percentiles, Failure> {
    took.sort_unstable();
    let last = took.len().checked_sub(1).ok_or("nothing was asked")?;
    let at = |thousandths: usize| took[last * thousandths / 1_000].as_secs_f64() * 1e6;
    Ok(Percentiles { p50: at(500), p99: at(990), p999: at(999) })
}

fn middle(rounds: &[Percentiles]) -> Percentiles {
    let of = |part: fn(&Percentiles) -> f64| {
        median(&rounds.iter().map(part).collect::<Vec<f64>>()).unwrap_or_default()
    };
    Percentiles { p50: of(|p| p.p50), p99: of(|p| p.p99), p999: of(|p| p.p999) }
}

#[test]
fn percentiles_are_of_what_took_longest() {
    let took = (0..=1_000).rev().map(Duration::from_micros).collect();
    let found = percentiles(took).unwrap();
    let micros = [found.p50, found.p99, found.p999].map(f64::round);
    assert_eq!(micros, [500.0, 990.0, 999.0]);
    assert!(percentiles(Vec::new()).is_err());
}
