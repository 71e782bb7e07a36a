//! Answers: kept with their write, once, and not for ever.

use super::*;
use crate::domain::Row;
use crate::domain::answer::{KeptAnswer, LIFETIME};

fn answer(name: &str, kept_at: Timestamp) -> KeptAnswer {
    KeptAnswer {
        id: Digest::of(name.as_bytes()),
        fingerprint: Digest::of(b"the request"),
        status: 201,
        sealed: vec![0, 255, 7],
        kept_at,
    }
}

fn keeping(answer: KeptAnswer, mut change: Change) -> Change {
    change.rows.push(Row::Answer(answer));
    change
}

pub(crate) async fn an_answer_is_kept_beside_its_write_until_it_expires(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let now = context().now;
    let kept = answer("first", now);
    commit(store.as_ref(), keeping(kept.clone(), new_customer("c1", "One"))).await.unwrap();
    // A change of nothing else moves no history.
    let before = store.read().await.unwrap().standing().await.unwrap();
    let late = answer("late", now.plus(LIFETIME));
    let committed = commit(store.as_ref(), keeping(late.clone(), Change::default())).await.unwrap();
    assert_eq!(committed, Committed { position: before.position, is_announced: false });
    let find =
        async |of: &KeptAnswer, now| store.read().await.unwrap().kept_answer(&of.id, now).await.unwrap();
    assert_eq!(find(&kept, now).await, Some(kept.clone()));
    assert_eq!(find(&kept, now.plus(LIFETIME)).await, None);
    assert_eq!(store.forget_answers(now, 10).await.unwrap(), 0);
    assert_eq!(store.forget_answers(now.plus(LIFETIME), 10).await.unwrap(), 1);
    assert_eq!(find(&kept, now).await, None);
    assert_eq!(find(&late, now.plus(LIFETIME)).await, Some(late));
}

pub(crate) async fn of_two_answers_to_one_request_one_is_kept(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let (now, first) = (context().now, answer("same", context().now));
    commit(store.as_ref(), keeping(first.clone(), new_customer("c1", "One"))).await.unwrap();
    let second = keeping(answer("same", now.plus(LIFETIME / 2)), new_customer("c2", "Two"));
    let refused = commit(store.as_ref(), second.clone()).await;
    assert!(matches!(refused, Err(StoreError::Refused(Refusal::Raced))), "{refused:?}");
    let mut reading = store.read().await.unwrap();
    assert_eq!(reading.kept_answer(&first.id, now).await.unwrap(), Some(first));
    assert_eq!(reading.customer(tenant(), &"c2".parse().unwrap()).await.unwrap(), None, "all or nothing");
    drop(reading);
    // What has expired is in nobody's way, swept or not.
    let next = keeping(answer("same", now.plus(LIFETIME)), new_customer("c3", "Three"));
    commit(store.as_ref(), next).await.unwrap();
}
