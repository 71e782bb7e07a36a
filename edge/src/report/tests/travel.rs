//! From the ledger over the spool to a bus that is away now and then.

use std::path::Path;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::deliver::receipt::Witness as _;

/// An edge's way to report, as one boot of it.
struct Boot {
    ledger: Arc<Ledger>,
    drained: CancellationToken,
    running: JoinHandle<()>,
}

impl Boot {
    fn start(directory: &Path, bus: Arc<Moody>) -> Self {
        let ledger = Arc::new(Ledger::new(clock(), metrics()));
        let spool = Spool::open(directory.to_owned(), keys(), 1 << 30, metrics()).unwrap();
        let reporter = Reporter::new("edge-1".to_owned(), ledger.clone(), spool, clock().as_ref());
        let drained = CancellationToken::new();
        let running = tokio::spawn(reporter.run(bus, drained.clone()));
        Self { ledger, drained, running }
    }

    async fn stop(self) {
        self.drained.cancel();
        tokio::time::timeout(PATIENCE, self.running).await.unwrap().unwrap();
    }

    /// As a crash ends it.
    async fn crash(self) {
        self.running.abort();
        self.running.await.unwrap_err();
    }

    fn transfer(&self, times: u64) {
        (0..times).for_each(|_| self.ledger.ended(receipt(1, &[(0, 1_000)])));
    }
}

fn transfers(reports: &[Report]) -> usize {
    reports.iter().map(|report| report.transfers.len()).sum()
}

/// Each number once; where one came again, it said the same.
fn counted_once(mut reports: Vec<Report>) -> Vec<Report> {
    reports.sort_by_key(|report| (report.boot, report.number));
    reports.dedup();
    let numbers = reports.chunk_by(|a, b| a.boot == b.boot);
    for boot in numbers {
        let numbers: Vec<u64> = boot.iter().map(|report| report.number).collect();
        assert_eq!(numbers, (0..boot.len() as u64).collect::<Vec<_>>(), "dense, each once");
    }
    reports
}

#[tokio::test]
async fn a_stop_sends_what_the_last_second_brought() {
    let (directory, bus) = (tempfile::tempdir().unwrap(), Moody::new(false, false));
    let boot = Boot::start(directory.path(), bus.clone());
    boot.transfer(3);
    boot.stop().await;
    assert_eq!(transfers(&counted_once(bus.taken())), 3);
}

#[tokio::test]
async fn many_transfers_do_not_wait_and_make_reports_of_bounded_size() {
    let (directory, bus) = (tempfile::tempdir().unwrap(), Moody::new(false, false));
    let boot = Boot::start(directory.path(), bus.clone());
    boot.transfer(5_234);
    boot.stop().await;
    let reports = counted_once(bus.taken());
    assert_eq!(transfers(&reports), 5_234);
    assert!(reports.iter().all(|report| report.transfers.len() <= 2_000));
}

#[tokio::test]
async fn while_the_bus_is_away_reports_wait_and_then_all_arrive_in_order() {
    let (directory, bus) = (tempfile::tempdir().unwrap(), Moody::new(true, true));
    let boot = Boot::start(directory.path(), bus.clone());
    for round in 1..6 {
        boot.transfer(2);
        bus.tried(round).await;
    }
    bus.away.send_replace(false);
    boot.transfer(1);
    boot.stop().await;
    let taken = bus.taken();
    assert!(taken.is_sorted_by_key(|report| report.number));
    assert!(taken.len() > counted_once(taken.clone()).len(), "some were taken twice");
    assert_eq!(transfers(&counted_once(taken)), 11);
}

#[tokio::test]
async fn what_a_stop_and_a_crash_left_on_disk_is_sent_by_the_next_start_under_its_number() {
    let (directory, bus) = (tempfile::tempdir().unwrap(), Moody::new(true, true));
    let first = Boot::start(directory.path(), bus.clone());
    first.transfer(5);
    first.stop().await;
    let second = Boot::start(directory.path(), bus.clone());
    second.transfer(500);
    let written = || {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|extension| extension == "report")).count()
    };
    let both = async {
        while written() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
    second.crash().await;
    bus.away.send_replace(false);
    let third = Boot::start(directory.path(), bus.clone());
    third.transfer(1);
    third.stop().await;
    let reports = counted_once(bus.taken());
    assert_eq!(transfers(&reports), 5 + 500 + 1);
    assert_eq!(written(), 0);
}
