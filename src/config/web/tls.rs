//! `tls_server_config`: what connections are encrypted with.
//!
//! The files it names are handed over as they were found. Certificate and key are held against each
//! other here, so that a pair that does not fit is told by `check-config` and not by the first
//! browser.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::access::TlsServer;
use crate::config::channels::some;
use crate::config::diagnostic::Findings;
use crate::config::hint::nearest;
use crate::config::read::{Fields, each, flag, line, list, word};
use crate::config::source::{SourceSet, Span};
use crate::config::vchealth::file_name;
use crate::config::yaml::{Node, brief};

/// Longest name that a certificate can be asked to hold.
const NAME: usize = 255;

/// How clients are asked for certificates, in the words of Go's `crypto/tls`.
#[derive(Clone, Copy, PartialEq)]
enum ClientAuth {
    /// Not at all.
    No,
    /// Whoever has one shows it, and it has to be good.
    IfGiven,
    /// Everybody has to show a good one.
    Required,
    /// Anything that looks like one is taken, which proves nothing.
    Unverified,
}

/// Reads the section.
pub(super) fn tls(node: &Node, sources: &SourceSet, out: &Findings) -> Option<TlsServer> {
    let mut fields = Fields::of(node, "`tls_server_config`", out)?;
    let chain = pem_of(&mut fields, ["cert", "cert_file"], Need::Always, sources);
    let key = pem_of(&mut fields, ["key", "key_file"], Need::Always, sources);
    let auth = word(&[
        ("NoClientCert", ClientAuth::No),
        ("VerifyClientCertIfGiven", ClientAuth::IfGiven),
        ("RequireAndVerifyClientCert", ClientAuth::Required),
        ("RequestClientCert", ClientAuth::Unverified),
        ("RequireAnyClientCert", ClientAuth::Unverified),
    ]);
    let auth = fields.read("client_auth_type", ClientAuth::No, auth);
    if auth == ClientAuth::Unverified {
        let hint = "write `RequireAndVerifyClientCert`, and who vouches for them in \
                    `client_ca_file`";
        let why = "certificates that nobody verifies prove nothing";
        out.hint(fields.at("client_auth_type"), why, hint.to_owned());
    }
    let verified = matches!(auth, ClientAuth::IfGiven | ClientAuth::Required);
    let need = if verified { Need::Always } else { Need::Never };
    let authorities = pem_of(&mut fields, ["client_ca", "client_ca_file"], need, sources);
    let allowed = fields
        .get("client_allowed_sans")
        .and_then(|node| each(node, out, |item| line(NAME)(item, out)))
        .unwrap_or_default();
    if !allowed.is_empty() && auth != ClientAuth::Required {
        let hint = "write `client_auth_type: RequireAndVerifyClientCert`".to_owned();
        let why = "names of certificates are looked at only when everybody has to show one";
        out.hint(fields.at("client_allowed_sans"), why, hint);
    }
    let versions = versions(&mut fields, out);
    let suites = fields.get("cipher_suites").and_then(|node| suites(node, out));
    let ours_first = fields.read("prefer_server_cipher_suites", true, flag);
    let groups = fields.get("curve_preferences").and_then(|node| groups(node, out));
    fields.end();

    let mut provider = ring::default_provider();
    if let Some(suites) = suites {
        // The list is about TLS 1.2; what TLS 1.3 has is not for choice (as with Go).
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites);
    }
    provider.kx_groups = groups.unwrap_or(provider.kx_groups);
    let provider = Arc::new(provider);
    let pair = chain.zip(key).and_then(|(chain, key)| pair(&chain, &key, &provider, out));
    let verifier = match authorities {
        Some(authorities) if verified => clients(&authorities, auth, &provider, out).map(Some),
        _ if verified => None,
        _ => Some(None),
    };
    let ((pair, verifier), versions) = pair.zip(verifier).zip(versions)?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions);
    let builder = match builder {
        Ok(builder) => builder,
        Err(error) => {
            out.say(node.span, format!("this makes no connection possible: {error}"));
            return None;
        }
    };
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Always(Arc::new(pair))));
    config.ignore_client_order = ours_first;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let required = auth == ClientAuth::Required;
    Some(TlsServer { config: Arc::new(config), required, allowed })
}

/// Gives everybody the same certificate.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Whether something has to be written.
#[derive(Clone, Copy, PartialEq)]
enum Need {
    Always,
    Never,
}

/// Something in PEM, and where it is written.
struct Pem {
    span: Span,
    /// The file, if it is one.
    file: Option<String>,
    bytes: Vec<u8>,
}

impl Pem {
    /// Tells that it is not what it should be.
    fn say(&self, why: &str, out: &Findings) {
        let place = self.file.as_ref().map(|file| format!("`{}`: ", brief(file)));
        out.say(self.span, place.unwrap_or_default() + why);
    }
}

