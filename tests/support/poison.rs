//! Whoever can write to the bus: a carrier that hands over what the control plane said, and mutants of it beside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::bus::arbiter::{Arbiter, Arbitrated};
use common::bus::local::LocalBus;
use common::bus::{Acks, BusError, Cursor, Feed, LogId, News, Reports};
use common::digest::Digest;
use common::key::Presented;
use common::wire::seal::{Kind, seal};
use common::wire::v1::{Batch, Entry};
use ed25519_dalek::SigningKey;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::admin::Stock;
use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};
use crate::system::System;

/// Genuine bytes that are kept to make mutants of.
const MOST_KEPT: usize = 64;

/// A carrier in the hands of somebody else.
pub struct Poisoned {
    bus: LocalBus,
    state: Mutex<State>,
    /// Mutants that a reading brings beside what is genuine.
    at_once: usize,
    made: AtomicU64,
}

struct State {
    rng: StdRng,
    genuine: Vec<Bytes>,
    stranger: SigningKey,
    /// Texts that its forgeries put in the place of others: the digest of a key that was never made.
    swaps: Vec<(String, String)>,
    /// Heads and buckets that are mutants, yet.
    snapshots: u32,
}

impl Poisoned {
    /// Over what the control plane says on `bus`.
    #[must_use]
    pub fn new(bus: LocalBus, seed: u64, at_once: usize) -> Arc<Self> {
        let state = State {
            rng: StdRng::seed_from_u64(seed),
            genuine: Vec::new(),
            stranger: SigningKey::from_bytes(&[66; 32]),
            swaps: Vec::new(),
            snapshots: 0,
        };
        Arc::new(Self { bus, state: Mutex::new(state), at_once, made: AtomicU64::new(0) })
    }

    /// Mutants that were handed over so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// From now on forgeries have `to` wherever the genuine words have `from`.
    pub fn swap(&self, from: String, to: String) {
        self.state.lock().unwrap().swaps.push((from, to));
    }

    /// The next so many heads and buckets are mutants.
    pub fn spoil_snapshots(&self, count: u32) {
        self.state.lock().unwrap().snapshots = count;
    }

    fn spoiled(&self, found: Option<Bytes>) -> Option<Bytes> {
        let found = found?;
        let mut state = self.state.lock().unwrap();
        state.keep(&found);
        if state.snapshots == 0 {
            return Some(found);
        }
        state.snapshots -= 1;
        self.made.fetch_add(1, Ordering::Relaxed);
        Some(state.mutant())
    }
}

impl State {
    fn keep(&mut self, sealed: &Bytes) {
        if self.genuine.len() < MOST_KEPT {
            self.genuine.push(sealed.clone());
        } else {
            let place = self.rng.random_range(0..MOST_KEPT);
            self.genuine[place] = sealed.clone();
        }
    }

    fn one(&mut self) -> Bytes {
        if self.genuine.is_empty() {
            return Bytes::new();
        }
        let place = self.rng.random_range(0..self.genuine.len());
        self.genuine[place].clone()
    }

    /// Something that the control plane never said there.
    fn mutant(&mut self) -> Bytes {
        let mut bytes = self.one().to_vec();
        match self.rng.random_range(0..10) {
            // Genuine words, at a place that is not theirs.
            0 => {}
            1 => bytes.truncate(self.rng.random_range(0..=bytes.len())),
            2 => bytes.extend((0..self.rng.random_range(1..200)).map(|n| n as u8)),
            3 => {
                let other = self.one();
                let cut = self.rng.random_range(0..=bytes.len().min(other.len()));
                bytes.splice(..cut, other[..cut].to_vec());
            }
            4 => return self.forged(&bytes),
            5 => return self.nonsense(),
            6 => {
                bytes = vec![0; self.rng.random_range(0..300)];
                self.rng.fill_bytes(&mut bytes);
            }
            _ => {
                for _ in 0..self.rng.random_range(1..9) {
                    if !bytes.is_empty() {
                        let place = self.rng.random_range(0..bytes.len());
                        bytes[place] ^= 1 << self.rng.random_range(0..8);
                    }
                }
            }
        }
        bytes.into()
    }

