//! Signatures on what travels: whoever can write to the bus can still not speak for the control plane.

use bytes::{BufMut as _, Bytes, BytesMut};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};

use crate::wire::Unreadable;

/// What a statement is; part of what is signed, so that one kind never passes for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A [`crate::wire::v1::Head`].
    Head,
    /// A [`crate::wire::v1::Batch`].
    Batch,
    /// A [`crate::wire::v1::Denials`].
    Denials,
}

impl Kind {
    fn context(self) -> &'static [u8] {
        match self {
            Self::Head => b"tidegate/v1/head\0",
            Self::Batch => b"tidegate/v1/batch\0",
            Self::Denials => b"tidegate/v1/denials\0",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Batch => "batch",
            Self::Denials => "denials",
        }
    }
}

const SIGNATURE: usize = 64;

/// The signature (Ed25519, RFC 8032, 64 bytes over context and payload) followed by the payload.
#[must_use]
pub fn seal(kind: Kind, payload: &[u8], key: &SigningKey) -> Bytes {
    let signature = key.sign(&signed(kind, payload));
    let mut sealed = BytesMut::with_capacity(SIGNATURE + payload.len());
    sealed.put_slice(&signature.to_bytes());
    sealed.put_slice(payload);
    sealed.freeze()
}

/// The payload of a statement that one of `keys` signed as this kind.
///
/// # Errors
/// When it is too short or no key signed it.
pub fn open(kind: Kind, sealed: &[u8], keys: &[VerifyingKey]) -> Result<Bytes, Unreadable> {
    let (signature, payload) = sealed.split_first_chunk::<SIGNATURE>().ok_or(Unreadable::new(kind.name()))?;
    let (signature, message) = (Signature::from_bytes(signature), signed(kind, payload));
    let genuine = keys.iter().any(|key| key.verify(&message, &signature).is_ok());
    if genuine { Ok(Bytes::copy_from_slice(payload)) } else { Err(Unreadable::new("signature")) }
}

fn signed(kind: Kind, payload: &[u8]) -> Vec<u8> {
    [kind.context(), payload].concat()
}

/// Reads public keys as `tidegate-control-plane keys public` prints them: 64 hexadecimal digits each, comma list.
#[must_use]
pub fn parse_public_keys(text: &str) -> Option<Vec<VerifyingKey>> {
    let key = |text: &str| {
        let digest: crate::digest::Digest = text.trim().parse().ok()?;
        VerifyingKey::from_bytes(&digest.0).ok()
    };
    text.split(',').map(key).collect()
}

/// A public key as text: 64 hexadecimal digits.
#[must_use]
pub fn public_key_text(key: &VerifyingKey) -> String {
    crate::digest::Digest(key.to_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_control_plane_signed_as_this_kind_opens() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let other = SigningKey::from_bytes(&[8; 32]);
        let sealed = seal(Kind::Batch, b"{}", &key);
        let keys = [other.verifying_key(), key.verifying_key()];
        assert_eq!(open(Kind::Batch, &sealed, &keys).unwrap(), "{}");
        assert!(open(Kind::Head, &sealed, &keys).is_err());
        assert!(open(Kind::Batch, &sealed, &keys[..1]).is_err());
        assert!(open(Kind::Batch, &sealed[..10], &keys).is_err());
        let mut forged = sealed.to_vec();
        forged[64] ^= 1;
        assert!(open(Kind::Batch, &forged, &keys).is_err());
        assert_eq!(parse_public_keys(&public_key_text(&keys[0])), Some(vec![keys[0]]));
    }
}
