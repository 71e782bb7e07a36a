//! What is downloaded: the same bytes from every server.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use common::digest::Digest;
use sha2::{Digest as _, Sha256};

/// A file of a size that the bar names.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) digest: String,
}

/// Written anew in a directory.
pub(crate) fn write(directory: &Path, sizes: &[u64]) -> io::Result<Vec<Sample>> {
    std::fs::create_dir_all(directory)?;
    sizes.iter().map(|size| write_one(directory, *size)).collect()
}

fn write_one(directory: &Path, size: u64) -> io::Result<Sample> {
    let name = format!("{size}.bin");
    let path = directory.join(&name);
    let (mut file, mut hasher) = (File::create(&path)?, Sha256::new());
    let (mut state, mut left) = (size | 1, size);
    let mut piece = vec![0u8; 1 << 20];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        for word in piece[..length].chunks_mut(8) {
            // xorshift64 (Marsaglia): incompressible enough, and quick even where nothing is optimised.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
        }
        hasher.update(&piece[..length]);
        file.write_all(&piece[..length])?;
        left -= length as u64;
    }
    Ok(Sample { name, path, size, digest: Digest(hasher.finalize().into()).to_string() })
}
