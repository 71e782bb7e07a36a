//! Hand-made records, and a replica that holds them: what the tests of several rooms begin with.

use std::sync::Arc;

use common::catalog::{Application, File, FileType, Version};
use common::digest::Digest;
use common::id::{ApplicationId, KeyId, TenantId};
use common::key::{self, Digests, Kind, Previous};
use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::policy::{CustomerPolicy, KeyPolicy, TenantPolicy};
use common::scope::Scopes;
use common::secret::Secret;
use common::tier::{Tier, TierName};
use common::time::Timestamp;
use common::wire::Position;
use common::wire::address::Address;
use common::wire::v1::{Batch, Denials, Entry, Record};
use tempfile::TempDir;

use crate::replica::{Changed, Replica, SharedReplica};

/// A record at its address.
pub(crate) type Row = (Address, Option<Record>);

pub(crate) fn tenant_id() -> TenantId {
    "14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap()
}

pub(crate) fn app(text: &str) -> ApplicationId {
    text.parse().unwrap()
}

/// A secret of ours that stands for `seed`.
pub(crate) fn secret(seed: u64) -> Secret {
    use rand::SeedableRng as _;
    key::generate(Kind::Customer, &mut rand::rngs::StdRng::seed_from_u64(seed))
}

pub(crate) fn digest(seed: u64) -> Digest {
    key::digest_of(&secret(seed))
}

/// Which key the replica finds by the secret with that seed.
pub(crate) fn key_of(replica: &Replica, seed: u64) -> Option<KeyId> {
    replica.key_of(&digest(seed)).unwrap().map(|(key, _)| key.id)
}

pub(crate) fn tenant(is_active: bool) -> Row {
    let id = tenant_id();
    (Address::Tenant(id), Some(Record::Tenant(TenantPolicy { id, is_active })))
}

pub(crate) fn tier(name: &str, rank: u32, rpm: u32) -> Row {
    let name: TierName = name.parse().unwrap();
    let rate_limit = RequestsPerMinute::new(rpm);
    let tier =
        Tier { name: name.clone(), rank, rate_limit, max_concurrent_downloads: None, bytes_per_second: None };
    (Address::Tier(tenant_id(), name), Some(Record::Tier(tier)))
}

pub(crate) fn customer_at() -> Address {
    Address::Customer(tenant_id(), "cust_1".parse().unwrap())
}

/// `cust_1`, on Basic, with `my-app` and `other`.
pub(crate) fn customer(change: impl FnOnce(&mut CustomerPolicy)) -> Row {
    let mut policy = CustomerPolicy {
        id: "cust_1".parse().unwrap(),
        tier: TierName::basic(),
        channels: vec![],
        is_active: true,
        applications: vec![app("my-app"), app("other")],
    };
    change(&mut policy);
    (customer_at(), Some(Record::Customer(policy)))
}

pub(crate) fn key_at(id: &str) -> Address {
    Address::Key(id.parse().unwrap())
}

/// A key of `cust_1` with the secret of that seed.
pub(crate) fn key_row(id: &str, seed: u64, change: impl FnOnce(&mut KeyPolicy)) -> Row {
    let mut policy = KeyPolicy {
        id: id.parse().unwrap(),
        tenant: tenant_id(),
        kind: Kind::Customer,
        customer: Some("cust_1".parse().unwrap()),
        scopes: Scopes::customer(),
        rate_limit: None,
        allowlist: Allowlist::default(),
        applications: None,
        channels: vec![],
        expires_at: None,
        is_enabled: true,
        is_deleted: false,
    };
    change(&mut policy);
    (key_at(id), Some(Record::Key(policy, Digests::of(digest(seed)))))
}

pub(crate) fn key(id: &str, seed: u64) -> Row {
    key_row(id, seed, |_| ())
}

/// The same with the secret of one seed, and until then that of another.
pub(crate) fn rotated(id: &str, seed: u64, old: u64, until: Timestamp) -> Row {
    let previous = Some(Previous { digest: digest(old), until });
    match key(id, seed) {
        (address, Some(Record::Key(policy, digests))) => {
            (address, Some(Record::Key(policy, Digests { previous, ..digests })))
        }
        row => row,
    }
}

