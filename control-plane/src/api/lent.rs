//! A request body that comes back when a handler drops it, so that a refusal can read on before it answers.
//!
//! A client that is still sending when the connection closes loses the answer to a reset. So what is left of a refused
//! body is read, within bounds, before the refusal is sent.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

/// A body may stand still for so long.
const IDLE: Duration = Duration::from_secs(60);
/// What is read of a refused body, and for how long.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(5);

/// The body of a request, on loan to a handler.
pub(crate) struct Lent {
    body: Option<Body>,
    is_polled: bool,
    back: Option<oneshot::Sender<(Body, bool)>>,
    idle: Pin<Box<Sleep>>,
}

/// Where a lent body comes back to.
pub(crate) struct Rest(oneshot::Receiver<(Body, bool)>);

/// Lends a body out.
pub(crate) fn lend(body: Body) -> (Body, Rest) {
    let (back, rest) = oneshot::channel();
    let idle = Box::pin(tokio::time::sleep(IDLE));
    (Body::new(Lent { body: Some(body), is_polled: false, back: Some(back), idle }), Rest(rest))
}

/// A body that broke off, or stood still for too long.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(crate) struct BrokeOff;

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BrokeOff>>> {
        let this = self.get_mut();
        this.is_polled = true;
        let Some(body) = this.body.as_mut() else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.idle.as_mut().reset(Instant::now() + IDLE);
                Poll::Ready(frame.map(|frame| frame.map_err(|_| BrokeOff)))
            }
            Poll::Pending => this.idle.as_mut().poll(cx).map(|()| Some(Err(BrokeOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Err: nobody waits for it any more, the request is over.
            let _ = back.send((body, self.is_polled));
        }
    }
}

impl Rest {
    /// Reads on, within bounds. A client that waits for `100 Continue` (RFC 9110 section 10.1.1) has sent nothing yet
    /// and must not be asked to.
    pub(crate) async fn linger(mut self, expects_continue: bool) {
        let Ok((mut body, is_polled)) = self.0.try_recv() else { return };
        if expects_continue && !is_polled {
            return;
        }
        let read_on = async {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > LINGER_BYTES {
                    break;
                }
            }
        };
        // Elapsed is as good as done: the bound has been kept.
        let _ = tokio::time::timeout(LINGER_TIME, read_on).await;
    }
}
