//! Sessions, and keys with two secrets.

use std::time::Duration;

use common::id::KeyId;
use common::key::{Holder, Previous};

use super::super::sessions::SessionFilter;
use super::*;
use crate::domain::key::{Key, Rotate, rotate};
use crate::domain::session::{Count, OpenFacts, Reach, Session, forget, open, revoke};
use crate::domain::{Noun, Row};

async fn rotated(store: &dyn Store, key: &Key, overlap: u64, seed: u64) -> NewKey {
    let command = Rotate { id: key.policy.id.clone(), overlap: Duration::from_secs(overlap) };
    let decision = rotate(&command, Some(key.clone()), &context(), &mut rng(seed)).unwrap();
    commit(store, decision.change).await.unwrap();
    decision.outcome
}

/// A session of that key, opened so many seconds after the context's time.
pub(crate) async fn opened(store: &dyn Store, key: &Key, label: Option<&str>, after: u64) -> Session {
    let context = Context { now: context().now.plus(Duration::from_secs(after)), ..context() };
    let facts = OpenFacts {
        key: key.policy.clone(),
        holder: Holder::new(key.policy.id.clone(), &key.digests.current),
        existing: None,
        count: Count::default(),
    };
    let decision = open(label.map(str::to_owned), facts, &context, &mut rng(1_000 + after)).unwrap();
    let committed = commit(store, decision.change).await.unwrap();
    assert!(!committed.is_announced, "a session that lives is no edge's business");
    decision.outcome
}

pub(crate) async fn revoked(store: &dyn Store, session: Session) -> Session {
    let id = session.id.clone();
    let decision = revoke(&id, Some(session), Reach::Tenant, &context()).unwrap();
    assert!(commit(store, decision.change).await.unwrap().is_announced);
    decision.outcome
}

pub(crate) async fn a_key_is_found_by_both_its_secrets(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    let second = rotated(store.as_ref(), &first.key, 60, 40).await;
    let mut reading = store.read().await.unwrap();
    for digest in second.key.digests.all() {
        assert_eq!(reading.identify(&digest).await.unwrap().unwrap().key, second.key);
    }
    assert_eq!(second.key.digests.all().count(), 2);
    let by_id = reading.identify_by_id(&first.key.policy.id).await.unwrap().unwrap();
    assert_eq!(by_id.key, second.key);
    assert_eq!(reading.identify_by_id(&"key_none".parse::<KeyId>().unwrap()).await.unwrap(), None);
    drop(reading);
    let third = rotated(store.as_ref(), &second.key, 0, 41).await;
    let mut reading = store.read().await.unwrap();
    for digest in second.key.digests.all() {
        assert_eq!(reading.identify(&digest).await.unwrap(), None);
    }
    assert_eq!(reading.key(tenant(), &first.key.policy.id).await.unwrap(), Some(third.key));
}

pub(crate) async fn a_secret_belongs_to_one_key_also_when_it_is_its_old_one(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    let second = rotated(store.as_ref(), &first.key, 60, 42).await;
    let [current, old] = [second.key.digests.current, first.key.digests.current];
    let until = context().now;
    let other = |number: u32, digests| {
        let policy = common::policy::KeyPolicy {
            id: format!("key_{number}").parse().unwrap(),
            ..first.key.policy.clone()
        };
        Noun::Key(Key { policy, digests, ..first.key.clone() })
    };
    let new = Digest::of(b"new");
    let with_old = |digest| common::key::Digests { current: new, previous: Some(Previous { digest, until }) };
    let taken =
        [common::key::Digests::of(current), common::key::Digests::of(old), with_old(old), with_old(current)];
    let attempt = |row| {
        let change = Change { rows: vec![row], ..Change::default() };
        commit(store.as_ref(), change)
    };
    let free = common::key::Digests::of(Digest::of(b"free"));
    attempt(Row::Insert(other(1, free))).await.unwrap();
    for digests in taken {
        for row in [Row::Insert(other(2, digests)), Row::Update(other(1, digests))] {
            let refused = attempt(row).await;
            assert!(matches!(refused, Err(StoreError::Refused(Refusal::DuplicateSecret))), "{refused:?}");
        }
    }
    attempt(Row::Update(other(1, with_old(Digest::of(b"free"))))).await.unwrap();
}

