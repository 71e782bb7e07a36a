//! Byte ranges (RFC 9110 section 14): read without the size first, then laid over it.

use http::HeaderMap;
use http::header::RANGE;

/// More than this in one request is an attack or a mistake (RFC 9110 section 17.15), and the header is ignored.
const MOST_RANGES: usize = 64;

/// Bytes from `start` up to `end`, which is not among them. Never empty when it comes from a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteRange {
    pub start: u64,
    pub end: u64,
}

impl ByteRange {
    pub(super) fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    pub(super) fn content_range(self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.start, self.end.saturating_sub(1))
    }

    fn touches(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn hull(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// What a request wants of the bytes.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Selection {
    /// All: no range, or one to be ignored.
    Whole,
    /// One range.
    One(ByteRange),
    /// At least two, apart from each other, in the order asked for.
    Several(Vec<ByteRange>),
    /// None of it lies in the file.
    Unsatisfiable,
}

#[derive(Clone, Copy)]
enum Spec {
    /// Both ends inclusive, as written.
    Between(u64, u64),
    Last(u64),
}

/// A malformed header, an unknown unit, two headers or too many ranges count as none (RFC 9110 section 14.2).
pub(super) fn select(headers: &HeaderMap, size: u64) -> Selection {
    match super::sole(headers, RANGE).and_then(parse) {
        Some(specs) => resolve(&specs, size),
        None => Selection::Whole,
    }
}

fn parse(text: &str) -> Option<Vec<Spec>> {
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Empty elements of a list are skipped (RFC 9110 section 5.6.1.2).
    let elements = set.split(',').map(|e| e.trim_matches([' ', '\t'])).filter(|e| !e.is_empty());
    let specs = elements.take(MOST_RANGES + 1).map(parse_spec).collect::<Option<Vec<_>>>()?;
    (1..=MOST_RANGES).contains(&specs.len()).then_some(specs)
}

fn parse_spec(text: &str) -> Option<Spec> {
    match text.split_once('-')? {
        ("", count) => Some(Spec::Last(parse_number(count)?)),
        (first, "") => Some(Spec::Between(parse_number(first)?, u64::MAX)),
        (first, last) => {
            let (first, last) = (parse_number(first)?, parse_number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits alone; a number beyond all files is as good as the largest.
fn parse_number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().unwrap_or(u64::MAX))
}

fn resolve(specs: &[Spec], size: u64) -> Selection {
    // The end of an empty file is satisfiable (section 14.1.2), but no Content-Range can say it.
    if size == 0 && specs.iter().any(|s| matches!(s, Spec::Last(1..))) {
        return Selection::Whole;
    }
    let ranges = coalesce(specs.iter().filter_map(|spec| lay_over(*spec, size)));
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        // Who asks for all of it in pieces gets it in one.
        [all] if specs.len() > 1 && all.len() == size => Selection::Whole,
        [one] => Selection::One(*one),
        _ => Selection::Several(ranges),
    }
}

fn lay_over(spec: Spec, size: u64) -> Option<ByteRange> {
    let range = match spec {
        Spec::Between(first, last) => ByteRange { start: first, end: last.saturating_add(1).min(size) },
        Spec::Last(count) => ByteRange { start: size.saturating_sub(count), end: size },
    };
    (range.start < range.end).then_some(range)
}

/// Joins what overlaps or adjoins; the joint stands where its first member stood (RFC 9110 section 15.3.7.2).
/// Small gaps are not filled, though they may be: electron-updater counts on a part for each of its ranges.
fn coalesce(wanted: impl Iterator<Item = ByteRange>) -> Vec<ByteRange> {
    let mut apart: Vec<ByteRange> = Vec::new();
    for mut range in wanted {
        let mut place = apart.len();
        while let Some(index) = apart.iter().position(|other| other.touches(range)) {
            range = range.hull(apart.remove(index));
            place = place.min(index);
        }
        apart.insert(place, range);
    }
    apart
}
