//! The secrets that a key has: one, or two while the old one may still be used beside the new one.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::KeyId;
use crate::policy::KeyPolicy;
use crate::time::Timestamp;

/// What is kept of a key's secrets. Every digest belongs to one key alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digests {
    /// Of the secret that was made last.
    pub current: Digest,
    /// The one before it, when it was given time to be replaced.
    pub previous: Option<Previous>,
}

/// A secret that was replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Previous {
    /// Of the secret.
    pub digest: Digest,
    /// It works before this instant, and not from it on.
    pub until: Timestamp,
}

impl Digests {
    /// Of a key with one secret.
    #[must_use]
    pub fn of(current: Digest) -> Self {
        Self { current, previous: None }
    }

    /// All of them, the current one first, whether their time is over or not.
    pub fn all(&self) -> impl Iterator<Item = Digest> + use<> {
        [Some(self.current), self.previous.map(|previous| previous.digest)].into_iter().flatten()
    }

    /// The one whose [`generation_of`] is so called.
    #[must_use]
    pub fn of_generation(&self, generation: &str) -> Option<Digest> {
        self.all().find(|digest| generation_of(digest) == generation)
    }

    /// The key as the secret with that digest opens it: by the previous one it ends when that one does. `None` when
    /// neither secret has that digest.
    #[must_use]
    pub fn opened_by(&self, digest: &Digest, key: KeyPolicy) -> Option<KeyPolicy> {
        if self.current == *digest {
            return Some(key);
        }
        let until = self.previous.filter(|previous| previous.digest == *digest)?.until;
        Some(KeyPolicy { expires_at: Some(key.expires_at.map_or(until, |end| end.min(until))), ..key })
    }
}

/// A key and which of its secrets: what links are lent and sessions opened by, so that they end with that secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The key.
    #[serde(rename = "k")]
    pub key: KeyId,
    /// [`generation_of`] the secret's digest.
    #[serde(rename = "g")]
    pub generation: String,
}

impl Holder {
    /// That key with the secret of that digest.
    #[must_use]
    pub fn new(key: KeyId, digest: &Digest) -> Self {
        Self { key, generation: generation_of(digest) }
    }
}

/// The first 64 bits of a digest in 16 hexadecimal digits: enough to tell two secrets apart, no help to guess one.
#[must_use]
pub fn generation_of(digest: &Digest) -> String {
    digest.to_string()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::key;

    #[test]
    fn by_the_previous_secret_a_key_ends_when_that_one_does() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let at = Timestamp::from_millis;
        let digests = Digests { current: new, previous: Some(Previous { digest: old, until: at(500) }) };
        let ends = |digest: &Digest, end: Option<i64>| {
            let key = KeyPolicy { expires_at: end.map(at), ..key() };
            digests.opened_by(digest, key).map(|key| key.expires_at.map(Timestamp::millis))
        };
        assert_eq!(ends(&new, None), Some(None));
        assert_eq!(ends(&old, None), Some(Some(500)));
        assert_eq!(ends(&old, Some(400)), Some(Some(400)));
        assert_eq!(ends(&old, Some(600)), Some(Some(500)));
        assert_eq!(ends(&Digest::of(b"other"), None), None);
        assert_eq!(Digests::of(new).opened_by(&old, key()), None);
    }

    #[test]
    fn a_generation_names_one_of_the_secrets() {
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let previous = Previous { digest: old, until: Timestamp::from_millis(0) };
        let digests = Digests { current: new, previous: Some(previous) };
        assert_eq!(digests.of_generation(&generation_of(&old)), Some(old));
        assert_eq!(digests.of_generation(&generation_of(&new)), Some(new));
        assert_eq!(Digests::of(new).of_generation(&generation_of(&old)), None);
        assert_eq!(digests.of_generation(""), None);
    }
}
