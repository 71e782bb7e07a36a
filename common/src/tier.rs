//! Tiers: ranked plans that say which versions a customer gets and how fast it may ask.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limit::RequestsPerMinute;

/// The name of a tier: 1 to 50 of `[A-Za-z0-9_-]`. `Standard` is another word for `Basic`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TierName(Arc<str>);

/// Text that cannot name a tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a tier is 1 to 50 characters of A-Z a-z 0-9 _ -, like Basic, Premium or Enterprise")]
pub struct InvalidTierName;

impl TierName {
    /// The tier of a customer nobody assigned one to.
    #[must_use]
    pub fn basic() -> Self {
        Self("Basic".into())
    }

    /// The text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TierName {
    type Err = InvalidTierName;

    fn from_str(text: &str) -> Result<Self, InvalidTierName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        match text {
            _ if text.eq_ignore_ascii_case("standard") => Ok(Self::basic()),
            _ if (1..=50).contains(&text.len()) && text.bytes().all(plain) => Ok(Self(text.into())),
            _ => Err(InvalidTierName),
        }
    }
}

impl Serialize for TierName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TierName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::deserialize(deserializer)
    }
}

/// One tier of a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tier {
    /// Its name, unique in the tenant.
    pub name: TierName,
    /// Higher sees more: a version that requires a tier is for customers of the same or a higher rank.
    pub rank: u32,
    /// The limit of keys that have none of their own; `None` = unlimited.
    pub rate_limit: Option<RequestsPerMinute>,
    /// Transfers at the same time, all edges together; `None` = unlimited.
    pub max_concurrent_downloads: Option<u32>,
    /// Bytes per second of all its transfers on an edge; `None` = unlimited.
    pub bytes_per_second: Option<u64>,
}

/// The tiers that a new tenant begins with.
#[must_use]
pub fn defaults() -> Vec<Tier> {
    let tier = |name: &str, rank, rpm| Tier {
        name: TierName(name.into()),
        rank,
        rate_limit: RequestsPerMinute::new(rpm),
        max_concurrent_downloads: None,
        bytes_per_second: None,
    };
    vec![tier("Basic", 10, 100), tier("Premium", 20, 500), tier("Enterprise", 30, 0)]
}
