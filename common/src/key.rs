//! The text of an API key: how it is written, told from junk, and reduced to the digest that is kept of it.

mod digests;

use rand::Rng;

use crate::digest::Digest;
use crate::id::TenantId;
use crate::secret::Secret;
pub use digests::{Digests, Holder, Previous, generation_of};

/// Whom a key speaks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The vendor: manages the tenant, within the key's scopes.
    Admin,
    /// A customer of the vendor: lists and downloads what it is entitled to.
    Customer,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Admin => "tg_adm_",
            Self::Customer => "tg_cus_",
        }
    }
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 30;
const CHECK: usize = 6;
/// Secrets that we did not make (imported ones) need at least this many characters.
const SHORTEST_IMPORTED: usize = 20;
const LONGEST: usize = 256;

/// A new secret: prefix, 30 random base62 characters (178 bits), and the CRC32 of all that in 6 more.
/// The check lets a typo, and junk from a scanner, be refused without any look-up.
pub fn generate(kind: Kind, rng: &mut impl Rng) -> Secret {
    let mut text = String::from(kind.prefix());
    while text.len() < kind.prefix().len() + RANDOM {
        // Rejection keeps the distribution even: 248 is the largest multiple of 62 in a byte.
        let mut byte = [0u8; 1];
        rng.fill_bytes(&mut byte);
        if let (true, Some(c)) = (byte[0] < 248, BASE62.get(usize::from(byte[0] % 62))) {
            text.push(char::from(*c));
        }
    }
    let check = check_text(&text);
    text.push_str(std::str::from_utf8(&check).unwrap_or_default());
    Secret::new(text)
}

/// CRC32 (IEEE) of `text` as 6 base62 digits, most significant first.
fn check_text(text: &str) -> [u8; CHECK] {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut out = [b'0'; CHECK];
    for digit in out.iter_mut().rev() {
        *digit = BASE62[(rest % 62) as usize];
        rest /= 62;
    }
    out
}

/// Whom the text before the dot names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner<'a> {
    /// `{tenantId}.{secret}`, the form that we hand out.
    Tenant(TenantId),
    /// `{customerId}.{secret}`, accepted when it is that key's own customer.
    Customer(&'a str),
    /// The bare secret: single-tenant mode only.
    Nobody,
}

/// A credential that may be a key: well formed, not yet known.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// What the text before the first dot names.
    pub owner: Owner<'a>,
    secret: &'a str,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl<'a> Presented<'a> {
    /// Reads key text. `None` for what cannot be a key, above all for a `tg_` secret whose CRC is wrong.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (before, secret) = match text.split_once('.') {
            None => (None, text),
            Some((before, secret)) => (Some(before), secret),
        };
        // Before the owner is read: most junk ends here.
        if !is_secret(secret) {
            return None;
        }
        let owner = match before {
            None => Owner::Nobody,
            Some(before) => match before.parse::<TenantId>() {
                Ok(tenant) => Owner::Tenant(tenant),
                Err(_) if before.parse::<crate::id::CustomerId>().is_ok() => Owner::Customer(before),
                Err(_) => return None,
            },
        };
        Some(Self { owner, secret })
    }

    /// What is kept of a key: SHA-256 of the secret alone.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.secret.as_bytes())
    }
}

/// True for text that can be a secret: ours with the right check, or an imported one.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    if text.starts_with("tg_") {
        return is_ours(text);
    }
    (SHORTEST_IMPORTED..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_ours(text: &str) -> bool {
    let Some(at) = text.len().checked_sub(CHECK) else { return false };
    let known = text.starts_with(Kind::Admin.prefix()) || text.starts_with(Kind::Customer.prefix());
    let shaped = known
        && text.len() == "tg_cus_".len() + RANDOM + CHECK
        // Every byte is looked at, so that many are at a time.
        && text.bytes().fold(true, |so_far, b| so_far & (b.is_ascii_alphanumeric() | (b == b'_')));
    // The shape test has made sure that every index is a character boundary.
    shaped && check_text(&text[..at]) == text.as_bytes()[at..]
}

/// What is kept of a secret: SHA-256 of its text.
#[must_use]
pub fn digest_of(secret: &Secret) -> Digest {
    Digest::of(secret.expose().as_bytes())
}

/// The text that a key's owner uses: `{tenantId}.{secret}`.
#[must_use]
pub fn text_of(tenant: TenantId, secret: &Secret) -> String {
    format!("{tenant}.{}", secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    fn made(seed: u64) -> Secret {
        generate(Kind::Customer, &mut rand::rngs::StdRng::seed_from_u64(seed))
    }

    #[test]
    fn a_made_key_has_the_documented_form() {
        let secret = made(1);
        assert_eq!(secret.expose().len(), 43);
        assert!(secret.expose().starts_with("tg_cus_"));
        assert!(is_secret(secret.expose()));
    }

    #[test]
    fn the_check_is_big_endian_base62_of_the_crc() {
        // CRC32("123456789") is 0xCBF43926, the check value of the algorithm's catalogue.
        assert_eq!(&check_text("123456789"), b"3jZRME");
    }

    #[test]
    fn key_text_names_a_tenant_a_customer_or_nobody() {
        let tenant = "14632221-b1b6-4eec-844a-39f60c7f1523";
        let secret = made(2);
        let secret = secret.expose();
        let check = |text: &str, owner: Option<Owner<'_>>| {
            assert_eq!(Presented::parse(text).map(|p| p.owner), owner, "{text}");
        };
        check(&format!("{tenant}.{secret}"), Some(Owner::Tenant(tenant.parse().unwrap())));
        check(&format!("cust_abc123.{secret}"), Some(Owner::Customer("cust_abc123")));
        check(secret, Some(Owner::Nobody));
        check(
            &format!("{tenant}.an-imported-secret.with-dots"),
            Some(Owner::Tenant(tenant.parse().unwrap())),
        );
        for junk in [
            "",
            ".",
            &format!(".{secret}"),
            &format!("{tenant}."),
            "too.short",
            "tg_cus_nope",
            "ein schlüssel mit umlauten",
        ] {
            check(junk, None);
        }
    }

    proptest! {
        #[test]
        fn one_changed_character_of_our_secret_is_junk(seed: u64, at in 0usize..43, to in "[0-9A-Za-z]") {
            let secret = made(seed);
            let mut text = secret.expose().to_owned();
            text.replace_range(at..=at, &to);
            prop_assume!(text != secret.expose() && text.starts_with("tg_"));
            prop_assert!(!is_secret(&text));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,80}") {
            let _ = Presented::parse(&text);
        }
    }
}
