//! The way that is built: leases of an arbiter, with the edges' own budgets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::bus::arbiter::{Claim, Verdict};
use common::id::KeyId;
use common::limit::RequestsPerMinute;
use common::time::Timestamp;
use edge::gate::budget::{Budgets, Fleet};
use edge::request::Arrival;
use edge::shares::PATIENCE;

use super::{Case, Micros, Outcome, SECOND, Told};
use crate::arbiter::ArbiterByHand;

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy, Debug)]
enum Event {
    /// Edges before requests: what was due at the same moment has happened.
    Look(usize),
    Attend(usize),
    Heard(usize),
    Answered(usize),
    Ask(usize, usize),
    Impatient(usize, usize),
}

struct Door {
    budgets: Budgets,
    rung: Arc<Mutex<bool>>,
    wants: bool,
    /// Requests that wait, by number.
    waiting: HashMap<usize, Micros>,
    flight: Option<(Claim, Option<Verdict>)>,
    look_at: Option<Duration>,
}

struct World<'a> {
    case: &'a Case,
    key: KeyId,
    limit: RequestsPerMinute,
    now: Micros,
    events: BinaryHeap<Reverse<(Micros, Event)>>,
    doors: Vec<Door>,
    arbiter: ArbiterByHand,
    told: Told,
}

fn arrival(now: Micros) -> Arrival {
    let at = Timestamp::from_millis(i64::try_from(now / 1000).unwrap());
    Arrival { address: IpAddr::V4(Ipv4Addr::LOCALHOST), at, tick: Duration::from_micros(now) }
}

/// Runs the traffic through leases.
#[must_use]
pub fn leases(case: &Case, asked: &[(Micros, usize)]) -> Told {
    let door = |_| {
        let rung = Arc::new(Mutex::new(false));
        let bell = rung.clone();
        let fleet = Fleet::new(1, Box::new(move |_| *bell.lock().unwrap() = true));
        let budgets = Budgets::shared(fleet);
        Door { budgets, rung, wants: false, waiting: HashMap::new(), flight: None, look_at: None }
    };
    let mut world = World {
        case,
        key: "key_1".parse().unwrap(),
        limit: RequestsPerMinute::new(case.limit).unwrap(),
        now: 0,
        events: BinaryHeap::new(),
        doors: (0..case.edges).map(door).collect(),
        arbiter: ArbiterByHand::default(),
        told: Told::default(),
    };
    world.told.outcomes =
        asked.iter().map(|&(at, edge)| Outcome { at, edge, is_admitted: false, waited: 0 }).collect();
    let end = asked.last().map_or(0, |(at, _)| *at) + SECOND;
    for edge in 0..case.edges {
        world.at(edge as Micros * 1_000, Event::Attend(edge));
        world.at(edge as Micros * 13_000, Event::Look(edge));
    }
    for (number, (at, edge)) in asked.iter().enumerate() {
        world.at(*at, Event::Ask(*edge, number));
    }
    while let Some(Reverse((at, event))) = world.events.pop().filter(|Reverse((at, _))| *at <= end) {
        world.now = at;
        world.happen(event);
    }
    world.told
}

impl World<'_> {
    fn at(&mut self, at: Micros, event: Event) {
        self.events.push(Reverse((at, event)));
    }

    fn tick(&self) -> Duration {
        Duration::from_micros(self.now)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Look(edge) => {
                let now = self.tick();
                let door = &mut self.doors[edge];
                if door.look_at.is_some_and(|at| at <= now) {
                    (door.look_at, door.wants) = (None, true);
                }
                self.at(self.now + SECOND / 10, Event::Look(edge));
            }
            Event::Attend(edge) => {
                let edges = self.arbiter.attend(&edge.to_string(), self.now / 1000);
                for door in &self.doors {
                    door.budgets.fleet().unwrap().count(edges);
                }
                self.at(self.now + SECOND, Event::Attend(edge));
            }
            Event::Ask(edge, number) => self.ask(edge, number),
            Event::Impatient(edge, number) => self.hurry(edge, number),
            Event::Heard(edge) => {
                let now = self.now / 1000;
                let (claim, verdict) = self.doors[edge].flight.as_mut().unwrap();
                *verdict = Some(self.arbiter.settle(&edge.to_string(), claim, now));
                self.at(self.now + self.case.latency, Event::Answered(edge));
            }
            Event::Answered(edge) => self.answered(edge),
        }
        for edge in 0..self.doors.len() {
            self.negotiate(edge);
        }
    }

    fn ask(&mut self, edge: usize, number: usize) {
        let began = self.told.outcomes[number].at;
        match self.doors[edge].budgets.try_spend(&self.key, self.limit, arrival(began)) {
            Some((spent, _)) => self.end(number, spent.is_ok()),
            None => {
                let door = &mut self.doors[edge];
                door.wants = true;
                if door.waiting.insert(number, began).is_none() {
                    let patience = u64::try_from(PATIENCE.as_micros()).unwrap();
                    self.at(began + patience, Event::Impatient(edge, number));
                }
            }
        }
    }

    fn hurry(&mut self, edge: usize, number: usize) {
        if let Some(began) = self.doors[edge].waiting.remove(&number) {
            self.doors[edge].budgets.fleet().unwrap().note_late();
            let (spent, _) = self.doors[edge].budgets.spend(&self.key, self.limit, arrival(began));
            self.end(number, spent.is_ok());
        }
    }

    fn end(&mut self, number: usize, is_admitted: bool) {
        let outcome = &mut self.told.outcomes[number];
        (outcome.is_admitted, outcome.waited) = (is_admitted, self.now - outcome.at);
    }

    fn answered(&mut self, edge: usize) {
        let now = self.tick();
        let door = &mut self.doors[edge];
        let (_, verdict) = door.flight.take().unwrap();
        door.budgets.fleet().unwrap().note_answer(true);
        door.look_at = door.budgets.settle(&self.key, &verdict.unwrap(), now);
        let mut waiting: Vec<usize> = door.waiting.keys().copied().collect();
        waiting.sort_unstable();
        for number in waiting {
            let began = self.told.outcomes[number].at;
            let tried = self.doors[edge].budgets.try_spend(&self.key, self.limit, arrival(began));
            match tried {
                Some((spent, _)) => {
                    self.doors[edge].waiting.remove(&number);
                    self.end(number, spent.is_ok());
                }
                None => self.doors[edge].wants = true,
            }
        }
    }

    fn negotiate(&mut self, edge: usize) {
        let (now, latency) = (self.tick(), self.case.latency);
        let door = &mut self.doors[edge];
        door.wants |= std::mem::take(&mut *door.rung.lock().unwrap());
        if !door.wants || door.flight.is_some() {
            return;
        }
        door.wants = false;
        let waiting = u32::try_from(door.waiting.len()).unwrap();
        if let Some(claim) = door.budgets.claim(&self.key, waiting, now) {
            door.flight = Some((claim, None));
            self.told.calls += 1;
            self.at(self.now + latency, Event::Heard(edge));
        }
    }
}
