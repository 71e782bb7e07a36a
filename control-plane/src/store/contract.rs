//! What every store must do, whatever database it is over. A database brings a [`Database`] and calls `suite!`.

use std::sync::Arc;

use async_trait::async_trait;
use common::catalog::FileType;
use common::digest::Digest;
use common::id::{ApplicationId, CustomerId, TenantId};
use common::key::Kind;
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::address::Address;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Committed, Mark, Shelf, Slice, Store, StoreError};
use crate::domain::application::{self, Application, Assign, AssignFacts};
use crate::domain::customer::{self, Customer};
use crate::domain::key::{self, KeyFacts, NewKey};
use crate::domain::tenant::{Found, found};
use crate::domain::upload::{self, Begin, Complete, CompleteFacts, CompleteFields};
use crate::domain::version::{AddFile, Added, FileFacts, FileFields, Stored, add_file};
use crate::domain::{Actor, Change, Context, Refusal};

/// Something that can be opened, closed, and opened again with all that it held.
#[async_trait]
pub(crate) trait Database: Send + Sync {
    async fn open(&self) -> Arc<dyn Store>;
}

/// One test for each behaviour, over the database that the expression makes.
macro_rules! suite {
    ($database:expr) => {
        $crate::store::contract::suite!($database;
            a_failed_commit_leaves_nothing,
            an_empty_change_writes_nothing,
            the_sequence_is_dense_under_eight_writers,
            of_two_writers_with_one_application_id_one_wins,
            every_write_has_audit_and_outbox_beside_it,
            reopening_keeps_everything,
            a_reading_sees_one_moment,
            what_was_announced_is_pending_no_more,
            pending_changes_come_in_whole_writes,
            a_walk_finds_every_record_once,
            grants_are_part_of_their_customers,
            deleted_things_keep_their_ids_and_leave_the_lists,
            a_key_is_found_by_its_digest_with_all_it_depends_on,
            lists_come_in_slices,
            a_version_gathers_its_files,
            an_upload_remembers_how_far_it_came,
            no_secret_is_kept
        );
    };
    ($database:expr; $($name:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $crate::store::contract::$name(&$database).await;
        })*
    };
}
pub(crate) use suite;

pub(crate) const TENANT: &str = "14632221-b1b6-4eec-844a-39f60c7f1523";

