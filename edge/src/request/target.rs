//! The target of a request without our prefix, and what its path names: read where it lies, nothing of it is copied.

use http::Uri;
use http::uri::{Authority, PathAndQuery};

/// The most names that a path has.
const MOST_NAMES: usize = 3;

/// What was asked for. Its path begins behind the path of the public URL.
#[derive(Debug)]
pub struct Target {
    uri: Uri,
    ours: usize,
}

impl Target {
    /// Of a request to an edge whose public URL has the path `prefix`, which a proxy before us may have taken away.
    /// `None` for a target without a path, like `*`.
    pub(super) fn new(uri: Uri, prefix: &str) -> Option<Self> {
        let ours = begin_of_ours(&uri, prefix)?;
        Some(Self { uri, ours })
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.uri.path().get(self.ours..).unwrap_or_default()
    }

    /// The query.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The path, and the query with its question mark.
    pub fn path_and_query(&self) -> &str {
        let whole = self.uri.path_and_query().map_or("", PathAndQuery::as_str);
        whole.get(self.ours..).unwrap_or_default()
    }

    /// Which host was asked, when the target says so: over HTTP/2 it alone does (RFC 9113 section 8.3.1).
    pub fn authority(&self) -> Option<&Authority> {
        self.uri.authority()
    }
}

/// Where the path begins for us. `None` for a target without a path.
pub(super) fn begin_of_ours(uri: &Uri, prefix: &str) -> Option<usize> {
    uri.path_and_query().filter(|whole| whole.as_str().starts_with('/'))?;
    let rest = uri.path().strip_prefix(prefix).filter(|rest| rest.starts_with('/'));
    Some(if rest.is_some() { prefix.len() } else { 0 })
}

/// Which segments of a path are names: their places, counted as `split('/')` does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Places([u8; MOST_NAMES]);

impl Places {
    /// Those in braces, in a line of the route table.
    pub(super) fn of(path: &str) -> Self {
        let mut places = [0; MOST_NAMES];
        let named = (0u8..).zip(path.split('/')).filter(|(_, segment)| segment.starts_with('{'));
        for (slot, (place, _)) in places.iter_mut().zip(named) {
            *slot = place;
        }
        Self(places)
    }

    /// Where these segments of a path begin and end, found in one walk.
    fn spans(&self, path: &str) -> [Span; MOST_NAMES] {
        let (mut spans, mut named) = ([Span::default(); MOST_NAMES], 0);
        let (mut segment, mut begin) = (0, 0);
        let ends = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            // No path begins with a name: place 0 is what stands before the first slash, and says that there is none.
            match self.0.get(named) {
                Some(place) if *place > 0 && *place == segment => {
                    spans[named] = Span { begin: short(begin), end: short(end) };
                    named += 1;
                }
                Some(place) if *place > 0 => {}
                _ => return spans,
            }
            (segment, begin) = (segment.saturating_add(1), end + 1);
        }
        spans
    }
}

/// A stretch of a path. hyper takes no target of more than 64 KiB, and we none of more than half of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Span {
    begin: u16,
    end: u16,
}

fn short(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

impl Span {
    fn of(self, path: &str) -> &str {
        path.get(usize::from(self.begin)..usize::from(self.end)).unwrap_or_default()
    }
}

/// What a path names, decoded. At most three.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Params {
    spans: [Span; MOST_NAMES],
    /// All of them, when one of them is written in percent-encoding; mostly none is.
    decoded: Vec<String>,
}

impl Params {
    /// `None` when what is encoded is not UTF-8.
    pub(super) fn of(path: &str, places: Places) -> Option<Self> {
        let (spans, mut decoded) = (places.spans(path), Vec::new());
        if path.contains('%') {
            for span in spans {
                let text = percent_encoding::percent_decode_str(span.of(path));
                decoded.push(text.decode_utf8().ok()?.into_owned());
            }
        }
        Some(Self { spans, decoded })
    }

    /// The name at that place, from 0, of the path that they were made of; empty when the path has fewer.
    pub(super) fn get<'p>(&'p self, path: &'p str, number: usize) -> &'p str {
        match self.decoded.is_empty() {
            true => self.spans.get(number).map_or("", |span| span.of(path)),
            false => self.decoded.get(number).map_or("", String::as_str),
        }
    }
}
