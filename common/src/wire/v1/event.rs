//! What edges tell the desk: transfers as they ended, and how much each key was used, minute by minute.

mod written;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, CustomerId, FileId, KeyId, TenantId, VersionName};
use crate::mac::MacKeys;
use crate::time::Timestamp;

/// What an edge saw since it last spoke. `(edge, boot, number)` is unique: a report that arrives twice counts once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The edge's name.
    pub edge: String,
    /// When the edge began, Unix milliseconds: its numbers begin anew with it.
    pub boot: u64,
    /// Counts up from 0, without gaps.
    pub number: u64,
    /// Transfers that ended.
    pub transfers: Vec<Transfer>,
    /// What was used.
    pub usage: Vec<Usage>,
}

/// By what right bytes were sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// A key or session in the request.
    Key,
    /// A signed URL.
    Link,
    /// A share link.
    Share,
}

/// One answer with bytes of a file, when it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// When the request came.
    pub began_at: Timestamp,
    /// When the last byte was handed over, or the client went away.
    pub ended_at: Timestamp,
    /// Whose file.
    pub tenant: TenantId,
    /// The key that asked, or that lent the link.
    pub key: KeyId,
    /// Its customer; none for an admin's key.
    pub customer: Option<CustomerId>,
    /// The application.
    pub application: ApplicationId,
    /// The version.
    pub version: VersionName,
    /// The file.
    pub file: FileId,
    /// Its name.
    pub file_name: String,
    /// Its whole size in bytes.
    pub file_size: u64,
    /// The pieces of the file that were handed over: first byte, and the one after the last. In the order of sending.
    pub sent: Vec<(u64, u64)>,
    /// Everything that was asked for was handed over.
    pub completed: bool,
    /// By what right.
    pub carrier: Carrier,
    /// The client.
    pub address: IpAddr,
    /// What it calls itself, cut to 200 characters.
    pub user_agent: Option<String>,
    /// The request.
    pub request_id: String,
}

impl Transfer {
    /// Bytes that were handed over.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sent.iter().map(|(from, to)| to.saturating_sub(*from)).sum()
    }

    /// The whole file was handed over by this one answer.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.completed && self.bytes() >= self.file_size
    }
}

/// What a key did in a minute, as far as one report knows: sums over reports are the truth.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The beginning of the minute.
    pub minute: Timestamp,
    /// Whose key.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// The application that was asked for, when one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationId>,
    /// All requests, refused ones too.
    pub requests: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Refused or failed ones by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

impl Report {
    /// Its text, sealed for the desk. `None` without any key.
    #[must_use]
    pub fn seal(&self, keys: &MacKeys) -> Option<Vec<u8>> {
        keys.seal_bytes(written::write(self).ok()?)
    }

    /// What an edge of ours sealed; `None` for everything else.
    #[must_use]
    pub fn open(sealed: &[u8], keys: &MacKeys) -> Option<Self> {
        written::read(keys.open_bytes(sealed)?).ok()
    }
}
