//! What sending a file costs at least: one thread, one epoll loop, no parsing but the last segment of the path, no key,
//! no log. Small files leave in one write from memory, header and body together; larger ones by `sendfile`.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fs::sendfile;
use rustix::net::{SendFlags, send};

/// Bodies up to this size are answered from memory: below it one write beats a header and a `sendfile`.
const SMALL: u64 = 16 << 10;
/// The most that one `sendfile` is asked for.
const PIECE: u64 = 1 << 20;
/// What epoll says when the listener has somebody.
const LISTENER: u64 = u64::MAX;

struct Content {
    head: Vec<u8>,
    file: File,
    size: u64,
}

struct Connection {
    socket: TcpStream,
    /// The file that leaves, and how far it is.
    sending: Option<(usize, u64)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, directory] = arguments.as_slice() else {
        return Err("usage: floor ADDRESS DIRECTORY".into());
    };
    let (names, contents) = load(Path::new(directory))?;
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    let token = u64::try_from(socket.as_raw_fd())?;
                    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                    epoll::add(&poll, &socket, EventData::new_u64(token), flags)?;
                    connections.insert(token, Connection { socket, sending: None });
                }
            } else if let Some(connection) = connections.get_mut(&token)
                && !connection.advance(&names, &contents).is_ok_and(|alive| alive)
            {
                connections.remove(&token);
            }
        }
    }
}

impl Connection {
    /// Does what can be done without waiting; whether the client is still there.
    fn advance(&mut self, names: &HashMap<Vec<u8>, usize>, contents: &[Content]) -> io::Result<bool> {
        let mut buffer = [0u8; 4096];
        let mut drained = false;
        loop {
            while let Some((number, mut offset)) = self.sending {
                let content = &contents[number];
                let count = usize::try_from((content.size - offset).min(PIECE)).unwrap_or(usize::MAX);
                match sendfile(&self.socket, &content.file, Some(&mut offset), count) {
                    Ok(0) => return Ok(false),
                    Ok(_) => self.sending = (offset < content.size).then_some((number, offset)),
                    Err(rustix::io::Errno::AGAIN) => return Ok(true),
                    Err(fault) => return Err(fault.into()),
                }
            }
            if drained {
                return Ok(true);
            }
            let length = match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(fault) => return Err(fault),
            };
            // A short read has emptied the socket: epoll tells when there is more (edge-triggered).
            drained = length < buffer.len();
            let Some(number) = asked(&buffer[..length]).and_then(|name| names.get(name)) else {
                return Ok(false);
            };
            let content = &contents[*number];
            if content.size <= SMALL {
                self.socket.write_all(&content.head)?;
            } else {
                // The header waits for the first bytes of the file, so that both leave in one segment.
                send(&self.socket, &content.head, SendFlags::MORE | SendFlags::NOSIGNAL)?;
                self.sending = Some((*number, 0));
            }
        }
    }
}

/// The last segment of the path of `GET /a/b HTTP/1.1`.
fn asked(head: &[u8]) -> Option<&[u8]> {
    let path = head.strip_prefix(b"GET ")?.split(|byte| *byte == b' ').next()?;
    path.rsplit(|byte| *byte == b'/').next()
}

type Files = (HashMap<Vec<u8>, usize>, Vec<Content>);

fn load(directory: &Path) -> io::Result<Files> {
    let (mut names, mut contents) = (HashMap::new(), Vec::new());
    for entry in directory.read_dir()? {
        let entry = entry?;
        let mut file = File::open(entry.path())?;
        let size = file.metadata()?.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\netag: \"abcdef0123456789\"\r\naccept-ranges: bytes\r\ncontent-length: {size}\r\ndate: Sat, 21 Nov 2026 22:46:52 GMT\r\n\r\n"
        );
        let mut head = head.into_bytes();
        if size <= SMALL {
            file.read_to_end(&mut head)?;
        }
        names.insert(entry.file_name().into_encoded_bytes(), contents.len());
        contents.push(Content { head, file, size });
    }
    Ok((names, contents))
}

#[test]
fn the_last_segment_is_what_is_asked_for() {
    assert_eq!(asked(b"GET /a/b.bin HTTP/1.1\r\nhost: x\r\n\r\n"), Some(b"b.bin".as_slice()));
    assert_eq!(asked(b"GET /b HTTP/1.1\r\n"), Some(b"b".as_slice()));
    assert_eq!(asked(b"POST /b HTTP/1.1\r\n"), None);
}
