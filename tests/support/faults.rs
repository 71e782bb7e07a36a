//! Faults, each with what it must not change: who may download can, who may not cannot, every edge calls itself ready,
//! and rights that are withdrawn meanwhile are gone in time. `flow` runs them small, `prove` in full size.

pub mod bus;
pub mod load;
pub mod poison;
pub mod programs;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::admin::{Key, Stock};
use crate::client::Answer;
use crate::eventually::{PATIENCE, eventually};
use crate::fleet::Fleet;
use crate::program::Launch;
use load::{Callers, Load, Tally};

/// How large a fault is made.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub edges: usize,
    /// Callers at each edge.
    pub callers: usize,
    /// Questions of those who may, during each fault.
    pub asks: u64,
    /// How often a fault that is short comes.
    pub rounds: usize,
    /// Keys that are used once.
    pub cold: usize,
    /// Edges that are started in one moment.
    pub herd: usize,
}

/// Seconds each, on a machine that does other things.
pub const SMALL: Size = Size { edges: 2, callers: 2, asks: 300, rounds: 3, cold: 40, herd: 6 };
/// Minutes each.
pub const LARGE: Size = Size { edges: 4, callers: 4, asks: 20_000, rounds: 100, cold: 2_000, herd: 60 };

/// The bar for what is withdrawn while the bus is at fault. The desk answers: edges ask it twice a second then.
pub const WITHDRAWN_WITHIN: Duration = Duration::from_secs(10);

/// A fleet with callers of every kind.
pub struct World {
    pub fleet: Fleet,
    pub stock: Stock,
    callers: Callers,
    /// Keys that work, to be withdrawn.
    spare: Mutex<Vec<Key>>,
    /// Keys that were, and that every edge has obeyed.
    withdrawn: Mutex<Vec<Key>>,
    size: Size,
}

impl World {
    /// Every edge knows everybody.
    pub async fn start(size: Size) -> Self {
        Self::adjusted(size, |_, launch| launch).await
    }

    /// The same, each edge launched as `adjust` has it.
    pub async fn adjusted(size: Size, adjust: impl Fn(usize, Launch) -> Launch) -> Self {
        let fleet = Fleet::adjusted(size.edges, adjust).await;
        let admin = fleet.at_desk();
        let stock = admin.stock("faults").await;
        let fast = json!({ "rateLimitRpm": 1_000_000 });
        let make = async |count: usize| {
            let mut keys = Vec::new();
            for _ in 0..count {
                keys.push(admin.create_key(&stock.customer, fast.clone()).await);
            }
            keys
        };
        let (hot, cold, spare) = (make(3).await, make(size.cold).await, make(size.rounds * 4 + 20).await);
        let token = json!({ "api_key": hot[0].text, "session_id": "faults" });
        let token = admin.with(None).post("/auth/login", &token).await.expect(200).json();
        let token = token["access_token"].as_str().unwrap().to_owned();
        let refused = refused(&fleet, &stock).await;
        let path = stock.path();
        let callers = Callers {
            path: path.clone(),
            bytes: stock.bytes.clone(),
            hot: hot.iter().map(|key| key.text.clone()).chain([token]).collect(),
            cold: Arc::new(Mutex::new(cold.into_iter().map(|key| key.text).collect())),
            refused,
        };
        let (spare, withdrawn) = (Mutex::new(spare), Mutex::default());
        let world = Self { fleet, stock, callers, spare, withdrawn, size };
        world.settle().await;
        world
    }

    /// Waits until every edge has applied everything.
    async fn settle(&self) {
        let last = format!("/v1/management/customers/{}?wait=edges&waitSeconds=20", self.stock.customer);
        self.fleet.at_desk().patch(&last, &json!({ "notes": "settled" })).await.expect(200);
    }

    fn every_edge(&self) -> Vec<usize> {
        (0..self.size.edges).collect()
    }

    /// Callers at these edges.
    fn load(&self, edges: &[usize]) -> Load {
        let door = |edge: &usize| {
            (self.fleet.stranger(*edge).base().to_owned(), self.fleet.private(*edge).to_owned())
        };
        let doors: Vec<_> = edges.iter().map(door).collect();
        Load::start(&doors, &self.callers, self.size.callers)
    }

    /// Lets the callers ask for as long as a fault lasts.
    async fn suffer(&self, load: &Load) {
        load.asked(self.size.asks).await;
    }

    fn spare(&self) -> Key {
        self.spare.lock().unwrap().pop().unwrap()
    }

    /// Withdraws a key at the desk, and gives how long after its answer the last of these edges obeyed.
    async fn withdraw(&self, edges: &[usize]) -> Duration {
        let key = self.spare();
        let took = self.withdraw_this(&key, edges).await;
        if edges.len() == self.size.edges {
            self.withdrawn.lock().unwrap().push(key);
        }
        took
    }

