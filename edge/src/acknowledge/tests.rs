//! What an edge says, and when, over carriers that take it, hang or are away.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use common::mac::Purpose;
use common::runtime::clock::ManualClock;
use common::secret::Secret;
use common::time::Timestamp;
use tokio::task::JoinHandle;

use super::*;
use crate::replica::tests::world::World;

fn keys() -> MacKeys {
    MacKeys::derive(&[Secret::new("what edges and desk share".to_owned())], Purpose::Acknowledgement)
}

#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Takes,
    Refuses,
    Hangs,
}

/// A carrier that keeps what it was told.
struct Line {
    mood: Mutex<Mood>,
    told: Mutex<Vec<Ack>>,
    attempts: AtomicU64,
}

impl Line {
    fn that(mood: Mood) -> Arc<Self> {
        Arc::new(Self { mood: Mutex::new(mood), told: Mutex::default(), attempts: AtomicU64::new(0) })
    }

    fn told(&self) -> Vec<Ack> {
        self.told.lock().unwrap().clone()
    }

    fn positions(&self) -> Vec<u64> {
        self.told().iter().map(|ack| ack.position.sequence).collect()
    }
}

#[async_trait]
impl Acks for Line {
    async fn acknowledge(&self, sealed: Bytes) -> Result<(), BusError> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Hangs => std::future::pending().await,
            Mood::Refuses => Err(BusError::Away("unplugged".to_owned())),
            Mood::Takes => {
                self.told.lock().unwrap().push(Ack::open(&sealed, &keys()).unwrap());
                Ok(())
            }
        }
    }
}

struct Telling {
    world: World,
    drained: CancellationToken,
    running: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

fn start(lines: &[&Arc<Line>]) -> Telling {
    let (world, directory) = (World::furnished(&[]), tempfile::tempdir().unwrap());
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let name = ("edge-1".to_owned(), directory.path());
    let acknowledger = Acknowledger::new(name, keys(), world.replica.clone(), clock);
    let carriers = lines.iter().map(|line| (*line).clone() as Arc<dyn Acks>).collect();
    let drained = CancellationToken::new();
    let running = tokio::spawn(acknowledger.run(carriers, drained.clone()));
    Telling { world, drained, running, _directory: directory }
}

impl Telling {
    /// A change that was committed and reached the caches.
    fn change(&mut self) {
        self.world.write(&[]);
        self.world.in_force();
    }

    async fn leave(self) {
        self.drained.cancel();
        self.running.await.unwrap();
    }
}

/// Asks again until it is so.
async fn until(what: impl Fn() -> bool) {
    let asking = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
}

#[tokio::test]
async fn a_change_is_told_at_once_and_silence_every_second() {
    let line = Line::that(Mood::Takes);
    let mut telling = start(&[&line]);
    until(|| line.positions() == [1]).await;
    let began = Instant::now();
    for position in 2..=21 {
        telling.change();
        until(|| line.positions().last() == Some(&position)).await;
    }
    assert!(began.elapsed() < EVERY * 10, "by the second it would have been {:?}", EVERY * 20);
    let (began, told) = (Instant::now(), line.told().len());
    until(|| line.told().len() == told + 2).await;
    assert!(began.elapsed() > EVERY, "{:?}", began.elapsed());
    telling.leave().await;
    let told = line.told();
    assert_eq!(
        told.iter().map(|ack| ack.number).collect::<Vec<_>>(),
        (1..=told.len() as u64).collect::<Vec<_>>()
    );
    assert_eq!(told.iter().position(|ack| ack.leaving), Some(told.len() - 1));
}

#[tokio::test]
async fn what_is_committed_and_not_yet_in_force_is_not_told() {
    let line = Line::that(Mood::Takes);
    let mut telling = start(&[&line]);
    telling.world.write(&[]);
    until(|| line.told().len() == 2).await;
    assert_eq!(line.positions(), [1, 1]);
    telling.world.in_force();
    until(|| line.positions() == [1, 1, 2]).await;
}

#[tokio::test]
async fn a_storm_of_changes_is_told_in_few_words_and_to_its_end() {
    let line = Line::that(Mood::Takes);
    let mut telling = start(&[&line]);
    let began = Instant::now();
    for _ in 0..1_000 {
        telling.world.in_force();
        tokio::task::yield_now().await;
    }
    telling.change();
    until(|| line.positions().last() == Some(&2)).await;
    let most = began.elapsed().as_millis() / SHORTEST_GAP.as_millis() + 3;
    assert!((line.told().len() as u128) <= most, "{} in {:?}", line.told().len(), began.elapsed());
}

#[tokio::test]
async fn a_carrier_that_hangs_holds_up_no_other_and_not_the_end() {
    let (hung, well) = (Line::that(Mood::Hangs), Line::that(Mood::Takes));
    let mut telling = start(&[&hung, &well]);
    until(|| well.positions() == [1] && hung.attempts.load(Ordering::SeqCst) == 1).await;
    let began = Instant::now();
    telling.change();
    until(|| well.positions().last() == Some(&2)).await;
    assert!(began.elapsed() < EVERY, "{:?}", began.elapsed());
    assert_eq!(hung.attempts.load(Ordering::SeqCst), 1, "one at a time");
    telling.leave().await;
    assert!(well.told().last().unwrap().leaving);
    assert!(began.elapsed() < PATIENCE * 2 + EVERY, "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_a_carrier_that_is_away_was_not_told_is_not_kept_for_it() {
    let line = Line::that(Mood::Refuses);
    let mut telling = start(&[&line]);
    for attempts in 1..=20 {
        until(|| line.attempts.load(Ordering::SeqCst) >= attempts).await;
        telling.change();
    }
    until(|| line.attempts.load(Ordering::SeqCst) >= 21).await;
    *line.mood.lock().unwrap() = Mood::Takes;
    until(|| !line.told().is_empty()).await;
    assert_eq!(line.positions(), [21], "the last word says everything");
}

#[tokio::test]
async fn of_two_carriers_each_number_comes_once_and_a_higher_one_never_says_less() {
    let lines = [Line::that(Mood::Takes), Line::that(Mood::Takes)];
    let mut telling = start(&[&lines[0], &lines[1]]);
    for position in 2..=50 {
        telling.change();
        until(|| lines.iter().all(|line| line.positions().last() == Some(&position))).await;
    }
    telling.leave().await;
    let mut told: Vec<(u64, u64, bool)> = lines
        .iter()
        .flat_map(|line| line.told())
        .map(|ack| (ack.number, ack.position.sequence, ack.leaving))
        .collect();
    told.sort_unstable();
    let numbers = told.iter().map(|(number, ..)| *number);
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=told.len() as u64).collect::<Vec<_>>());
    assert!(told.is_sorted_by_key(|(_, position, _)| *position), "{told:?}");
    assert!(told.is_sorted_by_key(|(.., leaving)| *leaving), "{told:?}");
}
