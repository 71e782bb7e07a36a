//! How an answer with bytes of a file ended: what of it was handed over, told exactly once, whether it came to its end,
//! the client left or the server stopped. Handed over is what the kernel took, or TLS and HTTP/2 on its way there.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use common::id::{ApplicationId, CustomerId, FileId, KeyId, TenantId, VersionName};
use common::time::Timestamp;
use common::wire::v1::event::Carrier;
use smallvec::SmallVec;

use crate::caps::Place;
use crate::transfers::{Running, Transfer};

/// What an answer was for: known before its first byte, told after its last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Errand {
    pub tenant: TenantId,
    /// The key that asked, or that lent the link.
    pub key: KeyId,
    pub customer: Option<CustomerId>,
    pub application: ApplicationId,
    pub version: VersionName,
    pub file: FileId,
    pub file_name: Arc<str>,
    /// Bytes of the whole file.
    pub file_size: u64,
    pub carrier: Carrier,
    pub address: IpAddr,
    pub user_agent: Option<String>,
    pub request_id: Arc<str>,
    pub began_at: Timestamp,
}

/// First byte, and the one after the last, of each piece of a file that was handed over: mostly one.
pub type Sent = SmallVec<[(u64, u64); 1]>;

/// An errand that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub errand: Errand,
    /// In the order of sending.
    pub sent: Sent,
    /// All that the answer promised was handed over.
    pub completed: bool,
}

/// Who is told.
pub trait Witness: Send + Sync + 'static {
    /// So many bytes of a file were handed over, by an answer that goes on.
    fn handed_over(&self, bytes: u64);

    /// An answer ended. Called where a body is dropped: it must neither block nor panic.
    fn ended(&self, receipt: Receipt);
}

/// What is written down while a body is sent.
pub struct Slip {
    errand: Errand,
    sent: Sent,
    witness: Arc<dyn Witness>,
    /// Given back at the end.
    place: Option<Place>,
    running: Option<Running>,
}

impl Slip {
    pub fn new(errand: Errand, witness: Arc<dyn Witness>) -> Self {
        Self { errand, sent: Sent::new(), witness, place: None, running: None }
    }

    /// The same, with the place that the transfer takes.
    #[must_use]
    pub fn holding(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// The same of a transfer that runs until this is told.
    #[must_use]
    pub fn with(self, running: Option<Running>) -> Self {
        Self { running, ..self }
    }

    pub(super) fn transfer(&self) -> Option<Arc<Transfer>> {
        self.running.as_ref().map(|running| running.transfer().clone())
    }

    /// Bytes of the file from `from` up to `to` were handed over.
    fn note(&mut self, from: u64, to: u64) {
        match self.sent.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ => self.sent.push((from, to)),
        }
        self.witness.handed_over(to.saturating_sub(from));
    }

    fn end(self, completed: bool) {
        let Self { errand, sent, witness, place, .. } = self;
        drop(place);
        witness.ended(Receipt { errand, sent, completed });
    }
}

/// A slip shared by a body and those of its chunks that are still on their way: it ends with the last of them.
pub(super) struct Tally(Mutex<Open>);

struct Open {
    /// There until the end.
    slip: Option<Slip>,
    /// Bytes of the answer that were not handed over yet.
    left: u64,
}

impl Tally {
    /// For an answer of `length` bytes.
    pub(super) fn new(slip: Slip, length: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Open { slip: Some(slip), left: length })))
    }

    /// So many more bytes were handed over: those of the file from `from` on, or framing.
    pub(super) fn note(&self, from: Option<u64>, count: u64) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.left = open.left.saturating_sub(count);
        if let (Some(slip), Some(from), 1..) = (&mut open.slip, from, count) {
            slip.note(from, from + count);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let open = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(slip) = open.slip.take() {
            slip.end(open.left == 0);
        }
    }
}

impl std::fmt::Debug for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tally")
    }
}