    /// What was withdrawn last stays so: asked again and again for a moment, at each of these edges.
    async fn assert_withdrawn(&self, edges: &[usize]) {
        let key = self.withdrawn.lock().unwrap().last().cloned();
        let Some(key) = key else { return };
        join_all(edges.iter().map(|edge| {
            let (client, path) = (self.fleet.client(*edge, &key.text), self.stock.path());
            async move {
                for _ in 0..20 {
                    let answer = client.get(&path).await;
                    // Who fails often is told to wait.
                    assert!(matches!(answer.status, 401 | 429), "a withdrawn key is back: {answer:?}");
                }
            }
        }))
        .await;
    }

    async fn withdraw_this(&self, key: &Key, edges: &[usize]) -> Duration {
        self.fleet.at_desk().change_key(key, json!({ "isEnabled": false })).await.expect(200);
        let began = Instant::now();
        join_all(edges.iter().map(|edge| {
            let (client, path) = (self.fleet.client(*edge, &key.text), self.stock.path());
            async move { eventually(WITHDRAWN_WITHIN, || async { denied(client.peek(&path).await) }).await }
        }))
        .await;
        began.elapsed()
    }

    /// Makes a key at the desk, and gives how long after that the last of these edges let it in.
    async fn admit(&self, edges: &[usize]) -> Duration {
        let key = self.fleet.at_desk().create_key(&self.stock.customer, json!({})).await;
        let began = Instant::now();
        join_all(edges.iter().map(|edge| {
            let (client, path) = (self.fleet.client(*edge, &key.text), self.stock.path());
            async move { eventually(PATIENCE, || async { client.get(&path).await.is(200) }).await }
        }))
        .await;
        began.elapsed()
    }

    /// The end of a fault: both kinds of change arrive as ever, nobody was wronged, and no program is the worse for it.
    async fn assert_well(&mut self, fault: &str, load: Load) -> Tally {
        let edges = self.every_edge();
        self.withdraw(&edges).await;
        self.admit(&edges).await;
        self.assert_withdrawn(&edges).await;
        // Enough to say so, however fast all that was.
        self.suffer(&load).await;
        let tally = load.stop().await;
        tally.assert_clean(fault);
        self.fleet.assert_sound();
        tally
    }
}

/// That a key, which has no limit to speak of, opens nothing any more. Who fails often is told to wait: that nobody is
/// whose key works.
fn denied(answer: Answer) -> Result<(), Box<Answer>> {
    if matches!(answer.status, 401 | 429) { Ok(()) } else { Err(Box::new(answer)) }
}

/// Somebody for every way in which a credential does not work.
async fn refused(fleet: &Fleet, stock: &Stock) -> Vec<(&'static str, String)> {
    let admin = fleet.at_desk();
    let make = async |options| admin.create_key(&stock.customer, options).await;
    let (deleted, rotated) = (make(json!({})).await, make(json!({})).await);
    admin.delete_key(&deleted).await.expect(200);
    let rotate = format!("/v1/management/apikeys/{}/rotate", rotated.id);
    admin.post(&rotate, &json!({ "overlapSeconds": 0 })).await.expect(201);
    admin.create_customer("cust-gone", "Basic").await.expect(201);
    let orphan = admin.create_key("cust-gone", json!({})).await;
    admin.change_customer("cust-gone", json!({ "isActive": false })).await.expect(200);
    let soon = common::time::Timestamp::from_millis(now_millis() + 1_500);
    let expired = make(json!({ "expiresAt": soon.to_string() })).await;
    let client = fleet.client(0, &expired.text);
    // Not as long as it is unknown there.
    eventually(PATIENCE, || async {
        let answer = client.get(&stock.path()).await;
        if answer.status == 401 && answer.failure().1 == "key_expired" { Ok(()) } else { Err(answer) }
    })
    .await;
    vec![
        ("disabled", make(json!({ "isEnabled": false })).await.text),
        ("deleted", deleted.text),
        ("replaced", rotated.text),
        ("of an inactive customer", orphan.text),
        ("expired", expired.text),
        ("for elsewhere", make(json!({ "ipAllowlist": ["203.0.113.7"] })).await.text),
        ("unknown", "a-key-that-nobody-has-ever-made".to_owned()),
        ("wrong by one character", format!("{}x", stock.key.text)),
    ]
}

/// By the clock of this machine.
pub(crate) fn now_millis() -> i64 {
    use common::runtime::clock::Clock as _;
    common::runtime::clock::SystemClock.now().millis()
}
