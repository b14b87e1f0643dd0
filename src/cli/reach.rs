//! How the command line reaches a daemon that runs: where it listens, who vouches for it, and as
//! whom it is asked.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use super::Failed;
use super::args::Credentials;
use crate::config::Settings;
use crate::model::chain;
use crate::notify;
use crate::trust;

/// Longest that an answer takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of a file with a password, a token, or certificates that are read.
const LARGEST: u64 = 1 << 20;

/// A daemon that runs somewhere.
pub(super) struct Running {
    pub(super) address: String,
    client: reqwest::Client,
    /// Who asks, if that is said.
    authorization: Option<HeaderValue>,
    /// Whether the daemon can tell by that, or by a certificate.
    pub(super) knows_who_asks: bool,
}

impl Running {
    /// The daemon at this address.
    pub(super) fn at(address: &str, whom: &Credentials) -> Result<Self, Failed> {
        Self::new(address.trim_end_matches('/').to_owned(), None, whom)
    }

    /// The daemon of these settings, on this machine. Its certificate is for the name that people
    /// know it by, so that name is asked for where it listens.
    pub(super) fn of(settings: &Settings, whom: &Credentials) -> Result<Self, Failed> {
        let mut listen = settings.listen;
        // A server that listens everywhere is reached here.
        if listen.ip().is_unspecified() {
            listen.set_ip(match listen.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        if settings.web.access.tls.is_none() {
            return Self::new(format!("http://{listen}"), None, whom);
        }
        let public = settings.public_url.as_deref().and_then(|url| Url::parse(url).ok());
        let name = public.as_ref().and_then(Url::domain);
        match name {
            Some(name) => {
                let address = format!("https://{name}:{}", listen.port());
                Self::new(address, Some((name, listen)), whom)
            }
            None => Self::new(format!("https://{listen}"), None, whom),
        }
    }

    fn new(
        address: String,
        found_at: Option<(&str, SocketAddr)>,
        whom: &Credentials,
    ) -> Result<Self, Failed> {
        let authorization = authorization(whom)?;
        let in_the_open = address.starts_with("http://") && !is_this_machine(&address);
        if authorization.is_some() && in_the_open {
            let text = format!("a password is not sent to {address} unencrypted: use https://");
            return Err(Failed::Usage(text));
        }
        let mut builder = notify::builder(tls(whom)?);
        if let Some((name, at)) = found_at {
            builder = builder.resolve(name, at);
        }
        let client = builder
            .build()
            .map_err(|error| Failed::Other("cannot ask a daemon".to_owned(), Box::new(error)))?;
        let knows_who_asks = authorization.is_some() || whom.cert_file.is_some();
        Ok(Self { address, client, authorization, knows_who_asks })
    }

    /// Asks, and gives the body of a good answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<String, Failed> {
        let url = format!("{}{path}", self.address);
        let mut request = self.client.request(method, url).timeout(PATIENCE);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let unanswered = |error| self.unanswered(error);
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.map(str::to_owned);
        let text = answer.text().await.map_err(unanswered)?;
        if status.is_success() { Ok(text) } else { Err(self.refusal(status, &text, wait)) }
    }

    fn unanswered(&self, error: reqwest::Error) -> Failed {
        let address = &self.address;
        // The chain says what of TLS it was.
        let text = if chain(&error).contains("certificate") {
            format!(
                "the vchealth at {address} is not trusted: name who vouches for its certificate by \
                 `--ca-file FILE`, and ask for the name that stands in it by `--at URL`"
            )
        } else if error.is_connect() {
            format!(
                "no vchealth answers at {address}: is `vchealth run` running, and is this the \
                 address that it listens on? `--at URL` names another"
            )
        } else {
            format!("the vchealth at {address} does not answer")
        };
        Failed::Other(text, Box::new(error.without_url()))
    }

    /// Why the daemon does not do it, and what would help.
    fn refusal(&self, status: StatusCode, text: &str, wait: Option<String>) -> Failed {
        let address = &self.address;
        let said = serde_json::from_str::<Value>(text).ok();
        let said = said.and_then(|told| told["error"].as_str().map(str::to_owned));
        Failed::Refused(match (status, said) {
            (StatusCode::UNAUTHORIZED, _) if self.authorization.is_some() => {
                format!("the vchealth at {address} knows no such user, or this is not the password")
            }
            (StatusCode::UNAUTHORIZED, _) => format!(
                "the vchealth at {address} asks who you are: give `--user NAME --password-file \
                 FILE` or `--token-file FILE`, or set VCHEALTH_USER and VCHEALTH_PASSWORD, or \
                 VCHEALTH_TOKEN"
            ),
            (StatusCode::TOO_MANY_REQUESTS, _) => {
                let wait = wait.unwrap_or_else(|| "a few".to_owned());
                format!("the vchealth at {address} is asked too often: try again in {wait} s")
            }
            (_, Some(said)) => said,
            (_, None) => format!("{address} answers {status}"),
        })
    }
}

/// Whether an address is of this machine, where nobody listens in.
fn is_this_machine(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    })
}

