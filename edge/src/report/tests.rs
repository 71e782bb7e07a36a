//! What is counted, kept and sent: nothing twice, and nothing lost that need not be.

mod ledger;
mod spool;
mod travel;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::{BusError, Reports};
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::ManualClock;
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::v1::event::{Carrier, Report};
use tokio::sync::watch;

use super::{Ledger, Reporter, Spool};
use crate::deliver::receipt::{Errand, Receipt};
use crate::observe::{Metrics, ReportMetrics};
use crate::replica::tests::world::{app, tenant_id};

const NOW: i64 = 1_800_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(NOW)))
}

fn keys() -> MacKeys {
    MacKeys::derive(&[Secret::new("what edges and desk share".to_owned())], Purpose::Report)
}

fn metrics() -> ReportMetrics {
    Metrics::new("edge-1").reports()
}

/// A transfer of these pieces of a file of 1 000 bytes by the key of that number.
fn receipt(key: u64, sent: &[(u64, u64)]) -> Receipt {
    let errand = Errand {
        tenant: tenant_id(),
        key: format!("key_{key}").parse().unwrap(),
        customer: Some("cust_1".parse().unwrap()),
        application: app("my-app"),
        version: "1.0.0".parse().unwrap(),
        file: "file_1".parse().unwrap(),
        file_name: "setup.exe".into(),
        file_size: 1_000,
        carrier: Carrier::Key,
        address: [203, 0, 113, 9].into(),
        user_agent: Some("curl/8.5.0".to_owned()),
        request_id: "req-1".into(),
        began_at: Timestamp::from_millis(NOW - 1_000),
    };
    Receipt { errand, sent: sent.into(), completed: sent == [(0, 1_000)] }
}

fn open(sealed: &[u8]) -> Report {
    Report::open(sealed, &keys()).unwrap()
}

/// A bus that is away when a test says so, and then perhaps has taken what it says it has not.
struct Moody {
    away: watch::Sender<bool>,
    /// Every other refusal comes after the report was taken.
    forgetful: bool,
    tries: watch::Sender<u64>,
    taken: Mutex<Vec<Report>>,
}

impl Moody {
    fn new(away: bool, forgetful: bool) -> Arc<Self> {
        let (away, tries) = (watch::channel(away).0, watch::channel(0).0);
        Arc::new(Self { away, forgetful, tries, taken: Mutex::default() })
    }

    fn taken(&self) -> Vec<Report> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    async fn tried(&self, times: u64) {
        let mut tries = self.tries.subscribe();
        tokio::time::timeout(PATIENCE, tries.wait_for(|tries| *tries >= times)).await.unwrap().unwrap();
    }
}

#[async_trait]
impl Reports for Moody {
    async fn send(&self, sealed: Bytes) -> Result<(), BusError> {
        self.tries.send_modify(|tries| *tries += 1);
        let away = *self.away.borrow();
        if !away || (self.forgetful && self.tries.borrow().is_multiple_of(2)) {
            self.taken.lock().unwrap().push(open(&sealed));
        }
        if away { Err(BusError::Away("moody".to_owned())) } else { Ok(()) }
    }
}
