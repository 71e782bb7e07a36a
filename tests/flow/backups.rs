//! Backups: made, downloaded, restored here and into an empty system.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::fleet::desk_launch;
use support::{Admin, Answer, Client, Fleet, Key, PATIENCE, Stock, System, eventually};

fn backups(tenant: &str) -> String {
    format!("/v1/control/tenants/{tenant}/backups")
}

async fn make(admin: &Admin, tenant: &str) -> Answer {
    admin.post(&backups(tenant), &json!({})).await.expect(201)
}

/// Its bytes, by the URL that a key asks for.
async fn download(admin: &Admin, tenant: &str, id: &str) -> Answer {
    let told = admin.get(&format!("{}/{id}?generateUrls=true", backups(tenant))).await.expect(200);
    admin.with(None).get(&told.text("/downloadUrl")).await.expect(200)
}

/// What a key gets, soon, at every edge.
async fn assert_gets(edges: &[String], key: &str, stock: &Stock) {
    for edge in edges {
        let client = Client::new(edge, Some(key));
        let got = eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        assert_eq!(got.body, stock.bytes);
        let list = client.get("/v1/applications").await.expect(200);
        assert_eq!(list.column("/applications", "applicationId"), std::slice::from_ref(&stock.application));
    }
}

async fn assert_refused(edges: &[String], key: &str, stock: &Stock, status: u16) {
    for (number, edge) in edges.iter().enumerate() {
        let client = Client::new(edge, Some(key)).at(&format!("127.0.12.{}", number + 1));
        eventually(PATIENCE, || async { client.comes_to(&stock.path(), status).await }).await;
    }
}

