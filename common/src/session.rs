//! Session tokens: what a login gives for a key. A token is a statement signed by us that refers to a session; it says
//! nothing that the session's row does not say, so nothing secret is stored and the same session has the same token.
//!
//! There is one way to sign and no field that names it, so that nobody can choose another. The token carries its key's
//! rights and dies with that key's secret; a session that was ended before its time is known by a record of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::key::Holder;
use crate::mac::MacKeys;
use crate::policy::Denied;
use crate::secret::Secret;
use crate::time::Timestamp;

/// What every token begins with; no key does.
pub const PREFIX: &str = "tg_ses_";
/// How long a session lives at most: there is no renewal but another login.
pub const LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);
/// Longer texts are not looked at: a token of ours has about 300 characters.
const LONGEST: usize = 1_024;

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The session.
    #[serde(rename = "s")]
    pub id: SessionId,
    /// The key, and which of its secrets, that it was opened by.
    #[serde(flatten)]
    pub holder: Holder,
    /// Since when, Unix milliseconds.
    #[serde(rename = "i")]
    issued: i64,
    /// Until when, Unix milliseconds.
    #[serde(rename = "e")]
    expires: i64,
}

/// The end of a session before its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revoked {
    /// The session.
    pub id: SessionId,
    /// When it was ended.
    pub revoked_at: Timestamp,
    /// When it would have ended: what its record is kept for.
    pub expires_at: Timestamp,
}

/// Whether a credential is meant to be a token.
#[must_use]
pub fn is_token(text: &str) -> bool {
    text.starts_with(PREFIX)
}

impl Claims {
    /// About a session that lives from `issued_at` until `expires_at`.
    #[must_use]
    pub fn new(id: SessionId, holder: Holder, issued_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { id, holder, issued: issued_at.millis(), expires: expires_at.millis() }
    }

    /// The token. `None` without any secret to sign with.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<Secret> {
        let sealed = keys.seal(&serde_json::to_vec(self).ok()?)?;
        Some(Secret::new(format!("{PREFIX}{sealed}")))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`Denied::SessionUnknown`] when it is not ours to the letter, [`Denied::SessionExpired`] from its last instant on.
    pub fn open(text: &str, keys: &MacKeys, now: Timestamp) -> Result<Self, Denied> {
        let sealed = text.strip_prefix(PREFIX).filter(|_| text.len() <= LONGEST);
        let payload = sealed.and_then(|sealed| keys.open(sealed)).ok_or(Denied::SessionUnknown)?;
        let claims: Self = serde_json::from_slice(&payload).map_err(|_| Denied::SessionUnknown)?;
        if now < Timestamp::from_millis(claims.expires) { Ok(claims) } else { Err(Denied::SessionExpired) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::mac::Purpose;

    fn keys(secret: &str, purpose: Purpose) -> MacKeys {
        MacKeys::derive(&[Secret::new(secret.to_owned())], purpose)
    }

    fn claims() -> Claims {
        let holder = Holder::new("key_1".parse().unwrap(), &Digest::of(b"secret"));
        let issued = Timestamp::from_millis(1_000);
        Claims::new("ses_1".parse().unwrap(), holder, issued, issued.plus(LIFETIME))
    }

    #[test]
    fn a_token_opens_until_its_last_instant_and_is_the_same_each_time_it_is_made() {
        let keys = keys("an-edge-secret", Purpose::Session);
        let token = claims().seal(&keys).unwrap();
        assert_eq!(token.expose(), claims().seal(&keys).unwrap().expose());
        assert!(is_token(token.expose()) && token.expose().len() < 400);
        let at = |millis| Claims::open(token.expose(), &keys, Timestamp::from_millis(millis));
        assert_eq!(at(1_000), Ok(claims()));
        assert_eq!(at(7_200_999), Ok(claims()));
        assert_eq!(at(7_201_000), Err(Denied::SessionExpired));
    }

    #[test]
    fn whatever_is_not_ours_to_the_letter_is_unknown() {
        let keys_of = keys;
        let keys = keys_of("an-edge-secret", Purpose::Session);
        let now = Timestamp::from_millis(1_000);
        let token = claims().seal(&keys).unwrap();
        for at in PREFIX.len()..token.expose().len() {
            let mut forged = token.expose().to_owned().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(Claims::open(&forged, &keys, now), Err(Denied::SessionUnknown), "changed at {at}");
        }
        let others = [
            claims().seal(&keys_of("another-secret", Purpose::Session)).unwrap(),
            claims().seal(&keys_of("an-edge-secret", Purpose::Link)).unwrap(),
            Secret::new(format!("{PREFIX}{}", keys.seal(b"{}").unwrap())),
            Secret::new(format!("{}=", token.expose())),
            Secret::new(token.expose()[PREFIX.len()..].to_owned()),
            Secret::new(format!("{PREFIX}{}", "A".repeat(100_000))),
            Secret::new(PREFIX.to_owned()),
        ];
        for other in others {
            assert_eq!(Claims::open(other.expose(), &keys, now), Err(Denied::SessionUnknown));
        }
    }
}