    /// The genuine words with others in their place, signed by a key that is not the control plane's.
    fn forged(&mut self, sealed: &[u8]) -> Bytes {
        let mut text = String::from_utf8_lossy(sealed.get(64..).unwrap_or_default()).into_owned();
        for (from, to) in &self.swaps {
            text = text.replace(from, to);
        }
        seal(self.kind(), text.as_bytes(), &self.stranger)
    }

    /// What would be in force at once, but for the key that signed it: the next change after the cursor, with records of
    /// the genuine ones in which a key that was never made has the place of another and what is disabled is not.
    fn crafted(&mut self, after: Cursor) -> Option<(LogId, Bytes)> {
        let genuine = self.one();
        let batch = Batch::decode(genuine.get(64..)?).ok()?;
        let sequence = after.changes.sequence + 1;
        let entries = batch.entries.into_iter().filter_map(|entry| {
            let mut text = entry.record?.get().to_owned();
            for (from, to) in &self.swaps {
                text = text.replace(from, to);
            }
            let record = Some(RawValue::from_string(text).ok()?);
            Some(Entry { address: entry.address, sequence, record })
        });
        let forged = Batch {
            epoch: after.epoch,
            previous: after.changes.sequence,
            sequence,
            part: 0,
            parts: 1,
            entries: entries.collect(),
        };
        Some((LogId { sequence, part: 0 }, seal(Kind::Batch, &forged.encode().ok()?, &self.stranger)))
    }

    /// What a careless program might write, and what breaks careless readers.
    fn nonsense(&mut self) -> Bytes {
        let text = match self.rng.random_range(0..8) {
            0 => "[".repeat(20_000),
            1 => r#"{"epoch":1e309,"sequence":NaN}"#.to_owned(),
            2 => r#"{"epoch":-1,"sequence":18446744073709551616,"part":4294967296}"#.to_owned(),
            3 => r#"{"epoch":1,"epoch":2,"addresses":[""]}"#.to_owned(),
            4 => r#"{"address":"key:x","record":{"allowlist":["10.0.0.0/33"],"rateLimitRpm":-1}}"#.to_owned(),
            5 => "\u{feff}{}".to_owned(),
            6 => r#"{"a":"\ud800"}"#.to_owned(),
            _ => "null".to_owned(),
        };
        seal(self.kind(), text.as_bytes(), &self.stranger)
    }

    fn kind(&mut self) -> Kind {
        [Kind::Head, Kind::Batch, Kind::Denials][self.rng.random_range(0..3)]
    }

    /// A place after the cursor: next to it, far from it, or as far as there is.
    fn place(&mut self, after: LogId) -> LogId {
        let sequence = match self.rng.random_range(0..4) {
            0 => after.sequence.saturating_add(1),
            1 => after.sequence.saturating_add(self.rng.random_range(0..1_000)),
            2 => u64::MAX,
            _ => self.rng.random(),
        };
        LogId { sequence, part: self.rng.random_range(0..3) }
    }
}

#[async_trait]
impl Feed for Poisoned {
    async fn head(&self) -> Result<Option<Bytes>, BusError> {
        Ok(self.spoiled(Feed::head(&self.bus).await?))
    }

    async fn buckets(&self, names: &[Digest]) -> Result<Vec<Option<Bytes>>, BusError> {
        let found = self.bus.buckets(names).await?;
        Ok(found.into_iter().map(|packed| self.spoiled(packed)).collect())
    }

    async fn news(&self, cursor: Cursor, wait: Duration) -> Result<News, BusError> {
        let mut news = self.bus.news(cursor, wait).await?;
        let mut state = self.state.lock().unwrap();
        for (_, sealed) in news.changes.iter().chain(&news.denials) {
            state.keep(sealed);
        }
        for number in 0..self.at_once {
            if number % 8 == 0
                && let Some(crafted) = state.crafted(cursor)
            {
                news.changes.push(crafted);
                continue;
            }
            let mutant = state.mutant();
            if state.rng.random() {
                let place = state.place(cursor.changes);
                news.changes.push((place, mutant));
            } else {
                let place = state.place(cursor.denials);
                news.denials.push((place, mutant));
            }
        }
        // In the order of their places, as a stream has them: the genuine ones among the others.
        news.changes.sort_by_key(|(id, _)| *id);
        news.denials.sort_by_key(|(id, _)| *id);
        self.made.fetch_add(self.at_once as u64, Ordering::Relaxed);
        Ok(news)
    }
}

