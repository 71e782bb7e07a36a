//! Share links: lent by a key to somebody without one, until their time or their lender's right ends.

use std::io::Cursor;
use std::time::Duration;

use edge::config::ShareLinks;
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use support::client::send;
use support::content::checksum;
use support::{Answer, Client, PATIENCE, Stock, System, eventually};
use tokio_util::io::ReaderStream;

const SHARE: &str = "/v1/downloads/share";

fn order(stock: &Stock) -> Value {
    json!({ "applicationId": stock.application, "version": stock.version })
}

/// The path of a new share link, with or without more fields in the body.
async fn share(client: &Client, order: &Value) -> String {
    let told = client.post(SHARE, order).await.expect(200);
    told.text("/shareUrl").strip_prefix(client.base()).unwrap().to_owned()
}

/// What every answer to a share link says of its URL.
fn assert_private(answer: &Answer) {
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{answer:?}");
    assert_eq!(answer.header("x-robots-tag"), "noindex", "{answer:?}");
    assert_eq!(answer.header_lines("cache-control"), ["private, no-store"], "{answer:?}");
}

fn assert_told(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.failure().1.as_str()), (status, reason), "{answer:?}");
    assert_private(answer);
}

#[tokio::test]
async fn a_share_link_gives_the_bytes_to_who_has_no_key_on_every_edge() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("shared").await;
    for edge in [0, 1] {
        let client = system.client(edge, &stock.key.text);
        eventually(PATIENCE, || async { client.get(&stock.path()).await.is(200) }).await;
        let told = client.post(SHARE, &order(&stock)).await.expect(200);
        let (url, token) = (told.text("/shareUrl"), told.text("/token"));
        assert_eq!(url, format!("{}/v1/downloads/d/{token}", client.base()));
        assert_eq!(told.data("/expiresInMinutes"), 30);
        let until = told.text("/expiresAt");
        let after = |seconds| support::system::after(&system.clock, Duration::from_secs(seconds));
        let (least, most) = (after(29 * 60 + 50), after(30 * 60));
        assert!(until >= least && until <= most, "{least} {until} {most}");
        assert!(!url.contains(&stock.key.secret) && !url.contains(&stock.key.id), "{url}");
        for path in [format!("/v1/downloads/d/{token}"), format!("/v1/downloads/share/{token}")] {
            for other in [system.stranger(1 - edge), system.stranger(edge).with(Some("junk"))] {
                let got = eventually(PATIENCE, || async { other.get(&path).await.is(200) }).await;
                assert!(got.body == stock.bytes, "other bytes");
                assert_private(&got);
                assert!(got.header_lines("x-ratelimit-limit").is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_share_link_obeys_every_rule_of_bytes() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("ruled").await;
    let path = share(&system.client(0, &stock.key.text), &order(&stock)).await;
    let stranger = system.stranger(0);
    let whole = stranger.get(&path).await.expect(200);
    assert_eq!(whole.header("etag"), format!("\"sha256-{}\"", checksum(&stock.bytes)));
    assert_eq!(whole.header("content-length"), "200000");
    assert!(whole.header("content-disposition").starts_with("attachment; filename=\"setup.bin\""));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let head = send(stranger.request(Method::HEAD, &path)).await.expect(200);
    assert!(head.body.is_empty());
    for name in ["etag", "content-length", "repr-digest", "last-modified", "x-checksum-sha256"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    assert_private(&head);
    let part = stranger.get_with(&path, "range", "bytes=100-199").await.expect(206);
    assert!(part.body == stock.bytes[100..200]);
    assert_private(&part);
    let known = stranger.get_with(&path, "if-none-match", whole.header("etag")).await.expect(304);
    assert_private(&known);
    assert_private(&stranger.get_with(&path, "range", "bytes=200000-").await.expect(416));
    assert_private(&stranger.get_with(&path, "if-match", "\"other\"").await.expect(412));
    let wrong = send(stranger.request(Method::PUT, &path)).await.expect(405);
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_hundred_who_follow_one_link_at_once_all_get_the_file_and_spend_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("crowd").await;
    let key = admin.create_key(&stock.customer, json!({ "rateLimitRpm": 2 })).await;
    let client = system.client(0, &key.text);
    let path = share(&client, &order(&stock)).await;
    let mut crowd = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (stranger, path) = (system.stranger(number % 2), path.clone());
        crowd.spawn(async move {
            eventually(PATIENCE, || async { stranger.get(&path).await.is(200) }).await.body.len()
        });
    }
    assert!(crowd.join_all().await.iter().all(|length| *length == stock.bytes.len()));
    // Two a minute: one was the link itself.
    client.get("/v1/applications").await.expect(200);
    client.get("/v1/applications").await.expect(429);
    client.post(SHARE, &order(&stock)).await.expect(429);
    system.stranger(0).get(&path).await.expect(200);
}

#[tokio::test]
async fn what_is_not_ours_to_the_letter_is_404_and_what_is_past_its_time_410() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("letters").await;
    let client = system.client(0, &stock.key.text);
    let stranger = system.stranger(0);
    let path = share(&client, &order(&stock)).await;
    let (route, token) = path.split_at("/v1/downloads/d/".len());
    for at in 0..token.len() {
        let mut forged = token.to_owned();
        forged.replace_range(at..=at, if &token[at..=at] == "A" { "B" } else { "A" });
        assert_told(&stranger.get(&format!("{route}{forged}")).await, 404, "link_not_found");
    }
    let signed = client.get("/v1/downloads/url?applicationId=letters&version=latest").await.expect(200);
    let signed = signed.text("/url");
    let sealed = signed.split("/v1/d/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    for none in ["x", &token[1..], &format!("{token}A"), "%ff%00", &sealed, &"A".repeat(20_000)] {
        let answer = stranger.get(&format!("{route}{none}")).await;
        assert_eq!(answer.status, 404, "{none}: {answer:?}");
    }
    // Nor is a share link a signed URL.
    stranger.get(&format!("/v1/d/{token}/setup.bin")).await.expect(404);

    let short =
        share(&client, &json!({ "applicationId": "letters", "version": "latest", "expiresMinutes": 5 }))
            .await;
    let day =
        share(&client, &json!({ "applicationId": "letters", "version": "1.2.0", "expiresInMinutes": 1440 }))
            .await;
    system.clock.advance(Duration::from_secs(4 * 60 + 50));
    stranger.get(&short).await.expect(200);
    system.clock.advance(Duration::from_secs(10));
    let past = stranger.get(&short).await;
    assert_told(&past, 410, "link_expired");
    assert_eq!(past.failure().0, "EXPIRED");
    stranger.get(&path).await.expect(200);
    system.clock.advance(Duration::from_secs(25 * 60));
    assert_told(&stranger.get(&path).await, 410, "link_expired");
    system.clock.advance(Duration::from_secs(23 * 3_600 + 29 * 60));
    stranger.get(&day).await.expect(200);
    system.clock.advance(Duration::from_secs(60));
    assert_told(&stranger.get(&day).await, 410, "link_expired");
}

/// The fields that a failure names.
fn fields(answer: &Answer) -> Vec<String> {
    let details = answer.json()["error"]["details"]["fields"].clone();
    let name = |fault: &Value| fault["field"].as_str().unwrap().to_owned();
    details.as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn what_is_wrong_with_an_order_is_named_all_at_once() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("orders").await;
    let client = system.client(0, &stock.key.text);
    let post = |body: &str, content_type: &str| {
        let request = client.request(Method::POST, SHARE).header("content-type", content_type);
        send(request.body(body.to_owned()))
    };
    let wrong = post(r#"{"version":7,"fileId":true,"expiresInMinutes":1441}"#, "application/json").await;
    assert_eq!(wrong.failure(), ("VALIDATION_ERROR".to_owned(), "invalid_fields".to_owned()));
    assert_eq!(fields(&wrong.expect(400)), ["applicationId", "version", "fileId", "expiresInMinutes"]);
    assert_eq!(fields(&post("", "text/plain").await.expect(400)), ["applicationId", "version"]);
    for not_json in ["nonsense", "[]", "null", "{\"a\":1", "\u{feff}{}", &"[".repeat(60_000)] {
        assert_eq!(post(not_json, "application/json").await.expect(400).failure().1, "invalid_json");
    }
    let good = order(&stock).to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let refused = post(&good, content_type).await.expect(415);
        assert_eq!(refused.failure().0, "UNSUPPORTED_MEDIA_TYPE");
    }
    post(&good, "application/json; charset=utf-8").await.expect(200);
    let large = format!("{{\"x\":\"{}\",{}", "x".repeat(70_000), &good[1..]);
    assert_eq!(post(&large, "application/json").await.expect(413).failure().0, "PAYLOAD_TOO_LARGE");
    // Without a length that it could be told by.
    let unsized_body = reqwest::Body::wrap_stream(ReaderStream::new(Cursor::new(large)));
    let request = client.request(Method::POST, SHARE).header("content-type", "application/json");
    send(request.body(unsized_body)).await.expect(413);
    let more =
        json!({ "applicationId": "orders", "version": "1.2.0", "isAdmin": true, "expiresAt": "2999-01-01" });
    assert_eq!(client.post(SHARE, &more).await.expect(200).data("/expiresInMinutes"), 30);
    let by_id = json!({ "applicationId": "orders", "version": "latest", "fileId": stock.file_id });
    system.stranger(0).get(&share(&client, &by_id).await).await.expect(200);

    let missing = client.get("/v1/downloads/url").await.expect(400);
    assert_eq!(fields(&missing), ["applicationId", "version"]);
    assert_eq!(missing.failure().1, "invalid_parameter");
    let id = "/v1/downloads/url?applicationId=orders&version=1.2.0&fileId";
    client.get(&format!("{id}={}", stock.file_id)).await.expect(200);
    assert_eq!(client.get(&format!("{id}=file_of_nobody")).await.expect(404).failure().1, "file_not_found");
    assert_eq!(client.get(&format!("{id}=..%2F")).await.expect(404).failure().1, "file_not_found");

    assert_eq!(
        send(client.request(Method::DELETE, SHARE)).await.expect(405).header("allow"),
        "POST, OPTIONS"
    );
    assert_eq!(
        client.with(None).post(SHARE, &order(&stock)).await.expect(401).failure().1,
        "missing_credential"
    );
}

#[tokio::test]
async fn a_share_link_stops_with_whatever_its_creator_loses() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    for (name, lose, status, reason) in [
        ("disabled", "key", 401, "key_disabled"),
        ("deleted", "key-deleted", 401, "key_deleted"),
        ("replaced", "regenerated", 401, "key_unknown"),
        ("customer", "customer", 403, "customer_inactive"),
        ("scope", "scope", 403, "scope_missing"),
        ("narrowed", "narrowed", 404, "application_not_found"),
        ("tier", "tier", 403, "tier_too_low"),
        ("drafted", "draft", 403, "version_not_enabled"),
        ("yanked", "yanked", 404, "version_not_found"),
        ("app-deleted", "application", 404, "application_not_found"),
    ] {
        let stock = admin.stock(name).await;
        let path = share(&system.client(0, &stock.key.text), &order(&stock)).await;
        for edge in [0, 1] {
            eventually(PATIENCE, || async { system.stranger(edge).get(&path).await.is(200) }).await;
        }
        let key = format!("/v1/management/apikeys/{}", stock.key.id);
        let version = format!("/v1/applications/{name}/versions/1.2.0");
        let customer = format!("/v1/management/customers/{}", stock.customer);
        let answer = match lose {
            "key-deleted" => admin.delete_key(&stock.key).await,
            "regenerated" => admin.post(&format!("{customer}/regenerate-key"), &json!({})).await,
            "application" => admin.delete(&format!("/v1/management/applications/{name}")).await,
            other => {
                let (path, body) = match other {
                    "key" => (key, json!({ "isEnabled": false })),
                    "customer" => (customer, json!({ "isActive": false })),
                    "scope" => (key, json!({ "scopes": ["apps:read"] })),
                    "narrowed" => (key, json!({ "applicationIds": [] })),
                    "tier" => (version, json!({ "requiredTier": "Premium" })),
                    "draft" => (version, json!({ "isEnabled": false })),
                    _ => (version, json!({ "isActive": false })),
                };
                admin.patch(&path, &body).await
            }
        };
        answer.expect(200);
        assert_told(&system.stranger(0).get(&path).await, status, reason);
        eventually(PATIENCE, || async {
            let answer = system.stranger(1).peek(&path).await;
            if answer.status == status && answer.failure().1 == reason { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_share_link_works_from_addresses_that_its_creator_may_not_use_and_a_signed_url_does_not() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("elsewhere").await;
    let key = admin.create_key(&stock.customer, json!({ "ipAllowlist": ["127.0.0.7"] })).await;
    let client = system.client(0, &key.text).at("127.0.0.7");
    let path = share(&client, &order(&stock)).await;
    let url =
        client.get("/v1/downloads/url?applicationId=elsewhere&version=1.2.0").await.expect(200).text("/url");
    let stranger = system.stranger(0);
    stranger.get(&path).await.expect(200);
    assert_eq!(stranger.get(&url).await.expect(403).failure().1, "ip_not_allowed");
    stranger.at("127.0.0.7").get(&url).await.expect(200);
    system.client(0, &key.text).post(SHARE, &order(&stock)).await.expect(403);
}

#[tokio::test]
async fn a_draft_is_shared_through_its_channel_while_its_creator_is_entitled() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("preview").await;
    let fields = [("applicationId", "preview"), ("version", "2.0.0"), ("isEnabled", "false")];
    admin.upload(&fields, "setup.bin", b"draft").await.expect(201);
    let tester = admin.create_key(&stock.customer, json!({ "channels": ["Test"] })).await;
    let client = system.client(0, &tester.text);
    let body = json!({ "applicationId": "preview", "version": "2.0.0" });
    assert_eq!(client.post(SHARE, &body).await.expect(403).failure().1, "version_not_enabled");
    let request = client.request(Method::POST, SHARE).header("x-channel", "Test").json(&body);
    let told = send(request).await.expect(200);
    let path = told.text("/shareUrl").strip_prefix(client.base()).unwrap().to_owned();
    assert_eq!(system.stranger(0).get(&path).await.expect(200).body, b"draft");
    admin.change_key(&tester, json!({ "channels": null })).await.expect(200);
    assert_told(&system.stranger(0).get(&path).await, 403, "version_not_enabled");
    admin.change_version("preview", "2.0.0", json!({ "isEnabled": true })).await.expect(200);
    system.stranger(0).get(&path).await.expect(200);
}

#[tokio::test]
async fn an_edge_that_redirects_leads_to_a_signed_url_that_lives_no_longer() {
    let system = System::adjusted(2, |edge, config| {
        if edge == 1 {
            config.share_links = ShareLinks::Redirect;
            config.public_url = Some("https://dl.example.com/base".to_owned());
        }
    })
    .await;
    let admin = system.admin(0);
    let stock = admin.stock("led").await;
    let key = admin.create_key(&stock.customer, json!({ "ipAllowlist": ["127.0.0.7"] })).await;
    let body = json!({ "applicationId": "led", "version": "1.2.0", "expiresInMinutes": 45 });
    let path = share(&system.client(0, &key.text).at("127.0.0.7"), &body).await;
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let follow = |method: Method| {
        let request = http.request(method, format!("{}{path}", system.edges[1]));
        async move { send(request).await.is(302) }
    };
    let led = eventually(PATIENCE, || follow(Method::GET)).await;
    assert_private(&led);
    assert!(led.body.is_empty());
    let location = led.header("location");
    let target = location.strip_prefix("https://dl.example.com/base").unwrap().to_owned();
    assert!(target.starts_with("/v1/d/") && target.ends_with("/setup.bin"), "{location}");
    follow(Method::HEAD).await.unwrap();
    // From anywhere, as the share link itself, and with its headers.
    let got = system.stranger(1).get(&target).await.expect(200);
    assert!(got.body == stock.bytes, "other bytes");
    assert_private(&got);
    system.clock.advance(Duration::from_secs(20 * 60));
    let late =
        follow(Method::GET).await.unwrap().header("location").replace("https://dl.example.com/base", "");
    system.clock.advance(Duration::from_secs(11 * 60));
    system.stranger(1).get(&target).await.expect(410);
    system.clock.advance(Duration::from_secs(13 * 60));
    system.stranger(1).get(&late).await.expect(200);
    system.clock.advance(Duration::from_secs(60));
    system.stranger(1).get(&late).await.expect(410);
    assert_told(&system.stranger(1).get(&path).await, 410, "link_expired");
    admin.delete_key(&key).await.expect(200);
}

#[tokio::test]
async fn links_signed_by_an_old_edge_secret_work_while_it_is_listed() {
    let new = common::secret::Secret::new("another-edge-secret-that-is-long-enough".to_owned());
    let secrets = new.clone();
    let system = System::adjusted(3, move |edge, config| match edge {
        1 => config.edge_secrets.insert(0, secrets.clone()),
        2 => config.edge_secrets = vec![secrets.clone()],
        _ => {}
    })
    .await;
    let stock = system.admin(0).stock("rotated").await;
    let made = |edge: usize| {
        let client = system.client(edge, &stock.key.text);
        let body = order(&stock);
        async move {
            eventually(PATIENCE, || async { client.get("/v1/applications/rotated").await.is(200) }).await;
            let share = share(&client, &body).await;
            let url = client.get("/v1/downloads/url?applicationId=rotated&version=latest").await.expect(200);
            [share, url.text("/url").strip_prefix(client.base()).unwrap().to_owned()]
        }
    };
    let (by_old, by_new) = (made(0).await, made(1).await);
    for path in by_old {
        system.stranger(0).get(&path).await.expect(200);
        system.stranger(1).get(&path).await.expect(200);
        let gone = eventually(PATIENCE, || async { system.stranger(2).peek(&path).await.is(404) }).await;
        assert_eq!(gone.failure().1, "link_not_found");
    }
    made(2).await;
    for path in by_new {
        system.stranger(1).get(&path).await.expect(200);
        system.stranger(2).get(&path).await.expect(200);
        system.stranger(0).get(&path).await.expect(404);
    }
}
