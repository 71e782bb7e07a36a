//! What is known of each edge, by what it said itself. Pure: what came, and when, in; who is where, out.
//!
//! Of one edge only (start, number) that grow count, so that what is repeated or comes late moves nothing and makes
//! nobody look alive.

use std::collections::BTreeMap;
use std::time::Duration;

use common::time::Timestamp;
use common::wire::Position;
use common::wire::v1::ack::Ack;

/// An edge that was heard of within this time lives: three beats.
pub(crate) const LIVES_FOR: Duration = Duration::from_secs(3);
/// More names than any fleet has. Beyond it new ones are not taken, rather than old ones forgotten.
const MOST: usize = 10_000;
/// For how long what comes late from one that left or was removed is known to be late.
const LATE: Duration = Duration::from_secs(3_600);

/// The place of an acknowledgement among all of its edge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place {
    pub(crate) started_at: u64,
    pub(crate) number: u64,
}

/// One edge that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) version: String,
    /// Of the last acknowledgement that counted.
    pub(crate) place: Place,
    pub(crate) position: Position,
    /// Signed when; what is kept over a start of the desk does not know.
    pub(crate) head_issued_at: Option<Timestamp>,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    /// By how much its clock was ahead of ours, milliseconds.
    pub(crate) skew: Option<i64>,
    /// Another process that goes by the same name, when there is one.
    twin: Option<Twin>,
}

/// A process that started before another of its name, and still speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Twin {
    place: Place,
    position: Position,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Twin {
    /// Whether it counts: one that has gone on speaking for longer than words are late is a process of its own, and its
    /// silence means no more than anybody's. Of one that has not, the last words may have been late.
    fn counts(&self, now: Timestamp) -> bool {
        self.last_seen.since(self.first_seen) >= LIVES_FOR || is_recent(self.last_seen, now)
    }
}

impl Member {
    /// One that an earlier process of the desk knew.
    pub(crate) fn kept(
        (id, version): (String, String),
        (place, position): (Place, Position),
        (first_seen, last_seen): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            id,
            version,
            place,
            position,
            head_issued_at: None,
            first_seen,
            last_seen,
            skew: None,
            twin: None,
        }
    }

    /// Whether it was heard of just now, and by this very process: what is kept is memory.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.skew.is_some() && is_recent(self.last_seen, now)
    }

    /// Whether everything that goes by this name has applied everything up to `position`.
    pub(crate) fn has_reached(&self, position: Position, now: Timestamp) -> bool {
        let twin = self.twin.filter(|twin| twin.counts(now));
        self.position >= position && twin.is_none_or(|twin| twin.position >= position)
    }
}

/// A clock that was turned back makes nobody live for longer.
fn is_recent(seen: Timestamp, now: Timestamp) -> bool {
    now.since(seen) <= LIVES_FOR && seen.since(now) <= LIVES_FOR
}

/// What came of an acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// Of an edge that was not known.
    Joined,
    /// Of one that is.
    Heard,
    /// Its last.
    Left,
    /// Of an earlier start than the last one, and not known either: two processes share a name.
    Twin,
    /// It says nothing new.
    Late,
    /// There are too many names.
    Full,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<String, Member>,
    /// Of each start of those that left or were removed: the last number that is known to be over, and since when.
    gone: BTreeMap<(String, u64), (u64, Timestamp)>,
}

impl Roster {
    /// Those whom an earlier process of the desk knew.
    pub(crate) fn of(kept: impl IntoIterator<Item = Member>) -> Self {
        let members = kept.into_iter().map(|member| (member.id.clone(), member)).collect();
        Self { members, gone: BTreeMap::new() }
    }

    /// In the order of their names.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// By how much an edge's clock was ahead of ours when it spoke last, milliseconds.
    pub(crate) fn skew_of(&self, id: &str) -> Option<i64> {
        self.members.get(id)?.skew
    }

