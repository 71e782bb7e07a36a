//! A way to a server from another address of this machine, on which something is said before all else: what a proxy is
//! to who stands behind it.

use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// The way. It ends when this is dropped.
pub struct Relay {
    /// Base URL.
    pub base: String,
    accepting: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Relay {
    /// To `base`, like `http://127.0.0.1:1234`, from `from`; `says` is what each connection begins with.
    pub async fn before(base: &str, from: &str, says: Vec<u8>) -> Self {
        let (scheme, to) = base.split_once("://").unwrap();
        let (to, from): (SocketAddr, IpAddr) = (to.parse().unwrap(), from.parse().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("{scheme}://{}", listener.local_addr().unwrap());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, to, from, says.clone()));
            }
        });
        Self { base, accepting }
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, from: IpAddr, says: Vec<u8>) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let mut server = socket.connect(to).await?;
    server.write_all(&says).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A header of the PROXY protocol, version 2: the bytes of command and family, and what follows.
#[must_use]
pub fn announcement(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

/// The header that passes on a connection of TCP from that client.
#[must_use]
pub fn announcement_of(client: &str) -> Vec<u8> {
    let ports = [0x12, 0x67, 0x01, 0xbb];
    match client.parse().unwrap() {
        IpAddr::V4(client) => {
            announcement(0x21, 0x11, &[&client.octets()[..], &[127, 0, 0, 1], &ports].concat())
        }
        IpAddr::V6(client) => announcement(0x21, 0x21, &[&client.octets()[..], &[0; 16], &ports].concat()),
    }
}
