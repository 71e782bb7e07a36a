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