    /// Takes in what an edge said.
    pub(crate) fn take(&mut self, ack: Ack, now: Timestamp) -> Taken {
        let place = Place { started_at: ack.started_at, number: ack.number };
        if self.is_over(&ack.edge, place, now) {
            return Taken::Late;
        }
        let is_full = self.members.len() >= MOST;
        match self.members.get_mut(&ack.edge) {
            Some(member) if place.started_at < member.place.started_at => member.hear_twin(&ack, place, now),
            Some(member) if place <= member.place => Taken::Late,
            Some(member) if ack.leaving => {
                // Whatever else this start said is behind its goodbye.
                let place = Place { number: u64::MAX, ..place };
                if member.give_way(now) {
                    self.note_gone(&ack.edge, place, now);
                    return Taken::Heard;
                }
                self.forget(&ack.edge, place, now);
                Taken::Left
            }
            Some(member) => {
                member.hear(ack, place, now);
                Taken::Heard
            }
            None if ack.leaving => Taken::Late,
            None if is_full => Taken::Full,
            None => {
                let about = (ack.edge.clone(), ack.version.clone());
                let mut member = Member::kept(about, (place, ack.position), (now, now));
                member.hear(ack, place, now);
                self.members.insert(member.id.clone(), member);
                Taken::Joined
            }
        }
    }

    /// Lets go of an edge, until it speaks again; gives what was known of it.
    pub(crate) fn remove(&mut self, id: &str, now: Timestamp) -> Option<Member> {
        let place = self.members.get(id)?.place;
        self.forget(id, place, now)
    }

    fn forget(&mut self, id: &str, last: Place, now: Timestamp) -> Option<Member> {
        self.note_gone(id, last, now);
        self.members.remove(id)
    }

    fn note_gone(&mut self, id: &str, last: Place, now: Timestamp) {
        self.gone.retain(|_, (_, at)| now.since(*at) < LATE);
        self.gone.insert((id.to_owned(), last.started_at), (last.number, now));
    }

    /// Whether a word was said before its edge went. Of a start that is older than one that has gone, the last words may
    /// come late once; one that goes on speaking lives, by whatever clock it began.
    fn is_over(&mut self, id: &str, place: Place, now: Timestamp) -> bool {
        let start = |at| (id.to_owned(), at);
        if let Some((last, _)) = self.gone.get_mut(&start(place.started_at)) {
            return place.number <= *last;
        }
        let newer = start(place.started_at.saturating_add(1))..=start(u64::MAX);
        let is_older = !self.members.contains_key(id) && self.gone.range(newer).next().is_some();
        if is_older {
            self.note_gone(id, place, now);
        }
        is_older
    }
}

impl Member {
    fn hear(&mut self, ack: Ack, place: Place, now: Timestamp) {
        self.version = ack.version;
        self.place = place;
        self.position = ack.position;
        self.head_issued_at = Some(ack.head_issued_at).filter(|at| at.millis() > 0);
        self.skew = Some(ack.at.millis().saturating_sub(now.millis()));
        self.last_seen = now;
    }

    /// The last words of the start before come late once; what goes on speaking is another process. It lives by its own
    /// numbers, and the name has come no further than both of them.
    fn hear_twin(&mut self, ack: &Ack, place: Place, now: Timestamp) -> Taken {
        if self.twin.is_some_and(|twin| place <= twin.place) {
            return Taken::Late;
        }
        let known = self.twin.filter(|twin| twin.place.started_at == place.started_at && twin.counts(now));
        let first_seen = known.map_or(now, |twin| twin.first_seen);
        let heard = Twin { place, position: ack.position, first_seen, last_seen: now };
        self.twin = (!ack.leaving).then_some(heard);
        match known {
            _ if ack.leaving => Taken::Late,
            Some(_) => Taken::Heard,
            None => Taken::Twin,
        }
    }

