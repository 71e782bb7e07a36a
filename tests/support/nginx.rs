//! nginx as a proxy before an edge, started privately, ended with its test.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::client::Client;
use crate::eventually::{PATIENCE, eventually};
use crate::ports::free_port;

/// The proxy.
pub struct Nginx {
    /// Base URL.
    pub base: String,
    child: Child,
    _directory: TempDir,
}

impl Nginx {
    /// Before `base`, which sees it come from `from`. It tells whom it speaks for in the way that its handbook shows.
    pub async fn before(base: &str, from: &str) -> Self {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let settings = directory.path().join("nginx.conf");
        let text = format!(
            "daemon off; worker_processes 1; pid nginx.pid; error_log stderr; events {{}}
             http {{
               access_log off; client_body_temp_path body; proxy_temp_path proxy;
               fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
               server {{
                 listen 127.0.0.1:{port};
                 location / {{
                   proxy_pass {base}; proxy_bind {from}; proxy_http_version 1.1;
                   proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                 }}
               }}
             }}"
        );
        std::fs::write(&settings, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).arg("-e").arg("stderr").arg("-c").arg(&settings);
        // As root it would give its workers to somebody who may not see this directory.
        if rustix::process::getuid().is_root() {
            command.args(["-g", "user root;"]);
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("nginx does not start: run `cargo xtask test`, which installs it");
        let nginx = Self { base: format!("http://127.0.0.1:{port}"), child, _directory: directory };
        let client = Client::new(&nginx.base, None);
        eventually(PATIENCE, || async {
            client.try_get("/healthz").await?.is(200).map_err(|a| format!("{a:?}"))
        })
        .await;
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The worker ends with its master only when the master is told to.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
