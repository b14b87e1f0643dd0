//! Probes against real servers: what a device in the field runs, not what we think it says.
//!
//! The servers come from Debian packages (`.ci/packages`) and run on ports of their own.

#[path = "peers/process.rs"]
mod process;

use std::fs;
use std::net::SocketAddr;

use process::{Peer, somewhere};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use vchealth::model::{
    CheckKind, Detail, Failure, Host, HttpCheck, HttpDetail, HttpMethod, Language, RemoteFailure,
    Reply, SipCheck, SipDetail, SipTransport, StepKind, TargetIx, TcpCheck,
};
use vchealth::probe::explain::{Style, story};
use vchealth::probe::{Record, Trust};

use crate::probing::{PATIENT, ask, ask_at, remote, topology};

const NAME: &str = "codec.example";

/// A certificate authority, and the trust in it.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Province");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn trust(&self) -> Trust {
        Trust::of([CertificateDer::from(self.0.der().to_vec())])
    }

    /// Writes `cert.pem` and `key.pem` of a certificate that ends with the year before `until`.
    fn issue(&self, peer: &Peer, until: i32) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, NAME);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        peer.file("cert.pem", &certificate.pem());
        peer.file("key.pem", &key.serialize_pem());
    }
}

fn sip(port: u16, transport: SipTransport, user: Option<&str>) -> CheckKind {
    CheckKind::Sip(SipCheck { transport, port, user: user.map(str::to_owned), verify_tls: false })
}

fn sip_detail(result: Result<Reply, Failure>) -> SipDetail {
    match result.expect("a reply").detail {
        Detail::Sip(sip) => *sip,
        other => panic!("not SIP: {other:?}"),
    }
}

/// A SIP server on UDP and TCP at one port and on TLS at another.
async fn kamailio(authority: &Authority, tls_method: &str) -> (Peer, SocketAddr, SocketAddr) {
    let mut peer = Peer::new("kamailio", "/usr/sbin/kamailio");
    let (plain, secured) = (somewhere(), somewhere());
    authority.issue(&peer, 2021);
    let dir = peer.dir().display().to_string();
    peer.file(
        "kamailio.cfg",
        &format!(
            r#"
            log_stderror=yes
            children=1
            tcp_children=1
            enable_tls=yes
            listen=udp:{plain}
            listen=tcp:{plain}
            listen=tls:{secured}
            loadmodule "pv.so"
            loadmodule "sl.so"
            loadmodule "tls.so"
            modparam("tls", "tls_method", "{tls_method}")
            modparam("tls", "certificate", "{dir}/cert.pem")
            modparam("tls", "private_key", "{dir}/key.pem")
            modparam("tls", "verify_certificate", 0)
            modparam("tls", "require_certificate", 0)
            request_route {{
                if (method != "OPTIONS") {{ sl_send_reply("405", "Method Not Allowed"); exit; }}
                if ($rU == "dead") {{ sl_send_reply("503", "Service Unavailable"); exit; }}
                if ($rU == "ghost") {{ exit; }}
                sl_send_reply("200", "Keepalive");
            }}
            "#
        ),
    );
    peer.start(&["-DD", "-E", "-f", "kamailio.cfg", "-Y", &dir, "-w", &dir, "-u", "root"]);
    peer.until_open(plain).await;
    peer.until_open(secured).await;
    (peer, plain, secured)
}

