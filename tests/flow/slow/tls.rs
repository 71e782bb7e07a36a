//! TLS: stalled handshakes end, what is agreed on is what is cheap, and a certificate is renewed while the edge runs.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use support::ports::free_port;
use support::program::Launch;
use support::slow::Kind;
use support::tools::certificate as pair;
use support::{Client, PATIENCE, System, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Extra, LONGEST, hurried, target};

async fn openssl(arguments: &str) -> String {
    let words = arguments.split_whitespace();
    let output =
        Command::new("openssl").args(words).stdin(std::process::Stdio::null()).output().await.unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test]
async fn a_handshake_that_stalls_is_ended_in_its_time() {
    let system = System::in_process().await;
    let pair = pair(system.scratch(), "stalled").await;
    let edge = Extra::start(&system, |config| config.tls = Some(pair)).await;
    let target = edge.aimed(&target(&system).await);
    for kind in [Kind::NoByte, Kind::PartialHandshake] {
        let end = target.bother(kind, LONGEST).await.unwrap();
        assert!(end.after >= hurried().handshake, "{kind:?} ended after {:?}", end.after);
    }
}

/// An edge in a process of its own, which needs nothing to say that it lives.
struct Edge {
    program: support::Program,
    port: u16,
    private: Client,
    chain: PathBuf,
    key: PathBuf,
}

