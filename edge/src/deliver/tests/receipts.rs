//! What is told of an answer when it ended: once, and exactly what of the file was handed over.

use proptest::prelude::*;

use super::*;
use crate::deliver::body::Carriage;

/// What is read at once.
const PIECE: usize = 128 * 1024;

impl Blob {
    /// The one receipt there is.
    fn receipt(&self) -> (Vec<(u64, u64)>, bool) {
        let receipts = self.notebook.receipts.lock().unwrap();
        assert_eq!(receipts.len(), 1, "{receipts:?}");
        assert_eq!(receipts[0].errand, errand(&self.object));
        let sent: u64 = receipts[0].sent.iter().map(|(from, to)| to - from).sum();
        assert_eq!(sent, *self.notebook.bytes.lock().unwrap());
        (receipts[0].sent.to_vec(), receipts[0].completed)
    }

    fn no_receipt(&self) {
        assert_eq!(*self.notebook.receipts.lock().unwrap(), []);
    }
}

#[tokio::test]
async fn what_was_handed_over_is_told_in_pieces_of_the_file_without_the_framing() {
    let check = async |range: &str, sent: &[(u64, u64)]| {
        let blob = Blob::new(&vec![7; 6 * PIECE + 17]);
        let headers = if range.is_empty() { HeaderMap::new() } else { request(&[("range", range)]) };
        drop(collect(blob.get(&headers).await).await);
        assert_eq!(blob.receipt(), (sent.to_vec(), true), "{range}");
    };
    let size = 6 * PIECE as u64 + 17;
    check("", &[(0, size)]).await;
    check("bytes=5-9", &[(5, 10)]).await;
    check("bytes=100-600000", &[(100, 600_001)]).await;
    check("bytes=-20", &[(size - 20, size)]).await;
    check("bytes=0-0, 10-19, 700000-700001", &[(0, 1), (10, 20), (700_000, 700_002)]).await;
    check("bytes=10-19,0-0", &[(10, 20), (0, 1)]).await;
}

#[tokio::test]
async fn an_answer_that_is_dropped_tells_what_it_came_to() {
    let blob = Blob::new(&vec![7; 3 * PIECE]);
    let mut body = blob.get(&HeaderMap::new()).await.into_body();
    take(body.frame().await.unwrap().unwrap(), &mut vec![]);
    blob.no_receipt();
    // Nobody takes this one.
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(blob.receipt(), (vec![(0, PIECE as u64)], false));

    let never_begun = Blob::new(b"0123456789");
    drop(never_begun.get(&HeaderMap::new()).await);
    assert_eq!(never_begun.receipt(), (vec![], false));
}

#[tokio::test]
async fn all_of_the_file_without_the_last_of_the_framing_is_not_complete() {
    let blob = Blob::new(b"0123456789");
    let mut body = blob.get(&request(&[("range", "bytes=0-1,5-6")])).await.into_body();
    for _ in 0..4 {
        take(body.frame().await.unwrap().unwrap(), &mut vec![]);
    }
    drop(body);
    assert_eq!(blob.receipt(), (vec![(0, 2), (5, 7)], false));
}

#[tokio::test]
async fn a_file_that_breaks_while_it_is_sent_is_not_complete() {
    let blob = Blob::new(&vec![7; 2 * PIECE]);
    let mut body = blob.get(&HeaderMap::new()).await.into_body();
    blob.cut_to(PIECE as u64 + 5);
    while let Ok(frame) = body.frame().await.unwrap() {
        take(frame, &mut vec![]);
    }
    drop(body);
    assert_eq!(blob.receipt(), (vec![(0, PIECE as u64 + 5)], false));
}

#[tokio::test]
async fn what_is_on_its_way_counts_byte_by_byte_as_it_is_taken() {
    let blob = Blob::new(&vec![7; 100_000]);
    let mut body = blob.get(&request(&[("range", "bytes=10-99999")])).await.into_body();
    body.carry(Carriage::Mapped);
    let mut chunk = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(http_body::Body::is_end_stream(&body) && chunk.remaining() == 99_990);
    drop(body);
    // The body has ended; what it handed out is still under way.
    chunk.advance(40_000);
    blob.no_receipt();
    drop(chunk);
    assert_eq!(blob.receipt(), (vec![(10, 40_010)], false));
}

#[tokio::test]
async fn a_file_of_no_bytes_is_sent_whole_and_an_answer_without_bytes_is_no_transfer() {
    let empty = Blob::new(b"");
    drop(empty.get(&HeaderMap::new()).await);
    assert_eq!(empty.receipt(), (vec![], true));

    let blob = Blob::new(b"0123456789");
    drop(blob.get(&request(&[("if-none-match", "*")])).await);
    match plan(&Method::HEAD, &HeaderMap::new(), &blob.object) {
        Plan::Head(head) => drop(head.into_response()),
        other => panic!("{other:?}"),
    }
    blob.no_receipt();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn bytes_told_are_bytes_handed_over_wherever_the_client_leaves(
        ranges in prop::collection::vec((0usize..700_000, 1usize..400_000), 0..4),
        frames in 0usize..12,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let bytes: Vec<u8> = (0..700_000u32).map(|i| (i % 251) as u8).collect();
            let blob = Blob::new(&bytes);
            let specs: Vec<_> = ranges.iter().map(|(from, length)| format!("{from}-{}", from + length)).collect();
            let line = format!("bytes={}", specs.join(","));
            let headers = if specs.is_empty() { HeaderMap::new() } else { request(&[("range", &line)]) };
            let mut body = blob.get(&headers).await.into_body();
            let mut got = Vec::new();
            for _ in 0..frames {
                let Some(frame) = body.frame().await else { break };
                take(frame.unwrap(), &mut got);
            }
            let ended = http_body::Body::is_end_stream(&body);
            drop(body);
            let (sent, completed) = blob.receipt();
            assert_eq!(completed, ended);
            // Each piece that is told stands in what the client has, in order, with nothing but framing between.
            let mut at = 0;
            for (from, to) in sent {
                let piece = &bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()];
                let found = got[at..].windows(piece.len()).position(|window| window == piece).unwrap();
                at += found + piece.len();
            }
            let framing = got.len() - usize::try_from(*blob.notebook.bytes.lock().unwrap()).unwrap();
            assert!(framing <= 1_000, "{framing}");
        });
    }
}
