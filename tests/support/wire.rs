//! A line between two programs that a test may cut, or let hang without a word, and that counts what is asked over it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The line. Dropped, it is gone.
pub struct Wire {
    address: SocketAddr,
    line: Line,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
struct Line {
    /// Whether bytes pass. While they do not, connections are taken and nothing more happens on them.
    passes: watch::Sender<bool>,
    asked: Arc<AtomicU64>,
}

impl Wire {
    /// To that address, like `127.0.0.1:6379`.
    #[must_use]
    pub fn to(target: &str) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let line = Line { passes: watch::channel(true).0, asked: Arc::default() };
        let listener = TcpListener::from_std(listener).unwrap();
        let accepting = tokio::spawn(accept(listener, target.to_owned(), line.clone()));
        Self { address, line, accepting }
    }

    /// Where it is reached, like `127.0.0.1:40000`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether bytes pass from now on.
    pub fn pass(&self, passes: bool) {
        self.line.passes.send_replace(passes);
    }

    /// How many requests of HTTP/1.1 were sent over it.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.line.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: String, line: Line) {
    while let Ok((near, _)) = listener.accept().await {
        let (target, line) = (target.clone(), line.clone());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else { return };
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            // Either end that goes takes the other with it.
            tokio::select! {
                () = carry(from_near, to_far, line.clone(), true) => {}
                () = carry(from_far, to_near, line, false) => {}
            }
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: Line, counts: bool) {
    let (mut passes, mut bytes) = (line.passes.subscribe(), vec![0; 64 << 10]);
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if passes.wait_for(|passes| *passes).await.is_err() {
            return;
        }
        if counts {
            let requests = bytes[..read].windows(11).filter(|word| word == b" HTTP/1.1\r\n").count();
            line.asked.fetch_add(requests as u64, Ordering::Relaxed);
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
