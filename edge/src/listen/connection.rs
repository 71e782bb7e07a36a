//! One connection: perhaps a TLS handshake, then requests, each answered by the spine.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use common::network::canonical;
use http::{Request, Response, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Wire;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::line::{Line, Order};
use super::message::{Answer, Incoming};
use super::progress::{Exchange, Progress};
use super::protocol::{Http, Protocol, left};
use super::proxy_protocol::Announced;
use super::roll::Roll;
use super::rules::Reason;
use super::socket::Socket;
use super::tls::Acceptor;
use crate::app::Edge;
use crate::deliver::body::Carriage;
use crate::request::Arrival;

/// What is read of a body that nobody wanted, so that the client sees the answer instead of a reset.
const LINGER_BYTES: u64 = 16 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// What every connection of a worker shares.
pub(super) struct Site {
    pub(super) edge: Arc<Edge>,
    pub(super) tls: Option<Acceptor>,
    pub(super) stop: CancellationToken,
    pub(super) http: Http,
    pub(super) roll: Roll,
}

/// Serves one connection to its end.
pub(super) async fn serve(site: &Site, stream: TcpStream, peer: SocketAddr) {
    let _counted = site.edge.metrics.count_connection();
    // Answers are written whole: waiting for more would only delay their last packet.
    let _ = stream.set_nodelay(true);
    let mut socket = Socket::new(stream, site.tls.is_some());
    let line = socket.line().clone();
    site.roll.enter(&line);
    // Thousands of connections wait for their next request: what one needs but for a while, or not at all, has memory
    // of its own.
    let peer = match site.edge.proxies.announces {
        false => Some(canonical(peer.ip())),
        true => Box::pin(announced(site, &line, &mut socket, canonical(peer.ip()))).await,
    };
    match (peer, &site.tls) {
        (None, _) => {}
        (Some(peer), None) => clear(site, &line, socket, peer).await,
        (Some(peer), Some(acceptor)) => Box::pin(encrypted(site, &line, (acceptor, socket), peer)).await,
    }
    line.part().await;
}

/// Who is at the other end, by the proxy that must say so first; none when that is nobody whom we would believe.
async fn announced(site: &Site, line: &Line, socket: &mut Socket, peer: IpAddr) -> Option<IpAddr> {
    let mut header = Vec::new();
    let said = poll_fn(|context| {
        if line.poll_order(context) != Order::Stay {
            return Poll::Ready(Err(left()));
        }
        socket.poll_announced(context, &mut header)
    });
    let said = match site.edge.proxies.may_announce(peer) {
        true => said.await,
        false => Err(io::ErrorKind::InvalidData.into()),
    };
    match said {
        Ok(Announced::Client(client)) => Some(client),
        Ok(_) => Some(peer),
        Err(error) => {
            // Who said something else is not answered: in which protocol, nobody knows.
            if error.kind() == io::ErrorKind::InvalidData && line.order(Order::Cut) {
                site.edge.metrics.ended().ended(Reason::Unannounced);
            }
            None
        }
    }
}

async fn clear(site: &Site, line: &Arc<Line>, mut socket: Socket, peer: IpAddr) {
    line.progress.note_established();
    let known = poll_fn(|context| match socket.poll_protocol(context) {
        Poll::Pending if line.poll_order(context) != Order::Stay => Poll::Ready(Err(left())),
        polled => polled,
    });
    if let Ok(protocol) = known.await {
        requests(site, line, (socket, protocol), peer).await;
    }
}

async fn encrypted(site: &Site, line: &Arc<Line>, (acceptor, socket): (&Acceptor, Socket), peer: IpAddr) {
    let mut handshake = Box::pin(acceptor.accept(socket));
    let shaken = poll_fn(|context| match line.poll_order(context) {
        Order::Stay => handshake.as_mut().poll(context),
        Order::Leave | Order::Cut => Poll::Ready(Err(left())),
    });
    // A failure is the client's: it left, or it does not speak TLS.
    let Ok(stream) = shaken.await else { return };
    drop(handshake);
    line.progress.note_established();
    let protocol = Protocol::agreed(stream.get_ref().1.alpn_protocol());
    requests(site, line, (TokioIo::new(stream), protocol), peer).await;
}

async fn requests<I>(site: &Site, line: &Arc<Line>, (io, protocol): (I, Protocol), peer: IpAddr)
where
    I: Read + Write + Unpin + Send + 'static,
{
    let is_encrypted = site.tls.is_some();
    // Weakly: a stream of HTTP/2 may outlive its connection, and must not keep the socket open.
    let (weak, progress) = (Arc::downgrade(line), line.progress.clone());
    let peer = Arc::new(Peer { line: weak, progress, is_encrypted, address: peer });
    let service = service_fn(|request| answer(site.edge.clone(), peer.clone(), request));
    let ended = match protocol {
        Protocol::One => converse(line, Box::pin(site.http.one.serve_connection(io, service))).await,
        Protocol::Two => converse(line, Box::pin(site.http.two.serve_connection(io, service))).await,
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "connection ended early");
    }
}

/// Serves a connection until it ends, or is told to.
async fn converse<C>(line: &Line, mut connection: Pin<Box<C>>) -> Result<(), C::Error>
where
    C: GracefulConnection + Future<Output = Result<(), <C as GracefulConnection>::Error>>,
{
    let mut told = false;
    poll_fn(|context| {
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
    })
    .await
}

/// Who asks, on which connection.
struct Peer {
    line: Weak<Line>,
    progress: Arc<Progress>,
    is_encrypted: bool,
    address: IpAddr,
}

async fn answer(
    edge: Arc<Edge>,
    peer: Arc<Peer>,
    request: Request<Wire>,
) -> Result<Response<Answer>, Infallible> {
    let Peer { line, progress, is_encrypted, address } = &*peer;
    let exchange = Exchange::begin(progress, request.version() == Version::HTTP_2);
    // TLS and HTTP/2 must see each byte; the kernel can send the others from the file.
    let is_plain = !is_encrypted && request.version() < Version::HTTP_2;
    let arrival = Arrival { address: *address, at: edge.clock.now(), tick: edge.began.elapsed() };
    let expects = request.headers().contains_key(http::header::EXPECT);
    let (parts, body) = request.into_parts();
    let mut body = Some(Incoming::new(body, || Exchange::join(progress)));
    let mut response = edge.answer(parts, &mut body, arrival).await;
    if is_plain && edge.zero_copy {
        response.body_mut().carry(Carriage::Mapped);
    }
    if let Some(transfer) = response.body().transfer() {
        transfer.go(line.clone());
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
