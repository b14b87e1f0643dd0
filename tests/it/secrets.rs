//! Keys lie in many places, and none shows itself: not in the log at its most talkative, not in
//! metrics, in the API, in what commands print, nor in what a mistake in a file is told with. Every
//! receiver here is as indiscreet as can be: it refuses, and repeats what it was sent.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::acting::{Running, ask, read, wait};
use crate::fixtures::Scratch;
use crate::ports::free_port;

/// What every planted key has in it, as it is and as the beginning of base64.
const PLANTED: &str = "pl4nted";
const PLANTED_BASE64: &str = "cGw0bnRlZC1";
const CHANNELS: [&str; 10] =
    ["hook", "user", "basic", "cluster", "chat", "zalo", "esms", "gateway", "siren", "mail"];

/// A receiver that refuses everything and repeats it; gives its address.
fn gossip() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || repeat(stream));
        }
    });
    address
}

fn repeat(mut stream: TcpStream) -> Option<()> {
    while let Some((head, body)) = read(&mut stream) {
        let mut head: Vec<&str> = head.lines().collect();
        // Only the beginning of what is said here is told at all.
        head.sort_by_key(|line| !line.to_lowercase().starts_with("authorization"));
        let said = format!("{} {}", head.join(" "), String::from_utf8_lossy(&body));
        let head = format!("HTTP/1.1 500 no\r\ncontent-length: {}\r\n\r\n", said.len());
        stream.write_all((head + &said).as_bytes()).ok()?;
    }
    Some(())
}

/// A server for mail that takes no log-in and repeats it: as it came, and what it means. Gives its
/// port, and what it was given.
fn postmaster() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let given: Arc<Mutex<Vec<String>>> = Arc::default();
    let all = Arc::clone(&given);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let all = Arc::clone(&all);
            std::thread::spawn(move || refuse(&stream, &all));
        }
    });
    (port, given)
}

