//! HTTP/2 byte for byte (RFC 9113), as no client library would send it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a connection begins with (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (section 6).
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

/// A frame (section 4.1).
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A preface whose streams begin with a window of so many bytes.
#[must_use]
pub fn preface(window: u32) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat())].concat()
}

/// A whole request without Huffman coding (RFC 7541 appendix A).
#[must_use]
pub fn get(stream: u32, path: &str, key: Option<&str>) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    let mut say = |name: &[u8], text: &str| {
        block.extend_from_slice(name);
        assert!(text.len() < 127 + 128, "{text}");
        match u8::try_from(text.len()).unwrap() {
            short @ ..127 => block.push(short),
            long => block.extend_from_slice(&[127, long - 127]),
        }
        block.extend_from_slice(text.as_bytes());
    };
    say(&[0x04], path);
    say(&[0x01], "x");
    if let Some(key) = key {
        say(&[0x0f, 0x08], &format!("Bearer {key}"));
    }
    frame(HEADERS, 0x5, stream, &block)
}

/// The odd numbers: streams of a client.
pub fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|number| 2 * number + 1)
}

/// A client that says what it likes.
pub struct Talk(pub TcpStream);

impl Talk {
    pub async fn begin(address: std::net::SocketAddr, window: u32) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&preface(window)).await.unwrap();
        Self(stream)
    }

    /// Says it, though the server may have had enough.
    pub async fn say(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame, none at the end: kind, stream, payload.
    pub async fn hear(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Why the server ends the connection (section 7), once it does.
    pub async fn reason(mut self) -> Option<u32> {
        let mut reason = None;
        while let Some((kind, _, payload)) = self.hear().await {
            if kind == GOAWAY {
                reason = payload.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
            }
        }
        reason
    }
}
