//! Who is let in, and whom the server outlasts: against curl, Prometheus, the command line, and
//! people who mean harm.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use vchealth::config::{self, Access, File, SourceSet};
use vchealth::web::Limits;

use crate::channels::{Peer, Place, client, eventually, get};
use crate::ports::free_port;
use crate::province;
use crate::web::{House, Reply, to_the_end};

const PATIENCE: Duration = Duration::from_secs(60);
/// SHA-256 of the token `t0ken`.
const TOKEN: &str = "b46c09677343261f0b439a472422225e3a230c9c094d6ab16762e2036b597053";

/// A certificate authority with a directory of what it has issued.
struct Authority {
    place: Place,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Province");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let place = Place::new("door");
        place.write("ca.pem", &issuer.pem());
        Self { place, issuer }
    }

    /// Writes `NAME.pem` and `NAME.key`.
    fn issue(&self, name: &str, names: &[&str]) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.place.write(&format!("{name}.pem"), &certificate.pem());
        self.place.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// What a web configuration says, with the files of this directory.
    fn access(&self, text: &str) -> Arc<Access> {
        let sources = SourceSet::new().with(File::Web, "web-config.yml", text);
        let sources = config::web_names(&sources).into_iter().fold(sources, |sources, name| {
            let found = std::fs::read(self.file(&name)).map_err(|error| error.to_string());
            sources.with_named(name, found)
        });
        Arc::new(config::access(&sources).unwrap_or_else(|problems| panic!("{problems}")))
    }
}

/// `ha` with the password `ha` is an operator, `tram` with `tram` a viewer. The hashes are as cheap
/// as bcrypt has them.
fn users() -> String {
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    format!(
        "basic_auth_users: {{ha: \"{}\", tram: \"{}\"}}\nroles: {{ha: operator}}\n",
        hash("ha"),
        hash("tram")
    )
}

const TLS: &str = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n";

pub(crate) fn only_users() -> Arc<Access> {
    Arc::new(config::access(&SourceSet::new().with(File::Web, "web-config.yml", users())).unwrap())
}

pub(crate) fn basic(user: &str) -> (&'static str, String) {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{user}"));
    ("Authorization", format!("Basic {encoded}"))
}

fn curl(house: &House, authority: &Authority, path: &str, args: &[&str]) -> (u16, String) {
    curl_at(house.address.port(), "giam-sat.example", authority, path, args)
}

/// What curl is answered by a port of this machine that it takes for a host of this name; 0 when
/// there is no answer.
fn curl_at(
    port: u16,
    name: &str,
    authority: &Authority,
    path: &str,
    args: &[&str],
) -> (u16, String) {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "60", "--noproxy", "*", "--write-out", "\n%{http_code}"])
        .arg("--resolve")
        .arg(format!("{name}:{port}:127.0.0.1"))
        .arg("--cacert")
        .arg(authority.file("ca.pem"))
        .args(args)
        .arg(format!("https://{name}:{port}{path}"))
        .output()
        .expect("curl");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, code) = said.rsplit_once('\n').expect("a status");
    (code.parse().expect("a number"), body.to_owned())
}

/// Runs a command of ours beside the server, which needs the threads of the runtime.
async fn vchealth(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vchealth"));
    command.args(args).stdin(Stdio::null()).envs(env.iter().copied());
    tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.unwrap()
}

