//! Rotation: a key gets a new secret, and the old one time to be replaced, or none.

use std::time::Duration;

use serde_json::{Value, json};
use support::{Admin, Answer, Key, PATIENCE, Stock, System, eventually};

async fn rotate(admin: &Admin, key: &Key, body: Value) -> Answer {
    admin.post(&format!("/v1/management/apikeys/{}/rotate", key.id), &body).await
}

async fn assert_opens(system: &System, key: &str, stock: &Stock) {
    for edge in [0, 1] {
        let client = system.client(edge, key);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    }
}

/// Refused for that reason: at once through the edge that answered, soon at the other.
async fn assert_refused(system: &System, key: &str, stock: &Stock, (from, reason): (&str, &str)) {
    let here = system.client(0, key).at(from).get(&stock.path()).await;
    assert_eq!(here.expect(401).failure().1, reason);
    let there = system.client(1, key).at(from);
    eventually(PATIENCE, || async {
        let answer = there.peek(&stock.path()).await;
        if answer.status == 401 && answer.failure().1 == reason { Ok(()) } else { Err(answer) }
    })
    .await;
}

#[tokio::test]
async fn both_secrets_open_the_door_during_the_overlap_and_the_new_one_after_it() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("overlap").await;
    let old = &stock.key;
    let told = rotate(&admin, old, json!({ "overlapSeconds": 600 })).await.expect(201);
    let new = Key::of(&told);
    assert_eq!((&new.id, told.text("/customerId")), (&old.id, stock.customer.clone()));
    assert_ne!(new.secret, old.secret);
    assert!(told.text("/previousKeyExpiresAt").ends_with('Z') && told.text("/createdAt").ends_with('Z'));
    // The new one through the edge that answered without waiting.
    system.client(0, &new.text).get(&stock.path()).await.expect(200);
    assert_opens(&system, &new.text, &stock).await;
    assert_opens(&system, &old.text, &stock).await;
    // A link lent by the old secret dies with it.
    let ask = "/v1/downloads/url?applicationId=overlap&version=latest";
    let lent = system.client(0, &old.text).get(ask).await.expect(200).text("/url");
    let lent_by_new = system.client(0, &new.text).get(ask).await.expect(200).text("/url");
    system.stranger(0).get(&lent).await.expect(200);
    // Half a minute for a slow machine.
    system.clock.advance(Duration::from_secs(570));
    assert_opens(&system, &old.text, &stock).await;
    system.clock.advance(Duration::from_secs(31));
    assert_refused(&system, &old.text, &stock, ("127.0.9.1", "key_expired")).await;
    assert_opens(&system, &new.text, &stock).await;
    assert_eq!(system.stranger(0).at("127.0.9.2").get(&lent).await.expect(401).failure().1, "key_expired");
    system.stranger(0).get(&lent_by_new).await.expect(200);
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_dies_at_once() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("at-once").await;
    let mut current = stock.key.clone();
    for round in 0..10 {
        assert_opens(&system, &current.text, &stock).await;
        let body = if round % 2 == 0 { json!({}) } else { json!({ "overlapSeconds": 0 }) };
        let told = rotate(&admin, &current, body).await.expect(201);
        assert!(told.json()["data"].get("previousKeyExpiresAt").is_none());
        let next = Key::of(&told);
        let from = format!("127.0.9.{}", 10 + round);
        system.client(0, &next.text).get(&stock.path()).await.expect(200);
        assert_refused(&system, &current.text, &stock, (&from, "key_unknown")).await;
        current = next;
    }
}

#[tokio::test]
async fn rotating_again_or_regenerating_ends_the_older_secret_and_what_it_lent() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("again").await;
    let first = stock.key.clone();
    let second = Key::of(&rotate(&admin, &first, json!({ "overlapSeconds": 600 })).await.expect(201));
    assert_opens(&system, &first.text, &stock).await;
    let ask = "/v1/downloads/url?applicationId=again&version=latest";
    let lent = system.client(0, &first.text).get(ask).await.expect(200).text("/url");
    let lent_by_second = system.client(0, &second.text).get(ask).await.expect(200).text("/url");
    let third = Key::of(&rotate(&admin, &second, json!({ "overlapSeconds": 600 })).await.expect(201));
    assert_refused(&system, &first.text, &stock, ("127.0.9.30", "key_unknown")).await;
    system.stranger(0).get(&lent).await.expect(401);
    system.stranger(0).get(&lent_by_second).await.expect(200);
    assert_opens(&system, &second.text, &stock).await;
    assert_opens(&system, &third.text, &stock).await;
    let regenerate = format!("/v1/management/customers/{}/regenerate-key", stock.customer);
    let fourth = admin.post(&regenerate, &json!({})).await.expect(200).text("/apiKey");
    for (key, from) in [(&second, "127.0.9.31"), (&third, "127.0.9.32")] {
        assert_refused(&system, &key.text, &stock, (from, "key_unknown")).await;
    }
    system.stranger(0).get(&lent_by_second).await.expect(401);
    assert_opens(&system, &fourth, &stock).await;
}

#[tokio::test]
async fn a_key_that_is_deleted_or_disabled_is_dead_by_both_its_secrets() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("both").await;
    let old = admin.create_key(&stock.customer, json!({})).await;
    let new = Key::of(&rotate(&admin, &old, json!({ "overlapSeconds": 600 })).await.expect(201));
    assert_opens(&system, &old.text, &stock).await;
    assert_opens(&system, &new.text, &stock).await;
    admin.change_key(&new, json!({ "isEnabled": false })).await.expect(200);
    for (key, from) in [(&old, "127.0.9.40"), (&new, "127.0.9.41")] {
        assert_refused(&system, &key.text, &stock, (from, "key_disabled")).await;
    }
    admin.delete_key(&new).await.expect(200);
    for (key, from) in [(&old, "127.0.9.42"), (&new, "127.0.9.43")] {
        assert_refused(&system, &key.text, &stock, (from, "key_deleted")).await;
    }
    rotate(&admin, &new, json!({})).await.expect(404);
    let refused = rotate(&admin, &stock.key, json!({ "overlapSeconds": 30 * 86_400 + 1 })).await.expect(400);
    assert!(refused.json()["error"]["details"].to_string().contains("overlapSeconds"));
    rotate(&admin, &stock.key, json!({ "overlapSeconds": "1" })).await.expect(400);
}
