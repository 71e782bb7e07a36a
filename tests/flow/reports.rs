//! What an edge tells of downloads: each once, with the bytes that were handed over, whatever goes away meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;

use common::bus::local::LocalBus;
use common::bus::redis::RedisBus;
use common::secret::Secret;
use common::wire::v1::event::{Carrier, Transfer};
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use support::client::send;
use support::reporting::{Arrived, ReportingEdge};
use support::{Fleet, PATIENCE, Stock, System, TestRedis, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct World {
    system: System,
    stock: Stock,
    bus: Arc<LocalBus>,
    arrived: Arrived,
}

impl World {
    async fn new(name: &str) -> Self {
        let system = System::in_process().await;
        let stock = system.admin(0).stock(name).await;
        let bus = Arc::new(LocalBus::new());
        let arrived = Arrived::new(bus.clone(), system.edge_secrets());
        Self { system, stock, bus, arrived }
    }

    async fn edge(&self) -> ReportingEdge {
        ReportingEdge::start(&self.system, "reporting", self.bus.clone()).await
    }
}

fn pieces(transfers: &[Transfer]) -> Vec<&[(u64, u64)]> {
    transfers.iter().map(|transfer| transfer.sent.as_slice()).collect()
}

#[tokio::test]
async fn every_answer_with_bytes_is_told_once_with_the_pieces_that_were_handed_over() {
    let world = World::new("told").await;
    let fields = [("applicationId", "told"), ("version", "0.1.0")];
    world.system.admin(0).upload(&fields, "empty.txt", b"").await.expect(201);
    let edge = world.edge().await;
    let (client, path) = (edge.client(&world.stock.key.text), world.stock.path());
    let empty = "/v1/download/told/0.1.0/empty.txt";
    eventually(PATIENCE, || async { send(client.request(Method::HEAD, empty)).await.is(200) }).await;
    let whole = client.get(&path).await.expect(200);
    for (range, status) in
        [("bytes=5-9", 206), ("bytes=-7", 206), ("bytes=0-0,10-19", 206), ("bytes=900000-", 416)]
    {
        client.get_with(&path, "range", range).await.expect(status);
    }
    send(client.request(Method::HEAD, &path)).await.expect(200);
    client.get_with(&path, "if-none-match", whole.header("etag")).await.expect(304);
    client.get_with(&path, "if-match", "\"another\"").await.expect(412);
    client.get(empty).await.expect(200);
    let link = client.get("/v1/downloads/url?applicationId=told&version=1.2.0").await.expect(200);
    client.get_with(&link.text("/url"), "user-agent", "updater/2.0").await.expect(200);
    let asked = json!({ "applicationId": "told", "version": "latest" });
    let share = client.post("/v1/downloads/share", &asked).await.expect(200).text("/shareUrl");
    client.get_with(&share, "range", "bytes=1-1").await.expect(206);
    edge.stop().await;

    let transfers = world.arrived.transfers(7).await;
    let size = world.stock.bytes.len() as u64;
    let sent: [&[_]; 7] =
        [&[(0, size)], &[(5, 10)], &[(size - 7, size)], &[(0, 1), (10, 20)], &[], &[(0, size)], &[(1, 2)]];
    assert_eq!(pieces(&transfers), sent);
    assert!(transfers.iter().all(|transfer| transfer.completed));
    let is_whole: Vec<bool> = transfers.iter().map(Transfer::is_whole).collect();
    assert_eq!(is_whole, [true, false, false, false, true, true, false]);
    let first = &transfers[0];
    assert_eq!(first.tenant.to_string(), world.system.tenant);
    assert_eq!(first.key.as_str(), world.stock.key.id);
    assert_eq!(first.customer.as_ref().unwrap().as_str(), world.stock.customer);
    assert_eq!((first.application.as_str(), first.version.as_str()), ("told", "1.2.0"));
    assert_eq!(
        (first.file.as_str(), &first.file_name),
        (world.stock.file_id.as_str(), &world.stock.file_name)
    );
    assert_eq!((first.file_size, first.carrier), (size, Carrier::Key));
    assert_eq!((first.address.to_string().as_str(), &first.user_agent), ("127.0.0.1", &None));
    assert_eq!(first.request_id, whole.header("x-request-id"));
    assert!(first.began_at <= first.ended_at);
    assert_eq!(
        (transfers[5].carrier, transfers[5].user_agent.as_deref()),
        (Carrier::Link, Some("updater/2.0"))
    );
    assert_eq!((transfers[6].carrier, &transfers[6].key), (Carrier::Share, &first.key));
    assert_eq!(world.arrived.reports().await[0].number, 0);
    let (requests, bytes, refused) = world.arrived.usage(&world.stock.key.id).await;
    assert_eq!((requests, bytes), (14, transfers.iter().map(Transfer::bytes).sum()));
    let expected = [("precondition_failed", 1), ("range_not_satisfiable", 1)];
    assert_eq!(refused, expected.map(|(reason, times)| (reason.to_owned(), times)).into());
}

#[tokio::test]
async fn a_client_that_leaves_has_not_got_the_file() {
    let world = World::new("left").await;
    let size = 9 << 20;
    let fields = [("applicationId", "left"), ("version", "2.0.0")];
    world.system.admin(0).upload(&fields, "big.bin", &vec![7; size]).await.expect(201);
    let edge = world.edge().await;
    let key = &world.stock.key.text;
    let path = "/v1/download/left/2.0.0/big.bin";
    let client = edge.client(key);
    eventually(PATIENCE, || async { send(client.request(Method::HEAD, path)).await.is(200) }).await;
    // Takes little, so that the edge cannot have handed all of it to the system.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let address: SocketAddr = edge.base.trim_start_matches("http://").parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 4096]).await.unwrap();
    drop(stream);

    let cut = world.arrived.transfers(1).await.remove(0);
    assert!(!cut.completed && !cut.is_whole());
    assert!((1..size as u64).contains(&cut.bytes()), "{}", cut.bytes());
    assert_eq!(cut.sent, [(0, cut.bytes())]);
    edge.stop().await;
    assert_eq!(world.arrived.transfers(1).await, [cut], "once");
}

#[tokio::test]
async fn bytes_that_clients_got_are_the_bytes_that_are_told_and_counted() {
    let world = World::new("summed").await;
    let edge = world.edge().await;
    let (client, path) = (edge.client(&world.stock.key.text), world.stock.path());
    let (size, mut rng) = (world.stock.bytes.len(), rand::rngs::StdRng::seed_from_u64(3));
    let mut got = 0;
    for _ in 0..40 {
        let (a, b) = (rng.random_range(0..size), rng.random_range(0..size));
        let range = format!("bytes={}-{}", a.min(b), a.max(b));
        got += client.get_with(&path, "range", &range).await.expect(206).body.len() as u64;
    }
    edge.stop().await;
    let transfers = world.arrived.transfers(40).await;
    assert_eq!((transfers.len(), transfers.iter().map(Transfer::bytes).sum()), (40, got));
    let (requests, bytes, refused) = world.arrived.usage(&world.stock.key.id).await;
    assert_eq!((requests, bytes, refused.len()), (40, got, 0));
}

#[tokio::test]
async fn usage_tells_every_request_of_a_known_key_and_why_it_was_refused() {
    let world = World::new("used").await;
    let admin = world.system.admin(0);
    let limited = admin.create_key(&world.stock.customer, json!({ "rateLimitRpm": 3 })).await;
    let disabled = admin.create_key(&world.stock.customer, json!({ "isEnabled": false })).await;
    let elsewhere = admin.create_key(&world.stock.customer, json!({ "ipAllowlist": ["192.0.2.1"] })).await;
    let reader = admin.create_admin_key(json!({ "scopes": ["apps:read", "keys:read"] })).await;
    let edge = world.edge().await;
    let path = world.stock.path();
    for key in [&limited, &disabled, &elsewhere, &reader] {
        for _ in 0..5 {
            edge.client(&key.text).get(&path).await;
        }
    }
    let reading = edge.client(&reader.text);
    reading.get("/v1/applications").await.expect(200);
    reading.get("/v1/management/apikeys/key_of_nobody").await.expect(404);
    let client = edge.client(&world.stock.key.text);
    client.get("/v1/download/used/9.9.9/setup.bin").await.expect(404);
    client.get("/v1/download/somebody-elses/1.0.0/a.bin").await.expect(404);
    client.get("/v1/no/such/route").await.expect(404);
    edge.client("a-key-that-nobody-has-ever-made").get(&path).await.expect(401);
    let foreign = format!("{}.{}", "14632221-b1b6-4eec-844a-39f60c7f1523", disabled.secret);
    edge.client(&foreign).get(&path).await.expect(401);
    edge.stop().await;

    let refused = |expected: &[(&str, u64)]| {
        expected.iter().map(|(reason, times)| ((*reason).to_owned(), *times)).collect()
    };
    let size = world.stock.bytes.len() as u64;
    for (key, requests, bytes, reasons) in [
        (&limited.id, 5, 3 * size, refused(&[("rate_limited", 2)])),
        (&disabled.id, 5, 0, refused(&[("key_disabled", 5)])),
        (&elsewhere.id, 5, 0, refused(&[("ip_not_allowed", 5)])),
        (&reader.id, 7, 0, refused(&[("scope_missing", 5), ("status_404", 1)])),
        (&world.stock.key.id, 2, 0, refused(&[("version_not_found", 1), ("application_not_found", 1)])),
    ] {
        assert_eq!(world.arrived.usage(key).await, (requests, bytes, reasons), "{key}");
    }
    let reports = world.arrived.reports().await;
    let usage = || reports.iter().flat_map(|report| &report.usage);
    let named: Vec<_> = usage().filter_map(|usage| usage.application.as_ref()).collect();
    assert!(named.iter().all(|id| id.as_str() == "used"), "{named:?}");
    assert!(usage().filter(|u| u.key.as_str() == limited.id).all(|u| u.application.is_some()));
    assert!(usage().all(|usage| usage.minute.millis() % 60_000 == 0));
}

#[tokio::test]
async fn what_waits_on_disk_while_the_bus_is_away_is_told_by_the_next_start() {
    let world = World::new("spooled").await;
    let (edge, path) = (world.edge().await, world.stock.path());
    edge.client(&world.stock.key.text).get(&path).await.expect(200);
    world.arrived.transfers(1).await;
    edge.cut_off(true);
    edge.client(&world.stock.key.text).get_with(&path, "range", "bytes=0-4").await.expect(206);
    edge.stop().await;
    assert_eq!(world.arrived.transfers(1).await.len(), 1);

    let again = world.edge().await;
    again.client(&world.stock.key.text).get_with(&path, "range", "bytes=5-6").await.expect(206);
    let transfers = world.arrived.transfers(3).await;
    let size = world.stock.bytes.len() as u64;
    assert_eq!(pieces(&transfers), [[(0, size)], [(0, 5)], [(5, 7)]]);
    let reports = world.arrived.reports().await;
    let boots: std::collections::BTreeSet<u64> = reports.iter().map(|report| report.boot).collect();
    assert_eq!(boots.len(), 2);
    assert!(boots.iter().all(|boot| reports.iter().any(|r| r.boot == *boot && r.number == 0)));
    again.stop().await;
    assert_eq!(world.arrived.usage(&world.stock.key.id).await, (3, size + 7, [].into()));
}

#[tokio::test]
async fn a_redis_that_dies_and_comes_back_costs_no_report() {
    let (world, mut redis) = (World::new("redis").await, TestRedis::start().await);
    let inbox = Arc::new(RedisBus::new(&redis.url()).unwrap());
    let arrived = Arrived::new(inbox.clone(), world.system.edge_secrets());
    let reports = Arc::new(RedisBus::new(&redis.url()).unwrap());
    let edge = ReportingEdge::start(&world.system, "over-redis", reports).await;
    let (client, path) = (edge.client(&world.stock.key.text), world.stock.path());
    client.get(&path).await.expect(200);
    arrived.transfers(1).await;
    for round in 1..4 {
        redis.kill();
        client.get_with(&path, "range", &format!("bytes=0-{round}")).await.expect(206);
        redis.restart().await;
        let lengths: Vec<u64> = arrived.transfers(round + 1).await.iter().map(Transfer::bytes).collect();
        assert_eq!(lengths.len(), round + 1);
        assert_eq!(lengths[round], round as u64 + 1);
    }
    edge.stop().await;
    assert_eq!(arrived.transfers(4).await.len(), 4);
    assert_eq!(arrived.usage(&world.stock.key.id).await.0, 4);
    assert_eq!(arrived.reports().await[0].number, 0);
}

#[tokio::test]
async fn an_edge_that_is_killed_while_redis_is_dead_tells_after_its_restart_what_it_had_seen() {
    let mut fleet = Fleet::start(1).await;
    let stock = fleet.admin(0).stock("killed").await;
    let client = fleet.client(0, &stock.key.text);
    client.get(&stock.path()).await.expect(200);
    // The test reads in its place.
    fleet.desk.kill();
    let inbox = Arc::new(RedisBus::new(&fleet.redis.url()).unwrap());
    let secret = std::fs::read_to_string(fleet.scratch().join("desk/keys/edge.secret")).unwrap();
    let arrived = Arrived::new(inbox, &[Secret::new(secret.trim().to_owned())]);
    fleet.redis.kill();
    for byte in 10..13 {
        client.get_with(&stock.path(), "range", &format!("bytes={byte}-{byte}")).await.expect(206);
    }
    let spool = fleet.scratch().join("edge-0/cache/reports");
    let written = || {
        let files = std::fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().path());
        let reports = files.filter(|path| path.extension().is_some_and(|is| is == "report"));
        reports.map(|path| arrived.open(&std::fs::read(path).unwrap()).transfers.len()).sum::<usize>()
    };
    eventually(PATIENCE, || async { if written() >= 3 { Ok(()) } else { Err(written()) } }).await;
    let metrics = fleet.stranger(0).get(&format!("{}/metrics", fleet.private(0))).await.expect(200);
    let metrics = String::from_utf8(metrics.body).unwrap();
    let pending = metrics.lines().find(|line| line.starts_with("tidegate_edge_reports_pending")).unwrap();
    assert!(!pending.ends_with(" 0"), "{pending}");
    fleet.edges[0].kill();

    fleet.redis.restart().await;
    fleet.edges[0].start();
    fleet.edge_ready(0).await;
    client.get_with(&stock.path(), "range", "bytes=13-13").await.expect(206);
    let singles = async || {
        let all = arrived.transfers(0).await.into_iter();
        let singles: Vec<_> = all.filter(|transfer| transfer.bytes() == 1).flat_map(|t| t.sent).collect();
        if singles == [(10, 11), (11, 12), (12, 13), (13, 14)] { Ok(()) } else { Err(singles) }
    };
    eventually(PATIENCE, singles).await;
    fleet.edges[0].terminate();
    assert!(fleet.edges[0].ended().await.success());
    singles().await.unwrap();
    assert_eq!(written(), 0);
}
