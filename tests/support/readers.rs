//! Clients that read files in every way that clients do: parts, several on one connection, slowly, leaving early.

use std::net::SocketAddr;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::content;
use crate::doors::Doors;

/// A server that has not sent anything for so long hangs.
const LONGEST: Duration = Duration::from_secs(20);
/// From what is kept in memory to more than one window.
const SIZES: [usize; 5] = [1, 1_000, 40_000, 1 << 20, (9 << 20) + 17];

/// A file that an edge serves, and its bytes.
struct Stored {
    path: String,
    bytes: Vec<u8>,
}

/// What readers ask for, and where.
pub struct Library {
    addresses: Vec<SocketAddr>,
    key: String,
    files: Vec<Stored>,
}

impl Library {
    /// Uploads `copies` files of each size.
    pub async fn gather(doors: &Doors, copies: usize) -> Self {
        let admin = doors.admin(0);
        let stock = admin.stock("library").await;
        let often = serde_json::json!({ "rateLimitRpm": 1_000_000 });
        let key = admin.create_key(&stock.customer, often).await.text;
        let mut files = Vec::new();
        for (number, size) in SIZES.iter().cycle().take(SIZES.len() * copies).enumerate() {
            let (version, bytes) = (format!("{number}.0.0"), content::bytes(number as u64, *size));
            let fields = [("applicationId", "library"), ("version", version.as_str())];
            admin.upload(&fields, "book.bin", &bytes).await.expect(201);
            files.push(Stored { path: format!("/v1/download/library/{version}/book.bin"), bytes });
        }
        let last = &files[files.len() - 1].path;
        for edge in 0..doors.edges.len() {
            let client = doors.client(edge, &key);
            crate::eventually(crate::PATIENCE, || async { client.get(last).await.is(200) }).await;
        }
        let addresses = doors.edges.iter().map(|url| url.trim_start_matches("http://").parse().unwrap());
        Self { addresses: addresses.collect(), key, files }
    }

    /// Sends the readers number `from` to `to` of a seed, several at a time. Panics at a wrong byte or a hang.
    pub async fn read(&self, seed: u64, numbers: std::ops::Range<u64>) {
        let lanes = 6;
        let lane = |lane: u64| {
            let numbers = numbers.clone().filter(move |number| number % lanes == lane);
            async move {
                for number in numbers {
                    let mut reader = Reader::new(self, seed.wrapping_add(number)).await;
                    let read = tokio::time::timeout(LONGEST, reader.run());
                    read.await.unwrap_or_else(|_| panic!("reader {number} of seed {seed} hangs"));
                }
            }
        };
        futures_util::future::join_all((0..lanes).map(lane)).await;
    }
}

/// A part of a file: from, to.
type Part = (usize, usize);

struct Reader<'a> {
    library: &'a Library,
    stream: BufReader<TcpStream>,
    rng: StdRng,
    /// Whether it takes its time.
    is_slow: bool,
}

impl<'a> Reader<'a> {
    async fn new(library: &'a Library, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let address = library.addresses[rng.random_range(0..library.addresses.len())];
        let socket = TcpSocket::new_v4().unwrap();
        let is_slow = rng.random_bool(0.3);
        if is_slow {
            // So that the other end feels it.
            socket.set_recv_buffer_size(8 << 10).unwrap();
        }
        let stream = socket.connect(address).await.unwrap();
        Self { library, stream: BufReader::new(stream), rng, is_slow }
    }

    async fn run(&mut self) {
        for _ in 0..self.rng.random_range(1..3) {
            let asked: Vec<(&'a Stored, Vec<Part>)> =
                (0..self.rng.random_range(1..6)).map(|_| self.choose()).collect();
            let heads: String = asked.iter().map(|(file, parts)| self.head(file, parts)).collect();
            self.stream.get_mut().write_all(heads.as_bytes()).await.unwrap();
            for (file, parts) in asked {
                if self.rng.random_bool(0.1) {
                    // Gone, with whatever is under way.
                    return;
                }
                self.check(file, &parts).await;
            }
        }
    }

    fn choose(&mut self) -> (&'a Stored, Vec<Part>) {
        let file = &self.library.files[self.rng.random_range(0..self.library.files.len())];
        let length = file.bytes.len();
        let count = if self.rng.random_bool(0.4) { 0 } else { self.rng.random_range(1..4) };
        let mut parts: Vec<Part> = (0..count)
            .map(|_| {
                let from = self.rng.random_range(0..length);
                (from, self.rng.random_range(from..length) + 1)
            })
            .collect();
        parts.sort_unstable();
        // Apart from each other, so that none is joined with the next.
        parts.dedup_by(|next, before| next.0 <= before.1);
        (file, parts)
    }

    fn head(&self, file: &Stored, parts: &[Part]) -> String {
        let specs: Vec<String> = parts.iter().map(|(from, to)| format!("{from}-{}", to - 1)).collect();
        let range =
            if specs.is_empty() { String::new() } else { format!("Range: bytes={}\r\n", specs.join(",")) };
        let key = &self.library.key;
        format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{range}\r\n", file.path)
    }

    async fn check(&mut self, file: &Stored, parts: &[Part]) {
        let (status, length) = self.read_head().await;
        let whole = [(0, file.bytes.len())];
        let wanted = if parts.is_empty() { &whole[..] } else { parts };
        // All of it in one part is told as what it is.
        assert!(status == 200 || (status == 206 && !parts.is_empty()), "{status}");
        let body = self.read_body(length).await;
        let mut at = 0;
        for (from, to) in wanted {
            let bytes = &file.bytes[*from..*to];
            // Between parts there is framing.
            let found = if wanted.len() == 1 { 0 } else { find(&body[at..], bytes) };
            assert!(body[at + found..].starts_with(bytes), "{} {from}-{to}", file.path);
            at += found + bytes.len();
        }
        assert!(wanted.len() > 1 || at == body.len());
    }

    async fn read_head(&mut self) -> (u16, usize) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        (head[9..12].parse().unwrap(), length.parse().unwrap())
    }

    async fn read_body(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length];
        let mut read = 0;
        while read < length {
            let most = if self.is_slow { self.rng.random_range(1..100_000) } else { length };
            let end = length.min(read + most);
            read += self.stream.read(&mut body[read..end]).await.unwrap();
            if self.is_slow {
                tokio::task::yield_now().await;
            }
        }
        body
    }
}

fn find(body: &[u8], bytes: &[u8]) -> usize {
    let start = &bytes[..bytes.len().min(64)];
    body.windows(start.len()).position(|window| window == start).unwrap()
}