pub(crate) fn context() -> Context {
    let tenant = TENANT.parse().unwrap();
    Context { tenant, actor: Actor::operator(), now: Timestamp::from_millis(1_700_000_000_000) }
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub(crate) async fn commit(store: &dyn Store, change: Change) -> Result<Committed, StoreError> {
    store.write().await.unwrap().commit(change).await
}

pub(crate) async fn with_tenant(database: &dyn Database) -> (Arc<dyn Store>, NewKey) {
    let store = database.open().await;
    let command = Found::parse("Acme".to_owned(), None).unwrap();
    let decision = found(command, None, &context(), &mut rng(0)).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    (store, decision.outcome)
}

pub(crate) fn new_application(id: &str, customers: &[&str]) -> Change {
    let fields = application::Fields {
        application_id: Some(id.to_owned()),
        name: Some(format!("The {id}")),
        tags: Some(vec!["a".to_owned(), "ß".to_owned()]),
        customer_ids: Some(customers.iter().map(|id| (*id).to_owned()).collect()),
        ..application::Fields::default()
    };
    let command = application::Create::parse(fields).unwrap();
    application::create(command, None, vec![], &context()).unwrap().change
}

pub(crate) fn new_customer(id: &str, name: &str) -> Change {
    let fields = customer::Fields { name: Some(name.to_owned()), ..customer::Fields::default() };
    let command = customer::Create::parse(Some(id.to_owned()), fields).unwrap();
    customer::create(command, None, &[], &context(), &mut rng(1)).unwrap().change
}

pub(crate) async fn customer_of(store: &dyn Store, id: &str) -> Customer {
    store.read().await.unwrap().customer(tenant(), &id.parse().unwrap()).await.unwrap().unwrap()
}

async fn application_of(store: &dyn Store, id: &str) -> Option<Application> {
    store.read().await.unwrap().application(tenant(), &id.parse().unwrap()).await.unwrap()
}

pub(crate) fn tenant() -> TenantId {
    TENANT.parse().unwrap()
}

pub(crate) async fn new_key(store: &dyn Store, customer: &str, seed: u64) -> NewKey {
    let fields = key::Fields {
        ip_allowlist: Some(vec!["10.0.0.0/8, 2001:db8::1".to_owned()]).into(),
        rate_limit_rpm: Some(7).into(),
        channels: Some(vec!["Beta".to_owned()]).into(),
        expires_at: Some("2099-01-01T00:00:00Z".to_owned()).into(),
        application_ids: Some(vec!["tool".to_owned()]).into(),
        ..key::Fields::default()
    };
    let command = key::Create::parse(None, Some(customer.to_owned()), fields, context().now).unwrap();
    let facts = KeyFacts { customer: Some(customer_of(store, customer).await), unknown_applications: vec![] };
    let decision = key::create(command, facts, &context(), &mut rng(seed)).unwrap();
    commit(store, decision.change).await.unwrap();
    decision.outcome
}

pub(crate) async fn new_file(store: &dyn Store, version: &str, name: &str, seed: u64) -> Added {
    let mut reading = store.read().await.unwrap();
    let fields = FileFields {
        application_id: Some("tool".to_owned()),
        version: Some(version.to_owned()),
        file_name: Some(name.to_owned()),
        release_notes: Some("Better".to_owned()),
        ..FileFields::default()
    };
    let command = AddFile::parse(fields).unwrap();
    let facts = FileFacts {
        application: reading.application(tenant(), &command.application).await.unwrap(),
        version: reading.version(tenant(), &command.application, &command.version).await.unwrap(),
        tiers: reading.tiers(tenant()).await.unwrap(),
        enabled_by_default: true,
    };
    drop(reading);
    let stored = Stored { size: 1 << 40, digest: Digest::of(name.as_bytes()) };
    let decision = add_file(command, stored, facts, &context(), &mut rng(seed)).unwrap();
    commit(store, decision.change).await.unwrap();
    decision.outcome
}

pub(crate) async fn a_failed_commit_leaves_nothing(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let before = store.read().await.unwrap().standing().await.unwrap();
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let mut change = new_application("tool", &[]);
    // The customer is there already: its row fails after the application's was written.
    let again = new_customer("c1", "One");
    change.rows.extend(again.rows);
    change.announcements.extend(again.announcements);
    let refused = commit(store.as_ref(), change).await;
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::DuplicateCustomer(_)))), "{refused:?}");
    let unassignable = commit(store.as_ref(), new_application("tool", &["nobody"])).await;
    assert!(matches!(unassignable, Err(StoreError::Fault(_))), "{unassignable:?}");
    assert_eq!(application_of(store.as_ref(), "tool").await, None);
    let mut reading = store.read().await.unwrap();
    let standing = reading.standing().await.unwrap();
    assert_eq!(standing.position.sequence, before.position.sequence + 1);
    assert_eq!(reading.pending(standing.position.sequence, 10).await.unwrap(), []);
    assert_eq!(
        reading.audit(tenant(), Slice { offset: 0, limit: 1 }).await.unwrap().items[0].action,
        "customer.create"
    );
}

pub(crate) async fn an_empty_change_writes_nothing(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let before = store.read().await.unwrap().standing().await.unwrap();
    let committed = commit(store.as_ref(), Change::default()).await.unwrap();
    assert_eq!(committed, Committed { position: before.position, is_announced: false });
    assert_eq!(store.read().await.unwrap().standing().await.unwrap(), before);
}

