//! Requests byte for byte, as no client library would send them, and the one answer that comes back.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Answer;
use crate::contract;

/// A server that has not answered by then hangs.
const LONGEST: Duration = Duration::from_secs(20);

/// A request with this target, to the letter, and nothing else but a credential.
pub async fn ask(base: &str, method: &str, target: &str, credential: &str) -> Answer {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {credential}\r\n");
    exchange(base, &[head.as_bytes(), b"Connection: close\r\n\r\n"].concat()).await
}

/// Sends these bytes, and no end of them, and reads until the server closes. What comes must be one whole answer;
/// a refusal must look like one.
pub async fn exchange(base: &str, bytes: &[u8]) -> Answer {
    let talk = async {
        let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
        // A server may answer before it has read everything: what it said still counts.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    let shown = || bytes[..bytes.len().min(300)].escape_ascii().to_string();
    let answer = tokio::time::timeout(LONGEST, talk).await;
    let answer = answer.unwrap_or_else(|_| panic!("no answer, or no end of it: {}", shown()));
    let is_head = bytes.starts_with(b"HEAD ");
    let answer = parse(&answer, is_head).unwrap_or_else(|says| {
        panic!("{says}: {} to {}", answer[..answer.len().min(600)].escape_ascii(), shown());
    });
    assert!(answer.status < 500, "{answer:?} to {}", shown());
    if answer.status >= 400 && !answer.body.is_empty() {
        // A path outside of the document: what is looked at is how a failure is told.
        contract::check(&Method::GET, "/none", &answer);
        assert!(answer.failure_reason().is_some(), "no failure of ours: {answer:?} to {}", shown());
    }
    answer
}

fn parse(bytes: &[u8], is_head: bool) -> Result<Answer, String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|error| error.to_string())?;
    let body = bytes[end + 4..].to_vec();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).ok_or("no status line")?;
    let status = status.get(..3).and_then(|digits| digits.parse().ok()).ok_or("no status")?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
        let name: HeaderName = name.parse().map_err(|_| "no name of a header")?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| "no value of a header")?);
    }
    let announced =
        headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match announced {
        Some(length) if !is_head && length != body.len() => {
            Err(format!("{length} bytes were announced, {} came", body.len()))
        }
        None if !is_head && status != 204 && status != 304 => Err("no Content-Length".to_owned()),
        _ if is_head && !body.is_empty() => Err("a body to HEAD".to_owned()),
        _ => Ok(Answer { status, headers, body }),
    }
}
