//! The arbiter in Redis: scripts, so that edges cannot race, by the clock of Redis, so that they need not agree on one.
//! All of it is memory of a minute: lost, the edges tell it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::{Client, Pipeline, RedisError, Script, ScriptInvocation};

use super::away;
use super::connection::{Bound, Slot};
use super::large::MOST_ANSWERED;
use crate::bus::BusError;
use crate::bus::arbiter::{Arbiter, Claim, Occupation, Presence, Share, Verdict, WINDOW};
use crate::wire::Unreadable;
use crate::wire::address::{ARBITER, EDGES, minute_key, places_key};

/// How long a command may take: edges have their fair shares meanwhile, and no request waits so long.
const PATIENCE: Duration = Duration::from_millis(250);
/// Commands sent at once.
const MOST: usize = 256;

/// The scripts, and a connection of their own.
pub struct RedisArbiter {
    commands: Slot,
    attend: Script,
    settle: Script,
    occupy: Script,
    /// Milliseconds in place of the clock of Redis.
    by_hand: Option<Arc<AtomicU64>>,
}

impl RedisArbiter {
    pub(super) fn over(client: Client, bound: Bound) -> Self {
        Self {
            commands: Slot::new(client, PATIENCE, bound),
            attend: Script::new(concat!(
                include_str!("arbiter/common.lua"),
                include_str!("arbiter/attend.lua")
            )),
            settle: Script::new(concat!(
                include_str!("arbiter/common.lua"),
                include_str!("arbiter/settle.lua")
            )),
            occupy: Script::new(concat!(
                include_str!("arbiter/common.lua"),
                include_str!("arbiter/occupy.lua")
            )),
            by_hand: None,
        }
    }

    /// One that goes by `millis` instead of the clock of Redis, so that a minute can pass in a moment.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn by_hand(url: &str, millis: Arc<AtomicU64>) -> Result<Self, BusError> {
        let client = Client::open(url).map_err(|e| away(&e))?;
        Ok(Self { by_hand: Some(millis), ..Self::over(client, Bound::alone(MOST_ANSWERED)) })
    }

    fn now(&self) -> String {
        self.by_hand.as_ref().map_or_else(String::new, |millis| millis.load(Ordering::Relaxed).to_string())
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        invocations: &[ScriptInvocation<'_>],
    ) -> Result<Vec<T>, BusError> {
        let mut answers = Vec::with_capacity(invocations.len());
        for some in invocations.chunks(MOST) {
            // All are safe to repeat, and a Redis that does not know the script has run none.
            let ran = match self.pipe(some, None).await? {
                Err(error) if error.kind() == redis::ServerErrorKind::NoScript.into() => {
                    self.pipe(some, Some(script)).await?
                }
                ran => ran,
            };
            let ran: Vec<T> = ran.map_err(|e| away(&e))?;
            if ran.len() != some.len() {
                return Err(Unreadable::new("answers of a script").into());
            }
            answers.extend(ran);
        }
        Ok(answers)
    }

    async fn pipe<T: redis::FromRedisValue>(
        &self,
        invocations: &[ScriptInvocation<'_>],
        load: Option<&Script>,
    ) -> Result<Result<Vec<T>, RedisError>, BusError> {
        let mut pipe = Pipeline::with_capacity(invocations.len() + 1);
        if let Some(script) = load {
            pipe.load_script(script).ignore();
        }
        for invocation in invocations {
            pipe.invoke_script(invocation);
        }
        self.commands.call(async |mut c| pipe.query_async(&mut c).await).await
    }

    fn invoke<'a>(&self, script: &'a Script, keys: &[&str], edge: &str) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in keys {
            call.key(*key);
        }
        call.arg(self.now()).arg(edge);
        call
    }

    fn claim(&self, edge: &str, claim: &Claim) -> ScriptInvocation<'_> {
        let minute = minute_key(&claim.key);
        let mut call = self.invoke(&self.settle, &[ARBITER, EDGES, &minute], edge);
        call.arg(claim.number).arg(claim.limit).arg(claim.total);
        call.arg(claim.held).arg(claim.waiting).arg(claim.ahead);
        call.arg(u8::from(claim.was_answered)).arg(u8::from(claim.is_whole));
        for (age, count) in &claim.spent {
            call.arg(*age).arg(*count);
        }
        call
    }
}

#[async_trait]
impl Arbiter for RedisArbiter {
    async fn attend(&self, edge: &str) -> Result<Presence, BusError> {
        let call = self.invoke(&self.attend, &[ARBITER, EDGES], edge);
        let answers: Vec<(u32, u64)> = self.run(&self.attend, &[call]).await?;
        let presence = answers.first().map(|(edges, memory)| Presence { edges: *edges, memory: *memory });
        presence.ok_or(Unreadable::new("presence").into())
    }

    async fn settle(&self, edge: &str, claims: &[Claim]) -> Result<Vec<Verdict>, BusError> {
        let calls: Vec<_> = claims.iter().map(|claim| self.claim(edge, claim)).collect();
        let answers: Vec<Vec<u64>> = self.run(&self.settle, &calls).await?;
        answers.iter().map(|answer| verdict(answer)).collect()
    }

    async fn occupy(&self, edge: &str, occupations: &[Occupation]) -> Result<Vec<Option<u32>>, BusError> {
        let call = |of: &Occupation| {
            let places = places_key(of.tenant, &of.customer);
            let mut call = self.invoke(&self.occupy, &[ARBITER, &places], edge);
            call.arg(of.most).arg(of.running).arg(of.waiting);
            call
        };
        let calls: Vec<_> = occupations.iter().map(call).collect();
        let answers: Vec<i64> = self.run(&self.occupy, &calls).await?;
        Ok(answers.into_iter().map(|places| u32::try_from(places).ok()).collect())
    }
}

/// Whoever writes to Redis writes this: nothing in it is believed to be sane.
fn verdict(answer: &[u64]) -> Result<Verdict, BusError> {
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let time = |millis: u64| Duration::from_millis(millis).min(2 * WINDOW);
    match *answer {
        [0, lease, free, next_in, whole_in, left, settles_in] => Ok(Verdict::Shared(Share {
            lease: count(lease),
            free: count(free),
            next_in: time(next_in),
            whole_in: time(whole_in),
            left,
            settles_in: time(settles_in),
        })),
        [1] => Ok(Verdict::TellAll),
        [2] => Ok(Verdict::Overtaken),
        _ => Err(Unreadable::new("verdict").into()),
    }
}