#[tokio::test]
async fn every_operation_that_changes_something_needs_an_operator() {
    let mut snapshot = province::troubled(204);
    snapshot.silences = vec![province::silence("s-1")];
    snapshot.maintenance = vec![province::maintenance("m-1")];
    snapshot.duty[0].handed = Some(province::handed());
    let house = House::open(snapshot);
    house.daemon.remember();
    let document = house.get("/api/v1/openapi.json").await.json();
    *house.daemon.access.lock().unwrap() = only_users();
    let (ha, tram) = (basic("ha"), basic("tram"));
    let json = ("Content-Type", "application/json");
    let (mut looking, mut changing) = (0, 0);
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("an id");
            let path = crate::api::path_for(name, path);
            let body = crate::api::body_for(name);
            let text = body.as_ref().map(Value::to_string).unwrap_or_default();
            let method = method.to_ascii_uppercase();
            let ask = async |headers: &[(&str, &str)]| {
                let mut headers = headers.to_vec();
                if body.is_some() {
                    headers.push(json);
                }
                house.ask(&method, &path, &headers, &text).await
            };
            let unknown = ask(&[]).await;
            assert_eq!(unknown.status, 401, "{name}");
            assert!(unknown.header("www-authenticate").starts_with("Basic realm="), "{name}");
            assert!(unknown.json()["error"].is_string());
            let changes = method != "GET";
            let viewer = ask(&[(tram.0, &tram.1)]).await;
            assert_eq!(viewer.status == 403, changes, "{name}: {viewer:?}");
            let needs = &operation["security"][0]["password"][0];
            assert_eq!(needs == "operator", changes, "{name} says who may");
            for status in if changes { vec!["401", "403", "429"] } else { vec!["401", "429"] } {
                assert!(operation["responses"][status].is_object(), "{name} {status}");
            }
            let done = ask(&[(ha.0, &ha.1)]).await;
            let expected = operation["responses"].as_object().unwrap().keys().next().unwrap();
            assert_eq!(done.status.to_string(), *expected, "{name}: {done:?}");
            looking += u32::from(!changes);
            changing += u32::from(changes);
        }
    }
    assert!(looking >= 15 && changing >= 10, "{looking} {changing}");
}

#[tokio::test]
async fn pages_need_a_log_in_and_the_link_in_a_message_does_not() {
    let house = House::open(province::troubled(204));
    *house.daemon.access.lock().unwrap() = only_users();
    let tram = basic("tram");
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/sessions/x/report", "/nowhere"] {
        assert_eq!(house.get(path).await.status, 401, "{path}");
        assert_ne!(house.ask("GET", path, &[(tram.0, &tram.1)], "").await.status, 401, "{path}");
    }
    assert_eq!(house.get("/a/nonsense").await.status, 404, "the link itself is the proof");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(house.ask("POST", "/a/nonsense", &form, "act=ack").await.status, 404);
}

#[tokio::test]
async fn who_has_logged_in_vouches_for_the_name_that_is_given() {
    let house = House::open(province::troubled(204));
    *house.daemon.access.lock().unwrap() = only_users();
    let ha = basic("ha");
    let headers = [(ha.0, ha.1.as_str()), ("Content-Type", "application/json")];
    for (by, recorded) in [
        (json!({ "note": "x" }), "ha"),
        (json!({ "by": " ", "note": "x" }), "ha"),
        (json!({ "by": "ha", "note": "x" }), "ha"),
        (json!({ "by": "Nguyễn Thị Hà", "note": "x" }), "Nguyễn Thị Hà (ha)"),
    ] {
        let path = "/api/v1/incidents/cho-don-1/ack";
        let reply = house.ask("POST", path, &headers, &by.to_string()).await;
        assert_eq!(reply.json()["by"], recorded);
    }
}

#[tokio::test]
async fn a_browser_that_knows_the_password_is_not_made_to_use_it_by_another_page() {
    let house = House::open(province::troubled(204));
    *house.daemon.access.lock().unwrap() = only_users();
    let ha = basic("ha");
    for foreign in [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Content-Type", "text/plain"),
    ] {
        let reply = house.ask("POST", "/-/reload", &[(ha.0, &ha.1), foreign], "").await;
        assert_eq!(reply.status, 403, "{foreign:?}");
    }
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
    assert_eq!(house.ask("POST", "/-/reload", &[(ha.0, &ha.1)], "").await.status, 200);
}

