//! Who is let in, what paths there are, and the form of every answer.

use std::time::Duration;

use axum::body::Body;
use common::mac::{MacKeys, Purpose};
use common::proof::{FORWARDED_HEADER, Forwarded};
use common::routes::{Credential, Plane, ROUTES, Route};
use common::secret::Secret;
use common::time::Timestamp;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{EDGE_SECRET, House, SECRET, TENANT};

const PATH: &str = "/v1/management/customers";

type Headers<'a> = &'a [(&'a str, &'a str)];

fn with(headers: Headers<'_>) -> Request<Body> {
    let mut request = Request::builder().uri(PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_key_is_taken_in_every_form_and_nothing_else_is() {
    let house = House::open().await;
    let (whole, bearer) = (format!("{TENANT}.{SECRET}"), format!("Bearer {TENANT}.{SECRET}"));
    let other = format!("Bearer 24632221-b1b6-4eec-844a-39f60c7f1523.{SECRET}");
    let unknown = format!("Bearer {TENANT}.another-key-of-the-tests");
    let rows: &[(Headers<'_>, (u16, &str))] = &[
        (&[("authorization", &bearer)], (200, "")),
        (&[("authorization", &whole)], (200, "")),
        (&[("x-api-key", &whole)], (200, "")),
        (&[("x-api-key", SECRET)], (200, "")),
        (&[], (401, "missing_credential")),
        (&[("authorization", "Bearer junk")], (401, "key_malformed")),
        (&[("authorization", "Bearer tg_adm_0000000000000000000000000000000000000")], (401, "key_malformed")),
        (&[("authorization", &unknown)], (401, "key_unknown")),
        (&[("authorization", &other)], (401, "key_unknown")),
        (&[("authorization", &bearer), ("x-api-key", "other")], (400, "ambiguous_credentials")),
        (&[("authorization", &bearer), ("authorization", &bearer)], (400, "ambiguous_credentials")),
    ];
    for (headers, expected) in rows {
        let told = house.send(with(headers)).await;
        assert_eq!(told.verdict(), *expected, "{headers:?}: {}", told.body);
        assert_eq!(
            told.headers.get_all("www-authenticate").iter().count(),
            if expected.0 == 401 { 2 } else { 0 }
        );
    }
}

#[tokio::test]
async fn a_failure_has_the_envelope_or_is_a_problem_document() {
    let house = House::open().await;
    let told = house.send(with(&[("x-request-id", "req-7")])).await;
    insta::assert_snapshot!(told.body, @r#"{"error":{"code":"UNAUTHORIZED","message":"Missing authentication token","reason":"missing_credential","timestamp":"2025-06-15T15:06:40.000Z"},"meta":{"requestId":"req-7","version":"1.0.0"},"success":false}"#);
    assert_eq!(told.headers["x-request-id"], "req-7");
    let told = house.send(with(&[("accept", "application/problem+json"), ("x-request-id", "a b")])).await;
    assert_eq!(told.headers["content-type"], "application/problem+json");
    assert_eq!((&told.body["status"], &told.body["reason"]), (&json!(401), &json!("missing_credential")));
    assert_eq!(told.body["requestId"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn pages_of_every_origin_may_ask_and_read_every_answer() {
    let house = House::open().await;
    for (path, allow) in [
        ("/v1/nothing", None),
        ("/v1/uploads/x", Some("PUT, HEAD, PATCH, DELETE, OPTIONS")),
        (PATH, Some("GET, HEAD, POST, OPTIONS")),
    ] {
        let request = Request::builder().method("OPTIONS").uri(path).header("x-request-id", "req-9");
        let told = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(told.status, 204, "{path}");
        assert_eq!(told.headers.get("allow").map(|value| value.to_str().unwrap()), allow, "{path}");
        assert_eq!(
            (&told.headers["access-control-max-age"], &told.headers["x-request-id"]),
            (&"86400".parse().unwrap(), &"req-9".parse().unwrap())
        );
        assert_eq!(told.headers.contains_key("tus-version"), path.starts_with("/v1/uploads"), "{path}");
    }
    let answers = [
        house.get(PATH).await,
        house.get("/v1/nothing").await,
        house.ask("PUT", PATH, Value::Null).await,
        house.send(with(&[])).await,
    ];
    for told in answers {
        assert_eq!(told.headers["access-control-allow-origin"], "*", "{}", told.body);
        // Nobody asked from a page.
        assert!(!told.headers.contains_key("access-control-expose-headers"));
    }
    let told = house.send(with(&[("origin", "https://console.example")])).await;
    assert!(told.headers["access-control-expose-headers"].to_str().unwrap().contains("X-Request-Id"));
}

#[tokio::test]
async fn every_route_of_the_desk_refuses_who_has_no_key_before_it_reads_the_body() {
    let house = House::open().await;
    let keyed = |route: &&Route| route.plane != Plane::Edge && route.credential != Credential::Public;
    for route in ROUTES.iter().filter(keyed) {
        let path = route.path.replace(['{', '}'], "");
        let body = Body::from("not what any route takes");
        let request = Request::builder().method(route.method.clone()).uri(&path).body(body).unwrap();
        let expected = match route.credential {
            // An answer to HEAD has no body that could say why.
            Credential::Signed if *route.method == Method::HEAD => (404, ""),
            Credential::Signed if route.path.starts_with("/v1/uploads") => (404, "upload_not_found"),
            Credential::Signed => (404, "backup_not_found"),
            _ => (401, "missing_credential"),
        };
        assert_eq!(house.send(request).await.verdict(), expected, "{route:?}");
    }
}

#[tokio::test]
async fn what_is_no_route_of_the_desk_is_not_found_and_other_methods_are_named() {
    let house = House::open().await;
    house
        .table(&[
            ("GET", "/", Value::Null, (404, "route_not_found")),
            ("GET", "/v1/applications/my-app/versions", Value::Null, (404, "route_not_found")),
            ("GET", "/v1/management/customers/", Value::Null, (404, "route_not_found")),
            ("GET", "/v1/management/customers/%ff", Value::Null, (404, "route_not_found")),
            ("GET", "/v1/management/customers/a%2Fb", Value::Null, (404, "not_found")),
            ("PUT", PATH, Value::Null, (405, "method_not_allowed")),
        ])
        .await;
    let told = house.ask("DELETE", PATH, Value::Null).await;
    assert_eq!(told.headers["allow"], "GET, HEAD, POST, OPTIONS");
}

#[tokio::test]
async fn a_dead_key_says_why_and_a_narrow_one_what_it_lacks() {
    let house = House::open().await;
    let check = async |fields: Value, expected: (u16, &str)| {
        let key = house.key(fields.clone()).await;
        assert_eq!(house.ask_as(&key, "GET", PATH, Value::Null).await.verdict(), expected, "{fields}");
    };
    house.post(PATH, json!({"customerId": "c1", "name": "C"})).await;
    check(json!({"kind": "admin"}), (200, "")).await;
    check(json!({"isEnabled": false}), (401, "key_disabled")).await;
    check(json!({"ipAllowlist": "198.51.100.0/24"}), (403, "ip_not_allowed")).await;
    check(json!({"ipAllowlist": ["203.0.113.9"]}), (200, "")).await;
    check(json!({"preset": "publisher"}), (403, "scope_missing")).await;
    check(json!({"preset": "read-only"}), (200, "")).await;
    check(json!({"customerId": "c1"}), (403, "admin_key_required")).await;
    let key = house.key(json!({"expiresAt": "2025-06-15T16:00:00Z"})).await;
    assert_eq!(house.ask_as(&key, "GET", PATH, Value::Null).await.status, 200);
    house.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(house.ask_as(&key, "GET", PATH, Value::Null).await.verdict(), (401, "key_expired"));
    let key = house.key(json!({"customerId": "c1"})).await;
    house.ask("PATCH", "/v1/management/customers/c1", json!({"isActive": false})).await;
    assert_eq!(
        house.ask_as(&key, "GET", "/v1/applications", Value::Null).await.verdict(),
        (403, "customer_inactive")
    );
}

#[tokio::test]
async fn an_edge_is_believed_by_its_proof_alone() {
    let house = House::open().await;
    let key = house.key(json!({"ipAllowlist": "198.51.100.7"})).await;
    let said = |secret: &str| {
        let word = Forwarded {
            address: "198.51.100.7".parse().unwrap(),
            base: "https://dl.example.com".into(),
            at: Timestamp::from_millis(1_750_000_000_000),
        };
        word.seal(&MacKeys::derive(&[Secret::new(secret.into())], Purpose::Forwarding)).unwrap()
    };
    for (secret, expected) in [(EDGE_SECRET, (200, "")), ("somebody-elses-secret", (403, "ip_not_allowed"))] {
        let request = with(&[("x-api-key", &key), (FORWARDED_HEADER, &said(secret))]);
        assert_eq!(house.send(request).await.verdict(), expected);
    }
}

#[tokio::test]
async fn bodies_that_are_not_read_are_refused_by_kind() {
    let house = House::open().await;
    house
        .table(&[
            ("POST", PATH, json!("{"), (400, "invalid_json")),
            ("POST", PATH, json!([1]), (400, "invalid_json")),
            ("POST", PATH, json!({"name": 1, "isActive": "yes"}), (400, "invalid_fields")),
            ("POST", PATH, json!({"name": "x".repeat(1024 * 1024)}), (413, "body_too_large")),
        ])
        .await;
    let request = Request::builder().method("POST").uri(PATH).header("x-api-key", &house.admin);
    let told = house.send(request.header("content-type", "text/xml").body(Body::from("<a/>")).unwrap()).await;
    assert_eq!(told.verdict(), (415, "unsupported_media_type"));
}

#[tokio::test]
async fn the_path_of_the_public_url_may_be_there_or_not() {
    let house = House::open_with(|desk| desk.public_url = Some("https://example.com/dl".into())).await;
    for path in ["/v1/applications", "/dl/v1/applications"] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
    assert_eq!(house.get("/dl/v1/nothing").await.verdict(), (404, "route_not_found"));
}