pub(crate) async fn the_sequence_is_dense_under_eight_writers(database: &dyn Database) {
    const EACH: usize = 12;
    let (store, _) = with_tenant(database).await;
    let start = store.read().await.unwrap().standing().await.unwrap().position.sequence;
    let writer = |number: usize| {
        let store = store.clone();
        async move {
            let mut seen = Vec::new();
            for turn in 0..EACH {
                let change = new_application(&format!("app-{number}-{turn}"), &[]);
                seen.push(commit(store.as_ref(), change).await.unwrap().position.sequence);
            }
            seen
        }
    };
    let writers: Vec<_> = (0..8).map(|number| tokio::spawn(writer(number))).collect();
    let mut seen = Vec::new();
    for writer in writers {
        let own = writer.await.unwrap();
        assert!(own.is_sorted());
        seen.extend(own);
    }
    seen.sort_unstable();
    assert_eq!(seen, (start + 1..=start + 8 * EACH as u64).collect::<Vec<_>>());
}

pub(crate) async fn of_two_writers_with_one_application_id_one_wins(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let racer = || {
        let store = store.clone();
        tokio::spawn(async move { commit(store.as_ref(), new_application("tool", &[])).await })
    };
    let outcomes = [racer(), racer()];
    let mut won = 0;
    for outcome in outcomes {
        match outcome.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => {
                assert!(matches!(error, StoreError::Refused(Refusal::DuplicateApplication(_))), "{error}");
            }
        }
    }
    assert_eq!(won, 1);
}

pub(crate) async fn every_write_has_audit_and_outbox_beside_it(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let mut change = new_customer("c1", "One");
    change.audit[0].actor.address = Some("2001:db8::7".parse().unwrap());
    change.audit[0].actor.request_id = "request-1".to_owned();
    let committed = commit(store.as_ref(), change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    let pending = reading.pending(committed.position.sequence - 1, 10).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].sequence, committed.position.sequence);
    assert_eq!(pending[0].announcement.address, Address::Customer(tenant(), "c1".parse().unwrap()));
    let line = reading.audit(tenant(), Slice { offset: 0, limit: 1 }).await.unwrap().items.remove(0);
    assert_eq!((line.action.as_str(), line.target), ("customer.create", format!("customer:{TENANT}/c1")));
    assert_eq!((line.before.as_str(), line.request_id.as_str()), ("{}", "request-1"));
    assert_eq!(line.address.as_deref(), Some("2001:db8::7"));
    assert!(line.after.contains(r#""name":"One""#), "{}", line.after);
    let stamped = reading.record(&pending[0].announcement.address).await.unwrap().unwrap();
    assert_eq!(stamped.sequence, committed.position.sequence);
}

pub(crate) async fn reopening_keeps_everything(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let key = new_key(store.as_ref(), "c1", 2).await.key;
    let added = new_file(store.as_ref(), "1.0", "tool.exe", 3).await;
    let standing = store.read().await.unwrap().standing().await.unwrap();
    let application = application_of(store.as_ref(), "tool").await;
    store.close().await;
    let store = database.open().await;
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.standing().await.unwrap(), standing);
    assert_eq!(reading.tenants().await.unwrap().len(), 1);
    assert_eq!(reading.tiers(tenant()).await.unwrap(), common::tier::defaults());
    assert_eq!(reading.key(tenant(), &first.key.policy.id).await.unwrap(), Some(first.key));
    assert_eq!(reading.key(tenant(), &key.policy.id).await.unwrap(), Some(key));
    assert_eq!(reading.application(tenant(), &"tool".parse().unwrap()).await.unwrap(), application);
    let versions = reading.versions(tenant(), &"tool".parse().unwrap()).await.unwrap();
    assert_eq!(versions, [added.version]);
}

pub(crate) async fn a_reading_sees_one_moment(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let mut reading = store.read().await.unwrap();
    let standing = reading.standing().await.unwrap();
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    assert_eq!(reading.standing().await.unwrap(), standing);
    assert_eq!(reading.applications(tenant()).await.unwrap(), []);
    let mut later = store.read().await.unwrap();
    assert_eq!(later.applications(tenant()).await.unwrap().len(), 1);
}

