//! Where a running system is reached, and by whom.

use crate::admin::Admin;
use crate::client::Client;

/// The addresses of a system, and its first admin key.
#[derive(Clone, Debug)]
pub struct Doors {
    /// Base URL of the control plane.
    pub desk: String,
    /// Base URLs of the edges.
    pub edges: Vec<String>,
    /// With all scopes.
    pub admin_key: String,
}

impl Doors {
    /// The vendor, through an edge.
    #[must_use]
    pub fn admin(&self, edge: usize) -> Admin {
        Admin(self.client(edge, &self.admin_key))
    }

    /// The vendor, at the control plane itself.
    #[must_use]
    pub fn at_desk(&self) -> Admin {
        Admin(Client::new(&self.desk, Some(&self.admin_key)))
    }

    /// Somebody with a key, through an edge.
    #[must_use]
    pub fn client(&self, edge: usize, key: &str) -> Client {
        Client::new(&self.edges[edge], Some(key))
    }

    /// Somebody without any key.
    #[must_use]
    pub fn stranger(&self, edge: usize) -> Client {
        Client::new(&self.edges[edge], None)
    }
}
