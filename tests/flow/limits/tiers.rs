//! What a tier bounds beside requests: transfers at the same time, on all edges together, and bytes a second.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::json;
use support::client::send;
use support::{Client, Doors, Fleet, PATIENCE, System, content, eventually};

/// More than sockets hold.
const LARGE: usize = 32 << 20;

/// Somebody who began to read, and does not go on.
struct Begun(reqwest::Response);

async fn begin(client: &Client, path: &str) -> Result<Begun, (u16, String)> {
    let answer = client.request(Method::GET, path).send().await.unwrap();
    let status = answer.status().as_u16();
    if status != 200 {
        let after =
            answer.headers().get("retry-after").map_or("", |after| after.to_str().unwrap()).to_owned();
        let text = answer.text().await.unwrap();
        assert!(text.contains("too_many_downloads") && !after.is_empty(), "{text}");
        return Err((status, after));
    }
    Ok(Begun(answer))
}

/// Waits until one more is refused, and tells after how long to try again. An edge to which the arbiter does not answer
/// within 20 ms gives its fair share, of which the others hear a moment later.
async fn full(client: &Client, path: &str) -> u64 {
    let (status, after) =
        eventually(PATIENCE, || async { begin(client, path).await.err().ok_or("one more began") }).await;
    assert_eq!(status, 429);
    after.parse().unwrap()
}

impl Begun {
    async fn finish(self) -> usize {
        let mut stream = self.0.bytes_stream();
        let mut count = 0;
        while let Some(some) = stream.next().await {
            count += some.unwrap().len();
        }
        count
    }
}

struct Shop {
    key: String,
    other: String,
    path: String,
    large: String,
    link: String,
}

/// A customer with two keys on a tier with these bounds, and a large file; all edges know of it.
async fn open(doors: &Doors, tier: serde_json::Value) -> Shop {
    let admin = doors.admin(0);
    let stock = admin.stock("bounded").await;
    let fields = [("applicationId", "bounded"), ("version", "2.0.0")];
    admin.upload(&fields, "a.bin", &content::bytes(1, 9 << 20)).await.expect(201);
    let about =
        json!({ "applicationId": "bounded", "version": "3.0.0", "fileName": "b.bin", "fileSize": LARGE });
    let begun = admin.post("/v1/management/upload/large-url", &about).await.expect(200);
    let bytes = admin.request(Method::PUT, &begun.text("/uploadUrl")).body(content::bytes(2, LARGE));
    send(bytes).await.expect(200);
    admin.complete_upload(json!({ "uploadId": begun.text("/uploadId") })).await.expect(201);
    let other = admin.create_key(&stock.customer, json!({})).await;
    admin.put("/v1/management/tiers/Basic", &tier).await.expect(200);
    let last = admin.create_key(&stock.customer, json!({})).await;
    for edge in 0..doors.edges.len() {
        let client = doors.client(edge, &last.text);
        eventually(PATIENCE, || async { client.get("/v1/applications").await.is(200) }).await;
    }
    let ask = "/v1/downloads/url?applicationId=bounded&version=2.0.0";
    let link = doors.client(0, &stock.key.text).get(ask).await.expect(200).text("/url");
    let path = |version: u8, name: &str| format!("/v1/download/bounded/{version}.0.0/{name}.bin");
    Shop { key: stock.key.text, other: other.text, path: path(2, "a"), large: path(3, "b"), link }
}

async fn begin_eventually(client: &Client, path: &str) -> Begun {
    eventually(PATIENCE, || async { begin(client, path).await }).await
}

#[tokio::test]
async fn a_customer_has_so_many_transfers_at_the_same_time_on_all_edges_together() {
    let mut fleet = Fleet::start(3).await;
    let shop =
        open(&fleet, json!({ "rank": 10, "maxConcurrentDownloads": 3, "rateLimitRpm": 100_000 })).await;
    let doors: Doors = (*fleet).clone();
    let client = |edge| doors.client(edge, &shop.key);
    // A memory that is young does not know of the others: fair shares until then.
    let mut begun = vec![begin(&client(0), &shop.large).await.unwrap()];
    begun.push(begin_eventually(&client(0), &shop.large).await);
    begun.push(begin_eventually(&fleet.client(1, &shop.other), &shop.large).await);
    for edge in 0..3 {
        let after = full(&client(edge), &shop.large).await;
        assert!((1..=2).contains(&after), "{edge}: {after}");
        full(&fleet.stranger(edge), &shop.link).await;
    }
    // What needs no bytes takes no place.
    let head = client(0).request(Method::HEAD, &shop.large).send().await.unwrap();
    assert_eq!(head.status().as_u16(), 200);
    // One reads to the end, one leaves: both give their places to other edges.
    assert_eq!(begun.remove(0).finish().await, LARGE);
    begun.push(begin_eventually(&client(2), &shop.large).await);
    drop(begun.remove(0));
    begun.push(begin_eventually(&client(2), &shop.large).await);
    full(&client(2), &shop.large).await;
    fleet.assert_sound();
}

#[tokio::test]
async fn places_of_a_dead_edge_come_back_and_without_redis_each_edge_has_its_share() {
    let mut fleet = Fleet::start(3).await;
    let shop =
        open(&fleet, json!({ "rank": 10, "maxConcurrentDownloads": 3, "rateLimitRpm": 100_000 })).await;
    let doors: Doors = (*fleet).clone();
    let client = |edge| doors.client(edge, &shop.key);
    let mut begun = Vec::new();
    for edge in [1, 0, 0] {
        begun.push(begin_eventually(&client(edge), &shop.large).await);
    }
    full(&client(0), &shop.large).await;
    fleet.edges[1].kill();
    begun.push(begin_eventually(&client(0), &shop.large).await);
    fleet.redis.flush();
    assert!(begin(&client(0), &shop.large).await.is_err(), "three run here, whatever Redis knows");
    fleet.redis.kill();
    drop(begun);
    // One place is the fair share of three, when those have ended that the arbiter gave.
    let alone = begin_eventually(&client(2), &shop.large).await;
    eventually(PATIENCE, || async { begin(&client(2), &shop.large).await.err().ok_or("a second one") }).await;
    drop(alone);
}

#[tokio::test]
async fn all_transfers_of_a_customer_share_its_bytes_a_second_and_nobody_is_cut_for_our_pace() {
    let system = System::in_process().await;
    let rate = 6 << 20;
    let shop = open(&system, json!({ "rank": 10, "bytesPerSecond": rate, "rateLimitRpm": 100_000 })).await;
    for version in [reqwest::Version::HTTP_11, reqwest::Version::HTTP_2] {
        let client = system.client(0, &shop.key).over(version);
        let began = Instant::now();
        let read = async || begin(&client, &shop.path).await.unwrap().finish().await;
        let (one, two) = tokio::join!(read(), read());
        let took = began.elapsed();
        assert_eq!((one, two), (9 << 20, 9 << 20));
        assert!(took > Duration::from_millis(2_800), "{version:?}: 18 MiB at 6 MiB/s in {took:?}");
        assert!(took < Duration::from_secs(15), "{version:?}: {took:?}");
    }
}