impl Edge {
    async fn start(directory: &Path) -> Self {
        let (chain, key) = (directory.join("tls.pem"), directory.join("tls.key"));
        install(&pair(directory, "first").await, (&chain, &key));
        let (port, private) = (free_port(), free_port());
        let at = |name: &str| directory.join(name).display().to_string();
        let program = Launch::of("tidegate-edge")
            .env("TIDEGATE_BUS", "redis://127.0.0.1:1")
            .env("TIDEGATE_BLOBS", format!("file://{}", at("blobs")))
            .env("TIDEGATE_CACHE", at("cache"))
            .env("TIDEGATE_EDGE_SECRET", "an-edge-secret-that-is-long-enough-for-everybody")
            .env("TIDEGATE_SNAPSHOT_KEY", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
            .env("TIDEGATE_LISTEN", format!("127.0.0.1:{port}"))
            .env("TIDEGATE_ADMIN_LISTEN", format!("127.0.0.1:{private}"))
            .env("TIDEGATE_TLS_CERT", chain.display().to_string())
            .env("TIDEGATE_TLS_KEY", key.display().to_string())
            .start(directory);
        let private = Client::new(&format!("http://127.0.0.1:{private}"), None);
        eventually(PATIENCE, || async { private.try_get("/healthz").await }).await.expect(200);
        Self { program, port, private, chain, key }
    }

    /// What openssl says of a handshake.
    async fn shake(&self, options: &str) -> String {
        openssl(&format!("s_client -connect 127.0.0.1:{} {options}", self.port)).await
    }

    async fn greets_with(&self, name: &str) -> Result<(), String> {
        let told = self.shake("").await;
        if told.contains(&format!("subject=CN = {name}")) || told.contains(&format!("subject=CN={name}")) {
            Ok(())
        } else {
            Err(told)
        }
    }

    async fn counts(&self, outcome: &str, times: u32) -> Result<(), String> {
        let text = String::from_utf8(self.private.get("/metrics").await.expect(200).body).unwrap();
        let mut lines =
            text.lines().filter(|line| line.starts_with("tidegate_edge_certificate_reloads_total{"));
        let counted = lines.any(|l| l.contains(outcome) && l.ends_with(&format!(" {times}")));
        if counted { Ok(()) } else { Err(text) }
    }
}

/// Puts a pair where the edge looks for it, as `certbot` does: one file, then the other.
fn install(from: &(PathBuf, PathBuf), to: (&Path, &Path)) {
    std::fs::copy(&from.0, to.0).unwrap();
    std::fs::copy(&from.1, to.1).unwrap();
}

fn client_of(chain: &Path) -> reqwest::Client {
    let certificate = reqwest::Certificate::from_pem(&std::fs::read(chain).unwrap()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap()
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_running_and_a_broken_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let edge = Edge::start(directory.path()).await;
    let url = format!("https://127.0.0.1:{}/healthz", edge.port);
    // It keeps its connection, and so never meets the certificates that follow.
    let early = client_of(&edge.chain);
    assert_eq!(early.get(&url).send().await.unwrap().status(), 200);
    edge.greets_with("first").await.unwrap();

    let second = pair(directory.path(), "second").await;
    install(&second, (&edge.chain, &edge.key));
    edge.program.hang_up();
    eventually(PATIENCE, || edge.greets_with("second")).await;
    edge.counts("Taken", 1).await.unwrap();
    assert_eq!(client_of(&second.0).get(&url).send().await.unwrap().status(), 200);

    // Half of a pair: nobody is told to look, it is found.
    std::fs::copy(pair(directory.path(), "third").await.0, &edge.chain).unwrap();
    eventually(PATIENCE, || edge.counts("Refused", 1)).await;
    edge.greets_with("second").await.unwrap();
    assert!(edge.program.log().contains("cannot be used"), "{}", edge.program.log());
    std::fs::copy(directory.path().join("third.key"), &edge.key).unwrap();
    edge.program.hang_up();
    eventually(PATIENCE, || edge.greets_with("third")).await;
    assert_eq!(early.get(&url).send().await.unwrap().status(), 200, "a connection that runs");
}

#[tokio::test]
async fn what_is_agreed_on_is_cheap_and_resumed_by_one_ticket() {
    let directory = tempfile::tempdir().unwrap();
    let edge = Edge::start(directory.path()).await;
    let suites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
    let told = edge.shake(&format!("-tls1_3 -alpn h2,http/1.1 -ciphersuites {suites}")).await;
    assert!(told.contains("Cipher is TLS_AES_128_GCM_SHA256"), "{told}");
    assert!(told.contains("ALPN protocol: h2"), "{told}");
    let old = edge.shake("-tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256").await;
    assert!(old.contains("Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"), "{old}");

    // Over TLS 1.2 the ticket comes with the handshake, which an end of input does not race.
    let session = directory.path().join("session").display().to_string();
    edge.shake(&format!("-tls1_2 -sess_out {session}")).await;
    let again = edge.shake(&format!("-tls1_2 -sess_in {session}")).await;
    assert!(again.contains("Reused, TLSv1.2"), "{again}");
}

/// What openssl says of a request over TLS 1.3, which ends when the edge has answered: tickets come after the handshake.
async fn asked(port: u16, options: &str) -> String {
    let words = format!("s_client -ign_eof -tls1_3 -connect 127.0.0.1:{port} {options}");
    let mut command = Command::new("openssl");
    command.args(words.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(told.contains("HTTP/1.1 200 OK"), "{told}");
    told
}

#[tokio::test]
async fn a_session_is_resumed_by_its_ticket_over_tls_1_3_and_nothing_is_said_before_the_handshake() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let edges = [Edge::start(homes[0].path()).await, Edge::start(homes[1].path()).await];
    let session = homes[0].path().join("session").display().to_string();
    let first = asked(edges[0].port, &format!("-sess_out {session}")).await;
    assert!(first.contains("New, TLSv1.3"), "{first}");
    // A request that is sent before the handshake could be sent again by others (RFC 8446 section 8): no ticket allows it.
    assert!(first.contains("Max Early Data: 0"), "{first}");
    let resumed = format!("-sess_in {session}");
    let again = asked(edges[0].port, &resumed).await;
    assert!(again.contains("Reused, TLSv1.3"), "{again}");

    // The ticket outlives the certificate, and means nothing to an edge that did not make it.
    let second = pair(homes[0].path(), "second").await;
    install(&second, (&edges[0].chain, &edges[0].key));
    edges[0].program.hang_up();
    eventually(PATIENCE, || edges[0].greets_with("second")).await;
    let again = asked(edges[0].port, &resumed).await;
    assert!(again.contains("Reused, TLSv1.3"), "{again}");
    let elsewhere = asked(edges[1].port, &resumed).await;
    assert!(elsewhere.contains("New, TLSv1.3"), "{elsewhere}");
}
