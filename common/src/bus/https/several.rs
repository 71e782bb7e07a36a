//! Several buckets in one answer: the names go in the query, and each bucket comes after its length.

use bytes::{Buf as _, Bytes};

use crate::bus::{MOST_BUCKETS, told_at_once};
use crate::digest::Digest;
use crate::wire::Unreadable;

/// What the query begins with; the names follow, with commas between them.
const PARAMETER: &str = "names=";
/// Before each bucket: its length, 8 bytes, the highest first.
pub(super) const LENGTH: usize = size_of::<u64>();
/// In the place of a length: that bucket is not there.
const ABSENT: u64 = u64::MAX;

/// The query that asks for these. At most [`MOST_BUCKETS`] of them: its 2 KiB pass every proxy.
pub(super) fn ask_for(names: &[Digest]) -> String {
    let names: Vec<String> = names.iter().map(Digest::to_string).collect();
    format!("{PARAMETER}{}", names.join(","))
}

/// The first of these, up to as many as one question may have. It names none twice, so neither does this.
pub(super) fn first_of(names: &[Digest]) -> &[Digest] {
    let names = &names[..names.len().min(MOST_BUCKETS)];
    let fresh = (0..names.len()).take_while(|&at| !names[..at].contains(&names[at])).count();
    &names[..fresh]
}

/// Which buckets a query asks for: one to [`MOST_BUCKETS`], none of them twice. `None` for whatever else it says.
#[must_use]
pub fn asked_for(query: &str) -> Option<Vec<Digest>> {
    let mut names: Vec<Digest> = Vec::new();
    for text in query.strip_prefix(PARAMETER)?.split(',') {
        let name = text.parse().ok()?;
        if names.len() == MOST_BUCKETS || names.contains(&name) {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// The answer, in pieces that share their bytes with what was found: of the first, and of as many after it as may be
/// told at once.
#[must_use]
pub fn tell(mut found: Vec<Option<Bytes>>) -> Vec<Bytes> {
    found.truncate(told_at_once(found.iter().map(|packed| packed.as_ref().map_or(0, Bytes::len))));
    let mut pieces = Vec::with_capacity(found.len() * 2);
    for packed in found {
        let length = packed.as_ref().map_or(ABSENT, |packed| packed.len() as u64);
        pieces.push(Bytes::copy_from_slice(&length.to_be_bytes()));
        pieces.extend(packed);
    }
    pieces
}

/// What an answer tells, to who asked for so many.
///
/// # Errors
/// When it is none, tells of more than was asked for, or breaks off.
pub(super) fn read(mut answer: Bytes, asked: usize) -> Result<Vec<Option<Bytes>>, Unreadable> {
    let broken = || Unreadable::new("buckets");
    let mut found = Vec::new();
    while answer.has_remaining() {
        let length = answer.try_get_u64().map_err(|_| broken())?;
        if found.len() == asked {
            return Err(broken());
        }
        if length == ABSENT {
            found.push(None);
            continue;
        }
        let length = usize::try_from(length).ok().filter(|&length| length <= answer.len());
        found.push(Some(answer.split_to(length.ok_or_else(broken)?)));
    }
    // Who asks for some is told of at least one.
    if found.is_empty() && asked > 0 { Err(broken()) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bus::MOST_BUCKET_BYTES;

    fn names(count: usize) -> Vec<Digest> {
        (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect()
    }

    fn answer(found: &[Option<Bytes>]) -> Bytes {
        tell(found.to_vec()).concat().into()
    }

    #[test]
    fn a_question_for_buckets_reads_back_as_it_was() {
        for count in [1, 2, MOST_BUCKETS] {
            let query = ask_for(&names(count));
            assert_eq!(asked_for(&query), Some(names(count)));
            assert!(query.len() < 2_200, "it fits into a line that every proxy takes: {}", query.len());
        }
    }

    #[test]
    fn whatever_else_a_question_says_is_none() {
        let (one, other) = (Digest::of(b"1").to_string(), Digest::of(b"2").to_string());
        let shouted = one.to_uppercase();
        for wrong in [
            String::new(),
            one.clone(),
            "names".to_owned(),
            "names=".to_owned(),
            format!("name={one}"),
            format!("names={}", &one[1..]),
            format!("names={one}0"),
            format!("names=g{}", &one[1..]),
            format!("names=é{}", &one[2..]),
            format!("names={one},"),
            format!("names=,{one}"),
            format!("names={one},,{other}"),
            format!("names={one}, {other}"),
            format!("names={one}%2C{other}"),
            format!("names={one}&names={other}"),
            format!("names={one},{one}"),
            format!("names={one},{shouted}"),
            format!("names={one},{other},{one}"),
            ask_for(&names(MOST_BUCKETS + 1)),
        ] {
            assert_eq!(asked_for(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_asks_for_no_more_than_may_be_asked_and_for_nothing_twice() {
        let many = names(MOST_BUCKETS + 1);
        assert_eq!(first_of(&many), &many[..MOST_BUCKETS]);
        assert_eq!(first_of(&[many[0], many[1], many[0], many[2]]), &many[..2]);
        assert!(first_of(&[]).is_empty());
    }

    #[test]
    fn an_answer_that_would_be_too_large_tells_of_the_first_few() {
        let large = || Some(Bytes::from(vec![7; MOST_BUCKET_BYTES / 2 + 1]));
        let told = |found: Vec<Option<Bytes>>| read(answer(&found), found.len()).unwrap();
        assert_eq!(told(vec![None, large(), None, large(), None]), [None, large(), None]);
        let larger = || Some(Bytes::from(vec![7; MOST_BUCKET_BYTES + 1]));
        assert_eq!(told(vec![larger(), larger()]), [larger()], "the first is told of whatever its size");
        assert_eq!(told(vec![None, larger()]), [None]);
    }

    #[test]
    fn an_answer_that_breaks_off_or_says_too_much_is_none() {
        let found = [Some(Bytes::from_static(b"packed")), None, Some(Bytes::new())];
        let whole = answer(&found);
        assert_eq!(read(whole.clone(), 3).unwrap(), found);
        let ends = [LENGTH + 6, 2 * LENGTH + 6, whole.len()];
        for end in 0..whole.len() {
            let read = read(whole.slice(..end), 3);
            assert_eq!(read.is_ok(), ends.contains(&end), "{end}");
        }
        let with = |more: &[u8]| Bytes::from([whole.as_ref(), more].concat());
        for wrong in [
            with(&[0]),
            with(&[0; LENGTH]),
            with(&ABSENT.to_be_bytes()),
            Bytes::from((ABSENT - 1).to_be_bytes().to_vec()),
            Bytes::from(1u64.to_be_bytes().to_vec()),
        ] {
            assert!(read(wrong.clone(), 3).is_err(), "{wrong:?}");
        }
        assert!(read(whole, 2).is_err(), "more than was asked for");
        assert!(read(Bytes::new(), 0).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_reads_back_as_it_was(
            found in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..50)), 1..40)
        ) {
            let found: Vec<_> = found.into_iter().map(|packed| packed.map(Bytes::from)).collect();
            prop_assert_eq!(read(answer(&found), found.len()).unwrap(), found);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), asked in 0..40usize) {
            if let Ok(found) = read(Bytes::from(bytes.clone()), asked) {
                prop_assert!(found.len() <= asked);
                prop_assert_eq!(tell(found).concat(), bytes);
            }
        }

        #[test]
        fn any_question_is_read_or_refused(query in "(names=)?[0-9a-f,&=]{0,140}") {
            if let Some(names) = asked_for(&query) {
                prop_assert_eq!(ask_for(&names), query);
            }
        }
    }
}
