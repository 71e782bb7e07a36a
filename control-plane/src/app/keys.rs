//! The secrets that a first start makes, each in a file of its own that only its owner can read.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use common::secret::Secret;
use ed25519_dalek::SigningKey;
use rand::Rng;

/// The secrets of this desk.
pub(crate) struct Keys {
    /// Signs what travels over the bus.
    pub(crate) signing: SigningKey,
    /// Shared with the edges, the first signs.
    pub(crate) edge_secrets: Vec<Secret>,
}

/// Opens the key directory below `data`; what is missing is made. `configured` edge secrets win over the file.
pub(crate) fn open(data: &Path, configured: &[Secret], rng: &mut impl Rng) -> io::Result<Keys> {
    let signing = open_signing_key(data, rng)?;
    let edge_secrets = if configured.is_empty() {
        let list = read_or_make(&data.join("keys").join("edge.secret"), || base62(48, rng))?;
        let texts = list.expose().split(',').map(str::trim).filter(|text| !text.is_empty());
        texts.map(|text| Secret::new(text.to_owned())).collect()
    } else {
        configured.to_vec()
    };
    if edge_secrets.is_empty() {
        return Err(io::Error::other("keys/edge.secret is empty: remove it, and a new one is made"));
    }
    Ok(Keys { signing, edge_secrets })
}

/// The key that signs what travels over the bus; made when it is missing.
pub(crate) fn open_signing_key(data: &Path, rng: &mut impl Rng) -> io::Result<SigningKey> {
    make_directory(&data.join("keys"))?;
    let path = data.join("keys").join("signing.key");
    let text = read_or_make(&path, || {
        let mut seed = [0u8; 32];
        rng.fill_bytes(&mut seed);
        hex::encode(seed)
    })?;
    let mut seed = zeroize::Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(text.expose(), &mut *seed)
        .map_err(|_| io::Error::other(format!("{} is not 64 hexadecimal digits", path.display())))?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Makes the directory, for its owner alone.
pub(crate) fn make_directory(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        std::fs::create_dir_all(path)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a secret alone into a file, over whatever is there: mode 0600, whole or not at all, durable on return.
pub fn write_secret(path: &Path, secret: &Secret) -> io::Result<()> {
    let written = write_beside(path, secret.expose())?;
    std::fs::rename(&written, path)?;
    sync_directory_of(path)
}

fn read_or_make(path: &Path, make: impl FnOnce() -> String) -> io::Result<Secret> {
    if !path.exists() {
        let written = write_beside(path, &make())?;
        // A link, not a rename: of several desks that start on one directory, the first one's secret stays.
        let linked = std::fs::hard_link(&written, path);
        std::fs::remove_file(&written)?;
        match linked {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            Ok(()) | Err(_) => sync_directory_of(path)?,
        }
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot read {}: {e}", path.display())))?;
    Ok(Secret::new(text.trim().to_owned()))
}

fn write_beside(path: &Path, text: &str) -> io::Result<PathBuf> {
    let beside = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(beside)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn base62(length: usize, rng: &mut impl Rng) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut byte = [0u8; 1];
        rng.fill_bytes(&mut byte);
        // Rejection keeps the distribution even: 248 is the largest multiple of 62 in a byte.
        if byte[0] < 248 {
            text.push(char::from(DIGITS[usize::from(byte[0] % 62)]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn secrets_are_made_once_and_are_for_their_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let open = |seed| open(data.path(), &[], &mut rand::rngs::StdRng::seed_from_u64(seed)).unwrap();
        let (first, second) = (open(1), open(2));
        assert_eq!(first.signing.to_bytes(), second.signing.to_bytes());
        assert_eq!(first.edge_secrets[0].expose(), second.edge_secrets[0].expose());
        assert_eq!(first.edge_secrets[0].expose().len(), 48);
        for file in data.path().join("keys").read_dir().unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(data.path().join("keys").read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_configured_secret_wins_and_a_spoilt_key_is_no_key() {
        let data = tempfile::tempdir().unwrap();
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let keys = open(data.path(), &[Secret::new("configured-secret".into())], &mut rng).unwrap();
        assert_eq!(keys.edge_secrets[0].expose(), "configured-secret");
        write_secret(&data.path().join("keys/signing.key"), &Secret::new("junk".into())).unwrap();
        assert!(open(data.path(), &[], &mut rng).is_err());
    }
}
