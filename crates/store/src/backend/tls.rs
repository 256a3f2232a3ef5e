//! TLS to PostgreSQL, by `sslmode` and `sslrootcert` of the address, as libpq understands them.

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::Arc;
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The value of `sslrootcert` for the certificates of the operating system, which is also the default.
const SYSTEM: &str = "system";

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can. Unlike libpq, this does not accept a plain connection to another machine: anyone in between
    /// could ask for one.
    Prefer,
    /// Encrypted, by whoever answers.
    Require,
    /// Encrypted, and the server's certificate is signed by a known authority.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is for the host of the address.
    VerifyFull,
}

impl Mode {
    /// The mode of this name. The error does not repeat the name: it may be a password in the wrong place.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err("sslmode must be disable, prefer, require, verify-ca or verify-full".to_owned()),
        }
    }

    /// The mode of an address without one. `is_here`: the server is on this machine.
    pub(crate) fn default_for(is_here: bool) -> Self {
        if is_here { Self::Disable } else { Self::VerifyFull }
    }
}

/// Sets the mode in the address, and returns how its TLS connections are made. `is_here`: the server is on this machine. `root`
/// is `sslrootcert`.
///
/// # Errors
/// Certificates that cannot be read.
pub(crate) fn connector(
    config: &mut Config,
    mode: Mode,
    is_here: bool,
    root: Option<&str>,
) -> Result<MakeRustlsConnect, String> {
    // As libpq does: whoever names certificates wants them checked.
    let mode = if mode == Mode::Require && root.is_some() { Mode::VerifyCa } else { mode };
    config.ssl_mode(match mode {
        Mode::Disable => SslMode::Disable,
        Mode::Prefer if is_here => SslMode::Prefer,
        Mode::Prefer | Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
    });
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let algorithms = provider.signature_verification_algorithms;
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        Mode::Disable | Mode::Prefer | Mode::Require => Arc::new(AnyName { authorities: None, algorithms }),
        Mode::VerifyCa | Mode::VerifyFull => {
            let roots = Arc::new(roots(root.unwrap_or(SYSTEM))?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            let verifier = verifier.map_err(|error| format!("sslrootcert: {error}"))?;
            match mode {
                Mode::VerifyFull => verifier,
                _ => Arc::new(AnyName { authorities: Some(verifier), algorithms }),
            }
        }
    };
    let client = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

fn roots(root: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    if root == SYSTEM {
        // One that cannot be read is like one that is not there.
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        return match store.is_empty() {
            true => Err("the system has no certificates of authorities; name a file with sslrootcert".to_owned()),
            false => Ok(store),
        };
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("sslrootcert {root}: {error}");
    for certificate in CertificateDer::pem_file_iter(root).map_err(|error| unreadable(&error))? {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        store.add(certificate).map_err(|error| unreadable(&error))?;
    }
    match store.is_empty() {
        true => Err(unreadable(&"the file has no certificate")),
        false => Ok(store),
    }
}

/// Accepts a certificate for whatever host.
#[derive(Debug)]
struct AnyName {
    /// Checks by whom it is signed; every certificate is accepted if none.
    authorities: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        // The name is checked last.
        match authorities.verify_server_cert(certificate, chain, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
