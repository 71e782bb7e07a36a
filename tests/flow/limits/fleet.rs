//! Limits over real edges and a real Redis.

use serde_json::json;
use support::{Client, Doors, Fleet, PATIENCE, eventually};

/// A customer's key that every edge knows, and that has spent nothing.
async fn key(fleet: &Fleet, customer: &str, limit: u32) -> String {
    let admin = fleet.admin(0);
    admin.create_customer(customer, "Basic").await.expect(201);
    let key = admin.create_key(customer, json!({ "rateLimitRpm": limit })).await;
    // Made later: an edge that knows it knows the one before.
    let last = admin.create_key(customer, json!({})).await;
    for edge in 0..fleet.edges.len() {
        let client = fleet.client(edge, &last.text);
        eventually(PATIENCE, || async { client.get("/v1/applications").await.is(200) }).await;
    }
    key.text
}

/// Waits until the arbiter lends: until then each edge goes by its fair share, and knows nothing of the others.
async fn settled(fleet: &Fleet, customer: &str) {
    let key = key(fleet, customer, 1_000_000).await;
    let clients: Vec<Client> = (0..fleet.edges.len()).map(|edge| fleet.client(edge, &key)).collect();
    let remaining = async |client: &Client| -> u64 {
        client.get("/v1/applications").await.expect(200).header("x-ratelimit-remaining").parse().unwrap()
    };
    for client in &clients {
        eventually(PATIENCE, || async {
            let left = remaining(client).await;
            if left > 900_000 { Ok(()) } else { Err(left) }
        })
        .await;
    }
}

#[tokio::test]
async fn ten_a_minute_are_ten_over_three_edges_and_what_is_left_counts_down() {
    let mut fleet = Fleet::start(3).await;
    settled(&fleet, "first").await;
    let key = key(&fleet, "ten", 10).await;
    let (mut admitted, mut left) = (0, Vec::new());
    for number in 0..30 {
        let answer = fleet.client(number % 3, &key).get("/v1/applications").await;
        assert_eq!(answer.header("x-ratelimit-limit"), "10");
        if answer.status == 200 {
            admitted += 1;
            left.push(answer.header("x-ratelimit-remaining").parse::<u32>().unwrap());
        } else {
            let after: u64 = answer.expect(429).header("retry-after").parse().unwrap();
            assert!((1..=63).contains(&after), "{after}");
        }
    }
    assert_eq!((admitted, left), (10, (0..10).rev().collect()));
    // At once, and to all.
    let key = self::key(&fleet, "atonce", 10).await;
    let asked = (0..60).map(|number| {
        let client = fleet.client(number % 3, &key);
        tokio::spawn(async move { client.get("/v1/applications").await.status })
    });
    let statuses = futures_util::future::join_all(asked.collect::<Vec<_>>()).await;
    let admitted = statuses.into_iter().filter(|status| *status.as_ref().unwrap() == 200).count();
    assert!((9..=11).contains(&admitted), "{admitted}");
    fleet.assert_sound();
}

#[tokio::test]
async fn without_redis_each_edge_has_its_fair_share_and_all_of_them_the_limit() {
    let mut fleet = Fleet::start(3).await;
    settled(&fleet, "first").await;
    let (fresh, half) = (key(&fleet, "fresh", 30).await, key(&fleet, "half", 30).await);
    for _ in 0..20 {
        fleet.client(0, &half).get("/v1/applications").await.expect(200);
    }
    fleet.redis.kill();
    let doors: Doors = (*fleet).clone();
    let spend = async |key: &str| {
        let mut admitted = Vec::new();
        for edge in 0..3 {
            let client = doors.client(edge, key);
            let mut count = 0;
            for _ in 0..40 {
                count += u32::from(client.get("/v1/applications").await.status == 200);
            }
            admitted.push(count);
        }
        admitted
    };
    let began = std::time::Instant::now();
    assert_eq!(spend(&fresh).await, [10, 10, 10]);
    // What it has spent counts; the bound is twice the limit less one share.
    assert_eq!(spend(&half).await, [0, 10, 10]);
    assert!(began.elapsed().as_secs() < 20, "nobody waits for who is away");

    // Redis comes back empty, and hears from the edges what was spent.
    fleet.redis.restart().await;
    settled(&fleet, "again").await;
    // Also what was spent of leases, by an edge that has not been asked since.
    doors.client(1, &half).get("/v1/applications").await.expect(429);
    assert_eq!(spend(&fresh).await, [0, 0, 0]);
    fleet.assert_sound();
}
