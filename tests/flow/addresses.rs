//! Who is asking: directly, through proxies that the operator trusts, through others, and by the PROXY protocol. No
//! header that a client sends gives it another address.

mod announced;
mod followed;

use serde_json::json;
use support::nginx::Nginx;
use support::relay::{Relay, announcement_of};
use support::{Answer, Fleet, Key, PATIENCE, Stock, eventually, raw};

/// Where trusted proxies stand, one of them, and one that is none of ours.
const TRUSTED: &str = "127.0.20.0/24";
const PROXY: &str = "127.0.20.1";
const OTHER_PROXY: &str = "127.0.21.1";
/// Where the key may be used from …
const ALLOWED: [&str; 2] = ["198.51.100.7", "2001:db8:a::7"];
/// … also as a peer on this machine.
const ALLOWED_PEER: &str = "127.0.22.1";
/// Who would like to use it.
const THIEF: &str = "203.0.113.66";

/// Who writes in which header when a thief's request passes a proxy: the proxy appends the thief's address where a line
/// ends in `@`, and else adds a line of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writes {
    List,
    Forwarded,
}

use Writes::{Forwarded, List};

/// Heads that claim to come from an address that is allowed, as they are when they have passed a proxy.
const SHAPES: [(Writes, &[&str]); 34] = [
    (List, &["X-Forwarded-For: 198.51.100.7@"]),
    (List, &["X-Forwarded-For: 198.51.100.7"]),
    (List, &["X-Forwarded-For: 198.51.100.7", "X-Forwarded-For: 198.51.100.7@"]),
    (List, &["X-Forwarded-For: 198.51.100.7, 198.51.100.7, 198.51.100.7@"]),
    (List, &["x-FORWARDED-for: 198.51.100.7@"]),
    (List, &["X-Forwarded-For: 198.51.100.7, 127.0.20.1, 127.0.20.2@"]),
    (List, &["X-Forwarded-For: 127.0.20.1, 198.51.100.7@"]),
    (List, &["X-Forwarded-For: 2001:db8:a::7@"]),
    (List, &["X-Forwarded-For: [2001:db8:a::7]:443@"]),
    (List, &["X-Forwarded-For: 198.51.100.7:80@"]),
    (List, &["X-Forwarded-For: ::ffff:198.51.100.7@"]),
    (List, &["X-Forwarded-For: \"198.51.100.7\"@"]),
    (List, &["X-Forwarded-For: 198.51.100.7,,@"]),
    (List, &["X-Forwarded-For: unknown, 198.51.100.7@"]),
    (List, &["X-Forwarded-For: 198.51.100.7, \u{ff}\u{e9}@"]),
    (List, &["X-Forwarded-For:\t198.51.100.7 \t@"]),
    (List, &["X-Forwarded-For: 198.51.100.7%eth0, fe80::1%eth0@"]),
    (List, &["X-Forwarded-For: 198.51.100.7@", "Connection: x-forwarded-for, close"]),
    (List, &["X_Forwarded_For: 198.51.100.7"]),
    (List, &["X-Forwarded: 198.51.100.7", "Forwarded-For: 198.51.100.7"]),
    (List, &["X-Real-IP: 198.51.100.7"]),
    (List, &["True-Client-IP: 198.51.100.7", "CF-Connecting-IP: 198.51.100.7"]),
    (List, &["X-Client-IP: 198.51.100.7", "Client-IP: 198.51.100.7", "X-Cluster-Client-IP: 198.51.100.7"]),
    (List, &["X-Originating-IP: 198.51.100.7", "Via: 1.1 198.51.100.7", "Fastly-Client-IP: 198.51.100.7"]),
    (List, &["X-Tidegate-Forwarded: {\"address\":\"198.51.100.7\",\"base\":\"http://x\",\"at\":0}"]),
    (List, &["Forwarded: for=198.51.100.7"]),
    (Forwarded, &["X-Forwarded-For: 198.51.100.7"]),
    (Forwarded, &["Forwarded: for=198.51.100.7@"]),
    (Forwarded, &["Forwarded: for=198.51.100.7", "Forwarded: for=198.51.100.7@"]),
    (Forwarded, &["Forwarded: For=\"198.51.100.7:80\";host=x;proto=https@"]),
    (Forwarded, &["Forwarded: for=\"[2001:db8:a::7]:443\"@"]),
    (Forwarded, &["Forwarded: for=_hidden, for=198.51.100.7, for=unknown@"]),
    (Forwarded, &["Forwarded: for=198.51.100.7;host=\"x, for=198.51.100.7@"]),
    (Forwarded, &["Forwarded: for=198.51.100.7;host=\"\\\"@"]),
];

