//! Bodies of several ranges (`multipart/byteranges`, RFC 9110 section 14.6), taken apart in two ways.

/// One part.
pub struct Part<'a> {
    head: &'a str,
    pub bytes: &'a [u8],
}

impl Part<'_> {
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let line =
            |line: &&str| line.split_once(": ").is_some_and(|(there, _)| there.eq_ignore_ascii_case(name));
        self.head.split("\r\n").find(line).unwrap().split_once(": ").unwrap().1
    }
}

/// The parts as RFC 2046 section 5.1.1 finds them: by the delimiter, which stands nowhere else, each after a line's end.
#[must_use]
pub fn parts_of<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let delimiter = format!("\r\n--{boundary}");
    // The line's end belongs to the delimiter, also to the first, which nothing stands before.
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..]).unwrap();
    let mut parts = Vec::new();
    while rest != b"--\r\n" {
        rest = rest.strip_prefix(b"\r\n").unwrap();
        let (head, content) = rest.split_at(find(rest, b"\r\n\r\n"));
        let content = &content[4..];
        let (bytes, behind) = content.split_at(find(content, delimiter.as_bytes()));
        parts.push(Part { head: std::str::from_utf8(head).unwrap(), bytes });
        rest = &behind[delimiter.len()..];
    }
    parts
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

/// The parts as electron-updater's DataSplitter cuts them: it reads no Content-Range, but skips a delimiter of known
/// length, then a head, then as many bytes as it asked for.
#[must_use]
pub fn split_as_updaters_do<'a>(body: &'a [u8], content_type: &str, lengths: &[usize]) -> Vec<&'a [u8]> {
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let boundary = boundary.trim_matches('"');
    let delimiter = "\r\n--".len() + boundary.len();
    let mut at = delimiter - 2;
    let mut parts = Vec::new();
    for length in lengths {
        at += find(&body[at..], b"\r\n\r\n") + 4;
        parts.push(&body[at..at + length]);
        at += length + delimiter;
    }
    assert_eq!(&body[at..], b"--\r\n");
    parts
}