#[tokio::test]
async fn a_sip_server_answers_over_udp_tcp_and_tls() {
    let (_peer, plain, secured) = kamailio(&Authority::new(), "TLSv1.2+").await;
    for transport in [SipTransport::Udp, SipTransport::Tcp] {
        let result = ask_at(plain, sip(plain.port(), transport, None)).await;
        let rtt = result.as_ref().expect("a reply").rtt;
        let sip = sip_detail(result);
        assert_eq!(rtt.is_some(), sip.retransmissions == 0, "unknown only on a slow machine");
        assert_eq!((sip.status, sip.reason.as_str()), (200, "Keepalive"), "{transport:?}");
        assert!(sip.server.expect("it says so").starts_with("kamailio"));
        assert_eq!(sip.seen_as, None);
    }
    let secure = sip_detail(ask_at(secured, sip(secured.port(), SipTransport::Tls, None)).await);
    assert_eq!(secure.status, 200);
    let certificate = secure.certificate.expect("it presents one");
    assert_eq!(certificate.not_after.to_string(), "2021-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_sip_server_says_that_what_is_behind_it_is_out() {
    let (_peer, plain, _) = kamailio(&Authority::new(), "TLSv1.2+").await;
    let dead = ask_at(plain, sip(plain.port(), SipTransport::Udp, Some("dead"))).await;
    let reason = "Service Unavailable".to_owned();
    assert_eq!(dead, remote(RemoteFailure::ServiceOut { status: 503, reason }));
}

#[tokio::test]
async fn a_server_with_nothing_newer_than_tls_1_0_is_told_by_its_alert() {
    let (_peer, _, secured) = kamailio(&Authority::new(), "TLSv1").await;
    let result = ask_at(secured, sip(secured.port(), SipTransport::Tls, None)).await;
    let Err(Failure::Remote(RemoteFailure::Tls(why))) = result else { panic!("{result:?}") };
    assert!(why.contains("ProtocolVersion"), "{why}");
}

#[tokio::test]
async fn a_user_agent_is_alive_whether_or_not_it_knows_the_user() {
    let mut peer = Peer::new("baresip-core", "/usr/bin/baresip");
    let at = somewhere();
    peer.file(
        "config",
        &format!("sip_listen {at}\nmodule_path /usr/lib/baresip/modules\nmodule_app account.so\n"),
    );
    peer.file("accounts", &format!("<sip:codec@{at}>;regint=0\n"));
    peer.file("contacts", "");
    let dir = peer.dir().display().to_string();
    peer.start(&["-f", &dir]);
    peer.until_open(at).await;
    let nobody = sip_detail(ask_at(at, sip(at.port(), SipTransport::Udp, None)).await);
    assert_eq!(nobody.status, 404);
    assert!(nobody.server.expect("it says so").starts_with("baresip"));
    let itself = sip_detail(ask_at(at, sip(at.port(), SipTransport::Tcp, Some("codec"))).await);
    assert_eq!(itself.status, 200);
}

fn http(port: u16, path: &str) -> HttpCheck {
    HttpCheck { port, path: path.to_owned(), verify_tls: true, ..HttpCheck::usual(false) }
}

fn http_detail(record: &Record) -> &HttpDetail {
    match record.outcome.result.as_ref().expect("a reply") {
        Reply { detail: Detail::Http(http), .. } => http,
        other => panic!("not HTTP: {other:?}"),
    }
}

/// A web server: plain, under a good certificate, under one that has ended.
async fn nginx(authority: &Authority) -> (Peer, [SocketAddr; 3]) {
    let mut peer = Peer::new("nginx-light", "/usr/sbin/nginx");
    let ports = [somewhere(), somewhere(), somewhere()];
    let [plain, good, ended] = ports;
    for (name, until) in [("good", 2090), ("ended", 2021)] {
        authority.issue(&peer, until);
        for kind in ["cert.pem", "key.pem"] {
            fs::rename(peer.dir().join(kind), peer.dir().join(format!("{name}-{kind}")))
                .expect("just written");
        }
    }
    let tls = |name: &str, at| {
        format!(
            "server {{ listen {at} ssl; ssl_certificate {name}-cert.pem;
             ssl_certificate_key {name}-key.pem; location / {{ return 200 'ready'; }} }}"
        )
    };
    peer.file(
        "nginx.conf",
        &format!(
            "daemon off; pid nginx.pid; worker_processes 1; error_log stderr;
             events {{ worker_connections 64; }}
             http {{
               access_log off; client_body_temp_path tmp; proxy_temp_path tmp;
               fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
               server {{
                 listen {plain};
                 location /status {{ return 200 '<Status><State>Off</State></Status>'; }}
                 location /moved {{ return 301 http://127.0.0.1:1/; }}
                 location /secret {{ return 401; }}
                 location /broken {{ return 502; }}
               }}
               {} {}
             }}",
            tls("good", good),
            tls("ended", ended)
        ),
    );
    let dir = peer.dir().display().to_string();
    peer.start(&["-p", &dir, "-c", "nginx.conf", "-e", "stderr"]);
    for at in ports {
        peer.until_open(at).await;
    }
    (peer, ports)
}

#[tokio::test]
async fn a_web_server_is_judged_by_status_and_body() {
    let (_peer, [at, ..]) = nginx(&Authority::new()).await;
    let asked = async |check| ask(Host::Ip(at.ip()), CheckKind::Http(check), Trust::of([])).await;
    let record = asked(http(at.port(), "/status")).await;
    let detail = http_detail(&record);
    assert_eq!(detail.status, 200);
    let offset = detail.clock_offset_s.expect("it sends its date");
    assert!(offset.abs() <= 5, "the same clock: {offset}");
    for (path, status) in [("/moved", 301), ("/secret", 401)] {
        assert_eq!(http_detail(&asked(http(at.port(), path)).await).status, status);
    }
    let broken = asked(http(at.port(), "/broken")).await.outcome.result;
    let reason = "Bad Gateway".to_owned();
    assert_eq!(broken, remote(RemoteFailure::ServiceOut { status: 502, reason }));
    let pattern = |text| Some(regex::Regex::new(text).expect("a pattern"));
    let good = HttpCheck { expect_body: pattern("<State>Off<"), ..http(at.port(), "/status") };
    assert_eq!(http_detail(&asked(good).await).status, 200);
    let bad = HttpCheck { expect_body: pattern("<State>On<"), ..http(at.port(), "/status") };
    let bad = asked(bad).await.outcome.result;
    assert!(matches!(bad, Err(Failure::Remote(RemoteFailure::Unexpected(_)))), "{bad:?}");
    let head = HttpCheck { method: HttpMethod::Head, ..http(at.port(), "/status") };
    assert_eq!(http_detail(&asked(head).await).status, 200);
}

#[tokio::test]
async fn certificates_of_a_web_server_are_judged_and_measured() {
    let authority = Authority::new();
    let (_peer, [_, good, ended]) = nginx(&authority).await;
    let asked = async |at: SocketAddr, verify_tls| {
        let host = Some(NAME.to_owned());
        let check = HttpCheck { tls: true, verify_tls, host, ..http(at.port(), "/") };
        ask(Host::Ip(at.ip()), CheckKind::Http(check), authority.trust()).await
    };
    let trusted = asked(good, true).await;
    let certificate = http_detail(&trusted).certificate.clone().expect("it presents one");
    assert_eq!(certificate.subject, format!("CN={NAME}"));
    assert!(!certificate.self_signed);
    assert!(trusted.trace.steps().iter().any(|step| {
        matches!(&step.kind, StepKind::Secured(with) if with.starts_with("TLS 1.2 TLS_ECDHE"))
    }));
    match asked(ended, true).await.outcome.result {
        Err(Failure::Remote(RemoteFailure::CertificateTime(certificate))) => {
            assert_eq!(certificate.not_after.to_string(), "2021-01-01T00:00:00Z");
        }
        other => panic!("{other:?}"),
    }
    let measured = asked(ended, false).await;
    let certificate = http_detail(&measured).certificate.clone().expect("measured all the same");
    assert_eq!(certificate.not_after.to_string(), "2021-01-01T00:00:00Z");
}

#[tokio::test]
async fn a_probe_is_explained_step_by_step_in_both_languages() {
    let (_peer, [at, ..]) = nginx(&Authority::new()).await;
    let kind = CheckKind::Http(http(at.port(), "/broken"));
    let topology = topology(Host::Ip(at.ip()), kind.clone(), PATIENT);
    let record = ask(Host::Ip(at.ip()), kind, Trust::of([])).await;
    let told = |language| {
        let style = Style { language, time_zone: jiff::tz::TimeZone::UTC };
        story(&record, topology.check_of(TargetIx::new(0)), &style).join("\n")
    };
    let vi = told(Language::Vi);
    for part in [
        format!("Hỏi 127.0.0.1: http GET /broken ({})", at.port()),
        format!("đang kết nối tới {at}"),
        "đã kết nối (từ 127.0.0.1:".to_owned(),
        "gửi: GET /broken HTTP/1.1".to_owned(),
        "nhận: HTTP/1.1 502 Bad Gateway".to_owned(),
        "=> thiết bị trả lời 502 Bad Gateway: dịch vụ phía sau không sẵn sàng".to_owned(),
    ] {
        assert!(vi.contains(&part), "{part:?} in\n{vi}");
    }
    let en = told(Language::En);
    assert!(en.ends_with("=> it answers 502 Bad Gateway: the service behind it is out"), "{en}");
}

#[tokio::test]
async fn an_open_port_of_a_real_server_is_a_reply() {
    let (_peer, [at, ..]) = nginx(&Authority::new()).await;
    let result = ask_at(at, CheckKind::Tcp(TcpCheck { port: at.port() })).await;
    assert!(matches!(result, Ok(Reply { detail: Detail::Tcp(_), rtt: Some(_) })));
}
