//! Somebody writes into Redis what no control plane of ours did: every kind of thing that lies there, in every way in
//! which it can be wrong. Nothing of it is believed, and nothing stops.

use std::time::Duration;

use common::wire::v1::{Batch, Head};
use serde_json::value::RawValue;

use super::load::Tally;
use super::{Size, WITHDRAWN_WITHIN, World, now_millis};
use crate::eventually::eventually;
use crate::redis::{Reply, TestRedis};

const HEAD: &[u8] = b"tidegate:v1:head";
/// A key that is switched off, and on.
const ENABLED: (&str, &str) = ("\"isEnabled\":false", "\"isEnabled\":true");
const JUNK: &[u8] = b"\x00\xff no seal of ours \x80";

/// One thing that is wrong.
type Poison = (&'static str, fn(&Place<'_>));

/// What lies there, for who wants to spoil it.
struct Place<'a> {
    redis: &'a TestRedis,
    /// A genuine head that was overtaken since.
    old_head: Vec<u8>,
}

impl Place<'_> {
    fn put_head(&self, sealed: &[u8]) {
        let _ = self.redis.command(&[b"HSET", HEAD, b"sealed", sealed]);
    }

    fn put_place(&self, epoch: &[u8], sequence: &[u8]) {
        let _ = self.redis.command(&[b"HSET", HEAD, b"epoch", epoch, b"sequence", sequence]);
    }

    fn every(&self, pattern: &str, each: impl Fn(&[u8])) {
        for key in self.redis.keys(pattern) {
            each(&key);
        }
    }

    /// Into a log, behind everything that is there by so much.
    fn append(&self, log: &str, ahead: u64, sealed: &[u8]) {
        self.every(&format!("tidegate:v1:*:{log}"), |key| {
            let id = format!("{}-0", self.last(key).saturating_add(ahead));
            let _ = self.redis.command(&[b"XADD", key, id.as_bytes(), b"b", sealed]);
        });
    }

    fn last(&self, key: &[u8]) -> u64 {
        let entry = self.newest(key).map(|(id, _)| id);
        entry.and_then(|id| id.split('-').next()?.parse().ok()).unwrap_or(0)
    }

    /// Id and sealed bytes of the newest entry of a log.
    fn newest(&self, key: &[u8]) -> Option<(String, Vec<u8>)> {
        let Reply::List(entries) = self.redis.command(&[b"XREVRANGE", key, b"+", b"-", b"COUNT", b"1"])
        else {
            return None;
        };
        let Some(Reply::List(entry)) = entries.into_iter().next() else { return None };
        let [Reply::Bytes(id), Reply::List(fields)] = entry.as_slice() else { return None };
        let sealed = fields.get(1).cloned()?.bytes()?;
        Some((String::from_utf8(id.clone()).ok()?, sealed))
    }

    /// The newest entry once more, behind itself.
    fn replay(&self, log: &str) {
        self.every(&format!("tidegate:v1:*:{log}"), |key| {
            if let Some((_, sealed)) = self.newest(key) {
                self.append(log, 1, &sealed);
            }
        });
    }
}

fn field(redis: &TestRedis) -> Vec<u8> {
    redis.command(&[b"HGET", HEAD, b"sealed"]).bytes().unwrap()
}

/// The newest change, one write later, with every `from` in its records made `to`: well-formed, and by nobody's hand.
fn forge(sealed: &[u8], (from, to): (&str, &str)) -> Option<(u64, Vec<u8>)> {
    let (signature, payload) = sealed.split_at_checked(64)?;
    let mut batch = Batch::decode(payload).ok()?;
    batch.previous = batch.sequence;
    batch.sequence += 1;
    for entry in &mut batch.entries {
        entry.sequence = batch.sequence;
        let json = entry.record.as_ref().map(|record| record.get().replace(from, to));
        entry.record = json.and_then(|json| RawValue::from_string(json).ok());
    }
    Some((batch.sequence, [signature, &batch.encode().ok()?].concat()))
}

