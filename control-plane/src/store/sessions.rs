//! Questions about sessions.

use async_trait::async_trait;
use common::id::{CustomerId, KeyId, SessionId, TenantId};
use common::key::Holder;
use common::time::Timestamp;

use super::{Listed, Slice, StoreFault};
use crate::domain::session::{Count, Session};

/// Which sessions a list shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionFilter {
    /// Those of this key.
    pub key: Option<KeyId>,
    /// Those of this customer's keys.
    pub customer: Option<CustomerId>,
}

/// The questions.
#[async_trait]
pub trait Sessions {
    /// The session of that id, living or not.
    async fn session(&mut self, id: &SessionId) -> Result<Option<Session>, StoreFault>;
    /// The living session that this holder calls so.
    async fn session_of(
        &mut self,
        holder: &Holder,
        label: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreFault>;
    /// Those that live and whose key still has the secret that they were opened by, oldest first.
    async fn sessions(
        &mut self,
        tenant: TenantId,
        filter: &SessionFilter,
        now: Timestamp,
        slice: Slice,
    ) -> Result<Listed<Session>, StoreFault>;
    /// How many a key has.
    async fn count_sessions(&mut self, key: &KeyId, now: Timestamp) -> Result<Count, StoreFault>;
    /// Those that ended at `end` or before, at most `most`.
    async fn spent_sessions(&mut self, end: Timestamp, most: u64) -> Result<Vec<Session>, StoreFault>;
}
