//! A rebuild asks for buckets by the batch, and stays all or nothing however the carrier answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::local::LocalBus;
use common::bus::{BusError, Cursor, Feed, MOST_BUCKETS, News, Outlet as _};
use common::digest::Digest;
use common::time::Timestamp;
use common::wire::v1::{Head, bucket};
use tempfile::TempDir;

use super::world::{entry, key, key_at};
use crate::replica::rebuild::{RebuildError, rebuild};
use crate::replica::{Replica, SharedReplica};

/// As many as there can be.
const BUCKETS: usize = 256;

type Found = Vec<Option<Bytes>>;

/// A carrier that answers as it likes.
struct Carrier {
    bus: LocalBus,
    answers: Box<dyn Fn(Found) -> Found + Send + Sync>,
    asked: Mutex<Vec<usize>>,
}

#[async_trait]
impl Feed for Carrier {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        Feed::head(&self.bus).await
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Found, BusError> {
        self.asked.lock().unwrap().push(names.len());
        Ok((self.answers)(self.bus.buckets(names).await?))
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        self.bus.news(cursor, wait).await
    }
}

/// A snapshot of one key in each bucket, and where it lies.
async fn snapshot() -> (LocalBus, Head) {
    let (bus, mut buckets) = (LocalBus::new(), BTreeMap::new());
    for number in 0..BUCKETS {
        let row = key(&format!("key_{number}"), number as u64);
        let (name, packed) = bucket::pack(&[entry(1, &row)]).unwrap();
        bus.put_bucket(&name, packed).await.unwrap();
        buckets.insert(u8::try_from(number).unwrap(), name);
    }
    let issued_at = Timestamp::from_millis(60_000);
    (bus, Head { epoch: 1, sequence: 1, announced: 1, issued_at, records: BUCKETS as u64, buckets })
}

fn replica() -> (SharedReplica, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    (Arc::new(Replica::open(directory.path()).unwrap()), directory)
}

fn holds(replica: &Replica, number: usize) -> bool {
    replica.record(&key_at(&format!("key_{number}"))).unwrap().is_some()
}

/// What a rebuild comes to over such a carrier, what the replica holds after it, and how many buckets were asked for
/// each time.
async fn rebuilt(
    answers: impl Fn(Found) -> Found + Send + Sync + 'static,
) -> (Result<(), RebuildError>, usize, Vec<usize>) {
    let ((bus, head), (replica, _directory)) = (snapshot().await, replica());
    let carrier = Carrier { bus, answers: Box::new(answers), asked: Mutex::default() };
    let outcome = rebuild(&replica, &carrier, &head).await;
    let held = (0..BUCKETS).filter(|number| holds(&replica, *number)).count();
    (outcome, held, carrier.asked.into_inner().unwrap())
}

#[tokio::test]
async fn a_whole_snapshot_takes_a_few_questions() {
    let (outcome, held, asked) = rebuilt(|found| found).await;
    outcome.unwrap();
    assert_eq!(held, BUCKETS);
    assert_eq!(asked, [MOST_BUCKETS; BUCKETS / MOST_BUCKETS]);
}

#[tokio::test]
async fn a_carrier_that_tells_of_a_few_at_once_is_asked_from_there_on() {
    let (outcome, held, asked) = rebuilt(|mut found| {
        found.truncate(5);
        found
    })
    .await;
    outcome.unwrap();
    assert_eq!((held, asked.len()), (BUCKETS, BUCKETS.div_ceil(5)));
    assert_eq!(asked.last(), Some(&(BUCKETS % 5)));
}

#[tokio::test]
async fn an_answer_that_is_none_leaves_everything_as_it_was_and_ends() {
    let nothing = |_| Vec::new();
    let (outcome, held, asked) = rebuilt(nothing).await;
    assert!(matches!(outcome, Err(RebuildError::Bus(BusError::Unreadable(_)))));
    assert_eq!((held, asked.len()), (0, 1));
    let too_many = |mut found: Found| {
        found.push(found[0].clone());
        found
    };
    let (outcome, held, _) = rebuilt(too_many).await;
    assert!(matches!(outcome, Err(RebuildError::Bus(BusError::Unreadable(_)))));
    assert_eq!(held, 0);
    let in_another_order = |mut found: Found| {
        found.reverse();
        found
    };
    let (outcome, held, _) = rebuilt(in_another_order).await;
    assert!(matches!(outcome, Err(RebuildError::Bus(BusError::Unreadable(_)))));
    assert_eq!(held, 0);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named_and_leaves_everything_as_it_was() {
    let ((bus, head), (replica, _directory)) = (snapshot().await, replica());
    let carrier = Carrier { bus: bus.clone(), answers: Box::new(|found| found), asked: Mutex::default() };
    bus.release_bucket(&head.buckets[&200]).await.unwrap();
    let outcome = rebuild(&replica, &carrier, &head).await;
    assert!(matches!(outcome, Err(RebuildError::Missing(200))), "{outcome:?}");
    assert!((0..BUCKETS).all(|number| !holds(&replica, number)));
}
