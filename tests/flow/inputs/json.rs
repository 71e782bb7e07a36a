//! JSON that is none, or is more than it seems: asked of every route of the document that takes JSON, through an edge
//! and at the control plane itself.

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::{Value, json};
use support::client::send;
use support::contract::DOCUMENT;
use support::{Admin, Answer, Stock, System, raw};

use super::{assert_refused, assert_same, doors, faulty, send_text, writes};

/// A route that takes JSON, with the ids of things that are there.
struct Route {
    method: String,
    target: String,
    /// What it may be sent, by the name of the field.
    fields: Value,
    is_for_edges: bool,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    async fn sent(&self, admin: &Admin, body: impl Into<reqwest::Body>) -> Answer {
        send_text(admin, &self.method, &self.target, body).await
    }

    /// The fields that hold a text.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let is_text = |schema: &Value| resolved(schema)["type"] == "string";
        let holds = move |schema: &Value| {
            let choices = schema["anyOf"].as_array();
            is_text(schema) || choices.is_some_and(|choices| choices.iter().any(is_text))
        };
        self.fields.as_object().unwrap().iter().filter(move |(_, it)| holds(it)).map(|(name, _)| name)
    }
}

fn resolved(schema: &Value) -> &Value {
    let reference = schema["$ref"].as_str().map(|reference| reference.trim_start_matches('#'));
    reference.map_or(schema, |pointer| DOCUMENT.pointer(pointer).unwrap())
}

fn routes(stock: &Stock) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, described) in item.as_object().unwrap() {
            let schema = &described["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let target = path
                .replace("{applicationId}", &stock.application)
                .replace("{version}", &stock.version)
                .replace("{customerId}", &stock.customer)
                .replace("{keyId}", &stock.key.id)
                .replace("{name}", "Basic");
            assert!(!target.contains('{'), "{target}");
            let schema = resolved(schema);
            // What may be written in two ways has its fields in each.
            let fields = [&schema["properties"], &schema["anyOf"][0]["properties"]];
            let fields = fields.into_iter().find(|fields| fields.is_object()).unwrap().clone();
            let is_for_edges = described["x-tidegate-plane"] == "edge";
            routes.push(Route { method: method.to_ascii_uppercase(), target, fields, is_for_edges });
        }
    }
    assert!(routes.len() > 15, "{}", routes.len());
    routes
}

/// Each route at each door that answers it.
fn asked<'a>(routes: &'a [Route], doors: &'a [(&'static str, Admin)]) -> Vec<(String, &'a Route, &'a Admin)> {
    let pairs = routes.iter().flat_map(|route| doors.iter().map(move |door| (route, door)));
    let answers = |route: &Route, door: &str| !(route.is_for_edges && door == "control plane");
    pairs
        .filter(|(route, (door, _))| answers(route, door))
        .map(|(route, (door, admin))| (format!("{} at {door}", route.name()), route, admin))
        .collect()
}

fn utf_16(text: &str, mark: &[u8]) -> Vec<u8> {
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    mark.iter().copied().chain(units).collect()
}

