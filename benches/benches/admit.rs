//! From a request head to a permit, or to no: the hot path of every request, stage by stage.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod stages;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

const KEYS: usize = 100_000;

fn benchmark(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let replica = benches::replica(directory.path(), KEYS);
    let mut group = criterion.benchmark_group("100 000 keys");
    group.measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    for mut stage in stages::stages(&replica, KEYS) {
        group.bench_function(stage.name, |bencher| bencher.iter_custom(|times| (stage.run)(times).time));
    }
    group.finish();
}

criterion_group!(group, benchmark);
criterion_main!(group);
