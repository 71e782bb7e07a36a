//! Questions about answers that were kept.

use async_trait::async_trait;
use common::digest::Digest;
use common::time::Timestamp;

use super::StoreFault;
use crate::domain::answer::KeptAnswer;

/// Questions about answers that were kept.
#[async_trait]
pub trait Answers {
    /// The answer of that id, unless it has expired.
    async fn kept_answer(&mut self, id: &Digest, now: Timestamp) -> Result<Option<KeptAnswer>, StoreFault>;
}
