//! nginx, told to protect the same files: by keys in its configuration, by `auth_request`, and by Lua.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::programs::{Program, find, free_address};

const TEMPLATE: &str = include_str!("nginx.conf");

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) program: Program,
    pub(crate) clear: SocketAddr,
    pub(crate) tls: SocketAddr,
}

impl Nginx {
    /// `directory` holds `cert.pem` and `key.pem`.
    pub(crate) async fn start(
        directory: &Path,
        files: &Path,
        key: &str,
        core: usize,
    ) -> Result<Self, Failure> {
        let (clear, tls, check) = (free_address()?, free_address()?, free_address()?);
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let place = directory.display().to_string();
        let text = [
            ("{USER}", user),
            ("{DIRECTORY}", &place),
            ("{FILES}", &files.display().to_string()),
            ("{KEY}", key),
            ("{CLEAR}", &clear.to_string()),
            ("{TLS}", &tls.to_string()),
            ("{CHECK}", &check.to_string()),
        ];
        let text = text.iter().fold(TEMPLATE.to_owned(), |text, (name, value)| text.replace(name, value));
        let settings = directory.join("nginx.conf");
        std::fs::write(&settings, text)?;
        let mut command = Command::new(find("nginx").ok_or("nginx is missing")?);
        command
            .arg("-e")
            .arg(directory.join("nginx-error.log"))
            .arg("-p")
            .arg(directory)
            .arg("-c")
            .arg(settings);
        let mut program = Program::start(&command, core, &directory.join("nginx.log"))?;
        program.listening(clear).await?;
        Ok(Self { program, clear, tls })
    }
}
