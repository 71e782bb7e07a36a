//! Talks with the arbiter, so that the gate need not: for keys that want a lease it asks in the background, mostly before
//! anybody needs it, and whoever finds none waits here for a moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::bus::BusError;
use common::bus::arbiter::{Arbiter, Claim, Occupation};
use common::id::KeyId;
use tokio::sync::{Notify, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::app::Edge;
use crate::caps::Customer;

/// The longest that a request waits for a lease.
pub const PATIENCE: Duration = Duration::from_millis(20);
/// How often leases are looked at that were not asked for.
const LOOK: Duration = Duration::from_millis(100);
/// How often the arbiter hears that this edge is there, and is tried when it did not answer.
const ATTEND: Duration = Duration::from_secs(1);
/// How long an arbiter that lost its memory takes to hear of every edge again.
const LEARNS: Duration = Duration::from_secs(3);
/// Claims sent in one go.
const MOST: usize = 1_024;

/// Who is told when the arbiter has spoken.
type Waiting = Vec<oneshot::Sender<()>>;

/// What wants to be told of, and who waits for the answer.
pub struct Wishes<K> {
    wishes: Mutex<HashMap<K, Waiting>>,
    bell: Notify,
}

impl<K> Default for Wishes<K> {
    fn default() -> Self {
        Self { wishes: Mutex::default(), bell: Notify::new() }
    }
}

impl<K: Clone + Eq + Hash> Wishes<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Waiting>> {
        // Each step on the map is one call: a panic leaves it whole.
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants the arbiter to hear of `key`. May be called under other locks.
    pub fn want(&self, key: &K) {
        self.lock().entry(key.clone()).or_default();
        self.bell.notify_one();
    }

    /// Waits until the arbiter has spoken of `key`; false when it did not in time.
    pub async fn wait(&self, key: &K, patience: Duration) -> bool {
        let (tell, told) = oneshot::channel();
        self.lock().entry(key.clone()).or_default().push(tell);
        self.bell.notify_one();
        // The sender is dropped when the answer has come.
        tokio::time::timeout(patience, told).await.is_ok()
    }

    fn take(&self) -> Vec<(K, Waiting)> {
        let mut wishes = self.lock();
        if wishes.len() <= MOST {
            return wishes.drain().collect();
        }
        let some: Vec<K> = wishes.keys().take(MOST).cloned().collect();
        // There are more: the next round begins at once.
        self.bell.notify_one();
        some.into_iter().filter_map(|key| wishes.remove_entry(&key)).collect()
    }
}

/// What this edge wants to talk about.
#[derive(Default)]
pub struct Wants {
    /// Leases of keys.
    pub minutes: Wishes<KeyId>,
    /// Places of customers.
    pub places: Wishes<Customer>,
}

/// The one who talks.
pub struct Negotiator {
    arbiter: Arc<dyn Arbiter>,
    edge: Arc<Edge>,
    /// This run of this edge: another run has forgotten what this one spent.
    name: String,
    /// Where it is written down how many edges there are, for a start without the arbiter.
    count_file: PathBuf,
    /// Keys to look at again, and when.
    watched: HashMap<KeyId, Duration>,
    memory: Option<u64>,
    /// Until when the arbiter may not have heard of every edge: it lost its memory.
    learns_until: Duration,
    answers: bool,
}

impl Negotiator {
    /// For `edge`, which is called `name` among the others.
    pub(crate) fn new(arbiter: Arc<dyn Arbiter>, edge: Arc<Edge>, name: String, count_file: PathBuf) -> Self {
        Self {
            arbiter,
            edge,
            name,
            count_file,
            watched: HashMap::new(),
            memory: None,
            learns_until: Duration::ZERO,
            answers: true,
        }
    }

    fn tick(&self) -> Duration {
        self.edge.began.elapsed()
    }

    /// Talks until `stop`: as long as anybody is served.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut attended: Option<Instant> = None;
        let wishes = self.edge.wishes.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = wishes.minutes.bell.notified() => {}
                () = wishes.places.bell.notified() => {}
                _ = look.tick() => self.look(),
            }
            if attended.is_none_or(|at| at.elapsed() >= ATTEND) {
                attended = Some(Instant::now());
                // Places end unless they are told of again.
                self.edge.caps.occupied().iter().for_each(|customer| wishes.places.want(customer));
                let attending = self.attend().await;
                self.note(attending.err().as_ref());
            }
            let (minutes, places) = (wishes.minutes.take(), wishes.places.take());
            if self.answers && !minutes.is_empty() {
                let negotiating = self.negotiate(minutes).await;
                self.note(negotiating.err().as_ref());
            }
            if self.answers && !places.is_empty() {
                let occupying = self.occupy(places).await;
                self.note(occupying.err().as_ref());
            }
        }
    }

    /// What else would not be said: leases that end, and what was spent without one.
    fn look(&mut self) {
        let now = self.tick();
        let due = self.watched.extract_if(|_, at| *at <= now);
        due.for_each(|(key, _)| self.edge.wishes.minutes.want(&key));
    }

    async fn attend(&mut self) -> Result<(), BusError> {
        let presence = self.arbiter.attend(&self.name).await?;
        let Some(fleet) = self.edge.gate.budgets().fleet() else { return Ok(()) };
        let known = self.memory.replace(presence.memory);
        let has_lost = known.is_some_and(|known| known != presence.memory);
        if has_lost {
            self.learns_until = self.tick() + LEARNS;
        }
        // One that has just lost its memory knows of this edge alone: a share by that would be the whole limit.
        let is_learning = self.tick() < self.learns_until;
        let edges = if is_learning { presence.edges.max(fleet.edges()) } else { presence.edges };
        if fleet.edges() != edges {
            fleet.count(edges);
            // Of use to a start without the arbiter; without it that start counts itself alone.
            let written = tokio::fs::write(&self.count_file, edges.to_string()).await;
            if let Err(error) = written {
                tracing::warn!(%error, "the number of edges could not be written down");
            }
        }
        if has_lost {
            tracing::warn!("the arbiter of limits lost its memory: it is told what was spent here");
            self.edge.gate.budgets().forgotten().iter().for_each(|key| self.edge.wishes.minutes.want(key));
        }
        Ok(())
    }

    /// Who waits is woken when this is over, however it ends: their senders go with `wanted`.
    async fn negotiate(&mut self, wanted: Vec<(KeyId, Waiting)>) -> Result<(), BusError> {
        let (budgets, now) = (self.edge.gate.budgets(), self.tick());
        let claim = |(key, waiting): &(KeyId, Waiting)| {
            budgets.claim(key, u32::try_from(waiting.len()).unwrap_or(u32::MAX), now)
        };
        let claims: Vec<Claim> = wanted.iter().filter_map(claim).collect();
        let verdicts = self.arbiter.settle(&self.name, &claims).await;
        let verdicts = match verdicts {
            Ok(verdicts) => verdicts,
            Err(error) => {
                claims.iter().for_each(|claim| budgets.give_up(&claim.key));
                return Err(error);
            }
        };
        let now = self.tick();
        for (claim, verdict) in claims.into_iter().zip(&verdicts) {
            match budgets.settle(&claim.key, verdict, now) {
                Some(at) => self.watched.insert(claim.key, at),
                None => self.watched.remove(&claim.key),
            };
        }
        Ok(())
    }

    /// As [`Self::negotiate`].
    async fn occupy(&mut self, wanted: Vec<(Customer, Waiting)>) -> Result<(), BusError> {
        let (transfers, sent) = (&self.edge.caps, self.tick());
        let occupation = |(customer, waiting): &(Customer, Waiting)| {
            transfers.occupation(customer, u32::try_from(waiting.len()).unwrap_or(u32::MAX))
        };
        let told: Vec<Occupation> = wanted.iter().filter_map(occupation).collect();
        let places = self.arbiter.occupy(&self.name, &told).await?;
        let now = self.tick();
        for (told, places) in told.iter().zip(places) {
            transfers.settle(told, places, (sent, now));
        }
        Ok(())
    }

    fn note(&mut self, error: Option<&BusError>) {
        if let Some(fleet) = self.edge.gate.budgets().fleet() {
            fleet.note_answer(error.is_none());
        }
        match error {
            Some(error) if self.answers => {
                tracing::warn!(%error, "the arbiter of limits does not answer: keys have their fair shares");
            }
            None if !self.answers => {
                tracing::info!("the arbiter of limits answers again");
                self.edge.gate.budgets().untold().iter().for_each(|key| self.edge.wishes.minutes.want(key));
            }
            _ => {}
        }
        self.answers = error.is_none();
    }
}

/// How many edges there were when this was last written down.
pub(crate) fn read_count(file: &std::path::Path) -> u32 {
    std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(1)
}
