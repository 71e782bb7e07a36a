//! Parts of files and conditions, as RFC 9110 has them, through every door: HTTP/1.1 and HTTP/2, in clear text and TLS.

use reqwest::header::HeaderMap;
use reqwest::{Method, Version};
use support::client::send;
use support::content::checksum;
use support::multipart::{parts_of, split_as_updaters_do};
use support::tools::certificate;
use support::{Answer, Client, Stock, System};

const SIZE: usize = 200_000;
const BEFORE: &str = "Sat, 01 Jan 2000 00:00:00 GMT";
const AFTER: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

/// A file at a door, and what is known of it.
struct Shelf<'a> {
    client: Client,
    path: &'a str,
    bytes: &'a [u8],
    /// When it was uploaded, as the server says it.
    date: String,
}

impl Shelf<'_> {
    /// `tag` in a value stands for the file's tag without its quotes, `date` for its date, `N` for its size.
    fn written(&self, value: &str) -> String {
        let tag = format!("sha256-{}", checksum(self.bytes));
        // Sizes first: there are an N and digits in dates.
        value.replace('N', &self.bytes.len().to_string()).replace("tag", &tag).replace("date", &self.date)
    }

    async fn ask(&self, method: Method, lines: &[(&str, &str)]) -> Answer {
        let request = self.client.request(method, self.path);
        let line = |request: reqwest::RequestBuilder, (name, value): &(&str, &str)| {
            request.header(*name, self.written(value))
        };
        send(lines.iter().fold(request, line)).await
    }

    /// The status, and which bytes came, each compared with the file's.
    async fn told(&self, lines: &[(&str, &str)]) -> String {
        let answer = self.ask(Method::GET, lines).await;
        match answer.status {
            200 => {
                self.assert_described(&answer);
                assert!(answer.body == self.bytes, "{lines:?}: other bytes");
                "200".to_owned()
            }
            206 => {
                self.assert_described(&answer);
                self.told_parts(&answer)
            }
            304 => {
                assert!(answer.body.is_empty() && answer.header("etag") == self.written("\"tag\""));
                "304".to_owned()
            }
            412 => {
                assert_eq!(answer.failure().0, "PRECONDITION_FAILED");
                "412".to_owned()
            }
            _ => {
                assert_eq!(answer.clone().expect(416).failure().0, "RANGE_NOT_SATISFIABLE");
                format!("416 {}", answer.header("content-range"))
            }
        }
    }

    fn told_parts(&self, answer: &Answer) -> String {
        if let Some(lines) = answer.header_lines("content-range").first() {
            let (first, last) = self.assert_range(lines, &answer.body);
            return format!("206 {first}-{last}");
        }
        let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
        let parts = parts_of(&answer.body, boundary);
        assert!(parts.len() > 1);
        let told = parts.iter().map(|part| {
            assert_eq!(part.header("content-type"), "application/octet-stream");
            let (first, last) = self.assert_range(part.header("content-range"), part.bytes);
            format!(" {first}-{last}")
        });
        format!("206 parts{}", told.collect::<String>())
    }

    /// The first and last byte that a `Content-Range` says, which these are.
    fn assert_range(&self, text: &str, bytes: &[u8]) -> (usize, usize) {
        let (range, size) = text.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
        let (first, last) = range.split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(size.parse(), Ok(self.bytes.len()));
        assert!(bytes == &self.bytes[first..=last], "{text}: other bytes");
        (first, last)
    }

    /// What every answer with bytes says, whichever of them.
    fn assert_described(&self, answer: &Answer) {
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("etag"), self.written("\"tag\""));
        assert_eq!(answer.header("last-modified"), self.date);
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-checksum-sha256"), checksum(self.bytes));
        assert_eq!(answer.header("repr-digest").len(), "sha-256=::".len() + 44);
        assert!(answer.header("content-disposition").starts_with("attachment; filename="));
        for none in ["content-encoding", "transfer-encoding"] {
            assert!(answer.header_lines(none).is_empty(), "{answer:?}");
        }
    }
}

