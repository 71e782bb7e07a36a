//! From sockets to requests: one acceptor, one runtime per core, the least loaded worker gets the next connection, and
//! a sweep that ends those who are too slow.

mod connection;
mod crowd;
mod deadlines;
mod descriptors;
mod line;
mod message;
mod progress;
mod protocol;
mod proxy_protocol;
mod roll;
mod room;
mod rules;
mod socket;
pub mod tls;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::app::Edge;
use crowd::Crowd;
pub use deadlines::{Deadlines, Pace};
pub use descriptors::raise_descriptors;
pub use message::Incoming;
pub use rules::Reason;
pub use workers::Runtimes;
use workers::{Place, Workers};

/// What a listener is made of.
pub struct Listener {
    /// Already bound: a port that is taken is told before anything else starts.
    pub socket: TcpListener,
    /// TLS, or clear text.
    pub tls: Option<tls::Acceptor>,
    /// The rest.
    pub limits: Limits,
}

/// How much a listener takes on, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connection threads.
    pub workers: usize,
    /// How they are made into runtimes.
    pub runtimes: Runtimes,
    /// Connections at the same time; more wait in the kernel's queue.
    pub most_connections: usize,
    /// Of them, from one address; more are closed.
    pub most_of_address: u32,
    /// For clients.
    pub deadlines: Deadlines,
    /// How long what has begun may take after a stop.
    pub drain: Duration,
}

/// Connections that the kernel keeps until they are accepted. Beyond it, clients believe that they are connected while
/// nobody has heard of them; the kernel's own limit (`net.core.somaxconn`) is 4096 by default.
const BACKLOG: u32 = 4_096;

/// Begins to listen.
///
/// # Errors
/// When the address is taken, or is not ours.
pub fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that a restart need not wait for what is left of the connections of the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// The address that it is reached at.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until `stop`, then drains: no new connections, running requests end, idle connections close.
    ///
    /// # Errors
    /// When the worker threads cannot be started.
    pub async fn run(self, edge: Arc<Edge>, stop: CancellationToken) -> std::io::Result<()> {
        let Self { socket, tls, limits } = self;
        if edge.proxies.announces && edge.proxies.trusted.networks().is_empty() {
            tracing::warn!(
                "proxy_protocol without trusted_proxies: whoever reaches this listener names its own address"
            );
        }
        let workers = Workers::start(&limits, &edge, tls.as_ref(), &stop)?;
        let (places, crowd) =
            (Arc::new(Semaphore::new(limits.most_connections)), Crowd::new(limits.most_of_address));
        loop {
            // An edge without room for anybody more is told to stop like any other.
            let place = tokio::select! {
                () = stop.cancelled() => break,
                place = places.clone().acquire_owned() => place,
            };
            let Ok(place) = place else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => match seat(&crowd, &socket, peer, place) {
                    Some(place) => workers.hand_over(socket, peer, place),
                    None => edge.metrics.ended().ended(Reason::Crowd),
                },
                Err(error) => {
                    // Out of descriptors, or a client that left early. Accepting at once again would spin.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(socket);
        workers.drain(limits.drain).await;
        Ok(())
    }
}

/// A place for a connection, before it has cost anything but its acceptance.
fn seat(
    crowd: &Arc<Crowd>,
    socket: &TcpStream,
    peer: SocketAddr,
    of_all: OwnedSemaphorePermit,
) -> Option<Place> {
    let Some(of_address) = crowd.enter(peer.ip()) else {
        // A reset, so that the socket does not linger here for a minute (RFC 9293 section 3.6.1).
        let _ = socket.set_zero_linger();
        return None;
    };
    Some(Place::new(of_all, of_address))
}
