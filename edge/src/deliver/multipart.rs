//! Several ranges in one body: `multipart/byteranges` (RFC 9110 section 14.6, RFC 2046 section 5.1).

use bytes::Bytes;
use smallvec::SmallVec;

use super::Object;
use super::range::ByteRange;

/// Of one body: mostly one.
pub(super) type Parts = SmallVec<[Part; 1]>;

/// A stretch of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// What stands between the ranges.
    Framing(Bytes),
    /// Bytes of the file.
    Range(ByteRange),
}

impl Part {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Framing(bytes) => bytes.len() as u64,
            Self::Range(range) => range.len(),
        }
    }
}

/// The boundary is the digest of the file: no file can be made that has its own SHA-256 in it, so the boundary never
/// stands in the bytes that it parts.
pub(super) fn content_type(object: &Object) -> String {
    format!("multipart/byteranges; boundary={}", object.digest)
}

/// Begins with the first delimiter and no line before it, as electron-updater expects.
pub(super) fn frame(object: &Object, ranges: &[ByteRange]) -> Parts {
    let (boundary, media_type) = (object.digest, object.told.media_type());
    let mut parts = Parts::with_capacity(ranges.len() * 2 + 1);
    let mut line_end = "";
    for range in ranges {
        let content_range = range.content_range(object.size);
        let opening = format!(
            "{line_end}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range}\r\n\r\n"
        );
        parts.push(Part::Framing(opening.into()));
        parts.push(Part::Range(*range));
        line_end = "\r\n";
    }
    parts.push(Part::Framing(format!("\r\n--{boundary}--\r\n").into()));
    parts
}
