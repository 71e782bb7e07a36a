//! What pages of other origins are told, and how failures are told to those who want problem documents: at both planes.

use reqwest::Method;
use support::client::send;
use support::{Answer, Client, System};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn doors(system: &System, key: Option<&str>) -> [Client; 2] {
    [system.stranger(0).with(key), Client::new(&system.desk, key)]
}

#[track_caller]
fn assert_open(told: &Answer) {
    assert_eq!(told.header_lines("access-control-allow-origin"), ["*"], "{told:?}");
    let exposed = told.header_lines("access-control-expose-headers");
    assert_eq!(exposed.len(), 1, "{told:?}");
    for name in ["X-Request-Id", "RateLimit", "ETag", "Content-Range", "Retry-After", "Idempotency-Replayed"]
    {
        assert!(exposed[0].split(", ").any(|told| told == name), "{name}");
    }
    assert!(told.header_lines("access-control-allow-credentials").is_empty());
}

#[tokio::test]
async fn a_preflight_is_answered_for_every_path_and_without_a_key() {
    let system = System::in_process().await;
    for client in doors(&system, None) {
        for (path, methods) in [
            ("/v1/management/customers", "GET, HEAD, POST, OPTIONS"),
            ("/v1/uploads/some-ticket", "PUT, HEAD, PATCH, DELETE, OPTIONS"),
            ("/nothing/here", ""),
        ] {
            let request = client.request(Method::OPTIONS, path).header("origin", "https://console.example");
            let request = request.header("access-control-request-method", "PATCH");
            let told =
                send(request.header("access-control-request-headers", "authorization")).await.expect(204);
            assert_open(&told);
            assert!(told.body.is_empty());
            assert_eq!(told.header("access-control-allow-methods"), "GET, POST, PUT, PATCH, DELETE, HEAD");
            let taken = told.header("access-control-allow-headers");
            for name in
                ["Authorization", "Content-Type", "X-API-Key", "X-Channel", "Range", "Idempotency-Key"]
            {
                assert!(taken.split(", ").any(|told| told == name), "{name}: {taken}");
            }
            assert_eq!(told.header_lines("allow").join(""), methods, "{path}");
            assert_eq!(
                told.header_lines("tus-version").join(""),
                if path.contains("uploads") { "1.0.0" } else { "" }
            );
            assert!(!told.header("x-request-id").is_empty());
        }
    }
    // The edge answers for its own paths, and for the server as a whole.
    let edge = system.stranger(0);
    let told = send(edge.request(Method::OPTIONS, "/v1/downloads/url")).await.expect(204);
    assert_eq!(told.header("allow"), "GET, HEAD, OPTIONS");
    for address in [edge.base(), &system.desk] {
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
        stream.write_all(b"OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut told = String::new();
        stream.read_to_string(&mut told).await.unwrap();
        assert!(
            told.starts_with("HTTP/1.1 204 ") && told.contains("access-control-allow-origin: *"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn every_other_answer_may_be_read_by_every_page() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("opened").await;
    let (customer, admin) = (system.client(0, &stock.key.text), system.admin(0));
    let link = customer.get("/v1/downloads/url?applicationId=opened&version=latest").await.expect(200);
    let answers = [
        customer.get(&stock.path()).await.expect(200),
        customer.get_with(&stock.path(), "range", "bytes=0-9").await.expect(206),
        customer.get_with(&stock.path(), "range", "bytes=999999999-").await.expect(416),
        customer.get(&link.text("/url")).await.expect(200),
        customer.get("/v1/applications").await.expect(200),
        customer.get("/v1/nothing").await.expect(404),
        customer.delete("/v1/applications").await.expect(405),
        system.stranger(0).get("/v1/applications").await.expect(401),
        system.stranger(0).get("/healthz").await.expect(200),
        admin.get("/v1/management/customers").await.expect(200),
        admin.get("/v1/management/customers/nobody").await.expect(404),
        admin.create_customer("cust-opened", "Basic").await.expect(409),
        system.at_desk().get("/v1/management/customers").await.expect(200),
        Client::new(&system.desk, None).get("/v1/management/customers").await.expect(401),
    ];
    for told in answers {
        assert_eq!(told.header_lines("access-control-allow-origin"), ["*"], "{told:?}");
        // Nobody asked from a page.
        assert!(told.header_lines("access-control-expose-headers").is_empty(), "{told:?}");
    }
    for client in [&customer, &admin.0, &system.at_desk().0, &Client::new(&system.desk, None)] {
        for path in ["/v1/applications", "/v1/nothing", "/v1/management/customers", &stock.path()] {
            assert_open(&client.get_with(path, "origin", "https://console.example").await);
        }
    }
}

#[tokio::test]
async fn problem_documents_are_for_those_who_ask_for_them_at_both_planes() {
    let system = System::in_process().await;
    let path = "/v1/management/customers";
    let cases = [
        (Method::GET, "/v1/nothing", None, (404, "Not Found", "route_not_found")),
        (Method::PUT, path, None, (405, "Method Not Allowed", "method_not_allowed")),
        (Method::GET, path, None, (401, "Unauthorized", "missing_credential")),
        (
            Method::GET,
            "/v1/management/customers/nobody",
            Some(&system.admin_key),
            (404, "Not Found", "customer_not_found"),
        ),
    ];
    for (method, path, key, (status, title, reason)) in cases {
        for client in doors(&system, key.map(String::as_str)) {
            let ask = async |accept: &str| {
                let told = send(client.request(method.clone(), path).header("accept", accept)).await;
                told.expect(status)
            };
            let told = ask("application/json;q=0.5, application/problem+json").await;
            assert_eq!(told.header("content-type"), "application/problem+json");
            let json = told.json();
            assert_eq!(
                (&json["type"], &json["title"], &json["status"]),
                (&"about:blank".into(), &title.into(), &status.into())
            );
            assert!(
                json["reason"] == reason && json["detail"].is_string() && json["code"].is_string(),
                "{json}"
            );
            assert_eq!(json["requestId"], told.header("x-request-id"));
            for accept in [
                "*/*",
                "application/problem+json;q=0, */*",
                "application/json, application/problem+json;q=0.2",
            ] {
                let told = ask(accept).await;
                assert_eq!(told.header("content-type"), "application/json", "{accept}");
                assert_eq!(told.json()["error"]["reason"], reason, "{accept}");
            }
        }
    }
}
