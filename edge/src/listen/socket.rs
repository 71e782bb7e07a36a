//! The socket as hyper and rustls see it: every byte passes here and is counted. Clear text goes to hyper without
//! anything in between, and in the slices that hyper has it in.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::line::Line;
use super::protocol::{Opening, Protocol, left};
use super::proxy_protocol::{Announced, read};

/// One end of a connection. What it shares with those who watch it is its line; the descriptor is closed with this.
pub(super) struct Socket {
    read: OwnedReadHalf,
    line: Arc<Line>,
    opening: Opening,
}

impl Socket {
    /// What is written to it is copied on its way, as TLS does, or is not.
    pub(super) fn new(stream: TcpStream, is_copied: bool) -> Self {
        let (read, write) = stream.into_split();
        Self { read, line: Arc::new(Line::new(write, is_copied)), opening: Opening::default() }
    }

    /// Reads until it is known which protocol the other end speaks. What is read for that is read again after it.
    pub(super) fn poll_protocol(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Protocol>> {
        loop {
            if let Some(protocol) = self.opening.protocol() {
                return Poll::Ready(Ok(protocol));
            }
            let mut buffer = ReadBuf::new(self.opening.space());
            ready!(Pin::new(&mut self.read).poll_read(context, &mut buffer))?;
            let came = buffer.filled().len();
            if came == 0 {
                return Poll::Ready(Err(left()));
            }
            self.opening.came(came);
            self.line.progress.note_received(came);
        }
    }

    /// Reads what a proxy says before all else into `header`, and nothing of what comes after it. A header that cannot
    /// be read is invalid data.
    pub(super) fn poll_announced(
        &mut self,
        context: &mut Context<'_>,
        header: &mut Vec<u8>,
    ) -> Poll<io::Result<Announced>> {
        loop {
            let more = match read(header) {
                Ok(Announced::More(more)) => more,
                Ok(announced) => return Poll::Ready(Ok(announced)),
                Err(_) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            };
            let had = header.len();
            header.resize(had + more, 0);
            let mut buffer = ReadBuf::new(&mut header[had..]);
            let polled = Pin::new(&mut self.read).poll_read(context, &mut buffer);
            let came = buffer.filled().len();
            header.truncate(had + came);
            ready!(polled)?;
            if came == 0 {
                return Poll::Ready(Err(left()));
            }
            self.line.progress.note_received(came);
        }
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let early = this.opening.take(buffer.remaining());
        if !early.is_empty() {
            buffer.put_slice(early);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.read).poll_read(context, buffer))?;
        this.line.progress.note_received(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.poll_send(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.poll_send(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The kernel flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.line.shut())
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper's cursor can only be filled by unsafe code; this adaptor is that code, and holds nothing.
        Read::poll_read(Pin::new(&mut TokioIo::new(self.get_mut())), context, cursor)
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.poll_send(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.line.poll_send(context, slices)
    }

    /// So that hyper queues the slices of bodies instead of copying them together.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.line.shut())
    }
}
