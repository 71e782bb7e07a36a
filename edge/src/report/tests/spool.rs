//! What lies on disk: its order, its bound, and what a crash leaves.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;
use crate::deliver::receipt::Witness as _;

const ROOM: u64 = 1 << 20;

fn spool(directory: &Path, most: u64) -> Spool {
    Spool::open(directory.join("reports"), keys(), most, metrics()).unwrap()
}

/// A report with that many transfers and one row of usage.
fn report(boot: u64, number: u64, transfers: usize) -> Report {
    let ledger = Ledger::new(clock(), metrics());
    (0..transfers.max(1)).for_each(|_| ledger.ended(receipt(1, &[(0, 1_000)])));
    let (mut ended, usage) = ledger.take();
    ended.truncate(transfers);
    Report { edge: "edge-1".to_owned(), boot, number, transfers: ended, usage }
}

/// Everything in the order in which it would be sent.
async fn drain(spool: &Spool) -> Vec<Report> {
    let mut all = Vec::new();
    while let Some((id, sealed)) = spool.oldest().await {
        all.push(open(&sealed));
        spool.sent(id).await;
    }
    all
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory.join("reports")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_a_crash_left_is_there_in_its_order_and_goes_when_it_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let reports = [report(9, 0, 1), report(9, 1, 2), report(9, 10, 0), report(9, 100, 1), report(10, 0, 3)];
    let left = spool(directory.path(), ROOM);
    for report in &reports[..4] {
        left.push(report).await;
    }
    drop(left);
    let found = spool(directory.path(), ROOM);
    assert_eq!((found.pending(), found.newest_boot()), (4, Some(9)));
    found.push(&reports[4]).await;
    assert_eq!(drain(&found).await, reports);
    assert_eq!(files(directory.path()), [""; 0]);
    let mode = std::fs::metadata(directory.path().join("reports")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "it tells who downloaded what");
}

#[tokio::test]
async fn what_was_torn_or_forged_or_is_not_ours_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    spool(directory.path(), ROOM).push(&report(9, 1, 1)).await;
    spool(directory.path(), ROOM).push(&report(9, 2, 1)).await;
    let path = |name: &str| directory.path().join("reports").join(name);
    let whole = std::fs::read(path("9-1.report")).unwrap();
    std::fs::write(path("9-1.report"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(path("8-0.report"), b"").unwrap();
    std::fs::write(path("8-1.report"), [0xff; 100]).unwrap();
    std::fs::write(path("9-3.part"), b"unfinished").unwrap();
    std::fs::write(path("notes.txt"), b"somebody's").unwrap();
    assert_eq!(drain(&spool(directory.path(), ROOM)).await, [report(9, 2, 1)]);
    assert_eq!(files(directory.path()), ["notes.txt"]);
}

#[tokio::test]
async fn over_its_bound_the_oldest_lose_their_transfers_first_and_usage_stays() {
    let directory = tempfile::tempdir().unwrap();
    let size = |name: &str| std::fs::metadata(directory.path().join("reports").join(name)).unwrap().len();
    let spool = spool(directory.path(), 7_000);
    for number in 0..10 {
        spool.push(&report(9, number, 20)).await;
        let total: u64 = files(directory.path()).iter().map(|name| size(name)).sum();
        assert!(total <= 7_000, "{total} after {number}");
    }
    let kept = drain(&spool).await;
    assert_eq!(kept.iter().map(|report| report.number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(kept.iter().all(|report| report.usage.len() == 1));
    let counts: Vec<usize> = kept.iter().map(|report| report.transfers.len()).collect();
    let first_whole = counts.iter().position(|count| *count == 20).unwrap();
    assert!(first_whole > 3, "{counts:?}");
    assert!(counts.iter().enumerate().all(|(at, count)| *count == if at < first_whole { 0 } else { 20 }));
}

#[tokio::test]
async fn when_there_are_no_transfers_left_to_lose_the_oldest_reports_go() {
    let directory = tempfile::tempdir().unwrap();
    let spool = spool(directory.path(), 1_500);
    for number in 0..20 {
        spool.push(&report(9, number, 1)).await;
    }
    let numbers: Vec<u64> = drain(&spool).await.iter().map(|report| report.number).collect();
    assert!(!numbers.is_empty() && numbers.len() < 10, "{numbers:?}");
    assert_eq!(numbers, (20 - numbers.len() as u64..20).collect::<Vec<_>>());
    assert_eq!(files(directory.path()), [""; 0]);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_kept_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    spool(directory.path(), ROOM).push(&report(8, 0, 1)).await;
    let spool = spool(directory.path(), ROOM);
    std::fs::remove_dir_all(directory.path().join("reports")).unwrap();
    spool.push(&report(9, 1, 2)).await;
    // The file that was left is gone, and that is noticed.
    assert_eq!(drain(&spool).await, [report(9, 1, 2)]);
}

#[tokio::test]
async fn what_is_under_way_is_not_read_back_until_there_is_much_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let spool = spool(directory.path(), 1 << 30);
    for number in 0..20 {
        spool.push(&report(9, number, 10_000)).await;
    }
    std::fs::remove_dir_all(directory.path().join("reports")).unwrap();
    let sent = drain(&spool).await.len();
    assert!((1..20).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_clock_that_was_turned_back_does_not_make_a_boot_anew() {
    let directory = tempfile::tempdir().unwrap();
    let later = u64::try_from(NOW).unwrap() + 1_000;
    let spool = spool(directory.path(), ROOM);
    spool.push(&report(later, 0, 1)).await;
    let ledger = Arc::new(Ledger::new(clock(), metrics()));
    let reporter = Reporter::new("edge-1".to_owned(), ledger, spool, clock().as_ref());
    assert_eq!(reporter.boot, later + 1);
}
