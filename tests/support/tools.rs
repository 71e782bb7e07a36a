//! The programs that customers download with, as processes.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

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

/// Bytes of a file that the system holds in memory, by a program that is not ours.
pub async fn fincore(path: &Path) -> u64 {
    let asked = ["--bytes", "--noheadings", "--output", "RES", path.to_str().unwrap()];
    let output = run("fincore", &asked).await;
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
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

/// A download that may be cut on its way.
pub struct Fetch {
    pub url: String,
    /// One more header, whole.
    pub header: String,
    /// What to trust, of a server behind TLS.
    pub certificate: Option<PathBuf>,
    pub to: PathBuf,
}

impl Fetch {
    fn certificate<'a>(&'a self, option: &'a str) -> Vec<&'a str> {
        self.certificate.iter().flat_map(|path| [option, path.to_str().unwrap()]).collect()
    }

    fn to(&self) -> &str {
        self.to.to_str().unwrap()
    }
}

/// A download that is not whole after so many attempts never will be.
const MOST_ATTEMPTS: usize = 100;

/// `curl -C -`, again and again.
pub async fn curl_until_whole(fetch: &Fetch, version: &str) {
    let arguments = ["--silent", "--show-error", "--fail", "--max-time", "60", "-C", "-", version, "-H"];
    let rest = [fetch.header.as_str(), "--output", fetch.to(), &fetch.url];
    let arguments = [&arguments[..], &rest, &fetch.certificate("--cacert")].concat();
    for _ in 0..MOST_ATTEMPTS {
        let output = output_of("curl", &arguments, &[]).await;
        if output.status.success() {
            return;
        }
        // Transfer closed early, nothing came, receiving failed, a stream of HTTP/2 or its framing broke.
        let is_cut = matches!(output.status.code(), Some(16 | 18 | 35 | 52 | 55 | 56 | 92));
        assert!(is_cut, "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    panic!("{} is not whole after {MOST_ATTEMPTS} attempts", fetch.url);
}

/// `wget -c`, which tries again by itself.
pub async fn wget_until_whole(fetch: &Fetch) {
    let arguments = ["-c", "--no-verbose", "--tries=100", "--waitretry=0", "--timeout=60", "-O", fetch.to()];
    let rest = ["--header", &fetch.header, &fetch.url];
    run("wget", &[&arguments[..], &rest, &fetch.certificate("--ca-certificate")].concat()).await;
}

/// `aria2c` over this many connections.
pub async fn aria2(fetch: &Fetch, connections: usize) {
    let (split, each) = (format!("-s{connections}"), format!("-x{connections}"));
    let quiet = ["--no-conf", "--quiet", "--max-tries=0", "--retry-wait=0", "--file-allocation=none", "-k1M"];
    let (directory, name) = (fetch.to.parent().unwrap(), fetch.to.file_name().unwrap());
    let to = ["-d", directory.to_str().unwrap(), "-o", name.to_str().unwrap(), "--header", &fetch.header];
    let rest = [split.as_str(), &each, &fetch.url];
    run("aria2c", &[&quiet[..], &to, &fetch.certificate("--ca-certificate"), &rest].concat()).await;
}

/// `axel` over this many connections.
pub async fn axel(fetch: &Fetch, connections: usize) {
    // It waits for 20 seconds before it connects again, unless its home says otherwise.
    let home = fetch.to.parent().unwrap();
    std::fs::write(home.join(".axelrc"), "reconnect_delay = 1\n").unwrap();
    let number = connections.to_string();
    let mut arguments = vec!["-q", "-n", &number, "-H", &fetch.header, "-o", fetch.to()];
    // It knows no way to trust a single certificate.
    arguments.extend(fetch.certificate.is_some().then_some("-k"));
    arguments.push(&fetch.url);
    // Under TLS it dies of a signal when it writes to a connection that was reset, unless somebody ignores that for it.
    let ignoring = ["-c", "trap '' PIPE; exec \"$0\" \"$@\"", "axel"];
    let output = output_of("sh", &[&ignoring[..], &arguments].concat(), &[("HOME", home)]).await;
    succeed("axel", &arguments, output);
}

/// Runs a program that must succeed, without our environment (it may name a proxy).
async fn run(program: &str, arguments: &[&str]) -> Output {
    succeed(program, arguments, output_of(program, arguments, &[]).await)
}

/// A program that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(180);

async fn output_of(program: &str, arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(environment.iter().copied());
    let output = tokio::time::timeout(LONGEST, command.kill_on_drop(true).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{program} {arguments:?} hangs"));
    output.unwrap_or_else(|error| panic!("{program} does not start ({error}): run `cargo xtask test`"))
}

fn succeed(program: &str, arguments: &[&str], output: Output) -> Output {
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
