//! A file of 2 GiB that is not in memory is read all over by many, and small requests beside that take as long as without.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "also outside of the test function itself this is how a proof fails, and its figures are for reading"
)]

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use support::Fleet;
use support::cold::ColdFile;
use support::paced::Pace;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

const MEBIBYTES: u64 = 2048;
const READERS: u32 = 64;
/// Of each kind, alternating.
const ROUNDS: u64 = 15;

/// How long small requests took.
#[derive(Clone, Copy)]
struct Took {
    p50: Duration,
    p99: Duration,
}

/// The edge for itself on one core, everything else on another: as far as there are two.
fn divide() -> usize {
    let allowed = sched_getaffinity(None).unwrap();
    let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let mut other = CpuSet::new();
    other.set(usable[usable.len().min(2) - 1]);
    // What this thread starts from now on inherits it.
    sched_setaffinity(None, &other).unwrap();
    usable[0]
}

async fn small(fleet: &Fleet) -> Pace {
    let admin = fleet.admin(0);
    let stock = admin.stock("small").await;
    let bytes = support::content::bytes(3, 1024);
    let fields = [("applicationId", "small"), ("version", "2.0.0")];
    admin.upload(&fields, "small.bin", &bytes).await.expect(201);
    let often = serde_json::json!({ "rateLimitRpm": 1_000_000 });
    let key = admin.create_key(&stock.customer, often).await.text;
    let path = "/v1/download/small/2.0.0/small.bin".to_owned();
    let client = fleet.client(0, &key);
    support::eventually(support::PATIENCE, || async { client.get(&path).await.is(200) }).await;
    let address = client.base().trim_start_matches("http://").parse().unwrap();
    let (connections, rate, time) = (8, 1_000, Duration::from_secs(2));
    Pace { address, path, key, bytes, connections, rate, time }
}

async fn measure(pace: &Pace) -> Took {
    let took = pace.run().await;
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    Took { p50: at(50), p99: at(99) }
}

async fn measure_beside(pace: &Pace, cold: &Arc<ColdFile>, seed: u64) -> Took {
    cold.forget().await;
    let sent = cold.sent();
    let enough = CancellationToken::new();
    let readers = read_apart(cold.clone(), seed, enough.clone());
    let took = measure(pace).await;
    enough.cancel();
    readers.await.unwrap();
    let (sent, resident) = ((cold.sent() - sent) >> 20, cold.resident().await >> 20);
    println!("  {READERS} readers got {sent} MiB, all right; {resident} MiB are in memory after that");
    assert!(sent > 0);
    took
}

/// On a thread behind all others: what the readers do with their bytes must not keep the one who measures from its core.
fn read_apart(cold: Arc<ColdFile>, seed: u64, enough: CancellationToken) -> oneshot::Receiver<()> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        rustix::process::nice(19).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(cold.read(seed, READERS, &enough));
        tell.send(()).unwrap();
    });
    told
}

fn median(took: &[Took], of: fn(&Took) -> Duration) -> Duration {
    let mut times: Vec<Duration> = took.iter().map(of).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
async fn readers_of_a_cold_file_leave_small_requests_their_time() {
    let seed = common::runtime::clock::entropy().unwrap().next_u64();
    println!("seed {seed}");
    let core = divide();
    let mut fleet = Fleet::adjusted(1, |_, launch| launch.env("TIDEGATE_WORKERS", "1")).await;
    let cold = Arc::new(ColdFile::upload(&fleet, MEBIBYTES).await);
    let pace = small(&fleet).await;
    fleet.edges[0].pin(core);
    // It would work off what the edge reports meanwhile, on the core of those who measure. The edge asks nobody.
    fleet.desk.freeze(true);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (quiet, beside) =
            (measure(&pace).await, measure_beside(&pace, &cold, seed.wrapping_add(round << 32)).await);
        println!(
            "round {}: p50 {:.0?}, p99 {:.0?} without; p50 {:.0?}, p99 {:.0?} with",
            round + 1,
            quiet.p50,
            quiet.p99,
            beside.p50,
            beside.p99
        );
        without.push(quiet);
        with.push(beside);
    }
    for (thread, bytes) in fleet.edges[0].disk_reads() {
        println!("thread {thread} made the disk read {} KiB", bytes >> 10);
    }
    let [without, with] = [without, with].map(|took| (median(&took, |t| t.p50), median(&took, |t| t.p99)));
    println!(
        "medians: p50 {:.0?}, p99 {:.0?} without; p50 {:.0?}, p99 {:.0?} with",
        without.0, without.1, with.0, with.1
    );
    assert!(with.1 <= 2 * without.1);
    fleet.desk.freeze(false);
    fleet.assert_sound();
}
