//! The e-mail channel against a real mail server, Exim: STARTTLS, TLS, log-in, refusals, and what a
//! reader's mail program gets.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use vchealth::config::{ChannelKind, EmailSettings, MailSecurity};
use vchealth::model::NotificationKind;
use vchealth::notify::Retry;

use crate::channels::{Peer, Place, direct, eventually, letter};
use crate::channels_names;
use crate::ports::free_port;

const FIRING: NotificationKind = NotificationKind::Firing;
const PASSWORD: &str = "bi-mat-cua-thu";

/// An Exim with an account, that keeps what it accepts.
struct Exim {
    place: Place,
    submission: u16,
    submissions: u16,
    process: Peer,
}

impl Exim {
    async fn start() -> Self {
        let place = Place::new("exim");
        let dir = place.path().display();
        let (submission, submissions) = (free_port(), free_port());
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        place.write("cert.pem", &key.cert.pem());
        place.write("key.pem", &key.signing_key.serialize_pem());
        for name in ["spool", "log", "mail"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        let conf = place.write("conf", &configuration(&dir.to_string(), submission, submissions));
        // Exim reads its settings as root and works as its own user.
        let owned = Command::new("chown").arg("-R").arg("Debian-exim").arg(place.path()).status();
        assert!(
            owned.is_ok_and(|status| status.success())
                && Command::new("chown").arg("0").arg(&conf).status().unwrap().success(),
            "Exim runs as its own user: install the package exim4-daemon-light and run as root"
        );
        let args = ["-C", &conf.display().to_string(), "-bdf"].map(str::to_owned);
        let process = Peer::start("exim4-daemon-light", "/usr/sbin/exim4", &args);
        let mut exim = Self { place, submission, submissions, process };
        eventually("Exim listens", async || {
            exim.process.must_run();
            let ports = [submission, submissions];
            ports
                .iter()
                .all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok())
                .then_some(())
        })
        .await;
        exim
    }

    fn settings(&self) -> EmailSettings {
        EmailSettings {
            host: "localhost".to_owned(),
            port: self.submission,
            security: MailSecurity::Starttls,
            login: Some(("canhbao".to_owned(), self.place.key("password", PASSWORD))),
            ca_file: Some(self.place.path().join("cert.pem")),
            from: "Giám sát hội nghị <canh-bao@tinh.example>".to_owned(),
            to: vec!["truc@tinh.example".to_owned()],
            hello: None,
            timeout: Duration::from_secs(30),
        }
    }

    /// Mails that were put in the box, once there are so many.
    async fn mails(&self, count: usize) -> Vec<String> {
        let dir: PathBuf = self.place.path().join("mail/new");
        eventually("mails arrive", async || {
            let found = std::fs::read_dir(&dir).ok()?;
            let mut mails: Vec<String> =
                found.map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap()).collect();
            mails.sort();
            (mails.len() >= count).then_some(mails)
        })
        .await
    }
}

fn configuration(dir: &str, submission: u16, submissions: u16) -> String {
    format!(
        "primary_hostname = mail.tinh.example
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/pid
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {submission} : {submissions}
tls_on_connect_ports = {submissions}
tls_advertise_hosts = *
tls_certificate = {dir}/cert.pem
tls_privatekey = {dir}/key.pem
auth_advertise_hosts = ${{if def:tls_in_cipher {{*}}}}
acl_smtp_rcpt = recipient
host_lookup =
rfc1413_query_timeout = 0s
begin acl
recipient:
  require authenticated = *
          message = who are you
  deny    local_parts = gone
          message = no such person here
  defer   local_parts = later
          message = come back later
  accept  local_parts = slow1 : slow2 : slow3 : slow4 : slow5
          delay = 2s
  accept
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {dir}/mail
  maildir_format
  envelope_to_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{canhbao}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
"
    )
}

/// The value of a header, unfolded.
fn header(mail: &str, name: &str) -> String {
    let head = mail.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    let start = format!("{name}: ");
    let found = head.lines().find_map(|line| line.strip_prefix(&start).map(str::trim));
    found.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
}

