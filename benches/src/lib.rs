//! What the benchmarks stand on: an edge's rooms over a replica with many keys, filled through the public door, a bus.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to measure")]

mod shop;

use std::collections::BTreeMap;
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
use common::wire::address::Address;
use common::wire::seal;
use common::wire::v1::{Entry, Head, Record, bucket};
use ed25519_dalek::SigningKey;
use edge::catalog::Catalog;
use edge::gate::{Gate, Staleness};
use edge::keyring::Keyring;
use edge::replica::feed::{Follower, Observer};
use edge::replica::{Changed, Replica};
use http::Request;
use http::request::Parts;
use rand::SeedableRng as _;
use tokio_util::sync::CancellationToken;

/// The rooms, and keys that are known in them.
pub struct Rooms {
    /// Admits.
    pub gate: Gate,
    /// Shows `my-app` with 20 versions.
    pub catalog: Catalog,
    /// Key texts, all of them valid.
    pub keys: Vec<String>,
    _directory: tempfile::TempDir,
}

struct Nobody;

impl Observer for Nobody {
    fn changed(&self, _: &Changed) {}
    fn replaced(&self) {}
}

const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";

/// A replica with `count` keys, of which at most `hot` are held ready.
pub fn rooms(count: usize, hot: u64) -> Rooms {
    let directory = tempfile::tempdir().expect("a directory");
    let (bus, signing) = (LocalBus::new(), SigningKey::from_bytes(&[7; 32]));
    let replica = Arc::new(Replica::open(directory.path()).expect("a replica"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let keys = runtime.block_on(async {
        let keys = publish(&bus, &signing, count).await;
        let verifying = vec![signing.verifying_key()];
        let (feed, observer) = (Arc::new(bus), Arc::new(Nobody));
        let follower = Follower { replica: replica.clone(), feed, keys: verifying, observer };
        let stop = CancellationToken::new();
        let following = tokio::spawn(follower.run(stop.clone()));
        replica.watch().wait_for(|position| position.epoch != 0).await.expect("a snapshot");
        stop.cancel();
        following.await.expect("the follower");
        keys
    });
    let keyring = Arc::new(Keyring::new(replica.clone(), hot));
    let cursors = MacKeys::derive(&[Secret::new("an-edge-secret-of-ours".to_owned())], Purpose::Cursor);
    let catalog = Catalog::new(replica.clone(), 100, cursors);
    let gate = Gate::new(keyring, replica, Staleness { most: Duration::MAX, denies: false });
    Rooms { gate, catalog, keys, _directory: directory }
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

async fn publish(bus: &LocalBus, signing: &SigningKey, count: usize) -> Vec<String> {
    let tenant = TENANT.parse().expect("a tenant");
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let mut buckets: BTreeMap<u8, Vec<Entry>> = BTreeMap::new();
    let mut put = |address: Address, record: Record| {
        let entry = Entry::new(&address, 1, Some(&record)).expect("an entry");
        buckets.entry(address.bucket()).or_default().push(entry);
    };
    put(Address::Tenant(tenant), Record::Tenant(TenantPolicy { id: tenant, is_active: true }));
    let customer = customer();
    let shop = shop::rows(tenant, &customer.applications[0]);
    let records = (count + shop.len()) as u64 + 2;
    for (address, record) in shop {
        put(address, record);
    }
    put(Address::Customer(tenant, customer.id.clone()), Record::Customer(customer));
    let mut texts = Vec::with_capacity(count);
    for number in 0..count {
        let secret: Secret = key::generate(Kind::Customer, &mut rng);
        texts.push(key::text_of(tenant, &secret));
        let policy = policy(number);
        put(Address::Key(policy.id.clone()), Record::Key(policy, key::Digests::of(key::digest_of(&secret))));
    }
    let mut names = BTreeMap::new();
    for (number, entries) in buckets {
        let (name, packed) = bucket::pack(&entries).expect("a bucket");
        bus.put_bucket(&name, packed).await.expect("the bus");
        names.insert(number, name);
    }
    let issued_at = Timestamp::from_millis(1);
    let head = Head { epoch: 1, sequence: 1, announced: 1, issued_at, records, buckets: names };
    let sealed = seal::seal(seal::Kind::Head, &head.encode().expect("a head"), signing);
    bus.put_head(head.position(), sealed).await.expect("the bus");
    texts
}

fn customer() -> CustomerPolicy {
    CustomerPolicy {
        id: "cust_1".parse().expect("an id"),
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
        customer: Some("cust_1".parse().expect("an id")),
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