pub(crate) async fn what_was_announced_is_pending_no_more(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    store.mark_announced(1).await.unwrap();
    // An older mark, of a publisher that was slower, takes nothing back.
    store.mark_announced(0).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.standing().await.unwrap().announced, 1);
    let pending = reading.pending(0, 100).await.unwrap();
    assert_eq!(pending.iter().map(|pending| pending.sequence).collect::<Vec<_>>(), [2]);
}

pub(crate) async fn pending_changes_come_in_whole_writes(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let whole = store.read().await.unwrap().pending(0, 100).await.unwrap();
    assert!(whole.len() > 1);
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.pending(0, 1).await.unwrap(), whole);
    assert_eq!(reading.pending(0, whole.len() as u64 + 1).await.unwrap().len(), whole.len() + 1);
}

pub(crate) async fn a_walk_finds_every_record_once(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
    new_file(store.as_ref(), "1.0", "a.exe", 4).await;
    new_key(store.as_ref(), "c1", 5).await;
    let mut reading = store.read().await.unwrap();
    let pending = reading.pending(0, 1_000).await.unwrap();
    let mut expected: Vec<Address> =
        pending.into_iter().map(|pending| pending.announcement.address).collect();
    let mut found = Vec::new();
    for bucket in 0..=u8::MAX {
        let shelves = reading.shelves(bucket).await.unwrap();
        for shelf in Shelf::ALL {
            let mut mark = Mark::default();
            loop {
                let (page, next) = reading.walk(bucket, *shelf, mark, 1).await.unwrap();
                let Some(stamped) = page.into_iter().next() else { break };
                assert!(stamped.address.bucket() == bucket && shelves.contains(shelf));
                let alone = reading.record(&stamped.address).await.unwrap();
                assert_eq!(alone.as_ref(), Some(&stamped));
                found.push(stamped.address);
                mark = next;
            }
        }
    }
    found.sort();
    expected.sort();
    expected.dedup();
    assert_eq!(found, expected);
}

pub(crate) async fn grants_are_part_of_their_customers(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let tool: ApplicationId = "tool".parse().unwrap();
    for (id, name) in [("c1", "One"), ("c2", "Two")] {
        commit(store.as_ref(), new_customer(id, name)).await.unwrap();
    }
    commit(store.as_ref(), new_application("tool", &["c1"])).await.unwrap();
    assert_eq!(customer_of(store.as_ref(), "c1").await.policy.applications, std::slice::from_ref(&tool));
    let lists = (Some(vec!["c2".to_owned()]), Some(vec!["c1".to_owned()]));
    let facts = AssignFacts {
        application: application_of(store.as_ref(), "tool").await,
        assigned: vec!["c1".parse().unwrap()],
        unknown: vec![],
    };
    let command = Assign::parse(tool.clone(), lists.0, lists.1).unwrap();
    let decision = application::assign(command, facts, &context()).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    assert_eq!(customer_of(store.as_ref(), "c1").await.policy.applications, []);
    let mut reading = store.read().await.unwrap();
    let assigned = reading.assigned(tenant(), &tool).await.unwrap();
    assert_eq!(
        assigned.iter().map(|c| (c.id.as_str(), c.name.as_str())).collect::<Vec<_>>(),
        [("c2", "Two")]
    );
    assert_eq!(reading.assignments(tenant()).await.unwrap().remove(&tool), Some(assigned));
    let ids: Vec<CustomerId> = ["c1", "x", "c2"].map(|id| id.parse().unwrap()).to_vec();
    assert_eq!(reading.missing_customers(tenant(), &ids).await.unwrap(), ids[1..2]);
}