pub(crate) async fn a_session_is_found_by_its_key_and_label_while_it_lives(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    let plain = opened(store.as_ref(), &first.key, None, 0).await;
    let named = opened(store.as_ref(), &first.key, Some("ci"), 1).await;
    let (holder, now) = (plain.holder.clone(), context().now);
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.session(&plain.id).await.unwrap().as_ref(), Some(&plain));
    assert_eq!(reading.session_of(&holder, None, now).await.unwrap().as_ref(), Some(&plain));
    assert_eq!(reading.session_of(&holder, Some("ci"), now).await.unwrap().as_ref(), Some(&named));
    assert_eq!(reading.session_of(&holder, Some("other"), now).await.unwrap(), None);
    let other_secret = Holder { generation: "0".repeat(16), ..holder.clone() };
    assert_eq!(reading.session_of(&other_secret, None, now).await.unwrap(), None);
    assert_eq!(reading.session_of(&holder, None, plain.expires_at).await.unwrap(), None);
    drop(reading);
    let ended = revoked(store.as_ref(), plain).await;
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.session(&ended.id).await.unwrap().as_ref(), Some(&ended));
    assert_eq!(reading.session_of(&holder, None, now).await.unwrap(), None);
    let count = |living, kept| Count { living, kept };
    assert_eq!(reading.count_sessions(&holder.key, now).await.unwrap(), count(1, 2));
    assert_eq!(reading.count_sessions(&holder.key, ended.expires_at).await.unwrap(), count(1, 1));
    let listed = reading.sessions(tenant(), &SessionFilter::default(), now, Slice::ALL).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![named], 1));
}

pub(crate) async fn sessions_of_a_replaced_secret_leave_the_list(database: &dyn Database) {
    let (store, first) = with_tenant(database).await;
    commit(store.as_ref(), new_customer("c1", "One")).await.unwrap();
    let key = new_key(store.as_ref(), "c1", 50).await.key;
    opened(store.as_ref(), &first.key, None, 2).await;
    for after in 3..6 {
        opened(store.as_ref(), &key, Some(&format!("s{after}")), after).await;
    }
    let list = async |filter: SessionFilter, slice, after: u64| {
        let now = context().now.plus(Duration::from_secs(after));
        let listed = store.read().await.unwrap().sessions(tenant(), &filter, now, slice).await.unwrap();
        let labels: Vec<String> = listed.items.into_iter().map(|it| it.label.unwrap_or_default()).collect();
        (labels.join(","), listed.total)
    };
    let all = SessionFilter::default;
    let of = |text: &str, total| (text.to_owned(), total);
    assert_eq!(list(all(), Slice { offset: 1, limit: 2 }, 10).await, of("s3,s4", 4));
    let by_key = SessionFilter { key: Some(key.policy.id.clone()), customer: None };
    assert_eq!(list(by_key, Slice::ALL, 10).await, of("s3,s4,s5", 3));
    let by_customer = SessionFilter { key: None, customer: Some("c1".parse().unwrap()) };
    assert_eq!(list(by_customer.clone(), Slice::ALL, 10).await.1, 3);
    assert_eq!(
        list(SessionFilter { key: Some(first.key.policy.id), ..by_customer }, Slice::ALL, 10).await.1,
        0
    );
    let key = rotated(store.as_ref(), &key, 60, 51).await.key;
    assert_eq!((list(all(), Slice::ALL, 59).await.1, list(all(), Slice::ALL, 60).await.1), (4, 1));
    rotated(store.as_ref(), &key, 60, 52).await;
    assert_eq!(list(all(), Slice::ALL, 10).await.1, 1);
}

pub(crate) async fn spent_sessions_are_forgotten_and_the_records_of_revoked_ones_end(
    database: &dyn Database,
) {
    let (store, first) = with_tenant(database).await;
    let early = opened(store.as_ref(), &first.key, None, 0).await;
    let late = opened(store.as_ref(), &first.key, Some("late"), 60).await;
    let ended = revoked(store.as_ref(), opened(store.as_ref(), &first.key, Some("ended"), 1).await).await;
    let mut reading = store.read().await.unwrap();
    assert!(reading.record(&ended.address()).await.unwrap().is_some());
    assert_eq!(reading.spent_sessions(early.expires_at, 10).await.unwrap(), std::slice::from_ref(&early));
    assert_eq!(reading.spent_sessions(late.expires_at, 2).await.unwrap().len(), 2, "the oldest first");
    let spent = reading.spent_sessions(ended.expires_at, 10).await.unwrap();
    let before = reading.standing().await.unwrap().position.sequence;
    drop(reading);
    assert_eq!(spent, [early, ended.clone()]);
    let committed = commit(store.as_ref(), forget(&spent)).await.unwrap();
    assert_eq!(committed.position.sequence, before + 1);
    let mut reading = store.read().await.unwrap();
    let pending = reading.pending(before, 10).await.unwrap();
    assert_eq!(pending.iter().map(|it| &it.announcement.address).collect::<Vec<_>>(), [&ended.address()]);
    assert_eq!(reading.record(&ended.address()).await.unwrap(), None);
    assert_eq!(reading.spent_sessions(late.expires_at, 10).await.unwrap(), [late]);
}
