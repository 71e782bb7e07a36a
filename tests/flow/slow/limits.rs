//! One address may have so many connections, and no more.

use support::{Fleet, PATIENCE, System, content, eventually};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::{Extra, address, target};

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
async fn a_connection_that_is_over_has_its_place_until_its_client_has_everything() {
    let system = System::adjusted(1, |_, config| config.limits.most_of_address = 3).await;
    let target = target(&system).await;
    let (fields, bytes) = ([("applicationId", "large"), ("version", "3.0.0")], content::bytes(6, 900_000));
    system.admin(0).upload(&fields, "end.bin", &bytes).await.expect(201);
    let asked = format!(
        "GET /v1/download/large/3.0.0/end.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        target.key
    );
    let mut crowd = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&system, "127.0.0.9").await;
        stream.write_all(asked.as_bytes()).await.unwrap();
        // The kernel has all of the answer soon, and the edge nothing more to do.
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        crowd.push(stream);
    }
    let client = system.client(0, &target.key);
    for _ in 0..20 {
        client.get("/healthz").await.expect(200);
        assert!(!is_served(&mut connect(&system, "127.0.0.9").await).await, "a place that nobody counts");
    }
    for stream in &mut crowd {
        let mut taken = Vec::new();
        stream.read_to_end(&mut taken).await.unwrap();
        assert!(taken.ends_with(&bytes), "{} bytes", taken.len());
    }
    eventually(PATIENCE, || async {
        let served = is_served(&mut connect(&system, "127.0.0.9").await).await;
        if served { Ok(()) } else { Err("its place was not given back") }
    })
    .await;
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

#[tokio::test]
async fn an_edge_takes_all_descriptors_that_it_may_have() {
    let fleet = Fleet::adjusted(1, |_, launch| launch.descriptors(200)).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", fleet.edges[0].pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let [.., low, high, _] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert_eq!(low, high, "{line}");
    assert_ne!(low, "200", "the test has more to give than it gave");
}