/// The lines as they arrive: through a proxy that tells of `client`, or as the client itself sends them.
fn lines((writes, lines): (Writes, &[&str]), client: Option<&str>) -> String {
    let (name, hop) = match (writes, client) {
        (_, None) => return lines.iter().map(|line| format!("{}\r\n", line.trim_end_matches('@'))).collect(),
        (List, Some(client)) => ("X-Forwarded-For", client.to_owned()),
        (Forwarded, Some(client)) => ("Forwarded", format!("for=\"{client}\"")),
    };
    let mut all: String =
        lines.iter().map(|line| format!("{}\r\n", line.replace('@', &format!(", {hop}")))).collect();
    if !lines.iter().any(|line| line.contains('@')) {
        all.push_str(&format!("{name}: {hop}\r\n"));
    }
    all
}

/// What a download with these lines is answered.
async fn ask(base: &str, stock: &Stock, lines: &str) -> Answer {
    let head =
        format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n", stock.path(), stock.key.text);
    // The bytes of the lines are those of Latin-1: obs-text as clients send it (RFC 9110 section 5.5).
    let bytes: Vec<u8> = format!("{head}{lines}Connection: close\r\n\r\n").chars().map(|c| c as u8).collect();
    raw::exchange(base, &bytes).await
}

/// Edges that believe nobody, trusted proxies, and trusted proxies that say whose each connection is.
struct Shop {
    fleet: Fleet,
    /// With a key that is good from few addresses.
    stock: Stock,
    /// The same for an admin's.
    admin_key: Key,
}

const PLAIN: usize = 0;
const TRUSTING: usize = 1;
const ANNOUNCED: usize = 2;

impl Shop {
    async fn open() -> Self {
        let fleet = Fleet::adjusted(3, |edge, launch| match edge {
            PLAIN => launch,
            TRUSTING => launch.env("TIDEGATE_TRUSTED_PROXIES", TRUSTED),
            _ => launch.env("TIDEGATE_TRUSTED_PROXIES", TRUSTED).env("TIDEGATE_PROXY_PROTOCOL", "v2"),
        })
        .await;
        let admin = fleet.admin(PLAIN);
        let mut stock = admin.stock("guarded").await;
        let allowed =
            json!({ "ipAllowlist": [ALLOWED[0], "2001:DB8:A::/48", ALLOWED_PEER], "rateLimitRpm": 100_000 });
        stock.key = admin.create_key(&stock.customer, allowed.clone()).await;
        let shop = Self { admin_key: admin.create_admin_key(allowed).await, fleet, stock };
        for (edge, from, says) in [
            (PLAIN, ALLOWED_PEER, Vec::new()),
            (TRUSTING, ALLOWED_PEER, Vec::new()),
            (ANNOUNCED, PROXY, announcement_of(ALLOWED[0])),
        ] {
            let way = shop.way(edge, from, says).await;
            eventually(PATIENCE, || async { ask(&way.base, &shop.stock, "").await.is(200) }).await;
        }
        shop
    }

    fn base(&self, edge: usize) -> String {
        self.fleet.stranger(edge).base().to_owned()
    }

    async fn way(&self, edge: usize, from: &str, says: Vec<u8>) -> Relay {
        Relay::before(&self.base(edge), from, says).await
    }
}

