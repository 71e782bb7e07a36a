//! What was seen since it was last written down: on the way of every request, so without one lock for all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use common::runtime::clock::Clock;
use common::time::Timestamp;
use common::wire::v1::event::{Transfer, Usage};
use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::Notify;

use super::{Account, MOST_TRANSFERS};
use crate::deliver::receipt::{Receipt, Witness};
use crate::observe::{Lost, ReportMetrics};

/// Transfers that wait to be written down; a disk that hangs for longer costs the newest.
const MOST_WAITING: usize = 100_000;
/// Rows of usage that wait.
const MOST_ROWS: usize = 100_000;
const MINUTE: i64 = 60_000;

/// Why a request was not served: our words, or `status_404` for what the control plane said.
type Reason = Cow<'static, str>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Row {
    minute: Timestamp,
    account: Account,
}

#[derive(Default)]
struct Count {
    requests: u64,
    bytes: u64,
    refused: BTreeMap<Reason, u64>,
}

/// A transfer, and when it ended.
struct Ended {
    receipt: Receipt,
    at: Timestamp,
}

/// Who is told of everything that is counted.
pub struct Ledger {
    ended: Mutex<Vec<Ended>>,
    usage: DashMap<Row, Count, RandomState>,
    /// Of rows in `usage`: its own count would take all its locks.
    rows: AtomicUsize,
    many: Notify,
    clock: Arc<dyn Clock>,
    metrics: ReportMetrics,
}

impl Ledger {
    pub fn new(clock: Arc<dyn Clock>, metrics: ReportMetrics) -> Self {
        let (ended, usage, rows) = (Mutex::default(), DashMap::default(), AtomicUsize::new(0));
        Self { ended, usage, rows, many: Notify::new(), clock, metrics }
    }

    /// Counts a request that came at `at`, however it will end.
    pub fn count_request(&self, account: &Account, at: Timestamp) {
        self.add(account, at, |count| count.requests += 1);
    }

    /// Counts that a request, which was counted, was not served.
    pub fn count_refusal(&self, account: &Account, at: Timestamp, reason: Reason) {
        self.add(account, at, |count| *count.refused.entry(reason).or_default() += 1);
    }

    /// Waits until there are enough transfers for a report.
    pub async fn many(&self) {
        self.many.notified().await;
    }

    /// Everything, which then is here no more.
    pub fn take(&self) -> (Vec<Transfer>, Vec<Usage>) {
        let ended = std::mem::take(&mut *self.ended());
        // Here and not where they ended: that is the way of every request.
        let transfers = ended.into_iter().map(transfer_of).collect();
        let mut usage = Vec::new();
        self.usage.retain(|row, count| {
            usage.push(told(row, std::mem::take(count)));
            false
        });
        self.rows.fetch_sub(usage.len(), Ordering::Relaxed);
        (transfers, usage)
    }

    fn add(&self, account: &Account, at: Timestamp, change: impl FnOnce(&mut Count)) {
        let row = Row { minute: minute_of(at), account: account.clone() };
        if let Some(mut count) = self.usage.get_mut(&row) {
            return change(&mut count);
        }
        if self.rows.load(Ordering::Relaxed) >= MOST_ROWS {
            return self.metrics.lost(Lost::Usage, 1);
        }
        let mut count = self.usage.entry(row).or_insert_with(|| {
            self.rows.fetch_add(1, Ordering::Relaxed);
            Count::default()
        });
        change(&mut count);
    }

    fn ended(&self) -> MutexGuard<'_, Vec<Ended>> {
        // A panic cannot leave the list half changed.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, one: Ended) {
        let mut ended = self.ended();
        if ended.len() >= MOST_WAITING {
            drop(ended);
            return self.metrics.lost(Lost::Transfers, 1);
        }
        ended.push(one);
        if ended.len() == MOST_TRANSFERS {
            self.many.notify_one();
        }
    }
}

impl Witness for Ledger {
    fn handed_over(&self, bytes: u64) {
        self.metrics.handed_over(bytes);
    }

    fn ended(&self, receipt: Receipt) {
        let now = self.clock.now();
        self.metrics.transfer_ended(receipt.completed);
        let account = Account::of(&receipt.errand);
        let bytes: u64 = receipt.sent.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
        if bytes > 0 {
            // In the minute in which it ended: until then nobody knows how many there will be.
            self.add(&account, now, |count| count.bytes += bytes);
        }
        self.keep(Ended { receipt, at: now });
    }
}

fn minute_of(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis() - at.millis().rem_euclid(MINUTE))
}

fn transfer_of(ended: Ended) -> Transfer {
    let Ended { receipt: Receipt { errand, sent, completed }, at: ended_at } = ended;
    Transfer {
        began_at: errand.began_at,
        ended_at,
        tenant: errand.tenant,
        key: errand.key,
        customer: errand.customer,
        application: errand.application,
        version: errand.version,
        file: errand.file,
        file_name: errand.file_name.as_ref().to_owned(),
        file_size: errand.file_size,
        sent: sent.into_vec(),
        completed,
        carrier: errand.carrier,
        address: errand.address,
        user_agent: errand.user_agent,
        request_id: errand.request_id.as_ref().to_owned(),
    }
}

fn told(row: &Row, count: Count) -> Usage {
    let Row { minute, account: Account { tenant, key, application } } = row.clone();
    let refused = count.refused.into_iter().map(|(reason, times)| (reason.into_owned(), times)).collect();
    Usage { minute, tenant, key, application, requests: count.requests, bytes: count.bytes, refused }
}
