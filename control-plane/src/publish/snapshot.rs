//! The snapshot: buckets of all records, the signed head that names them, and the cleaning up behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use common::bus::{LaidHead, Trim};
use common::digest::Digest;
use common::time::Timestamp;
use common::wire::seal::{Kind, open, seal};
use common::wire::v1::{Head, bucket};
use common::wire::{Position, Unreadable};
use tracing::{info, warn};

use super::render::{record, render};
use super::{PublishFault, Tools, is_due};
use crate::store::{Mark, Reading};

/// The head is signed anew this often, so that its age can be told.
const SIGN_EVERY: Duration = Duration::from_secs(5);
/// Buckets that changed are packed anew at most this often.
const PACK_EVERY: Duration = Duration::from_secs(10);
/// A head must have been readable this long before the changes behind it go.
const TRIM_CHANGES_AFTER: Duration = Duration::from_secs(600);
/// And this long before the denials do, which are small: an edge that was away for less hears of them before anything
/// else, however long the snapshot takes.
const TRIM_DENIALS_AFTER: Duration = Duration::from_secs(86_400);
/// A bucket that no head names stays this long for those who read an older head.
const RELEASE_AFTER: Duration = Duration::from_secs(600);
/// Records that are read at once.
const PAGE: u64 = 1_000;

/// Buckets that do not say the truth any more.
#[derive(Debug)]
pub(super) struct Dirt(BTreeSet<u8>);

impl Default for Dirt {
    /// All: nothing is known of what lies on the bus.
    fn default() -> Self {
        Self((0..=u8::MAX).collect())
    }
}

impl Dirt {
    pub(super) fn extend(&mut self, buckets: impl IntoIterator<Item = u8>) {
        self.0.extend(buckets);
    }

    pub(super) fn everything(&mut self) {
        *self = Self::default();
    }
}

/// A bucket as it lies on the bus.
#[derive(Clone, Copy)]
struct Laid {
    name: Digest,
    records: u64,
}

/// What lies on the bus, as far as this publisher knows.
#[derive(Default)]
pub(super) struct Snapshot {
    dirt: Dirt,
    buckets: BTreeMap<u8, Laid>,
    head: Option<Head>,
    packed_at: Option<Timestamp>,
    signed_at: Option<Timestamp>,
    /// Buckets that no head names, and since when.
    retired: BTreeMap<Digest, Timestamp>,
    /// When each sequence first stood in a head, oldest first.
    history: VecDeque<(Timestamp, u64)>,
    /// Up to where changes are gone.
    trimmed: u64,
}

impl Snapshot {
    pub(super) fn dirt(&mut self) -> &mut Dirt {
        &mut self.dirt
    }

