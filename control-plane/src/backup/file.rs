//! The file of a backup: JSON lines in zstd (RFC 8878). The first says what it is and counts the rest, then one record a
//! line, and last the SHA-256 of all lines before, so that a file which was cut or altered is not taken for a backup.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use common::digest::Digest;
use common::id::TenantId;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::forms::{Record, gather, records};
use crate::domain::backup::{Contents, MOST_RECORDS};

const FORMAT: &str = "tidegate-backup/1";
/// zstd's own default: a third of the time of the next better ones.
const LEVEL: i32 = 3;
/// The longest line: a customer with ten thousand applications has a megabyte.
const LONGEST_LINE: u64 = 64 * 1024 * 1024;

/// What a backup says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    format: String,
    /// Whose it is.
    pub(crate) tenant: TenantId,
    /// The moment that it shows.
    pub(crate) created_at: Timestamp,
    /// Lines between this one and the last.
    records: u64,
    /// Different bytes that its files have, which are not in it.
    blobs: u64,
}

#[derive(Serialize, Deserialize)]
struct Trailer {
    sha256: Digest,
}

/// A file that was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// In bytes.
    pub(crate) size: u64,
}

/// Why a file is no backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not there, or the disk does not give it.
    #[error("{0}")]
    File(#[from] io::Error),
    /// A line does not have its form.
    #[error("line {0} does not have its form: {1}")]
    Line(u64, String),
    /// It is something else, or not all of it.
    #[error("{0}")]
    Wrong(&'static str),
}

/// Writes everything into a new file, down to the disk.
pub(super) fn write(path: &Path, contents: &Contents, at: Timestamp) -> io::Result<Written> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let mut lines = Lines { packer: zstd::Encoder::new(BufWriter::new(file), LEVEL)?, hash: Sha256::new() };
    lines.write(&Header {
        format: FORMAT.to_owned(),
        tenant: contents.tenant.id,
        created_at: at,
        records: records(contents).count() as u64,
        blobs: contents.blobs().len() as u64,
    })?;
    for record in records(contents) {
        lines.write(&record)?;
    }
    let sha256 = Digest(lines.hash.clone().finalize().into());
    lines.write(&Trailer { sha256 })?;
    let file = lines.packer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(Written { size: file.metadata()?.len() })
}

struct Lines<W: Write> {
    packer: zstd::Encoder<'static, W>,
    hash: Sha256,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.packer.write_all(&text)
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<(Header, Contents), Unreadable> {
    let mut lines = Reader::new(BufReader::new(zstd::Decoder::new(File::open(path)?)?));
    let Some(header) = lines.next()? else { return Err(Unreadable::Wrong("it is empty")) };
    let header: Header = lines.parse(&header)?;
    if header.format != FORMAT {
        return Err(Unreadable::Wrong("it is of another release, or no backup"));
    }
    if header.records > MOST_RECORDS + 1 {
        return Err(Unreadable::Wrong("it holds more than a backup can"));
    }
    let mut records: Vec<Record> = Vec::new();
    for _ in 0..header.records {
        let Some(line) = lines.next()? else { return Err(CUT) };
        records.push(lines.parse(&line)?);
    }
    let sum = Digest(lines.hash.clone().finalize().into());
    let Some(trailer) = lines.next()? else { return Err(CUT) };
    let trailer: Trailer = lines.parse(&trailer)?;
    if trailer.sha256 != sum {
        return Err(Unreadable::Wrong("it was altered: its SHA-256 is another"));
    }
    if lines.next()?.is_some() {
        return Err(Unreadable::Wrong("something follows its end"));
    }
    let contents = gather(records).map_err(Unreadable::Wrong)?;
    if contents.tenant.id != header.tenant {
        return Err(Unreadable::Wrong("it is two tenants'"));
    }
    Ok((header, contents))
}

const CUT: Unreadable = Unreadable::Wrong("it was cut off");

struct Reader<R> {
    lines: R,
    hash: Sha256,
    number: u64,
}

impl<R: BufRead> Reader<R> {
    fn new(lines: R) -> Self {
        Self { lines, hash: Sha256::new(), number: 0 }
    }

    /// The next whole line; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut line = Vec::new();
        self.number += 1;
        let read = (&mut self.lines).take(LONGEST_LINE).read_until(b'\n', &mut line);
        match read {
            // zstd says so when a frame has no end.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Err(CUT),
            Err(e) => return Err(Unreadable::Line(self.number, e.to_string())),
            Ok(0) => return Ok(None),
            Ok(_) if line.last() != Some(&b'\n') => return Err(CUT),
            Ok(_) => {}
        }
        self.hash.update(&line);
        Ok(Some(line))
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, line: &[u8]) -> Result<T, Unreadable> {
        serde_json::from_slice(line).map_err(|e| Unreadable::Line(self.number, e.to_string()))
    }
}
