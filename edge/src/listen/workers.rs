//! Connection threads, each with a runtime of its own: a connection never moves between cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Site};
use super::tls::Acceptor;
use crate::app::Edge;

/// A connection on its way to a worker.
struct Handed {
    socket: std::net::TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
}

/// A connection's place in the counts; given back however the connection ends.
struct Place {
    load: Arc<AtomicUsize>,
    _of_all: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Worker {
    send: mpsc::UnboundedSender<Handed>,
    load: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// The threads.
pub(super) struct Workers {
    workers: Vec<Worker>,
    /// Cancelled when draining has taken too long.
    hard: CancellationToken,
}

impl Workers {
    pub(super) fn start(
        count: usize,
        edge: &Arc<Edge>,
        tls: Option<Acceptor>,
        stop: &CancellationToken,
    ) -> std::io::Result<Self> {
        let hard = CancellationToken::new();
        let mut workers = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let site = Site { edge: edge.clone(), tls: tls.clone(), stop: stop.clone() };
            workers.push(Worker::start(number, site, hard.clone())?);
        }
        Ok(Self { workers, hard })
    }

    /// Gives the socket to the worker with the fewest connections.
    pub(super) fn hand_over(&self, socket: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let least = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed));
        let (Some(worker), Ok(socket)) = (least, socket.into_std()) else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        // Fails only when the worker ended, which it does after the acceptor.
        let _ = worker.send.send(Handed { socket, peer, place });
    }

    /// Waits for running requests, at most `patience`, then cuts what is left.
    pub(super) async fn drain(self, patience: Duration) {
        let threads: Vec<_> = self.workers.into_iter().map(|worker| worker.thread).collect();
        let mut ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a connection thread ended by a panic");
                }
            }
        });
        if tokio::time::timeout(patience, &mut ended).await.is_err() {
            tracing::warn!("cutting connections that did not end in time");
            self.hard.cancel();
            let _ = ended.await;
        }
    }
}

impl Worker {
    fn start(number: usize, site: Site, hard: CancellationToken) -> std::io::Result<Self> {
        let (send, receive) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(format!("edge-{number}")).spawn({
            let load = load.clone();
            move || runtime.block_on(work(site, receive, load, hard))
        })?;
        Ok(Self { send, load, thread })
    }
}

async fn work(
    site: Site,
    mut receive: mpsc::UnboundedReceiver<Handed>,
    load: Arc<AtomicUsize>,
    hard: CancellationToken,
) {
    let (site, connections) = (Arc::new(site), TaskTracker::new());
    loop {
        let handed = tokio::select! {
            () = site.stop.cancelled() => break,
            handed = receive.recv() => handed,
        };
        let Some(handed) = handed else { break };
        let (site, load) = (site.clone(), load.clone());
        connections.spawn(async move {
            let _place = Place { load, _of_all: handed.place };
            if let Ok(socket) = TcpStream::from_std(handed.socket) {
                connection::serve(&site, socket, handed.peer).await;
            }
        });
    }
    connections.close();
    tokio::select! {
        () = connections.wait() => {}
        () = hard.cancelled() => {}
    }
}
