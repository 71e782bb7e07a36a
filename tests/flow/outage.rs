//! Redis dies, then the control plane, then an edge is restarted: who could download still can, who could not cannot.

use serde_json::json;
use support::client::LONGEST;
use support::{Fleet, Key, PATIENCE, Stock, eventually};

struct Known {
    stock: Stock,
    /// Used before the outage, at every edge.
    hot: Key,
    /// Made before the outage and never used.
    cold: Vec<Key>,
    disabled: Key,
    /// Tokens of a key: one that lives, one that was logged out.
    lent: String,
    returned: String,
}

async fn token(fleet: &Fleet, key: &Key, label: &str) -> String {
    let told = json!({ "api_key": key.text, "session_id": label });
    fleet.stranger(0).post("/auth/login", &told).await.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn prepare(fleet: &Fleet) -> Known {
    let admin = fleet.admin(0);
    let stock = admin.stock("outage").await;
    let hot = admin.create_key(&stock.customer, json!({})).await;
    let mut cold = Vec::new();
    for _ in 0..6 {
        cold.push(admin.create_key(&stock.customer, json!({})).await);
    }
    let (lent, returned) = (token(fleet, &hot, "stays").await, token(fleet, &hot, "goes").await);
    fleet.client(0, &returned).post("/auth/logout", &json!({})).await.expect(200);
    let disabled = admin.create_key(&stock.customer, json!({ "isEnabled": false })).await;
    for edge in 0..2 {
        let client = fleet.client(edge, &hot.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        // Made last: an edge that knows it knows all.
        let last = fleet.client(edge, &disabled.text);
        eventually(PATIENCE, || async {
            let answer = last.get(&stock.path()).await;
            if answer.failure().1 == "key_disabled" { Ok(()) } else { Err(answer) }
        })
        .await;
    }
    Known { stock, hot, cold, disabled, lent, returned }
}

/// Everything that an edge owes its customers while the rest of the world is away.
async fn assert_serving(fleet: &Fleet, known: &mut Known, stage: &str) {
    let path = known.stock.path();
    for edge in 0..2 {
        let cold = known.cold.pop().unwrap();
        for key in [&known.hot, &cold] {
            let got = fleet.client(edge, &key.text).get(&path).await;
            assert!(got.status == 200 && got.body == known.stock.bytes, "{stage}, edge {edge}: {got:?}");
        }
        let link =
            fleet.client(edge, &cold.text).get("/v1/downloads/url?applicationId=outage&version=latest").await;
        fleet.stranger(edge).get(&link.expect(200).text("/url")).await.expect(200);
        fleet.client(edge, &known.lent).get(&path).await.expect(200);
        let returned = fleet.client(edge, &known.returned).get(&path).await.expect(401);
        assert_eq!(returned.failure().1, "session_revoked", "{stage}, edge {edge}");
        let unknown = fleet.client(edge, "a-key-that-nobody-has-ever-made").get(&path).await;
        assert_eq!(unknown.status, 401, "{stage}, edge {edge}");
        assert_eq!(
            fleet.client(edge, &known.disabled.text).get(&path).await.expect(401).failure().1,
            "key_disabled"
        );
    }
}

async fn assert_management_is_away(fleet: &Fleet) {
    for edge in 0..2 {
        let began = std::time::Instant::now();
        let answer = fleet.admin(edge).create_customer("nobody", "Basic").await.expect(503);
        assert_eq!(answer.failure(), ("UNAVAILABLE".to_owned(), "control_plane_unavailable".to_owned()));
        assert!(!answer.header("retry-after").is_empty());
        assert!(began.elapsed() < LONGEST / 3, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn customers_download_while_redis_and_the_control_plane_are_dead_and_an_edge_is_restarted() {
    let mut fleet = Fleet::start(2).await;
    let mut known = prepare(&fleet).await;

    fleet.redis.kill();
    assert_serving(&fleet, &mut known, "Redis dead").await;
    // The desk takes commands all the same; the edges hear of them when the bus is back.
    let desk = fleet.at_desk();
    let meanwhile = desk.create_key(&known.stock.customer, json!({})).await;
    let withdrawn = known.hot.clone();

    fleet.desk.kill();
    assert_serving(&fleet, &mut known, "control plane dead").await;
    assert_management_is_away(&fleet).await;

    fleet.edges[1].kill();
    fleet.edges[1].start();
    fleet.edge_ready(1).await;
    assert_serving(&fleet, &mut known, "edge restarted").await;

    fleet.redis.restart().await;
    fleet.desk.start();
    fleet.desk_ready().await;
    fleet.at_desk().change_key(&withdrawn, json!({ "isEnabled": false })).await.expect(200);
    for edge in 0..2 {
        let (new, old) = (fleet.client(edge, &meanwhile.text), fleet.client(edge, &withdrawn.text));
        eventually(PATIENCE, || async { new.get(&known.stock.path()).await.is(200) }).await;
        eventually(PATIENCE, || async { old.peek(&known.stock.path()).await.is(401) }).await;
    }
    let through = fleet.admin(1).create_key(&known.stock.customer, json!({})).await;
    fleet.client(1, &through.text).get(&known.stock.path()).await.expect(200);
    fleet.assert_sound();
}

#[tokio::test]
async fn a_redis_that_forgot_everything_is_filled_again_and_nobody_notices() {
    let fleet = Fleet::start(2).await;
    let admin = fleet.admin(0);
    let stock = admin.stock("forgotten").await;
    fleet.redis.flush();
    for edge in 0..2 {
        let client = fleet.client(edge, &stock.key.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    }
    let key = admin.create_key(&stock.customer, json!({})).await;
    for edge in 0..2 {
        let client = fleet.client(edge, &key.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        fleet.client(edge, &stock.key.text).get(&stock.path()).await.expect(200);
    }
}

#[tokio::test]
async fn a_frozen_control_plane_does_not_hang_management_for_ever_nor_downloads_at_all() {
    let fleet = Fleet::start(1).await;
    let stock = fleet.admin(0).stock("frozen").await;
    fleet.desk.freeze(true);
    fleet.client(0, &stock.key.text).get(&stock.path()).await.expect(200);
    let asked = fleet.admin(0).try_get("/v1/management/customers").await;
    fleet.desk.freeze(false);
    assert_eq!(asked.expect("no answer within the client's patience").status, 503);
}

#[tokio::test]
async fn a_revocation_reaches_edges_that_redis_does_not() {
    let mut fleet = Fleet::start(2).await;
    let mut known = prepare(&fleet).await;
    let path = known.stock.path();
    fleet.redis.kill();
    // Written while Redis is away, both ways: rights that end, and rights that begin.
    let desk = fleet.at_desk();
    desk.change_key(&known.hot, json!({ "isEnabled": false })).await.expect(200);
    let new = desk.create_key(&known.stock.customer, json!({})).await;
    for edge in 0..2 {
        let (old, new) = (fleet.client(edge, &known.hot.text), fleet.client(edge, &new.text));
        eventually(PATIENCE, || async { old.peek(&path).await.is(401) }).await;
        eventually(PATIENCE, || async { new.get(&path).await.is(200) }).await;
    }
    // An edge that was down meanwhile asks before it serves.
    fleet.edges[1].kill();
    desk.change_key(&new, json!({ "isEnabled": false })).await.expect(200);
    fleet.edges[1].start();
    fleet.edge_ready(1).await;
    fleet.client(1, &new.text).get(&path).await.expect(401);
    // Redis comes back with nothing in it, and is filled again.
    fleet.redis.restart().await;
    let later = known.cold.pop().unwrap();
    for edge in 0..2 {
        fleet.client(edge, &later.text).get(&path).await.expect(200);
    }
    desk.change_key(&later, json!({ "isEnabled": false })).await.expect(200);
    for edge in 0..2 {
        let old = fleet.client(edge, &later.text);
        eventually(PATIENCE, || async { old.peek(&path).await.is(401) }).await;
    }
    fleet.assert_sound();
}

/// Copies the files of the control plane's database, as backups.md has it.
fn copy_database(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(to).unwrap().map(Result::unwrap).filter(is_of_database) {
        std::fs::remove_file(file.path()).unwrap();
    }
    for file in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(is_of_database) {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn is_of_database(file: &std::fs::DirEntry) -> bool {
    file.file_name().to_string_lossy().starts_with("tidegate.db")
}

#[tokio::test]
async fn a_database_that_is_put_back_revokes_as_ever_and_edges_forget_what_it_forgot() {
    let mut fleet = Fleet::start(2).await;
    let admin = fleet.at_desk();
    let stock = admin.stock("put-back").await;
    let (desk, copy) = (fleet.scratch().join("desk"), fleet.scratch().join("copy"));
    fleet.desk.terminate();
    assert!(fleet.desk.ended().await.success());
    copy_database(&desk, &copy);
    fleet.desk.start();
    fleet.desk_ready().await;
    // Edges are far ahead of the copy by then, and have a key that is not in it.
    let wait = "?wait=edges&waitSeconds=20";
    let path = format!("/v1/management/apikeys/{}{wait}", stock.key.id);
    for round in 0..16 {
        admin.patch(&path, &json!({ "isEnabled": round % 2 == 1 })).await.expect(200);
    }
    let lost = admin.create_key(&stock.customer, json!({})).await;
    for edge in 0..2 {
        let client = fleet.client(edge, &lost.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    }
    fleet.desk.terminate();
    assert!(fleet.desk.ended().await.success());
    copy_database(&copy, &desk);
    fleet.desk.start();
    fleet.desk_ready().await;
    admin.patch(&path, &json!({ "isEnabled": false })).await.expect(200);
    for edge in 0..2 {
        fleet.client(edge, &stock.key.text).get(&stock.path()).await.expect(401);
        let client = fleet.client(edge, &lost.text);
        eventually(PATIENCE, || async { client.peek(&stock.path()).await.is(401) }).await;
    }
    let new = admin.create_key(&stock.customer, json!({})).await;
    for edge in 0..2 {
        let client = fleet.client(edge, &new.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
    }
    fleet.assert_sound();
}
