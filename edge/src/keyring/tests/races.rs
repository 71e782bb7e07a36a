//! No resurrection: what was revoked stays revoked, however look-ups and the feed fall on each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{find, keyring};
use crate::keyring::{KeyEntry, Keyring};
use crate::replica::tests::race::{hesitate_with, overtake};
use crate::replica::tests::world::{Row, World, digest, gone, key, key_at, key_row, rotated};
use common::limit::RequestsPerMinute;
use common::time::Timestamp;

#[test]
fn a_look_up_that_began_before_a_revocation_cannot_undo_it() {
    type Tell = fn(&Keyring, &crate::replica::Changed);
    let tells: [(&str, Tell); 2] = [
        ("change", |keyring, changed| keyring.refresh(changed)),
        ("snapshot", |keyring, _| keyring.refresh_all()),
    ];
    let writes: [(&str, Row); 4] = [
        ("disabled", key_row("key_1", 1, |k| k.is_enabled = false)),
        ("deleted", gone(key_at("key_1"))),
        ("rotated", key("key_1", 2)),
        ("rotated with an overlap that is over", rotated("key_1", 2, 1, Timestamp::from_millis(0))),
    ];
    for (by, tell) in tells {
        for (what, row) in &writes {
            let world = Mutex::new(World::furnished(&[]));
            let keyring = keyring(&world.lock().unwrap());
            let changed = Mutex::new(None);
            overtake(
                || drop(find(&keyring, 1)),
                || *changed.lock().unwrap() = Some(world.lock().unwrap().write(std::slice::from_ref(row))),
                || tell(&keyring, changed.lock().unwrap().as_ref().unwrap()),
            );
            let now = Timestamp::from_millis(1);
            let works = |entry: &KeyEntry| {
                entry.policy.is_enabled && entry.policy.expires_at.is_none_or(|end| end > now)
            };
            let alive = find(&keyring, 1).is_some_and(|entry| works(&entry));
            assert!(!alive, "{what} by a {by}, and came back");
        }
    }
}

const WRITES: u32 = 300;
const FINDERS: usize = 4;

/// The state of `key_1` after the `n`th write: every third time gone, every third time with another secret; its limit
/// says which write it is of.
fn state(n: u32) -> Row {
    let seed = if n % 3 == 2 { 2 } else { 1 };
    let numbered = key_row("key_1", seed, |k| k.rate_limit = RequestsPerMinute::new(n));
    if n.is_multiple_of(3) { gone(key_at("key_1")) } else { numbered }
}

fn has_first_secret(n: u32) -> bool {
    n % 3 == 1
}

/// Whether what was found can be the truth of a moment between the two writes.
fn is_of_between(found: Option<u32>, floor: u32, ceiling: u32) -> bool {
    match found {
        Some(n) => has_first_secret(n) && (floor..=ceiling).contains(&n),
        None => (floor..=ceiling).any(|n| !has_first_secret(n)),
    }
}

/// While a key is revoked, rotated and enabled again and again, by changes and by snapshots, and dropped from memory
/// all the time, no look-up finds a state that is older than what was in force when it began.
#[test]
#[expect(clippy::disallowed_methods, reason = "dropping entries makes look-ups load; it puts nothing")]
fn no_look_up_finds_less_than_what_was_in_force_when_it_began() {
    let world = World::furnished(&[state(1)]);
    let keyring = keyring(&world);
    let (begun, in_force, ended) = (AtomicU32::new(1), AtomicU32::new(1), AtomicBool::new(false));
    let world = Mutex::new(world);
    std::thread::scope(|scope| {
        for finder in 0..FINDERS {
            let (keyring, begun, in_force, ended) = (&keyring, &begun, &in_force, &ended);
            scope.spawn(move || {
                hesitate_with(move || (0..finder * 8).for_each(|_| std::thread::yield_now()));
                while !ended.load(Ordering::SeqCst) {
                    let floor = in_force.load(Ordering::SeqCst);
                    let found = find(keyring, 1).map(|entry| entry.policy.rate_limit.unwrap().get());
                    let ceiling = begun.load(Ordering::SeqCst);
                    assert!(is_of_between(found, floor, ceiling), "{found:?} in {floor}..={ceiling}");
                }
            });
        }
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                keyring.hot.invalidate(&digest(1));
                std::thread::yield_now();
            }
        });
        for n in 2..=WRITES {
            begun.store(n, Ordering::SeqCst);
            let mut world = world.lock().unwrap();
            let changed = world.write(&[state(n)]);
            if n % 2 == 0 {
                keyring.refresh(&changed)
            } else {
                keyring.refresh_all()
            }
            world.in_force();
            in_force.store(n, Ordering::SeqCst);
        }
        ended.store(true, Ordering::SeqCst);
    });
}
