//! What flows to a client: pieces of immutable files and of memory, or the body of somebody else's answer.
//! A piece says which bytes are meant; how they come to be at hand is said in one place, `window`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use smallvec::SmallVec;

use super::chunk::Chunk;
use super::receipt::{Slip, Tally};
use super::window::{Window, Windows};
use crate::caps::Paced;
use crate::origin::ImmutableFile;
use crate::transfers::Transfer;

type Foreign = Pin<Box<dyn http_body::Body<Data = Bytes, Error = io::Error> + Send>>;

/// How the bytes of files reach the connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Carriage {
    /// Through memory: TLS and HTTP/2 have work to do with each byte.
    #[default]
    Copied,
    /// From the file itself, if it can be mapped: HTTP/1.1 in clear text.
    Mapped,
}

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

    /// Its first `count` bytes, which it has no more.
    fn take(&mut self, count: u64) -> Self {
        match self {
            Self::Memory(bytes) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
                Self::Memory(bytes.split_to(count))
            }
            Self::File { file, position, end } => {
                let (from, to) = (*position, position.saturating_add(count).min(*end));
                *position = to;
                Self::File { file: file.clone(), position: from, end: to }
            }
        }
    }
}

/// The body of every answer of the edge. Its length is exact unless it is a stream.
pub struct Body(Kind);

#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are pieces: boxed, each would cost memory of its own"
)]
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

    /// The same, and `slip` is written as they are taken and told at the end.
    pub fn witnessed(pieces: impl IntoIterator<Item = Piece>, slip: Slip) -> Self {
        Self(Kind::Pieces(Pieces::new(pieces, Some(slip))))
    }

    /// Says how its files are to be carried, before its first byte is asked for.
    pub fn carry(&mut self, carriage: Carriage) {
        if let Kind::Pieces(pieces) = &mut self.0 {
            pieces.windows.carry(carriage);
        }
    }

    /// Sends no faster than that.
    #[must_use]
    pub fn paced(mut self, paced: Option<Paced>) -> Self {
        if let Kind::Pieces(pieces) = &mut self.0 {
            pieces.paced = paced.map(|paced| Box::new(Pacing { paced, paid: 0, rest: None }));
        }
        self
    }

    /// The transfer that it is the body of, if that runs long enough to be cut.
    pub fn transfer(&self) -> Option<&Arc<Transfer>> {
        match &self.0 {
            Kind::Pieces(pieces) => pieces.transfer.as_ref(),
            Kind::Stream(_) => None,
        }
    }

    /// A body that comes from elsewhere and is passed on as it comes.
    pub fn stream(body: Foreign) -> Self {
        Self(Kind::Stream(body))
    }
}

impl http_body::Body for Body {
    type Data = Chunk;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Chunk>>>> {
        match &mut self.0 {
            Kind::Pieces(pieces) => pieces.poll_next(context).map(|next| next.map(|n| n.map(Frame::data))),
            Kind::Stream(body) => {
                let next = ready!(body.as_mut().poll_frame(context));
                Poll::Ready(next.map(|frame| frame.map(|frame| frame.map_data(Chunk::memory))))
            }
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
    /// What comes next, when it is not the next of the others: the rest of a file.
    first: Option<Piece>,
    others: smallvec::IntoIter<[Piece; 1]>,
    /// Bytes still to be handed out.
    remaining: u64,
    windows: Windows,
    /// After a failed read there is no end, only the failure again.
    broken: bool,
    transfer: Option<Arc<Transfer>>,
    tally: Option<Arc<Tally>>,
    /// Of its own memory: most bodies have none.
    paced: Option<Box<Pacing>>,
}

struct Pacing {
    paced: Paced,
    /// Bytes that may go now, of what comes first.
    paid: u64,
    /// What comes after those.
    rest: Option<Piece>,
}

impl Pieces {
    fn new(pieces: impl IntoIterator<Item = Piece>, slip: Option<Slip>) -> Self {
        let pieces: SmallVec<[_; 1]> = pieces.into_iter().filter(|piece| piece.len() > 0).collect();
        let remaining = pieces.iter().map(Piece::len).sum();
        let transfer = slip.as_ref().and_then(Slip::transfer);
        let tally = slip.map(|slip| Tally::new(slip, remaining));
        Self {
            first: None,
            others: pieces.into_iter(),
            remaining,
            windows: Windows::default(),
            broken: false,
            transfer,
            tally,
            paced: None,
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Chunk>>> {
        if self.broken {
            return Poll::Ready(Some(Err(io::Error::other("the body broke before its end"))));
        }
        if self.transfer.as_ref().is_some_and(|transfer| transfer.is_cut()) {
            return self.cut();
        }
        if !self.windows.is_opening() {
            ready!(self.poll_paid(context));
            match self.first.take().or_else(|| self.others.next()) {
                None => return Poll::Ready(None),
                Some(Piece::Memory(bytes)) => {
                    return Poll::Ready(Some(Ok(self.hand_out(Chunk::memory(bytes)))));
                }
                Some(Piece::File { file, position, end }) => {
                    self.windows.open(Window { file, position, end })
                }
            }
        }
        let Poll::Ready(opened) = self.windows.poll_opened(context) else {
            return match &self.transfer {
                Some(transfer) if transfer.is_cut_meanwhile(context) => self.cut(),
                _ => Poll::Pending,
            };
        };
        self.broken = opened.is_err();
        Poll::Ready(Some(opened.map(|(chunk, rest)| {
            // What did not fit into the window comes next.
            if let Some(Window { file, position, end }) = rest {
                self.first = Some(Piece::File { file, position, end });
            }
            self.hand_out(chunk)
        })))
    }

    /// Lets come first what may go now, when something may.
    fn poll_paid(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(pacing) = self.paced.as_mut().filter(|pacing| pacing.paid == 0) else {
            return Poll::Ready(());
        };
        if pacing.rest.is_none() {
            pacing.rest = self.others.next();
        }
        let Some(next) = &mut pacing.rest else { return Poll::Ready(()) };
        pacing.paid = ready!(pacing.paced.poll_piece(next.len(), context));
        self.first = Some(next.take(pacing.paid));
        if next.len() == 0 {
            pacing.rest = None;
        }
        Poll::Ready(())
    }

    /// Nothing more of it is handed out.
    fn cut(&mut self) -> Poll<Option<io::Result<Chunk>>> {
        self.broken = true;
        Poll::Ready(Some(Err(io::Error::other("the right to these bytes has ended"))))
    }

    fn hand_out(&mut self, chunk: Chunk) -> Chunk {
        let length = bytes::Buf::remaining(&chunk) as u64;
        self.remaining = self.remaining.saturating_sub(length);
        if let Some(pacing) = &mut self.paced {
            pacing.paid = pacing.paid.saturating_sub(length);
        }
        chunk.told_to(self.tally.clone())
    }
}
