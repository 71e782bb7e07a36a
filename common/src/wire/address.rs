//! Names: of records, of their buckets, and of the keys under which they lie in Redis.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::id::{ApplicationId, CustomerId, KeyId, SessionId, TenantId, VersionName};
use crate::tier::TierName;
use crate::wire::Unreadable;

/// The name of one record, unique in the system. Written `kind:part/part`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Address {
    /// `tenant:{tenant}`
    Tenant(TenantId),
    /// `tier:{tenant}/{name}`
    Tier(TenantId, TierName),
    /// `customer:{tenant}/{customer}`
    Customer(TenantId, CustomerId),
    /// `application:{tenant}/{application}`
    Application(TenantId, ApplicationId),
    /// `version:{tenant}/{application}/{version}`
    Version(TenantId, ApplicationId, VersionName),
    /// `key:{key}`
    Key(KeyId),
    /// `session:{session}`
    Session(SessionId),
}

/// The number of buckets; a record lies in the one that the first byte of its address's SHA-256 names.
pub const BUCKETS: usize = 256;

impl Address {
    /// The bucket that the record lies in.
    #[must_use]
    pub fn bucket(&self) -> u8 {
        Digest::of(self.to_string().as_bytes()).0[0]
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
            Self::Tier(tenant, name) => write!(f, "tier:{tenant}/{name}"),
            Self::Customer(tenant, id) => write!(f, "customer:{tenant}/{id}"),
            Self::Application(tenant, id) => write!(f, "application:{tenant}/{id}"),
            Self::Version(tenant, application, name) => write!(f, "version:{tenant}/{application}/{name}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

impl FromStr for Address {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        parse(text).ok_or(Unreadable::new("address"))
    }
}

fn parse(text: &str) -> Option<Address> {
    let (kind, rest) = text.split_once(':')?;
    let mut parts = rest.split('/');
    let mut next = || parts.next();
    let tenant = |text: Option<&str>| text?.parse::<TenantId>().ok();
    let address = match kind {
        "tenant" => Address::Tenant(tenant(next())?),
        "tier" => Address::Tier(tenant(next())?, next()?.parse().ok()?),
        "customer" => Address::Customer(tenant(next())?, next()?.parse().ok()?),
        "application" => Address::Application(tenant(next())?, next()?.parse().ok()?),
        "version" => Address::Version(tenant(next())?, next()?.parse().ok()?, next()?.parse().ok()?),
        "key" => Address::Key(next()?.parse().ok()?),
        "session" => Address::Session(next()?.parse().ok()?),
        _ => return None,
    };
    if next().is_none() { Some(address) } else { None }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

/// The Redis key of the signed head.
pub const HEAD: &str = "tidegate:v1:head";

/// The Redis key of the stream of edges' reports.
pub const REPORTS: &str = "tidegate:v1:reports";

/// The Redis key of the stream of edges' acknowledgements.
pub const ACKS: &str = "tidegate:v1:acks";

/// The Redis key of a bucket's bytes.
#[must_use]
pub fn bucket_key(digest: &Digest) -> String {
    format!("tidegate:v1:bucket:{digest}")
}

/// The Redis key of the stream of change batches of an epoch.
#[must_use]
pub fn changes_key(epoch: u64) -> String {
    format!("tidegate:v1:{epoch}:changes")
}

/// The Redis key of the stream of denials of an epoch.
#[must_use]
pub fn denials_key(epoch: u64) -> String {
    format!("tidegate:v1:{epoch}:denials")
}

/// The Redis key that names the memory of the arbiter: when it began.
pub const ARBITER: &str = "tidegate:v1:arbiter";

/// The Redis key of the edges that are there.
pub const EDGES: &str = "tidegate:v1:edges";

/// The Redis key of what all edges spent of a key's minute.
#[must_use]
pub fn minute_key(key: &KeyId) -> String {
    format!("tidegate:v1:minute:{key}")
}

/// The Redis key of a customer's transfers on all edges.
#[must_use]
pub fn places_key(tenant: TenantId, customer: &CustomerId) -> String {
    format!("tidegate:v1:places:{tenant}/{customer}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_itself() {
        let tenant = "14632221-b1b6-4eec-844a-39f60c7f1523";
        for text in [
            format!("tenant:{tenant}"),
            format!("tier:{tenant}/Premium"),
            format!("customer:{tenant}/cust_abc123"),
            format!("application:{tenant}/my-app"),
            format!("version:{tenant}/my-app/1.0.0+b"),
            "key:key_1".to_owned(),
            "session:ses_1".to_owned(),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for wrong in ["", "key:", "key:a/b", "door:1", "tenant:1", "version:x/y/z"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
