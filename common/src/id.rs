//! Ids as newtypes: a customer's id cannot be passed where an application's is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::digest::Digest;

/// Text that does not have the form of the id it is meant to be; says the form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub &'static str);

/// A tenant: a vendor with applications, customers and keys of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl TenantId {
    /// A random one (UUID version 4).
    pub fn generate(rng: &mut impl Rng) -> Self {
        Self(random_uuid(rng))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        // Only the hyphenated form: the braced and the URN form would be two more names for one tenant.
        let parsed = if text.len() == 36 { Uuid::try_parse(text).ok() } else { None };
        parsed.map(Self).ok_or(InvalidId("a tenant id is a UUID"))
    }
}

fn random_uuid(rng: &mut impl Rng) -> Uuid {
    let mut bytes = [0u8; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// True for 1 to `most` characters of `[A-Za-z0-9]` and those in `marks`.
fn is_plain(text: &str, most: usize, marks: &[u8]) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $form:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.into())) } else { Err(InvalidId($form)) }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::deserialize(deserializer)
            }
        }
    };
}

macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        text_id! {
            $(#[$doc])* $name, |text| is_plain(text, 100, b"_-"),
            concat!("an id is 1 to 100 characters of A-Z a-z 0-9 _ -, like ", $prefix, "0b5c…")
        }

        impl $name {
            /// A new random one: the prefix and 128 random bits (UUID version 4) in hexadecimal.
            pub fn generate(rng: &mut impl Rng) -> Self {
                Self(format!(concat!($prefix, "{}"), random_uuid(rng).simple()).into())
            }
        }
    };
}

made_id!(
    /// An API key's public name: safe to log and to show, useless without the secret.
    KeyId, "key_"
);
made_id!(
    /// One uploaded version of an application, whatever its number.
    VersionId, "ver_"
);
made_id!(
    /// One file of a version.
    FileId, "file_"
);
made_id!(
    /// A large upload under way.
    UploadId, "upl_"
);
made_id!(
    /// One session: what a login opened.
    SessionId, "ses_"
);
made_id!(
    /// One backup of a tenant.
    BackupId, "backup_"
);
made_id!(
    /// One download URL that was issued.
    DownloadId, "dl_"
);
made_id!(
    /// One upload or download, as the activity tells it.
    ActivityId, "act_"
);
text_id!(
    /// A customer of a tenant, named by the tenant or by us.
    CustomerId, |text| is_plain(text, 100, b"_-"),
    "a customerId is 1 to 100 characters of A-Z a-z 0-9 _ -"
);
text_id!(
    /// An application of a tenant. This form also takes imported ids; new ones obey [`ApplicationId::parse_new`].
    ApplicationId, |text| is_plain(text, 100, b"_-"),
    "an applicationId is 1 to 100 characters of A-Z a-z 0-9 _ -"
);
text_id!(
    /// The number or name of a version within its application, like `2.1.0-beta+5`. Never `latest`: that is a question.
    VersionName, |text| is_plain(text, 50, b"._+-") && !matches!(text, "latest" | "." | ".."),
    "a version is 1 to 50 characters of A-Z a-z 0-9 . _ + -, and not 'latest', '.' or '..'"
);

impl ActivityId {
    /// The id of what has this name: told twice, it is the same activity.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let digest = Digest::of(name.as_bytes()).to_string();
        Self(format!("act_{}", digest.get(..32).unwrap_or(&digest)).into())
    }
}

impl CustomerId {
    /// A new random one, for customers whose vendor does not name them.
    pub fn generate(rng: &mut impl Rng) -> Self {
        Self(format!("cust_{}", random_uuid(rng).simple()).into())
    }
}

impl ApplicationId {
    /// The stricter form that a new application's id must have: it ends up in URLs and shell lines.
    ///
    /// # Errors
    /// When the text is not 3 to 50 of `[a-z0-9-]` with a letter or digit at both ends.
    pub fn parse_new(text: &str) -> Result<Self, InvalidId> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let ends = bytes.first().copied().is_some_and(plain) && bytes.last().copied().is_some_and(plain);
        if (3..=50).contains(&text.len()) && ends && bytes.iter().all(|b| plain(*b) || *b == b'-') {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId(
                "applicationId must be 3 to 50 characters of a-z 0-9 -, beginning and ending with a letter or digit",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_application_id_obeys_the_strict_form() {
        let check =
            |text: &str, valid: bool| assert_eq!(ApplicationId::parse_new(text).is_ok(), valid, "{text}");
        for good in ["my-app", "abc", "9to5", &"a".repeat(50)] {
            check(good, true);
        }
        for bad in ["", "ab", "A-b", "-abc", "abc-", "a_b", "a b", "a/b", "ümlaut", &"a".repeat(51)] {
            check(bad, false);
        }
    }

    #[test]
    fn a_version_may_be_anything_plain_but_latest() {
        let check =
            |text: &str, valid: bool| assert_eq!(text.parse::<VersionName>().is_ok(), valid, "{text}");
        for good in ["1.0.0", "v1", "2.0.0-enterprise", "1.0+meta", "1_0"] {
            check(good, true);
        }
        for bad in ["", "latest", ".", "..", "../1", "1 0", "1/0", &"1".repeat(51)] {
            check(bad, false);
        }
    }
}
