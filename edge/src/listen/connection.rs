//! One connection: perhaps a TLS handshake, then requests, each answered by the spine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use common::network::canonical;
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::tls::Acceptor;
use crate::app::Edge;
use crate::deliver::body::Body;
use crate::request::Arrival;

/// How long a head, or a handshake, may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// The longest head; hyper answers 431 beyond.
const LONGEST_HEAD: usize = 32 << 10;
/// What is read of a body that nobody wanted, so that the client sees the answer instead of a reset.
const LINGER_BYTES: u64 = 16 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// What every connection of a worker shares.
pub(super) struct Site {
    pub(super) edge: Arc<Edge>,
    pub(super) tls: Option<Acceptor>,
    pub(super) stop: CancellationToken,
}

/// Serves one connection to its end.
pub(super) async fn serve(site: &Site, socket: TcpStream, peer: SocketAddr) {
    let _counted = site.edge.metrics.count_connection();
    // Answers are written whole: waiting for more would only delay their last packet.
    let _ = socket.set_nodelay(true);
    match &site.tls {
        // hyper waits for ever for the first byte, by which it tells HTTP/1.1 from HTTP/2.
        None if tokio::time::timeout(HEAD_WITHIN, socket.readable()).await.is_err() => {}
        None => requests(site, socket, peer).await,
        Some(acceptor) => {
            // Both failures are the client's: it left, or it does not speak TLS.
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_WITHIN, acceptor.accept(socket)).await {
                requests(site, stream, peer).await;
            }
        }
    }
}

async fn requests<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    site: &Site,
    stream: S,
    peer: SocketAddr,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(LONGEST_HEAD);
    builder.http2().timer(TokioTimer::new()).max_header_list_size(32 << 10).max_concurrent_streams(128);
    let service = service_fn(|request| answer(site.edge.clone(), request, peer));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = site.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended early");
    }
}

async fn answer(
    edge: Arc<Edge>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Infallible> {
    let arrival = Arrival { address: canonical(peer.ip()), at: edge.clock.now(), tick: edge.began.elapsed() };
    let expects = request.headers().contains_key(http::header::EXPECT);
    let (parts, body) = request.into_parts();
    let mut body = Some(body);
    let response = edge.answer(parts, &mut body, arrival).await;
    if let Some(body) = body.filter(|body| !body.is_end_stream() && !expects) {
        tokio::spawn(linger(body));
    }
    edge.metrics.answered(response.status().as_u16(), response.body().size_hint().exact());
    Ok(response)
}

/// Reads on for a while. Who waits for a `100 Continue` has sent nothing and needs no lingering.
async fn linger(mut body: Incoming) {
    let mut left = LINGER_BYTES;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
            if left == 0 {
                return;
            }
        }
    };
    // Elapsed is an end like the others.
    let _ = tokio::time::timeout(LINGER, reading).await;
}