const POISONS: &[Poison] = &[
    ("a head that is junk", |place| place.put_head(JUNK)),
    ("a head that is empty", |place| place.put_head(b"")),
    ("a head that was cut", |place| {
        place.put_head(&place.old_head[..place.old_head.len() / 2]);
    }),
    ("a head with one byte changed", |place| {
        let mut head = place.old_head.clone();
        let middle = head.len() / 2;
        head[middle] ^= 1;
        place.put_head(&head);
    }),
    ("a head of long ago", |place| place.put_head(&place.old_head)),
    ("a head of 8 MiB", |place| place.put_head(&vec![b'{'; 8 << 20])),
    ("a head that keeps every later one out", |place| {
        place.put_head(JUNK);
        place.put_place(b"9007199254740993", b"9007199254740993");
    }),
    ("a head that is no hash", |place| {
        let _ = place.redis.command(&[b"SET", HEAD, JUNK]);
    }),
    ("buckets that are junk", |place| {
        place.every("tidegate:v1:bucket:*", |key| {
            let _ = place.redis.command(&[b"SET", key, JUNK]);
        });
    }),
    ("buckets that are gone", |place| {
        place.every("tidegate:v1:bucket:*", |key| {
            let _ = place.redis.command(&[b"DEL", key]);
        });
    }),
    ("changes that are junk", |place| place.append("changes", 1, JUNK)),
    ("denials that are junk", |place| place.append("denials", 1, JUNK)),
    ("a change that gives the last key back", |place| {
        place.every("tidegate:v1:*:changes", |key| {
            let Some((_, sealed)) = place.newest(key) else { return };
            let Some((sequence, forged)) = forge(&sealed, ENABLED) else { return };
            let id = format!("{sequence}-0");
            let _ = place.redis.command(&[b"XADD", key, id.as_bytes(), b"b", &forged]);
        });
    }),
    ("a change that is told again as a later one", |place| place.replay("changes")),
    ("a denial that is told again as a later one", |place| place.replay("denials")),
    ("denials where changes belong", |place| {
        place.every("tidegate:v1:*:denials", |key| {
            if let Some((_, sealed)) = place.newest(key) {
                place.append("changes", 1, &sealed);
            }
        });
    }),
    ("a log that begins at the end of all numbers", |place| {
        place.append("changes", u64::MAX, JUNK);
        place.append("denials", u64::MAX, JUNK);
    }),
    ("logs that are no streams", |place| {
        for log in ["changes", "denials"] {
            place.every(&format!("tidegate:v1:*:{log}"), |key| {
                let _ = place.redis.command(&[b"SET", key, JUNK]);
            });
        }
    }),
    ("reports and acknowledgements that are junk", |place| {
        for stream in [&b"tidegate:v1:reports"[..], b"tidegate:v1:acks"] {
            for _ in 0..50 {
                let _ = place.redis.command(&[b"XADD", stream, b"*", b"b", JUNK]);
                let _ = place.redis.command(&[b"XADD", stream, b"*", b"other", b""]);
            }
        }
    }),
];

/// The stream that edges acknowledge in, and the one that they report in.
const STREAMS: [&[u8]; 2] = [b"tidegate:v1:acks", b"tidegate:v1:reports"];
/// The edges that are there, as the arbiter of limits knows them.
const EDGES: &[u8] = b"tidegate:v1:edges";

/// One thing that is wrong and of which requests show nothing, and what must be well again in time.
type Spoiled = (&'static str, fn(&Place<'_>), fn(&TestRedis) -> Result<(), String>);

