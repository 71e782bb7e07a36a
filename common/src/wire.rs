//! What the planes say to each other over the bus. [`v1`] is the vocabulary; how it travels is `bus`.
//!
//! Nothing here decides: records carry the truth of the control plane, with the sequence at which it became true.

pub mod address;
pub mod seal;
pub mod v1;

use serde::{Deserialize, Serialize};

/// A point in the history of all writes. An epoch begins when history is restored from a backup; the sequence is dense
/// within it. Orders by epoch, then sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// Grows when history was rewritten; Unix milliseconds, or one more than the last.
    pub epoch: u64,
    /// The number of the write, from 1; 0 is before all of them.
    pub sequence: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

impl std::str::FromStr for Position {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (epoch, sequence) = text.split_once('.').ok_or(Unreadable::new("position"))?;
        let number = |text: &str| text.parse().map_err(|_| Unreadable::new("position"));
        Ok(Self { epoch: number(epoch)?, sequence: number(sequence)? })
    }
}

/// Bytes from the bus that are not what they should be. Says which form, never the content.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unreadable {what}{detail}")]
pub struct Unreadable {
    what: &'static str,
    detail: String,
}

impl Unreadable {
    /// Of a form, without more to say.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, detail: String::new() }
    }

    /// With where the JSON broke. Not its text: serde's messages can quote values.
    #[must_use]
    pub fn json(what: &'static str, error: &serde_json::Error) -> Self {
        Self { what, detail: format!(" at line {} column {}", error.line(), error.column()) }
    }
}
