//! A request that its caller names is done once, however often it is sent: `Idempotency-Key`
//! (draft-ietf-httpapi-idempotency-key-header-07).
//!
//! The answer of a write is kept in the write's own transaction, so a crash leaves both or neither. Who sends the request
//! again gets that answer, byte for byte, from any control plane over the database. Only successes are kept: a refusal
//! wrote nothing, and what was refused may be tried again. Two control planes that are asked at the same moment both
//! begin, and the second to commit fails on the id of the first one's answer, which it then gives.

mod fingerprint;
mod name;
mod seal;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use common::credential::{self, Carried};
use common::digest::Digest;
use common::problem::{Code, Problem};
use common::routes::Route;
use common::time::Timestamp;
use rand::Rng;

use crate::api::answer::{Answer, Handled};
use crate::api::call::Call;
use crate::api::caller::Caller;
use crate::api::{Desk, Keyed};
use crate::domain::answer::KeptAnswer;
use crate::domain::{Change, Row};
use crate::error::Failure;
use seal::Sealing;

/// How the answer to one request is kept.
#[derive(Debug)]
pub(crate) struct Keeping {
    id: Digest,
    fingerprint: Digest,
    sealing: Sealing,
    request_id: String,
    now: Timestamp,
}

impl Keeping {
    /// The answer as it is kept.
    pub(super) fn keep(&self, answer: &Answer, rng: &mut impl Rng) -> Result<KeptAnswer, Failure> {
        let (status, body) = answer.told(&self.request_id)?;
        let sealed = self.sealing.seal(&self.bound_to(status), body, rng);
        Ok(KeptAnswer {
            id: self.id,
            fingerprint: self.fingerprint,
            status,
            sealed: sealed.ok_or_else(|| Failure::broken("api", "an answer could not be sealed"))?,
            kept_at: self.now,
        })
    }

    /// What a kept answer tells, if it answers this request.
    fn open(&self, kept: KeptAnswer) -> Handled {
        if kept.fingerprint != self.fingerprint {
            return Err(reused().into());
        }
        let body = self.sealing.open(&self.bound_to(kept.status), kept.sealed);
        Answer::again(kept.status, body.ok_or_else(unreadable)?)
    }

    /// What a sealed body cannot be moved away from: the row's id, the request, the status.
    fn bound_to(&self, status: u16) -> Vec<u8> {
        [&self.id.0[..], &self.fingerprint.0, &status.to_be_bytes()].concat()
    }
}

/// The named requests that are being answered, with their fingerprints.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Mutex<HashMap<Digest, Digest>>);

/// The right to answer a named request. Dropped, however that comes, others may try.
struct Turn<'a>(&'a InFlight, Digest);

impl InFlight {
    fn begin(&self, id: Digest, fingerprint: Digest) -> Result<Turn<'_>, Problem> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id) {
            Entry::Occupied(first) if *first.get() == fingerprint => Err(in_flight()),
            Entry::Occupied(_) => Err(reused()),
            Entry::Vacant(place) => {
                place.insert(fingerprint);
                Ok(Turn(self, id))
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// Runs the handler of a route, unless the request is named and was answered before.
pub(super) async fn once(
    desk: &Arc<Desk>,
    route: &Route,
    handler: &Keyed,
    (caller, call): (Caller, Call),
) -> Handled {
    let name = if route.takes_idempotency_key() { name::find(&call.headers)? } else { None };
    let Some(name) = name else { return handler(desk.clone(), caller, call).await };
    let secret = credential::find(&call.headers).ok().flatten().map(Carried::into_secret);
    let secret = secret.ok_or_else(|| Failure::broken("api", "a caller without a credential was let in"))?;
    let tenant = caller.tenant().to_string();
    let id = fingerprint::of_parts([tenant.as_bytes(), caller.key().as_str().as_bytes(), name.as_bytes()]);
    let (call, fingerprint) = fingerprint::take(route, call).await?;
    let (sealing, request_id, now) = (Sealing::of(&secret), call.request_id.clone(), call.now);
    let keeping = Arc::new(Keeping { id, fingerprint, sealing, request_id, now });
    let _turn = match desk.in_flight.begin(id, fingerprint) {
        Ok(turn) => turn,
        // Perhaps the turn is of somebody who is only told again: what was done is told to any number at once.
        Err(problem) => return answered(desk, &keeping).await?.ok_or_else(|| problem.into()),
    };
    if let Some(answer) = answered(desk, &keeping).await? {
        return Ok(answer);
    }
    match handler(desk.clone(), caller.keeping(keeping.clone()), call).await {
        Ok(answer) if answer.is_kept() => Ok(answer),
        Ok(answer) => keep_late(desk, &keeping, answer).await,
        // Another control plane may have done it meanwhile: then this one was refused because it is done.
        Err(failure) => answered(desk, &keeping).await?.ok_or(failure),
    }
}

/// The answer that the request had before, at its place in history: an edge tells it when it has come as far.
async fn answered(desk: &Desk, keeping: &Keeping) -> Result<Option<Answer>, Failure> {
    let mut truth = desk.store.read().await?;
    let Some(kept) = truth.kept_answer(&keeping.id, keeping.now).await? else { return Ok(None) };
    let position = truth.standing().await?.position;
    Ok(Some(keeping.open(kept)?.at(position)))
}

/// Keeps the answer of a handler whose work is no transaction of the database. The work is done: whoever asked is told,
/// kept or not.
async fn keep_late(desk: &Desk, keeping: &Keeping, answer: Answer) -> Handled {
    let row = Row::Answer(keeping.keep(&answer, &mut desk.rng()?)?);
    let change = Change { rows: vec![row], ..Change::default() };
    match desk.commit(desk.store.write().await?, change).await {
        Ok(_) => Ok(answer.kept()),
        Err(failure) => {
            tracing::warn!(request_id = keeping.request_id, ?failure, "an answer could not be kept");
            Ok(answer)
        }
    }
}

fn reused() -> Problem {
    let says = "This Idempotency-Key was used for another request within 24 hours: choose a new one";
    Problem::new(Code::Unprocessable, "idempotency_key_reused", says)
}

fn in_flight() -> Problem {
    let says =
        "The first request with this Idempotency-Key is still being answered: send it again in a moment";
    Problem::new(Code::Conflict, "idempotency_in_flight", says)
}

fn unreadable() -> Problem {
    let says = "This request was done, but its answer can be read with the credential of that time only, which has \
                changed: look at what is there, and choose a new Idempotency-Key";
    Problem::new(Code::Conflict, "idempotency_unreadable", says)
}