pub(crate) fn application(id: &str, is_active: bool) -> Row {
    let application = Application {
        id: app(id),
        name: id.to_owned(),
        description: String::new(),
        tags: vec![],
        is_active,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
    };
    (Address::Application(tenant_id(), app(id)), Some(Record::Application(application)))
}

pub(crate) fn version_at(name: &str) -> Address {
    Address::Version(tenant_id(), app("my-app"), name.parse().unwrap())
}

/// A version of `my-app` with one file.
pub(crate) fn version(name: &str, change: impl FnOnce(&mut Version)) -> Row {
    let file = File {
        id: format!("file_{}", name.replace(['.', '+'], "_")).parse().unwrap(),
        name: format!("my-app-{name}.zip"),
        file_type: FileType::Main,
        content_type: "application/zip".to_owned(),
        size: 3,
        digest: Digest::of(name.as_bytes()),
        order: 0,
        description: None,
    };
    let mut version = Version {
        id: "ver_1".parse().unwrap(),
        name: name.parse().unwrap(),
        release_notes: None,
        required_tier: None,
        channel: common::catalog::PRODUCTION.to_owned(),
        is_active: true,
        is_enabled: true,
        files: vec![file],
        created_at: Timestamp::from_millis(0),
        download_count: 0,
        updated_at: Timestamp::from_millis(0),
    };
    change(&mut version);
    (version_at(name), Some(Record::Version(version)))
}

pub(crate) fn gone(address: Address) -> Row {
    (address, None)
}

/// A row as it travels.
pub(crate) fn entry(sequence: u64, (address, record): &Row) -> Entry {
    Entry::new(address, sequence, record.as_ref()).unwrap()
}

/// The same, but only for readers that understand `x`.
pub(crate) fn for_newer_readers(mut entry: Entry) -> Entry {
    let json = entry.record.unwrap().get().trim_end_matches('}').to_owned() + r#","requires":["x"]}"#;
    entry.record = Some(serde_json::value::RawValue::from_string(json).unwrap());
    entry
}

/// A replica without a feed, written by hand.
pub(crate) struct World {
    pub(crate) replica: SharedReplica,
    sequence: u64,
    _directory: TempDir,
}

impl World {
    pub(crate) fn with(rows: &[Row]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let replica = Arc::new(Replica::open(directory.path()).unwrap());
        let mut world = Self { replica, sequence: 0, _directory: directory };
        world.write(rows);
        world.in_force();
        world
    }

    /// A tenant, its tiers, `cust_1`, `my-app` and `key_1` with the secret of seed 1.
    pub(crate) fn furnished(more: &[Row]) -> Self {
        let mut rows = vec![
            tenant(true),
            tier("Basic", 10, 100),
            tier("Premium", 20, 500),
            customer(|_| ()),
            application("my-app", true),
            application("other", true),
            key("key_1", 1),
        ];
        rows.extend_from_slice(more);
        Self::with(&rows)
    }

    /// Commits a change, and tells nobody.
    pub(crate) fn write(&mut self, rows: &[Row]) -> Changed {
        let next = self.sequence + 1;
        self.write_entries(rows.iter().map(|row| entry(next, row)).collect())
    }

    pub(crate) fn write_entries(&mut self, entries: Vec<Entry>) -> Changed {
        let previous = self.sequence;
        self.sequence += 1;
        let batch = Batch { epoch: 1, previous, sequence: self.sequence, part: 0, parts: 1, entries };
        self.replica.apply(&[batch]).unwrap()
    }

    /// The position moves to the last change.
    pub(crate) fn in_force(&self) {
        self.replica.advance(Position { epoch: 1, sequence: self.sequence });
    }

    /// A denial that no change follows.
    pub(crate) fn deny(&self, addresses: &[Address]) {
        let addresses = addresses.iter().map(Address::to_string).collect();
        self.replica.deny(&Denials { epoch: 1, sequence: self.sequence + 1, addresses });
    }

    /// Ends the denials that what was written has overtaken.
    pub(crate) fn lift(&self) {
        self.replica.lift_all(Position { epoch: 1, sequence: self.sequence });
    }

    /// A head signed then was kept up with.
    pub(crate) fn fresh_at(&self, at: Timestamp) {
        self.replica.note_head(at).unwrap();
    }
}