#[tokio::test]
async fn headers_of_the_web_configuration_stand_in_every_answer() {
    let house = House::open(province::quiet(3));
    let text = "http_server_config: {headers: {X-Frame-Options: sameorigin, \
                Strict-Transport-Security: max-age=31536000}}\n";
    let access = config::access(&SourceSet::new().with(File::Web, "web-config.yml", text));
    *house.daemon.access.lock().unwrap() = Arc::new(access.unwrap());
    let reply = house.get("/-/healthy").await;
    assert_eq!(reply.header("x-frame-options"), "sameorigin");
    assert_eq!(reply.header("strict-transport-security"), "max-age=31536000");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_comes_in_over_tls_with_a_name_and_a_password() {
    let authority = Authority::new();
    authority.issue("server", &["giam-sat.example"]);
    let house = House::open(province::troubled(204));
    *house.daemon.access.lock().unwrap() = authority.access(&(TLS.to_owned() + &users()));
    let asked = |path: &str, args: &[&str]| curl(&house, &authority, path, args);
    assert_eq!(asked("/metrics", &[]).0, 401);
    assert_eq!(asked("/metrics", &["--user", "tram:wrong"]).0, 401);
    let (code, page) = asked("/metrics", &["--user", "tram:tram", "--compressed"]);
    assert_eq!(code, 200);
    assert!(page.contains("vchealth_site_health"));
    assert_eq!(asked("/-/reload", &["--user", "tram:tram", "--request", "POST"]).0, 403);
    let (code, text) = asked("/-/reload", &["--user", "ha:ha", "--request", "POST"]);
    assert_eq!(code, 200, "{text}");
    assert_eq!(asked("/-/healthy", &["--user", "tram:tram", "--tls-max", "1.2"]).0, 200);
    assert_eq!(asked("/-/healthy", &["--user", "tram:tram", "--tlsv1.3"]).0, 200);

    // Who speaks plain HTTP is told so.
    let plain = Reply::read(&house.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await);
    assert_eq!((plain.status, plain.text().contains("https")), (400, true));

    // A certificate that was renewed is shown from the next connection on.
    let strict = TLS.replace('}', ", min_version: TLS13}") + &users();
    authority.issue("server", &["another.example"]);
    *house.daemon.access.lock().unwrap() = authority.access(&strict);
    let (code, _) = asked("/-/healthy", &["--user", "tram:tram"]);
    assert_eq!(code, 0, "the name is another one");
    let insecure = ["--insecure", "--user", "tram:tram"];
    assert_eq!(asked("/-/healthy", &insecure).0, 200);
    assert_eq!(asked("/-/healthy", &[&insecure[..], &["--tls-max", "1.2"]].concat()).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_asked_for_and_names_its_owner() {
    let authority = Authority::new();
    authority.issue("server", &["giam-sat.example"]);
    authority.issue("monitor", &["prometheus.example"]);
    authority.issue("stranger", &["stranger.example"]);
    let house = House::open(province::quiet(3));
    let text = "tls_server_config: {cert_file: server.pem, key_file: server.key, \
                client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, \
                client_allowed_sans: [prometheus.example]}\n\
                roles: {prometheus.example: operator}\n";
    *house.daemon.access.lock().unwrap() = authority.access(text);
    let shown = |name: &str| {
        let file = |suffix: &str| authority.file(&format!("{name}.{suffix}"));
        let (chain, key) = (file("pem").display().to_string(), file("key").display().to_string());
        let args = ["--cert", &chain, "--key", &key, "--request", "POST"];
        curl(&house, &authority, "/-/reload", &args)
    };
    assert_eq!(shown("monitor").0, 200);
    assert_eq!(shown("stranger").0, 0);
    assert_eq!(curl(&house, &authority, "/metrics", &[]).0, 0);
    let viewer = text.replace("operator", "viewer");
    *house.daemon.access.lock().unwrap() = authority.access(&viewer);
    let (code, said) = shown("monitor");
    assert_eq!(code, 403);
    assert!(said.contains("prometheus.example may look"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_over_tls_with_a_password() {
    let authority = Authority::new();
    authority.issue("server", &["giam-sat.example"]);
    let house = House::open(province::troubled(204));
    *house.daemon.access.lock().unwrap() = authority.access(&(TLS.to_owned() + &users()));
    let port = free_port();
    let (board, dir) = (house.address.port(), authority.place.path().display());
    authority.place.write("password", "tram");
    let job = |name: &str, user: &str| {
        format!(
            "- job_name: {name}\n  scheme: https\n  \
             basic_auth: {{username: {user}, password_file: {dir}/password}}\n  \
             tls_config: {{ca_file: {dir}/ca.pem, server_name: giam-sat.example}}\n  \
             static_configs: [{{targets: [\"127.0.0.1:{board}\"]}}]\n"
        )
    };
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n{}{}",
        job("known", "tram"),
        job("unknown", "nobody")
    );
    let file = authority.place.write("prometheus.yml", &text);
    let mut prometheus = Peer::start(
        "prometheus",
        "prometheus",
        &[
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={dir}/data"),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error".to_owned(),
        ],
    );
    let url = format!("http://127.0.0.1:{port}/api/v1/targets");
    eventually("one job scrapes and the other is refused", async || {
        prometheus.must_run();
        let targets: Value = serde_json::from_str(&get(&url).await?).ok()?;
        let targets = targets["data"]["activeTargets"].as_array()?;
        let of = |job: &str| targets.iter().find(|target| target["labels"]["job"] == job);
        let refused = of("unknown")?["lastError"].as_str()?.contains("401");
        (of("known")?["health"] == "up" && refused).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_logs_in_and_says_what_to_do_when_it_is_not_let_in() {
    let authority = Authority::new();
    authority.issue("server", &["localhost"]);
    let house = House::open(province::troubled(204));
    let token = vchealth(&["hash-password", "--token"], &[]).await;
    let token = String::from_utf8(token.stdout).unwrap();
    let part = |name: &str| {
        let line = token.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        line.trim().to_owned()
    };
    let text = format!("{TLS}{}bearer_tokens: {{script: {}}}\n", users(), part("sha256:"));
    let text = text.replace("ha: operator", "ha: operator, script: operator");
    *house.daemon.access.lock().unwrap() = authority.access(&text);
    let at = format!("https://localhost:{}", house.address.port());
    let ca = authority.file("ca.pem").display().to_string();
    let password = authority.place.write("password", "ha\n").display().to_string();
    let incidents = ["incidents", "--at", &at, "--ca-file", &ca];
    let with = |more: &[&'static str]| [&incidents[..], more].concat();

    let known = [&incidents[..], &["--user", "ha", "--password-file", &password]].concat();
    let known = vchealth(&known, &[]).await;
    assert!(known.status.success(), "{known:?}");
    assert!(String::from_utf8_lossy(&known.stdout).contains("cho-don-1"));
    let by_env = [("VCHEALTH_USER", "tram"), ("VCHEALTH_PASSWORD", "tram")];
    assert!(vchealth(&incidents, &by_env).await.status.success());
    let by_token = [("VCHEALTH_TOKEN", &*part("token:"))];
    let ack = ["ack", "cho-don-1", "--at", &at, "--ca-file", &ca, "--by", "Hà", "--reason", "x"];
    assert!(vchealth(&ack, &by_token).await.status.success());
    assert_eq!(house.daemon.acks.lock().unwrap()[0].1.by, "Hà (script)");
    let unsigned = ack.into_iter().filter(|word| !["--by", "Hà"].contains(word));
    let mut as_somebody = by_token.to_vec();
    as_somebody.push(("USER", "root"));
    let taken = vchealth(&unsigned.collect::<Vec<_>>(), &as_somebody).await;
    assert!(taken.status.success(), "{taken:?}");
    assert_eq!(house.daemon.acks.lock().unwrap()[1].1.by, "script", "the daemon knows the name");

    for (args, env, said) in [
        (with(&[]), vec![], "asks who you are: give `--user NAME --password-file FILE`"),
        (with(&["--user", "ha"]), vec![], "say where the password lies"),
        (
            with(&["--user", "ha"]),
            vec![("VCHEALTH_PASSWORD", "wrong")],
            "knows no such user, or this is not the password",
        ),
        (ack.to_vec(), by_env.to_vec(), "tram may look and change nothing"),
        (vec!["incidents", "--at", &at], vec![], "`--ca-file FILE`"),
        (
            vec!["incidents", "--at", "http://10.0.0.1:1", "--user", "ha"],
            vec![("VCHEALTH_PASSWORD", "ha")],
            "use https://",
        ),
    ] {
        let refused = vchealth(&args, &env).await;
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && text.contains(said), "{args:?}: {text}");
        assert!(!text.contains("wrong"), "no password is told");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_takes_on_a_renewed_certificate_by_itself_and_refuses_what_is_wrong() {
    let authority = Authority::new();
    authority.issue("server", &["giam-sat.example"]);
    let (place, port) = (&authority.place, free_port());
    let settings = format!(
        "listen: 127.0.0.1:{port}\nstate_dir: {}/state\nchannels: {{}}\n\
         public_url: https://giam-sat.example\nweb: {{config_file: web-config.yml}}\n",
        place.path().display()
    );
    place.write("vchealth.yaml", &settings);
    place.write(
        "sites.yaml",
        "levels: [{id: l, name: L}]\n\
         classes: {c: {level: l, endpoints: [{id: router, checks: [ping]}]}}\n\
         sites: [{id: a, name: A, router: 127.0.0.2}]\n",
    );
    place.write("sessions.yaml", "sessions: []\n");
    let web = TLS.to_owned() + &users();
    place.write("web-config.yml", &web);
    let dir = place.path().display().to_string();
    let checked = vchealth(&["check-config", "--config", &dir], &[]).await;
    let said = String::from_utf8_lossy(&checked.stdout);
    let line = "Who is let in (https): 2 users, 0 tokens; 1 may change things.\n";
    assert!(said.contains(line), "{said}");

    let program = env!("CARGO_BIN_EXE_vchealth");
    let args = ["run".to_owned(), "--config".to_owned(), dir.clone()];
    let mut daemon = Peer::start("vchealth", program, &args);
    let asked = |name: &str, args: &[&str]| curl_at(port, name, &authority, "/-/reload", args).0;
    let reload = ["--user", "ha:ha", "--request", "POST"];
    eventually("the daemon answers", async || {
        daemon.must_run();
        (asked("giam-sat.example", &reload) == 200).then_some(())
    })
    .await;
    let ca = authority.file("ca.pem").display().to_string();
    let incidents = ["incidents", "--config", &dir, "--ca-file", &ca];
    let tram = [("VCHEALTH_USER", "tram"), ("VCHEALTH_PASSWORD", "tram")];
    let known = vchealth(&incidents, &tram).await;
    assert!(known.status.success(), "{}", String::from_utf8_lossy(&known.stderr));

    authority.issue("server", &["giam-sat.example", "new.example"]);
    eventually("the renewed certificate is shown", async || {
        (asked("new.example", &reload) == 200).then_some(())
    })
    .await;

    place.write("web-config.yml", &web.replace("tram:", "van:"));
    assert_eq!(asked("giam-sat.example", &reload), 200);
    assert_eq!(asked("giam-sat.example", &["--user", "tram:tram"]), 401);

    place.write("web-config.yml", &web.replace("server.key", "lost.key"));
    let (code, said) = curl_at(port, "giam-sat.example", &authority, "/-/reload", &reload);
    assert_eq!(code, 400, "{said}");
    let place = format!("{dir}/web-config.yml:1:");
    assert!(said.contains(&place) && said.contains("`lost.key` cannot be read"), "{said}");
    assert_eq!(asked("giam-sat.example", &["--user", "ha:ha"]), 405, "and the old one stays");
}

#[test]
fn a_hash_is_made_of_what_is_piped_in() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all("mật khẩu\n".as_bytes()).unwrap();
    let output = command.wait_with_output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    assert!(hash.starts_with("$2b$10$"), "{hash}");
    assert!(bcrypt::verify("mật khẩu", hash.trim()).unwrap());
}

/// Lets this process open as many files as it may, and says how many that are.
fn files() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// Connects from an address of this machine.
async fn connect_from(house: &House, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(house.address).await.unwrap()
}

/// Nothing runs out in these: whoever is not let in at once is never.
fn patient() -> Limits {
    let forever = Duration::from_hours(1);
    Limits { head: forever, request: forever, write: forever, ..Limits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_slow_connections_hold_up_nobody() {
    let house = House::open_with(province::quiet(3), patient());
    let many = 3_000.min(files() / 3);
    let mut slow = Vec::new();
    for n in 0..many {
        // Of one address, then of a whole network.
        let last = if n < many / 2 { 1 } else { u8::try_from(n % 200).unwrap() + 2 };
        let mut stream = connect_from(&house, [127, 0, 0, last]).await;
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nA: ").await;
        slow.push(stream);
    }
    for from in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 9, 9, 9]] {
        let mut stream = connect_from(&house, from).await;
        let ask = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        assert_eq!(Reply::read(&to_the_end(&mut stream).await).status, 200, "{from:?}");
    }
    println!("{many} slow connections from 201 addresses, and all who ask are answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_behind_one_address_who_are_served_do_not_give_way_to_slow_ones() {
    let house = House::open_with(province::quiet(3), patient());
    files();
    house.daemon.hold.store(true, Ordering::SeqCst);
    let mut served = Vec::new();
    for _ in 0..400 {
        let mut stream = house.connect().await;
        let ask = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\
                    Connection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        served.push(stream);
    }
    while house.daemon.reloads.load(Ordering::SeqCst) < 400 {
        tokio::task::yield_now().await;
    }
    let mut slow = Vec::new();
    for _ in 0..300 {
        slow.push(house.connect().await);
    }
    assert_eq!(house.get("/-/healthy").await.status, 200);
    house.daemon.hold.store(false, Ordering::SeqCst);
    house.daemon.let_go.notify_waiters();
    for mut stream in served {
        assert_eq!(Reply::read(&to_the_end(&mut stream).await).status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_passwords_is_held_up_and_who_is_known_is_not() {
    let house = Arc::new(House::open_with(province::quiet(3), patient()));
    *house.daemon.access.lock().unwrap() = only_users();
    let tram = basic("tram");
    let known = [(tram.0, tram.1.as_str())];
    assert_eq!(house.ask("GET", "/-/healthy", &known, "").await.status, 200);
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..500 {
        let house = Arc::clone(&house);
        flood.spawn(async move {
            use base64::Engine as _;
            let guess = base64::engine::general_purpose::STANDARD.encode(format!("ha:guess {n}"));
            let guess = format!("Basic {guess}");
            let reply = house.ask("GET", "/metrics", &[("Authorization", &guess)], "").await;
            assert_eq!(reply.status == 429, !reply.header("retry-after").is_empty());
            reply.status
        });
    }
    for _ in 0..50 {
        assert_eq!(house.ask("GET", "/-/healthy", &known, "").await.status, 200);
    }
    let answers = flood.join_all().await;
    let of = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((of(401), of(429)), (10, 490), "ten are looked at");
}

/// What nginx passes on comes from this machine and is not of it: neither as nginx does it by
/// itself, without a header that says so, nor as its manual advises.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_on_this_machine_passes_on_changes_nothing() {
    let house = House::open(province::quiet(3));
    let place = Place::new("proxy");
    let (bare, told) = (free_port(), free_port());
    let board = house.address;
    let config = format!(
        "daemon off; pid nginx.pid; worker_processes 1; error_log stderr;
         events {{ worker_connections 64; }}
         http {{
           access_log off; client_body_temp_path tmp; proxy_temp_path tmp;
           fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
           server {{ listen 127.0.0.1:{bare}; location / {{ proxy_pass http://{board}; }} }}
           server {{ listen 127.0.0.1:{told}; location / {{
             proxy_pass http://{board}; proxy_http_version 1.1;
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}
         }}"
    );
    place.write("nginx.conf", &config);
    let dir = place.path().display().to_string();
    let args = ["-p", &dir, "-c", "nginx.conf", "-e", "stderr"].map(str::to_owned);
    let mut nginx = Peer::start("nginx-light", "/usr/sbin/nginx", &args);
    for port in [bare, told] {
        eventually("the board through nginx", async || {
            nginx.must_run();
            get(&format!("http://127.0.0.1:{port}/-/healthy")).await
        })
        .await;
        let reload = format!("http://127.0.0.1:{port}/-/reload");
        let refused = client().post(reload).send().await.unwrap();
        assert_eq!(refused.status(), 403);
    }
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
    assert_eq!(house.ask("POST", "/-/reload", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_request_within_a_request_is_never_carried_out() {
    let house = House::open_with(province::quiet(3), {
        let short = Duration::from_millis(300);
        Limits { head: short, request: short, ..Limits::default() }
    });
    let hidden = "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nX: ";
    for head in [
        // Two lengths, two encodings, both, or one written so that others read it otherwise.
        "Content-Length: 0\r\nContent-Length: 60\r\n",
        "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 60\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Content-Length: +60\r\n",
        "Content-Length: 0x3c\r\n",
        "Content-Length : 60\r\n",
        "Content-Length: 60, 60\r\n",
        " Content-Length: 60\r\n",
    ] {
        let bytes = format!(
            "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n{head}\r\n0\r\n\r\n{hidden}\r\n\r\n"
        );
        house.raw(bytes.as_bytes()).await;
        assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0, "{head:?}");
    }
    let mut stream = house.connect().await;
    let endless =
        "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;";
    stream.write_all(endless.as_bytes()).await.unwrap();
    let _ = stream.write_all(&vec![b'a'; 1 << 20]).await;
    let mut some = [0; 64];
    let _ = tokio::time::timeout(PATIENCE, stream.read(&mut some)).await.expect("an end");
    house.get_at_last("/-/healthy").await;
}

#[test]
fn nothing_that_shows_what_the_door_knows_shows_a_hash() {
    let text = users() + &format!("bearer_tokens: {{script: {TOKEN}}}\n");
    let sources = SourceSet::new().with(File::Web, "web-config.yml", text);
    let access = config::access(&sources).unwrap();
    let shown = format!("{access:?} {sources:?}");
    assert!(shown.contains("tram") && !shown.contains("$2") && !shown.contains(TOKEN), "{shown}");
    assert!(!shown.contains("180, 108"), "not even as numbers: {shown}");
}