#[tokio::test]
async fn no_header_gets_a_thief_past_an_allowlist_through_any_door() {
    let shop = Shop::open().await;
    let direct = shop.way(PLAIN, OTHER_PROXY, Vec::new()).await;
    let trusted = shop.way(TRUSTING, PROXY, Vec::new()).await;
    let untrusted = shop.way(TRUSTING, OTHER_PROXY, Vec::new()).await;
    let announced = shop.way(ANNOUNCED, PROXY, announcement_of(THIEF)).await;
    let mut bypasses = Vec::new();
    for shape in SHAPES {
        for (door, way, client) in [
            ("direct", &direct, None),
            ("through a trusted proxy", &trusted, Some(THIEF)),
            ("through an untrusted proxy", &untrusted, Some(THIEF)),
            ("announced", &announced, None),
        ] {
            let answer = ask(&way.base, &shop.stock, &lines(shape, client)).await;
            let reason = answer.failure_reason().unwrap_or_default();
            if !matches!(
                (answer.status, reason.as_str()),
                (403, "ip_not_allowed") | (400, "ambiguous_address")
            ) {
                bypasses.push(format!("{shape:?} {door}: {} {reason}", answer.status));
            }
        }
    }
    assert!(bypasses.is_empty(), "{bypasses:#?}");
}

#[tokio::test]
async fn who_may_gets_in_through_every_door_whatever_else_it_says() {
    let shop = Shop::open().await;
    let trusted = shop.way(TRUSTING, PROXY, Vec::new()).await;
    for client in ALLOWED {
        let announced = shop.way(ANNOUNCED, PROXY, announcement_of(client)).await;
        for (writes, claims) in SHAPES {
            let claims: Vec<String> = claims.iter().map(|line| line.replace(ALLOWED[0], THIEF)).collect();
            let claims: Vec<&str> = claims.iter().map(String::as_str).collect();
            let hop = if client.contains(':') { format!("[{client}]:4711") } else { client.to_owned() };
            let lines = lines((writes, &claims), Some(&hop));
            let answer = ask(&trusted.base, &shop.stock, &lines).await;
            let disagree = lines.contains("X-Forwarded-For: ") && lines.contains("Forwarded: for");
            assert_eq!(answer.status, if disagree { 400 } else { 200 }, "{lines} {answer:?}");
            ask(&announced.base, &shop.stock, &lines).await.expect(200);
        }
    }
    // Two proxies of ours in a row, each in its own way.
    let row = shop.way(ANNOUNCED, PROXY, announcement_of("127.0.20.2")).await;
    let told = |client: &str| format!("X-Forwarded-For: {THIEF}, {client}\r\n");
    assert_eq!(ask(&row.base, &shop.stock, &told(ALLOWED[0])).await.expect(200).body, shop.stock.bytes);
    ask(&row.base, &shop.stock, &told(THIEF)).await.expect(403);
    // A proxy that tells nothing is asked about itself.
    assert_eq!(ask(&trusted.base, &shop.stock, "").await.expect(403).failure().1, "ip_not_allowed");
}

#[tokio::test]
async fn behind_nginx_each_client_has_its_own_address() {
    let shop = Shop::open().await;
    let nginx = Nginx::before(&shop.base(TRUSTING), "127.0.20.9").await;
    let (path, forged) = (shop.stock.path(), format!("{}, {PROXY}", ALLOWED[0]));
    let at = |address| shop.fleet.client(TRUSTING, &shop.stock.key.text).to(&nginx.base).at(address);
    let got = at(ALLOWED_PEER).get_with(&path, "x-forwarded-for", THIEF).await.expect(200);
    assert_eq!(got.body, shop.stock.bytes);
    let refused = at("127.0.23.1").get_with(&path, "x-forwarded-for", &forged).await.expect(403);
    assert_eq!(refused.failure().1, "ip_not_allowed");
    let both =
        at("127.0.23.1").get_with(&path, "forwarded", &format!("for={}", ALLOWED[0])).await.expect(400);
    assert_eq!(both.failure().1, "ambiguous_address");
}
