//! TLS for probers: a handshake whose certificate is kept as a measurement, trusted or not.
//!
//! Codecs come with self-signed certificates, so whether a certificate is trusted and what it says
//! are separate questions. [`Witness`] answers both and can be told to trust everything; that is
//! why it stays private to this room. Nothing secret ever goes over these connections.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::kernel_says;
use super::notes::{Notes, cut};
use crate::model::{Certificate, Failure, LocalFailure, RemoteFailure, StepKind};
use crate::trust;

/// Longest subject that is kept, in bytes.
const SUBJECT_LIMIT: usize = 128;

/// Longest reason that is kept, in bytes.
const REASON_LIMIT: usize = 160;

/// Whom we trust to vouch for a device.
#[derive(Debug, Clone)]
pub struct Trust {
    provider: Arc<CryptoProvider>,
    /// Made when somebody is to be vouched for: codecs come without, so most provinces ask of none.
    verifier: Arc<OnceLock<Verifier>>,
}

/// None when there is nobody to trust.
type Verifier = Option<Arc<WebPkiServerVerifier>>;

impl Trust {
    /// Trusts whom this machine trusts. A province's own authority is added there once, for all
    /// programs.
    #[must_use]
    pub fn system() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Self { provider, verifier: Arc::default() }
    }

    /// Trusts these authorities and nobody else. What is no certificate is passed over.
    #[must_use]
    pub fn of(authorities: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities);
        let trust = Self::system();
        trust.verifier.get_or_init(|| trust.vouched_by(Arc::new(roots)));
        trust
    }

    /// Who decides whether somebody is vouched for.
    pub(super) fn verifier(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        if let Some(known) = self.verifier.get() {
            return known.as_ref();
        }
        let verifier = self.vouched_by(trust::authorities())?;
        self.verifier.get_or_init(|| Some(verifier)).as_ref()
    }

    fn vouched_by(&self, roots: Arc<RootCertStore>) -> Verifier {
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(roots, provider).build().ok()
    }
}

/// Makes the handshake on a fresh connection. `verify` decides whether an untrusted certificate is
/// a failure. No session is ever resumed: each probe sees the certificate anew.
pub(super) async fn handshake(
    stream: TcpStream,
    name: &str,
    verify: bool,
    trust: &Trust,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<(TlsStream<TcpStream>, Option<Certificate>), Failure> {
    let local = |text: String| Failure::Local(LocalFailure::Other(text));
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| local(format!("no certificate can be issued for the name {name:?}")))?;
    let judge = match verify.then(|| trust.verifier()) {
        None => None,
        Some(Some(verifier)) => Some(Arc::clone(verifier)),
        Some(None) => return Err(local("this machine trusts no certificate authority".into())),
    };
    let witness =
        Arc::new(Witness { judge, provider: Arc::clone(&trust.provider), seen: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&trust.provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| local(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as _)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();

    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream).into_fallible();
    let made = handshake.await;
    let certificate = witness.seen();
    if let Some(certificate) = &certificate {
        notes.add(StepKind::Certificate(Box::new(certificate.clone())));
    }
    match made {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let version = match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS",
            };
            let suite = session.negotiated_cipher_suite().and_then(|s| s.suite().as_str());
            notes.add(StepKind::Secured(format!("{version} {}", suite.unwrap_or_default())));
            Ok((stream, certificate))
        }
        Err((error, stream)) => Err(failure(&error, &stream, certificate, now)),
    }
}

/// Why a handshake failed.
///
/// 1. A certificate that is refused for its dates is told with its dates, but only when it is the
///    device's own: those of an authority are not what somebody can mend at the site.
/// 2. What rustls says is a failure of TLS.
/// 3. An end of the stream is the peer's closing; the rest is what the kernel says.
fn failure(
    error: &io::Error,
    stream: &TcpStream,
    certificate: Option<Certificate>,
    now: Timestamp,
) -> Failure {
    let Some(tls) = tls_error(error) else {
        return if error.kind() == io::ErrorKind::UnexpectedEof {
            Failure::Remote(RemoteFailure::Closed)
        } else {
            kernel_says::later(error, stream)
        };
    };
    let about_dates = matches!(
        tls,
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    );
    Failure::Remote(match certificate {
        Some(certificate)
            if about_dates && !(certificate.not_before..=certificate.not_after).contains(&now) =>
        {
            RemoteFailure::CertificateTime(Box::new(certificate))
        }
        _ => RemoteFailure::Tls(cut(&tls.to_string(), REASON_LIMIT)),
    })
}

/// Why a connection broke in mid-conversation, with or without TLS.
pub(super) fn broken(error: &io::Error) -> Failure {
    Failure::Remote(match (tls_error(error), error.kind()) {
        (Some(tls), _) => RemoteFailure::Tls(cut(&tls.to_string(), REASON_LIMIT)),
        (None, io::ErrorKind::TimedOut) => RemoteFailure::Timeout,
        (None, _) => RemoteFailure::Closed,
    })
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Reads a certificate (RFC 5280); none when it is none.
fn read(der: &[u8]) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    // Dates beyond what a time stamp holds mean "for ever" (RFC 5280 §4.1.2.5).
    let moment = |second: i64| {
        Timestamp::from_second(second).unwrap_or(if second < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    };
    Some(Certificate {
        not_before: moment(validity.not_before.timestamp()),
        not_after: moment(validity.not_after.timestamp()),
        subject: cut(&certificate.subject().to_string(), SUBJECT_LIMIT),
        self_signed: certificate.subject() == certificate.issuer(),
    })
}

/// Sees what the device presents, and judges it where asked to.
#[derive(Debug)]
struct Witness {
    judge: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Certificate>>,
}

impl Witness {
    fn seen(&self) -> Option<Certificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = read(end_entity);
        match &self.judge {
            Some(judge) => {
                judge.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
            }
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls12_signature(message, cert, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.judge {
            Some(judge) => judge.verify_tls13_signature(message, cert, signed),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        if self.judge.is_none() {
            // Old codecs sign with nothing better.
            schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        }
        schemes
    }
}
