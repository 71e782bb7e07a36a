//! A client that asks at a steady rate, whatever the server does: requests are due by the clock, and the time of each
//! counts from when it was due. So a server that stalls is charged for everybody who had to wait meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// A server that has not answered by then hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// What is asked, and how often.
#[derive(Clone, Debug)]
pub struct Pace {
    pub address: SocketAddr,
    /// The path of a small file, for who has the key, and its bytes.
    pub path: String,
    pub key: String,
    pub bytes: Vec<u8>,
    pub connections: u32,
    /// Requests per second, of all connections together.
    pub rate: u32,
    pub time: Duration,
}

impl Pace {
    /// How long each request took, the shortest first. Panics at a wrong answer. Each connection is a thread, which
    /// inherits the core and the priority of the caller's.
    pub async fn run(&self) -> Vec<Duration> {
        let lanes = (0..self.connections).map(|number| {
            let (pace, (tell, told)) = (self.clone(), tokio::sync::oneshot::channel());
            // Nobody listens any longer when the test has failed otherwise.
            std::thread::spawn(move || drop(tell.send(pace.ask(number))));
            told
        });
        let lanes = futures_util::future::join_all(lanes).await;
        let mut took: Vec<Duration> = lanes.into_iter().flat_map(|took| took.unwrap()).collect();
        took.sort_unstable();
        took
    }

    fn ask(&self, number: u32) -> Vec<Duration> {
        // A timer may be late by 50 µs otherwise, which is of the order of what is measured.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).unwrap();
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(LONGEST)).unwrap();
        let request =
            format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", self.path, self.key);
        let every = Duration::from_secs(1) * self.connections / self.rate;
        let (mut took, mut answer) = (Vec::new(), vec![0; self.bytes.len() + 4096]);
        // Evenly spread, so that no two are due at once.
        let (began, mut due) = (Instant::now(), every * number / self.connections);
        while due < self.time {
            wait_until(began + due);
            socket.write_all(request.as_bytes()).unwrap();
            self.take(&mut socket, &mut answer);
            took.push(began.elapsed() - due);
            due += every;
        }
        took
    }

    fn take(&self, socket: &mut TcpStream, answer: &mut [u8]) {
        let mut length = 0;
        loop {
            length += socket.read(&mut answer[length..]).unwrap();
            let head = answer[..length].windows(4).position(|four| four == b"\r\n\r\n");
            let body = head.map_or(&[][..], |end| &answer[end + 4..length]);
            if body.len() >= self.bytes.len() {
                assert!(answer.starts_with(b"HTTP/1.1 200 ") && body == self.bytes);
                return;
            }
        }
    }
}

/// The clock is what is waited for: the rate is the client's, whatever the server does.
fn wait_until(moment: Instant) {
    while let Some(left) = moment.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}