    /// Forgets what lies on the bus, but for what is to be released there.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { retired: std::mem::take(&mut self.retired), ..Self::default() };
    }

    /// Does what is due: packs, signs, trims, releases.
    pub(super) async fn renew(
        &mut self,
        tools: &Tools,
        announced: u64,
        now: Timestamp,
    ) -> Result<(), PublishFault> {
        let pack_due = !self.dirt.0.is_empty() && is_due(self.packed_at, PACK_EVERY, now);
        if !pack_due && !is_due(self.signed_at, SIGN_EVERY, now) {
            return Ok(());
        }
        if self.is_lost(tools, announced, now).await? {
            info!("the bus has lost the snapshot or the log: putting everything again");
            self.begin_anew();
        }
        match self.head.clone() {
            Some(head) if !pack_due => {
                let announced = announced.max(head.sequence);
                self.put(tools, Head { announced, issued_at: now, ..head }, now).await?;
            }
            Some(_) | None => {
                let head = self.pack(tools, announced, now).await?;
                self.put(tools, head, now).await?;
                self.dirt.0.clear();
                self.packed_at = Some(now);
            }
        }
        self.clean(tools, now).await
    }

    /// Whether what we laid down is there no more. Before our first head, what another run left is only looked through
    /// for buckets that nobody would release otherwise.
    async fn is_lost(&mut self, tools: &Tools, announced: u64, now: Timestamp) -> Result<bool, PublishFault> {
        let there = self.genuine_head(tools, now).await?;
        let Some(ours) = &self.head else {
            let left = there.into_iter().flat_map(|head| head.buckets.into_values());
            self.retired.extend(left.map(|name| (name, now)));
            return Ok(false);
        };
        let Some(there) = there.filter(|there| there.position() >= ours.position()) else { return Ok(true) };
        let logged = tools.outlet.last_change(ours.epoch).await?.map_or(0, |last| last.sequence);
        let names: Vec<Digest> = ours.buckets.values().copied().collect();
        Ok(logged.max(there.sequence) < announced || !tools.outlet.holds_buckets(&names).await?)
    }

    /// The head that lies on the bus, when it is ours. What cannot be ours is cleared away: a head that is said to be of
    /// a huge sequence keeps out every later one, and a log that somebody led to one takes none of ours.
    async fn genuine_head(&self, tools: &Tools, now: Timestamp) -> Result<Option<Head>, PublishFault> {
        let laid = tools.outlet.head().await?;
        let head = laid.as_ref().and_then(|laid| read_head(laid, tools));
        let epoch = tools.store.read().await?.standing().await?.position.epoch;
        let lasts = [tools.outlet.last_change(epoch).await?, tools.outlet.last_denials(epoch).await?];
        // Read after the logs: whatever we told by then was written before.
        let written = tools.store.read().await?.standing().await?.position;
        if let Some(head) = head.as_ref().filter(|head| reach(head) > written) {
            // Ours, and ahead of what is true: edges would take what comes now for what they have.
            let position = tools.store.begin_history(reach(head), now).await?;
            warn!(%position, "the database was put back to an earlier state: another history begins");
            return Ok(None);
        }
        let is_foreign = lasts.into_iter().flatten().any(|last| last.sequence > written.sequence);
        if is_foreign || (laid.is_some() && head.is_none()) {
            warn!("the bus holds what is not ours: clearing it away");
            tools.outlet.discard(epoch).await?;
            return Ok(None);
        }
        Ok(head)
    }

    /// Packs the dirty buckets as of one moment, lays them down, and gives the head that names all of them.
    async fn pack(&mut self, tools: &Tools, announced: u64, now: Timestamp) -> Result<Head, PublishFault> {
        let mut reading = tools.store.read().await?;
        let standing = reading.standing().await?;
        if standing.announced > announced {
            self.dirt.everything();
        }
        // What was written but not told yet is part of this moment too.
        self.dirt.extend(buckets_beyond(reading.as_mut(), announced).await?);
        for number in self.dirt.0.clone() {
            let Some((laid, packed)) = pack_bucket(reading.as_mut(), number).await? else {
                let known = self.buckets.remove(&number);
                self.retired.extend(known.map(|known| (known.name, now)));
                continue;
            };
            if self.buckets.get(&number).is_none_or(|known| known.name != laid.name) {
                self.retired.insert(laid.name, now);
                tools.outlet.put_bucket(&laid.name, packed).await?;
            }
            // Should a later bucket fail, this one is still what the next head will name.
            if let Some(known) = self.buckets.insert(number, laid) {
                self.retired.insert(known.name, now);
            }
        }
        Ok(Head {
            epoch: standing.position.epoch,
            sequence: standing.position.sequence,
            announced: announced.max(standing.position.sequence),
            issued_at: now,
            records: self.buckets.values().map(|laid| laid.records).sum(),
            buckets: self.buckets.iter().map(|(number, laid)| (*number, laid.name)).collect(),
        })
    }

    async fn put(&mut self, tools: &Tools, head: Head, now: Timestamp) -> Result<(), PublishFault> {
        let sealed = seal(Kind::Head, &head.encode()?, &tools.signing);
        tools.outlet.put_head(head.position(), sealed).await?;
        self.signed_at = Some(now);
        if self.history.back().is_none_or(|(_, sequence)| *sequence != head.sequence) {
            self.history.push_back((now, head.sequence));
        }
        for name in head.buckets.values() {
            self.retired.remove(name);
        }
        self.head = Some(head);
        Ok(())
    }

    /// Lets go of what nobody needs any more: the log behind an old head, buckets that none names.
    async fn clean(&mut self, tools: &Tools, now: Timestamp) -> Result<(), PublishFault> {
        let older = |age| {
            let old = self.history.iter().take_while(|(since, _)| now.since(*since) >= age);
            old.last().map(|(_, sequence)| *sequence)
        };
        let (changes, denials) = (older(TRIM_CHANGES_AFTER), older(TRIM_DENIALS_AFTER));
        if let (Some(head), Some(changes)) = (&self.head, changes.filter(|changes| *changes > self.trimmed)) {
            tools.outlet.trim(head.epoch, Trim { changes, denials: denials.unwrap_or(0) }).await?;
            self.trimmed = changes;
            // The newest of those that are old says how far denials may go from now on.
            self.history.retain(|(_, sequence)| denials.is_none_or(|denials| *sequence >= denials));
        }
        let old = self.retired.iter().filter(|(_, since)| now.since(**since) >= RELEASE_AFTER);
        for name in old.map(|(name, _)| *name).collect::<Vec<_>>() {
            tools.outlet.release_bucket(&name).await?;
            self.retired.remove(&name);
        }
        Ok(())
    }
}

