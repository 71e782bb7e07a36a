//! Who makes a key can use it at once where it was made, and soon everywhere.

use serde_json::json;
use support::{PATIENCE, System, eventually};

#[tokio::test]
async fn a_new_key_works_at_once_through_the_edge_that_answered_and_soon_at_the_other() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("written").await;
    let mut last = None;
    for round in 0..200 {
        let key = admin.create_key(&stock.customer, json!({})).await;
        let answer = system.client(0, &key.text).get("/v1/applications/written").await;
        assert_eq!(answer.status, 200, "round {round}: {answer:?}");
        last = Some(key);
    }
    let client = system.client(1, &last.unwrap().text);
    eventually(PATIENCE, || async { client.get("/v1/applications/written").await.is(200) }).await;
}

#[tokio::test]
async fn what_was_taken_away_is_gone_at_once_through_the_edge_that_answered() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("taken").await;
    for round in 0..20 {
        let key = admin.create_key(&stock.customer, json!({})).await;
        // An address of its own: more than ten refusals a second from one are answered 429.
        let address = format!("127.0.0.{}", 10 + round);
        let client = system.client(0, &key.text).at(&address);
        client.get(&stock.path()).await.expect(200);
        admin.delete_key(&key).await.expect(200);
        assert_eq!(client.get(&stock.path()).await.expect(401).failure().0, "UNAUTHORIZED");
        let other = system.client(1, &key.text).at(&address);
        eventually(PATIENCE, || async { other.peek(&stock.path()).await.is(401) }).await;
    }
}
