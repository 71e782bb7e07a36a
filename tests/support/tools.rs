//! The programs that customers download with, as processes.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;

/// Runs `curl`, quiet, into a file.
pub async fn curl(arguments: &[&str], to: &Path) -> Output {
    let quiet = ["--silent", "--show-error", "--fail", "--max-time", "60", "--output"];
    run("curl", &[&quiet, [to.to_str().unwrap()].as_slice(), arguments].concat()).await
}

/// Runs `wget`, quiet, into a file.
pub async fn wget(arguments: &[&str], to: &Path) -> Output {
    let quiet = ["--no-verbose", "--tries=1", "--timeout=60", "-O"];
    run("wget", &[&quiet, [to.to_str().unwrap()].as_slice(), arguments].concat()).await
}

/// SHA-256 of a file, by a program that is not ours.
pub async fn sha256sum(path: &Path) -> String {
    let output = run("sha256sum", &[path.to_str().unwrap()]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

/// Certificate and key for this machine, made by openssl, under a name of their own.
pub async fn certificate(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let (chain, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
    let made = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -out {} -keyout {}",
        chain.display(),
        key.display()
    );
    run("openssl", &made.split(' ').collect::<Vec<_>>()).await;
    (chain, key)
}

/// Runs a program that must succeed, without our environment (it may name a proxy).
async fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.kill_on_drop(true).output().await;
    let output =
        output.unwrap_or_else(|error| panic!("{program} does not start ({error}): run `cargo xtask test`"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
