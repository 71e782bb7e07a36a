//! A private Redis: on a port of its own, keeping nothing on disk, ended with its test.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually::{PATIENCE, eventually};
use crate::ports::free_port;

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

    /// Starts it again on the same port, empty.
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

    /// Forgets everything, as a replaced server would have.
    pub fn flush(&self) {
        self.say("FLUSHALL").unwrap();
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

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}
