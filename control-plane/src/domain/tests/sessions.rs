//! Sessions: when one begins, how long it lives, and who ends it.

use common::digest::Digest;
use common::key::{Digests, Holder};
use common::session::LIFETIME;

use super::super::key::{self, Key, Rotate};
use super::super::session::{Count, MOST_KEPT, MOST_LIVING, OpenFacts, Reach, Session, forget, open, revoke};
use super::super::{Decision, Refusal, tenant};
use super::{NOW, context, rng, told};
use common::time::Timestamp;

fn key() -> Key {
    tenant::add_admin(&context(), &mut rng()).outcome.key
}

fn logged_in(change: impl FnOnce(&mut OpenFacts)) -> Result<Decision<Session>, Refusal> {
    let key = key();
    let holder = Holder::new(key.policy.id.clone(), &key.digests.current);
    let mut facts = OpenFacts { key: key.policy, holder, existing: None, count: Count::default() };
    change(&mut facts);
    open(Some("ci".to_owned()), facts, &context(), &mut rng())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

#[test]
fn a_session_lives_for_two_hours_or_as_long_as_its_key() {
    let end =
        |end: Option<i64>| logged_in(|facts| facts.key.expires_at = end.map(at)).unwrap().outcome.expires_at;
    assert_eq!(end(None), context().now.plus(LIFETIME));
    assert_eq!(end(Some(7_200_001)), at(7_200_000));
    assert_eq!(end(Some(5_000)), at(5_000));
    let session = logged_in(|_| ()).unwrap().outcome;
    assert!(session.is_living(at(7_199_999)) && !session.is_living(at(7_200_000)));
}

#[test]
fn a_login_begins_one_session_and_finds_it_again() {
    let begun = logged_in(|_| ()).unwrap();
    assert_eq!(told(&begun.change), [], "no edge needs to know of it");
    let line = &begun.change.audit[0];
    assert_eq!((line.action, line.target.clone()), ("session.create", begun.outcome.address().to_string()));
    assert!(line.after.contains(&("label", "ci".to_owned())));
    let again = logged_in(|facts| facts.existing = Some(begun.outcome.clone())).unwrap();
    assert_eq!((again.outcome, again.change.is_empty()), (begun.outcome, true));
}

#[test]
fn a_key_has_a_bounded_number_of_sessions() {
    let refused = |living, kept| logged_in(|facts| facts.count = Count { living, kept }).err();
    assert_eq!(refused(MOST_LIVING - 1, MOST_KEPT - 1), None);
    assert_eq!(refused(MOST_LIVING, MOST_LIVING), Some(Refusal::TooManySessions { most: MOST_LIVING }));
    assert_eq!(refused(0, MOST_KEPT), Some(Refusal::TooManySessions { most: MOST_KEPT }));
}

#[test]
fn the_end_of_a_session_is_told_as_a_denial_and_only_within_reach() {
    let session = logged_in(|_| ()).unwrap().outcome;
    let (id, own) = (session.id.clone(), session.holder.key.clone());
    let other = "key_other".parse().unwrap();
    let unknown = Refusal::UnknownSession(id.clone());
    let ended = revoke(&id, Some(session.clone()), Reach::Own(&own), &context()).unwrap();
    assert_eq!(told(&ended.change), [(format!("session:{id}"), true)]);
    assert_eq!(ended.change.audit[0].action, "session.revoke");
    assert!(revoke(&id, Some(session.clone()), Reach::Tenant, &context()).is_ok());
    let mut elsewhere = context();
    elsewhere.tenant = "24632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap();
    let mut later = context();
    later.now = session.expires_at;
    for (existing, reach, context) in [
        (None, Reach::Tenant, context()),
        (Some(session.clone()), Reach::Own(&other), context()),
        (Some(session.clone()), Reach::Tenant, elsewhere),
        (Some(session.clone()), Reach::Tenant, later),
        (Some(ended.outcome.clone()), Reach::Tenant, context()),
    ] {
        assert_eq!(revoke(&id, existing, reach, &context).unwrap_err(), unknown);
    }
    let change = forget(&[session, ended.outcome]);
    assert_eq!((change.rows.len(), told(&change)), (2, vec![(format!("session:{id}"), false)]));
}

#[test]
fn a_rotation_takes_rights_at_once_or_leaves_them_for_a_while() {
    let before = Key { digests: Digests::of(Digest::of(b"first")), ..key() };
    let rotated = |key: &Key, seconds| {
        let command = Rotate::parse(key.policy.id.clone(), seconds).unwrap();
        key::rotate(&command, Some(key.clone()), &context(), &mut rng()).unwrap()
    };
    let at_once = rotated(&before, None);
    assert_eq!((at_once.change.announcements[0].denies, at_once.outcome.key.digests.previous), (true, None));
    let overlapping = rotated(&before, Some(60));
    assert!(!overlapping.change.announcements[0].denies, "it would hit the secret that goes on working");
    let previous = overlapping.outcome.key.digests.previous.unwrap();
    assert_eq!((previous.digest, previous.until), (before.digests.current, at(60_000)));
    let line = &overlapping.change.audit[0];
    assert_eq!((line.action, line.after[0].0), ("key.rotate", "previousKeyExpiresAt"));
    assert!(Rotate::parse(before.policy.id.clone(), Some(2_592_000)).is_ok());
    assert!(Rotate::parse(before.policy.id, Some(2_592_001)).is_err());
}
