//! Bodies over real files.

use std::io;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes};
use http_body::Body as _;
use http_body_util::Full;

use super::*;
use crate::deliver::Piece;
use crate::deliver::body::Carriage;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[tokio::test]
async fn a_large_file_arrives_whole_in_bounded_pieces() {
    let bytes = pattern(3 * 256 * 1024 + 17);
    let blob = Blob::new(&bytes);
    let mut body = blob.get(&HeaderMap::new()).await.into_body();
    let (mut got, mut left) = (vec![], bytes.len() as u64);
    while !body.is_end_stream() {
        assert_eq!(body.size_hint().exact(), Some(left));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(piece.remaining() <= 128 * 1024);
        left -= piece.remaining() as u64;
        got.extend_from_slice(piece.chunk());
    }
    assert!(got == bytes && left == 0);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_mapped_file_arrives_whole_in_windows_whether_it_is_in_memory_or_not() {
    let bytes = pattern(9_000_001);
    for (is_cold, range, expected) in [
        (false, "bytes=0-", &bytes[..]),
        (true, "bytes=0-", &bytes[..]),
        (true, "bytes=4194303-8388609", &bytes[4_194_303..=8_388_609]),
        (true, "bytes=-1", &bytes[9_000_000..]),
    ] {
        let blob = Blob::new(&bytes);
        let mut body = blob.get(&request(&[("range", range)])).await.into_body();
        body.carry(Carriage::Mapped);
        if is_cold {
            blob.leave_memory();
        }
        let (mut got, mut windows) = (vec![], 0);
        while let Some(frame) = body.frame().await {
            take(frame.unwrap(), &mut got);
            windows += 1;
        }
        assert!(got == expected && windows == expected.len().div_ceil(4 << 20), "{range}: {windows}");
    }
}

#[tokio::test]
async fn a_paced_body_arrives_whole_in_small_pieces_however_it_is_carried() {
    let bytes = pattern(700_001);
    for (carriage, range) in [
        (Carriage::Copied, "bytes=0-"),
        (Carriage::Mapped, "bytes=0-"),
        (Carriage::Copied, "bytes=0-9,100-40099"),
        (Carriage::Mapped, "bytes=0-9,100-40099"),
    ] {
        let blob = Blob::new(&bytes);
        let mut whole = vec![];
        let mut body = blob.get(&request(&[("range", range)])).await.into_body();
        while let Some(frame) = body.frame().await {
            take(frame.unwrap(), &mut whole);
        }
        // Pieces that are smaller than the file, and larger than what is read at once.
        let pace = Arc::new(crate::caps::Pace::new(4 << 20));
        let body = blob.get(&request(&[("range", range)])).await.into_body();
        let mut body = body.paced(Some(crate::caps::Paced::new(pace)));
        body.carry(carriage);
        let mut got = vec![];
        while let Some(frame) = body.frame().await {
            let before = got.len();
            take(frame.unwrap(), &mut got);
            assert!(got.len() - before <= 512 << 10);
        }
        // The framing of several parts has a boundary of its own each time.
        assert!(got.len() == whole.len() && (range.contains(',') || got == whole), "{carriage:?} {range}");
    }
}

#[test]
fn what_somebody_fetches_is_handed_out_when_it_has_come_and_not_when_it_seems_to_be_there() {
    // One thread that may block, and it is kept: what must wait for it waits until it is let go.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let bytes = pattern(300_000);
        let blob = Blob::new(&bytes);
        let file = blob.open().await;
        for is_fetched in [false, true] {
            let _fetching = is_fetched.then(|| file.note_fetching());
            let (let_go, kept) = std::sync::mpsc::channel::<()>();
            tokio::task::spawn_blocking(move || kept.recv());
            let mut body = Body::pieces([Piece::File { file: Arc::clone(&file), position: 0, end: 300_000 }]);
            body.carry(Carriage::Mapped);
            let mut body = std::pin::pin!(body);
            let polled = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled.is_pending(), is_fetched);
            drop(let_go);
            let mut got = vec![];
            if let Poll::Ready(Some(frame)) = polled {
                take(frame.unwrap(), &mut got);
            }
            while let Some(frame) = body.frame().await {
                take(frame.unwrap(), &mut got);
            }
            assert!(got == bytes);
        }
        assert!(!file.is_fetched());
    });
}

