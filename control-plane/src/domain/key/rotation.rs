//! A new secret for a key, which keeps its id and everything else: at once, or with time for the old one to be replaced.

use std::time::Duration;

use common::id::KeyId;
use common::key::{Digests, Previous, digest_of, generate};
use rand::Rng;

use super::super::change::{Change, Decision};
use super::super::{Context, Faults, Refusal};
use super::{Key, NewKey, update, within_reach};

/// The longest that an old secret may work beside the new one: 30 days.
const LONGEST_OVERLAP: u64 = 30 * 24 * 60 * 60;

/// The command: a new secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotate {
    /// For which key.
    pub id: KeyId,
    /// How long the old one goes on working.
    pub overlap: Duration,
}

impl Rotate {
    /// Reads the command. Without `overlap_seconds` the old secret dies at once.
    ///
    /// # Errors
    /// All faults of the fields.
    pub fn parse(id: KeyId, overlap_seconds: Option<u64>) -> Result<Self, Refusal> {
        let mut faults = Faults::default();
        let seconds = faults.optional("overlapSeconds", overlap_seconds, |seconds| {
            let says = || format!("must be a whole number from 0 to {LONGEST_OVERLAP}");
            (seconds <= LONGEST_OVERLAP).then_some(seconds).ok_or_else(says)
        });
        faults.check()?;
        Ok(Self { id, overlap: Duration::from_secs(seconds.unwrap_or(0)) })
    }
}

/// Decides on a new secret. A still older one, whose time is not over yet, ends: a key has two at most.
///
/// # Errors
/// When there is no such key within the actor's reach.
pub fn rotate(
    command: &Rotate,
    existing: Option<Key>,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    let expired = |key: &Key| key.policy.expires_at.is_some_and(|end| end <= context.now);
    if existing.as_ref().is_some_and(expired) {
        return Err(Refusal::ExpiredKeyCannotBeExtended);
    }
    renew("key.rotate", command, existing, context, rng)
}

/// The same at once, under the name that it has in the routes that know no overlap.
///
/// # Errors
/// As [`rotate`].
pub fn regenerate(
    id: &KeyId,
    existing: Option<Key>,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    let at_once = Rotate { id: id.clone(), overlap: Duration::ZERO };
    renew("key.regenerate", &at_once, existing, context, rng)
}

/// A secret that dies at once dies with the denial that goes ahead; the record that follows, of the same sequence,
/// lifts it for the new one. With an overlap nothing is denied: it would hit the secret that is to go on working.
fn renew(
    action: &'static str,
    command: &Rotate,
    existing: Option<Key>,
    context: &Context,
    rng: &mut impl Rng,
) -> Result<Decision<NewKey>, Refusal> {
    let before = within_reach(existing, &command.id, context)?;
    let mut key = before.clone();
    let secret = generate(key.policy.kind, rng);
    let at_once = command.overlap.is_zero();
    let old = Previous { digest: before.digests.current, until: context.now.plus(command.overlap) };
    key.digests = Digests { current: digest_of(&secret), previous: (!at_once).then_some(old) };
    key.updated_at = context.now;
    let mut change = Change::default();
    update(&mut change, action, (&before, &key), at_once, context);
    Ok(Decision { change, outcome: NewKey { key, secret, customer: None } })
}
