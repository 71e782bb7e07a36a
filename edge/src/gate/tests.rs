//! The gate: the order of its refusals, the minute, and whom failures are charged to.

mod fleet;
mod minute;
mod order;
mod sessions;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use common::key;
use common::mac::{MacKeys, Purpose};
use common::secret::Secret;
use common::time::Timestamp;

use crate::error::{Failure, Refusal};
use crate::gate::{Gate, Permit, Staleness, Turned};
use crate::keyring::Keyring;
use crate::replica::tests::world::{World, secret, tenant_id};
use crate::request::tests::ask;
use crate::request::{Arrival, Ask};

/// The wall's time in these tests, in milliseconds; the head is as old as `World::fresh_at` says.
const NOW: i64 = 100_000;
const HERE: &str = "203.0.113.9";
const SERVE: Staleness = Staleness { most: Duration::from_secs(60), denies: false };

struct House {
    world: World,
    keyring: Arc<Keyring>,
    gate: Gate,
}

impl House {
    fn of(world: World, staleness: Staleness) -> Self {
        let keyring = Arc::new(Keyring::new(world.replica.clone(), 100));
        let gate = Gate::new(keyring.clone(), world.replica.clone(), staleness).with_sessions(session_keys());
        Self { world, keyring, gate }
    }

    fn admit(&self, ask: &Ask) -> Result<Permit, Turned> {
        self.gate.admit(ask)
    }
}

/// What tokens of sessions are sealed with.
fn session_keys() -> MacKeys {
    MacKeys::derive(&[Secret::new("an-edge-secret-of-the-tests".to_owned())], Purpose::Session)
}

/// Text of the key with the secret of that seed.
fn text(seed: u64) -> String {
    key::text_of(tenant_id(), &secret(seed))
}

fn arrival(address: &str, tick_millis: u64) -> Arrival {
    Arrival {
        address: address.parse::<IpAddr>().unwrap(),
        at: Timestamp::from_millis(NOW),
        tick: Duration::from_millis(tick_millis),
    }
}

fn ask_of(method: &str, path: &str, key: &str, arrival: Arrival) -> Ask {
    let headers: &[_] = if key.is_empty() { &[] } else { &[("x-api-key", key)] };
    ask((method, path), headers, arrival).unwrap()
}

/// A listing of applications by that key, from here.
fn listing(key: &str) -> Ask {
    ask_of("GET", "/v1/applications", key, arrival(HERE, 0))
}

fn reason(result: Result<Permit, impl Into<Turned>>) -> &'static str {
    match result.map_err(Into::into) {
        Ok(_) => "admitted",
        Err(Turned { failure: Failure::Refused(refusal), .. }) => refusal.reason(),
        Err(Turned { failure, .. }) => panic!("{failure:?}"),
    }
}

fn wait_of(result: Result<Permit, Turned>) -> Option<Duration> {
    match result {
        Err(Turned { failure: Failure::Refused(Refusal::RateLimited(after)), .. }) => Some(after),
        _ => None,
    }
}
