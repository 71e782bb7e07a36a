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

/// Bytes of a file of any size, never held whole: pieces of 1 MiB.
pub struct Pieces(Vec<u8>);

const PIECE: usize = 1 << 20;

impl Pieces {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(bytes(seed, PIECE))
    }

    /// The piece of that number. The number in front keeps pieces apart: one that comes twice or in the wrong place is
    /// noticed.
    #[must_use]
    pub fn piece(&self, number: u64) -> Vec<u8> {
        [&number.to_le_bytes(), &self.0[8..]].concat()
    }

    /// Whether these are the bytes of the file from `at` on.
    #[must_use]
    pub fn are(&self, mut at: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let (number, place) = (at / PIECE as u64, usize::try_from(at % PIECE as u64).unwrap());
            let (now, rest) = bytes.split_at(bytes.len().min(PIECE - place));
            let (front, back) = now.split_at(now.len().min(8_usize.saturating_sub(place)));
            let number = number.to_le_bytes();
            let same = front == &number[place.min(8)..][..front.len()]
                && back == &self.0[place + front.len()..][..back.len()];
            if !same {
                return false;
            }
            (at, bytes) = (at + now.len() as u64, rest);
        }
        true
    }
}

/// Fills a file with `mebibytes` MiB.
pub fn write_file(path: &Path, seed: u64, mebibytes: u64) -> io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let pieces = Pieces::new(seed);
    for number in 0..mebibytes {
        file.write_all(&pieces.piece(number))?;
    }
    file.flush()
}

#[test]
fn pieces_are_told_apart_at_every_place() {
    let pieces = Pieces::new(1);
    let whole: Vec<u8> = (0..3).flat_map(|number| pieces.piece(number)).collect();
    for from in [0, 3, 8, 9, PIECE - 4, PIECE, PIECE + 7, 2 * PIECE - 1] {
        let to = (from + PIECE + 20).min(whole.len());
        assert!(pieces.are(from as u64, &whole[from..to]), "{from}");
        assert!(!pieces.are(from as u64 + 1, &whole[from..to]), "{from}");
        let (mut broken, last) = (whole[from..to].to_vec(), to - from - 1);
        broken[last] ^= 1;
        assert!(!pieces.are(from as u64, &broken), "{from}");
        assert!(!pieces.are((from + 2 * PIECE) as u64, &whole[from..to]), "{from}");
    }
}