async fn log_in(system: &System, key: &Key, label: &str) -> String {
    let asked = json!({ "api_key": key.text, "session_id": label });
    let told = system.stranger(0).post("/auth/login", &asked).await.expect(200).json();
    told["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_restore_brings_everything_back_but_no_dead_key() {
    let system = System::in_process().await;
    let (admin, tenant) = (system.admin(0), system.tenant.clone());
    let stays = admin.stock("stays").await;
    let loses = admin.stock("loses").await;
    let deleted = admin.create_key(&stays.customer, json!({})).await;
    let disabled = admin.create_key(&stays.customer, json!({})).await;
    let renewed = admin.create_key(&stays.customer, json!({})).await;
    let ending = admin.create_key(&stays.customer, json!({})).await;
    let (lent, returned) =
        (log_in(&system, &stays.key, "lent").await, log_in(&system, &stays.key, "returned").await);
    let helper = admin.create_admin_key(json!({ "scopes": ["backups:write", "keys:write"] })).await;
    let made = make(&admin, &tenant).await;
    assert_eq!((made.text("/backupType").as_str(), made.text("/status").as_str()), ("MANUAL", "COMPLETED"));
    let id = made.text("/backupId");

    // Everything changes.
    let regenerate = format!("/v1/management/apikeys/{}/rotate", renewed.id);
    let newer = Key::of(&admin.post(&regenerate, &json!({})).await.expect(201));
    admin.delete_key(&deleted).await.expect(200);
    system.client(0, &returned).post("/auth/logout", &json!({})).await.expect(200);
    admin.change_key(&disabled, json!({ "isEnabled": false })).await.expect(200);
    let soon = support::system::after(&system.clock, Duration::from_secs(3_600));
    admin.change_key(&ending, json!({ "expiresAt": soon })).await.expect(200);
    admin.delete("/v1/management/applications/loses").await.expect(200);
    admin.change_customer(&stays.customer, json!({ "tier": "Premium", "name": "Another" })).await.expect(200);
    admin.change_version("stays", "1.2.0", json!({ "isActive": false })).await.expect(200);
    let tier = json!({ "rank": 10, "rateLimitRpm": 7 });
    admin.put("/v1/management/tiers/Basic", &tier).await.expect(200);
    let later = admin.stock("later").await;
    let own = admin
        .create_admin_key(json!({ "scopes": ["backups:write", "apps:read", "customers:read", "audit:read"] }))
        .await;
    assert_refused(&system.edges, &loses.key.text, &loses, 404).await;
    assert_gets(&system.edges, &later.key.text, &later).await;

    // By a key that the backup does not know.
    let restorer = Admin(system.client(0, &own.text));
    let told = restorer.post(&format!("{}/{id}/restore", backups(&tenant)), &json!({})).await.expect(200);
    assert_eq!(told.text("/backupId"), id);
    for (key, stock) in [(&stays.key, &stays), (&loses.key, &loses), (&newer, &stays), (&ending, &stays)] {
        assert_gets(&system.edges, &key.text, stock).await;
    }
    for (key, stock) in [(&deleted, &stays), (&disabled, &stays), (&renewed, &stays), (&later.key, &later)] {
        assert_refused(&system.edges, &key.text, stock, 401).await;
    }
    assert_gets(&system.edges, &lent, &stays).await;
    assert_refused(&system.edges, &returned, &stays, 401).await;
    restorer.get("/v1/applications/later").await.expect(404);
    let customer = restorer.get(&format!("/v1/management/customers/{}", stays.customer)).await.expect(200);
    assert_eq!(customer.text("/name"), "Customer cust-stays");
    let gone = restorer.get(&format!("/v1/management/customers/{}", later.customer)).await.expect(200);
    assert_eq!(gone.data("/isActive"), false);
    let basic = restorer.get("/v1/management/tiers/Basic").await.expect(200);
    assert_eq!(basic.data("/rateLimitRpm"), 100);
    let audit = restorer.get("/v1/audit?limit=1").await.expect(200);
    assert!(String::from_utf8_lossy(&audit.body).contains("backup.restore"));
    // An hour later the key ends that was given an end after the backup.
    system.clock.advance(Duration::from_secs(3_601));
    assert_refused(&system.edges, &ending.text, &stays, 401).await;
    Admin(system.client(0, &helper.text)).get(&backups(&tenant)).await.expect(200);
}

#[tokio::test]
async fn backups_are_for_whoever_may_have_everything() {
    let system = System::in_process().await;
    let (admin, tenant) = (system.admin(0), system.tenant.clone());
    admin.stock("narrow").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, make(&admin, &tenant).await.text("/backupId"));
    }
    let first = admin.get(&format!("{}?limit=2", backups(&tenant))).await.expect(200);
    let cursor = first.text("/pagination/nextCursor");
    let second = admin.get(&format!("{}?cursor={cursor}", backups(&tenant))).await.expect(200);
    let listed = [first.column("/backups", "backupId"), second.column("/backups", "backupId")].concat();
    assert_eq!(listed, ids);

    let other = "14632221-b1b6-4eec-844a-39f60c7f1523";
    for path in
        [backups(other), format!("{}/{}", backups(other), ids[0]), format!("{}/none", backups(&tenant))]
    {
        admin.get(&path).await.expect(404);
    }
    let narrowed = json!({ "scopes": ["backups:write"], "applicationIds": ["narrow"] });
    let narrowed = Admin(system.client(0, &admin.create_admin_key(narrowed).await.text));
    let refused = narrowed.post(&backups(&tenant), &json!({})).await.expect(403);
    assert_eq!(refused.failure().1, "key_narrowed");
    let without =
        Admin(system.client(0, &admin.create_admin_key(json!({ "scopes": ["audit:read"] })).await.text));
    assert_eq!(without.get(&backups(&tenant)).await.expect(403).failure().1, "scope_missing");

    // A URL ends with its time, and with the key that asked for it.
    let helper = admin.create_admin_key(json!({ "scopes": ["backups:write"] })).await;
    let asked = format!("{}/{}?generateUrls=true", backups(&tenant), ids[0]);
    let told = Admin(system.client(1, &helper.text));
    let told = eventually(PATIENCE, || async { told.get(&asked).await.is(200) }).await;
    let url = told.text("/downloadUrl");
    let file = system.stranger(0).get(&url).await.expect(200);
    assert_eq!(file.body.len() as u64, told.data("/sizeBytes").as_u64().unwrap());
    let text = String::from_utf8(zstd::decode_all(&file.body[..]).unwrap()).unwrap();
    assert!(text.lines().count() > 5 && !text.contains(&helper.secret));
    assert_eq!(system.stranger(0).get(&url.replace("backups/", "backups/A")).await.status, 404);
    let by_admin = admin.get(&asked).await.expect(200).text("/downloadUrl");
    admin.delete_key(&helper).await.expect(200);
    system.stranger(0).at("127.0.12.9").get(&url).await.expect(401);
    system.clock.advance(Duration::from_secs(30 * 60));
    system.stranger(0).get(&by_admin).await.expect(410);
}

