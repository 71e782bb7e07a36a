//! The signed text in the URL of a backup: for a while, and as long as the key that asked for it lives.

use std::time::Duration;

use common::id::{BackupId, TenantId};
use common::key::Holder;
use common::mac::MacKeys;
use common::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a URL leads to its backup.
pub(super) const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// The right to download one backup.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) tenant: TenantId,
    pub(super) backup: BackupId,
    pub(super) holder: Holder,
    pub(super) expires_at: Timestamp,
}

impl Ticket {
    /// The last segment of the URL. `None` without any secret.
    pub(super) fn seal(&self, keys: &MacKeys) -> Option<String> {
        keys.seal(&serde_json::to_vec(self).ok()?)
    }

    /// Reads the segment; `None` when we did not make it. Whether it is past its time is for the caller to see.
    pub(super) fn open(text: &str, keys: &MacKeys) -> Option<Self> {
        serde_json::from_slice(&keys.open(text)?).ok()
    }
}
