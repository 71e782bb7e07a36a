//! Random requests over raw sockets: made from the route table and mutated, down to plain noise.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::routes::{Credential, ROUTES, Route, RouteId};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::admin::Stock;
use crate::fleet::Fleet;

/// A server that has not answered by then hangs.
const LONGEST: Duration = Duration::from_secs(10);
/// Of an answer so much is read.
const MOST: u64 = 1 << 20;

/// What requests are made of.
pub struct Material {
    addresses: Vec<SocketAddr>,
    /// Read through the edges, never written.
    stock: Stock,
    /// Written at will.
    victim: Stock,
    admin_key: String,
    /// What stands in the path of a large upload that waits for two bytes, of a signed URL, and of a share link.
    ticket: String,
    link: String,
    share: String,
}

impl Material {
    /// Puts the things into a fleet that requests are about.
    pub async fn gather(fleet: &Fleet) -> Self {
        let admin = fleet.admin(0);
        let (stock, victim) = (admin.stock("fuzz-stock").await, admin.stock("fuzz-victim").await);
        let urls = fleet.edges.iter().enumerate().map(|(edge, _)| fleet.stranger(edge).base().to_owned());
        let urls: Vec<String> = urls.chain([fleet.at_desk().base().to_owned()]).collect();
        let addresses = urls.iter().map(|url| url.trim_start_matches("http://").parse().unwrap()).collect();
        let about = json!({ "fileName": "large.bin", "fileSize": 2 });
        let begun = admin.begin_upload(&victim.application, "large", about).await.expect(200);
        let url = begun.text("/uploadUrl");
        let ticket = url.rsplit('/').next().unwrap().to_owned();
        let ask = format!("/v1/downloads/url?applicationId={}&version=latest", stock.application);
        let url = fleet.client(0, &stock.key.text).get(&ask).await.expect(200).text("/url");
        let link = url.rsplit('/').nth(1).unwrap().to_owned();
        let order = json!({ "applicationId": stock.application, "version": stock.version });
        let shared = fleet.client(0, &stock.key.text).post("/v1/downloads/share", &order).await.expect(200);
        let share = shared.text("/token");
        let admin_key = admin.create_admin_key(json!({})).await.text;
        Self { addresses, stock, victim, admin_key, ticket, link, share }
    }
}

/// A request as bytes, and whether a server can know where it ends.
struct Shot {
    bytes: Vec<u8>,
    is_whole: bool,
}

/// How many answers had each status; under 0 what got none.
pub type Counts = BTreeMap<u16, u64>;

/// Sends the requests number `from` to `to` of a seed, several at a time. Panics at a 5xx, a hang, and an answer that is
/// no HTTP.
pub async fn fire(material: &Material, seed: u64, numbers: std::ops::Range<u64>) -> Counts {
    let lanes = 4;
    let lane = |lane: u64| {
        let numbers = numbers.clone().filter(move |number| number % lanes == lane);
        async move {
            let mut counts = Counts::new();
            for number in numbers {
                let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number));
                let shot = make(material, &mut rng);
                let status = exchange(material, &shot, &mut rng).await;
                let status = status.unwrap_or_else(|says| {
                    panic!("{says}: seed {seed} number {number}: {}", shot.bytes.escape_ascii())
                });
                *counts.entry(status).or_default() += 1;
            }
            counts
        }
    };
    let (a, b, c, d) = tokio::join!(lane(0), lane(1), lane(2), lane(3));
    let mut all = Counts::new();
    for (status, count) in [a, b, c, d].into_iter().flatten() {
        *all.entry(status).or_default() += count;
    }
    all
}

/// Answers that were a success: so many requests came through to what they were about.
#[must_use]
pub fn successes(counts: &Counts) -> u64 {
    counts.range(200..300).map(|(_, count)| count).sum()
}

/// The status of the answer; 0 when there was none, which only noise and broken requests may meet.
async fn exchange(material: &Material, shot: &Shot, rng: &mut StdRng) -> Result<u16, String> {
    let socket = TcpSocket::new_v4().unwrap();
    // From many addresses: failures are throttled by source, and a wall of 429 would hide what is behind it.
    socket.bind(SocketAddr::from(([127, 0, rng.random_range(1..250), rng.random_range(1..250)], 0))).unwrap();
    let address = pick(rng, &material.addresses);
    let talk = async {
        let mut stream =
            socket.connect(*address).await.map_err(|error| format!("nobody listens: {error}"))?;
        // A server may answer and close before it has read everything: what it said still counts.
        let _ = stream.write_all(&shot.bytes).await;
        if !shot.is_whole {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = stream.take(MOST).read_to_end(&mut answer).await;
        Ok(answer)
    };
    let answer: Result<Vec<u8>, String> =
        tokio::time::timeout(LONGEST, talk).await.map_err(|_| "a hang".to_owned())?;
    judge(&answer?, shot.is_whole)
}

fn judge(answer: &[u8], is_whole: bool) -> Result<u16, String> {
    if answer.is_empty() && !is_whole {
        return Ok(0);
    }
    // What is said in between (RFC 9110 section 15.2) is not the answer yet.
    let between = b"HTTP/1.1 100 Continue\r\n\r\n";
    let answer = answer.strip_prefix(between).filter(|rest| !rest.is_empty()).unwrap_or(answer);
    let line = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    match status {
        Some(status) if status < 500 => Ok(status),
        Some(_) => Err(format!("a fault: {line}")),
        None => Err(format!("no HTTP: {line:?}")),
    }
}

fn pick<'a, T>(rng: &mut StdRng, items: &'a [T]) -> &'a T {
    &items[rng.random_range(0..items.len())]
}

