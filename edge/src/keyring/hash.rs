//! Digests as keys of a map: they are random already, so that eight of their bytes and one multiplication suffice.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes digests. Who may choose secrets can choose the first bytes of their digests, so these are mixed with a seed
/// of this process before they choose a place.
#[derive(Clone, Debug)]
pub(super) struct ByDigest(u64);

impl Default for ByDigest {
    fn default() -> Self {
        Self(RandomState::new().hash_one("keyring"))
    }
}

impl BuildHasher for ByDigest {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.0)
    }
}

/// The hash of one digest.
pub(super) struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        let mut first = [0; 8];
        let length = bytes.len().min(8);
        first[..length].copy_from_slice(&bytes[..length]);
        // The high half of the product depends on all bits of both, the low half on the low ones of each.
        let product = u128::from(self.0 ^ u64::from_le_bytes(first)) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    /// The length, which is the same for all.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
