//! What flows to a client: pieces of immutable files and of memory, or the body of somebody else's answer.
//! A piece says which bytes are meant; how they are read is said in one place, `read`.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::task::AbortOnDropHandle;

use super::receipt::Slip;
use crate::origin::ImmutableFile;

/// The most that is read at once, and so what a transfer holds in memory beside the connection's buffer.
const PIECE: u64 = 256 * 1024;

type Foreign = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;
type Read = AbortOnDropHandle<io::Result<Bytes>>;

/// Bytes to send, wherever they are.
#[derive(Debug)]
pub enum Piece {
    Memory(Bytes),
    /// From `position` up to `end`, which is not among them.
    File {
        file: Arc<ImmutableFile>,
        position: u64,
        end: u64,
    },
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { position, end, .. } => end.saturating_sub(*position),
        }
    }
}

/// The body of every answer of the edge. Its length is exact unless it is a stream.
pub struct Body(Kind);

enum Kind {
    Pieces(Pieces),
    Stream(Foreign),
}

impl Body {
    pub fn empty() -> Self {
        Self::pieces([])
    }

    pub fn bytes(bytes: Bytes) -> Self {
        Self::pieces([Piece::Memory(bytes)])
    }

    /// One after the other; empty ones are left out.
    pub fn pieces(pieces: impl IntoIterator<Item = Piece>) -> Self {
        Self(Kind::Pieces(Pieces::new(pieces, None)))
    }

    /// The same, and `slip` is written on the way and told at the end.
    pub fn witnessed(pieces: impl IntoIterator<Item = Piece>, slip: Slip) -> Self {
        Self(Kind::Pieces(Pieces::new(pieces, Some(Box::new(slip)))))
    }

    /// A body that comes from elsewhere and is passed on as it comes.
    pub fn stream(body: Foreign) -> Self {
        Self(Kind::Stream(body))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Pieces(pieces) => pieces.poll_next(context).map(|next| next.map(|n| n.map(Frame::data))),
            Kind::Stream(body) => body.as_mut().poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Pieces(pieces) => pieces.remaining == 0,
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Pieces(pieces) => SizeHint::with_exact(pieces.remaining),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

struct Pieces {
    queue: VecDeque<Piece>,
    /// Bytes still to be handed out, those being read included.
    remaining: u64,
    /// With the position that it reads from. Dropped with the body: a read that has not begun does not begin.
    reading: Option<(Read, u64)>,
    /// After a failed read there is no end, only the failure again.
    broken: bool,
    slip: Option<Box<Slip>>,
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(slip) = self.slip.take() {
            slip.end(self.remaining == 0);
        }
    }
}

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = Piece>, slip: Option<Box<Slip>>) -> Self {
        let queue: VecDeque<_> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let remaining = queue.iter().map(Piece::len).sum();
        Self { queue, remaining, reading: None, broken: false, slip }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.broken {
            return Poll::Ready(Some(Err(io::Error::other("the body broke before its end"))));
        }
        if self.reading.is_none() {
            match self.queue.pop_front() {
                None => return Poll::Ready(None),
                Some(Piece::Memory(bytes)) => return Poll::Ready(Some(Ok(self.hand_out(bytes)))),
                Some(Piece::File { file, position, end }) => self.begin_read(file, position, end),
            }
        }
        let Some((reading, position)) = &mut self.reading else { return Poll::Ready(None) };
        let outcome = ready!(Pin::new(reading).poll(context));
        let position = *position;
        self.reading = None;
        // Outer: the blocking task was cancelled by the runtime's end, or panicked.
        let outcome = outcome.map_err(io::Error::other).flatten();
        self.broken = outcome.is_err();
        Poll::Ready(Some(outcome.map(|bytes| self.hand_out_file(position, bytes))))
    }

    fn hand_out_file(&mut self, position: u64, bytes: Bytes) -> Bytes {
        if let Some(slip) = &mut self.slip {
            slip.note(position, position + bytes.len() as u64);
        }
        self.hand_out(bytes)
    }

    fn hand_out(&mut self, bytes: Bytes) -> Bytes {
        self.remaining = self.remaining.saturating_sub(bytes.len() as u64);
        bytes
    }

    /// Begins to read the head of the piece and puts the rest of it back.
    fn begin_read(&mut self, file: Arc<ImmutableFile>, position: u64, end: u64) {
        let middle = end.min(position.saturating_add(PIECE));
        if middle < end {
            self.queue.push_front(Piece::File { file: Arc::clone(&file), position: middle, end });
        }
        self.reading = Some((read(file, position, middle), position));
    }
}

/// Reads on the blocking pool, so that a cold file stalls nobody else on this worker.
fn read(file: Arc<ImmutableFile>, position: u64, end: u64) -> Read {
    AbortOnDropHandle::new(tokio::task::spawn_blocking(move || file.read_exact(position, end)))
}
