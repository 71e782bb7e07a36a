//! What edges report is seen by the vendor, by the customer whose download it was, and in the listing of versions.

use std::time::Duration;

use common::bus::Reports;
use common::bus::redis::RedisBus;
use common::id::TenantId;
use common::mac::{MacKeys, Purpose};
use common::runtime::clock::{Clock as _, SystemClock};
use common::secret::Secret;
use common::time::Timestamp;
use common::wire::v1::event::{Carrier, Report, Transfer, Usage};
use serde_json::json;
use support::{Fleet, Key, PATIENCE, Stock, System, eventually};

fn tenant_of(key: &Key) -> TenantId {
    key.text.split('.').next().unwrap().parse().unwrap()
}

/// A whole download of the stock by a key, as an edge tells it.
fn transfer(now: Timestamp, stock: &Stock, key: &Key, request: &str) -> Transfer {
    let size = stock.bytes.len() as u64;
    Transfer {
        began_at: now,
        ended_at: now,
        tenant: tenant_of(key),
        key: key.id.parse().unwrap(),
        customer: Some(stock.customer.parse().unwrap()),
        application: stock.application.parse().unwrap(),
        version: stock.version.parse().unwrap(),
        file: stock.file_id.parse().unwrap(),
        file_name: stock.file_name.clone(),
        file_size: size,
        sent: vec![(0, size)],
        completed: true,
        carrier: Carrier::Link,
        address: "198.51.100.7".parse().unwrap(),
        user_agent: Some("updater/3".to_owned()),
        request_id: request.to_owned(),
    }
}

fn usage(now: Timestamp, stock: &Stock, key: &Key) -> Usage {
    Usage {
        minute: now,
        tenant: tenant_of(key),
        key: key.id.parse().unwrap(),
        application: Some(stock.application.parse().unwrap()),
        requests: 8,
        bytes: 400_000,
        refused: [("rate_limited".to_owned(), 2)].into(),
    }
}

async fn report(bus: &impl Reports, secrets: &[Secret], report: &Report) {
    let keys = MacKeys::derive(secrets, Purpose::Report);
    // A lost answer makes an edge send again what had arrived.
    for _ in 0..2 {
        let sealed = report.seal(&keys).unwrap();
        bus.send(sealed.into()).await.unwrap();
    }
}

fn by_hand(number: u64, transfers: Vec<Transfer>, usage: Vec<Usage>) -> Report {
    Report { edge: "by-hand".to_owned(), boot: 1, number, transfers, usage }
}

#[tokio::test]
async fn what_edges_report_is_told_to_the_vendor_through_every_edge() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("reported").await;
    // One that makes no request of its own: all that is told of it was reported by hand.
    let key = admin.create_key(&stock.customer, json!({})).await;
    let path = format!("/v1/activity?type=download&keyId={}", key.id);
    assert_eq!(admin.get(&path).await.expect(200).data("/count"), 0);

    let now = system.clock.now();
    let transfers = ["r1", "r2"].map(|request| transfer(now, &stock, &key, request)).to_vec();
    let told = by_hand(0, transfers, vec![usage(now, &stock, &key)]);
    report(&system.bus, system.edge_secrets(), &told).await;
    for edge in [0, 1] {
        let admin = system.admin(edge);
        let told = eventually(PATIENCE, || async {
            let told = admin.get(&path).await.expect(200);
            if told.data("/count") == 2 { Ok(told) } else { Err(told) }
        });
        let told = told.await;
        assert_eq!(told.text("/activities/0/clientIp"), "198.51.100.7");
        assert_eq!(told.text("/activities/0/applicationName"), "Application reported");
        assert_eq!(told.data("/activities/0/bytes"), stock.bytes.len());
        assert_eq!(told.json()["meta"]["pagination"]["total"], 2);
    }
    let uploads = admin.get("/v1/activity?type=upload&applicationId=reported").await.expect(200);
    assert_eq!(uploads.column("/activities", "fileName"), [stock.file_name.as_str()]);
    assert_eq!(uploads.text("/activities/0/clientIp"), "127.0.0.1");

    let told = admin.get(&format!("/v1/management/apikeys/{}/usage", key.id)).await.expect(200);
    assert_eq!((told.data("/totalRequests"), told.data("/totalBytes")), (json!(8), json!(400_000)));
    assert_eq!(told.data("/errorRate"), 0.25);
    let told = admin.get(&format!("/v1/management/apikeys/{}", key.id)).await.expect(200);
    assert!(told.text("/lastUsedAt") >= told.text("/createdAt"), "{told:?}");
    let audit = admin.get("/v1/audit?action=key.create&limit=1").await.expect(200);
    assert_eq!(audit.text("/entries/0/target"), format!("key:{}", key.id));
}

