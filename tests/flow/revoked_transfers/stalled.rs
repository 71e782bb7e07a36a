//! Clients that take nothing: their transfers are cut all the same, and streams beside them go on.

use std::collections::HashMap;
use std::time::Duration;

use support::frames::{GOAWAY, RST_STREAM, Talk, WINDOW_UPDATE, frame, get};
use support::{PATIENCE, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{DeleteKey, Shop};

/// Frames that carry a body (RFC 9113 section 6.1).
const DATA: u8 = 0;

async fn connect(shop: &Shop) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little room: what it does not take is not taken by its kernel either.
    socket.set_recv_buffer_size(8 << 10).unwrap();
    socket
        .connect(shop.fleet.stranger(0).base().trim_start_matches("http://").parse().unwrap())
        .await
        .unwrap()
}

/// Waits for a reset, without reading.
async fn is_reset(stream: &TcpStream) {
    eventually(PATIENCE, || async {
        match stream.take_error() {
            Ok(None) => Err("still open"),
            Ok(Some(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(()),
            other => Err(if other.is_ok() { "another error" } else { "no error to be had" }),
        }
    })
    .await;
}

#[tokio::test]
async fn who_takes_nothing_over_http_1_is_reset() {
    let shop = Shop::open().await;
    let case = shop.case("stalled").await;
    let mut stream = connect(&shop).await;
    let head =
        format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", case.path(), case.key.text);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 1_000];
    stream.read_exact(&mut begun).await.unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 200 "));
    DeleteKey.to(&shop, &case, None).await;
    is_reset(&stream).await;
}

#[tokio::test]
async fn who_never_opens_a_window_of_http_2_is_reset() {
    let shop = Shop::open().await;
    let case = shop.case("shut").await;
    let mut talk = Talk(connect(&shop).await);
    talk.say(&support::frames::preface(0)).await;
    talk.say(&get(1, &case.path(), Some(&case.key.text))).await;
    while talk.hear().await.unwrap().0 != support::frames::HEADERS {}
    DeleteKey.to(&shop, &case, None).await;
    is_reset(&talk.0).await;
}

#[tokio::test]
async fn of_two_keys_on_one_connection_of_http_2_one_is_cut_and_the_other_gets_everything() {
    let shop = Shop::open().await;
    let (one, other) = (shop.case("one").await, shop.case("both").await);
    let address = shop.fleet.stranger(0).base().trim_start_matches("http://").parse().unwrap();
    // Windows that never end; the socket holds both back.
    let mut talk = Talk::begin(address, (1 << 31) - 1).await;
    talk.say(&frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes())).await;
    talk.say(&get(1, &one.path(), Some(&one.key.text))).await;
    talk.say(&get(3, &other.path(), Some(&other.key.text))).await;
    let mut bodies: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut reset = None;
    let mut is_deleted = false;
    let mut every = tokio::time::interval(Duration::from_millis(1));
    while bodies.get(&3).is_none_or(|body| body.len() < shop.bytes.len()) {
        let (kind, stream, payload) = talk.hear().await.unwrap();
        assert_ne!(kind, GOAWAY);
        match kind {
            DATA => bodies.entry(stream).or_default().extend_from_slice(&payload),
            RST_STREAM => reset = Some(stream),
            _ => {}
        }
        if !is_deleted
            && [1, 3].iter().all(|stream| bodies.get(stream).is_some_and(|body| body.len() > 1 << 20))
        {
            is_deleted = true;
            DeleteKey.to(&shop, &one, None).await;
        }
        if !is_deleted {
            every.tick().await;
        }
    }
    assert_eq!((is_deleted, reset), (true, Some(1)));
    assert!(bodies[&1].len() < shop.bytes.len() && shop.bytes.starts_with(&bodies[&1]));
    assert!(bodies[&3] == shop.bytes, "other bytes");
}
