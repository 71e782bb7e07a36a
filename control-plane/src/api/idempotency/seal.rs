//! Keeps what an answer says from everybody but who may hear it again: answers can hold new secrets.
//!
//! The key derives from the credential that the request came with (HKDF, RFC 5869), which is kept nowhere: who has the
//! database, or a copy of it, cannot read the answers.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use common::secret::Secret;
use rand::Rng;

/// A key for the answers to one credential. `None` where the library could not make it.
pub(super) struct Sealing(Option<LessSafeKey>);

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealing(…)")
    }
}

impl Sealing {
    /// For a credential. One key is written in several ways, with its tenant or customer before the dot and without.
    pub(super) fn of(credential: &Secret) -> Self {
        let text = credential.expose();
        let secret = text.split_once('.').map_or(text, |(_, secret)| secret);
        let extracted = Salt::new(HKDF_SHA256, b"tidegate").extract(secret.as_bytes());
        let key = extracted.expand(&[b"tidegate/v1/answer"], &AES_256_GCM).ok().map(UnboundKey::from);
        Self(key.map(LessSafeKey::new))
    }

    /// A fresh nonce and what `body` becomes under it. Random nonces suffice for 2^32 answers to one credential (NIST SP
    /// 800-38D section 8.3).
    pub(super) fn seal(&self, bound_to: &[u8], mut body: Vec<u8>, rng: &mut impl Rng) -> Option<Vec<u8>> {
        let mut nonce = [0u8; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let key = self.0.as_ref()?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut body)
            .ok()?;
        Some([&nonce[..], &body].concat())
    }

    /// The body of what was sealed for this credential, bound to the same; `None` for everything else.
    pub(super) fn open(&self, bound_to: &[u8], mut sealed: Vec<u8>) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let body = self.0.as_ref()?.open_in_place(nonce, Aad::from(bound_to), body).ok()?;
        Some(body.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn sealing(text: &str) -> Sealing {
        Sealing::of(&Secret::new(text.to_owned()))
    }

    #[test]
    fn an_answer_opens_to_its_credential_in_every_spelling_and_to_nothing_else() {
        let sealed =
            sealing("tenant.a-secret").seal(b"row", b"told".to_vec(), &mut StdRng::seed_from_u64(1)).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"told"));
        for same in ["tenant.a-secret", "customer.a-secret", "a-secret"] {
            assert_eq!(sealing(same).open(b"row", sealed.clone()).as_deref(), Some(&b"told"[..]), "{same}");
        }
        assert_eq!(sealing("tenant.another").open(b"row", sealed.clone()), None);
        assert_eq!(sealing("a-secret").open(b"another row", sealed.clone()), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealing("a-secret").open(b"row", changed), None, "changed at {at}");
        }
        assert_eq!(sealing("a-secret").open(b"row", vec![0; 5]), None);
    }
}