#[async_trait]
impl Reports for Poisoned {
    async fn send(&self, sealed: Bytes) -> Result<(), BusError> {
        self.bus.send(sealed).await
    }
}

#[async_trait]
impl Acks for Poisoned {
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        self.bus.acknowledge(sealed).await
    }
}

impl Arbitrated for Poisoned {
    fn arbiter(&self) -> Option<Arc<dyn Arbiter>> {
        self.bus.arbiter()
    }
}

/// What an edge decides about keys while its bus is in somebody else's hands; panics when that changes.
pub async fn hold_against(mutants: u64, at_once: usize, seed: u64) -> u64 {
    let panics = count_panics();
    let system = System::adjusted(0, |_, _| ()).await;
    let (desk, poisoned) = (system.at_desk(), Poisoned::new(system.bus.clone(), seed, at_once));
    let stock = desk.stock("poisoned").await;
    let (victim, revoked) = (
        desk.create_key(&stock.customer, json!({})).await,
        desk.create_key(&stock.customer, json!({})).await,
    );
    let never = "a-key-that-nobody-has-ever-made";
    poisoned.swap(digest_of(&victim.text), digest_of(never));
    poisoned.swap("\"isEnabled\":false".to_owned(), "\"isEnabled\":true".to_owned());
    desk.change_key(&revoked, json!({ "isEnabled": false })).await.expect(200);
    let mut edge = OneEdge::start(&system, &poisoned, 0).await;
    let mut turn = 0;
    while poisoned.made() < mutants {
        turn += 1;
        // Rights that begin and rights that end, among the mutants: all of it arrives, and nothing else.
        let (new, old) = (desk.create_key(&stock.customer, json!({})).await, never);
        edge.decides(&stock, &new.text, true).await;
        desk.change_key(&new, json!({ "isEnabled": false })).await.expect(200);
        edge.decides(&stock, &new.text, false).await;
        for (key, admits) in
            [(&*stock.key.text, true), (&victim.text, true), (&revoked.text, false), (old, false)]
        {
            let answer = edge.client(key).get(&stock.path()).await;
            assert!(is(admits, answer.status), "turn {turn}: {answer:?}");
        }
        if turn % 5 == 0 {
            // One that knows nothing yet, whose snapshot is spoiled again and again.
            poisoned.spoil_snapshots(5);
            edge = OneEdge::start(&system, &poisoned, turn).await;
        }
    }
    assert_eq!(panics.load(Ordering::SeqCst), 0, "something panicked");
    poisoned.made()
}

/// Panics of the programs, not of tests.
fn count_panics() -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let (counting, before) = (count.clone(), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        if panic.location().is_some_and(|place| !place.file().starts_with("tests/")) {
            counting.fetch_add(1, Ordering::SeqCst);
        }
        before(panic);
    }));
    count
}

fn digest_of(text: &str) -> String {
    Presented::parse(text).unwrap().digest().to_string()
}

/// An edge that follows nothing but the carrier.
struct OneEdge {
    base: String,
    _stop: DropGuard,
}

impl OneEdge {
    async fn start(system: &System, poisoned: &Arc<Poisoned>, number: u32) -> Self {
        let stop = CancellationToken::new();
        let config = system.edge_config(&format!("edge-{number}"));
        let edge =
            edge::app::start(config, poisoned.clone(), system.clock.clone(), stop.clone()).await.unwrap();
        Self { base: format!("http://{}", edge.address), _stop: stop.drop_guard() }
    }

    fn client(&self, key: &str) -> Client {
        Client::new(&self.base, Some(key))
    }

    async fn decides(&self, stock: &Stock, key: &str, admits: bool) {
        let client = self.client(key);
        eventually(PATIENCE, || async {
            let answer = client.get(&stock.path()).await;
            if is(admits, answer.status) { Ok(()) } else { Err(answer) }
        })
        .await;
    }
}

/// Whether a status says that a key is admitted, or that it is not: so many failures from one address are throttled.
fn is(admits: bool, status: u16) -> bool {
    if admits { status == 200 } else { matches!(status, 401 | 429) }
}
