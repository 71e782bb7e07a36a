//! A bucket: entries, a JSON line each, compressed with zstd (RFC 8878), named by the SHA-256 of the result.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use bytes::Bytes;

use crate::digest::Digest;
use crate::wire::Unreadable;
use crate::wire::v1::Entry;

/// A bucket never unpacks to more than this: a bomb is refused instead of filling the memory.
pub const LARGEST: u64 = 1 << 30;
/// Packed it is never larger than this.
pub const LARGEST_PACKED: usize = 1 << 29;
const LEVEL: i32 = 3;

/// Packs entries. The same entries in the same order give the same bytes, and so the same name.
///
/// # Errors
/// Only when memory cannot be written to.
pub fn pack(entries: &[Entry]) -> Result<(Digest, Bytes), Unreadable> {
    let broken = |_| Unreadable::new("bucket");
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL).map_err(broken)?;
    for entry in entries {
        serde_json::to_writer(&mut packer, entry).map_err(|e| Unreadable::json("entry", &e))?;
        packer.write_all(b"\n").map_err(broken)?;
    }
    let packed = Bytes::from(packer.finish().map_err(broken)?);
    Ok((Digest::of(&packed), packed))
}

/// Unpacks a bucket after checking that it is the one that was named, handing entries over one by one.
///
/// # Errors
/// When the bytes are not those of that name, too many, or not entries; what was handed over by then must be discarded.
pub fn unpack(name: &Digest, packed: &[u8], mut each: impl FnMut(Entry)) -> Result<(), Unreadable> {
    if Digest::of(packed) != *name {
        return Err(Unreadable::new("bucket digest"));
    }
    let unpacker = zstd::Decoder::new(packed).map_err(|_| Unreadable::new("bucket"))?;
    let mut lines = BufReader::new(unpacker.take(LARGEST));
    let (mut line, mut total) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(|_| Unreadable::new("bucket"))?;
        total += read as u64;
        match (read, line.last()) {
            (0, _) if total < LARGEST => return Ok(()),
            (_, Some(b'\n')) => {
                each(serde_json::from_slice(&line).map_err(|e| Unreadable::json("entry", &e))?);
            }
            _ => return Err(Unreadable::new("bucket")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(count: u64) -> Vec<Entry> {
        let entry = |n: u64| Entry { address: format!("key:key_{n}"), sequence: n, record: None };
        (1..=count).map(entry).collect()
    }

    #[test]
    fn what_was_packed_unpacks_under_its_name_alone() {
        let (name, packed) = pack(&entries(1000)).unwrap();
        let mut sequences = Vec::new();
        unpack(&name, &packed, |e| sequences.push(e.sequence)).unwrap();
        assert_eq!(sequences, (1..=1000).collect::<Vec<_>>());
        assert!(unpack(&Digest::of(b"other"), &packed, |_| ()).is_err());
        assert!(unpack(&Digest::of(&packed[..50]), &packed[..50], |_| ()).is_err());
        assert_eq!(pack(&entries(1000)).unwrap().0, name);
    }
}
