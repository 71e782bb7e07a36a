//! What the planes tell each other over HTTP, sealed with keys derived from the edge secret: an edge's word on who the
//! client is, and the ticket that stands in an upload URL.

use std::net::IpAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::id::{TenantId, UploadId};
use crate::mac::MacKeys;
use crate::time::Timestamp;

/// The header that carries a [`Forwarded`] from edge to control plane.
pub const FORWARDED_HEADER: &str = "x-tidegate-forwarded";
/// The header in which the control plane tells the edge the sequence of a write.
pub const SEQUENCE_HEADER: &str = "x-tidegate-sequence";
/// How old an edge's word may be: long enough for clocks that differ, short enough to be no key.
pub const FORWARDED_LIFETIME: Duration = Duration::from_secs(300);
/// The same for the word of an edge that follows. A clock that is off by hours must not keep it from hearing of
/// revocations, and all that the word opens is signed, public to every edge, and of no use to who has no edge.
const WORD_LIFETIME: Duration = Duration::from_secs(86_400);

/// An edge's word on a request that it passes on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forwarded {
    /// The client's address as the edge determined it.
    pub address: IpAddr,
    /// What links in the answer start with, like `https://dl.example.com`.
    pub base: String,
    /// When the edge said so.
    pub at: Timestamp,
}

impl Forwarded {
    /// The header value. `None` without any secret.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads a header value; `None` when no edge of ours said that, or not lately.
    #[must_use]
    pub fn open(text: &str, keys: &MacKeys, now: Timestamp) -> Option<Self> {
        open_lately(text, keys, |word: &Self| word.at, (now, FORWARDED_LIFETIME))
    }
}

/// What `keys` sealed, if it was said no longer ago, and no further ahead, than the span.
fn open_lately<T: DeserializeOwned>(
    text: &str,
    keys: &MacKeys,
    said_at: impl Fn(&T) -> Timestamp,
    (now, span): (Timestamp, Duration),
) -> Option<T> {
    let word: T = serde_json::from_slice(&keys.open(text)?).ok()?;
    let at = said_at(&word);
    (now.since(at).max(at.since(now)) <= span).then_some(word)
}

/// The header by which an edge shows that it is one, when it follows the control plane itself.
pub const EDGE_HEADER: &str = "x-tidegate-edge";

/// An edge's word that it is one of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EdgeWord {
    /// Its name in the fleet.
    pub edge: String,
    /// When it said so.
    pub at: Timestamp,
}

impl EdgeWord {
    /// The header value. `None` without any secret.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads a header value; `None` when no edge of ours said that, or not lately.
    #[must_use]
    pub fn open(text: &str, keys: &MacKeys, now: Timestamp) -> Option<Self> {
        open_lately(text, keys, |word: &Self| word.at, (now, WORD_LIFETIME))
    }
}

/// The right to send the bytes of one large upload; it stands in the URL, so it can do nothing else.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UploadTicket {
    /// Whose upload it is.
    pub tenant: TenantId,
    /// The upload.
    pub upload: UploadId,
    /// When the right ends.
    pub expires_at: Timestamp,
}

impl UploadTicket {
    /// The last segment of the upload URL. `None` without any secret.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads the segment; `None` when we did not make it. Whether it is past its time is for the caller to see.
    #[must_use]
    pub fn open(text: &str, keys: &MacKeys) -> Option<Self> {
        serde_json::from_slice(&keys.open(text)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::Purpose;
    use crate::secret::Secret;

    #[test]
    fn a_word_opens_for_who_shares_the_secret_and_for_a_while() {
        let keys = |secret: &str| MacKeys::derive(&[Secret::new(secret.to_owned())], Purpose::Feed);
        let (ours, at) = (keys("an-edge-secret-of-ours"), Timestamp::from_millis(1_800_000_000_000));
        let word = EdgeWord { edge: "edge-1".to_owned(), at };
        let text = word.seal(&ours).unwrap();
        let check = |keys: &MacKeys, now, opens: bool| {
            assert_eq!(EdgeWord::open(&text, keys, now).is_some(), opens, "{now}");
        };
        check(&ours, at, true);
        check(&ours, at.plus(WORD_LIFETIME), true);
        check(&ours, at.plus(WORD_LIFETIME + Duration::from_millis(1)), false);
        check(&keys("another-secret-of-others"), at, false);
        let early = Timestamp::from_millis(at.millis() - 86_400_001);
        check(&ours, early, false);
    }
}
