//! TLS under HTTP and SIP: certificates are measured always and judged where asked.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fakes::{self, Habit};
use super::{http, sip, *};
use crate::model::{Certificate, HttpCheck, Reached, SipCheck, SipTransport};

const NAME: &str = "codec.example";

/// A device under TLS whose certificate is valid in these years, issued by `authority` or itself.
async fn device(
    years: (i32, i32),
    authority: Option<&CertifiedIssuer<'static, KeyPair>>,
    habit: Habit,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Codec Tân Lập");
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let certificate = match authority {
        Some(authority) => params.signed_by(&key, &**authority).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, habit) = (acceptor.clone(), habit.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    fakes::behave(stream, habit).await;
                }
            });
        }
    });
    at
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Province");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn trusting(authority: &CertifiedIssuer<'static, KeyPair>) -> Trust {
    Trust::of([CertificateDer::from(authority.der().to_vec())])
}

fn hello() -> Habit {
    Habit::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())
}

async fn ask(peer: SocketAddr, verify_tls: bool, trust: &Trust) -> (Result<Reply, Failure>, Trace) {
    let check = HttpCheck { tls: true, verify_tls, ..http::check(peer) };
    let host = Host::Name(NAME.to_owned());
    probe_as(&host, peer, CheckKind::Http(check), PATIENT, trust).await
}

fn ends(certificate: &Certificate) -> String {
    certificate.not_after.to_string()
}

#[tokio::test]
async fn a_trusted_certificate_passes_and_is_measured() {
    let authority = authority();
    let peer = device((2020, 2090), Some(&authority), hello()).await;
    let (result, trace) = ask(peer, true, &trusting(&authority)).await;
    let certificate = http::detail(result).certificate.unwrap();
    assert_eq!(ends(&certificate), "2090-01-01T00:00:00Z");
    assert_eq!(certificate.subject, "CN=Codec Tân Lập");
    assert!(!certificate.self_signed);
    let secured = |step: &StepKind| matches!(step, StepKind::Secured(text) if text.contains("TLS"));
    assert!(noted(&trace, secured), "{trace:?}");
    assert!(noted(&trace, |step| matches!(step, StepKind::Certificate(_))));
}

#[tokio::test]
async fn a_self_signed_certificate_fails_only_where_it_is_judged() {
    let peer = device((2020, 2090), None, hello()).await;
    let (judged, trace) = ask(peer, true, &trusting(&authority())).await;
    assert!(matches!(judged, Err(Failure::Remote(RemoteFailure::Tls(_)))), "{judged:?}");
    assert!(noted(&trace, |step| matches!(step, StepKind::Certificate(_))), "told all the same");
    let (measured, _) = ask(peer, false, &Trust::of([])).await;
    assert!(http::detail(measured).certificate.unwrap().self_signed);
}

#[tokio::test]
async fn an_expired_certificate_fails_with_its_dates_or_is_measured() {
    let authority = authority();
    let peer = device((2020, 2021), Some(&authority), hello()).await;
    match ask(peer, true, &trusting(&authority)).await.0 {
        Err(Failure::Remote(RemoteFailure::CertificateTime(certificate))) => {
            assert_eq!(ends(&certificate), "2021-01-01T00:00:00Z");
        }
        other => panic!("{other:?}"),
    }
    let (measured, _) = ask(peer, false, &trusting(&authority)).await;
    assert_eq!(ends(&http::detail(measured).certificate.unwrap()), "2021-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_certificate_of_the_future_fails_with_its_dates() {
    let authority = authority();
    let peer = device((2080, 2090), Some(&authority), hello()).await;
    let (result, _) = ask(peer, true, &trusting(&authority)).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::CertificateTime(_)))));
}

#[tokio::test]
async fn a_certificate_for_another_name_fails_where_it_is_judged() {
    let authority = authority();
    let peer = device((2020, 2090), Some(&authority), hello()).await;
    let check = HttpCheck { tls: true, ..http::check(peer) };
    let host = Host::Name("other.example".to_owned());
    let trust = trusting(&authority);
    let (result, _) = probe_as(&host, peer, CheckKind::Http(check.clone()), PATIENT, &trust).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Tls(_)))), "{result:?}");
    let named = HttpCheck { host: Some(NAME.to_owned()), ..check };
    let (result, _) = probe_as(&host, peer, CheckKind::Http(named), PATIENT, &trust).await;
    assert!(result.is_ok(), "the check's own name is the one that counts: {result:?}");
}

#[tokio::test]
async fn trusting_nobody_is_a_fault_of_ours() {
    let peer = device((2020, 2090), None, hello()).await;
    let (result, _) = ask(peer, true, &Trust::of([])).await;
    assert!(matches!(result, Err(Failure::Local(LocalFailure::Other(_)))), "{result:?}");
}

#[tokio::test]
async fn peers_that_do_not_speak_tls_fail_each_in_its_way() {
    let trust = Trust::of([]);
    let plain = fakes::tcp(Habit::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let (result, _) = ask(plain, false, &trust).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Tls(_)))), "{result:?}");
    let closes = fakes::tcp(Habit::Says(vec![])).await;
    assert_eq!(ask(closes, false, &trust).await.0, remote(RemoteFailure::Closed));
    let silent = fakes::tcp(Habit::Silent).await;
    let check = HttpCheck { tls: true, verify_tls: false, ..http::check(silent) };
    let (result, _) = probe(silent, CheckKind::Http(check), SHORT).await;
    assert_eq!(result, stalled(Reached::Connected, SHORT));
}

#[tokio::test]
async fn sip_goes_over_tls_with_the_certificate_measured() {
    let answer = |request: &str| sip::respond(request, "200 OK", "");
    let peer = device((2020, 2021), None, Habit::Answers(answer)).await;
    let check = sip::check(peer, SipTransport::Tls);
    let (result, _) = probe(peer, CheckKind::Sip(check.clone()), PATIENT).await;
    let certificate = sip::detail(result).certificate.unwrap();
    assert_eq!(ends(&certificate), "2021-01-01T00:00:00Z");
    let judged = CheckKind::Sip(SipCheck { verify_tls: true, ..check });
    let host = Host::Ip(peer.ip());
    let (result, _) = probe_as(&host, peer, judged, PATIENT, &trusting(&authority())).await;
    assert!(
        matches!(result, Err(Failure::Remote(RemoteFailure::CertificateTime(_)))),
        "{result:?}"
    );
}
