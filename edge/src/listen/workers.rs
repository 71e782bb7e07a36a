//! Connection threads, each with a runtime of its own: a connection never moves between cores. Or, to compare, one
//! runtime over all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Site};
use super::protocol::Http;
use super::roll::Roll;
use super::tls::Acceptor;
use super::{Limits, crowd};
use crate::app::Edge;

/// How threads become runtimes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runtimes {
    /// One each.
    PerCore,
    /// One over all of them, which share their work.
    MultiThread,
}

/// A connection on its way to a worker.
struct Handed {
    socket: std::net::TcpStream,
    peer: SocketAddr,
    place: Place,
}

/// A connection's place in the counts; given back however the connection ends.
pub(super) struct Place {
    load: Option<Arc<AtomicUsize>>,
    _of_all: OwnedSemaphorePermit,
    _of_address: crowd::Counted,
}

impl Place {
    pub(super) fn new(of_all: OwnedSemaphorePermit, of_address: crowd::Counted) -> Self {
        Self { load: None, _of_all: of_all, _of_address: of_address }
    }

    fn count_at(mut self, load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        self.load = Some(load.clone());
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(load) = &self.load {
            load.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a worker goes on for. Its runtime may carry the connection to the control plane that a request of another worker
/// travels by: so all of them wait for the last connection of any.
struct Ends {
    connections: TaskTracker,
    /// Cancelled when draining has taken too long.
    hard: CancellationToken,
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
        limits: &Limits,
        edge: &Arc<Edge>,
        tls: Option<&Acceptor>,
        stop: &CancellationToken,
    ) -> std::io::Result<Self> {
        let hard = CancellationToken::new();
        let count = match limits.runtimes {
            Runtimes::PerCore => limits.workers.max(1),
            Runtimes::MultiThread => 1,
        };
        let mut workers = Vec::with_capacity(count);
        let connections = TaskTracker::new();
        for number in 0..count {
            let site = Site {
                edge: edge.clone(),
                tls: tls.cloned(),
                stop: stop.clone(),
                http: Http::new(&limits.deadlines),
                roll: Roll::new(limits.deadlines, edge.metrics.ended()),
            };
            let ends = Ends { connections: connections.clone(), hard: hard.clone() };
            workers.push(Worker::start(number, site, ends, runtime(limits)?)?);
        }
        Ok(Self { workers, hard })
    }

    /// Gives the socket to the worker with the fewest connections.
    pub(super) fn hand_over(&self, socket: TcpStream, peer: SocketAddr, place: Place) {
        let least = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed));
        let (Some(worker), Ok(socket)) = (least, socket.into_std()) else { return };
        let place = place.count_at(&worker.load);
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

/// A runtime for one thread, or over all. Both take tasks that may move, though on the first they never do: so that what
/// they run is the same code.
fn runtime(limits: &Limits) -> std::io::Result<Runtime> {
    match limits.runtimes {
        Runtimes::PerCore => Builder::new_current_thread().enable_all().build(),
        Runtimes::MultiThread => Builder::new_multi_thread()
            .worker_threads(limits.workers.max(1))
            .thread_name("edge")
            .enable_all()
            .build(),
    }
}

impl Worker {
    fn start(number: usize, site: Site, ends: Ends, runtime: Runtime) -> std::io::Result<Self> {
        let (send, receive) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("edge-{number}"))
            .spawn(move || runtime.block_on(work(Arc::new(site), receive, ends)))?;
        Ok(Self { send, load: Arc::default(), thread })
    }
}

async fn work(site: Arc<Site>, mut receive: mpsc::UnboundedReceiver<Handed>, ends: Ends) {
    let Ends { connections, hard } = ends;
    let sweeping = tokio::spawn({
        let site = site.clone();
        async move { site.roll.sweep().await }
    });
    loop {
        let handed = tokio::select! {
            () = site.stop.cancelled() => break,
            handed = receive.recv() => handed,
        };
        let Some(Handed { socket, peer, place }) = handed else { break };
        let site = site.clone();
        connections.spawn(async move {
            let _place = place;
            if let Ok(socket) = TcpStream::from_std(socket) {
                connection::serve(&site, socket, peer).await;
            }
        });
    }
    connections.close();
    site.roll.leave();
    tokio::select! {
        () = connections.wait() => {}
        () = hard.cancelled() => site.roll.cut(),
    }
    sweeping.abort();
}
