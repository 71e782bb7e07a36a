//! A socket to Redis that ends when an answer is larger than anything of ours: whoever can write to Redis must not choose
//! how much memory its readers need.
//!
//! The answers are counted as they come (RESP 2 and 3, <https://redis.io/docs/latest/develop/reference/protocol-spec/>),
//! before anything reads them: a length that is announced is believed, so that nothing is reserved for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Digits of the largest length.
const MOST_DIGITS: usize = 20;
/// How deep our answers nest: a list of streams, of entries, of fields.
const MOST_LEVELS: usize = 16;

/// An answer is too large, or no answer at all.
#[derive(Debug, thiserror::Error)]
#[error("an answer of Redis is larger than what is taken, or none")]
struct TooLarge;

/// Counts one answer after the other.
#[derive(Debug)]
struct Meter {
    most: u64,
    /// Bytes of the answer that is under way, with those of a text that is announced.
    total: u64,
    /// Elements that are still to come, outermost first.
    open: Vec<u64>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// An element begins.
    Start,
    /// Its first line: of which kind, and the number in it so far.
    Line(u8, Vec<u8>),
    /// So many bytes of a text, with its end of line.
    Text(u64),
}

impl Meter {
    fn new(most: u64) -> Self {
        Self { most, total: 0, open: Vec::new(), state: State::Start }
    }

    /// Takes what came.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), TooLarge> {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = match &mut self.state {
                State::Start => {
                    self.state = State::Line(*first, Vec::new());
                    self.add(1)?;
                    rest
                }
                State::Line(kind, line) if *first == b'\n' => {
                    let (kind, line) = (*kind, std::mem::take(line));
                    self.add(1)?;
                    self.begin(kind, &line)?;
                    rest
                }
                State::Line(kind, line) => {
                    let has_number = matches!(kind, b'$' | b'=' | b'!' | b'*' | b'~' | b'>' | b'%');
                    if has_number && *first != b'\r' {
                        line.push(*first);
                    }
                    if line.len() > MOST_DIGITS {
                        return Err(TooLarge);
                    }
                    self.add(1)?;
                    rest
                }
                State::Text(left) => {
                    let here = (*left).min(bytes.len() as u64);
                    *left -= here;
                    if *left == 0 {
                        self.end();
                    }
                    bytes.get(usize::try_from(here).map_err(|_| TooLarge)?..).unwrap_or_default()
                }
            };
        }
        Ok(())
    }

    fn add(&mut self, bytes: u64) -> Result<(), TooLarge> {
        self.total = self.total.saturating_add(bytes);
        if self.total > self.most { Err(TooLarge) } else { Ok(()) }
    }

    /// The first line of an element is over.
    fn begin(&mut self, kind: u8, line: &[u8]) -> Result<(), TooLarge> {
        let number = || std::str::from_utf8(line).ok().and_then(|text| text.parse::<i64>().ok());
        let announced = |number: Option<i64>| number.map(|number| u64::try_from(number).unwrap_or(0));
        match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => self.end(),
            b'$' | b'=' | b'!' => match number().ok_or(TooLarge)? {
                // Absent.
                ..0 => self.end(),
                length => {
                    let length = u64::try_from(length).unwrap_or(0).saturating_add(2);
                    self.add(length)?;
                    self.state = State::Text(length);
                }
            },
            b'*' | b'~' | b'>' => self.open(announced(number()).ok_or(TooLarge)?)?,
            b'%' => self.open(announced(number()).ok_or(TooLarge)?.saturating_mul(2))?,
            _ => return Err(TooLarge),
        }
        Ok(())
    }

    fn open(&mut self, elements: u64) -> Result<(), TooLarge> {
        if elements == 0 {
            self.end();
            return Ok(());
        }
        // Each of them needs at least its kind and the end of its line: room is made for as many as are announced.
        if self.open.len() == MOST_LEVELS || elements.saturating_mul(3) > self.most {
            return Err(TooLarge);
        }
        self.open.push(elements);
        self.state = State::Start;
        Ok(())
    }

    /// An element is over, and with it perhaps what it is in.
    fn end(&mut self) {
        self.state = State::Start;
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        self.total = 0;
    }
}

/// A stream whose answers are bounded.
pub(super) struct Bounded<S> {
    stream: S,
    meter: Meter,
    /// Raised when an answer was too large.
    overflowed: Arc<AtomicBool>,
}

impl<S> Bounded<S> {
    /// No answer may have more bytes than `most`; one that has ends the stream, and raises `overflowed`.
    pub(super) fn new(stream: S, most: u64, overflowed: Arc<AtomicBool>) -> Self {
        Self { stream, meter: Meter::new(most), overflowed }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(this.meter.take(came).map_err(|error| {
            this.overflowed.store(true, Ordering::Release);
            io::Error::new(io::ErrorKind::InvalidData, error)
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether these answers, in pieces of that size, are taken where each may have so many bytes.
    fn takes(answers: &[u8], most: u64, piece: usize) -> bool {
        let mut meter = Meter::new(most);
        answers.chunks(piece).all(|piece| meter.take(piece).is_ok())
    }

    #[test]
    fn each_answer_is_counted_by_itself_and_whole() {
        let answers: [&[u8]; 9] = [
            b"+OK\r\n",
            b":12\r\n",
            b"-ERR no\r\n",
            b"$5\r\nh\r\nlo\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n*1\r\n$1\r\na\r\n:7\r\n",
            b"%1\r\n+k\r\n#t\r\n",
        ];
        let all = answers.concat();
        let longest = answers.iter().map(|answer| answer.len() as u64).max().unwrap();
        for piece in 1..=all.len() {
            assert!(takes(&all.repeat(5), longest, piece), "{piece}");
            assert!(!takes(&all, longest - 1, piece), "{piece}");
        }
    }

    #[test]
    fn what_is_announced_too_large_is_refused_before_it_comes() {
        for answer in [
            &b"$100\r\n"[..],
            b"$9223372036854775807\r\n",
            b"$99999999999999999999999",
            b"*1000\r\n",
            b"%20\r\n",
            b"*3\r\n$40\r\n",
            b"+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!takes(answer, 50, 1), "{answer:?}");
        }
        let deep = b"*1\r\n".repeat(MOST_LEVELS + 1);
        assert!(!takes(&deep, 10_000, 7));
        for junk in [&b"?\r\n"[..], b"$x\r\n", b"*\r\n", b"HTTP/1.1 400\r\n"] {
            assert!(!takes(junk, 50, 1), "{junk:?}");
        }
    }

    fn answer() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[a-z]{0,20}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            Just(b"$-1\r\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|text| {
                [format!("${}\r\n", text.len()).into_bytes(), text, b"\r\n".to_vec()].concat()
            }),
        ];
        leaf.prop_recursive(4, 30, 5, |element| {
            prop::collection::vec(element, 0..5)
                .prop_map(|list| [format!("*{}\r\n", list.len()).into_bytes(), list.concat()].concat())
        })
    }

    proptest! {
        #[test]
        fn any_answers_are_taken_that_are_no_larger_and_none_that_is(
            answers in prop::collection::vec(answer(), 1..6),
            piece in 1_usize..50,
        ) {
            let longest = answers.iter().map(|answer| answer.len() as u64).max().unwrap_or(0);
            prop_assert!(takes(&answers.concat(), longest, piece));
            prop_assert!(!takes(&answers.concat(), longest - 1, piece));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
            takes(&bytes, 100, piece);
        }
    }
}
