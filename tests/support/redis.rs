//! A private Redis: on a port of its own, keeping nothing on disk, ended with its test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::{PATIENCE, eventually};
use crate::ports::free_port;
use crate::program::send_signal;

/// The server. Dropped, it is gone.
pub struct TestRedis {
    port: u16,
    child: Option<Child>,
    directory: TempDir,
}

impl TestRedis {
    /// One that answers.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut redis = Self { port: free_port(), child: None, directory };
        redis.restart().await;
        redis
    }

    /// What `TIDEGATE_BUS` is set to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it again on the same port, with what was saved; mostly that is nothing.
    pub async fn restart(&mut self) {
        self.kill();
        let port = self.port.to_string();
        let child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        self.child =
            Some(child.expect("redis-server does not start: run `cargo xtask test`, which installs it"));
        eventually(PATIENCE, || async { self.say("PING") }).await;
    }

    /// As a crash would end it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it in its tracks, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { libc::SIGSTOP } else { libc::SIGCONT };
        send_signal(self.child.as_ref().unwrap().id(), signal);
    }

    /// Forgets everything, as a replaced server would have.
    pub fn flush(&self) {
        self.say("FLUSHALL").unwrap();
    }

    /// Keeps what it holds for its next start, which then is a step back in time.
    pub fn save(&self) {
        self.say("SAVE").unwrap();
    }

    /// What one command is answered.
    #[must_use]
    pub fn command(&self, words: &[&[u8]]) -> Reply {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            command.extend_from_slice(word);
            command.extend_from_slice(b"\r\n");
        }
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(&command).unwrap();
        read_reply(&mut BufReader::new(stream))
    }

    /// The names of its keys that fit a pattern.
    #[must_use]
    pub fn keys(&self, pattern: &str) -> Vec<Vec<u8>> {
        match self.command(&[b"KEYS", pattern.as_bytes()]) {
            Reply::List(keys) => keys.into_iter().filter_map(Reply::bytes).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Says one inline command, and is content with any answer that is no error.
    fn say(&self, command: &str) -> Result<(), String> {
        let told = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(told)?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(told)?;
        stream.write_all(format!("{command}\r\n").as_bytes()).map_err(told)?;
        let mut first = [0u8; 1];
        stream.read_exact(&mut first).map_err(told)?;
        if first == [b'+'] { Ok(()) } else { Err(format!("{command} was refused")) }
    }
}

/// What Redis says (RESP 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    Line(String),
    Refused(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nothing,
    List(Vec<Self>),
}

impl Reply {
    #[must_use]
    pub fn bytes(self) -> Option<Vec<u8>> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

fn read_reply(stream: &mut BufReader<TcpStream>) -> Reply {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let (kind, rest) = line.trim_end().split_at(1);
    let length = || usize::try_from(rest.parse::<i64>().unwrap()).ok();
    match kind {
        "+" => Reply::Line(rest.to_owned()),
        "-" => Reply::Refused(rest.to_owned()),
        ":" => Reply::Number(rest.parse().unwrap()),
        "$" => length().map_or(Reply::Nothing, |length| {
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes).unwrap();
            bytes.truncate(length);
            Reply::Bytes(bytes)
        }),
        _ => length()
            .map_or(Reply::Nothing, |length| Reply::List((0..length).map(|_| read_reply(stream)).collect())),
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