pub(crate) async fn deleted_things_keep_their_ids_and_leave_the_lists(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let tool: ApplicationId = "tool".parse().unwrap();
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let made = new_key(store.as_ref(), "c1", 6).await;
    let existing = application_of(store.as_ref(), "tool").await;
    let gone = application::delete(&tool, existing, &context()).unwrap();
    commit(store.as_ref(), gone.change).await.unwrap();
    let id = made.key.policy.id.clone();
    commit(store.as_ref(), key::delete(&id, Some(made.key), &context()).unwrap().change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.applications(tenant()).await.unwrap(), []);
    assert_eq!(reading.application(tenant(), &tool).await.unwrap(), Some(gone.outcome));
    assert_eq!(reading.missing_applications(tenant(), std::slice::from_ref(&tool)).await.unwrap(), [tool]);
    assert_eq!(reading.keys(tenant(), Some(&"c1".parse().unwrap()), Slice::ALL).await.unwrap().total, 0);
    assert!(reading.key(tenant(), &id).await.unwrap().unwrap().deleted_at.is_some());
    drop(reading);
    let again = commit(store.as_ref(), new_application("tool", &[])).await;
    assert!(matches!(again, Err(StoreError::Refused(Refusal::DuplicateApplication(_)))));
}

pub(crate) async fn a_key_is_found_by_its_digest_with_all_it_depends_on(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let made = new_key(store.as_ref(), "c1", 7).await;
    let mut reading = store.read().await.unwrap();
    let identity = reading.identify(&common::key::digest_of(&made.secret)).await.unwrap().unwrap();
    assert_eq!(identity.key, made.key);
    assert_eq!(identity.customer.unwrap().name, "One");
    assert_eq!(identity.tenant.id, tenant());
    assert_eq!(identity.tiers.len(), 3);
    let admin = reading.identify(&first.key.digest).await.unwrap().unwrap();
    assert_eq!((admin.key.policy.kind, admin.customer), (Kind::Admin, None));
    assert_eq!(reading.identify(&Digest::of(b"another")).await.unwrap(), None);
    drop(reading);
    let renewed =
        key::regenerate(&made.key.policy.id, Some(made.key.clone()), &context(), &mut rng(8)).unwrap();
    commit(store.as_ref(), renewed.change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.identify(&made.key.digest).await.unwrap(), None);
    let identity = reading.identify(&renewed.outcome.key.digest).await.unwrap().unwrap();
    assert_eq!(identity.key.policy.id, made.key.policy.id);
}

pub(crate) async fn lists_come_in_slices(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    for (id, name) in [("c1", "beta"), ("c2", "Alpha"), ("c3", "gamma"), ("c4", "ALPHA")] {
        commit(store.as_ref(), new_customer(id, name)).await.unwrap();
    }
    for seed in 10..13 {
        new_key(store.as_ref(), "c1", seed).await;
    }
    let mut reading = store.read().await.unwrap();
    let slice = reading.customers(tenant(), Slice { offset: 1, limit: 2 }).await.unwrap();
    assert_eq!(slice.items.iter().map(|c| c.policy.id.as_str()).collect::<Vec<_>>(), ["c4", "c1"]);
    assert_eq!(slice.total, 4);
    let c1 = "c1".parse().unwrap();
    let slice = reading.keys(tenant(), Some(&c1), Slice { offset: 2, limit: 2 }).await.unwrap();
    assert_eq!((slice.items.len(), slice.total), (1, 3));
    assert_eq!(reading.keys(tenant(), None, Slice::ALL).await.unwrap().total, 4);
}

