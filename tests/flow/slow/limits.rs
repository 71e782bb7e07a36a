//! One address may have so many connections, and no more.

use support::{PATIENCE, System, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Extra, address};

async fn connect(system: &System, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address(system)).await.unwrap()
}

/// Whether it is let in: an answer, or the end.
async fn is_served(stream: &mut TcpStream) -> bool {
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut piece = [0; 16];
    asked.is_ok() && matches!(stream.read(&mut piece).await, Ok(16))
}

#[tokio::test]
async fn more_connections_of_one_address_than_it_may_have_are_closed_and_others_are_not() {
    let system = System::adjusted(1, |_, config| config.limits.most_of_address = 3).await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&system, "127.0.0.9").await;
        assert!(is_served(&mut stream).await);
        crowd.push(stream);
    }
    assert!(!is_served(&mut connect(&system, "127.0.0.9").await).await);
    assert!(is_served(&mut connect(&system, "127.0.0.8").await).await);
    crowd.pop();
    eventually(PATIENCE, || async {
        let served = is_served(&mut connect(&system, "127.0.0.9").await).await;
        if served { Ok(()) } else { Err("its place was not given back") }
    })
    .await;
    for stream in &mut crowd {
        assert!(is_served(stream).await, "those who were there before");
    }
}

#[tokio::test]
async fn what_the_edge_ends_is_counted_by_reason() {
    let system = System::in_process().await;
    let edge = Extra::start(&system, |config| config.limits.most_of_address = 1).await;
    let visit = || TcpStream::connect(edge.running.address);
    let _waits = visit().await.unwrap();
    eventually(PATIENCE, || async {
        drop(visit().await);
        let text = String::from_utf8(edge.operator().get("/metrics").await.expect(200).body).unwrap();
        let counted = |reason: &str| {
            let mut lines =
                text.lines().filter(|line| line.starts_with("tidegate_edge_connections_ended_total{"));
            lines.any(|line| line.contains(&format!("reason=\"{reason}\"")))
        };
        if counted("Head") && counted("Crowd") { Ok(()) } else { Err(text) }
    })
    .await;
}
