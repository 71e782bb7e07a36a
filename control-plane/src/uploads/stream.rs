//! A raw body of an announced size, on its way into a receiver.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use crate::uploads::parts::Parts;
use crate::uploads::sealed::Sealed;
use crate::uploads::{Blobs, PIECE};

/// Why a body did not become a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    /// More bytes came than were announced.
    #[error("more bytes came than were announced")]
    TooLong,
    /// The body ended, whole, before the announced size.
    #[error("{received} bytes came, fewer than were announced")]
    TooShort {
        /// So many were announced.
        declared: u64,
        /// So many came.
        received: u64,
    },
    /// The connection broke.
    #[error("the body broke off")]
    Broken,
    /// The bytes could not be written.
    #[error("the bytes cannot be written: {0}")]
    Disk(#[from] object_store::Error),
    /// The same of a part.
    #[error("the bytes cannot be written: {0}")]
    File(#[from] std::io::Error),
}

/// A part may stand still for so long.
const STANDSTILL: Duration = Duration::from_secs(20);

/// Receives exactly `size` bytes. Cancel-safe: dropped half way, nothing stays.
pub(crate) async fn receive_exactly<E>(
    blobs: &Blobs,
    body: impl Stream<Item = Result<Bytes, E>>,
    size: u64,
) -> Result<Sealed, Interrupted> {
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
        return Err(Interrupted::TooShort { declared: size, received: receiver.size() });
    }
    Ok(receiver.seal().await?)
}

/// Adds a body to the parts of an upload that has `size` bytes when it is whole. What came before the body broke off,
/// stood still or became too long stays, durably.
pub(crate) async fn receive_part<E>(
    parts: &mut Parts,
    body: impl Stream<Item = Result<Bytes, E>>,
    size: u64,
) -> Result<(), Interrupted> {
    let mut body = std::pin::pin!(body);
    let mut piece = BytesMut::with_capacity(PIECE);
    let ended = loop {
        // Who comes back to go on must find the place free, though the connection before was never closed.
        match tokio::time::timeout(STANDSTILL, body.next()).await {
            Ok(None) => break Ok(()),
            Ok(Some(Err(_))) | Err(_) => break Err(Interrupted::Broken),
            Ok(Some(Ok(bytes))) => {
                if parts.size() + (piece.len() + bytes.len()) as u64 > size {
                    break Err(Interrupted::TooLong);
                }
                piece.extend_from_slice(&bytes);
            }
        }
        if piece.len() >= PIECE {
            parts.write(&piece.split().freeze()).await?;
        }
    };
    parts.write(&piece.freeze()).await?;
    parts.sync().await?;
    ended
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    async fn check(pieces: Vec<Result<Bytes, ()>>, size: u64) -> Result<u64, String> {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let outcome = receive_exactly(&blobs, stream::iter(pieces), size).await;
        let visible = || root.path().read_dir().unwrap().count() - 1;
        assert_eq!(visible(), 0, "nothing has a name by itself");
        let sealed = outcome.map_err(|e| e.to_string())?;
        let size = sealed.blob.size;
        sealed.name().await.unwrap();
        assert_eq!(visible(), 1);
        Ok(size)
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

    #[tokio::test]
    async fn what_came_of_a_part_stays() {
        let root = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(root.path()).unwrap();
        let id = "upl_1".parse().unwrap();
        let piece = |size: usize| Ok::<_, ()>(Bytes::from(vec![1; size]));
        let bodies = [
            (vec![piece(2 * PIECE), piece(1), Err(())], false, 2 * PIECE + 1),
            (vec![piece(5), piece(PIECE)], false, 2 * PIECE + 6),
            (vec![piece(4)], true, 2 * PIECE + 10),
        ];
        for (pieces, is_whole, size) in bodies {
            let mut parts = blobs.go_on(&id).await.unwrap().unwrap();
            let outcome = receive_part(&mut parts, stream::iter(pieces), 2 * PIECE as u64 + 10).await;
            drop(parts);
            let there = blobs.size_of_parts(&id).await.unwrap();
            assert_eq!((outcome.is_ok(), there), (is_whole, size as u64));
        }
        let whole = blobs.go_on(&id).await.unwrap().unwrap().seal().await.unwrap();
        assert_eq!(whole.blob.digest, common::digest::Digest::of(&vec![1; 2 * PIECE + 10]));
    }
}
