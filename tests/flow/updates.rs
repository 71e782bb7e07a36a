//! Update checks: what an application asks of every edge, and what its updater does with the answer.

use std::process::Command;
use std::time::Duration;

use common::runtime::clock::Clock as _;
use common::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use support::client::send;
use support::content::checksum;
use support::{Admin, Answer, Client, PATIENCE, Stock, System, eventually};

const DOCUMENT: &str = include_str!("../../docs/updates.md");

/// The content of the fenced blocks of the document in that language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    DOCUMENT.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// A file of a version; its bytes are its name, so that it shows which one was downloaded.
async fn publish(admin: &Admin, application: &str, version: &str, file_name: &str) {
    let fields = [("applicationId", application), ("version", version), ("releaseNotes", "Better")];
    admin.upload(&fields, file_name, file_name.as_bytes()).await.expect(201);
}

/// A system with `my-app`, and a customer's key for it that both edges know.
async fn shop(files: &[(&str, &str)]) -> (System, Stock) {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("my-app").await;
    for (version, file_name) in files {
        publish(&admin, "my-app", version, file_name).await;
    }
    let (version, file_name) = files.last().copied().unwrap_or(("1.2.0", "setup.bin"));
    let path = format!("/v1/download/my-app/{version}/{file_name}");
    let client = system.client(1, &stock.key.text);
    eventually(PATIENCE, || async { client.get(&path).await.is(200) }).await;
    (system, stock)
}

fn assert_nothing(answer: &Answer) {
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header_lines("content-type").is_empty());
}

async fn offered(client: &Client, query: &str) -> Value {
    let answer = client.get(&format!("/v1/updates/my-app?{query}")).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    answer.json()
}