fn chance(rng: &mut StdRng, percent: u32) -> bool {
    rng.random_range(0..100) < percent
}

fn noise(rng: &mut StdRng, longest: usize) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(0..=longest)];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn make(material: &Material, rng: &mut StdRng) -> Shot {
    if chance(rng, 4) {
        return Shot { bytes: noise(rng, 300), is_whole: false };
    }
    let route = pick(rng, ROUTES);
    let mut head =
        format!("{} {} HTTP/1.1\r\n", method(route, rng), target(route, material, rng)).into_bytes();
    for line in headers(route, material, rng) {
        head.extend_from_slice(line.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let (framing, body, is_whole) = body(route, material, rng);
    head.extend_from_slice(framing.as_bytes());
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    head.extend_from_slice(&body);
    let mut shot = Shot { bytes: head, is_whole };
    if chance(rng, 15) {
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..shot.bytes.len());
            shot.bytes[at] = rng.random_range(0..=255);
        }
        shot.is_whole = false;
    }
    shot
}

fn method(route: &Route, rng: &mut StdRng) -> String {
    if chance(rng, 85) {
        return route.method.to_string();
    }
    let others = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE", "get"];
    (*pick(rng, &others)).to_owned()
}

/// The path with something in the place of each parameter, and a query.
fn target(route: &Route, material: &Material, rng: &mut StdRng) -> String {
    let mut path = String::new();
    for segment in route.path.split('/').skip(1) {
        path.push('/');
        match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => path.push_str(&value(name, route, material, rng)),
            None => path.push_str(segment),
        }
    }
    if chance(rng, 8) {
        let tails = ["/", "//", "/../x", "%00", "%2e%2e%2f", "/%ff", ";a=b", "/extra"];
        path.push_str(pick::<&str>(rng, &tails));
    }
    if chance(rng, 40) {
        path.push_str(&query(material, rng));
    }
    path
}

fn value(name: &str, route: &Route, material: &Material, rng: &mut StdRng) -> String {
    let junk = ["", "%", "%zz", "..", "a%2fb", "%F0%9F%92%A9", "latest", "0", "null", "'or'1", "x"];
    if chance(rng, 10) {
        return (*pick(rng, &junk)).to_owned();
    }
    if chance(rng, 2) {
        return "y".repeat(rng.random_range(1..9_000));
    }
    let from = if route.method.is_safe() { &material.stock } else { &material.victim };
    match name {
        "applicationId" => from.application.clone(),
        "version" => from.version.clone(),
        "fileId" => from.file_id.clone(),
        "fileName" => from.file_name.clone(),
        "customerId" => from.customer.clone(),
        "keyId" => from.key.id.clone(),
        "ticket" => material.ticket.clone(),
        "link" => material.link.clone(),
        "token" => material.share.clone(),
        _ => format!("{}.{}", hexed(rng), hexed(rng)),
    }
}

fn hexed(rng: &mut StdRng) -> String {
    format!("{:016x}", rng.next_u64())
}

fn query(material: &Material, rng: &mut StdRng) -> String {
    let stock = &material.stock;
    let pairs = [
        format!("applicationId={}&version={}", stock.application, stock.version),
        format!("applicationId={}&version=latest&fileId={}", stock.application, stock.file_id),
        "current=1.0.0+x&os=linux&arch=x86_64".to_owned(),
        "current=latest&os=plan9&channel=%f0".to_owned(),
        "limit=1&page=2".to_owned(),
        "limit=99999999999999999999".to_owned(),
        "pageSize=-1&sortBy=name&sortOrder=desc".to_owned(),
        "search=%ff%fe&tags=,,,".to_owned(),
        "cursor=AAAA&isActive=perhaps".to_owned(),
        "a=1&a=2&&=&%".to_owned(),
    ];
    format!("?{}", pick(rng, &pairs))
}

