//! Steady callers while something breaks: who may is let in, who may not is not, and every edge calls itself ready.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};

/// How far apart the questions of one caller are.
const PACE: Duration = Duration::from_millis(10);
/// Failures that are kept as they were; more are counted.
const SHOWN: usize = 5;

/// Who asks, and for what.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    /// The file that they ask for, and its bytes.
    pub path: String,
    pub bytes: Vec<u8>,
    /// Credentials that work, used again and again.
    pub hot: Vec<String>,
    /// Credentials that work, each used once: nobody has it decoded.
    pub cold: Arc<Mutex<Vec<String>>>,
    /// Credentials that do not.
    pub refused: Vec<(&'static str, String)>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// Questions of those who may, and of those who may not.
    pub authorised: u64,
    pub refused: u64,
    /// Of the first, those that were not answered with the bytes; of both, those that were not answered.
    pub failed: u64,
    /// Of the second, those that were not turned away.
    pub allowed: u64,
    /// Looks at an edge that did not call itself ready.
    pub unready: u64,
    shown: Vec<String>,
    spans: Vec<Duration>,
}

impl Tally {
    fn note(&mut self, what: String) {
        if self.shown.len() < SHOWN {
            self.shown.push(what);
        }
    }

    /// The time that so many in a hundred authorised questions took at most.
    #[must_use]
    pub fn percentile(&self, hundredth: usize) -> Duration {
        let mut spans = self.spans.clone();
        spans.sort_unstable();
        spans
            .get((spans.len() * hundredth / 100).min(spans.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// Panics unless nobody was wrongly turned away or let in, and enough was asked to say so.
    pub fn assert_clean(&self, fault: &str) {
        let wrong = (self.failed, self.allowed, self.unready);
        assert_eq!(wrong, (0, 0, 0), "{fault}: failed, wrongly allowed, not ready: {:#?}", self.shown);
        assert!(self.authorised > 50 && self.refused > 20, "{fault}: too little was asked: {}", self.told());
    }

    /// The figures in one line.
    #[must_use]
    pub fn told(&self) -> String {
        format!(
            "{} authorised, {} failed; {} refused, {} wrongly allowed; p50 {:.1?}, p99 {:.1?}",
            self.authorised,
            self.failed,
            self.refused,
            self.allowed,
            self.percentile(50),
            self.percentile(99)
        )
    }
}

/// The callers at work.
pub struct Load {
    stop: CancellationToken,
    tally: Arc<Mutex<Tally>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// At these doors (an edge's base URL and that of its private listener), each with so many callers.
    #[must_use]
    pub fn start(doors: &[(String, String)], callers: &Callers, each: usize) -> Self {
        let (stop, tally) = (CancellationToken::new(), Arc::new(Mutex::new(Tally::default())));
        let mut tasks = Vec::new();
        for (base, private) in doors {
            for number in 0..each {
                let client = Client::new(base, None);
                tasks.push(tokio::spawn(ask(client, callers.clone(), number, stop.clone(), tally.clone())));
            }
            tasks.push(tokio::spawn(look(Client::new(private, None), stop.clone(), tally.clone())));
        }
        Self { stop, tally, tasks }
    }

    /// Waits until those who may have asked so many times more.
    pub async fn asked(&self, more: u64) {
        let so_far = || self.tally.lock().unwrap().authorised;
        let enough = so_far() + more;
        let within = PATIENCE + PACE * u32::try_from(more).unwrap();
        eventually(within, || async { if so_far() >= enough { Ok(()) } else { Err(so_far()) } }).await;
    }

    /// Ends it, and gives what came of it.
    pub async fn stop(self) -> Tally {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.tally.lock().unwrap())
    }
}

async fn ask(
    client: Client,
    callers: Callers,
    first: usize,
    stop: CancellationToken,
    tally: Arc<Mutex<Tally>>,
) {
    let mut every = tokio::time::interval(PACE);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for number in first.. {
        every.tick().await;
        if stop.is_cancelled() {
            return;
        }
        let cold = (number % 3 == 1).then(|| callers.cold.lock().unwrap().pop()).flatten();
        let (kind, key, may) = match (number % 3, cold) {
            (1, Some(key)) => ("cold", key, true),
            (2, _) => {
                let (kind, key) = callers.refused[number / 3 % callers.refused.len()].clone();
                (kind, key, false)
            }
            _ => ("hot", callers.hot[number / 3 % callers.hot.len()].clone(), true),
        };
        let began = Instant::now();
        let answer = client.with(Some(&key)).try_get(&callers.path).await;
        let took = began.elapsed();
        let got = answer.as_ref().is_ok_and(|answer| answer.status == 200 && answer.body == callers.bytes);
        let is_let_in = answer.as_ref().is_ok_and(|answer| !matches!(answer.status, 401 | 403 | 429));
        let mut tally = tally.lock().unwrap();
        let says = || format!("{kind} at {} after {took:?}: {answer:?}", client.base());
        if may {
            tally.authorised += 1;
            tally.spans.push(took);
            if !got {
                tally.failed += 1;
                tally.note(says());
            }
        } else {
            tally.refused += 1;
            tally.allowed += u64::from(is_let_in);
            tally.failed += u64::from(answer.is_err());
            if is_let_in || answer.is_err() {
                tally.note(says());
            }
        }
    }
}

async fn look(private: Client, stop: CancellationToken, tally: Arc<Mutex<Tally>>) {
    let mut every = tokio::time::interval(PACE * 10);
    while !stop.is_cancelled() {
        every.tick().await;
        let answer = private.try_get("/readyz").await;
        if !answer.as_ref().is_ok_and(|answer| answer.status == 200) {
            let mut tally = tally.lock().unwrap();
            tally.unready += 1;
            tally.note(format!("not ready: {answer:?}"));
        }
    }
}
