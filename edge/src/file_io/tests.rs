//! Real files, real sockets.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use rustix::fs::{Advice, fadvise};

use super::*;

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// What arrives when all of `slices` is written, as hyper does it: what was taken is left away the next time.
fn arrives(slices: &[&[u8]], cannot: &AtomicBool) -> Vec<u8> {
    let (ours, mut theirs) = sockets();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).unwrap();
            got
        });
        let mut left: Vec<&[u8]> = slices.to_vec();
        while !left.is_empty() {
            let vector: Vec<_> = left.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut taken = match send::send_unless(cannot, &ours, &vector) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                sent => sent.unwrap(),
            };
            while let Some(first) = left.first_mut() {
                let part = taken.min(first.len());
                (*first, taken) = (&first[part..], taken - part);
                if !first.is_empty() {
                    break;
                }
                left.remove(0);
            }
        }
        drop(ours);
        reader.join().unwrap()
    })
}

#[test]
fn slices_of_a_mapping_are_sent_from_the_file_and_what_is_around_them_from_memory() {
    let bytes = pattern(3_000_000);
    let mapping = Mapping::new(file_of(&bytes)).unwrap();
    let slices =
        [b"head".as_slice(), &mapping.bytes()[70_001..2_900_003], b"--", &mapping.bytes()[5..9], b"end"];
    let expected = [b"head".as_slice(), &bytes[70_001..2_900_003], b"--", &bytes[5..9], b"end"].concat();
    let before = sent_from_files();
    assert!(arrives(&slices, &AtomicBool::new(false)) == expected);
    let by_files = sent_from_files() - before;
    assert!(by_files >= 2_900_003 - 70_001 - (32 << 10), "{by_files}");
    // Where the kernel cannot, the very same slices are written from memory.
    assert!(arrives(&slices, &AtomicBool::new(true)) == expected);
}

#[test]
fn a_file_that_was_cut_is_an_error_and_not_a_signal() {
    let file = file_of(&pattern(1_000_000));
    let mapping = Mapping::new(file.try_clone().unwrap()).unwrap();
    file.set_len(100_000).unwrap();
    for (cannot, kind) in [(false, io::ErrorKind::UnexpectedEof), (true, io::ErrorKind::Other)] {
        let (ours, theirs) = sockets();
        let slice = [IoSlice::new(&mapping.bytes()[200_000..])];
        let error = send::send_unless(&AtomicBool::new(cannot), &ours, &slice).unwrap_err();
        let kept = kind == io::ErrorKind::Other || error.kind() == kind;
        assert!(kept && error.kind() != io::ErrorKind::WouldBlock, "{error}");
        drop(theirs);
    }
}

#[test]
fn a_mapping_is_known_while_it_lives_and_nothing_else_is_taken_for_one() {
    let bytes = pattern(100_000);
    let mapping = Mapping::new(file_of(&bytes)).unwrap();
    let heap = bytes.clone();
    assert!(Mapping::of(&heap).is_none());
    drop(mapping);
    let others: Vec<_> = (0..50).map(|_| Mapping::new(file_of(&bytes)).unwrap()).collect();
    for other in &others {
        let (found, at) = Mapping::of(&other.bytes()[7..]).unwrap();
        assert!(std::sync::Arc::ptr_eq(&found, other) && at == 7);
    }
    assert!(Mapping::of(&heap).is_none());
}

proptest! {
    #[test]
    fn any_part_of_a_mapping_is_found_at_its_place(from in 0usize..200_000, length in 1usize..200_000) {
        let mapping = Mapping::new(file_of(&pattern(200_000))).unwrap();
        let to = (from + length).min(200_000);
        let (found, at) = Mapping::of(&mapping.bytes()[from..to]).unwrap();
        prop_assert!(std::sync::Arc::ptr_eq(&found, &mapping));
        prop_assert_eq!(at, from as u64);
    }
}

#[test]
fn what_left_the_page_cache_is_not_resident_until_it_is_fetched() {
    let bytes = pattern(3_000_000);
    let file = file_of(&bytes);
    assert!(is_resident(&file, 0, 3_000_000));
    file.sync_all().unwrap();
    // The kernel leaves what another core has just touched: until that is over it is asked again.
    let began = std::time::Instant::now();
    while (0..3_000_000).step_by(4_096).any(|at| is_resident(&file, at, at + 1)) {
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "the file stays in memory");
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        std::thread::yield_now();
    }
    assert!(!is_resident(&file, 0, 3_000_000) && !is_resident(&file, 2_999_999, 3_000_000));
    assert!(read_now(Buffer::take(10), &file, 1_000_000).is_err());
    make_resident(&file, 1_000_001, 2_000_001).unwrap();
    assert!(is_resident(&file, 1_000_001, 2_000_001) && !is_resident(&file, 0, 1_000_001));
    let read = read_now(Buffer::take(10), &file, 1_500_000).unwrap();
    assert_eq!(read.as_ref(), &bytes[1_500_000..1_500_010]);
    let error = make_resident(&file, 2_999_000, 3_000_001).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_buffer_that_is_used_again_shows_nothing_of_before() {
    let (long, short) = (file_of(&[b'x'; 200_000]), file_of(b"short"));
    for _ in 0..100 {
        let full = Buffer::take(u64::MAX).fill(&long, 0).unwrap();
        assert!(full.as_ref().iter().all(|byte| *byte == b'x') && full.as_ref().len() > 1_000);
        drop(full);
        assert_eq!(read_now(Buffer::take(1_000), &short, 0).unwrap().as_ref(), b"short");
        assert_eq!(Buffer::take(3).fill(&short, 1).unwrap().as_ref(), b"hor");
    }
}

#[test]
fn the_more_is_lent_the_smaller_is_what_is_lent_next() {
    assert_eq!(buffer::size_after(0), 128 << 10);
    assert_eq!(buffer::size_after((64 << 20) - 1), 128 << 10);
    assert_eq!(buffer::size_after(64 << 20), 64 << 10);
    assert_eq!(buffer::size_after(usize::MAX), 4 << 10);
    // What half a million stalled streams hold.
    let held = (0..500_000).fold(0, |lent, _| lent + buffer::size_after(lent));
    assert!(held < 2_400 << 20, "{held}");
}
