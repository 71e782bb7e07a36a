//! Downloads over connections that break at random, by the programs that people resume with.

use reqwest::Method;
use support::content::{bytes, checksum};
use support::cutting::Cutter;
use support::tools::{Fetch, aria2, axel, certificate, curl_until_whole, sha256sum, wget_until_whole};
use support::{PATIENCE, Stock, System, eventually};

/// Cut about ten times when it comes in one piece at a time.
const SIZE: usize = 9_000_011;
const BEFORE_A_CUT: std::ops::Range<u64> = 150_000..1_500_000;

/// Two edges, the second behind TLS, and a large file that both know.
async fn shop(certificates: &std::path::Path) -> (System, Stock, String) {
    let pair = certificate(certificates, "localhost").await;
    let system = System::adjusted(2, |edge, config| {
        config.tls = (edge == 1).then(|| pair.clone());
    })
    .await;
    let admin = system.admin(0);
    let stock = admin.stock("cut").await;
    let fields = [("applicationId", "cut"), ("version", "2.0.0")];
    admin.upload(&fields, "large.bin", &bytes(7, SIZE)).await.expect(201);
    let path = "/v1/download/cut/2.0.0/large.bin".to_owned();
    let client = system.client(1, &stock.key.text);
    let known = || async { support::client::send(client.request(Method::HEAD, &path)).await.is(200) };
    eventually(PATIENCE, known).await;
    (system, stock, path)
}

/// What is fetched by each of them over a way of its own, which must have been cut.
async fn check(edge: &str, path: &str, key: &str, certificate: Option<&std::path::Path>) {
    let expected = checksum(&bytes(7, SIZE));
    let directory = tempfile::tempdir().unwrap();
    let versions: &[&str] = match certificate {
        Some(_) => &["--http1.1", "--http2"],
        None => &["--http1.1", "--http2-prior-knowledge"],
    };
    for (seed, tool) in ["curl", "curl of HTTP/2", "wget", "aria2", "axel"].into_iter().enumerate() {
        let cutter = Cutter::before(edge, BEFORE_A_CUT, seed as u64).await;
        let scheme = edge.split_once("://").unwrap().0;
        let fetch = Fetch {
            url: format!("{scheme}://{}{path}", cutter.address()),
            header: format!("Authorization: Bearer {key}"),
            certificate: certificate.map(ToOwned::to_owned),
            to: directory.path().join(format!("{seed}.bin")),
        };
        match tool {
            "curl" => curl_until_whole(&fetch, versions[0]).await,
            "curl of HTTP/2" => curl_until_whole(&fetch, versions[1]).await,
            "wget" => wget_until_whole(&fetch).await,
            "aria2" => aria2(&fetch, 8).await,
            _ => axel(&fetch, 4).await,
        }
        assert!(cutter.cuts() > 2, "{tool}: cut {} times only", cutter.cuts());
        assert_eq!(sha256sum(&fetch.to).await, expected, "{tool} over {scheme}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_at_random_in_clear_text_is_whole_in_the_end() {
    let certificates = tempfile::tempdir().unwrap();
    let (system, stock, path) = shop(certificates.path()).await;
    check(&system.edges[0], &path, &stock.key.text, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_at_random_under_tls_is_whole_in_the_end() {
    let certificates = tempfile::tempdir().unwrap();
    let (system, stock, path) = shop(certificates.path()).await;
    let certificate = certificates.path().join("localhost.pem");
    check(&system.edges[1], &path, &stock.key.text, Some(&certificate)).await;
}
