//! What an edge says of itself: how far it has come, when, and whether it is about to leave.
//!
//! It is said when the position moved and every second besides, so any one of them may be lost. Sealed by the edge
//! secret: who holds the bus can keep one back or repeat it, and a repeated one is known by its number.

use serde::{Deserialize, Serialize};

use crate::mac::MacKeys;
use crate::time::Timestamp;
use crate::wire::Position;

/// One acknowledgement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// The edge's name.
    pub edge: String,
    /// Of its program.
    pub version: String,
    /// When it began, Unix milliseconds; later than at any start before.
    pub started_at: u64,
    /// Counts up from 1 with every acknowledgement since, whichever way it takes.
    pub number: u64,
    /// Everything up to here is in force on it: denied, committed, and gone from its caches.
    pub position: Position,
    /// When the newest head that it has kept up with had been signed; 1970 before the first.
    pub head_issued_at: Timestamp,
    /// By its own clock.
    pub at: Timestamp,
    /// It has answered its last request, and this is its last word until it starts again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl Ack {
    /// Its text, sealed for the desk. `None` without any key.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<Vec<u8>> {
        keys.seal_bytes(serde_json::to_vec(self).ok()?)
    }

    /// What an edge of ours sealed; `None` for everything else.
    #[must_use]
    pub fn open(sealed: &[u8], keys: &MacKeys) -> Option<Self> {
        serde_json::from_slice(keys.open_bytes(sealed)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::Purpose;
    use crate::secret::Secret;

    fn keys(secret: &str, purpose: Purpose) -> MacKeys {
        MacKeys::derive(&[Secret::new(secret.to_owned())], purpose)
    }

    fn ack() -> Ack {
        Ack {
            edge: "edge-1".to_owned(),
            version: "0.1.0".to_owned(),
            started_at: 1_700_000_000_000,
            number: 7,
            position: Position { epoch: 3, sequence: 12 },
            head_issued_at: Timestamp::from_millis(1_700_000_001_000),
            at: Timestamp::from_millis(1_700_000_002_000),
            leaving: false,
        }
    }

    #[test]
    fn an_acknowledgement_opens_with_the_edge_secret_alone_and_only_as_what_it_is() {
        let ours = keys("an-edge-secret-of-the-tests", Purpose::Acknowledgement);
        let sealed = ack().seal(&ours).unwrap();
        assert_eq!(Ack::open(&sealed, &ours), Some(ack()));
        assert_eq!(Ack::open(&sealed, &keys("another", Purpose::Acknowledgement)), None);
        assert_eq!(Ack::open(&sealed, &keys("an-edge-secret-of-the-tests", Purpose::Report)), None);
        assert_eq!(Ack::open(&sealed[..sealed.len() - 1], &ours), None);
        assert_eq!(Ack::open(b"", &ours), None);
    }

    #[test]
    fn what_a_newer_edge_adds_is_ignored() {
        let ours = keys("an-edge-secret-of-the-tests", Purpose::Acknowledgement);
        let text = serde_json::to_string(&ack()).unwrap();
        insta::assert_snapshot!(text, @r#"{"edge":"edge-1","version":"0.1.0","startedAt":1700000000000,"number":7,"position":{"epoch":3,"sequence":12},"headIssuedAt":"2023-11-14T22:13:21.000Z","at":"2023-11-14T22:13:22.000Z"}"#);
        let newer = text.replacen('{', r#"{"mood":"good","#, 1);
        let sealed = ours.seal_bytes(newer.into_bytes()).unwrap();
        assert_eq!(Ack::open(&sealed, &ours), Some(ack()));
    }
}
