//! The tables of the replica, as the one who writes them sees them.

use common::key::Digests;
use common::wire::address::Address;
use common::wire::v1::{Entry, Record};
use redb::{ReadableTable as _, Table, WriteTransaction};

use super::{DENIED, DIGESTS, RECORDS, decode, split};
use crate::replica::{Changed, ReplicaFault};

/// The tables of one write transaction.
pub(super) struct Writer<'t> {
    records: Table<'t, &'static str, &'static [u8]>,
    digests: Table<'t, &'static [u8; 32], &'static str>,
    denied: Table<'t, &'static str, u64>,
}

impl<'t> Writer<'t> {
    pub(super) fn open(write: &'t WriteTransaction) -> Result<Self, ReplicaFault> {
        Ok(Self {
            records: write.open_table(RECORDS)?,
            digests: write.open_table(DIGESTS)?,
            denied: write.open_table(DENIED)?,
        })
    }

    /// Puts one entry, unless what is there is newer.
    pub(super) fn put(&mut self, entry: &Entry, changed: &mut Changed) -> Result<(), ReplicaFault> {
        let Ok(address) = entry.address.parse::<Address>() else {
            // A kind of record that only newer edges know.
            return Ok(());
        };
        let text = entry.address.as_str();
        let before = self.records.get(text)?.map(|value| value.value().to_vec());
        if before.as_deref().and_then(split).is_some_and(|(sequence, _)| sequence > entry.sequence) {
            return Ok(());
        }
        if let Some(digests) = before.and_then(|value| digests_in(&address, &value)) {
            for digest in digests.all() {
                self.digests.remove(&digest.0)?;
                changed.digests.push(digest);
            }
        }
        match &entry.record {
            None => {
                self.records.remove(text)?;
            }
            Some(json) => self.insert(&address, entry.sequence, json.get(), changed)?,
        }
        if self.denied.get(text)?.is_some_and(|at| at.value() <= entry.sequence) {
            self.denied.remove(text)?;
        }
        changed.addresses.push(address);
        Ok(())
    }

    fn insert(
        &mut self,
        address: &Address,
        sequence: u64,
        json: &str,
        changed: &mut Changed,
    ) -> Result<(), ReplicaFault> {
        let mut value = Vec::with_capacity(8 + json.len());
        value.extend_from_slice(&sequence.to_le_bytes());
        value.extend_from_slice(json.as_bytes());
        if let (Some(digests), Address::Key(id)) = (digests_in(address, &value), address) {
            for digest in digests.all() {
                self.digests.insert(&digest.0, id.as_str())?;
                changed.digests.push(digest);
            }
        }
        // Kept even when this edge cannot read it: it then denies, and a newer edge on the same file can read it.
        self.records.insert(address.to_string().as_str(), value.as_slice())?;
        Ok(())
    }
}

fn digests_in(address: &Address, value: &[u8]) -> Option<Digests> {
    match (address, decode(address, value)) {
        (Address::Key(_), Ok(Record::Key(_, digests))) => Some(digests),
        _ => None,
    }
}
