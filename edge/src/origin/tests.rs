//! Files by digest, from a directory.

use super::*;

const BYTES: &[u8] = b"0123456789";

fn origin() -> (tempfile::TempDir, Origin) {
    let root = tempfile::tempdir().unwrap();
    let origin = Origin::new(root.path().to_owned(), 1 << 20);
    (root, origin)
}

fn path(root: &tempfile::TempDir) -> PathBuf {
    let path = root.path().join(Digest::of(BYTES).blob_path());
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    path
}

#[tokio::test]
async fn a_blob_is_found_by_its_digest() {
    let (root, origin) = origin();
    std::fs::write(path(&root), BYTES).unwrap();
    let file = origin.open(&Digest::of(BYTES), 10).await.unwrap().unwrap();
    assert_eq!((file.size(), file.digest()), (10, Digest::of(BYTES)));
    assert_eq!(file.read_exact(3, 6).unwrap(), "345");
    assert_eq!(file.read_exact(8, 11).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_no_fault() {
    let (_root, origin) = origin();
    assert!(origin.open(&Digest::of(BYTES), 10).await.unwrap().is_none());
}

#[tokio::test]
async fn a_blob_of_another_size_is_never_served() {
    let (root, origin) = origin();
    std::fs::write(path(&root), &BYTES[..9]).unwrap();
    let fault = origin.open(&Digest::of(BYTES), 10).await.unwrap_err();
    assert!(matches!(fault, OriginFault::WrongSize { expected: 10, found: 9, .. }), "{fault}");
}

#[tokio::test]
async fn what_is_not_a_file_is_never_served() {
    let (root, origin) = origin();
    std::fs::create_dir(path(&root)).unwrap();
    let fault = origin.open(&Digest::of(BYTES), 10).await.unwrap_err();
    assert!(matches!(fault, OriginFault::NotAFile { .. }), "{fault}");
    let other = Digest::of(b"other");
    std::fs::write(root.path().join(&other.to_string()[..2]), b"a file where a directory should be").unwrap();
    assert!(matches!(origin.open(&other, 1).await, Err(OriginFault::Unreadable { .. })));
}
