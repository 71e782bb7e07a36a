//! A raw body of an announced size, on its way into a receiver.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use crate::uploads::{Blob, Blobs};

/// Why a body did not become a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    /// More bytes came than were announced.
    #[error("more bytes came than were announced")]
    TooLong,
    /// The body ended, whole, before the announced size.
    #[error("{0} bytes came, fewer than were announced")]
    TooShort(u64),
    /// The connection broke.
    #[error("the body broke off")]
    Broken,
    /// The bytes could not be written.
    #[error("the bytes cannot be written: {0}")]
    Disk(#[from] object_store::Error),
}

/// Receives exactly `size` bytes. Cancel-safe: dropped half way, nothing stays.
pub(crate) async fn receive_exactly<E>(
    blobs: &Blobs,
    body: impl Stream<Item = Result<Bytes, E>>,
    size: u64,
) -> Result<Blob, Interrupted> {
    let mut receiver = blobs.receive().await?;
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|_| Interrupted::Broken)?;
        if receiver.size() + piece.len() as u64 > size {
            return Err(Interrupted::TooLong);
        }
        receiver.write(piece).await?;
    }
    if receiver.size() < size {
        return Err(Interrupted::TooShort(receiver.size()));
    }
    Ok(receiver.keep().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn check(pieces: Vec<Result<Bytes, ()>>, size: u64) -> Result<u64, String> {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let outcome = receive_exactly(&blobs, stream::iter(pieces), size).await;
        let visible = root.path().read_dir().unwrap().count() - 1;
        assert_eq!(
            visible,
            usize::from(outcome.is_ok()),
            "a name is given to whole bytes and to nothing else"
        );
        outcome.map(|blob| blob.size).map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn only_a_body_of_the_announced_size_is_kept() {
        let piece = || Ok(Bytes::from_static(b"12345"));
        assert_eq!(check(vec![piece(), piece()], 10).await, Ok(10));
        for (pieces, size) in
            [(vec![piece()], 10), (vec![piece(), piece()], 9), (vec![piece(), Err(())], 10), (vec![], 1)]
        {
            assert!(check(pieces, size).await.is_err(), "{size}");
        }
    }
}
