//! A way to a server on which connections break: each after a random number of bytes of the answer, by a reset or by an
//! end that looks orderly.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The way. It ends when this is dropped.
pub struct Cutter {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Cutter {
    /// To `base`, like `http://127.0.0.1:1234`; so many bytes pass on each connection, the seed says how many.
    pub async fn before(base: &str, bytes: Range<u64>, seed: u64) -> Self {
        let to: SocketAddr = base.split_once("://").unwrap().1.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cuts) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (counted, mut rng) = (Arc::clone(&cuts), StdRng::seed_from_u64(seed));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (most, resets) = (rng.random_range(bytes.clone()), rng.random());
                tokio::spawn(carry(client, to, Cut { most, resets }, Arc::clone(&counted)));
            }
        });
        Self { address, cuts, accepting }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has cut.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

#[derive(Clone, Copy)]
struct Cut {
    most: u64,
    resets: bool,
}

async fn carry(client: TcpStream, to: SocketAddr, cut: Cut, cuts: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    if cut.resets {
        client.set_zero_linger().unwrap();
    }
    let ((from_client, to_client), (from_server, mut to_server)) = (client.into_split(), server.into_split());
    let asking = tokio::spawn(async move {
        let mut from_client = from_client;
        // Ends when either side has: then there is nothing more to ask.
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    if pass(from_server, to_client, cut.most).await {
        cuts.fetch_add(1, Ordering::Relaxed);
    }
    asking.abort();
}

/// True when there was more to pass.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut most: u64) -> bool {
    let mut buffer = vec![0; 16 * 1024];
    while most > 0 {
        let room = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
        match from.read(&mut buffer[..room]).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return false;
                }
                most -= count as u64;
            }
        }
    }
    true
}
