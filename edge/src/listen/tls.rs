//! TLS by rustls: 1.2 and 1.3, HTTP/2 or HTTP/1.1 by ALPN (RFC 7301).

mod certificate;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CipherSuite, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use certificate::Certificate;
pub use certificate::Renewal;

/// The most that rustls holds of what was to be sent: a connection that does not drain costs no more.
const HELD: usize = 64 << 10;

/// What shakes hands.
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

impl Acceptor {
    /// From a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// When a file cannot be read or they do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> io::Result<Self> {
        let provider = Arc::new(provider());
        let certificate = Arc::new(Certificate::read(certificate, key, provider.clone())?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ignore_client_order = true;
        // Resumption without memory of ours: what is remembered travels with the client, and outlives the certificate.
        // One ticket, for clients that come back with one connection; each costs bytes and a signature's worth of time.
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
        config.send_tls13_tickets = 1;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// What keeps the certificate new.
    #[must_use]
    pub fn renewal(&self) -> Renewal {
        Renewal::of(self.certificate.clone())
    }

    pub(super) async fn accept(&self, socket: Socket) -> io::Result<TlsStream<Socket>> {
        self.acceptor.accept_with(socket, |connection| connection.set_buffer_limit(Some(HELD))).await
    }
}

/// AES-128-GCM before what else there is: the cheapest of those that nobody breaks, wherever it is in silicon. A client
/// that has no such silicon spends more on it than on ChaCha20, for which it would have to be asked.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let first = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    provider.cipher_suites.sort_by_key(|suite| !first.contains(&suite.suite()));
    provider
}
