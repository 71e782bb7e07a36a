//! The edges that the desk knew when it last ran.

use common::time::Timestamp;
use common::wire::Position;

/// What is kept of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptEdge {
    /// Its name.
    pub id: String,
    /// Of its program.
    pub version: String,
    /// Its start, Unix milliseconds.
    pub started_at: u64,
    /// Of its last acknowledgement.
    pub number: u64,
    /// How far it had come with that.
    pub position: Position,
    /// When it was first heard of.
    pub first_seen: Timestamp,
    /// And last, to the minute.
    pub last_seen: Timestamp,
}
