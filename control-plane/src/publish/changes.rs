//! The log: denials first, then batches of whole records, in the order of writing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::bus::LogId;
use common::time::Timestamp;
use common::wire::address::Address;
use common::wire::seal::{Kind, seal};
use common::wire::v1::{Batch, Denials, Entry};
use common::wire::{Position, Unreadable};

use super::render::render;
use super::snapshot::Dirt;
use super::{PublishFault, Tools, is_due};
use crate::store::{Pending, Reading};

/// Changes that are read at once.
const MOST: u64 = 5_000;
/// The JSON of a part's entries: with envelope and signature a part stays below 64 KiB, unless one record is larger.
const LARGEST_PART: usize = 63 * 1024;
/// Marking costs a sync of the disk, and forgetting it costs a repetition: not after every change.
const MARK_EVERY: Duration = Duration::from_secs(1);

/// What was told so far.
#[derive(Default)]
pub(super) struct Changes {
    announced: Option<u64>,
    marked: u64,
    marked_at: Option<Timestamp>,
    /// False when the log may hold parts of an attempt that failed.
    is_certain: bool,
}

/// What one batch is made of, as of one moment.
struct Told {
    position: Position,
    previous: u64,
    denials: BTreeMap<u64, Vec<String>>,
    entries: Vec<Entry>,
    addresses: BTreeSet<Address>,
}

impl Changes {
    /// The last write that was told; 0 before the first.
    pub(super) fn announced(&self) -> u64 {
        self.announced.unwrap_or(0)
    }

    /// Tells the next changes; false when there was nothing to tell.
    pub(super) async fn tell(&mut self, tools: &Tools, dirt: &mut Dirt) -> Result<bool, PublishFault> {
        // A part of a failed attempt must not be completed with parts of another content: the log keeps what came
        // first. So the next attempt leads to a later sequence, or to the same one with the same content.
        let beyond = if self.is_certain { 0 } else { self.last_told(tools).await? };
        let Some(told) = self.gather(tools, beyond, dirt).await? else { return Ok(false) };
        dirt.extend(told.addresses.iter().map(Address::bucket));
        self.is_certain = false;
        deny(tools, &told).await?;
        append(tools, &told).await?;
        self.is_certain = true;
        self.announced = Some(told.position.sequence);
        tools.told.reach(told.position.sequence);
        Ok(true)
    }

    async fn last_told(&self, tools: &Tools) -> Result<u64, PublishFault> {
        let epoch = tools.store.read().await?.standing().await?.position.epoch;
        Ok(tools.outlet.last_change(epoch).await?.map_or(0, |last| last.sequence))
    }

    async fn gather(
        &mut self,
        tools: &Tools,
        beyond: u64,
        dirt: &mut Dirt,
    ) -> Result<Option<Told>, PublishFault> {
        let mut reading = tools.store.read().await?;
        let standing = reading.standing().await?;
        let previous = *self.announced.get_or_insert(standing.announced);
        if standing.announced > previous {
            // Another publisher of this database was faster; which records it told is not known here.
            dirt.everything();
            self.announced = Some(standing.announced);
        }
        tools.told.reach(standing.announced);
        let previous = previous.max(standing.announced);
        if standing.position.sequence <= previous {
            return Ok(None);
        }
        let mut most = MOST;
        let pending = loop {
            let pending = reading.pending(previous, most).await?;
            match pending.last() {
                Some(last) if last.sequence <= beyond && last.sequence < standing.position.sequence => {
                    most *= 2
                }
                _ => break pending,
            }
        };
        let sequence = pending.last().map_or(standing.position.sequence, |last| last.sequence);
        let position = Position { sequence, ..standing.position };
        Ok(Some(told(reading.as_mut(), position, previous, pending).await?))
    }

    /// Notes in the store what was told, now and then.
    pub(super) async fn mark_when_due(&mut self, tools: &Tools, now: Timestamp) -> Result<(), PublishFault> {
        if tools.marking.bound(self.announced()) > self.marked && is_due(self.marked_at, MARK_EVERY, now) {
            self.mark(tools).await?;
            self.marked_at = Some(now);
        }
        Ok(())
    }

    pub(super) async fn mark(&mut self, tools: &Tools) -> Result<(), PublishFault> {
        let announced = tools.marking.bound(self.announced());
        if announced > self.marked {
            tools.store.mark_announced(announced).await?;
            self.marked = announced;
        }
        Ok(())
    }
}

async fn told(
    reading: &mut dyn Reading,
    position: Position,
    previous: u64,
    pending: Vec<Pending>,
) -> Result<Told, PublishFault> {
    let mut denials: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    for Pending { sequence, announcement } in pending {
        if announcement.denies {
            denials.entry(sequence).or_default().push(announcement.address.to_string());
        }
        addresses.insert(announcement.address);
    }
    let mut entries = Vec::with_capacity(addresses.len());
    for address in &addresses {
        entries.push(match reading.record(address).await? {
            Some(stamped) => render(&stamped)?,
            None => Entry::new(address, position.sequence, None)?,
        });
    }
    Ok(Told { position, previous, denials, entries, addresses })
}

/// Each write's denials under its own sequence: a record of that sequence lifts them again, as after a new secret.
async fn deny(tools: &Tools, told: &Told) -> Result<(), PublishFault> {
    let epoch = told.position.epoch;
    for (sequence, addresses) in &told.denials {
        let denials = Denials { epoch, sequence: *sequence, addresses: addresses.clone() };
        let sealed = seal(Kind::Denials, &denials.encode()?, &tools.signing);
        tools.outlet.append_denials(epoch, LogId { sequence: *sequence, part: 0 }, sealed).await?;
    }
    Ok(())
}

async fn append(tools: &Tools, told: &Told) -> Result<(), PublishFault> {
    let Position { epoch, sequence } = told.position;
    let parts = split(&told.entries)?;
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    for (part, entries) in (0u32..).zip(parts) {
        let batch =
            Batch { epoch, previous: told.previous, sequence, part, parts: count, entries: entries.to_vec() };
        let sealed = seal(Kind::Batch, &batch.encode()?, &tools.signing);
        tools.outlet.append_change(epoch, LogId { sequence, part: part.into() }, sealed).await?;
    }
    Ok(())
}

/// The entries in parts of bounded size; one empty part when there are none.
fn split(entries: &[Entry]) -> Result<Vec<&[Entry]>, Unreadable> {
    let mut parts = Vec::new();
    let (mut start, mut size) = (0, 0);
    for (at, entry) in entries.iter().enumerate() {
        let length = serde_json::to_vec(entry).map_err(|fault| Unreadable::json("entry", &fault))?.len() + 1;
        if at > start && size + length > LARGEST_PART {
            parts.push(&entries[start..at]);
            (start, size) = (at, 0);
        }
        size += length;
    }
    parts.push(&entries[start..]);
    Ok(parts)
}
