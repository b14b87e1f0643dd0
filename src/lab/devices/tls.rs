//! Certificates of the emulated devices: self-signed, valid for a year, or for as long as a fault
//! says.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::lab::SERVER;
use crate::lab::error::LabError;

/// Makes certificates as they are asked for and keeps them. All devices share one key: making
/// one takes longer than everything else together.
pub(in crate::lab) struct Certificates {
    key: KeyPair,
    /// The moment from which validity is counted.
    made: Timestamp,
    acceptors: Mutex<BTreeMap<Timestamp, TlsAcceptor>>,
}

/// Kept at most; a fault makes one.
const KEPT: usize = 256;

impl Certificates {
    pub(in crate::lab) fn new(now: Timestamp) -> Result<Self, LabError> {
        let key = KeyPair::generate().map_err(|error| LabError::failed("make a key", error))?;
        Ok(Self { key, made: now, acceptors: Mutex::default() })
    }

    /// Whoever takes TLS connections with a certificate that runs out at `ends`, or in a year.
    pub(super) fn acceptor(&self, ends: Option<Timestamp>) -> io::Result<TlsAcceptor> {
        let day = SignedDuration::from_hours(24);
        let ends = ends.or_else(|| self.made.checked_add(day * 365).ok()).unwrap_or(Timestamp::MAX);
        let mut acceptors = self.acceptors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(acceptor) = acceptors.get(&ends) {
            return Ok(acceptor.clone());
        }
        let begins = ends.min(self.made).checked_sub(day * 90).unwrap_or(Timestamp::MIN);
        let acceptor = self.make(begins, ends).map_err(io::Error::other)?;
        if acceptors.len() < KEPT {
            acceptors.insert(ends, acceptor.clone());
        }
        Ok(acceptor)
    }

    fn make(
        &self,
        begins: Timestamp,
        ends: Timestamp,
    ) -> Result<TlsAcceptor, Box<dyn std::error::Error + Send + Sync>> {
        let mut params = CertificateParams::new(vec![SERVER.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, SERVER);
        // The way from one crate's time to another's, through the seconds since 1970.
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_secs(begins.as_second().try_into()?);
        params.not_after = epoch + Duration::from_secs(ends.as_second().try_into()?);
        let certificate = params.self_signed(&self.key)?;
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
