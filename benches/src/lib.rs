//! What the benchmarks stand on: an edge's rooms over a replica with many keys, filled through the public door, a bus.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod shop;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::bus::Outlet as _;
use common::bus::local::LocalBus;
use common::key::{self, Kind};
use common::limit::RequestsPerMinute;
use common::mac::{MacKeys, Purpose};
use common::network::Allowlist;
use common::policy::{CustomerPolicy, KeyPolicy, TenantPolicy};
use common::scope::Scopes;
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::address::{Address, BUCKETS};
use common::wire::seal;
use common::wire::v1::{Entry, Head, Record, bucket};
use ed25519_dalek::SigningKey;
use edge::catalog::Catalog;
use edge::gate::{Gate, Staleness};
use edge::keyring::Keyring;
use edge::replica::feed::pace::Pace;
use edge::replica::feed::{Applier, Follower, Observer, Refusals};
use edge::replica::{Changed, Replica, SharedReplica};
use http::Request;
use http::request::Parts;
use rand::SeedableRng as _;
use tokio_util::sync::CancellationToken;

/// The rooms that a request passes on its way to a permit.
pub struct Rooms {
    /// Admits.
    pub gate: Gate,
    /// Holds hot keys ready.
    pub keyring: Arc<Keyring>,
    /// Shows `my-app` with 20 versions.
    pub catalog: Catalog,
}

struct Nobody;

impl Observer for Nobody {
    fn changed(&self, _: &Changed) {}
    fn replaced(&self) {}
}

const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";
/// How many keys each customer has.
const KEYS_A_CUSTOMER: usize = 10;

/// Rooms over `replica`, which hold at most `hot` keys ready.
pub fn rooms(replica: &SharedReplica, hot: u64) -> Rooms {
    let keyring = Arc::new(Keyring::new(replica.clone(), hot));
    let gate = Gate::new(keyring.clone(), replica.clone(), Staleness { most: Duration::MAX, denies: false });
    let cursors = MacKeys::derive(&[Secret::new("an-edge-secret-of-ours".to_owned())], Purpose::Cursor);
    Rooms { gate, keyring, catalog: Catalog::new(replica.clone(), 100, cursors) }
}

/// A replica in `directory` that holds `count` keys; it is filled when it is new, and else taken as it is.
pub fn replica(directory: &Path, count: usize) -> SharedReplica {
    let replica = Arc::new(Replica::open(directory).expect("a replica"));
    if replica.is_usable() {
        return replica;
    }
    let (bus, signing) = (LocalBus::new(), SigningKey::from_bytes(&[7; 32]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        publish(&bus, &signing, count).await;
        let verifying = vec![signing.verifying_key()];
        let (feed, observer) = (Arc::new(bus), Arc::new(Nobody));
        let applier = Arc::new(Applier::new(replica.clone(), verifying, observer, Refusals::default()));
        let follower = Follower { applier, feed, pace: Pace::alone() };
        let stop = CancellationToken::new();
        let following = tokio::spawn(follower.run(stop.clone()));
        replica.watch().wait_for(|position| position.epoch != 0).await.expect("a snapshot");
        while !replica.is_usable() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        following.await.expect("the follower");
    });
    replica
}

/// The head of a request for the versions of an application, as a client sends it.
pub fn head(key: &str) -> Parts {
    let request = Request::get("/v1/applications/my-app/versions")
        .header("host", "dl.example.com")
        .header("user-agent", "updater/1.0")
        .header("accept", "*/*")
        .header("authorization", format!("Bearer {key}"));
    request.body(()).expect("a request").into_parts().0
}

/// The text of the key with that number.
pub fn key_text(number: usize) -> String {
    key::text_of(TENANT.parse().expect("a tenant"), &secret(number))
}

fn secret(number: usize) -> Secret {
    key::generate(Kind::Customer, &mut rand::rngs::StdRng::seed_from_u64(number as u64))
}

/// Bucket by bucket: ten million records at once would not fit into memory.
async fn publish(bus: &LocalBus, signing: &SigningKey, count: usize) {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); BUCKETS];
    let shop = shop::rows(TENANT.parse().expect("a tenant"), &customer(0).applications[0]);
    let records = 1 + count.div_ceil(KEYS_A_CUSTOMER) + count;
    for number in 0..records {
        members[usize::from(record(number, count).0.bucket())].push(number);
    }
    let mut buckets = std::collections::BTreeMap::new();
    for (bucket, numbers) in (0u8..=u8::MAX).zip(members) {
        let entry = |number| {
            let (address, record) = record(number, count);
            Entry::new(&address, 1, Some(&record())).expect("an entry")
        };
        let shown = shop.iter().filter(|(address, _)| address.bucket() == bucket);
        let shown = shown.map(|(address, record)| Entry::new(address, 1, Some(record)).expect("an entry"));
        let entries: Vec<Entry> = numbers.into_iter().map(entry).chain(shown).collect();
        let (name, packed) = bucket::pack(&entries).expect("a bucket");
        bus.put_bucket(&name, packed).await.expect("the bus");
        if !entries.is_empty() {
            buckets.insert(bucket, name);
        }
    }
    let issued_at = Timestamp::from_millis(1);
    let head = Head {
        epoch: 1,
        sequence: 1,
        announced: 1,
        issued_at,
        records: (records + shop.len()) as u64,
        buckets,
    };
    let sealed = seal::seal(seal::Kind::Head, &head.encode().expect("a head"), signing);
    bus.put_head(head.position(), sealed).await.expect("the bus");
}

/// The records by number: first the keys, then their customers, then the tenant.
fn record(number: usize, count: usize) -> (Address, impl FnOnce() -> Record) {
    let tenant = TENANT.parse().expect("a tenant");
    let customers = count.div_ceil(KEYS_A_CUSTOMER);
    let address = match number.checked_sub(count) {
        None => Address::Key(policy(number).id),
        Some(of) if of < customers => Address::Customer(tenant, customer(of).id),
        Some(_) => Address::Tenant(tenant),
    };
    let make = move || match number.checked_sub(count) {
        None => Record::Key(policy(number), key::Digests::of(key::digest_of(&secret(number)))),
        Some(of) if of < customers => Record::Customer(customer(of)),
        Some(_) => Record::Tenant(TenantPolicy { id: tenant, is_active: true }),
    };
    (address, make)
}

fn customer(number: usize) -> CustomerPolicy {
    CustomerPolicy {
        id: format!("cust_{number:032x}").parse().expect("an id"),
        tier: common::tier::TierName::basic(),
        channels: vec![],
        is_active: true,
        applications: vec!["my-app".parse().expect("an id")],
    }
}

/// With everything on: a limit that is counted and never reached, and an allowlist.
fn policy(number: usize) -> KeyPolicy {
    KeyPolicy {
        id: format!("key_{number:032x}").parse().expect("an id"),
        tenant: TENANT.parse().expect("a tenant"),
        kind: Kind::Customer,
        customer: Some(customer(number / KEYS_A_CUSTOMER).id),
        scopes: Scopes::customer(),
        rate_limit: RequestsPerMinute::new(u32::MAX),
        allowlist: Allowlist::parse(["127.0.0.0/8, 10.0.0.0/8"]).expect("a list"),
        applications: None,
        channels: vec![],
        expires_at: None,
        is_enabled: true,
        is_deleted: false,
    }
}
