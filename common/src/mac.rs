//! Statements that we sign for ourselves: links, upload tickets, forwarding proofs.
//!
//! All keys derive from the edge secret by HKDF (RFC 5869), one per purpose, so that a ticket made for one purpose
//! never passes for another. The first secret signs, all verify: that is how the secret is rotated.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What a key is for; the purpose is part of its derivation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Signed download URLs.
    Link,
    /// The URL that a large upload is sent to.
    Upload,
    /// An edge's word on who the client is.
    Forwarding,
    /// Pagination cursors.
    Cursor,
    /// Share links.
    Share,
    /// Session tokens.
    Session,
    /// What edges report to the desk.
    Report,
    /// URLs of backups.
    Backup,
    /// An edge's word that it is one, when it follows the control plane itself.
    Feed,
    /// What edges say of how far they have come.
    Acknowledgement,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Link => b"tidegate/v1/link",
            Self::Upload => b"tidegate/v1/upload",
            Self::Forwarding => b"tidegate/v1/forwarding",
            Self::Cursor => b"tidegate/v1/cursor",
            Self::Share => b"tidegate/v1/share",
            Self::Session => b"tidegate/v1/session",
            Self::Report => b"tidegate/v1/report",
            Self::Backup => b"tidegate/v1/backup",
            Self::Feed => b"tidegate/v1/feed",
            Self::Acknowledgement => b"tidegate/v1/acknowledgement",
        }
    }
}

/// The keys of one purpose: one per edge secret, the first signs.
#[derive(Clone)]
pub struct MacKeys(Vec<Zeroizing<[u8; 32]>>);

impl std::fmt::Debug for MacKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MacKeys({} keys)", self.0.len())
    }
}

/// Fewer characters in an edge secret could be guessed; everything that is sealed hangs on it.
pub const SHORTEST_SECRET: usize = 16;

const TAG: usize = 32;

impl MacKeys {
    /// Derives the keys of `purpose` from the edge secrets, newest first.
    #[must_use]
    pub fn derive(secrets: &[Secret], purpose: Purpose) -> Self {
        let derive = |secret: &Secret| {
            let mut key = Zeroizing::new([0u8; 32]);
            // 32 bytes is one block of output: HKDF refuses only more than 255 blocks.
            let expanded = Hkdf::<Sha256>::new(Some(b"tidegate"), secret.expose().as_bytes())
                .expand(purpose.label(), &mut *key);
            debug_assert!(expanded.is_ok());
            key
        };
        Self(secrets.iter().map(derive).collect())
    }

    /// The payload and its HMAC-SHA256 (RFC 2104) in one URL-safe text. `None` without any secret.
    #[must_use]
    pub fn seal(&self, payload: &[u8]) -> Option<String> {
        Some(URL_SAFE_NO_PAD.encode(self.seal_bytes(payload.to_vec())?))
    }

    /// The payload of a text that [`MacKeys::seal`] made with any of these keys; `None` for everything else.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let length = self.open_bytes(&sealed)?.len();
        sealed.truncate(length);
        Some(sealed)
    }

    /// The payload with its HMAC-SHA256 behind it, for where bytes are welcome. `None` without any secret.
    #[must_use]
    pub fn seal_bytes(&self, mut payload: Vec<u8>) -> Option<Vec<u8>> {
        let tag = keyed(self.0.first()?)?.chain_update(&payload).finalize().into_bytes();
        payload.extend_from_slice(&tag);
        Some(payload)
    }

    /// The payload of what [`MacKeys::seal_bytes`] made with any of these keys; `None` for everything else.
    #[must_use]
    pub fn open_bytes<'a>(&self, sealed: &'a [u8]) -> Option<&'a [u8]> {
        let (payload, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        let genuine = |key: &Zeroizing<[u8; 32]>| {
            keyed(key).is_some_and(|mac| mac.chain_update(payload).verify_slice(tag).is_ok())
        };
        if self.0.iter().any(genuine) { Some(payload) } else { None }
    }
}

fn keyed(key: &Zeroizing<[u8; 32]>) -> Option<Hmac<Sha256>> {
    Hmac::<Sha256>::new_from_slice(key.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[&str], purpose: Purpose) -> MacKeys {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::new((*s).to_owned())).collect();
        MacKeys::derive(&secrets, purpose)
    }

    #[test]
    fn a_sealed_payload_opens_with_any_current_secret_and_for_its_purpose_alone() {
        let sealed = keys(&["old"], Purpose::Link).seal(b"file 7").unwrap();
        assert_eq!(keys(&["new", "old"], Purpose::Link).open(&sealed).as_deref(), Some(&b"file 7"[..]));
        assert_eq!(keys(&["new"], Purpose::Link).open(&sealed), None);
        assert_eq!(keys(&["old"], Purpose::Upload).open(&sealed), None);
    }

    #[test]
    fn every_changed_character_breaks_the_seal() {
        let keys = keys(&["s"], Purpose::Link);
        let sealed = keys.seal(b"payload").unwrap();
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(keys.open(std::str::from_utf8(&forged).unwrap()), None, "changed at {at}");
        }
    }
}
