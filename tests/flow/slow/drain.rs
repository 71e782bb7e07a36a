//! An edge that stops: what waits is let go at once, what runs may end, and what does not end in time is cut.

use std::time::Duration;

use support::slow::{Kind, Target};
use support::{PATIENCE, System, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Extra, LONGEST, target};

/// Asks for the file, and reads no further than the head of the answer.
async fn ask(target: &Target) -> TcpStream {
    let mut stream = TcpStream::connect(target.address).await.unwrap();
    let head =
        format!("GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", target.path, target.key);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = [0; 15];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 200 OK");
    stream
}

#[tokio::test]
async fn a_stop_lets_go_of_those_who_wait_and_lets_those_who_take_end() {
    let system = System::in_process().await;
    let target = target(&system).await;
    // Nobody is ended by a deadline: whoever goes, goes because of the stop.
    let edge = Extra::start(&system, |config| {
        config.limits.deadlines = edge::listen::Deadlines {
            sweep: Duration::from_millis(20),
            leave: Duration::from_millis(300),
            ..edge::listen::Deadlines::default()
        };
        config.limits.drain = Duration::from_secs(60);
    })
    .await;
    let target = edge.aimed(&target);
    let mut running = ask(&target).await;
    // Among them connections of which nobody knows yet whether they speak HTTP/1.1 or HTTP/2.
    let waiting = [Kind::NoByte, Kind::PartialPreface, Kind::NoStream, Kind::Idle].map(|kind| {
        let target = target.clone();
        tokio::spawn(async move { (kind, target.bother(kind, Duration::from_secs(8)).await) })
    });
    eventually(PATIENCE, || async {
        let text = String::from_utf8(edge.operator().get("/metrics").await.expect(200).body).unwrap();
        let open = text.lines().any(|l| l.starts_with("tidegate_edge_connections{") && l.ends_with(" 5"));
        if open { Ok(()) } else { Err(text) }
    })
    .await;
    edge.stop.cancel();
    for ended in waiting {
        let (kind, ended) = ended.await.unwrap();
        assert!(ended.is_ok(), "{kind:?}: {ended:?}");
    }
    assert!(TcpStream::connect(target.address).await.is_err(), "nobody new");
    let mut rest = Vec::new();
    running.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 9 << 20, "{} bytes", rest.len());
    tokio::time::timeout(LONGEST, edge.running.stopped()).await.unwrap();
}

#[tokio::test]
async fn what_has_not_ended_when_draining_is_over_is_reset() {
    let system = System::in_process().await;
    let target = target(&system).await;
    let edge = Extra::start(&system, |config| {
        config.limits.deadlines = edge::listen::Deadlines::default();
        config.limits.drain = Duration::from_millis(500);
    })
    .await;
    let mut stuck = ask(&edge.aimed(&target)).await;
    edge.stop.cancel();
    tokio::time::timeout(LONGEST, edge.running.stopped()).await.unwrap();
    // Not the rest of what the sockets held: the connection is gone, and says so.
    let mut rest = Vec::new();
    let error = stuck.read_to_end(&mut rest).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_edge_without_room_for_anybody_more_stops_in_its_time_too() {
    let system = System::in_process().await;
    let target = target(&system).await;
    let edge = Extra::start(&system, |config| {
        config.limits.deadlines = edge::listen::Deadlines::default();
        config.limits.drain = Duration::from_millis(500);
        config.limits.most_connections = 2;
    })
    .await;
    let target = edge.aimed(&target);
    let _stuck = (ask(&target).await, ask(&target).await);
    edge.stop.cancel();
    tokio::time::timeout(LONGEST, edge.running.stopped()).await.unwrap();
}

/// Reads up to the end of a head, and the bytes that it announces.
async fn answer(stream: &mut TcpStream) -> String {
    let mut told = Vec::new();
    while !told.ends_with(b"\r\n\r\n") {
        told.push(stream.read_u8().await.unwrap());
    }
    let mut head = String::from_utf8(told).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.unwrap();
    head.push_str(&String::from_utf8(body).unwrap());
    head
}

#[tokio::test]
async fn what_another_worker_passes_on_is_answered_while_draining() {
    let system = System::in_process().await;
    let edge = Extra::start(&system, |config| {
        config.limits.deadlines = edge::listen::Deadlines::default();
        config.limits.workers = 2;
    })
    .await;
    let head = |method: &str, path: &str| {
        let key = &system.admin_key;
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n")
    };
    // The first worker makes the connection to the control plane, and has nothing more to do when the stop comes.
    let mut first = TcpStream::connect(edge.running.address).await.unwrap();
    for _ in 0..3 {
        let asked = head("GET", "/v1/management/customers") + "\r\n";
        first.write_all(asked.as_bytes()).await.unwrap();
        assert!(answer(&mut first).await.starts_with("HTTP/1.1 200"));
    }
    let body = r#"{"applicationId":"late","name":"Late"}"#;
    let asked = format!(
        "{}Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        head("POST", "/v1/management/applications"),
        body.len()
    );
    let mut second = TcpStream::connect(edge.running.address).await.unwrap();
    second.write_all(asked.as_bytes()).await.unwrap();
    // Said when the way to the control plane is there and the body is wanted.
    assert!(answer(&mut second).await.starts_with("HTTP/1.1 100"));
    edge.stop.cancel();
    // It is let go: its worker has heard of the stop.
    assert_eq!(first.read(&mut [0; 16]).await.unwrap(), 0);
    second.write_all(body.as_bytes()).await.unwrap();
    let told = answer(&mut second).await;
    assert!(told.starts_with("HTTP/1.1 201"), "{told}");
    tokio::time::timeout(LONGEST, edge.running.stopped()).await.unwrap();
}