/// What a reader sees, by a mail program's own parser: subject, plain text, HTML.
fn as_read(mail: &str) -> [String; 3] {
    let script = "import sys, email, email.policy, json
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
body = lambda kind: m.get_body((kind,)).get_content()
sys.stdout.write(json.dumps([m['subject'], body('plain'), body('html')]))";
    let mut reader = Command::new("python3")
        .args(["-c", script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 cannot be started: install the package python3");
    std::io::Write::write_all(&mut reader.stdin.take().unwrap(), mail.as_bytes()).unwrap();
    serde_json::from_slice(&reader.wait_with_output().unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_arrives_readable_and_in_one_thread() {
    let exim = Exim::start().await;
    let email = direct(ChannelKind::Email(exim.settings()));
    let firing = letter("n1", "i1", NotificationKind::Firing);
    email.deliver(&firing).await.unwrap();
    // The same once more: a server or a reader's program can tell by its name.
    email.deliver(&firing).await.unwrap();
    email.deliver(&letter("n2", "i1", NotificationKind::Resolved)).await.unwrap();
    let mails = exim.mails(3).await;
    let mut names: Vec<String> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    names.sort();
    assert_eq!(names, ["<n1@tinh.example>", "<n1@tinh.example>", "<n2@tinh.example>"]);
    for mail in &mails {
        assert_eq!(header(mail, "References"), "<incident.i1@tinh.example>");
        assert_eq!(header(mail, "In-Reply-To"), "<incident.i1@tinh.example>");
        assert!(header(mail, "Received").contains("esmtpsa"), "encrypted and logged in");
    }
    let firing = mails.iter().find(|mail| header(mail, "Message-ID").contains("n1")).unwrap();
    let [subject, plain, html] = as_read(firing);
    assert!(subject.starts_with("[NGHIÊM TRỌNG] Điểm cầu Xã Tân Lập MẤT KẾT NỐI"), "{subject}");
    assert!(plain.contains("Nông Văn Tú: 0912 000 001"), "{plain}");
    assert!(html.contains("Nông Văn Tú: 0912 000 001") && html.contains("<p style="), "{html}");
    let from = header(firing, "From");
    assert!(from.contains("<canh-bao@tinh.example>") && from.is_ascii(), "{from}");
}

/// The threads that a mail program makes of mails (RFC 5256, REFERENCES): those that refer to one
/// another, in a row, are one. Gives the names of the mails of each.
fn threads(mails: &[String]) -> BTreeSet<BTreeSet<String>> {
    let mut threads: Vec<BTreeSet<String>> = Vec::new();
    for mail in mails {
        let row = [header(mail, "References"), header(mail, "Message-ID")].join(" ");
        let mut one: BTreeSet<String> = row.split(' ').map(str::to_owned).collect();
        threads.retain(|other| {
            let apart = one.is_disjoint(other);
            if !apart {
                one.extend(other.iter().cloned());
            }
            apart
        });
        threads.push(one);
    }
    let own: BTreeSet<String> = mails.iter().map(|mail| header(mail, "Message-ID")).collect();
    threads.into_iter().map(|thread| thread.intersection(&own).cloned().collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mail_about_several_incidents_leaves_each_of_them_a_thread_of_its_own() {
    let exim = Exim::start().await;
    let email = direct(ChannelKind::Email(exim.settings()));
    let together = |id: &str, kind| {
        let mut digest = letter(id, "i1", kind);
        let others = ["i2", "i3"].map(|other| letter(&format!("{id}-{other}"), other, kind));
        digest.items.extend(others.into_iter().flat_map(|other| other.items));
        digest
    };
    let (firing, over) = (NotificationKind::Firing, NotificationKind::Resolved);
    email.deliver(&together("digest-n1", firing)).await.unwrap();
    for (id, about) in [("n2", "i1"), ("n3", "i1"), ("n4", "i2")] {
        email.deliver(&letter(id, about, NotificationKind::Update)).await.unwrap();
    }
    email.deliver(&together("digest-n5", over)).await.unwrap();
    let threads = threads(&exim.mails(5).await);
    let thread = |ids: &[&str]| ids.iter().map(|id| format!("<{id}@tinh.example>")).collect();
    let expected = [thread(&["digest-n1", "digest-n5"]), thread(&["n2", "n3"]), thread(&["n4"])];
    assert_eq!(threads, BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_program_shows_every_name_as_it_is_written() {
    let exim = Exim::start().await;
    let email = direct(ChannelKind::Email(exim.settings()));
    let names = channels_names::names();
    for (name, _) in &names {
        email.deliver(&channels_names::about(name)).await.unwrap();
    }
    let read: Vec<[String; 3]> =
        exim.mails(names.len()).await.iter().map(|mail| as_read(mail)).collect();
    for (name, _) in names {
        let begins = channels_names::begins(&name);
        let found = read.iter().find(|[_, plain, _]| plain.starts_with(&begins));
        let [subject, _, html] = found.unwrap_or_else(|| panic!("{name}: {read:?}"));
        if name.chars().count() <= 80 {
            assert!(subject.starts_with(&begins), "{subject}");
        }
        // However long the name, a phone's list of mails shows what is wrong.
        assert!(subject.contains("… MẤT KẾT NỐI lúc") || subject.starts_with(&begins), "{subject}");
        assert!(subject.chars().count() <= 160, "{subject}");
        // The labels of lines are bold, and nothing that a name says.
        assert!(!html.contains("<b>&amp;"), "no name is a mark: {html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_from_the_first_byte_works_as_well() {
    let exim = Exim::start().await;
    let settings =
        EmailSettings { port: exim.submissions, security: MailSecurity::Tls, ..exim.settings() };
    let email = direct(ChannelKind::Email(settings));
    email.deliver(&letter("n1", "i1", NotificationKind::Firing)).await.unwrap();
    assert!(header(&exim.mails(1).await[0], "Received").contains("esmtpsa"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_has_left_keeps_nobody_else_from_being_told() {
    let exim = Exim::start().await;
    let to = ["truc@tinh.example", "gone@tinh.example", "lanhdao@tinh.example"];
    let settings = EmailSettings { to: to.map(str::to_owned).into(), ..exim.settings() };
    let email = direct(ChannelKind::Email(settings));
    email.deliver(&letter("n1", "i1", NotificationKind::Firing)).await.unwrap();
    let told: Vec<String> =
        exim.mails(2).await.iter().map(|mail| header(mail, "Envelope-to")).collect();
    assert!(told.contains(&"truc@tinh.example".to_owned()), "{told:?}");
    assert!(told.contains(&"lanhdao@tinh.example".to_owned()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_to_be_tried_later_delays_nobody_and_the_others_get_it_once() {
    let exim = Exim::start().await;
    let to =
        ["truc@tinh.example", "later@tinh.example", "gone@tinh.example", "lanhdao@tinh.example"];
    let settings = EmailSettings { to: to.map(str::to_owned).into(), ..exim.settings() };
    let email = direct(ChannelKind::Email(settings));
    let [first, second] = ["n1", "n2"].map(|id| letter(id, "i1", NotificationKind::Firing));
    for _ in 0..3 {
        let error = email.deliver(&first).await.unwrap_err();
        assert!(matches!(error.retry, Retry::Partly { after: Duration::ZERO, .. }), "{error}");
    }
    // Sent after all of that, so that what came before it is all there is.
    email.deliver(&second).await.unwrap_err();
    let mails = exim.mails(4).await;
    let mut told: Vec<(String, String)> = mails
        .iter()
        .map(|mail| (header(mail, "Message-ID"), header(mail, "Envelope-to")))
        .collect();
    told.sort();
    let expected = [
        ("<n1@tinh.example>", "lanhdao@tinh.example"),
        ("<n1@tinh.example>", "truc@tinh.example"),
        ("<n2@tinh.example>", "lanhdao@tinh.example"),
        ("<n2@tinh.example>", "truc@tinh.example"),
    ];
    assert_eq!(told, expected.map(|(id, to)| (id.to_owned(), to.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_its_time_has_it_for_every_recipient() {
    let exim = Exim::start().await;
    let to = ["later", "slow1", "slow2", "slow3", "slow4", "slow5"];
    let to: Vec<String> = to.map(|name| format!("{name}@tinh.example")).into();
    let patient = to[1..].to_vec();
    // Ten seconds for all of them, one after the other.
    let settings = EmailSettings { to, timeout: Duration::from_secs(8), ..exim.settings() };
    let email = direct(ChannelKind::Email(settings.clone()));
    let error = email.deliver(&letter("n1", "i1", NotificationKind::Firing)).await.unwrap_err();
    assert_eq!(error.retry, Retry::Partly { after: Duration::ZERO, works: true }, "{error}");
    assert_eq!(exim.mails(5).await.len(), 5);
    // And for all of them at once, where it refuses nobody.
    let email = direct(ChannelKind::Email(EmailSettings { to: patient, ..settings }));
    email.deliver(&letter("n2", "i2", NotificationKind::Firing)).await.unwrap();
    assert_eq!(exim.mails(10).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_talks_without_end_takes_no_memory_and_is_tried_again() {
    let exim = Exim::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&said);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'2'; 65_536]).await.is_ok() {
            counted.fetch_add(65_536, Ordering::SeqCst);
        }
    });
    let endless = EmailSettings { port, ..exim.settings() };
    let told = direct(ChannelKind::Email(endless)).deliver(&letter("n1", "i1", FIRING)).await;
    let error = told.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
    assert!(error.text.contains("it says more than a mail server does"), "{error}");
    // What lies in buffers of the system counts as well.
    assert!(said.load(Ordering::SeqCst) < 32 << 20, "{said:?} bytes");
}

/// The beginning of a command, and what is answered to it.
type Answers = &'static [(&'static str, &'static str)];

/// A server without TLS that answers so to each command, takes every mail otherwise, and hangs when
/// it is told farewell.
async fn server_that_never_lets_go(answers: Answers) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(hold_on_to(stream, answers));
        }
    });
    port
}

async fn hold_on_to(stream: tokio::net::TcpStream, answers: Answers) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await.unwrap();
    let (mut line, mut in_mail) = (String::new(), false);
    while stream.read_line(&mut line).await.unwrap_or_default() > 0 {
        let ends = line == ".\r\n";
        let scripted = answers.iter().find(|(command, _)| line.starts_with(command));
        let answer = match (scripted, line.split_whitespace().next()) {
            _ if in_mail && !ends => "",
            (Some((_, answer)), _) => answer,
            (None, Some("DATA")) => "354 go on\r\n",
            (None, Some("QUIT")) => "",
            (None, _) => "250 yes\r\n",
        };
        in_mail = if in_mail { !ends } else { answer.starts_with("354") };
        stream.write_all(answer.as_bytes()).await.unwrap();
        line.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_server_cannot_take_keeps_nobody_else_from_being_told() {
    // It takes no letters beyond ASCII in addresses, nor eight bits.
    let port = server_that_never_lets_go(&[]).await;
    let told = async |to: &[&str]| {
        let settings = EmailSettings {
            host: "127.0.0.1".to_owned(),
            port,
            security: MailSecurity::None,
            login: None,
            ca_file: None,
            from: "canh-bao@tinh.example".to_owned(),
            to: to.iter().copied().map(str::to_owned).collect(),
            hello: None,
            timeout: Duration::from_secs(20),
        };
        direct(ChannelKind::Email(settings)).deliver(&letter("n1", "i1", FIRING)).await
    };
    told(&["a@tinh.example", "trực@tinh.example"]).await.unwrap();
    let error = told(&["trực@tinh.example"]).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never, "{error}");
    assert!(error.text.contains("SMTPUTF8"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_counts_whether_or_not_the_server_says_farewell() {
    const LOG_IN: (&str, &str) = ("EHLO", "250-here\r\n250 AUTH LOGIN\r\n");
    // "Username:" and "Password:", and what is sent as the name.
    const CHALLENGES: [(&str, &str); 2] =
        [("AUTH", "334 VXNlcm5hbWU6\r\n"), ("Y2FuaGJhbw==", "334 UGFzc3dvcmQ6\r\n")];
    let place = Place::new("farewell");
    let login = Some(("canhbao".to_owned(), place.key("password", PASSWORD)));
    let cases: [(Answers, bool, &str); 5] = [
        (&[("MAIL", "550 not from you\r\n")], false, "550"),
        (&[("RCPT", "550 no such user <Truc@tinh.example>\r\n")], false, "550"),
        (&[("DATA", "554 no\r\n")], false, "554"),
        (&[(".", "554 spam\r\n")], false, "554"),
        (
            &[LOG_IN, CHALLENGES[0], CHALLENGES[1], ("YmktbWF0LWN1YS10aHU=", "535 no\r\n")],
            true,
            "535",
        ),
    ];
    for (answers, logs_in, code) in cases {
        let settings = EmailSettings {
            host: "127.0.0.1".to_owned(),
            port: server_that_never_lets_go(answers).await,
            security: MailSecurity::None,
            login: login.clone().filter(|_| logs_in),
            ca_file: None,
            from: "canh-bao@tinh.example".to_owned(),
            to: vec!["Truc@tinh.example".to_owned()],
            hello: None,
            timeout: Duration::from_secs(20),
        };
        let told = direct(ChannelKind::Email(settings)).deliver(&letter("n1", "i1", FIRING)).await;
        let error = told.unwrap_err();
        assert_eq!(error.retry, Retry::Never, "{error}");
        assert!(error.text.contains(code), "{error}");
        assert!(!error.text.contains("@tinh.example"), "nobody's business: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_taken_is_told_whatever_the_server_does_afterwards() {
    let exim = Exim::start().await;
    let port = server_that_never_lets_go(&[]).await;
    let (security, login) = (MailSecurity::None, None);
    let settings = EmailSettings { port, security, login, ..exim.settings() };
    direct(ChannelKind::Email(settings)).deliver(&letter("n1", "i1", FIRING)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_whether_to_try_again_and_never_the_password() {
    let exim = Exim::start().await;
    let wrong = exim.place.key("wrong", "sai-mat-khau");
    let plain = EmailSettings { security: MailSecurity::None, login: None, ..exim.settings() };
    let cases = [
        (EmailSettings { to: vec!["gone@tinh.example".into()], ..exim.settings() }, Retry::Never),
        (EmailSettings { to: vec!["later@tinh.example".into()], ..exim.settings() }, Retry::Later),
        (EmailSettings { login: Some(("canhbao".into(), wrong)), ..exim.settings() }, Retry::Never),
        // A certificate of nobody we trust: somebody in between, perhaps for a while.
        (EmailSettings { ca_file: None, ..exim.settings() }, Retry::Later),
        // Nobody listens there.
        (EmailSettings { port: free_port(), ..exim.settings() }, Retry::Later),
        // Not logged in, in the clear.
        (plain, Retry::Never),
    ];
    for (settings, retry) in cases {
        let shown = format!("{settings:?}");
        let email = direct(ChannelKind::Email(settings));
        let told = email.deliver(&letter("n1", "i1", NotificationKind::Firing)).await;
        let error = told.expect_err(&shown);
        assert_eq!(error.retry, retry, "{error} with {shown}");
        assert!(!error.text.contains(PASSWORD) && !error.text.contains("sai-mat-khau"), "{error}");
        assert!(error.text.starts_with("localhost:"), "{error}");
    }
}
