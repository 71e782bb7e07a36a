//! Whether a system works for one vendor or for several: the same rule on both planes.

use std::fmt;
use std::str::FromStr;

use crate::key::Owner;

/// For how many vendors a system works. Written `single` or `multi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tenancy {
    /// One, made at the first start. Its keys are also taken as bare secrets.
    #[default]
    Single,
    /// Any number, made by the operator. A key names its tenant, or its customer.
    Multi,
}

/// Text that is neither of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be single or multi")]
pub struct UnknownTenancy;

impl Tenancy {
    /// Whether a key may name `owner`, which for bare secrets is nobody. Asked before any look-up: the answer tells
    /// nothing about the key.
    #[must_use]
    pub fn takes(self, owner: Owner<'_>) -> bool {
        self == Self::Single || owner != Owner::Nobody
    }
}

impl fmt::Display for Tenancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single => "single",
            Self::Multi => "multi",
        })
    }
}

impl FromStr for Tenancy {
    type Err = UnknownTenancy;

    fn from_str(text: &str) -> Result<Self, UnknownTenancy> {
        [Self::Single, Self::Multi].into_iter().find(|one| one.to_string() == text).ok_or(UnknownTenancy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_vendor_lets_keys_come_without_a_name() {
        let tenant = Owner::Tenant("14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap());
        for (owner, multi) in [(tenant, true), (Owner::Customer("cust_1"), true), (Owner::Nobody, false)] {
            assert!(Tenancy::Single.takes(owner));
            assert_eq!(Tenancy::Multi.takes(owner), multi, "{owner:?}");
        }
    }

    #[test]
    fn a_tenancy_reads_back_as_itself() {
        for tenancy in [Tenancy::Single, Tenancy::Multi] {
            assert_eq!(tenancy.to_string().parse(), Ok(tenancy));
        }
        assert_eq!("Multi".parse::<Tenancy>(), Err(UnknownTenancy));
    }
}
