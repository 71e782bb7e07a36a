//! How long a right that was taken away still opens a door: from the API's answer to the last success, at each edge.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::admin::{Admin, Key, Stock};
use crate::client::Answer;
use crate::eventually::{PATIENCE, eventually};
use crate::fleet::Fleet;

/// How often each edge is asked.
const EVERY: Duration = Duration::from_millis(10);
/// Subjects that are made ready at once.
const AT_ONCE: usize = 60;

const SESSIONS: &str = "/v1/auth/sessions";

/// The ways in which a right ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Disable,
    Delete,
    Customer,
    Session,
    Grant,
    Addresses,
    Tier,
}

/// All of them.
pub const WAYS: [Way; 7] =
    [Way::Disable, Way::Delete, Way::Customer, Way::Session, Way::Grant, Way::Addresses, Way::Tier];

/// How long rights outlived their end, one per edge and revocation, shortest first.
#[derive(Clone, Debug)]
pub struct Lags(Vec<Duration>);

impl Lags {
    /// The lag that so many of a hundred do not exceed.
    #[must_use]
    pub fn percentile(&self, of_hundred: usize) -> Duration {
        self.0[(self.0.len() * of_hundred).div_ceil(100).max(1) - 1]
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.percentile(100)
    }
}

impl fmt::Display for Lags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, most] = [50, 90, 99, 100].map(|of| self.percentile(of));
        write!(f, "{} lags: p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, longest {most:.1?}", self.0.len())
    }
}

/// Somebody with one right of each kind.
struct Subject {
    way: Way,
    customer: String,
    key: Key,
    /// What is presented: the key, or the token of a session.
    credential: String,
    path: String,
}

/// What subjects download.
pub struct Wares {
    plain: Stock,
    /// Its version requires the tier Premium.
    premium: Stock,
    made: usize,
}

impl Wares {
    /// Puts them into a fleet.
    pub async fn gather(fleet: &Fleet) -> Self {
        let desk = fleet.at_desk();
        let (plain, premium) = (desk.stock("plain").await, desk.stock("premium").await);
        let required = json!({ "requiredTier": "Premium" });
        desk.change_version(&premium.application, &premium.version, required).await.expect(200);
        Self { plain, premium, made: 0 }
    }

    async fn subject(&mut self, desk: &Admin, way: Way) -> Subject {
        self.made += 1;
        let customer = format!("subject-{}", self.made);
        let ware = if way == Way::Tier { &self.premium } else { &self.plain };
        desk.create_customer(&customer, "Premium").await.expect(201);
        desk.assign(&ware.application, &[&customer]).await.expect(200);
        let key = desk.create_key(&customer, json!({ "rateLimitRpm": 1_000_000 })).await;
        let credential = if way == Way::Session { log_in(desk, &key).await } else { key.text.clone() };
        Subject { way, customer, key, credential, path: ware.path() }
    }

    async fn end(&self, desk: &Admin, subject: &Subject, query: &str) -> Answer {
        let key = format!("/v1/management/apikeys/{}{query}", subject.key.id);
        let customer = format!("/v1/management/customers/{}{query}", subject.customer);
        match subject.way {
            Way::Disable => desk.patch(&key, &json!({ "isEnabled": false })).await,
            Way::Delete => desk.delete(&key).await,
            Way::Customer => desk.patch(&customer, &json!({ "isActive": false })).await,
            Way::Session => {
                // By the vendor: a customer's logout waits for nobody.
                let session = desk.with(Some(&subject.credential)).get(SESSIONS).await.expect(200);
                let id = session.column("/sessions", "sessionId").remove(0);
                desk.delete(&format!("{SESSIONS}/{id}{query}")).await
            }
            Way::Grant => {
                let path = format!("/v1/management/applications/{}/customers{query}", self.plain.application);
                desk.put(&path, &json!({ "removeCustomerIds": [subject.customer] })).await
            }
            Way::Addresses => desk.patch(&key, &json!({ "ipAllowlist": ["192.0.2.7"] })).await,
            Way::Tier => desk.patch(&customer, &json!({ "tier": "Basic" })).await,
        }
    }
}

async fn log_in(desk: &Admin, key: &Key) -> String {
    let told = json!({ "api_key": key.text, "session_id": "subject" });
    let answer = desk.with(None).post("/auth/login", &told).await.expect(200);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Takes `count` rights away, one after the other, each while every edge in `edges` is asked for it all the time. `query`
/// is appended to the write.
pub async fn measure(
    fleet: &Fleet,
    wares: &mut Wares,
    (count, edges): (usize, &[usize]),
    query: &str,
) -> Lags {
    let desk = fleet.at_desk();
    let mut lags = Vec::with_capacity(count * edges.len());
    let mut left = count;
    while left > 0 {
        let now = left.min(AT_ONCE);
        left -= now;
        let mut subjects = Vec::with_capacity(now);
        for number in 0..now {
            subjects.push(wares.subject(&desk, WAYS[(left + number) % WAYS.len()]).await);
        }
        for subject in &subjects {
            for edge in edges {
                let client = fleet.client(*edge, &subject.credential);
                eventually(PATIENCE, || async {
                    client.get_with(&subject.path, "range", "bytes=0-0").await.is(206)
                })
                .await;
            }
        }
        for subject in &subjects {
            lags.extend(revoke(fleet, wares, (subject, edges), query).await);
        }
    }
    lags.sort_unstable();
    Lags(lags)
}

async fn revoke(
    fleet: &Fleet,
    wares: &Wares,
    (subject, edges): (&Subject, &[usize]),
    query: &str,
) -> Vec<Duration> {
    let (tell, told) = watch::channel(0u64);
    let probes: Vec<_> = edges
        .iter()
        .map(|edge| {
            let (base, told) = (fleet.stranger(*edge).base().to_owned(), tell.clone());
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\nAuthorization: Bearer {}\r\n\r\n",
                subject.path, subject.credential
            );
            tokio::spawn(async move { probe(&base, &request, &told).await })
        })
        .collect();
    // Each edge has answered twice on the connection that will see the end.
    let mut told = told;
    told.wait_for(|answers| *answers >= 2 * edges.len() as u64).await.unwrap();
    let answer = wares.end(&fleet.at_desk(), subject, query).await;
    let ended = Instant::now();
    assert!(answer.status < 300, "{:?}: {answer:?}", subject.way);
    let mut lags = Vec::with_capacity(edges.len());
    for probe in probes {
        let last = tokio::time::timeout(PATIENCE, probe).await.expect("never refused").unwrap();
        lags.push(last.saturating_duration_since(ended));
    }
    for edge in edges {
        // It stays so.
        let again = fleet.client(*edge, &subject.credential).get(&subject.path).await;
        assert!(matches!(again.status, 401 | 403 | 404 | 429), "{:?} came back: {again:?}", subject.way);
    }
    lags
}

/// Asks on one connection until it is refused; when the last request was sent that was not.
async fn probe(base: &str, request: &str, told: &watch::Sender<u64>) -> Instant {
    let mut socket = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Instant::now();
    let mut answer = vec![0; 8192];
    loop {
        every.tick().await;
        let sent = Instant::now();
        socket.write_all(request.as_bytes()).await.unwrap();
        let read = socket.read(&mut answer).await.unwrap();
        if !answer[..read].starts_with(b"HTTP/1.1 206") {
            let says = answer[..read].escape_ascii();
            assert!(read == 0 || answer.starts_with(b"HTTP/1.1 4"), "{says}");
            return last;
        }
        last = sent;
        told.send_modify(|answers| *answers += 1);
    }
}
