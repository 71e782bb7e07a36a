//! Buckets over HTTP: what edges ask for, what they are told, and who is told nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use common::bus::Outlet as _;
use common::bus::https::HttpsBus;
use common::mac::Purpose;
use common::runtime::clock::ManualClock;
use common::secret::Secret;
use common::time::Timestamp;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::*;

const NOW: i64 = 1_800_000_000_000;

fn keys(secret: &str, purpose: Purpose) -> MacKeys {
    MacKeys::derive(&[Secret::new(secret.to_owned())], purpose)
}

fn word(secret: &str) -> Option<String> {
    EdgeWord { edge: "e1".to_owned(), at: Timestamp::from_millis(NOW) }.seal(&keys(secret, Purpose::Feed))
}

fn names(count: usize) -> Vec<Digest> {
    (0..count).map(|n| Digest::of(&n.to_be_bytes())).collect()
}

fn packed(n: usize) -> Bytes {
    Bytes::from(vec![n as u8; n])
}

fn door(carrier: &LocalBus) -> Router {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
    router(FeedDoor {
        carrier: carrier.clone(),
        fleet: Arc::new(Fleet::new(keys("ours", Purpose::Acknowledgement), clock.clone())),
        keys: keys("ours", Purpose::Feed),
        clock,
        stop: CancellationToken::new(),
    })
}

/// Every other of so many buckets is there.
async fn carrier(count: usize) -> LocalBus {
    let carrier = LocalBus::new();
    for (n, name) in names(count).iter().enumerate().filter(|(n, _)| n.is_multiple_of(2)) {
        carrier.put_bucket(name, packed(n)).await.unwrap();
    }
    carrier
}

async fn ask(router: Router, path: &str, word: Option<String>) -> (StatusCode, Bytes) {
    let mut request = Request::builder().uri(path);
    if let Some(word) = word {
        request = request.header(EDGE_HEADER, word);
    }
    let answer = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
}

/// The routes behind a real socket, and an edge that asks there.
async fn edge_of(router: Router) -> HttpsBus {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(router.clone());
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    HttpsBus::new(format!("http://{address}"), Arc::new(|| word("ours"))).unwrap()
}

#[tokio::test]
async fn an_edge_is_told_of_several_buckets_for_one_question() {
    let asked = Arc::new(AtomicU64::new(0));
    let counted = asked.clone();
    let router = door(&carrier(MOST_BUCKETS + 2).await).layer(middleware::from_fn(
        move |request: Request, next: Next| {
            counted.fetch_add(1, Ordering::Relaxed);
            next.run(request)
        },
    ));
    let edge = edge_of(router).await;
    let names = names(MOST_BUCKETS + 2);
    let there = |n: usize| n.is_multiple_of(2).then(|| packed(n));
    let first: Vec<_> = (0..MOST_BUCKETS).map(there).collect();
    assert_eq!(edge.buckets(&names).await.unwrap(), first);
    assert_eq!(edge.buckets(&names[MOST_BUCKETS..]).await.unwrap(), [there(MOST_BUCKETS), None]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    // A name that stands there twice is asked for again, as what does not fit.
    assert_eq!(edge.buckets(&[names[2], names[2]]).await.unwrap(), [there(2)]);
    assert_eq!(edge.buckets(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn edges_and_control_planes_that_are_older_ask_and_tell_of_one_bucket() {
    let (carrier, names) = (carrier(3).await, names(3));
    let path = |name: &str| format!("{BUCKETS_PATH}/{name}");
    for (name, told) in [
        (names[2].to_string(), (StatusCode::OK, packed(2))),
        (names[1].to_string(), (StatusCode::NOT_FOUND, Bytes::new())),
        ("none".to_owned(), (StatusCode::NOT_FOUND, Bytes::new())),
    ] {
        assert_eq!(ask(door(&carrier), &path(&name), word("ours")).await, told, "{name}");
    }
    let newer = door(&carrier);
    let older = Router::new().fallback(move |request: Request| async move {
        let knows = request.uri().path() != BUCKETS_PATH;
        if knows {
            newer.oneshot(request).await.into_response()
        } else {
            StatusCode::NOT_FOUND.into_response()
        }
    });
    let edge = edge_of(older).await;
    assert_eq!(edge.buckets(&[names[2], names[0]]).await.unwrap(), [Some(packed(2))]);
    assert_eq!(edge.buckets(&[names[1], names[0]]).await.unwrap(), [None]);
}

#[tokio::test]
async fn what_is_no_question_for_buckets_is_refused() {
    let carrier = carrier(2).await;
    let list = |names: &[Digest]| names.iter().map(Digest::to_string).collect::<Vec<_>>().join(",");
    let one = list(&names(1));
    for query in [
        String::new(),
        "?".to_owned(),
        "?names=".to_owned(),
        format!("?name={one}"),
        format!("?names={}", &one[1..]),
        format!("?names={one},"),
        format!("?names={one},{one}"),
        format!("?names={}", list(&names(MOST_BUCKETS + 1))),
    ] {
        let (status, _) = ask(door(&carrier), &format!("{BUCKETS_PATH}{query}"), word("ours")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn nobody_but_an_edge_is_told_of_buckets_or_what_is_wrong_with_the_question() {
    let carrier = carrier(1).await;
    let name = names(1)[0];
    for question in [format!("?names={name}"), "?names=".to_owned(), format!("/{name}")] {
        for word in [None, word("theirs")] {
            let (status, body) = ask(door(&carrier), &format!("{BUCKETS_PATH}{question}"), word).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{question}");
            assert!(body.starts_with(b"{"), "{body:?}");
        }
    }
}
