//! What a key may do: scopes, and the named sets that people choose from.

use std::fmt;
use std::str::FromStr;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        /// One right. Every route of the route table names the one it needs.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Scope { $($(#[$doc])* $name = $bit,)* }

        impl Scope {
            /// All scopes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The scope's name in the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

scopes! {
    /// List applications, versions and files.
    AppsRead = 0, "apps:read";
    /// Download.
    DownloadsRead = 1, "downloads:read";
    /// Upload files, and nothing else.
    UploadsWrite = 2, "uploads:write";
    /// Create, change and delete applications and versions.
    AppsWrite = 3, "apps:write";
    /// Read customers.
    CustomersRead = 4, "customers:read";
    /// Create and change customers.
    CustomersWrite = 5, "customers:write";
    /// Read keys (never their secrets).
    KeysRead = 6, "keys:read";
    /// Create, change, rotate and delete keys.
    KeysWrite = 7, "keys:write";
    /// Read who uploaded and downloaded what.
    ActivityRead = 8, "activity:read";
    /// Read the audit log.
    AuditRead = 9, "audit:read";
    /// Make and restore backups.
    BackupsWrite = 10, "backups:write";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no scope.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "'{0}' is not a scope; scopes are apps:read downloads:read uploads:write apps:write customers:read customers:write keys:read keys:write activity:read audit:read backups:write"
)]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let named = Self::ALL.iter().copied().find(|scope| scope.as_str() == text);
        named.ok_or_else(|| UnknownScope(text.chars().take(64).collect()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Scopes(u16);

impl Scopes {
    /// Everything (preset `full`).
    #[must_use]
    pub fn full() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// What a customer's key may do (preset `customer`).
    #[must_use]
    pub fn customer() -> Self {
        [Scope::AppsRead, Scope::DownloadsRead].into_iter().collect()
    }

    /// The preset of that name: `full`, `read-only`, `publisher`, `customer`.
    #[must_use]
    pub fn preset(name: &str) -> Option<Self> {
        match name {
            "full" => Some(Self::full()),
            "read-only" => {
                Some(Scope::ALL.iter().copied().filter(|s| s.as_str().ends_with(":read")).collect())
            }
            "publisher" => Some([Scope::UploadsWrite].into_iter().collect()),
            "customer" => Some(Self::customer()),
            _ => None,
        }
    }

    /// True when `scope` is in the set.
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    /// True when every scope of `other` is in this set.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The scopes in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_hold_what_the_contract_says() {
        let names =
            |preset: &str| Scopes::preset(preset).unwrap().iter().map(Scope::as_str).collect::<Vec<_>>();
        assert_eq!(names("customer"), ["apps:read", "downloads:read"]);
        assert_eq!(names("publisher"), ["uploads:write"]);
        assert_eq!(
            names("read-only"),
            ["apps:read", "downloads:read", "customers:read", "keys:read", "activity:read", "audit:read"]
        );
        assert_eq!(names("full").len(), Scope::ALL.len());
        assert_eq!(Scopes::preset("root"), None);
    }
}