#[tokio::test]
async fn a_mapped_file_that_was_cut_and_must_be_fetched_breaks_the_body() {
    let blob = Blob::new(&pattern(300_000));
    let mut body = blob.get(&HeaderMap::new()).await.into_body();
    body.carry(Carriage::Mapped);
    blob.cut_to(280_000);
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_range_across_pieces_is_the_slice_of_the_file() {
    let bytes = pattern(600_000);
    let got = collect(Blob::new(&bytes).get(&request(&[("range", "bytes=262143-524289")])).await).await;
    assert!(got == bytes[262_143..=524_289]);
}

#[tokio::test]
async fn several_transfers_of_one_open_file_do_not_disturb_each_other() {
    let bytes = pattern(600_000);
    let blob = Blob::new(&bytes);
    let file = blob.open().await;
    let part =
        |position, end| Body::pieces([Piece::File { file: Arc::clone(&file), position, end }]).collect();
    let (a, b) = tokio::join!(part(0, 600_000), part(1_000, 500_000));
    assert!(a.unwrap().to_bytes() == bytes && b.unwrap().to_bytes() == bytes[1_000..500_000]);
}

#[tokio::test]
async fn a_file_cut_while_it_is_sent_breaks_the_body() {
    let blob = Blob::new(&pattern(300_000));
    let mut body = blob.get(&HeaderMap::new()).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    blob.cut_to(280_000);
    let error = loop {
        if let Err(error) = body.frame().await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains(&blob.object.digest.to_string()));
    // The piece that broke was the last one; whoever asks on gets no clean end either.
    assert!(!body.is_end_stream() && body.size_hint().exact() != Some(0));
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test]
async fn a_file_of_no_bytes_and_answers_without_a_body_end_at_once() {
    let empty = Blob::new(b"");
    assert!(collect(empty.get(&HeaderMap::new()).await).await.is_empty());
    let unchanged = empty.get(&request(&[("if-none-match", "*")])).await;
    assert!(unchanged.body().is_end_stream());
    assert!(Body::empty().is_end_stream());
    assert_eq!(Body::bytes(Bytes::from_static(b"abc")).collect().await.unwrap().to_bytes(), "abc");
}

/// Bytes that come from elsewhere, and then break.
struct Breaking;

impl http_body::Body for Breaking {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
    }
}

#[tokio::test]
async fn a_foreign_body_passes_as_it_comes() {
    let whole = Full::new(Bytes::from_static(b"from the desk")).map_err(|never| match never {});
    let body = Body::stream(Box::pin(whole));
    assert_eq!(body.size_hint().exact(), Some(13));
    assert_eq!(body.collect().await.unwrap().to_bytes(), "from the desk");
    assert_eq!(Body::stream(Box::pin(Breaking)).size_hint().exact(), None);
    let broken = Body::stream(Box::pin(Breaking)).collect().await;
    assert_eq!(broken.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_body_reads_nothing_from_the_disk_on_the_thread_that_polls_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    for carriage in [Carriage::Copied, Carriage::Mapped] {
        runtime.block_on(async {
            let blob = Blob::new(&pattern(100_000));
            let mut body = blob.get(&HeaderMap::new()).await.into_body();
            body.carry(carriage);
            blob.leave_memory();
            // The only blocking thread is held, so the read cannot have happened when the poll returns.
            let (release, held) = std::sync::mpsc::channel::<()>();
            let holder = tokio::task::spawn_blocking(move || held.recv());
            let mut context = Context::from_waker(Waker::noop());
            assert!(std::pin::Pin::new(&mut body).poll_frame(&mut context).is_pending());
            release.send(()).unwrap();
            holder.await.unwrap().unwrap();
            assert!(body.collect().await.unwrap().to_bytes() == pattern(100_000));
        });
    }
}
