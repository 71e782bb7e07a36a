//! How many sockets and files a process may have open. Shells and service managers start programs with a low limit for the
//! sake of `select(2)`, which nobody here calls, and a high one that each may take by itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside connections: blobs that are held open, the replica, the way to the bus and the control plane.
const OTHERS: u64 = 5_000;

/// Takes what the process may have, tells how much that is, and warns when it is not enough for so many connections.
pub fn raise_descriptors(most_connections: usize) {
    let Rlimit { current: low, maximum: high } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: high, maximum: high });
    // No limit at all is more than any number.
    let limit = if raised.is_ok() { high } else { low }.unwrap_or(u64::MAX);
    tracing::info!(limit, "descriptors");
    let wanted = most_connections as u64 + OTHERS;
    if limit < wanted {
        tracing::warn!(
            limit,
            wanted,
            "fewer descriptors than connections: raise LimitNOFILE, or lower max_connections"
        );
    }
}
