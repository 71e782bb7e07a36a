//! Share links and signed URLs in the wrong hands: changed, exchanged, past, revoked, counted.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::{Admin, Answer, Client, PATIENCE, Stock, System, eventually};

use super::{altered, assert_refused};

async fn share(client: &Client, stock: &Stock) -> String {
    let order = json!({ "applicationId": stock.application, "version": stock.version });
    let told = client.post("/v1/downloads/share", &order).await.expect(200);
    told.text("/shareUrl").strip_prefix(client.base()).unwrap().to_owned()
}

async fn signed(client: &Client, stock: &Stock) -> String {
    let ask = format!("/v1/downloads/url?applicationId={}&version={}", stock.application, stock.version);
    client.get(&ask).await.expect(200).text("/url").strip_prefix(client.base()).unwrap().to_owned()
}

/// Both kinds, each asked at both edges.
#[tokio::test]
async fn a_link_is_taken_to_the_letter() {
    let system = System::in_process().await;
    let (stock, other) = (system.admin(0).stock("stock").await, system.admin(0).stock("other").await);
    let client = system.client(0, &stock.key.text);
    let (shared, url) = (share(&client, &stock).await, signed(&client, &stock).await);
    let others = signed(&system.client(0, &other.key.text), &other).await;
    let token = shared.strip_prefix("/v1/downloads/d/").unwrap();
    let (sealed, name) = url.strip_prefix("/v1/d/").unwrap().split_once('/').unwrap();
    let other_sealed = others.strip_prefix("/v1/d/").unwrap().split('/').next().unwrap();
    let (half, other_half) = (&sealed[..sealed.len() / 2], &other_sealed[other_sealed.len() / 2..]);
    let mut forged: Vec<String> =
        (0..sealed.len()).step_by(11).map(|at| format!("/v1/d/{}/{name}", altered(sealed, at))).collect();
    forged.extend([
        format!("/v1/d/{sealed}/other.bin"),
        format!("/v1/d/{sealed}/SETUP.BIN"),
        format!("/v1/d/{half}{other_half}/{name}"),
        format!("/v1/d/{token}/{name}"),
        format!("/v1/downloads/d/{sealed}"),
        format!("/v1/downloads/share/{}", altered(token, token.len() - 1)),
        format!("/v1/downloads/d/{token}%20"),
        format!("/v1/downloads/d/{token}%00"),
        format!("/v1/downloads/d/{token}."),
        format!("/v1/downloads/d/{}", token.to_uppercase()),
        format!("/v1/uploads/{sealed}"),
        format!("/v1/backups/{token}"),
        format!("/v1/downloads/d/{token}/"),
        format!("/v1/d/{sealed}"),
    ]);
    for edge in [0, 1] {
        let stranger = system.stranger(edge);
        for path in [&shared, &url] {
            eventually(PATIENCE, || async { stranger.get(path).await.is(200) }).await;
        }
        for path in &forged {
            let method = if path.starts_with("/v1/uploads/") { Method::PUT } else { Method::GET };
            let told = send(stranger.request(method, path)).await;
            assert_eq!((told.status, told.failure().0.as_str()), (404, "NOT_FOUND"), "{path}: {told:?}");
            assert!(!String::from_utf8_lossy(&told.body).contains(half), "{path}: told back");
        }
        // What stands behind the question mark is no part of either.
        for path in [&shared, &url] {
            let told = stranger.get(&format!("{path}?applicationId=other&version=9&expires=9")).await;
            assert!(told.expect(200).body == stock.bytes, "other bytes");
        }
    }
}

/// Neither the time nor a limit that the order does not have lets itself be written into it.
#[tokio::test]
async fn a_link_lasts_as_long_as_its_order_may_say() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let client = system.client(0, &stock.key.text);
    for edge in [0, 1] {
        let client = system.client(edge, &stock.key.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        for minutes in [json!(0), json!(4), json!(1_441), json!(-5), json!(5.5), json!("30"), json!(1e300)] {
            for name in ["expiresInMinutes", "expiresMinutes"] {
                let order = json!({ "applicationId": "stock", "version": "1.2.0", name: minutes });
                let told = client.post("/v1/downloads/share", &order).await;
                assert_refused(&minutes.to_string(), &told, 400, "invalid_fields");
            }
        }
        let order = json!({ "applicationId": "stock", "version": "1.2.0", "expiresInMinutes": 5, "expiresMinutes": 1_440 });
        let told = client.post("/v1/downloads/share", &order).await;
        assert!(told.status == 400 || told.data("/expiresInMinutes") == 5, "{told:?}");
    }
    let (shared, url) = (share(&client, &stock).await, signed(&client, &stock).await);
    let stranger = system.stranger(0);
    // A slow machine may take some seconds to ask.
    system.clock.advance(Duration::from_secs(30 * 60 - 30));
    for path in [&shared, &url] {
        stranger.get(path).await.expect(200);
    }
    system.clock.advance(Duration::from_secs(30));
    for edge in [0, 1] {
        for path in [&shared, &url] {
            for method in [Method::GET, Method::HEAD] {
                let is_head = method == Method::HEAD;
                let request = system.stranger(edge).request(method, path).header("range", "bytes=0-0");
                let told = send(request).await.expect(410);
                assert!(is_head || told.failure() == ("EXPIRED".to_owned(), "link_expired".to_owned()));
            }
        }
    }
}

