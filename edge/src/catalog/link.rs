//! Signed download URLs and share links: everything they say is in them, so that any edge can check one in memory.
//! They say the same, and are signed with keys of two purposes: one never passes for the other.

use std::time::Duration;

use common::id::{ApplicationId, FileId, VersionName};
use common::mac::MacKeys;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::keyring::Holder;

/// How long a download URL works.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Longer names of a channel, in bytes, name none: they would only make the link longer.
const LONGEST_CHANNEL: usize = 200;

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
    /// A share link led here: as that, it works from any address.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shared: bool,
    /// When it ends, Unix milliseconds.
    #[serde(rename = "e")]
    expires: i64,
}

impl Link {
    /// A link that ends then.
    pub fn new(
        holder: Holder,
        file: (ApplicationId, VersionName, FileId),
        channel: Option<&str>,
        expires_at: Timestamp,
    ) -> Self {
        let (application, version, file) = file;
        let channel = channel.filter(|channel| channel.len() <= LONGEST_CHANNEL).map(str::to_owned);
        let expires = expires_at.millis();
        Self { holder, application, version, file, channel, is_shared: false, expires }
    }

    /// The same right as a download URL that ends then, for who followed this share link.
    pub fn handed_on(&self, expires_at: Timestamp) -> Self {
        Self { is_shared: true, expires: expires_at.millis(), ..self.clone() }
    }

    /// When it ends.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_millis(self.expires)
    }

    /// The segment of the URL. `None` when this edge has no secret to sign with.
    pub fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads the segment, or the token of a share link.
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
        let link = Link::new(holder, file, None, now.plus(LIFETIME));
        let text = link.seal(&keys).unwrap();
        assert_eq!(Link::open(&text, &keys, now), Ok(link));
        assert_eq!(Link::open(&text, &keys, now.plus(LIFETIME)), Err(Refusal::LinkExpired));
        assert_eq!(Link::open(&text[1..], &keys, now), Err(Refusal::LinkInvalid));
        let shares = MacKeys::derive(&[Secret::new("s".to_owned())], Purpose::Share);
        assert_eq!(Link::open(&text, &shares, now), Err(Refusal::LinkInvalid), "a URL is no share link");
    }

    #[test]
    fn a_channel_that_none_can_be_called_makes_no_link_longer() {
        let file = || ("my-app".parse().unwrap(), "1.0.0".parse().unwrap(), "file_1".parse().unwrap());
        let holder = || Holder { key: "key_1".parse().unwrap(), generation: "0123".to_owned() };
        let through =
            |channel: &str| Link::new(holder(), file(), Some(channel), Timestamp::from_millis(0)).channel;
        assert_eq!(through("Test").as_deref(), Some("Test"));
        assert_eq!(through(&"x".repeat(10_000)), None);
    }
}