fn headers(route: &Route, material: &Material, rng: &mut StdRng) -> Vec<String> {
    let mut lines = vec![if chance(rng, 96) { "Host: fuzz.example" } else { "Host: a b" }.to_owned()];
    // The admin's own key must outlive its use.
    let admin =
        if route.id == RouteId::RegenerateOwnKey { &material.stock.key.text } else { &material.admin_key };
    let (stock, victim) = (&material.stock.key.text, &material.victim.key.text);
    let keys = match route.credential {
        Credential::Admin => [admin, admin, admin, stock],
        _ => [stock, stock, admin, victim],
    };
    if chance(rng, 90) {
        lines.push(format!("Authorization: Bearer {}", pick(rng, &keys)));
    }
    if chance(rng, 5) {
        lines.push(format!("X-API-Key: {}", pick(rng, &keys)));
    }
    let others = [
        "Range: bytes=0-99",
        "Range: bytes=-1",
        "Range: bytes=5-",
        "Range: bytes=9999999-",
        "Range: bytes=9-1",
        "Range: bytes=0-1,5-9, 100-",
        "Range: items=1-2",
        "Range: bytes=18446744073709551615-",
        "If-Range: \"x\"",
        "If-None-Match: *",
        "If-Match: \"no\"",
        "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT",
        "X-Channel: Test",
        "X-Channel: \u{7f}",
        "Accept: application/problem+json",
        "Accept: */*;q=x",
        "Content-Type: application/json",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Type: text/xml",
        "Content-Type: multipart/form-data",
        "Expect: 100-continue",
        "X-Request-Id: evil\tone",
        "TE: trailers",
        "X-Tidegate-Forwarded: forged",
        "X-Tidegate-Sequence: 1.1",
        "Authorization: Basic !!!",
        "Upgrade: h2c",
        "Cookie: a=b",
        "Accept-Encoding: gzip",
        "Idempotency-Key: 1",
    ];
    for _ in 0..rng.random_range(0..3) {
        lines.push((*pick(rng, &others)).to_owned());
    }
    if chance(rng, 2) {
        lines.push(format!("X-Long: {}", "z".repeat(rng.random_range(1..70_000))));
    }
    lines
}

/// The framing headers, the body, and whether the two fit.
fn body(route: &Route, material: &Material, rng: &mut StdRng) -> (String, Vec<u8>, bool) {
    if chance(rng, if route.method.is_safe() { 80 } else { 10 }) {
        return (String::new(), Vec::new(), true);
    }
    let content = content(material, rng);
    match rng.random_range(0..10) {
        0 => (format!("Content-Length: {}\r\n", content.len() + 5), content, false),
        1 => {
            let mut chunked = format!("{:x}\r\n", content.len()).into_bytes();
            chunked.extend_from_slice(&content);
            // An empty chunk would be the end already.
            let end: &[u8] = if content.is_empty() { b"\r\n" } else { b"\r\n0\r\n\r\n" };
            chunked.extend_from_slice(end);
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunked, true)
        }
        2 => ("Transfer-Encoding: chunked\r\n".to_owned(), content, false),
        3 => ("Content-Length: 3\r\nContent-Length: 4\r\n".to_owned(), content, false),
        _ => (format!("Content-Length: {}\r\n", content.len()), content, true),
    }
}

fn content(material: &Material, rng: &mut StdRng) -> Vec<u8> {
    let victim = &material.victim;
    let forms = [
        "{}".to_owned(),
        "[]".to_owned(),
        "{\"name\":".to_owned(),
        "{\"name\":null,\"name\":1,\"tier\":[],\"isEnabled\":\"yes\"}".to_owned(),
        format!("{{\"name\":\"N\",\"tier\":\"Premium\",\"rateLimitRpm\":{}}}", rng.next_u32()),
        format!("{{\"applicationId\":\"app-{}\",\"name\":\"A\",\"customerIds\":[\"{}\"]}}", hexed(rng), victim.customer),
        format!("{{\"kind\":\"customer\",\"customerId\":\"{}\",\"ipAllowlist\":\"10.0.0.0/8,::1/129\"}}", victim.customer),
        format!("{{\"expiresAt\":\"2999-01-01T00:00:00Z\",\"scopes\":[\"apps:read\"],\"channels\":[\"{}\"]}}", hexed(rng)),
        format!(
            "{{\"applicationId\":\"{}\",\"version\":\"{}\",\"fileName\":\"f.bin\",\"fileSize\":7,\"fileContent\":\"aGVs bG8=\"}}",
            victim.application,
            rng.next_u32()
        ),
        format!("{{\"applicationId\":\"{}\",\"version\":\"latest\",\"expiresMinutes\":5}}", material.stock.application),
        format!("{{\"uploadId\":\"{}\",\"checksum\":\"00\"}}", hexed(rng)),
        format!("{}1{}", "[".repeat(3_000), "]".repeat(3_000)),
        "--b\r\nContent-Disposition: form-data; name=\"applicationId\"\r\n\r\nfuzz-victim\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../x\"\r\n\r\nabc\r\n--b--\r\n".to_owned(),
    ];
    if chance(rng, 12) {
        return noise(rng, 20_000);
    }
    pick(rng, &forms).clone().into_bytes()
}
