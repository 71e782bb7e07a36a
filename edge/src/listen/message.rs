//! Bodies in both directions, as the rooms behind see them: hyper's, and while they are there the sweep knows who is
//! waited for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming as Wire;

use super::progress::Exchange;
use crate::deliver::body::Body;

/// The body of a request.
pub struct Incoming {
    body: Wire,
    /// None when there is nothing to come.
    exchange: Option<Exchange>,
}

impl Incoming {
    pub(super) fn new(body: Wire, join: impl FnOnce() -> Exchange) -> Self {
        let exchange = (!body.is_end_stream()).then(join);
        Self { body, exchange }
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match (&polled, &mut this.exchange) {
            // What follows is ours to do, however long it takes.
            (Poll::Ready(None | Some(Err(_))), exchange) => *exchange = None,
            (polled, Some(exchange)) => exchange.note_awaits(polled.is_pending()),
            (_, None) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Dropped, which hyper does when it has it all, the request is over.
pub(super) struct Answer {
    body: Body,
    exchange: Exchange,
}

impl Answer {
    pub(super) fn new(body: Body, mut exchange: Exchange) -> Self {
        exchange.note_answer();
        Self { body, exchange }
    }
}

impl http_body::Body for Answer {
    type Data = <Body as http_body::Body>::Data;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Self::Data>>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        this.exchange.note_unready(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
