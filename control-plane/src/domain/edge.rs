//! Edges: what the vendor decides about one that is silent.

use common::time::Timestamp;

use super::change::{Change, Row};
use super::{Context, Refusal};

/// What is known of an edge that is to be removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its name.
    pub id: String,
    /// The last write that it was known to have applied.
    pub sequence: u64,
    /// When it was last heard of.
    pub last_seen: Timestamp,
}

/// Decides that nobody waits for an edge any more, until it speaks again.
///
/// # Errors
/// When none of that name is known.
pub fn remove(known: Option<&Known>, context: &Context) -> Result<Change, Refusal> {
    let known = known.ok_or(Refusal::UnknownEdge)?;
    let mut change = Change::default();
    let was = vec![("sequence", known.sequence.to_string()), ("lastSeen", known.last_seen.to_string())];
    change.audit(context, "edge.remove", format!("edge:{}", known.id), (was, vec![]));
    change.rows.push(Row::ForgetEdge(known.id.clone()));
    Ok(change)
}