/// The last write that had been told when this head was signed.
fn reach(head: &Head) -> Position {
    Position { epoch: head.epoch, sequence: head.sequence.max(head.announced) }
}

/// The head that was laid there, when it is ours and stands where it belongs: nobody signs the place beside it.
fn read_head(laid: &LaidHead, tools: &Tools) -> Option<Head> {
    let head = open(Kind::Head, &laid.sealed, &[tools.signing.verifying_key()])
        .and_then(|payload| Head::decode(&payload))
        .and_then(|head| match laid.position == Some(head.position()) {
            true => Ok(head),
            false => Err(Unreadable::new("place of the head")),
        });
    head.inspect_err(|fault| warn!(%fault, "the head on the bus is not ours and is replaced")).ok()
}

/// The buckets of what was written after `sequence`.
async fn buckets_beyond(reading: &mut dyn Reading, mut sequence: u64) -> Result<BTreeSet<u8>, PublishFault> {
    let mut buckets = BTreeSet::new();
    loop {
        let pending = reading.pending(sequence, PAGE).await?;
        let Some(last) = pending.last() else { return Ok(buckets) };
        sequence = last.sequence;
        buckets.extend(pending.iter().map(|pending| pending.announcement.address.bucket()));
    }
}

/// `None` when nothing lies in it.
async fn pack_bucket(reading: &mut dyn Reading, number: u8) -> Result<Option<(Laid, Bytes)>, PublishFault> {
    let mut entries = Vec::new();
    for shelf in reading.shelves(number).await? {
        let mut mark = Mark::default();
        loop {
            let (page, next) = reading.walk(number, shelf, mark, PAGE).await?;
            if page.is_empty() {
                break;
            }
            mark = next;
            for stamped in page.iter().filter(|stamped| record(&stamped.noun).is_some()) {
                entries.push(render(stamped)?);
            }
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let records = entries.len() as u64;
    // Compressing a large bucket takes long enough to hold up others on this thread.
    let packed = tokio::task::spawn_blocking(move || bucket::pack(&entries)).await;
    let (name, packed) = packed.unwrap_or_else(|_| Err(Unreadable::new("bucket")))?;
    Ok(Some((Laid { name, records }, packed)))
}
