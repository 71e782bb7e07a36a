//! From sockets to requests: one acceptor, one current-thread runtime per core, the least loaded worker gets the next
//! connection.

mod connection;
pub mod tls;
mod workers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::Edge;
use workers::Workers;

/// What a listener is made of.
pub struct Listener {
    /// Already bound: a port that is taken is told before anything else starts.
    pub socket: TcpListener,
    /// Connection threads.
    pub workers: usize,
    /// Connections at the same time; more wait in the kernel's queue.
    pub most_connections: usize,
    /// TLS, or clear text.
    pub tls: Option<tls::Acceptor>,
    /// How long what has begun may take after a stop.
    pub drain: Duration,
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
        let workers = Workers::start(self.workers, &edge, self.tls, &stop)?;
        let places = Arc::new(tokio::sync::Semaphore::new(self.most_connections));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => workers.hand_over(socket, peer, place),
                Err(error) => {
                    // Out of descriptors, or a client that left early. Accepting at once again would spin.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        drop(self.socket);
        workers.drain(self.drain).await;
        Ok(())
    }
}