    /// The name is that of the process beside this one from now on, if there is one that speaks.
    fn give_way(&mut self, now: Timestamp) -> bool {
        let Some(twin) = self.twin.take().filter(|twin| twin.counts(now)) else { return false };
        (self.place, self.position, self.last_seen) = (twin.place, twin.position, twin.last_seen);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At this second an edge said: start, number, sequence; `-1` as sequence is a goodbye.
    type Said = (u64, &'static str, u64, u64, i64);

    fn at(second: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + i64::try_from(second).unwrap() * 1_000)
    }

    fn reached(sequence: u64) -> Position {
        Position { epoch: 1, sequence }
    }

    fn ack((second, edge, started_at, number, sequence): Said) -> Ack {
        Ack {
            edge: edge.to_owned(),
            version: "0.1.0".to_owned(),
            started_at,
            number,
            position: reached(u64::try_from(sequence).unwrap_or(99)),
            head_issued_at: at(second),
            at: at(second),
            leaving: sequence < 0,
        }
    }

    /// Who is known at a second, where, and whether it lives.
    fn told(roster: &Roster, second: u64) -> String {
        let one = |member: &Member| {
            let life = if member.is_live(at(second)) { "lives" } else { "silent" };
            format!("{} {} {life}", member.id, member.position.sequence)
        };
        roster.members().map(one).collect::<Vec<_>>().join(", ")
    }

    fn check(said: &[Said], (second, expected): (u64, &str)) {
        let mut roster = Roster::default();
        for said in said {
            roster.take(ack(*said), at(said.0));
        }
        assert_eq!(told(&roster, second), expected, "{said:?}");
    }

    #[test]
    fn an_edge_is_where_its_last_word_says_and_lives_for_three_seconds_by_it() {
        let first: Said = (0, "a", 1, 1, 5);
        check(&[], (0, ""));
        check(&[first], (3, "a 5 lives"));
        check(&[first], (4, "a 5 silent"));
        check(&[first, (1, "a", 1, 2, 7), (2, "b", 1, 1, 6)], (3, "a 7 lives, b 6 lives"));
        // It was emptied, and is honest about it.
        check(&[first, (1, "a", 2, 1, 0)], (1, "a 0 lives"));
        // Our own clock was turned back.
        check(&[(100, "a", 1, 1, 5)], (98, "a 5 lives"));
        check(&[(100, "a", 1, 1, 5)], (90, "a 5 silent"));
    }

    #[test]
    fn what_is_repeated_or_comes_late_moves_nothing_and_makes_nobody_look_alive() {
        let (second, fourth): (Said, Said) = ((0, "a", 7, 2, 5), (1, "a", 7, 4, 8));
        for late in [(10, "a", 7, 4, 8), (10, "a", 7, 2, 5), (10, "a", 7, 3, 9), (10, "a", 6, 90, 9)] {
            check(&[second, fourth, late], (10, "a 8 silent"));
        }
    }

    #[test]
    fn a_goodbye_ends_it_until_the_next_start() {
        let (word, goodbye): (Said, Said) = ((0, "a", 7, 2, 5), (1, "a", 7, 3, -1));
        check(&[word, goodbye], (1, ""));
        check(&[goodbye], (1, ""));
        check(&[word, goodbye, (1, "a", 7, 1, 5)], (1, ""));
        check(&[word, goodbye, (1, "a", 7, 9, 5)], (1, ""));
        check(&[word, goodbye, goodbye], (1, ""));
        check(&[word, goodbye, (2, "a", 8, 1, 5)], (2, "a 5 lives"));
        check(&[word, (1, "a", 7, 2, -1)], (1, "a 5 lives"));
    }

    #[test]
    fn one_that_was_removed_comes_back_by_a_new_word_alone() {
        let mut roster = Roster::default();
        roster.take(ack((0, "a", 7, 2, 5)), at(0));
        assert_eq!(roster.remove("b", at(1)), None);
        assert_eq!(roster.remove("a", at(1)).map(|member| member.position), Some(reached(5)));
        assert_eq!(roster.take(ack((2, "a", 7, 2, 5)), at(2)), Taken::Late);
        assert_eq!(told(&roster, 2), "");
        assert_eq!(roster.take(ack((2, "a", 7, 3, 5)), at(2)), Taken::Joined);
        assert_eq!(told(&roster, 2), "a 5 lives");
    }

    #[test]
    fn two_processes_of_one_name_have_come_as_far_as_the_one_behind() {
        let mut roster = Roster::default();
        let mut say = |said: Said| roster.take(ack(said), at(said.0));
        assert_eq!(say((0, "a", 1, 1, 5)), Taken::Joined);
        assert_eq!(say((0, "a", 2, 1, 5)), Taken::Heard);
        assert_eq!(say((1, "a", 1, 2, 5)), Taken::Twin);
        assert_eq!(say((1, "a", 2, 2, 9)), Taken::Heard);
        assert_eq!(say((2, "a", 1, 2, 9)), Taken::Late);
        let member = roster.members().next().unwrap();
        assert!(member.has_reached(reached(5), at(2)) && !member.has_reached(reached(9), at(2)));
        assert!(member.has_reached(reached(9), at(5)), "it has not spoken again: it was late");
        roster.take(ack((3, "a", 1, 3, 9)), at(3));
        assert!(roster.members().next().unwrap().has_reached(reached(9), at(3)));
    }

    #[test]
    fn of_two_processes_of_one_name_the_one_that_stays_is_not_gone_with_the_other() {
        let (old, new): (Said, Said) = ((0, "a", 1, 1, 5), (1, "a", 2, 1, 7));
        let goodbye: Said = (2, "a", 2, 2, -1);
        // Both spoke before the newer one left.
        check(&[old, new, (1, "a", 1, 2, 5), goodbye], (2, "a 5 lives"));
        check(&[old, new, (1, "a", 1, 2, 5), goodbye, (2, "a", 2, 1, 7)], (2, "a 5 lives"));
        // The older one speaks after that: not by one word that may have been late, but by the next.
        check(&[old, new, goodbye, (3, "a", 1, 2, 5)], (3, ""));
        check(&[old, new, goodbye, (3, "a", 1, 2, 5), (3, "a", 1, 2, 5)], (3, ""));
        check(&[old, new, goodbye, (3, "a", 1, 2, 5), (4, "a", 1, 3, 5)], (4, "a 5 lives"));
    }

    #[test]
    fn one_of_two_processes_that_falls_silent_is_waited_for_when_it_had_gone_on_speaking() {
        let mut roster = Roster::default();
        let mut say = |said: Said| roster.take(ack(said), at(said.0));
        say((0, "a", 1, 1, 5));
        say((1, "a", 2, 1, 5));
        for second in 2..=6 {
            say((second, "a", 1, second, 5));
            say((second, "a", 2, second, 9));
        }
        say((60, "a", 2, 60, 9));
        let member = roster.members().next().unwrap();
        assert!(member.has_reached(reached(5), at(60)) && !member.has_reached(reached(9), at(60)));
        roster.remove("a", at(60));
        assert_eq!(roster.take(ack((61, "a", 2, 61, 9)), at(61)), Taken::Joined);
        assert!(
            roster.members().next().unwrap().has_reached(reached(9), at(61)),
            "the silent one was removed"
        );
    }

    #[test]
    fn an_edge_whose_start_is_before_its_last_one_speaks_again_after_that_was_removed() {
        let mut roster = Roster::default();
        roster.take(ack((0, "a", 9, 4, 5)), at(0));
        assert_eq!(roster.take(ack((10, "a", 3, 1, 8)), at(10)), Taken::Twin);
        assert_eq!(roster.take(ack((11, "a", 3, 2, 8)), at(11)), Taken::Heard);
        assert_eq!(told(&roster, 11), "a 5 silent");
        roster.remove("a", at(11));
        assert_eq!(roster.take(ack((12, "a", 3, 3, 8)), at(12)), Taken::Late);
        assert_eq!(roster.take(ack((13, "a", 3, 4, 8)), at(13)), Taken::Joined);
        assert_eq!(told(&roster, 13), "a 8 lives");
    }

    #[test]
    fn what_an_earlier_process_of_the_desk_knew_is_silent_until_it_speaks() {
        let place = Place { started_at: 7, number: 2 };
        let kept = Member::kept(("a".into(), "0.1.0".into()), (place, reached(5)), (at(0), at(1)));
        let mut roster = Roster::of([kept]);
        assert_eq!(told(&roster, 60), "a 5 silent");
        assert_eq!(roster.take(ack((60, "a", 7, 2, 5)), at(60)), Taken::Late);
        assert_eq!(roster.take(ack((60, "a", 7, 3, 5)), at(60)), Taken::Heard);
        assert_eq!(told(&roster, 60), "a 5 lives");
    }

    #[test]
    fn there_is_an_end_to_the_names() {
        let mut roster = Roster::default();
        for number in 0..MOST {
            let mut one = ack((0, "a", 1, 1, 5));
            one.edge = number.to_string();
            assert_eq!(roster.take(one, at(0)), Taken::Joined);
        }
        assert_eq!(roster.take(ack((0, "one-more", 1, 1, 5)), at(0)), Taken::Full);
        assert_eq!(roster.take(ack((0, "7", 1, 2, 5)), at(0)), Taken::Heard);
    }
}