/// All range inputs that anybody tries by hand, and what the RFC says beside them (sections 14.1.1 to 14.2).
const RANGES: &[(&str, &str)] = &[
    ("bytes=0-0", "206 0-0"),
    ("bytes=-1", "206 199999-199999"),
    ("bytes=-0", "416 bytes */200000"),
    ("bytes=N-", "416 bytes */200000"),
    ("bytes=199999-", "206 199999-199999"),
    ("bytes=199999-N", "206 199999-199999"),
    ("bytes=0-", "206 0-199999"),
    ("bytes=0-99999999999999999999", "206 0-199999"),
    ("bytes=-99999999999999999999", "206 0-199999"),
    ("bytes=99999999999999999999-", "416 bytes */200000"),
    ("bytes=5-2", "200"),
    ("bytes=abc", "200"),
    ("bytes=+1-2", "200"),
    ("bytes=0x1-2", "200"),
    ("bytes=1.0-2", "200"),
    ("bytes=--1", "200"),
    ("bytes=", "200"),
    ("bytes", "200"),
    ("", "200"),
    ("bytes=-17208,-9223372036854758792", "200"),
    ("bytes=0-0,1-1", "206 0-1"),
    ("bytes=0-1 , 3-4", "206 parts 0-1 3-4"),
    ("bytes=0-1, 3-4, -2", "206 parts 0-1 3-4 199998-199999"),
    ("bytes=500-600,0-10,550-700", "206 parts 500-700 0-10"),
    ("bytes=0-9,N-", "206 0-9"),
    ("bytes=N-,N-", "416 bytes */200000"),
    ("bytes=0-1,x", "200"),
    ("bytes=0-99999,100000-", "200"),
    ("items=0-1", "200"),
    ("BYTES=0-1", "206 0-1"),
    ("bytes = 0-1", "200"),
    ("bytes=0 - 1", "200"),
    ("bytes=0-1;2-3", "200"),
];

/// Conditions (section 13), alone, together and with a range.
const CONDITIONS: &[(&[(&str, &str)], &str)] = &[
    (&[("if-range", "\"tag\""), ("range", "bytes=5-9")], "206 5-9"),
    (&[("if-range", "\"stale\""), ("range", "bytes=5-9")], "200"),
    (&[("if-range", "W/\"tag\""), ("range", "bytes=5-9")], "200"),
    (&[("if-range", "tag"), ("range", "bytes=5-9")], "200"),
    (&[("if-range", "date"), ("range", "bytes=5-9")], "200"),
    (&[("if-range", AFTER), ("range", "bytes=5-9")], "200"),
    (&[("if-range", "yesterday"), ("range", "bytes=5-9")], "200"),
    (&[("if-range", "\"tag\""), ("range", "bytes=N-")], "416 bytes */200000"),
    (&[("if-range", "\"stale\""), ("range", "bytes=N-")], "200"),
    (&[("if-range", "\"stale\"")], "200"),
    (&[("if-match", "\"tag\"")], "200"),
    (&[("if-match", "*")], "200"),
    (&[("if-match", "\"a\", \"tag\"")], "200"),
    (&[("if-match", "W/\"tag\"")], "412"),
    (&[("if-match", "\"other\"")], "412"),
    (&[("if-match", "\"other\""), ("range", "bytes=N-")], "412"),
    (&[("if-match", "\"tag\""), ("if-unmodified-since", BEFORE)], "200"),
    (&[("if-unmodified-since", "date")], "200"),
    (&[("if-unmodified-since", AFTER)], "200"),
    (&[("if-unmodified-since", BEFORE)], "412"),
    (&[("if-unmodified-since", "yesterday")], "200"),
    (&[("if-none-match", "\"tag\"")], "304"),
    (&[("if-none-match", "W/\"tag\"")], "304"),
    (&[("if-none-match", "*")], "304"),
    (&[("if-none-match", "\"a\",\"tag\"")], "304"),
    (&[("if-none-match", "\"a\""), ("if-none-match", "\"tag\"")], "304"),
    (&[("if-none-match", "\"other\"")], "200"),
    (&[("if-none-match", "\"tag\""), ("range", "bytes=0-0")], "304"),
    (&[("if-none-match", "\"other\""), ("range", "bytes=0-0")], "206 0-0"),
    (&[("if-none-match", "\"other\""), ("if-modified-since", AFTER)], "200"),
    (&[("if-none-match", "\"tag\""), ("if-match", "\"other\"")], "412"),
    (&[("if-modified-since", "date")], "304"),
    (&[("if-modified-since", AFTER)], "304"),
    (&[("if-modified-since", BEFORE)], "200"),
    (&[("if-modified-since", "yesterday")], "200"),
    (&[("range", "bytes=0-1"), ("range", "bytes=3-4")], "200"),
    (&[("range", "bytes=0-1"), ("accept-encoding", "gzip, br, zstd")], "206 0-1"),
    (&[("accept-encoding", "gzip;q=1.0, identity;q=0")], "200"),
];

