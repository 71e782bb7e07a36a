//! Writes: whole or not at all, in one order, each with what stands beside it.

use super::*;

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
    let key = new_key(store.as_ref(), "c1", 5).await.key;
    revoked(store.as_ref(), opened(store.as_ref(), &key, None, 0).await).await;
    opened(store.as_ref(), &key, Some("living"), 1).await;
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