#[tokio::test]
async fn what_is_newer_is_told_raw_with_a_url_that_needs_no_header() {
    let (system, stock) = shop(&[("1.10.0", "my-app-linux.tar.gz"), ("1.9.0", "my-app-linux.tar.gz")]).await;
    for edge in [0, 1] {
        let client = system.client(edge, &stock.key.text);
        for query in ["", "current=1.2.0", "current=1.9.0&os=linux&arch=x86_64", "current=v1"] {
            let told = offered(&client, query).await;
            let mut names: Vec<&String> = told.as_object().unwrap().keys().collect();
            names.sort();
            assert_eq!(names, ["notes", "pub_date", "sha256", "size", "url", "version"]);
            assert_eq!((told["version"].as_str(), told["notes"].as_str()), (Some("1.10.0"), Some("Better")));
            assert_eq!(told["sha256"], checksum(b"my-app-linux.tar.gz"));
            assert_eq!(told["size"], "my-app-linux.tar.gz".len());
            assert!(told["pub_date"].as_str().unwrap().parse::<Timestamp>().is_ok());
            let url = told["url"].as_str().unwrap();
            assert!(url.starts_with(client.base()) && url.len() >= 50, "{url}");
            assert_eq!(system.stranger(edge).get(url).await.expect(200).body, b"my-app-linux.tar.gz");
        }
        for query in ["current=1.10.0", "current=2", "current=1.10.0%2Bmeta", "current=v1.10&os=linux"] {
            assert_nothing(&client.get(&format!("/v1/updates/my-app?{query}")).await);
        }
        let head = send(client.request(Method::HEAD, "/v1/updates/my-app")).await.expect(200);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn an_answer_is_the_same_for_a_while_and_its_link_never_too_short() {
    let (system, stock) = shop(&[("2.0.0", "my-app-linux.tar.gz")]).await;
    let admin = system.admin(0);
    let client = system.client(0, &stock.key.text);
    let path = "/v1/updates/my-app?current=1.0.0&os=linux";
    // To where five minutes begin.
    let into = system.clock.now().millis().rem_euclid(300_000).unsigned_abs();
    system.clock.advance(Duration::from_millis(300_000 - into));
    let first = client.get(path).await.expect(200);
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    system.clock.advance(Duration::from_secs(4 * 60));
    let again = client.get(path).await.expect(200);
    assert_eq!((again.header("etag"), &again.body), (tag.as_str(), &first.body));
    let known = client.get_with(path, "if-none-match", &tag).await.expect(304);
    assert!(known.body.is_empty());
    assert_eq!((known.header("etag"), known.header("cache-control")), (tag.as_str(), "private, no-cache"));
    assert!(!known.header("x-ratelimit-remaining").is_empty() && !known.header("x-request-id").is_empty());
    let head = client.request(Method::HEAD, path).header("if-none-match", format!("\"x\", {}", &tag[2..]));
    send(head).await.expect(304);
    // Another key's link is another answer.
    let other = admin.create_key(&stock.customer, json!({})).await;
    system.client(0, &other.text).get_with(path, "if-none-match", &tag).await.expect(200);
    // Who goes on with the old link has half an hour.
    system.clock.advance(Duration::from_secs(29 * 60 + 50));
    let url = first.json()["url"].as_str().unwrap().to_owned();
    system.stranger(0).get(&url).await.expect(200);
    let later = client.get_with(path, "if-none-match", &tag).await.expect(200);
    assert_ne!(later.json()["url"], url.as_str());
    // And what is newer is told at once.
    publish(&admin, "my-app", "3.0.0", "my-app-linux.tar.gz").await;
    let newer = client.get_with(path, "if-none-match", later.header("etag")).await.expect(200);
    assert_eq!(newer.json()["version"], "3.0.0");
    assert_nothing(&client.get_with("/v1/updates/my-app?current=3.0.0", "if-none-match", "*").await);
}

#[tokio::test]
async fn each_platform_is_offered_its_own_file_of_the_newest_version_that_has_one() {
    let files = [
        ("2.0.0", "my-app-2.0.0-win-x64.exe"),
        ("2.0.0", "my-app-2.0.0-win-ia32.exe"),
        ("2.0.0", "my-app-2.0.0_amd64.deb"),
        ("3.0.0", "my-app-3.0.0.dmg"),
    ];
    let (system, stock) = shop(&files).await;
    let client = system.client(1, &stock.key.text);
    for (query, file_name) in [
        ("os=windows&arch=x86_64", "my-app-2.0.0-win-x64.exe"),
        ("os=win32&arch=ia32", "my-app-2.0.0-win-ia32.exe"),
        ("os=linux&arch=x86_64", "my-app-2.0.0_amd64.deb"),
        ("os=darwin&arch=aarch64", "my-app-3.0.0.dmg"),
        // The first version names no platform in its file: it fits whoever finds nothing newer.
        ("os=linux&arch=arm64", "setup.bin"),
    ] {
        let told = offered(&client, query).await;
        let url = told["url"].as_str().unwrap();
        assert!(url.ends_with(&format!("/{file_name}")), "{query}: {url}");
        assert_eq!(told["notes"], if file_name == "setup.bin" { "First of its kind" } else { "Better" });
    }
    let none = client.get("/v1/updates/my-app?os=linux&arch=arm64&current=1.2.0").await;
    assert_nothing(&none);
}

#[tokio::test]
async fn a_check_is_judged_and_counted_as_any_request_of_its_key() {
    let (system, stock) = shop(&[]).await;
    let admin = system.admin(0);
    let path = "/v1/updates/my-app?current=9.0.0";
    let key = admin.create_key(&stock.customer, json!({ "rateLimitRpm": 2 })).await;
    let client = system.client(0, &key.text);
    for remaining in ["1", "0"] {
        let answer = client.get(path).await;
        assert_nothing(&answer);
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    assert_eq!(client.get(path).await.expect(429).failure().1, "rate_limited");
    let lister = admin.create_key(&stock.customer, json!({ "scopes": ["apps:read"] })).await;
    let refused = system.client(0, &lister.text).get(path).await.expect(403);
    assert_eq!(refused.failure(), ("FORBIDDEN".to_owned(), "scope_missing".to_owned()));
    let client = system.client(0, &stock.key.text);
    assert_eq!(client.with(None).get(path).await.expect(401).failure().1, "missing_credential");
    assert_eq!(client.get("/v1/updates/nowhere").await.expect(404).failure().1, "application_not_found");
    assert_eq!(client.get("/v1/updates/a%2fb").await.expect(404).failure().1, "application_not_found");
    let wrong = client.get("/v1/updates/my-app?current=latest&os=plan9&arch=pdp11").await.expect(400);
    assert_eq!(wrong.failure(), ("VALIDATION_ERROR".to_owned(), "invalid_parameter".to_owned()));
    let details = wrong.json()["error"]["details"]["fields"].clone();
    let named: Vec<&str> = details.as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert_eq!(named, ["current", "os", "arch"]);
    let problem =
        client.get_with("/v1/updates/my-app?current=%00", "accept", "application/problem+json").await;
    assert_eq!(problem.expect(400).header("content-type"), "application/problem+json");
    for version in ["../1", "1 0/", "%F0%9F%98%80", &"1".repeat(10_000)] {
        client.get(&format!("/v1/updates/my-app?current={version}")).await.expect(400);
    }
    let admins = offered(&system.admin(1), "current=1.0").await;
    assert_eq!(admins["version"], "1.2.0");
}

#[tokio::test]
async fn drafts_are_offered_through_their_channel_to_who_is_entitled() {
    let (system, stock) = shop(&[]).await;
    let admin = system.admin(0);
    let fields = [("applicationId", "my-app"), ("version", "2.0.0"), ("isEnabled", "false")];
    admin.upload(&fields, "next.bin", b"draft").await.expect(201);
    let tester = admin.create_key(&stock.customer, json!({ "channels": ["Test"] })).await;
    let tester = system.client(0, &tester.text);
    let told = offered(&tester, "current=1.2.0&channel=Test").await;
    assert_eq!(told["version"], "2.0.0");
    // The URL remembers its channel.
    assert_eq!(system.stranger(0).get(told["url"].as_str().unwrap()).await.expect(200).body, b"draft");
    let path = "/v1/updates/my-app?current=1.2.0";
    assert_eq!(tester.get_with(path, "x-channel", "test").await.expect(200).json()["version"], "2.0.0");
    assert_nothing(&tester.get(path).await);
    assert_nothing(&system.client(0, &stock.key.text).get(&format!("{path}&channel=Test")).await);
    admin.change_version("my-app", "2.0.0", json!({ "isActive": false })).await.expect(200);
    assert_nothing(&tester.get(&format!("{path}&channel=Test")).await);
}

#[tokio::test]
async fn a_signature_beside_the_file_is_told_as_text() {
    let (system, stock) = shop(&[("2.0.0", "my-app_2.0.0_amd64.AppImage")]).await;
    let admin = system.admin(0);
    let client = system.client(0, &stock.key.text);
    let linux = "os=linux&arch=x86_64&current=1.2.0";
    assert!(offered(&client, linux).await["signature"].is_null());
    let sign = async |name: &str, bytes: &[u8]| {
        let fields = [("applicationId", "my-app"), ("version", "2.0.0")];
        admin.upload(&fields, &format!("my-app_2.0.0_amd64.AppImage{name}"), bytes).await.expect(201);
    };
    sign(".minisig", b"untrusted comment: minisign\nRUQ\n").await;
    assert_eq!(offered(&client, linux).await["signature"], "untrusted comment: minisign\nRUQ");
    sign(".sig", b"dW50cnVzdGVkIGNvbW1lbnQ\n").await;
    let told = offered(&client, linux).await;
    assert_eq!(told["signature"], "dW50cnVzdGVkIGNvbW1lbnQ");
    assert!(told["url"].as_str().unwrap().ends_with(".AppImage"));
    assert_nothing(&client.get("/v1/updates/my-app?os=windows&current=1.2.0").await);

    publish(&admin, "my-app", "3.0.0", "my-app-3.exe").await;
    let fields = [("applicationId", "my-app"), ("version", "3.0.0")];
    admin.upload(&fields, "my-app-3.exe.sig", b"\xff\xfe").await.expect(201);
    assert!(offered(&client, "os=windows").await["signature"].is_null(), "no text");
}

#[tokio::test]
async fn the_curl_lines_of_the_document_do_what_it_says() {
    let (system, stock) = shop(&[("2.0.0", "my-app-linux-x64.tar.gz")]).await;
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Command::new("bash");
    shell.args(["-e", "-o", "pipefail", "-c", blocks("sh")[0]]).current_dir(directory.path()).env_clear();
    shell.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    shell.env("URL", &system.edges[0]).env("KEY", &stock.key.text);
    let output = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("\"version\":\"2.0.0\"") && told.contains("update.bin: OK"), "{told}");
    assert!(told.ends_with("now: 204\n"), "{told}");
    assert_eq!(std::fs::read(directory.path().join("update.bin")).unwrap(), b"my-app-linux-x64.tar.gz");
}

/// The requests of Tauri's updater: its variables put into the endpoint, its headers, and what it reads of the answer.
#[tokio::test]
async fn the_endpoint_of_the_document_answers_tauris_updater() {
    let files = [("2.0.0", "my-app_2.0.0_x64-setup.exe"), ("2.0.0", "my-app_2.0.0_x64-setup.exe.sig")];
    let (system, stock) = shop(&files).await;
    let config: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    let endpoint = config["plugins"]["updater"]["endpoints"][0].as_str().unwrap();
    let endpoint = endpoint.replace("https://dl.example.com", &system.edges[1]);
    let check = |current: &str| {
        let url = endpoint.replace("{{current_version}}", current).replace("{{target}}", "windows");
        let request = system.stranger(1).request(Method::GET, &url.replace("{{arch}}", "x86_64"));
        send(request.header("accept", "application/json").bearer_auth(&stock.key.text))
    };
    let told = check("1.2.0").await.expect(200).json();
    assert_eq!(told["version"], "2.0.0");
    assert_eq!(told["signature"], "my-app_2.0.0_x64-setup.exe.sig");
    assert!(told["notes"].is_string() && told["pub_date"].as_str().unwrap().parse::<Timestamp>().is_ok());
    // It sends the headers of the check with the download too.
    let download = system.stranger(1).request(Method::GET, told["url"].as_str().unwrap());
    let download = download.header("accept", "application/octet-stream").bearer_auth(&stock.key.text);
    assert_eq!(send(download).await.expect(200).body, b"my-app_2.0.0_x64-setup.exe");
    assert_nothing(&check("2.0.0").await);
}
