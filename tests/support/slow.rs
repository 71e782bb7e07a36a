//! Clients who do not come to the point, each in its own way, byte for byte.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::frames::{PREFACE, get, preface};

/// In what way a client is slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It connects and says nothing. To a listener that speaks TLS, this is a handshake that does not begin.
    NoByte,
    /// The head of a request, a byte at a time.
    PartialHead,
    /// Half of the preface of HTTP/2.
    PartialPreface,
    /// A whole preface, and no request after it.
    NoStream,
    /// The beginning of a handshake.
    PartialHandshake,
    /// A body, a byte at a time, after a request for something that it may do.
    SlowBody,
    /// It asks for a file and takes nothing of it.
    SlowRead,
    /// The same by a window of HTTP/2 that it never opens.
    ShutWindow,
    /// It is answered, and then says nothing.
    Idle,
    /// It is answered, and then begins another head.
    SecondHead,
    /// It asks for a file, takes nothing of it, and says that it will not ask again.
    HalfClosed,
}

/// All of them.
pub const KINDS: [Kind; 11] = [
    Kind::NoByte,
    Kind::PartialHead,
    Kind::PartialPreface,
    Kind::NoStream,
    Kind::PartialHandshake,
    Kind::SlowBody,
    Kind::SlowRead,
    Kind::ShutWindow,
    Kind::Idle,
    Kind::SecondHead,
    Kind::HalfClosed,
];

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = KINDS.into_iter().find(|kind| format!("{kind:?}") == text);
        found.ok_or_else(|| format!("no kind of slowness is called {text}"))
    }
}

/// Whom to bother, and with what.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    /// The address that a client comes from.
    pub from: SocketAddr,
    /// A file that no pair of sockets can hold.
    pub path: String,
    /// Who may download it.
    pub key: String,
    /// Who may manage.
    pub admin_key: String,
    /// How often a client that says a byte at a time says one.
    pub pace: Duration,
}

impl Target {
    /// A connection that has said how it begins, and what it says again and again from then on.
    async fn begin(&self, kind: Kind) -> std::io::Result<(TcpStream, &'static [u8])> {
        let socket = TcpSocket::new_v4()?;
        // Little room: what it does not take is not taken by its kernel either.
        socket.set_recv_buffer_size(8 << 10)?;
        socket.bind(self.from)?;
        let mut stream = socket.connect(self.address).await?;
        let asked =
            format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", self.path, self.key);
        let (first, dripped): (Vec<u8>, &'static [u8]) = match kind {
            Kind::NoByte => (Vec::new(), b""),
            Kind::PartialHead => (b"GET /healthz HTTP/1.1\r\nX-Slow: ".to_vec(), b"a"),
            Kind::PartialPreface => (PREFACE[..16].to_vec(), b""),
            Kind::NoStream => (preface(65_535), b""),
            // A record that announces 512 bytes of a ClientHello (RFC 8446 section 5.1).
            Kind::PartialHandshake => (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), b""),
            Kind::SlowBody => {
                let head = format!(
                    "POST /v1/management/applications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{",
                    self.admin_key
                );
                (head.into_bytes(), b" ")
            }
            Kind::SlowRead | Kind::HalfClosed => (asked.into_bytes(), b""),
            Kind::ShutWindow => ([preface(0), get(1, &self.path, Some(&self.key))].concat(), b""),
            Kind::Idle => (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), b""),
            Kind::SecondHead => (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /he".to_vec(), b"a"),
        };
        stream.write_all(&first).await?;
        if kind == Kind::HalfClosed {
            stream.shutdown().await?;
        }
        Ok((stream, dripped))
    }

    /// Connects, is slow, and tells after how long the server had enough of it: an error says that it did not within
    /// `longest`, or what went wrong before.
    pub async fn bother(&self, kind: Kind, longest: Duration) -> Result<End, String> {
        let (mut stream, dripped) = self.begin(kind).await.map_err(|error| format!("to begin: {error}"))?;
        let began = Instant::now();
        let talk = async {
            match kind {
                Kind::SlowRead | Kind::HalfClosed => take_nothing(&stream).await,
                _ => drip(&mut stream, dripped, self.pace).await,
            }
        };
        let answer =
            tokio::time::timeout(longest, talk).await.map_err(|_| format!("open after {longest:?}"))?;
        Ok(End { after: began.elapsed(), answer })
    }
}

impl Target {
    /// Asks for the file and takes so many bytes at each pace, so many times; then the rest as fast as it comes.
    pub async fn take_slowly(&self, bytes: usize, times: usize) -> std::io::Result<Vec<u8>> {
        let (mut stream, _) = self.begin(Kind::SlowRead).await?;
        let mut every = tokio::time::interval(self.pace);
        let (mut taken, mut piece) = (Vec::new(), vec![0; bytes]);
        for _ in 0..times {
            every.tick().await;
            let length = stream.read_exact(&mut piece).await?;
            taken.extend_from_slice(&piece[..length]);
        }
        stream.read_to_end(&mut taken).await?;
        Ok(taken)
    }
}

/// What became of a crowd.
#[derive(Clone, Debug)]
pub struct Ends {
    /// How many the server ended, and after how long the first and the last.
    pub ended: usize,
    pub first: Duration,
    pub last: Duration,
    /// What went wrong with others.
    pub faults: Vec<String>,
}

impl Target {
    /// So many clients of this kind, within a second or so. They come from some addresses of the network of `from`, so that no
    /// limit of one address keeps them out.
    pub async fn crowd(&self, kind: Kind, count: usize, longest: Duration) -> Ends {
        let mut clients = Vec::new();
        // Faster than anybody accepts, the kernel would make clients believe in connections that do not exist.
        let mut every = tokio::time::interval(Duration::from_millis(20));
        for number in 0..count {
            if number % 100 == 0 {
                every.tick().await;
            }
            let mut target = self.clone();
            target.from.set_ip([127, 0, 1, u8::try_from(1 + number % 8).unwrap()].into());
            clients.push(tokio::spawn(async move { target.bother(kind, longest).await }));
        }
        let (mut after, mut faults) = (Vec::new(), Vec::new());
        for client in clients {
            match client.await.unwrap() {
                Ok(end) => after.push(end.after),
                Err(says) => faults.push(says),
            }
        }
        let least = after.iter().min().copied().unwrap_or_default();
        let most = after.iter().max().copied().unwrap_or_default();
        faults.sort_unstable();
        faults.dedup();
        Ends { ended: after.len(), first: least, last: most, faults }
    }
}

/// How it ended for the client.
#[derive(Clone, Debug)]
pub struct End {
    pub after: Duration,
    /// What it was told before.
    pub answer: Vec<u8>,
}

/// Reads to the end, and says `bytes` again and again meanwhile.
async fn drip(stream: &mut TcpStream, bytes: &[u8], pace: Duration) -> Vec<u8> {
    let mut every = tokio::time::interval(pace);
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        tokio::select! {
            read = stream.read(&mut piece) => match read {
                Ok(0) | Err(_) => return answer,
                Ok(length) => answer.extend_from_slice(&piece[..length]),
            },
            _ = every.tick() => {
                // Whether anybody is there is for reading to find out.
                let _ = stream.write_all(bytes).await;
            }
        }
    }
}

/// Waits for the reset, without reading: what was received stays where it is.
async fn take_nothing(stream: &TcpStream) -> Vec<u8> {
    let mut every = tokio::time::interval(Duration::from_millis(50));
    loop {
        every.tick().await;
        if let Ok(Some(_)) | Err(_) = stream.take_error() {
            return Vec::new();
        }
    }
}