/// Two edges, the second behind TLS, and a file that both know.
async fn shop(certificates: &std::path::Path) -> (System, Stock) {
    let pair = certificate(certificates, "localhost").await;
    let system = System::adjusted(2, |edge, config| {
        config.tls = (edge == 1).then(|| pair.clone());
    })
    .await;
    let stock = system.admin(0).stock("ranges").await;
    assert_eq!(stock.bytes.len(), SIZE);
    (system, stock)
}

fn doors(system: &System, stock: &Stock) -> Vec<Client> {
    let at = |edge: usize, version| system.client(edge, &stock.key.text).over(version);
    vec![at(0, Version::HTTP_11), at(0, Version::HTTP_2), at(1, Version::HTTP_11), at(1, Version::HTTP_2)]
}

async fn shelf<'a>(client: Client, path: &'a str, bytes: &'a [u8]) -> Shelf<'a> {
    let seen = support::eventually(support::PATIENCE, || async {
        send(client.request(Method::HEAD, path)).await.is(200)
    });
    let date = seen.await.header("last-modified").to_owned();
    Shelf { client, path, bytes, date }
}

#[tokio::test]
async fn every_range_and_condition_is_answered_as_the_rfc_says_through_every_door() {
    let certificates = tempfile::tempdir().unwrap();
    let (system, stock) = shop(certificates.path()).await;
    for client in doors(&system, &stock) {
        let path = stock.path();
        let shelf = shelf(client, &path, &stock.bytes).await;
        for (range, expected) in RANGES {
            assert_eq!(shelf.told(&[("range", range)]).await, *expected, "{range}");
        }
        for (lines, expected) in CONDITIONS {
            assert_eq!(shelf.told(lines).await, *expected, "{lines:?}");
        }
        // More than 64 ranges are a mistake or an attack.
        let many =
            |count: usize| (0..count).map(|n| format!("{}-{}", n * 9, n * 9)).collect::<Vec<_>>().join(",");
        let most = shelf.told(&[("range", &format!("bytes={}", many(64)))]).await;
        assert!(most.starts_with("206 parts 0-0 9-9 ") && most.ends_with(" 567-567"), "{most}");
        assert_eq!(shelf.told(&[("range", &format!("bytes={}", many(65)))]).await, "200");
        let overlapping = format!("bytes={}", ["0-"; 1_300].join(","));
        assert_eq!(shelf.told(&[("range", &overlapping)]).await, "200");
    }
}

