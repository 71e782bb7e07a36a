//! Version 1 of the vocabulary: records, buckets of them, batches of changes, denials, and the head.
//!
//! JSON, so that a person with `redis-cli` can read it. Unknown fields are ignored; a record that needs a reader to
//! understand more says so in `requires`, and a reader that does not must deny its address.

pub mod ack;
pub mod bucket;
pub mod event;
pub mod records;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::time::Timestamp;
use crate::wire::address::Address;
use crate::wire::{Position, Unreadable};

pub use records::Record;

/// One record's state: what it is now and since when, or that it is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Whose state this is: an [`Address`] as text, so that a kind that this reader does not know spoils no other entry.
    pub address: String,
    /// The write that made it so.
    pub sequence: u64,
    /// The record; absent when it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<RawValue>>,
}

impl Entry {
    /// A record's state.
    ///
    /// # Errors
    /// When the record cannot be written as JSON, which none of ours does.
    pub fn new(address: &Address, sequence: u64, record: Option<&Record>) -> Result<Self, Unreadable> {
        let record = record.map(Record::encode).transpose()?;
        Ok(Self { address: address.to_string(), sequence, record })
    }

    /// Reads the record of `address`, which is the entry's own; `Ok(None)` when it was deleted.
    ///
    /// # Errors
    /// When this reader does not understand it: the address must then be denied.
    pub fn decode(&self, address: &Address) -> Result<Option<Record>, Unreadable> {
        self.record.as_ref().map(|raw| Record::decode(address, raw.get())).transpose()
    }
}

/// Changes from one position to a later one. Applying it to a replica that stands at `previous` or between gives the
/// state at `sequence`, because entries are whole states, not differences.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// The history it belongs to.
    pub epoch: u64,
    /// The position before the first change in it.
    pub previous: u64,
    /// The position after the last change in it.
    pub sequence: u64,
    /// Which part this is, from 0; a large change travels in several.
    pub part: u32,
    /// How many parts there are; the change is in force when all are applied.
    pub parts: u32,
    /// The records that changed.
    pub entries: Vec<Entry>,
}

/// Rights taken away, told apart and first. It can only deny: the worst that a wrong one does is to deny too much.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Denials {
    /// The history it belongs to.
    pub epoch: u64,
    /// The write that took the rights; a record of this or a later sequence tells the whole truth again.
    pub sequence: u64,
    /// Whose rights. Texts, so that an address that this reader does not know does not spoil the others.
    pub addresses: Vec<String>,
}

/// The head of the snapshot, signed anew every few seconds so that its age can be told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The history it belongs to.
    pub epoch: u64,
    /// The position that the buckets stand at.
    pub sequence: u64,
    /// The last position that was announced; the log leads from `sequence` to it.
    pub announced: u64,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// The number of records in all buckets.
    pub records: u64,
    /// The buckets that are not empty: number to SHA-256 of the compressed bytes.
    pub buckets: BTreeMap<u8, Digest>,
}

impl Head {
    /// The position that the buckets stand at.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, sequence: self.sequence }
    }
}

macro_rules! json_form {
    ($name:ident, $what:literal) => {
        impl $name {
            /// The JSON text.
            ///
            /// # Errors
            /// Never for values that we made; serde's signature allows it.
            pub fn encode(&self) -> Result<Vec<u8>, Unreadable> {
                serde_json::to_vec(self).map_err(|e| Unreadable::json($what, &e))
            }

            /// Reads the JSON text.
            ///
            /// # Errors
            /// When it does not have the form; nothing of the content is told.
            pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
                serde_json::from_slice(bytes).map_err(|e| Unreadable::json($what, &e))
            }
        }
    };
}

json_form!(Batch, "batch");
json_form!(Denials, "denials");
json_form!(Head, "head");
