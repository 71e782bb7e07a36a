//! One connection: perhaps a TLS handshake, then requests, each answered by the spine.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use common::network::canonical;
use http::{Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Wire;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::deadlines::Deadlines;
use super::line::{Line, Order};
use super::message::{Answer, Incoming};
use super::progress::{Exchange, Progress};
use super::roll::Roll;
use super::socket::Socket;
use super::tls::Acceptor;
use crate::app::Edge;
use crate::deliver::body::Carriage;
use crate::request::Arrival;

/// The longest head; hyper answers 431 beyond, over HTTP/2 h2 does.
const LONGEST_HEAD: u32 = 32 << 10;
/// Requests at the same time on one connection of HTTP/2: more than browsers and update clients use.
const MOST_STREAMS: u32 = 128;
/// Streams that a client opened and reset before we looked at them (CVE-2023-44487), and resets that a client's
/// mistakes made us send (CVE-2025-8671), before the connection is ended.
const MOST_RESETS: usize = 32;
/// What HTTP/2 holds of one answer that its window has no room for.
const HELD_OF_ANSWER: usize = 64 << 10;
/// What the kernel takes beyond what is on its way (TCP_NOTSENT_LOWAT, tcp(7)). Without it that is megabytes for each who
/// takes nothing: some thousand of them spend what the machine has for all sockets (`net.ipv4.tcp_mem`), and everybody
/// else stands still. Less makes `sendfile` stop short: with 128 KiB a large file cost twice the CPU.
const UNSENT: u32 = 1 << 20;
/// What is read of a body that nobody wanted, so that the client sees the answer instead of a reset.
const LINGER_BYTES: u64 = 16 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// What every connection of a worker shares.
pub(super) struct Site {
    pub(super) edge: Arc<Edge>,
    pub(super) tls: Option<Acceptor>,
    pub(super) stop: CancellationToken,
    pub(super) http: Builder<TokioExecutor>,
    pub(super) roll: Roll,
}

/// HTTP as we speak it. Nothing here has a timer but the pings of HTTP/2, of which a connection has one: deadlines are
/// the sweep's.
pub(super) fn http(deadlines: &Deadlines) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Who will ask for nothing more may still wait for its answer, as long as it takes it.
    builder.http1().half_close(true).header_read_timeout(None).max_buf_size(LONGEST_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(deadlines.ping)
        .keep_alive_timeout(deadlines.pong)
        .max_header_list_size(LONGEST_HEAD)
        .max_concurrent_streams(MOST_STREAMS)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_RESETS)
        .max_send_buf_size(HELD_OF_ANSWER);
    builder
}

/// Serves one connection to its end.
pub(super) async fn serve(site: &Site, stream: TcpStream, peer: SocketAddr) {
    let _counted = site.edge.metrics.count_connection();
    // Answers are written whole: waiting for more would only delay their last packet.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    let socket = Socket::new(stream);
    let line = socket.line().clone();
    site.roll.enter(&line);
    match &site.tls {
        None => {
            line.progress.note_established();
            requests(site, &line, socket, peer).await;
        }
        Some(acceptor) => {
            let mut handshake = pin!(acceptor.accept(socket));
            let shaken = std::future::poll_fn(|context| match line.poll_order(context) {
                Order::Stay => handshake.as_mut().poll(context),
                Order::Leave | Order::Cut => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            });
            // A failure is the client's: it left, or it does not speak TLS.
            if let Ok(stream) = shaken.await {
                line.progress.note_established();
                requests(site, &line, TokioIo::new(stream), peer).await;
            }
        }
    }
    line.part().await;
}

async fn requests<I>(site: &Site, line: &Line, io: I, peer: SocketAddr)
where
    I: Read + Write + Unpin + Send + 'static,
{
    let (edge, progress) = (&site.edge, &line.progress);
    let is_encrypted = site.tls.is_some();
    let service = service_fn(|request| answer(edge.clone(), (progress.clone(), is_encrypted), request, peer));
    let mut connection = pin!(site.http.serve_connection(io, service));
    let mut told = false;
    let ended = std::future::poll_fn(|context| {
        let order = line.poll_order(context);
        if order == Order::Cut {
            return Poll::Ready(Ok(()));
        }
        let polled = connection.as_mut().poll(context);
        if order == Order::Leave && polled.is_pending() && !told {
            // After the poll: a request that has come already is begun by it, and will be answered.
            told = true;
            connection.as_mut().graceful_shutdown();
            return connection.as_mut().poll(context);
        }
        polled
    });
    if let Err(error) = ended.await {
        tracing::trace!(%error, "connection ended early");
    }
}

async fn answer(
    edge: Arc<Edge>,
    (progress, is_encrypted): (Arc<Progress>, bool),
    request: Request<Wire>,
    peer: SocketAddr,
) -> Result<Response<Answer>, Infallible> {
    let exchange = Exchange::begin(&progress, request.version() == Version::HTTP_2);
    // TLS and HTTP/2 must see each byte; the kernel can send the others from the file.
    let is_plain = !is_encrypted && request.version() < Version::HTTP_2;
    let arrival = Arrival { address: canonical(peer.ip()), at: edge.clock.now(), tick: edge.began.elapsed() };
    let expects = request.headers().contains_key(http::header::EXPECT);
    let (parts, body) = request.into_parts();
    let mut body = Some(Incoming::new(body, || Exchange::join(&progress)));
    let mut response = edge.answer(parts, &mut body, arrival).await;
    if is_plain && edge.zero_copy {
        response.body_mut().carry(Carriage::Mapped);
    }
    if let Some(body) = body.filter(|body| !body.is_end_stream() && !expects) {
        tokio::spawn(linger(body));
    }
    edge.metrics.answered(response.status().as_u16(), response.body().size_hint().exact());
    Ok(response.map(|body| Answer::new(body, exchange)))
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