/// What stands in the file itself under one key, or in another file that the other names.
fn pem_of(
    fields: &mut Fields<'_>,
    [inline, file]: [&'static str; 2],
    need: Need,
    sources: &SourceSet,
) -> Option<Pem> {
    let out = fields.out;
    let (written, named) = (fields.get(inline), fields.get(file));
    if let Some(node) = written {
        out.hide(node.span);
        if named.is_some() {
            out.say(fields.at(file), format!("`{inline}` says it already"));
            return None;
        }
        let Some(scalar) = node.scalar() else {
            out.say(node.span, format!("expected a text in PEM, found {}", node.found()));
            return None;
        };
        return Some(Pem { span: node.span, file: None, bytes: scalar.text.clone().into_bytes() });
    }
    let Some(node) = named else {
        if need == Need::Always && !fields.has(file) && !fields.has(inline) {
            fields.missing(file);
        }
        return None;
    };
    let name = file_name(node, out)?;
    match sources.named(&name) {
        Some(Ok(bytes)) => Some(Pem { span: node.span, file: Some(name), bytes: bytes.to_vec() }),
        found => {
            let why = found.and_then(Result::err).unwrap_or("nobody looked for it");
            out.say(node.span, format!("`{}` cannot be read: {why}", brief(&name)));
            None
        }
    }
}

/// The certificates of a text, at least one.
fn certificates(pem: &Pem, out: &Findings) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(&pem.bytes).collect::<Result<Vec<_>, _>>() {
        Ok(certificates) if !certificates.is_empty() => Some(certificates),
        Ok(_) => {
            pem.say(
                "there is no certificate in it; it begins with `-----BEGIN CERTIFICATE-----`",
                out,
            );
            None
        }
        Err(_) => {
            pem.say("this is not PEM as certificates are written", out);
            None
        }
    }
}

/// A certificate with its chain and the key that belongs to it.
fn pair(chain: &Pem, key: &Pem, provider: &CryptoProvider, out: &Findings) -> Option<CertifiedKey> {
    let certificates = certificates(chain, out);
    let private = match PrivateKeyDer::from_pem_slice(&key.bytes) {
        Ok(private) => Some(private),
        Err(pem::Error::NoItemsFound) => {
            let encrypted = key.bytes.windows(9).any(|part| part == b"ENCRYPTED");
            let why = if encrypted {
                "the key is encrypted; keep it without a passphrase, readable by vchealth alone"
            } else {
                "there is no private key in it; it begins with `-----BEGIN PRIVATE KEY-----`"
            };
            key.say(why, out);
            None
        }
        Err(_) => {
            key.say("this is not PEM as private keys are written", out);
            None
        }
    };
    let (certificates, private) = certificates.zip(private)?;
    match CertifiedKey::from_der(certificates, private, provider) {
        Ok(pair) => Some(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            key.say("the key does not belong to the certificate", out);
            None
        }
        Err(rustls::Error::InvalidCertificate(_)) => {
            chain.say("the first certificate in it cannot be understood", out);
            None
        }
        Err(_) => {
            key.say(
                "a key of this kind is not supported: use RSA, ECDSA P-256 or P-384, Ed25519",
                out,
            );
            None
        }
    }
}

/// Who checks what clients show.
fn clients(
    authorities: &Pem,
    auth: ClientAuth,
    provider: &Arc<CryptoProvider>,
    out: &Findings,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities, out)? {
        if roots.add(certificate).is_err() {
            authorities.say("a certificate in it is not one that can vouch for others", out);
            return None;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
    let builder = match auth {
        ClientAuth::Required => builder,
        _ => builder.allow_unauthenticated(),
    };
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            authorities.say(&error.to_string(), out);
            None
        }
    }
}

/// The versions from the least to the most.
fn versions(
    fields: &mut Fields<'_>,
    out: &Findings,
) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let least = fields.read("min_version", 12, version);
    let most = fields.read("max_version", 13, version);
    if most < least {
        out.say(fields.at("max_version"), "`max_version` is below `min_version`");
        return None;
    }
    let all = [(12, &TLS12), (13, &TLS13)];
    Some(all.into_iter().filter(|(n, _)| (least..=most).contains(n)).map(|(_, v)| v).collect())
}

/// A version that is still sound.
fn version(node: &Node, out: &Findings) -> Option<u8> {
    if node.scalar().is_some_and(|scalar| ["TLS10", "TLS11"].contains(&scalar.text.as_str())) {
        let hint = "write `TLS12` or `TLS13`".to_owned();
        out.hint(node.span, "this version has been broken for long", hint);
        return None;
    }
    word(&[("TLS12", 12), ("TLS13", 13)])(node, out)
}

/// Suites of TLS 1.2 by their names of RFC 5289, as Go writes them.
fn suites(node: &Node, out: &Findings) -> Option<Vec<SupportedCipherSuite>> {
    let known: Vec<(String, SupportedCipherSuite)> = ring::default_provider()
        .cipher_suites
        .into_iter()
        .filter(|suite| suite.tls13().is_none())
        .filter_map(|suite| Some((short(suite.suite().as_str()?).to_owned(), suite)))
        .collect();
    let find = |item: &Node| {
        let name = item.scalar().map(|scalar| scalar.text.as_str()).unwrap_or_default();
        let found = known.iter().find(|(known, _)| known == short(name));
        if found.is_none() {
            let hint = nearest(name, known.iter().map(|(name, _)| name.as_str()), out);
            out.hint(item.span, format!("there is no such suite: {}", item.found()), hint);
        }
        found.map(|(_, suite)| *suite)
    };
    let found: Vec<_> = list(node, out)?.iter().filter_map(find).collect();
    (!found.is_empty()).then_some(found)
}

/// A suite's name without the hash that Go leaves out of those of RFC 7905, and IANA does not.
fn short(name: &str) -> &str {
    name.strip_suffix("_SHA256").filter(|name| name.ends_with("POLY1305")).unwrap_or(name)
}

/// Curves by the names that Go gives them.
fn groups(node: &Node, out: &Findings) -> Option<Vec<&'static dyn SupportedKxGroup>> {
    let names = some(word(&[("X25519", 0), ("CurveP256", 1), ("CurveP384", 2)]))(node, out)?;
    let known = [ring::kx_group::X25519, ring::kx_group::SECP256R1, ring::kx_group::SECP384R1];
    Some(names.into_iter().map(|n: usize| known[n]).collect())
}
