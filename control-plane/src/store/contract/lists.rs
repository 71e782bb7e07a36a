//! Lists: in pieces, by number and behind a place.

use rand::RngExt as _;

use super::*;

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

pub(crate) async fn lists_go_on_behind_a_place_whatever_comes_in_between(database: &dyn Database) {
    let (store, _) = with_tenant(database).await;
    let mut random = rng(40);
    let mut letters = move || char::from(random.random_range(b'a'..=b'e'));
    let mut stays: Vec<String> = Vec::new();
    for number in 0..12 {
        let (id, name) = (format!("{}-stays-{number}", letters()), format!("{}{}", letters(), letters()));
        commit(store.as_ref(), new_customer(&id, &name.to_uppercase())).await.unwrap();
        stays.push(id);
    }
    let (mut told, mut after, mut round) = (Vec::new(), None, 0);
    loop {
        let mut reading = store.read().await.unwrap();
        let listed = match &after {
            None => reading.customers(tenant(), Slice { offset: 0, limit: 3 }).await.unwrap(),
            Some(after) => reading.customers_after(tenant(), after, 3).await.unwrap(),
        };
        assert_eq!(listed.total, 12 + round);
        let Some(last) = listed.items.last() else { break };
        after = Some(last.place());
        told.extend(listed.items.iter().map(|customer| customer.place()));
        drop(reading);
        let comes = new_customer(&format!("{}-comes-{round}", letters()), &letters().to_string());
        commit(store.as_ref(), comes).await.unwrap();
        round += 1;
        assert!(round < 40, "no end: {told:?}");
    }
    assert!(told.is_sorted_by(|a, b| a < b), "repeated: {told:?}");
    assert!(stays.iter().all(|id| told.iter().any(|place| place.id == *id)), "skipped: {told:?}");
    keys_go_on_behind_a_place(store.as_ref()).await;
}

/// All keys are of one millisecond, and some are deleted: also the one that the place names.
async fn keys_go_on_behind_a_place(store: &dyn Store) {
    commit(store, new_customer("c1", "One")).await.unwrap();
    let mut made = Vec::new();
    for seed in 50..55 {
        made.push(new_key(store, "c1", seed).await.key);
    }
    let gone = key::delete(&made[1].policy.id, Some(made[1].clone()), &context()).unwrap();
    commit(store, gone.change).await.unwrap();
    let c1 = "c1".parse().unwrap();
    let mut reading = store.read().await.unwrap();
    let first = reading.keys(tenant(), Some(&c1), Slice { offset: 0, limit: 1 }).await.unwrap();
    assert_eq!(first.items, made[..1]);
    for (customer, after) in [(Some(&c1), &made[0]), (Some(&c1), &made[1]), (None, &made[1])] {
        let rest = reading.keys_after(tenant(), customer, &after.place(), 2).await.unwrap();
        assert_eq!(rest.items, made[2..4]);
        assert_eq!(rest.total, if customer.is_some() { 4 } else { 5 });
    }
    assert_eq!(reading.keys_after(tenant(), Some(&c1), &made[4].place(), 9).await.unwrap().items, []);
}