/// Who asks: by token, or by name and password.
fn authorization(whom: &Credentials) -> Result<Option<HeaderValue>, Failed> {
    let token = secret(whom.token_file.as_deref(), "VCHEALTH_TOKEN")?;
    let value = match (&whom.user, token) {
        // What is said on the command line counts before what lies in the environment.
        (Some(user), None) => {
            let password = secret(whom.password_file.as_deref(), "VCHEALTH_PASSWORD")?;
            let password = password.ok_or_else(|| {
                let text = "say where the password lies: `--password-file FILE`, or in \
                            VCHEALTH_PASSWORD";
                Failed::Usage(text.to_owned())
            })?;
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
        (_, Some(token)) => format!("Bearer {token}"),
        (None, None) => return Ok(None),
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| {
        Failed::Usage("a token has letters, digits and signs, and nothing else".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The first line of a file, or a variable of the environment.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, Failed> {
    let Some(file) = file else {
        return Ok(std::env::var(variable).ok().filter(|text| !text.is_empty()));
    };
    let bytes = bytes(file)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failed::Other(cannot_read(file), Box::new(error)))?;
    Ok(text.lines().next().map(str::to_owned))
}

/// TLS that trusts whom this machine trusts, or the authorities that are given and nobody else;
/// with a certificate of our own if there is one.
fn tls(whom: &Credentials) -> Result<ClientConfig, Failed> {
    let Credentials { ca_file, cert_file, key_file, .. } = whom;
    if ca_file.is_none() && cert_file.is_none() {
        return Ok(notify::tls());
    }
    let roots = match ca_file {
        Some(file) => {
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(certificates(file)?);
            if added == 0 {
                return Err(Failed::Usage(format!("{} holds no certificate", file.display())));
            }
            Arc::new(roots)
        }
        None => trust::authorities(),
    };
    let provider = rustls::crypto::ring::default_provider();
    let failed = |error: rustls::Error| {
        Failed::Other("no encrypted connection can be made".to_owned(), Box::new(error))
    };
    let builder = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots);
    match cert_file.as_ref().zip(key_file.as_ref()) {
        Some((chain, key)) => {
            let private = PrivateKeyDer::from_pem_slice(&bytes(key)?)
                .map_err(|error| Failed::Other(cannot_read(key), Box::new(error)))?;
            builder.with_client_auth_cert(certificates(chain)?, private).map_err(failed)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failed> {
    CertificateDer::pem_slice_iter(&bytes(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| Failed::Other(cannot_read(file), Box::new(error)))
}

fn bytes(file: &Path) -> Result<Vec<u8>, Failed> {
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(file)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|error: std::io::Error| Failed::Other(cannot_read(file), Box::new(error)))
}

fn cannot_read(file: &Path) -> String {
    format!("cannot read {}", file.display())
}