pub(crate) async fn a_version_gathers_its_files(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    new_file(store.as_ref(), "1.0", "tool.exe", 20).await;
    let second = new_file(store.as_ref(), "1.0", "readme.txt", 21).await;
    let first = new_file(store.as_ref(), "2.0", "tool.exe", 22).await;
    let mut reading = store.read().await.unwrap();
    let version =
        reading.version(tenant(), &"tool".parse().unwrap(), &"1.0".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(version, second.version);
    let files = &version.facts.files;
    assert_eq!(
        files.iter().map(|f| (f.order, f.name.as_str())).collect::<Vec<_>>(),
        [(0, "tool.exe"), (1, "readme.txt")]
    );
    assert_eq!((files[1].file_type, files[1].size), (FileType::Documentation, 1 << 40));
    let outlines = reading.outlines(tenant()).await.unwrap();
    assert_eq!(outlines.len(), 2);
    assert!(outlines.iter().all(|version| version.facts.files.is_empty()));
    drop(reading);
    // Decided beside the other one, on facts that were true once: the database has the last word.
    let mut change = new_application("other", &[]);
    let added = crate::domain::Row::AddFile {
        version: first.version.facts.id.clone(),
        file: common::catalog::File {
            id: "file_x".parse().unwrap(),
            name: "TOOL.exe".to_owned(),
            order: 9,
            ..first.file
        },
        at: context().now,
    };
    change.rows.push(added);
    assert!(matches!(commit(store.as_ref(), change).await, Err(StoreError::Refused(Refusal::Raced))));
}

pub(crate) async fn an_upload_remembers_how_far_it_came(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    commit(store.as_ref(), new_application("tool", &[])).await.unwrap();
    let fields = FileFields {
        application_id: Some("tool".to_owned()),
        version: Some("1.0".to_owned()),
        file_name: Some("big.iso".to_owned()),
        channel: Some("Beta".to_owned()),
        ..FileFields::default()
    };
    let facts = FileFacts {
        application: application_of(store.as_ref(), "tool").await,
        version: None,
        tiers: vec![],
        enabled_by_default: true,
    };
    let command = Begin::parse(fields, Some(5)).unwrap();
    let begun = upload::begin(command, facts.clone(), &context(), &mut rng(30)).unwrap();
    let announced = commit(store.as_ref(), begun.change).await.unwrap().is_announced;
    assert!(!announced, "an upload is nobody's business before it is complete");
    let id = begun.outcome.id.clone();
    let read = || async { store.read().await.unwrap().upload(tenant(), &id).await.unwrap() };
    assert_eq!(read().await, Some(begun.outcome));
    let stored = Stored { size: 5, digest: Digest::of(b"bytes") };
    let received = upload::receive(&id, read().await, stored, &context()).unwrap();
    commit(store.as_ref(), received.change).await.unwrap();
    assert_eq!(read().await, Some(received.outcome));
    let fields = CompleteFields { upload_id: Some(id.to_string()), ..CompleteFields::default() };
    let command = Complete::parse(fields).unwrap();
    let facts = CompleteFacts { upload: read().await, file: facts };
    let done = upload::complete(command.clone(), facts, &context(), &mut rng(31)).unwrap();
    commit(store.as_ref(), done.change).await.unwrap();
    let file = FileFacts {
        application: application_of(store.as_ref(), "tool").await,
        version: Some(done.outcome.version.clone()),
        tiers: vec![],
        enabled_by_default: true,
    };
    let facts = CompleteFacts { upload: read().await, file };
    let again = upload::complete(command, facts, &context(), &mut rng(32)).unwrap();
    assert_eq!((again.outcome, again.change), (done.outcome, Change::default()));
}

pub(crate) async fn no_secret_is_kept(database: &dyn Database) {
    let store = database.open().await;
    let secret = Secret::new("an-imported-secret-of-the-operator".to_owned());
    let command = Found::parse("Acme".to_owned(), Some(secret.clone())).unwrap();
    let decision = found(command, None, &context(), &mut rng(0)).unwrap();
    commit(store.as_ref(), decision.change).await.unwrap();
    let mut reading = store.read().await.unwrap();
    let lines = reading.audit(tenant(), Slice::ALL).await.unwrap();
    let key = reading.key(tenant(), &decision.outcome.key.policy.id).await.unwrap();
    assert!(!format!("{lines:?}{key:?}{:?}", decision.outcome).contains(secret.expose()));
}