fn what_is_no_object() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |open: &str, depth: usize, close: &str| {
        [open.repeat(depth), close.repeat(depth)].concat().into_bytes()
    };
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("not JSON", text("nonsense")),
        ("a form", text("name=a&applicationId=b")),
        ("null", text("null")),
        ("a list", text("[]")),
        ("a list of objects", text(r#"[{"name":"a"}]"#)),
        ("a text", text(r#""name""#)),
        ("a number", text("7")),
        ("broken off", text(r#"{"name":"#)),
        ("never closed", text(r#"{"name":"a""#)),
        ("two objects", text("{}{}")),
        ("more behind it", text("{}x")),
        ("a comma too many", text(r#"{"name":"a",}"#)),
        ("quoted once", text("{'name':'a'}")),
        ("a comment", text(r#"{/* */"name":"a"}"#)),
        ("a name without quotes", text("{name:1}")),
        ("a byte order mark", text("\u{feff}{}")),
        ("UTF-16", utf_16("{}", &[])),
        ("UTF-16 with its mark", utf_16("{}", &[0xff, 0xfe])),
        ("not UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("UTF-8 in too many bytes", b"{\"name\":\"\xc0\xaf\"}".to_vec()),
        ("half a character", text(r#"{"name":"\ud800"}"#)),
        ("the other half", text(r#"{"name":"\udc00"}"#)),
        ("half a character that nobody asks for", text(r#"{"x":["\ud800"]}"#)),
        ("half a character in a name", text(r#"{"\ud800":1}"#)),
        ("a bare NUL", text("{\"name\":\"\0\"}")),
        ("a bare line feed", text("{\"name\":\"\n\"}")),
        ("a number beyond all", text(r#"{"x":1e309}"#)),
        ("no number", text(r#"{"x":NaN}"#)),
        ("a million lists", nested("[", 1_000_000, "")),
        ("fifty thousand lists, closed", nested("[", 50_000, "]")),
        ("ten thousand objects", nested("{\"a\":", 10_000, "")),
        ("too many fields", text(&format!("{{{}\"z\":1}}", "\"x\":1,".repeat(300)))),
    ]
}

#[tokio::test]
async fn what_is_no_json_object_is_refused_by_every_route_and_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    let doors = [doors[0].clone(), doors[2].clone()];
    let before = writes(&admin).await;
    for (name, route, admin) in asked(&routes, &doors) {
        for (what, body) in what_is_no_object() {
            let length = body.len();
            let told = route.sent(admin, body).await;
            // An edge reads no more than 64 KiB.
            if route.is_for_edges && length > 64 << 10 {
                assert_refused(&format!("{what}: {name}"), &told, 413, "body_too_large");
            } else {
                assert_refused(&format!("{what}: {name}"), &told, 400, "invalid_json");
            }
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
}

#[tokio::test]
async fn a_body_of_another_type_is_refused_by_every_route_and_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    let before = writes(&admin).await;
    for (name, route, admin) in asked(&routes, &doors) {
        for types in [
            &["text/plain"][..],
            &["text/json"],
            &["application/x-www-form-urlencoded"],
            &["application/octet-stream"],
            &["application/jsonp"],
            &["application"],
            &["*/*"],
            &["json"],
            &[""],
        ] {
            let mut request = admin.request(route.method.parse().unwrap(), &route.target).body("{}");
            for line in types {
                request = request.header("content-type", *line);
            }
            let told = send(request).await;
            assert_refused(&format!("{types:?}: {name}"), &told, 415, "unsupported_media_type");
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
    // What names JSON is JSON, and so is what names nothing.
    let customer = format!("/v1/management/customers/{}", stock.customer);
    for kind in [
        Some("application/json; charset=utf-8"),
        Some("APPLICATION/JSON"),
        Some("application/merge-patch+json"),
        None,
    ] {
        let request = admin.request("PATCH".parse().unwrap(), &customer).body("{}");
        let request = kind.into_iter().fold(request, |request, kind| request.header("content-type", kind));
        send(request).await.expect(200);
    }
}

/// Head and length of a gigabyte, and little of it; then a body that does not say how much it is.
#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    let doors = [doors[0].clone(), doors[2].clone()];
    let before = writes(&admin).await;
    let asked = asked(&routes, &doors);
    let announce = |(name, route, admin): &(String, &Route, &Admin)| {
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000000\r\nConnection: close\r\n\r\n{{\"name\":\"",
            route.method, route.target, system.admin_key,
        );
        let (base, name) = (admin.base().to_owned(), name.clone());
        async move { (name, raw::exchange(&base, head.as_bytes()).await) }
    };
    for (name, told) in join_all(asked.iter().map(announce)).await {
        assert_refused(&name, &told, 413, "body_too_large");
    }
    for (name, route, admin) in &asked {
        // An upload takes ten megabytes in base64.
        let pieces = if route.target.ends_with("/upload") { 20 << 20 } else { 3 << 20 } / (64 << 10);
        let piece = Bytes::from(vec![b' '; 64 << 10]);
        let endless = stream::iter((0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
        let told = route.sent(admin, reqwest::Body::wrap_stream(endless)).await;
        assert_refused(name, &told, 413, "body_too_large");
    }
    assert_eq!(writes(&admin).await, before, "something was written");
}

#[tokio::test]
async fn a_field_that_is_sent_twice_is_named_by_every_route_and_changes_nothing() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    let before = writes(&admin).await;
    for (name, route, admin) in asked(&routes, &doors) {
        for field in route.fields.as_object().unwrap().keys() {
            for (first, second) in [("\"a\"", "\"b\""), ("\"a\"", "\"a\""), ("null", "null"), ("null", "7")] {
                let told = route.sent(admin, format!("{{\"{field}\":{first},\"{field}\":{second}}}")).await;
                let name = format!("{field} {first} {second}: {name}: {told:?}");
                assert_refused(&name, &told, 400, "invalid_fields");
                assert!(faulty(&told).contains(field), "{name}");
            }
        }
    }
    assert_eq!(writes(&admin).await, before, "something was written");
}

#[tokio::test]
async fn no_body_is_an_empty_object() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    for (name, route, admin) in asked(&routes, &doors) {
        let mut told = Vec::new();
        for body in ["", "{}", " \r\n\t"] {
            let answer = route.sent(admin, body).await;
            told.push((answer.status, answer.failure_reason()));
        }
        assert!(told.iter().all(|each| *each == told[0]), "{name}: {told:?}");
    }
}

/// What nobody asked for is not obeyed, whatever other programs would make of its name.
#[tokio::test]
async fn fields_that_nobody_asked_for_are_ignored() {
    let system = System::in_process().await;
    for (number, (door, admin)) in doors(&system).into_iter().enumerate() {
        let id = format!("stray-{number}");
        let body = format!(
            r#"{{"applicationId":"{id}","name":"Stray","__proto__":{{"isActive":false}},"constructor":
               {{"prototype":{{"name":"x"}}}},"toString":7,"tenantId":"00000000-0000-4000-8000-000000000000",
               "createdAt":"1999-01-01T00:00:00Z","deletedAt":"1999-01-01T00:00:00Z","isAdmin":true,
               "Name":"Other","name ":"Other","":null,"\u0000":"\u0000","x":[[[{{"y":[]}}]]],"x":1}}"#
        );
        let made = send_text(&admin, "POST", "/v1/management/applications", body).await.expect(201);
        let path = format!("/v1/applications/{id}");
        assert_eq!((made.text("/name"), made.data("/isActive")), ("Stray".to_owned(), json!(true)), "{door}");
        let before = admin.get(&path).await.expect(200).data("");
        assert_ne!(before["createdAt"], "1999-01-01T00:00:00.000Z", "{door}");
        let change =
            r#"{"__proto__":{"name":"x"},"applicationId":"other","createdAt":"1999-01-01T00:00:00Z"}"#;
        let target = format!("/v1/management/applications/{id}");
        send_text(&admin, "PATCH", &target, change).await.expect(200);
        assert_same(&admin, &path, &before).await;
    }
}

/// A NUL ends a text for some programs, and for others it does not.
#[tokio::test]
async fn a_nul_in_a_text_is_refused_wherever_a_text_is_kept() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("stock").await;
    let (routes, doors) = (routes(&stock), doors(&system));
    let before = writes(&admin).await;
    let mut tried = 0;
    for (name, route, admin) in asked(&routes, &doors) {
        for field in route.texts() {
            let told = route.sent(admin, format!("{{\"{field}\":\"a\\u0000b\"}}")).await;
            let name = format!("{field}: {name}: {told:?}");
            // What only names something that is there is looked for and not found.
            assert!((400..500).contains(&told.status), "{name}");
            if told.status == 400 && !route.is_for_edges {
                let named = faulty(&told);
                // A field with two names is told by the first.
                let other = field.replace("sessionId", "session_id");
                // What a completion repeats is only compared.
                let is_compared = route.target.ends_with("large-complete");
                assert!(named.contains(field) || named.contains(&other) || is_compared, "{name}");
                tried += 1;
            }
        }
    }
    assert!(tried > 60, "{tried}");
    assert_eq!(writes(&admin).await, before, "something was written");
}
