//! Bytes to upload: they look random, and the same seed gives the same ones.

use std::io::{self, Write as _};
use std::path::Path;

use common::digest::Digest;

/// `length` bytes.
#[must_use]
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        // xorshift64 (Marsaglia): quick even where nothing is optimised.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// SHA-256 as the API tells it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// Fills a file with `mebibytes` MiB, never holding more than one of them.
pub fn write_file(path: &Path, seed: u64, mebibytes: u64) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut piece = bytes(seed, 1 << 20);
    for number in 0..mebibytes {
        // A number in front keeps the pieces apart: one that comes twice or in the wrong place is noticed.
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&piece)?;
    }
    file.flush()
}