/// One connection of it (RFC 5321, RFC 4954).
fn refuse(mut stream: &TcpStream, given: &Mutex<Vec<String>>) -> Option<()> {
    stream.write_all(b"220 gossip\r\n").ok()?;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let answer = match line.split(' ').next()? {
            "EHLO" => "250-gossip\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "AUTH" => {
                given.lock().unwrap().push(line.clone());
                format!("535 5.7.8 no: {line} ({PLANTED}-password-key)\r\n")
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").ok(),
            _ => "500 what?\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
    Some(())
}

/// A configuration with a key in every place that has one. `dead` is the port of a service.
fn configure(dir: &Path, listen: &str, echo: &str, mail: u16, dead: u16) {
    let key = |name: &str| {
        let path = dir.join(name);
        fs::write(&path, format!("{PLANTED}-{name}-key\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let address = |name: &str, below: &str| {
        let path = key(name);
        fs::write(&path, format!("http://{echo}/{PLANTED}-{below}\n")).unwrap();
        path
    };
    let settings = format!(
        "listen: {listen}
state_dir: {state}
heartbeat: {{url_file: {beat}, every: 10s}}
calendars: {{office: {{url_file: {calendar}}}}}
channels:
  hook: {{kind: webhook, url: \"http://{echo}/{PLANTED}-path?key={PLANTED}-query\", secret_file: {hook}}}
  user: {{kind: webhook, url_file: {user}}}
  basic: {{kind: webhook, url: \"http://{PLANTED}-user:{PLANTED}-pass@{echo}/x\"}}
  cluster: {{kind: alertmanager, urls: [\"http://{echo}/{PLANTED}-member\", {{file: {member}}}], token_file: {cluster}}}
  chat: {{kind: telegram, token_file: {chat}, chats: [\"-1\"], base_url: \"http://{echo}\"}}
  zalo: {{kind: zalo, app_id: \"1\", secret_key_file: {zalo}, refresh_token_file: {refresh}, groups: [g],
    base_url: \"http://{echo}\", oauth_url: \"http://{echo}\"}}
  esms: {{kind: sms, gateway: esms, to: [\"0912345678\"], api_key_file: {api}, secret_key_file: {esms},
    brandname: B, base_url: \"http://{echo}\"}}
  gateway: {{kind: sms, gateway: http, to: [\"0912345678\"], url: \"http://{echo}/?pw={PLANTED}-template\",
    form: {{to: \"{{phone}}\", text: \"{{text}}\", key: \"{{key}}\", fixed: {PLANTED}-field}}, headers: {{x-key: {PLANTED}-header}},
    secrets: {{key: {{file: {gateway}}}}}}}
  siren: {{kind: exec, program: /bin/sh, args: [\"-c\", \"echo $KEY $PIN $0 >&2; exit 75\", {PLANTED}-argument],
    env: {{KEY: {PLANTED}-env, PIN: {{file: {pin}}}}}}}
  mail: {{kind: email, host: 127.0.0.1, port: {mail}, security: none, user: u, password_file: {password},
    from: a@b.example, to: [c@d.example]}}
checks: {{dead: {{kind: tcp, port: {dead}, timeout: 500ms, pace: 1s, confirm_after: 1s}}}}
",
        state = dir.join("state").display(),
        beat = address("beat", "beat"),
        calendar = address("calendar", &format!("calendar.ics?{PLANTED}-query")),
        user = address("user", "user"),
        member = address("member", "second-member"),
        pin = key("pin"),
        hook = key("hook"),
        cluster = key("cluster"),
        chat = key("chat"),
        zalo = key("zalo"),
        refresh = key("refresh"),
        api = key("api"),
        esms = key("esms"),
        gateway = key("gateway"),
        password = key("password"),
    );
    let sites = "levels: [{id: commune, name: Xã}]
classes: {commune: {level: commune, endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, dead]}]}}
sites: [{id: tan-lap, name: Xã Tân Lập, router: 127.0.0.1, codec: 127.0.0.2}]
";
    fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    fs::write(dir.join("sites.yaml"), sites).unwrap();
    fs::write(dir.join("sessions.yaml"), "sessions: []\n").unwrap();
}

/// What a command prints, whatever comes of it.
fn printed(dir: &Path, command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args([command, "--config"])
        .arg(dir)
        .env("VCHEALTH_LOG", "debug")
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn no_key_shows_itself_anywhere() {
    let scratch = Scratch::new("secrets");
    let dir = scratch.path();
    fs::create_dir_all(dir).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    // What never was there is no fault: it is there at first.
    let service = TcpListener::bind("127.0.0.2:0").unwrap();
    let (mail, given) = postmaster();
    configure(dir, &listen, &gossip(), mail, service.local_addr().unwrap().port());
    let log = dir.join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["run", "--config"])
        .arg(dir)
        .env("VCHEALTH_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(File::create(&log).unwrap())
        .stderr(File::options().append(true).open(&log).unwrap())
        .spawn();
    let running = Running(child.expect("the program starts"));
    let logged = || fs::read_to_string(&log).unwrap_or_default();
    wait(|| {
        let up = "health changed what=\"tan-lap/codec/dead\" health=\"up\"";
        logged().contains(up).then_some(())
    });
    drop(service);
    wait(|| {
        let log = logged();
        let failed = |name: &&str| {
            let failed =
                |line: &&str| line.contains("not told yet") || line.contains("is given up");
            let mut lines = log.lines().filter(failed);
            !lines.any(|line| line.contains(&format!("channel={name}")))
        };
        CHANNELS.iter().find(|name| failed(name)).is_none().then_some(())
    });
    // What lies in files was found there: the receiver answered.
    let answered =
        |what: &str| logged().lines().any(|line| line.contains(what) && line.contains("500"));
    for what in ["the watchdog did not get the heartbeat", "channel=user", "calendar"] {
        wait(|| answered(what).then_some(()));
    }

    let mut said = vec![("the log", logged())];
    for path in ["/metrics", "/", "/api/v1/status", "/api/v1/incidents", "/api/v1/calendar"] {
        let (head, body) = ask(&listen, "GET", path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        said.push((path, body));
    }
    let left = given.lock().unwrap().join(" ");
    assert!(left.contains(PLANTED_BASE64), "the password left: {left}");
    let (_, all) = ask(&listen, "GET", "/api/v1/incidents", "");
    let all: Value = serde_json::from_str(&all).unwrap();
    let id = all["incidents"][0]["id"].as_str().expect("an incident").to_owned();
    for path in [format!("/api/v1/incidents/{id}"), format!("/incidents/{id}")] {
        let (head, body) = ask(&listen, "GET", &path, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        said.push(("an incident", body));
    }
    said.push(("alert-test", printed(dir, "alert-test")));
    // A mistake beside each address: the line is not shown.
    let file = dir.join("vchealth.yaml");
    let wrong = fs::read_to_string(&file).unwrap();
    let wrong = wrong.replace("kind: webhook,", "kind: webhook, tmeout: 1s,");
    let wrong = wrong.replace("\"{phone}\"", "\"{phoen}\"");
    let wrong = wrong.replace("url: \"http://", "url: \"htp://");
    fs::write(&file, wrong).unwrap();
    said.push(("check-config", printed(dir, "check-config")));
    let (_, answer) = ask(&listen, "POST", "/-/reload", "");
    assert!(answer.contains("vchealth.yaml"), "{answer}");
    said.push(("a reload", answer));
    said.push(("the log after it", logged()));
    drop(running);
    // What is kept is what was said, and what went wrong.
    for file in fs::read_dir(dir.join("state")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            let bytes = fs::read(file.path()).unwrap();
            said.push(("the state directory", String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    for (place, text) in said {
        let has = |line: &&str| line.contains(PLANTED) || line.contains(PLANTED_BASE64);
        let shown = text.lines().find(has);
        assert_eq!(shown, None, "{place} shows a key");
    }
}
