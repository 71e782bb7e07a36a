//! What happened: uploads, which are decided here, and downloads, which edges report.

use std::net::IpAddr;

use common::catalog::File;
use common::id::{ActivityId, ApplicationId, CustomerId, FileId, KeyId, TenantId, VersionName};
use common::time::Timestamp;
use common::wire::v1::event::Carrier;

use super::Context;
use super::version::Version;

/// Which way the bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActivityKind {
    /// From the vendor.
    Upload,
    /// To somebody.
    Download,
}

impl ActivityKind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// One upload or download. What its names named may be gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Activity {
    /// The same for the same event, however often it is told.
    pub id: ActivityId,
    /// Whose.
    pub tenant: TenantId,
    /// Which way.
    pub kind: ActivityKind,
    /// When the request came.
    pub at: Timestamp,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Of which application.
    pub application: ApplicationId,
    /// Of which version.
    pub version: VersionName,
    /// Which file.
    pub file: FileId,
    /// Its name.
    pub file_name: String,
    /// Its whole size in bytes.
    pub file_size: u64,
    /// The pieces that went over: first byte, and the one after the last.
    pub sent: Vec<(u64, u64)>,
    /// Bytes that went over.
    pub bytes: u64,
    /// Everything that was asked for went over.
    pub completed: bool,
    /// Whose download.
    pub customer: Option<CustomerId>,
    /// By which key; none for the operator.
    pub key: Option<KeyId>,
    /// By what right, for a download.
    pub carrier: Option<Carrier>,
    /// The other end.
    pub address: Option<IpAddr>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// In which request.
    pub request_id: String,
}

impl Activity {
    /// The upload that added a file to a version.
    pub(super) fn upload(version: &Version, file: &File, context: &Context) -> Self {
        Self {
            id: ActivityId::of(file.id.as_str()),
            tenant: context.tenant,
            kind: ActivityKind::Upload,
            at: context.now,
            ended_at: context.now,
            application: version.application.clone(),
            version: version.facts.name.clone(),
            file: file.id.clone(),
            file_name: file.name.clone(),
            file_size: file.size,
            sent: vec![(0, file.size)],
            bytes: file.size,
            completed: true,
            customer: None,
            key: context.actor.key.clone(),
            carrier: None,
            address: context.actor.address,
            user_agent: None,
            request_id: context.actor.request_id.clone(),
        }
    }
}
