//! A client that asks at a steady rate, whatever the server does: requests are due by the clock, and the time of each
//! counts from when it was due. So a server that stalls is charged for everybody who had to wait meanwhile, which load
//! generators that wait for each answer leave out ("coordinated omission").

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Failure;
use crate::targets::Target;

/// How long answers may be late at the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is asked, and how often.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) address: SocketAddr,
    pub(crate) request: Vec<u8>,
    pub(crate) connections: u32,
    /// Requests per second, of all connections together.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
}

/// The request of a target in clear text, as it goes over the wire.
pub(crate) fn wire(target: &Target) -> Result<(SocketAddr, Vec<u8>), Failure> {
    let rest = target.url.strip_prefix("http://").ok_or("only clear text")?;
    let (host, path) = rest.split_once('/').ok_or("a URL without a path")?;
    let mut request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in &target.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    Ok((host.parse()?, request.into_bytes()))
}

/// How long each request took, in no order. Runs on a thread of its own, which never sleeps: a timer of the system would
/// be coarser than what is measured.
pub(crate) async fn run(pace: Pace, core: usize) -> Result<Vec<Duration>, Failure> {
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut cores = CpuSet::new();
        cores.set(core);
        let pinned = sched_setaffinity(None, &cores).map_err(Failure::from);
        // Nobody waits any longer when the tool was interrupted.
        let _ = tell.send(pinned.and_then(|()| ask(&pace)));
    });
    told.await?
}

struct Connection {
    socket: TcpStream,
    /// When the next request is due.
    due: Duration,
    /// The answer that is awaited, and since when.
    awaited: Option<(Duration, Answer)>,
}

fn ask(pace: &Pace) -> Result<Vec<Duration>, Failure> {
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let interval = Duration::from_secs_f64(f64::from(pace.connections) / pace.rate);
    let mut connections = Vec::new();
    for number in 0..pace.connections {
        let socket = TcpStream::connect(pace.address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll::add(&poll, &socket, EventData::new_u64(number.into()), EventFlags::IN)?;
        // Evenly spread, so that no two are due at once.
        let due = interval * number / pace.connections;
        connections.push(Connection { socket, due, awaited: None });
    }
    let (mut took, mut buffer) = (Vec::new(), vec![0u8; 128 << 10]);
    let mut events: Vec<Event> = Vec::with_capacity(connections.len());
    let began = Instant::now();
    loop {
        let now = began.elapsed();
        let mut busy = false;
        for connection in &mut connections {
            if connection.awaited.is_none() && connection.due <= now && connection.due < pace.time {
                connection.socket.write_all(&pace.request)?;
                connection.awaited = Some((connection.due, Answer::default()));
                connection.due += interval;
            }
            busy |= connection.awaited.is_some();
        }
        if !busy && now >= pace.time {
            return Ok(took);
        }
        if now > pace.time + PATIENCE {
            return Err("the server does not keep up with half of what it did before".into());
        }
        events.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&at_once))?;
        for event in &events {
            let connection = &mut connections[usize::try_from(event.data.u64())?];
            if let Some(due) = connection.read(&mut buffer)? {
                took.push(began.elapsed().saturating_sub(due));
            }
        }
    }
}

impl Connection {
    /// Reads what is there; when that ends an answer, tells since when it was due.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Option<Duration>, Failure> {
        let length = match self.socket.read(buffer) {
            Ok(0) => return Err("the server has closed the connection".into()),
            Ok(length) => length,
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(fault) => return Err(fault.into()),
        };
        let Some((due, answer)) = &mut self.awaited else {
            return Err("an answer that nobody asked for".into());
        };
        let due = *due;
        if !answer.feed(&buffer[..length])? {
            return Ok(None);
        }
        self.awaited = None;
        Ok(Some(due))
    }
}

/// An answer that comes in pieces: 200 with `Content-Length`, which is all that files need.
#[derive(Default, Debug)]
pub(crate) struct Answer {
    head: Vec<u8>,
    left: Option<u64>,
}

impl Answer {
    /// Whether these bytes are its last ones.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let mut body = bytes.len() as u64;
        let left = match self.left {
            Some(left) => left,
            None => {
                self.head.extend_from_slice(bytes);
                let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else {
                    return Ok(false);
                };
                body = (self.head.len() - end - 4) as u64;
                length(&self.head[..end])?
            }
        };
        let left = left.checked_sub(body).ok_or("more bytes than were announced")?;
        self.left = Some(left);
        Ok(left == 0)
    }
}

fn length(head: &[u8]) -> Result<u64, Failure> {
    let head = std::str::from_utf8(head)?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("answered {head}").into());
    }
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = lengths.next().ok_or("an answer without Content-Length")?;
    Ok(length.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn answers_end_where_they_said() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for cut in 0..text.len() {
            let mut answer = Answer::default();
            assert!(!answer.feed(&text[..cut]).unwrap(), "{cut}");
            assert!(answer.feed(&text[cut..]).unwrap(), "{cut}");
        }
        assert!(Answer::default().feed(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(Answer::default().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab").is_err());
        assert!(Answer::default().feed(b"HTTP/1.1 200 OK\r\n\r\nab").is_err());
    }

    /// Answers one connection, request by request, and stalls before one of them.
    fn serve(listener: &TcpListener, stalled: usize, stall: Duration) {
        let (mut socket, _) = listener.accept().unwrap();
        let mut buffer = [0u8; 1024];
        let mut number = 0;
        while socket.read(&mut buffer).is_ok_and(|length| length > 0) {
            if number == stalled {
                std::thread::sleep(stall);
            }
            number += 1;
            if socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                return;
            }
        }
    }

    #[test]
    fn a_stall_is_charged_for_all_who_were_due_meanwhile() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stall = Duration::from_millis(200);
        let server = std::thread::spawn(move || serve(&listener, 10, stall));
        let (connections, rate, time) = (1, 100.0, Duration::from_millis(500));
        let request = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        let took = ask(&Pace { address, request, connections, rate, time }).unwrap();
        server.join().unwrap();
        assert_eq!(took.len(), 50);
        // One every 10 ms was due during 200 ms: some 10 of them have waited for more than the half of it.
        let late = took.iter().filter(|took| **took > stall / 2).count();
        assert!(late >= 8, "{late}: {took:?}");
    }
}