const SPOILED: &[Spoiled] = &[
    ("a genuine head of no epoch", |place| place.put_place(b"abc", b"1"), head_is_in_its_place),
    (
        "a genuine head of an epoch beyond all",
        |place| place.put_place(b"9007199254740993", b"1"),
        head_is_in_its_place,
    ),
    ("a genuine head of no place", |place| place.put_place(b"", b""), head_is_in_its_place),
    (
        "streams that are at their end",
        |place| {
            let end = format!("{0}-{0}", u64::MAX);
            for stream in STREAMS {
                let _ = place.redis.command(&[b"XADD", stream, end.as_bytes(), b"b", JUNK]);
            }
        },
        edges_are_heard,
    ),
    (
        "streams that are none",
        |place| {
            for stream in STREAMS {
                let _ = place.redis.command(&[b"SET", stream, JUNK]);
            }
        },
        edges_are_heard,
    ),
    (
        "an arbiter's memory of other types",
        |place| {
            let _ = place.redis.command(&[b"SET", EDGES, JUNK]);
            let memory = b"tidegate:v1:arbiter";
            let _ = place.redis.command(&[b"DEL", memory]);
            let _ = place.redis.command(&[b"LPUSH", memory, JUNK]);
        },
        edges_attend,
    ),
];

fn head_is_in_its_place(redis: &TestRedis) -> Result<(), String> {
    let text = |name: &[u8]| {
        let value = redis.command(&[b"HGET", HEAD, name]).bytes().unwrap_or_default();
        String::from_utf8_lossy(&value).into_owned()
    };
    let sealed = redis.command(&[b"HGET", HEAD, b"sealed"]).bytes().unwrap_or_default();
    let head = Head::decode(sealed.get(64..).unwrap_or_default()).map_err(|e| e.to_string())?;
    let (there, said) = ((text(b"epoch"), text(b"sequence")), (head.epoch, head.sequence));
    if there == (said.0.to_string(), said.1.to_string()) {
        Ok(())
    } else {
        Err(format!("{there:?} {said:?}"))
    }
}

/// Something of an edge's came by the clock of now.
fn edges_are_heard(redis: &TestRedis) -> Result<(), String> {
    for stream in STREAMS {
        let told = redis.command(&[b"XINFO", b"STREAM", stream]);
        let Reply::List(fields) = &told else { return Err(format!("{told:?}")) };
        let name = Reply::Bytes(b"last-generated-id".to_vec());
        let at = fields.iter().position(|field| *field == name);
        let last = at.and_then(|at| fields.get(at + 1)?.clone().bytes());
        let time = last.and_then(|last| String::from_utf8(last).ok()?.split('-').next()?.parse::<i64>().ok());
        if time.is_none_or(|time| time.abs_diff(now_millis()) > 60_000) {
            return Err(format!("{told:?}"));
        }
    }
    Ok(())
}

fn edges_attend(redis: &TestRedis) -> Result<(), String> {
    match redis.command(&[b"ZCARD", EDGES]) {
        Reply::Number(edges) if edges >= 2 => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// One poison after the other; after each, what is withdrawn is gone in time.
pub async fn redis_is_poisoned(size: Size) -> (Tally, String) {
    let mut world = World::start(size).await;
    let (edges, load) = (world.every_edge(), world.load(&world.every_edge()));
    let old_head = field(&world.fleet.redis);
    world.admit(&edges).await;
    let mut longest = (Duration::ZERO, "");
    for (name, poison) in POISONS {
        poison(&Place { redis: &world.fleet.redis, old_head: old_head.clone() });
        world.assert_withdrawn(&edges).await;
        let withdrawn = world.withdraw(&edges).await;
        longest = longest.max((withdrawn, *name));
        load.asked(size.asks / 10).await;
    }
    for (name, spoil, is_well) in SPOILED {
        spoil(&Place { redis: &world.fleet.redis, old_head: old_head.clone() });
        let well = async || is_well(&world.fleet.redis).map_err(|says| format!("after {name}: {says}"));
        eventually(WITHDRAWN_WITHIN, well).await;
        world.withdraw(&edges).await;
    }
    world.suffer(&load).await;
    let tally = world.assert_well("Redis is poisoned", load).await;
    (
        tally,
        format!(
            "{} kinds, withdrawn at the latest {:.1?} after {}",
            POISONS.len() + SPOILED.len(),
            longest.0,
            longest.1
        ),
    )
}
