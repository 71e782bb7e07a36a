//! The audit: what was done, by whom, as it was written.

use async_trait::async_trait;
use common::id::{KeyId, TenantId};
use common::time::Timestamp;

use super::{Listed, Slice, StoreFault};

/// One line of the audit, as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditLine {
    /// Where it stands: lines grow with time.
    pub row: i64,
    /// When.
    pub at: Timestamp,
    /// The key that did it; `None`: the operator.
    pub actor: Option<KeyId>,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// What changed, as it was: a JSON object.
    pub before: String,
    /// What changed, as it is: a JSON object.
    pub after: String,
    /// From where.
    pub address: Option<String>,
    /// In which request.
    pub request_id: String,
}

/// Which lines of the audit are wanted; what is absent narrows nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditQuestion {
    /// This was done.
    pub action: Option<String>,
    /// To one of these.
    pub targets: Option<Vec<String>>,
    /// By this key, or by the operator.
    pub actor: Option<Option<KeyId>>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
}

/// Questions about the audit.
#[async_trait]
pub trait Audit {
    /// Newest first.
    async fn audit(&mut self, tenant: TenantId, slice: Slice) -> Result<Listed<AuditLine>, StoreFault> {
        self.audit_of(tenant, &AuditQuestion::default(), None, slice).await
    }
    /// The same, narrowed; what comes after a line, or all.
    async fn audit_of(
        &mut self,
        tenant: TenantId,
        question: &AuditQuestion,
        after: Option<i64>,
        slice: Slice,
    ) -> Result<Listed<AuditLine>, StoreFault>;
}
