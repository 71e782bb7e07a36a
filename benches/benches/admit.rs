//! From a request head to a permit, or to no: the hot path of every request.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::{head, rooms};
use common::time::Timestamp;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use edge::gate::Gate;
use edge::request::{Arrival, Ask, Table};
use http::request::Parts;

const KEYS: usize = 100_000;
/// A well-formed key that was never issued.
const UNKNOWN: &str = "14632221-b1b6-4eec-844a-39f60c7f1523.an-imported-secret-that-nobody-has";
/// A key of ours with a wrong check.
const GARBAGE: &str = "14632221-b1b6-4eec-844a-39f60c7f1523.tg_cus_012345678901234567890123456789zzzzzz";

fn arrival(began: Instant) -> Arrival {
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    Arrival { address, at: Timestamp::from_millis(1_800_000_000_000), tick: began.elapsed() }
}

fn admit(gate: &Gate, table: &Table, parts: Parts, began: Instant) -> bool {
    match Ask::parse(parts, arrival(began), table) {
        Ok(ask) => gate.admit(&ask).is_ok(),
        Err(_) => false,
    }
}

fn benchmark(criterion: &mut Criterion) {
    let began = Instant::now();
    let Ok(table) = Table::new("") else { return };
    let mut group = criterion.benchmark_group("head to permit, 100 000 keys");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    let hot = rooms(KEYS, KEYS as u64);
    for (name, key) in [("hot key", hot.keys[0].as_str()), ("unknown key", UNKNOWN), ("garbage", GARBAGE)] {
        let parts = head(key);
        group.bench_function(name, |bencher| {
            let run = |parts| black_box(admit(&hot.gate, &table, parts, began));
            bencher.iter_batched(|| parts.clone(), run, BatchSize::SmallInput);
        });
    }
    // Nothing stays ready: every look-up goes to the replica.
    let cold = rooms(KEYS, 0);
    let heads: Vec<Parts> = cold.keys.iter().map(|key| head(key)).collect();
    let mut next = (0..KEYS).cycle().map(|n| n * 7_919 % KEYS);
    group.bench_function("key that only the replica knows", |bencher| {
        let setup = || heads[next.next().unwrap_or(0)].clone();
        bencher.iter_batched(
            setup,
            |parts| black_box(admit(&cold.gate, &table, parts, began)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(stages, benchmark);
criterion_main!(stages);
