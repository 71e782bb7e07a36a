//! Everything else that goes by the client's address: failures, what is passed on to the control plane, activity.

use serde_json::{Value, json};
use support::{Answer, Client, PATIENCE, eventually};

use super::{ALLOWED, PROXY, Shop, THIEF, TRUSTING};

/// A caller through the trusted proxy, which is told of as this client.
struct Behind<'a> {
    caller: Client,
    client: &'a str,
}

impl Behind<'_> {
    async fn get(&self, key: &str, path: &str) -> Answer {
        self.caller.with(Some(key)).get_with(path, "x-forwarded-for", self.client).await
    }

    async fn log_in(&self, key: &str) -> Answer {
        let request = self.caller.request(reqwest::Method::POST, "/auth/login");
        support::client::send(request.header("x-forwarded-for", self.client).json(&json!({ "api_key": key })))
            .await
    }
}

const UNKNOWN: &str = "a-key-that-nobody-has-ever-made";

fn throttled(answer: &Answer) -> bool {
    let (_, reason) = answer.failure();
    assert!(
        matches!((answer.status, reason.as_str()), (401, "key_unknown") | (429, "auth_throttled")),
        "{answer:?}"
    );
    answer.status == 429
}

#[tokio::test]
async fn failures_of_one_client_behind_a_proxy_throttle_no_other_and_never_a_good_key() {
    let shop = Shop::open().await;
    let way = shop.way(TRUSTING, PROXY, Vec::new()).await;
    let behind = |client| Behind { caller: Client::new(&way.base, None), client };
    let (path, key) = (shop.stock.path(), shop.stock.key.text.as_str());
    for (guesser, neighbour, other) in [
        (ALLOWED[0], "::ffff:198.51.100.7", "198.51.100.8"),
        // Whoever has one address of a /64 has all of them.
        (ALLOWED[1], "2001:db8:a:0:ffff::1", "2001:db8:a:1::7"),
    ] {
        let (guesser, neighbour, other) = (behind(guesser), behind(neighbour), behind(other));
        let mut times = 0;
        for _ in 0..60 {
            times += u32::from(throttled(&guesser.get(UNKNOWN, &path).await));
        }
        assert!(times > 0, "60 failures in a row of {} were not throttled", guesser.client);
        let mut times = 0;
        for _ in 0..30 {
            times += u32::from(throttled(&neighbour.get(UNKNOWN, &path).await));
        }
        assert!(times > 0, "{} is the same", neighbour.client);
        assert!(!throttled(&other.get(UNKNOWN, &path).await), "{} did nothing", other.client);
        for _ in 0..5 {
            guesser.get(key, &path).await.expect(200);
        }
    }
    // At the control plane, which believes the edge's word.
    let (guesser, other) = (behind("198.51.100.20"), behind("198.51.100.21"));
    let mut times = 0;
    for _ in 0..60 {
        times += u32::from(throttled(&guesser.log_in(UNKNOWN).await));
    }
    assert!(times > 0, "60 failed logins in a row were not throttled");
    assert!(!throttled(&other.log_in(UNKNOWN).await));
    behind(ALLOWED[0]).log_in(key).await.expect(200);
}

#[tokio::test]
async fn the_control_plane_is_told_the_client_and_so_is_the_vendor() {
    let shop = Shop::open().await;
    let way = shop.way(TRUSTING, PROXY, Vec::new()).await;
    let behind = |client| Behind { caller: Client::new(&way.base, None), client };
    let customers = "/v1/management/customers";
    behind(ALLOWED[0]).get(&shop.admin_key.text, customers).await.expect(200);
    let claimed = format!("{}, {THIEF}", ALLOWED[0]);
    for client in [THIEF, &claimed] {
        let refused = behind(client).get(&shop.admin_key.text, customers).await.expect(403);
        assert_eq!(refused.failure().1, "ip_not_allowed");
    }
    behind(ALLOWED[1]).get(&shop.stock.key.text, &shop.stock.path()).await.expect(200);
    let admin = shop.fleet.admin(0);
    let seen = eventually(PATIENCE, || async {
        let told = admin.get("/v1/activity?type=download&limit=100").await.expect(200);
        let rows = told.data("/activities").as_array().cloned().unwrap_or_default();
        let seen: Vec<Value> = rows.iter().map(|row| row["clientIp"].clone()).collect();
        if seen.contains(&json!(ALLOWED[1])) { Ok(seen) } else { Err(told) }
    });
    let seen = seen.await;
    assert!(!seen.contains(&json!(PROXY)), "{seen:?}");
}
