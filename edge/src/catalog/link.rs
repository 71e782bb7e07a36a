//! Signed download URLs: everything they say is in them, so that any edge can check one in memory.

use std::time::Duration;

use common::id::{ApplicationId, FileId, VersionName};
use common::mac::MacKeys;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::keyring::Holder;

/// How long a download URL works.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The right to download one file, lent by the key that it was issued to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Whose right it is: the link dies with it.
    #[serde(flatten)]
    pub holder: Holder,
    /// Of which application.
    #[serde(rename = "a")]
    pub application: ApplicationId,
    /// Which version.
    #[serde(rename = "v")]
    pub version: VersionName,
    /// Which file.
    #[serde(rename = "f")]
    pub file: FileId,
    /// The channel it was asked through, for drafts.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// When it ends, Unix milliseconds.
    #[serde(rename = "e")]
    expires: i64,
}

impl Link {
    /// A link that ends [`LIFETIME`] after `now`.
    pub fn new(
        holder: Holder,
        file: (ApplicationId, VersionName, FileId),
        channel: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let (application, version, file) = file;
        let expires = now.plus(LIFETIME).millis();
        Self { holder, application, version, file, channel: channel.map(str::to_owned), expires }
    }

    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires)
    }

    /// The segment of the URL. `None` when this edge has no secret to sign with.
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads the segment.
    ///
    /// # Errors
    /// [`Refusal::LinkInvalid`] when it is not ours to the letter, [`Refusal::LinkExpired`] when it is past its time.
    pub fn open(text: &str, keys: &MacKeys, now: Timestamp) -> Result<Self, Refusal> {
        let payload = keys.open(text).ok_or(Refusal::LinkInvalid)?;
        let link: Self = serde_json::from_slice(&payload).map_err(|_| Refusal::LinkInvalid)?;
        if link.expires_at() <= now { Err(Refusal::LinkExpired) } else { Ok(link) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::mac::Purpose;
    use common::secret::Secret;

    #[test]
    fn a_link_works_for_half_an_hour_and_only_as_it_was_signed() {
        let keys = MacKeys::derive(&[Secret::new("s".to_owned())], Purpose::Link);
        let file = ("my-app".parse().unwrap(), "1.0.0".parse().unwrap(), "file_1".parse().unwrap());
        let now = Timestamp::from_millis(1_000_000);
        let holder = Holder { key: "key_1".parse().unwrap(), generation: "0123".to_owned() };
        let link = Link::new(holder, file, None, now);
        let text = link.seal(&keys).unwrap();
        assert_eq!(Link::open(&text, &keys, now), Ok(link));
        assert_eq!(Link::open(&text, &keys, now.plus(LIFETIME)), Err(Refusal::LinkExpired));
        assert_eq!(Link::open(&text[1..], &keys, now), Err(Refusal::LinkInvalid));
    }
}