#[tokio::test]
async fn a_customer_sees_its_own_numbers_and_the_count_of_a_version_through_an_edge() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let (stock, other) = (admin.stock("counted").await, admin.stock("not-his").await);
    admin.assign("counted", &[&other.customer]).await.expect(200);
    let now = system.clock.now();
    let own = transfer(now, &stock, &stock.key, "r1");
    let theirs =
        Transfer { customer: other.customer.parse().ok(), ..transfer(now, &stock, &other.key, "r2") };
    let part = Transfer { completed: false, ..transfer(now, &stock, &stock.key, "r3") };
    let told = by_hand(0, vec![own, theirs, part], vec![]);
    report(&system.bus, system.edge_secrets(), &told).await;

    let customer = system.client(1, &stock.key.text);
    let stats = "/v1/applications/counted/stats";
    let told = eventually(PATIENCE, || async {
        let told = customer.get(stats).await.expect(200);
        if told.data("/totalDownloads") == 1 { Ok(told) } else { Err(told) }
    });
    assert_eq!(told.await.data("/downloadsByVersion"), json!({ "1.2.0": 1 }));
    let told = admin.get(stats).await.expect(200);
    assert_eq!((told.data("/totalDownloads"), told.data("/uniqueCustomers")), (json!(2), json!(2)));
    assert_eq!(customer.get("/v1/applications/not-his/stats").await.expect(404).failure().0, "NOT_FOUND");
    assert_eq!(customer.get("/v1/activity").await.expect(403).failure().1, "admin_key_required");

    // The edges are told at most once a minute.
    system.clock.advance(Duration::from_secs(61));
    for edge in [0, 1] {
        let customer = system.client(edge, &stock.key.text);
        eventually(PATIENCE, || async {
            let told = customer.get("/v1/applications/counted/versions").await.expect(200);
            if told.data("/versions/0/downloadCount") == 2 { Ok(()) } else { Err(told) }
        })
        .await;
    }
    let told = system.client(0, &other.key.text).get("/v1/applications/not-his/versions").await.expect(200);
    assert_eq!(told.data("/versions/0/downloadCount"), 0);
}

/// The sum of what was reported, when the control plane tells it.
async fn expect_downloads(fleet: &Fleet, path: &str, count: u64) {
    let admin = fleet.admin(0);
    eventually(PATIENCE, || async {
        let told = admin.get(path).await;
        if told.status == 200 && told.json()["meta"]["pagination"]["total"] == count {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
}

#[tokio::test]
async fn a_killed_control_plane_and_an_emptied_redis_count_each_report_once() {
    let mut fleet = Fleet::start(1).await;
    let admin = fleet.admin(0);
    let stock = admin.stock("killed").await;
    let key = admin.create_key(&stock.customer, json!({})).await;
    let path = format!("/v1/activity?type=download&keyId={}", key.id);
    let secret = std::fs::read_to_string(fleet.scratch().join("desk/keys/edge.secret")).unwrap();
    let secrets = [Secret::new(secret.trim().to_owned())];
    let bus = RedisBus::new(&fleet.redis.url()).unwrap();
    let mut reports: Vec<Report> = Vec::new();
    for round in 0..4 {
        for _ in 0..25 {
            let number = reports.len() as u64;
            let transfer = transfer(SystemClock.now(), &stock, &key, &format!("r{number}"));
            reports.push(by_hand(number, vec![transfer], vec![]));
            report(&bus, &secrets, &reports[reports.len() - 1]).await;
            if number % 25 == 10 * round {
                fleet.desk.kill();
            }
        }
        if round == 2 {
            // What Redis held is gone; the edge sends it again, as it does with what it cannot be sure of.
            fleet.redis.flush();
            for told in &reports {
                report(&bus, &secrets, told).await;
            }
        }
        if !fleet.desk.is_running() {
            fleet.desk.start();
            fleet.desk_ready().await;
        }
        expect_downloads(&fleet, &path, reports.len() as u64).await;
    }
    let stats = admin.get("/v1/applications/killed/stats").await.expect(200);
    assert_eq!(stats.data("/totalDownloads"), 100);
    fleet.assert_sound();
}
