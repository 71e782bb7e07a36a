//! Answers that are kept, so that a request which is sent again is not done again.

use std::time::Duration;

use common::digest::Digest;
use common::time::Timestamp;

/// How long an answer is kept.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to a write, kept beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptAnswer {
    /// Of whose request it answers, and the name that he gave it.
    pub id: Digest,
    /// Of the request: one that differs is another one.
    pub fingerprint: Digest,
    /// Of the answer.
    pub status: u16,
    /// Its body, readable to who holds the credential of the request.
    pub sealed: Vec<u8>,
    /// When it was given.
    pub kept_at: Timestamp,
}

impl KeptAnswer {
    /// From when on it is forgotten.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.kept_at.plus(LIFETIME)
    }
}
