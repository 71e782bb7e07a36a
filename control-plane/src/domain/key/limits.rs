//! The limits of the key that gives a command: what it makes or takes over must be at least as limited, or a key for an
//! hour, from one address, would make itself one for ever, from everywhere.

use common::limit::RequestsPerMinute;
use common::network::Allowlist;
use common::policy::KeyPolicy;
use common::time::Timestamp;

/// Until when, from where and how often a key may be used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// `None` = for ever.
    pub expires_at: Option<Timestamp>,
    /// Empty = from everywhere.
    pub allowlist: Allowlist,
    /// `None` = as often as it likes.
    pub rate_limit: Option<RequestsPerMinute>,
}

impl Limits {
    /// Those of a key.
    #[must_use]
    pub fn of(key: &KeyPolicy) -> Self {
        Self { expires_at: key.expires_at, allowlist: key.allowlist.clone(), rate_limit: key.rate_limit }
    }

    /// Whether `other` is nowhere wider.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let ends = self.expires_at.is_none_or(|end| other.expires_at.is_some_and(|other| other <= end));
        let own = self.allowlist.networks();
        let within = |network| own.iter().any(|known| known.contains(network));
        let others = other.allowlist.networks();
        let stays = own.is_empty() || (!others.is_empty() && others.iter().all(within));
        let rate = |limit: RequestsPerMinute| limit.get();
        let paced =
            self.rate_limit.is_none_or(|most| other.rate_limit.is_some_and(|r| rate(r) <= rate(most)));
        ends && stays && paced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(end: Option<i64>, networks: &[&str], rate: u32) -> Limits {
        Limits {
            expires_at: end.map(Timestamp::from_millis),
            allowlist: Allowlist::parse(networks.iter().copied()).unwrap(),
            rate_limit: RequestsPerMinute::new(rate),
        }
    }

    #[test]
    fn a_limited_key_covers_what_is_at_least_as_limited() {
        let own = limits(Some(100), &["10.0.0.0/8"], 60);
        assert!(own.cover(&own));
        assert!(own.cover(&limits(Some(99), &["10.1.0.0/16", "10.2.3.4"], 1)));
        assert!(Limits::default().cover(&own));
        for wider in [
            Limits::default(),
            limits(None, &["10.0.0.0/8"], 60),
            limits(Some(101), &["10.0.0.0/8"], 60),
            limits(Some(100), &[], 60),
            limits(Some(100), &["10.0.0.0/7"], 60),
            limits(Some(100), &["10.0.0.1", "192.0.2.1"], 60),
            limits(Some(100), &["10.0.0.0/8"], 61),
            limits(Some(100), &["10.0.0.0/8"], 0),
        ] {
            assert!(!own.cover(&wider), "{wider:?}");
        }
    }
}