/// The applications of a backup, by their own lines and by those of the customers to whom they are assigned.
fn applications_twice(text: &str) -> [BTreeSet<String>; 2] {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let own = lines.iter().filter_map(|line| line.pointer("/application/id"));
    let assigned = lines.iter().filter_map(|line| line.pointer("/customer/applications")?.as_array());
    let texts = |names: Vec<&Value>| names.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    [texts(own.collect()), texts(assigned.flatten().collect())]
}

#[tokio::test]
async fn a_backup_made_while_others_write_shows_one_instant() {
    const WRITERS: usize = 4;
    const EACH: usize = 60;
    let system = System::in_process().await;
    let (admin, tenant) = (system.admin(0), system.tenant.clone());
    let written = AtomicUsize::new(0);
    admin.create_customer("all", "Basic").await.expect(201);
    // One write makes an application and assigns it.
    let write = |writer: usize| {
        let (admin, written) = (&admin, &written);
        async move {
            for number in 0..EACH {
                admin.create_application(&format!("made-{writer}-{number}"), &["all"]).await.expect(201);
                written.fetch_add(1, Ordering::SeqCst);
            }
        }
    };
    let look = async {
        loop {
            let before = written.load(Ordering::SeqCst);
            let id = make(&admin, &tenant).await.text("/backupId");
            let after = written.load(Ordering::SeqCst);
            let file = zstd::decode_all(&download(&admin, &tenant, &id).await.body[..]).unwrap();
            let [own, assigned] = applications_twice(&String::from_utf8(file).unwrap());
            assert_eq!(own, assigned);
            assert!((before..=after + WRITERS).contains(&own.len()), "{before} {own:?} {after}");
            if before == WRITERS * EACH {
                break;
            }
        }
    };
    tokio::join!(look, futures_util::future::join_all((0..WRITERS).map(write)));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { std::fs::copy(&path, &to).map(drop).unwrap() }
    }
}

#[tokio::test]
async fn an_empty_system_becomes_what_the_backup_shows_and_takes_no_damaged_one() {
    let lost = Fleet::start(1).await;
    let admin = lost.admin(0);
    let stock = admin.stock("returns").await;
    let dead = admin.create_key(&stock.customer, json!({})).await;
    admin.delete_key(&dead).await.expect(200);
    let tenant = lost.admin_key.split('.').next().unwrap().to_owned();
    let id = make(&admin, &tenant).await.text("/backupId");
    let bytes = download(&admin, &tenant, &id).await.body;

    let new = Fleet::of_several_tenants(1).await;
    let at = |name: &str| new.scratch().join(name).display().to_string();
    let restore = |name: &str| new.operate(&["backups", "restore", &at(name)]);
    let mut altered = bytes.clone();
    altered[bytes.len() / 2] ^= 1;
    for (name, damaged) in [("cut", &bytes[..bytes.len() - 9]), ("altered", &altered), ("none", b"no backup")]
    {
        std::fs::write(at(name), damaged).unwrap();
        let ended = restore(name);
        let says = format!("{ended:?}");
        assert!(ended.status.code() == Some(1) && says.contains("no backup that"), "{name}: {says}");
    }
    std::fs::write(at("whole"), &bytes).unwrap();
    let alone = desk_launch("redis://127.0.0.1:1", &at("alone"), &at("no-blobs"));
    let alone = alone.arg("backups").arg("restore").arg(at("whole")).output();
    assert!(String::from_utf8_lossy(&alone.stdout).contains("missing in TIDEGATE_BLOBS"), "{alone:?}");
    copy(&lost.scratch().join("blobs"), &new.scratch().join("blobs"));
    let restored = restore("whole");
    let says = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(
        restored.status.success() && says.contains("1 applications, 1 versions, 1 files"),
        "{restored:?}"
    );
    assert!(!says.contains("missing"), "{says}");
    assert_eq!(restore("whole").status.code(), Some(1), "the tenant is there");

    let doors = new.doors_of(&lost.admin_key);
    assert_gets(&doors.edges, &stock.key.text, &stock).await;
    assert_refused(&doors.edges, &dead.text, &stock, 401).await;
    doors.admin(0).create_customer("goes-on", "Basic").await.expect(201);
}
