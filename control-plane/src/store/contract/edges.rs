//! The edges that were known.

use common::wire::Position;

use super::*;
use crate::domain::edge;
use crate::store::KeptEdge;

fn kept(id: &str, number: u64, last_seen: i64) -> KeptEdge {
    KeptEdge {
        id: id.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: 1_700_000_000_000,
        number,
        position: Position { epoch: 1_700_000_000_000, sequence: number * 10 },
        first_seen: Timestamp::from_millis(5),
        last_seen: Timestamp::from_millis(last_seen),
    }
}

pub(crate) async fn edges_are_kept_until_they_are_gone(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    assert_eq!(store.kept_edges().await.unwrap(), []);
    store.keep_edges(&[kept("b", 1, 10), kept("a", 1, 10), kept("c", 1, 10)], &[], &[]).await.unwrap();
    let later = KeptEdge { first_seen: Timestamp::from_millis(9), ..kept("b", 2, 20) };
    store.keep_edges(&[later], &[kept("a", 1, 30)], &["c".to_owned(), "nobody".to_owned()]).await.unwrap();
    // Who was removed meanwhile is not back because it had been heard.
    store.keep_edges(&[], &[kept("c", 3, 30)], &[]).await.unwrap();
    let store = database.open().await;
    assert_eq!(
        store.kept_edges().await.unwrap(),
        [kept("a", 1, 30), kept("b", 2, 20)],
        "the first time stays"
    );
    let before = store.read().await.unwrap().standing().await.unwrap();
    let known = edge::Known { id: "a".into(), sequence: 10, last_seen: Timestamp::from_millis(10) };
    commit(store.as_ref(), edge::remove(Some(&known), &context()).unwrap()).await.unwrap();
    assert_eq!(store.kept_edges().await.unwrap(), [kept("b", 2, 20)]);
    assert_eq!(store.read().await.unwrap().standing().await.unwrap(), before, "no edge hears of it");
    assert_eq!(edge::remove(None, &context()), Err(Refusal::UnknownEdge));
}
