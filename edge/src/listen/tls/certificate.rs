//! The certificate in force, and the watch over its files: who renews it writes two files and is done.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::observe::ConnectionMetrics;

/// How often the files are read: some kilobytes, and a name that was given to another file is noticed like a change.
const EVERY: Duration = Duration::from_secs(5);

/// The pair in force, and where the next one will lie.
#[derive(Debug)]
pub(super) struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    pair: ArcSwap<CertifiedKey>,
    /// What the files held when they were last looked at, whether it could be used or not.
    looked_at: ArcSwap<Files>,
}

#[derive(PartialEq, Eq)]
struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

impl Certificate {
    pub(super) fn read(chain: &Path, key: &Path, provider: Arc<CryptoProvider>) -> io::Result<Self> {
        let files = Files::read(chain, key)?;
        let pair = ArcSwap::from_pointee(files.parse(chain, key, &provider)?);
        let looked_at = ArcSwap::from_pointee(files);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), provider, pair, looked_at })
    }

    /// Takes what the files hold; gives whether that was something new. Connections that run keep theirs.
    fn renew(&self) -> io::Result<bool> {
        let files = Files::read(&self.chain, &self.key)?;
        if files == **self.looked_at.load() {
            return Ok(false);
        }
        let parsed = files.parse(&self.chain, &self.key, &self.provider);
        self.looked_at.store(Arc::new(files));
        self.pair.store(Arc::new(parsed?));
        Ok(true)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair.load_full())
    }
}

impl Files {
    fn read(chain: &Path, key: &Path) -> io::Result<Self> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| wrong(path, &error));
        Ok(Self { chain: read(chain)?, key: read(key)? })
    }

    fn parse(&self, chain: &Path, key: &Path, provider: &CryptoProvider) -> io::Result<CertifiedKey> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.chain)
            .collect::<Result<_, _>>()
            .map_err(|e| wrong(chain, &e))?;
        let secret = PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| wrong(key, &e))?;
        if certificates.is_empty() {
            return Err(wrong(chain, &"there is no certificate in it"));
        }
        CertifiedKey::from_der(certificates, secret, provider).map_err(|e| wrong(chain, &e))
    }
}

fn wrong(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// The watch over the files.
pub struct Renewal {
    certificate: Arc<Certificate>,
    every: Duration,
}

impl Renewal {
    pub(super) fn of(certificate: Arc<Certificate>) -> Self {
        Self { certificate, every: EVERY }
    }

    /// Looks every few seconds, and at once on SIGHUP, until `stop`.
    pub async fn run(self, metrics: ConnectionMetrics, stop: CancellationToken) {
        let mut hangups = signal(SignalKind::hangup()).ok();
        let mut every = tokio::time::interval(self.every);
        let mut told = String::new();
        loop {
            let hangup = async {
                match &mut hangups {
                    Some(hangups) => hangups.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup => told.clear(),
                _ = every.tick() => {}
            }
            let certificate = self.certificate.clone();
            let renewed = tokio::task::spawn_blocking(move || certificate.renew()).await;
            match renewed.map_err(io::Error::other).flatten() {
                Ok(false) => {}
                Ok(true) => {
                    told.clear();
                    metrics.reloaded(true);
                    tracing::info!("a new certificate is in force");
                }
                Err(error) => self.complain(&error, &mut told, &metrics),
            }
        }
    }

    /// Once for each mistake: files that are gone are so at every look.
    fn complain(&self, error: &io::Error, told: &mut String, metrics: &ConnectionMetrics) {
        let says = error.to_string();
        if *told != says {
            metrics.reloaded(false);
            tracing::error!(
                error = says,
                "the new certificate cannot be used; the one before stays in force"
            );
            *told = says;
        }
    }
}
