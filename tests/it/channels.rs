//! What the tests of the channels share: letters, places of their own, peers that do not outlive
//! their test.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use vchealth::clock::Clock;
use vchealth::config::{Channel, ChannelKind, SecretSource};
use vchealth::model::{
    Affected, Alert, Cause, ChannelId, Contact, Incident, IncidentId, Language, Notification,
    NotificationId, NotificationKind, Phase, SessionId, Severity, SiteId,
};
use vchealth::notify::{Direct, Item, Letter, Style};

/// A directory that goes with the test.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = format!("vchealth-it-{}-{count}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn key(&self, name: &str, text: &str) -> SecretSource {
        SecretSource::File(self.write(name, text))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that goes with the test.
#[derive(Debug)]
pub(crate) struct Peer(Child);

impl Peer {
    /// Starts a program of a Debian package.
    pub(crate) fn start(package: &str, program: &str, args: &[String]) -> Self {
        let mut command = Command::new(program);
        // What it says when it is killed is of no use to whoever reads the results.
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{program} cannot be started ({error}): install the package {package}")
        });
        Self(child)
    }

    /// Fails the test if the process has ended.
    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.0.try_wait().unwrap() {
            panic!("a peer of this test has ended: {status}");
        }
    }
}

impl Peer {
    /// Ends it now.
    pub(crate) fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Asks until there is an answer; fails the test after a time that no machine needs.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(180), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn style() -> Style {
    Style::new(Language::Vi, TimeZone::fixed(Offset::constant(7)), "http://10.0.0.5:8080")
}

/// A channel by itself.
pub(crate) fn direct(kind: ChannelKind) -> Direct {
    let channel = Channel { id: ChannelId::new("truc"), kind, send_resolved: true, fallback: None };
    Direct::new(&channel, &style(), Clock::start())
}

/// A letter about one incident at Xã Tân Lập.
pub(crate) fn letter(id: &str, incident: &str, kind: NotificationKind) -> Letter {
    let began = Timestamp::now() - Duration::from_secs(90);
    letter_of(id, incident, kind, began)
}

pub(crate) fn letter_of(
    id: &str,
    incident: &str,
    kind: NotificationKind,
    began: Timestamp,
) -> Letter {
    let site = SiteId::new("tan-lap");
    let over = kind == NotificationKind::Resolved;
    let incident = Incident {
        site: Some(site.clone()),
        opened: began + Duration::from_secs(4),
        resolved: over.then(|| began + Duration::from_secs(60)),
        severity: Severity::Critical,
        affected: vec![Affected {
            site: site.clone(),
            since: began,
            until: None,
            passed_on: false,
        }],
        of: 1,
        delegates: 31,
        session: Some(SessionId::new("giao-ban")),
        ..Incident::blank(IncidentId::new(incident), Cause::Access, began)
    };
    let alert = Alert {
        incident,
        site_name: "Xã Tân Lập".to_owned(),
        level: "commune".to_owned(),
        level_name: "Xã".to_owned(),
        parent: "cho-don".to_owned(),
        parent_name: "Chợ Đồn".to_owned(),
        contacts: vec![Contact {
            name: "Nông Văn Tú".to_owned(),
            phone: "0912 000 001".to_owned(),
            email: String::new(),
        }],
        names: BTreeMap::from([(site, "Xã Tân Lập".to_owned())]),
        phase: Phase::Live,
        session_title: Some("Giao ban trực tuyến".to_owned()),
        session_start: Some(began - Duration::from_secs(600)),
        drill: false,
        phones: BTreeMap::new(),
        readiness: None,
    };
    let id = NotificationId::new(id);
    let channel = ChannelId::new("truc");
    let created = began + Duration::from_secs(if over { 60 } else { 4 });
    let notification = Notification {
        id: id.clone(),
        channel: channel.clone(),
        kind,
        created,
        alert,
        instead_of: None,
    };
    let items = vec![Item::new(kind, Arc::new(notification))];
    Letter { id, channel, created, items, test: false }
}

/// The body behind a URL of this machine, if it answers with success.
/// A client for services on this machine.
pub(crate) fn client() -> reqwest::Client {
    // Whoever installs a provider first has installed this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn get(url: &str) -> Option<String> {
    let answer = client().get(url).send().await.ok()?;
    answer.error_for_status().ok()?.text().await.ok()
}

/// One request that a fake service got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: String,
}

/// A service on the web that answers by a script.
pub(crate) struct Fake {
    pub(crate) url: String,
    got: Arc<std::sync::Mutex<Vec<Got>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Fake {
    /// Starts it. `answer` gives status and body for a request and all that came before.
    pub(crate) async fn start(
        answer: impl Fn(&Got, &[Got]) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let got: Arc<std::sync::Mutex<Vec<Got>>> = Arc::default();
        let seen = Arc::clone(&got);
        let answer = Arc::new(answer);
        let handler = move |request: axum::extract::Request| {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let path = head.uri.path_and_query().unwrap().to_string();
                let now = Got { path, headers: head.headers, body };
                let mut seen = seen.lock().unwrap();
                let (status, text) = answer(&now, &seen);
                seen.push(now);
                (axum::http::StatusCode::from_u16(status).unwrap(), text)
            }
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(handler);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, got, task }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}
