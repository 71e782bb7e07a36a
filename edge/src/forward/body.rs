//! The body of a request on its way to the control plane: bounded, and watched, so that whoever waits for the answer
//! knows whose turn it is.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use crate::listen::Incoming;

/// A body that stands still for so long has lost one of its ends. The control plane gives up on clients a little sooner.
const STANDSTILL: Duration = Duration::from_secs(75);

/// How far a request has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// So many pieces of its body were passed on.
    Sending(u64),
    /// The client broke it off.
    Broken,
    /// It has more bytes than the route takes.
    TooLarge,
}

/// A body whose stages can be followed. Dropped, which hyper does once it needs no more of it, it is sent.
pub(super) struct Watched {
    body: Incoming,
    left: u64,
    stage: watch::Sender<Stage>,
}

/// Why the rest of a body does not come.
#[derive(Debug, thiserror::Error)]
#[error("the body ended early")]
pub(super) struct EndedEarly;

impl Watched {
    /// A body of at most `most` bytes, and its stages.
    pub(super) fn new(body: Incoming, most: u64) -> (Self, watch::Receiver<Stage>) {
        let (stage, stages) = watch::channel(Stage::Sending(0));
        (Self { body, left: most, stage }, stages)
    }

    fn end(&self, stage: Stage) -> Poll<Option<Result<Frame<Bytes>, EndedEarly>>> {
        self.stage.send_replace(stage);
        Poll::Ready(Some(Err(EndedEarly)))
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = EndedEarly;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EndedEarly>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(length) {
                    Some(left) => this.left = left,
                    None => return this.end(Stage::TooLarge),
                }
                this.stage.send_modify(|stage| {
                    if let Stage::Sending(pieces) = stage {
                        *pieces += 1;
                    }
                });
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => this.end(Stage::Broken),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Returns when the answer is overdue: `patience` after the body was sent, or when the body stands still.
pub(super) async fn overdue(mut stages: watch::Receiver<Stage>, patience: Duration) {
    loop {
        match tokio::time::timeout(STANDSTILL, stages.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_sent)) => return tokio::time::sleep(patience).await,
            Err(_elapsed) => return,
        }
    }
}