/// Whole files, and every answer with bytes.
async fn downloads(admin: &Admin) -> (Value, Value) {
    let stats = admin.get("/v1/applications/stock/stats").await.expect(200);
    let listed = admin.get("/v1/activity?type=downloads&limit=1").await.expect(200).json();
    (stats.data("/totalDownloads"), listed["meta"]["pagination"]["total"].clone())
}

/// HEAD is no download, a piece is one that is not counted as the file, and a hundred at once are a hundred.
#[tokio::test]
async fn what_a_link_gives_is_counted_by_what_was_given() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let path = share(&system.client(0, &stock.key.text), &stock).await;
    let stranger = system.stranger(0);
    for _ in 0..3 {
        send(stranger.request(Method::HEAD, &path)).await.expect(200);
        let etag = stranger.get_with(&path, "range", "bytes=0-9").await.expect(206).header("etag").to_owned();
        stranger.get_with(&path, "if-none-match", &etag).await.expect(304);
        stranger.get_with(&path, "range", "bytes=900000-").await.expect(416);
    }
    let crowd = join_all((0..100).map(|number| {
        let (stranger, path) = (system.stranger(number % 2), &path);
        async move { eventually(PATIENCE, || async { stranger.get(path).await.is(200) }).await }
    }));
    assert!(crowd.await.iter().all(|told| told.body == stock.bytes), "other bytes");
    eventually(PATIENCE, || async {
        // All of the hundred, and the three pieces beside them.
        let counted = downloads(&admin).await;
        if counted == (json!(100), json!(103)) { Ok(()) } else { Err(counted) }
    })
    .await;
}

fn assert_discreet(told: &Answer) {
    assert_eq!(told.header("referrer-policy"), "no-referrer", "{told:?}");
    assert_eq!(told.header("x-robots-tag"), "noindex", "{told:?}");
    assert_eq!(told.header_lines("cache-control"), ["private, no-store"], "{told:?}");
    assert!(told.header_lines("location").is_empty() && told.header_lines("link").is_empty(), "{told:?}");
}

/// A link does not tell itself to whoever it leads to, whatever comes of it.
#[tokio::test]
async fn a_link_is_told_to_nobody_else() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("stock").await;
    let path = share(&system.client(0, &stock.key.text), &stock).await;
    let stranger = system.stranger(0);
    let token = path.rsplit('/').next().unwrap();
    assert_discreet(&stranger.get_with(&path, "referer", "https://example.com/secret").await.expect(200));
    assert_discreet(&stranger.get(&format!("{path}A")).await.expect(404));
    let found = system.admin(0).get("/v1/audit?limit=100").await.expect(200);
    assert!(!String::from_utf8_lossy(&found.body).contains(token), "in the audit");
    system.clock.advance(Duration::from_secs(31 * 60));
    let past = stranger.get(&path).await.expect(410);
    assert_discreet(&past);
    assert!(!String::from_utf8_lossy(&past.body).contains(token), "in the refusal");
}

/// Another tenant neither makes a link to it nor hears of those that were followed.
#[tokio::test]
async fn another_tenant_sees_nothing_of_a_link() {
    let system = System::of_several_tenants().await;
    let (owner, other) = (system.found("Owner").await, system.found("Other").await);
    let stock = owner.admin(0).stock("stock").await;
    let own = other.admin(0).stock("own").await;
    let path = share(&owner.client(0, &stock.key.text), &stock).await;
    system.stranger(0).get(&path).await.expect(200);
    let total = async |admin: Admin| {
        let told = admin.get("/v1/activity?type=downloads").await.expect(200);
        told.json()["meta"]["pagination"]["total"].clone()
    };
    eventually(PATIENCE, || async {
        let counted = total(owner.admin(0)).await;
        if counted == 1 { Ok(()) } else { Err(counted) }
    })
    .await;
    for admin in [other.admin(0), other.at_desk()] {
        assert_eq!(total(admin.clone()).await, Value::from(0));
        let audit = admin.get("/v1/audit?limit=100").await.expect(200);
        assert!(!String::from_utf8_lossy(&audit.body).contains("stock"), "{audit:?}");
    }
    let order = json!({ "applicationId": "stock", "version": "1.2.0", "fileId": stock.file_id });
    for client in [other.admin(0).0, other.client(0, &own.key.text)] {
        let told = client.post("/v1/downloads/share", &order).await;
        assert_refused("shared", &told, 404, "application_not_found");
    }
    let borrowed = json!({ "applicationId": "own", "version": "1.2.0", "fileId": stock.file_id });
    let told = other.client(0, &own.key.text).post("/v1/downloads/share", &borrowed).await;
    assert_refused("borrowed", &told, 404, "file_not_found");
}