#[tokio::test]
async fn head_tells_what_get_would_and_ranges_are_for_get_alone() {
    let certificates = tempfile::tempdir().unwrap();
    let (system, stock) = shop(certificates.path()).await;
    for client in doors(&system, &stock) {
        let path = stock.path();
        let shelf = shelf(client, &path, &stock.bytes).await;
        let get = shelf.ask(Method::GET, &[]).await.expect(200);
        for lines in
            [&[][..], &[("range", "bytes=0-1")], &[("range", "bytes=N-")], &[("if-none-match", "\"x\"")]]
        {
            let head = shelf.ask(Method::HEAD, lines).await.expect(200);
            assert!(head.body.is_empty());
            assert_eq!(described(&head.headers), described(&get.headers), "{lines:?}");
        }
        shelf.ask(Method::HEAD, &[("if-none-match", "\"tag\"")]).await.expect(304);
        shelf.ask(Method::HEAD, &[("if-modified-since", "date")]).await.expect(304);
        shelf.ask(Method::HEAD, &[("if-match", "\"other\"")]).await.expect(412);
        shelf.ask(Method::HEAD, &[("if-unmodified-since", BEFORE)]).await.expect(412);
        // Also where there is no file: HEAD never brings content, and says how much GET would.
        for (path, status) in
            [("/v1/applications", 200), ("/v1/updates/ranges", 200), ("/v1/applications/x", 404)]
        {
            let get = shelf.client.get(path).await.expect(status);
            let head = send(shelf.client.request(Method::HEAD, path)).await.expect(status);
            assert!(head.body.is_empty() && !get.body.is_empty());
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
        // A share is made whatever part of it somebody would like.
        let body = serde_json::json!({ "applicationId": "ranges", "version": "1.2.0" });
        let share = shelf.client.request(Method::POST, "/v1/downloads/share").json(&body);
        let share = send(share.header("range", "bytes=0-1").header("if-none-match", "*")).await.expect(200);
        assert!(share.header_lines("content-range").is_empty());
        let refused = shelf.ask(Method::POST, &[("range", "bytes=0-1")]).await.expect(405);
        assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    }
}

/// What is said of the file.
fn described(headers: &HeaderMap) -> Vec<(&str, &[u8])> {
    let passing = |name: &str| {
        name == "date"
            || name == "x-request-id"
            || name.starts_with("x-ratelimit")
            || name.starts_with("ratelimit")
    };
    let mut lines: Vec<_> = (headers.iter())
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| !passing(name))
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn an_empty_file_has_no_ranges() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("nothing").await;
    let fields = [("applicationId", "nothing"), ("version", "2.0.0")];
    admin.upload(&fields, "empty.bin", b"").await.expect(201);
    let path = "/v1/download/nothing/2.0.0/empty.bin";
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let shelf = shelf(system.client(0, &stock.key.text).over(version), path, b"").await;
        for (range, expected) in [
            ("bytes=0-0", "416 bytes */0"),
            ("bytes=0-", "416 bytes */0"),
            ("bytes=-0", "416 bytes */0"),
            ("bytes=-1", "200"),
            ("bytes=x", "200"),
        ] {
            assert_eq!(shelf.told(&[("range", range)]).await, expected, "{range}");
        }
        assert_eq!(shelf.told(&[]).await, "200");
        assert_eq!(shelf.told(&[("if-none-match", "\"tag\"")]).await, "304");
    }
}

/// As electron-updater patches: one request for all that changed, and an answer that is taken apart by lengths alone.
#[tokio::test]
async fn an_updater_gets_all_that_changed_in_one_answer() {
    let certificates = tempfile::tempdir().unwrap();
    let (system, stock) = shop(certificates.path()).await;
    let changed: Vec<(usize, usize)> = (0..60).map(|n| (n * 3_000 + n, n * 3_000 + 700 + 13 * n)).collect();
    let ranges: Vec<String> = changed.iter().map(|(from, to)| format!("{from}-{}", to - 1)).collect();
    let range = format!("bytes={}", ranges.join(", "));
    for client in doors(&system, &stock) {
        let path = stock.path();
        let shelf = shelf(client, &path, &stock.bytes).await;
        let answer = shelf.ask(Method::GET, &[("range", &range)]).await.expect(206);
        let lengths: Vec<usize> = changed.iter().map(|(from, to)| to - from).collect();
        let parts = split_as_updaters_do(&answer.body, answer.header("content-type"), &lengths);
        for ((from, to), part) in changed.iter().zip(parts) {
            assert!(part == &stock.bytes[*from..*to], "{from}-{to}: other bytes");
        }
    }
}
