//! The web server on a real listener, spoken to in raw bytes: what it answers, and whom it
//! outlasts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vchealth::clock::Clock;
use vchealth::config::{Access, AckSettings, PhaseTimes, Phonebook};
use vchealth::metrics::Figures;
use vchealth::model::{
    Ack, Act, Batch, Calendar, Change, ChannelId, ChannelStatus, CheckId, Confirmation, Detail,
    Effort, EndpointId, Failure, HandOver, HardState, Health, IncidentId, Language, LinkUse,
    Maintenance, Now, Outcome, PersonId, ProbeRequest, ReadinessRun, RemoteFailure, Rollup, RotaId,
    SessionChange, SessionId, SessionRecord, Silence, SilenceId, SiteId, Sketch, Snapshot, Spread,
    StoreStatus, StoreTrouble, TargetIx, TargetKey, TargetView, TcpDetail, Trace, Trigger,
};
use vchealth::notify::{Link, LinkError, LinkKey};
use vchealth::probe::{Explanation, Failed, Record};
use vchealth::report::{Report, Totals};
use vchealth::store::{Past, Store};
use vchealth::web::{
    Answer, Condition, ControlError, Daemon, Limits, Look, Probed, Refused, ReloadError, Reloaded,
    Server, UsedLink,
};

use crate::fixtures::Scratch;
use crate::province;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon of which a test decides everything.
pub(crate) struct Fake {
    snapshot: Mutex<Arc<Snapshot>>,
    published: watch::Sender<u64>,
    stalled: AtomicU64,
    pub(crate) trouble: Mutex<Option<StoreTrouble>>,
    pub(crate) access: Mutex<Arc<Access>>,
    /// What a reload answers.
    pub(crate) reload: Mutex<Result<Reloaded, ReloadError>>,
    pub(crate) reloads: AtomicU64,
    /// How many reloads came to their end.
    reloaded: watch::Sender<u64>,
    /// Whether a reload waits until it is let go.
    pub(crate) hold: AtomicBool,
    held: Notify,
    pub(crate) let_go: Notify,
    pub(crate) acks: Mutex<Vec<(IncidentId, Ack)>>,
    pub(crate) silences: Mutex<Vec<Silence>>,
    pub(crate) windows: Mutex<Vec<Maintenance>>,
    pub(crate) lifted: Mutex<Vec<SilenceId>>,
    pub(crate) link_uses: Mutex<Vec<(LinkUse, Act)>>,
    pub(crate) calendar: Mutex<Calendar>,
    pub(crate) changes: Mutex<Vec<(SessionId, Option<SessionChange>)>>,
    pub(crate) runs: Mutex<Vec<ReadinessRun>>,
    pub(crate) confirmed: Mutex<Vec<Confirmation>>,
    pub(crate) wished: Mutex<Vec<SessionId>>,
    pub(crate) unconfirmed: Mutex<Vec<(SessionId, SiteId)>>,
    past: Past,
    /// Whether too many want sites probed.
    pub(crate) busy: AtomicBool,
    /// Links are answered too late.
    pub(crate) late: AtomicBool,
    pub(crate) condition: Mutex<Condition>,
    pub(crate) phonebook: Mutex<Arc<Phonebook>>,
    pub(crate) handed: Mutex<Vec<(RotaId, Option<HandOver>)>>,
    /// Whose the channels of links are.
    pub(crate) reader: Mutex<Option<String>>,
    /// Where the history lies, if there is any.
    scratch: Scratch,
}

/// Counts houses, so that each has a place of its own.
static HOUSES: AtomicU64 = AtomicU64::new(0);

impl Fake {
    fn new(snapshot: Snapshot) -> Arc<Self> {
        let reloaded = Reloaded {
            sites: 204,
            targets: 1_020,
            sessions: 5,
            took: Duration::from_millis(12),
            waits_for_restart: Vec::new(),
        };
        let scratch = Scratch::new(&format!("web-{}", HOUSES.fetch_add(1, Ordering::Relaxed)));
        Arc::new(Self {
            snapshot: Mutex::new(Arc::new(snapshot)),
            published: watch::Sender::new(1),
            stalled: AtomicU64::new(0),
            trouble: Mutex::default(),
            access: Mutex::default(),
            reload: Mutex::new(Ok(reloaded)),
            reloads: AtomicU64::new(0),
            reloaded: watch::Sender::new(0),
            hold: AtomicBool::new(false),
            held: Notify::new(),
            let_go: Notify::new(),
            acks: Mutex::default(),
            silences: Mutex::default(),
            windows: Mutex::default(),
            lifted: Mutex::default(),
            link_uses: Mutex::default(),
            calendar: Mutex::default(),
            changes: Mutex::default(),
            runs: Mutex::default(),
            confirmed: Mutex::default(),
            wished: Mutex::default(),
            unconfirmed: Mutex::default(),
            past: Past::new(scratch.path(), Clock::start()),
            busy: AtomicBool::new(false),
            late: AtomicBool::new(false),
            condition: Mutex::default(),
            phonebook: Mutex::default(),
            reader: Mutex::default(),
            handed: Mutex::default(),
            scratch,
        })
    }

    /// Puts a history on disk: measurements of a codec every minute of the last two hours, and what
    /// incidents, sessions and readiness runs the snapshot knows.
    pub(crate) fn remember(&self) {
        let snapshot = self.snapshot();
        let now = province::now().wall;
        let key = TargetKey {
            site: SiteId::new("nam-mau"),
            endpoint: Some(EndpointId::new("codec")),
            check: Some(CheckId::new("ping")),
        };
        let measured = (1..=120u32).map(|ago| {
            let rtt = 20_000 + ago;
            let sketch = Sketch::of(rtt);
            Change::Rollup(Box::new(Rollup {
                key: key.clone(),
                from: now - SignedDuration::from_mins(i64::from(ago)),
                seconds: 60,
                probes: 60,
                failed: 0,
                local: 0,
                sent: 60,
                lost: u32::from(ago == 7),
                lost_down: 0,
                rtt_min_us: Some(rtt),
                rtt_mean_us: Some(rtt),
                rtt_max_us: Some(if ago == 7 { 400_000 } else { rtt }),
                jitter_us: Some(900),
                spread: Spread { rtt: sketch, mos: Sketch::of(437), ..Spread::default() },
            }))
        });
        let incidents =
            snapshot.incidents.iter().map(|it| Change::Incident(Box::new((**it).clone())));
        let sessions = snapshot.sessions.iter().map(|view| {
            let record = SessionRecord::planned(&view.session, &snapshot.topology);
            Change::Session(Box::new(record))
        });
        let runs =
            snapshot.readiness.iter().map(|run| Change::Readiness(Box::new((**run).clone())));
        let down = Change::Health {
            key: TargetKey { endpoint: None, check: None, ..key.clone() },
            state: HardState {
                health: Health::Down,
                since: now - SignedDuration::from_mins(11),
                began: None,
                seen_up: true,
            },
        };
        let changes = measured.chain(incidents).chain(sessions).chain(runs).chain([down]).collect();
        let (mut store, _) = Store::open(self.scratch.path(), now).unwrap();
        store.commit(&[Batch { changes }], &[], now).unwrap();
    }

    /// A probe that timed out, and one that was answered before.
    fn probed(target: &TargetKey, ok: bool) -> Record {
        let started = province::now();
        let request = ProbeRequest {
            generation: 1,
            target: TargetIx::new(0),
            trigger: Trigger::Demand,
            effort: Effort::Normal,
            due: started.mono,
        };
        let reply = vchealth::model::Reply {
            rtt: Some(Duration::from_millis(21)),
            detail: Detail::Tcp(TcpDetail { connect: Duration::from_millis(21) }),
        };
        let result = if ok { Ok(reply) } else { Err(Failure::Remote(RemoteFailure::Timeout)) };
        let finished = started.mono + Duration::from_secs(1);
        let outcome = Outcome { request, started, finished, lost: 0, heard: None, result };
        let address = target.endpoint.as_ref().map(|_| "10.20.0.7".parse().unwrap());
        Record { outcome, address, trace: Trace::default() }
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.lock().unwrap() = Arc::new(snapshot);
        self.published.send_modify(|number| *number += 1);
    }
}

impl Daemon for Fake {
    fn now(&self) -> Now {
        province::now()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap())
    }

    fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    fn stalled_for(&self) -> Duration {
        Duration::from_secs(self.stalled.load(Ordering::SeqCst))
    }

    fn store(&self) -> StoreStatus {
        let trouble = self.trouble.lock().unwrap().clone();
        StoreStatus { trouble, bytes: 4_096, ..StoreStatus::default() }
    }

    fn channels(&self) -> Arc<Vec<ChannelStatus>> {
        Arc::new(vec![province::channel(), province::channel_that_one_refuses()])
    }

    fn look(&self) -> Look {
        let time_zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("a time zone");
        let phonebook = Arc::clone(&self.phonebook.lock().unwrap());
        Look { language: Language::Vi, time_zone, phonebook }
    }

    fn people(&self) -> Vec<(PersonId, String)> {
        let people = [("ha", "Đàm Thị Hà"), ("tu", "Lý A Tú")];
        people.map(|(id, name)| (PersonId::new(id), name.to_owned())).into()
    }

    fn hand_over(&self, handed: HandOver) -> Answer<'_, Result<(), ControlError>> {
        self.handed.lock().unwrap().push((handed.rota.clone(), Some(handed)));
        Box::pin(async { Ok(()) })
    }

    fn take_duty_back(&self, rota: RotaId) -> Answer<'_, Result<(), ControlError>> {
        self.handed.lock().unwrap().push((rota, None));
        Box::pin(async { Ok(()) })
    }

    fn ack_lasts(&self) -> PhaseTimes {
        AckSettings::default().lasts
    }

    fn reader(&self, _: &ChannelId) -> Option<String> {
        self.reader.lock().unwrap().clone()
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.lock().unwrap())
    }

    fn public_url(&self) -> Option<String> {
        Some("https://giam-sat.example".to_owned())
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadError>> {
        Box::pin(async {
            self.reloads.fetch_add(1, Ordering::SeqCst);
            if self.hold.load(Ordering::SeqCst) {
                self.held.notify_one();
                self.let_go.notified().await;
            }
            self.reloaded.send_modify(|count| *count += 1);
            self.reload.lock().unwrap().clone()
        })
    }

    fn calendar(&self) -> Arc<Calendar> {
        Arc::new(self.calendar.lock().unwrap().clone())
    }

    fn change_session(
        &self,
        id: SessionId,
        change: Option<SessionChange>,
    ) -> Answer<'_, Result<(), ControlError>> {
        self.changes.lock().unwrap().push((id, change));
        Box::pin(async { Ok(()) })
    }

    fn ack(&self, incident: IncidentId, ack: Ack) -> Answer<'_, Result<(), ControlError>> {
        self.acks.lock().unwrap().push((incident, ack));
        Box::pin(async { Ok(()) })
    }

    fn silence(&self, silence: Silence) -> Answer<'_, Result<(), ControlError>> {
        self.silences.lock().unwrap().push(silence);
        Box::pin(async { Ok(()) })
    }

    fn maintain(&self, window: Maintenance) -> Answer<'_, Result<(), ControlError>> {
        self.windows.lock().unwrap().push(window);
        Box::pin(async { Ok(()) })
    }

    fn open_link(&self, token: &str) -> Result<Link, LinkError> {
        key().open(token, self.now().wall)
    }

    fn link_use(&self, nonce: &str) -> Option<UsedLink> {
        let uses = self.link_uses.lock().unwrap();
        let used = uses.iter().map(|(used, _)| used).find(|used| used.nonce == nonce).cloned()?;
        Some(UsedLink { used, kept: self.trouble.lock().unwrap().is_none() })
    }

    fn use_link(&self, used: LinkUse, act: Act) -> Answer<'_, Result<(), ControlError>> {
        if self.late.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ControlError::Late) });
        }
        let mut uses = self.link_uses.lock().unwrap();
        let again = uses.iter().any(|(known, _)| known.nonce == used.nonce);
        if !again {
            uses.push((used, act));
        }
        Box::pin(async move { if again { Err(ControlError::Used) } else { Ok(()) } })
    }

    fn look_ahead(&self, session: SessionId) -> Answer<'_, Result<(), ControlError>> {
        self.wished.lock().unwrap().push(session);
        Box::pin(async { Ok(()) })
    }

    fn keep_readiness(&self, run: ReadinessRun) -> Answer<'_, Result<(), ControlError>> {
        self.runs.lock().unwrap().push(run);
        Box::pin(async { Ok(()) })
    }

    fn confirm(&self, said: Confirmation) -> Answer<'_, Result<(), ControlError>> {
        self.confirmed.lock().unwrap().push(said);
        Box::pin(async { Ok(()) })
    }

    fn lift(&self, silence: SilenceId) -> Answer<'_, Result<(), ControlError>> {
        self.lifted.lock().unwrap().push(silence);
        Box::pin(async { Ok(()) })
    }

    fn report(&self, session: SessionId) -> Answer<'_, Result<Arc<Report>, ControlError>> {
        let report = crate::report::small();
        Box::pin(async move {
            if report.id == session { Ok(Arc::new(report)) } else { Err(ControlError::NotFound) }
        })
    }

    fn held(
        &self,
        behind: Option<SessionId>,
        most: usize,
    ) -> Answer<'_, Result<Vec<(SessionRecord, Totals)>, ControlError>> {
        let snapshot = self.snapshot();
        let all: Vec<SessionRecord> = snapshot
            .sessions
            .iter()
            .rev()
            .flat_map(|view| {
                // The history has those that are on as well.
                let now = SessionRecord::planned(&view.session, &snapshot.topology);
                let now = SessionRecord { id: SessionId::new(format!("{}-on", now.id)), ..now };
                let month = SignedDuration::from_hours(30 * 24);
                let (start, end) = (view.session.start - month, view.session.end - month);
                [
                    now,
                    SessionRecord {
                        start,
                        end,
                        ..SessionRecord::planned(&view.session, &snapshot.topology)
                    },
                ]
            })
            .collect();
        let skip = behind.map(|id| all.iter().position(|it| it.id == id).map(|at| at + 1));
        Box::pin(async move {
            let skip = skip.unwrap_or(Some(0)).ok_or(ControlError::NotFound)?;
            let totals = crate::report::small().totals;
            // The further back, the worse it was.
            let worse = (1..).map(|times| Totals { lost: totals.counted * times / 100, ..totals });
            Ok(all.into_iter().zip(worse).skip(skip).take(most).collect())
        })
    }

    fn past(&self) -> &Past {
        &self.past
    }

    fn explain(&self, target: &TargetKey) -> Option<Explanation> {
        let failed = Failed { record: Self::probed(target, false), left_out: 41 };
        Some(Explanation { successes: vec![Self::probed(target, true)], failures: vec![failed] })
    }

    fn probe_now(&self, site: SiteId) -> Answer<'_, Result<Arc<Vec<Probed>>, ControlError>> {
        let topology = Arc::clone(&self.snapshot().topology);
        let busy = self.busy.load(Ordering::SeqCst);
        Box::pin(async move {
            if busy {
                return Err(ControlError::Busy(Duration::from_secs(1)));
            }
            let ix = topology.find_site(&site).ok_or(ControlError::NotFound)?;
            let targets = topology.target_ixs().filter(|it| topology.target(*it).site == ix);
            let probed = targets.enumerate().map(|(nth, target)| {
                let target = topology.target_key(target);
                let record = (nth > 0).then(|| Self::probed(&target, nth == 1));
                Probed { target, record }
            });
            Ok(Arc::new(probed.collect()))
        })
    }

    fn unconfirm(&self, session: SessionId, site: SiteId) -> Answer<'_, Result<(), ControlError>> {
        self.unconfirmed.lock().unwrap().push((session, site));
        Box::pin(async { Ok(()) })
    }

    fn condition(&self) -> Condition {
        let (at, outcome) = (province::now().wall, self.reload.lock().unwrap().clone());
        let refused = outcome.err().map(|why| Refused { since: at, at, why: why.to_string() });
        let condition = self.condition.lock().unwrap().clone();
        Condition { refused: refused.or(condition.refused), ..condition }
    }
}

/// What links of the fake daemon are signed with.
pub(crate) fn key() -> LinkKey {
    LinkKey::new([7; 32])
}

/// A running server.
pub(crate) struct House {
    pub(crate) daemon: Arc<Fake>,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl House {
    pub(crate) fn open(snapshot: Snapshot) -> Self {
        Self::open_with(snapshot, Limits::default())
    }

    pub(crate) fn open_with(snapshot: Snapshot, limits: Limits) -> Self {
        let daemon = Fake::new(snapshot);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let figures = Figures::new("0.1.0", province::now().wall);
        let handle: Arc<dyn Daemon> = Arc::clone(&daemon) as Arc<dyn Daemon>;
        let server = Server::new(listener, handle, figures, limits).expect("a server");
        let stop = CancellationToken::new();
        let ended = tokio::spawn({
            let stop = stop.clone();
            async move { server.run(stop).await.expect("it runs") }
        });
        Self { daemon, address, stop, ended }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }

    /// Sends bytes on a connection of their own and returns all that comes back.
    pub(crate) async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        // A server that has seen enough may close before it has taken in everything.
        let _ = stream.write_all(request).await;
        to_the_end(&mut stream).await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body;
        Reply::read(&self.raw(request.as_bytes()).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "").await
    }

    /// Asks until it is answered: a server with short limits may cut off whoever asks on a machine
    /// that has no time for them.
    pub(crate) async fn get_at_last(&self, path: &str) -> Reply {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let asking = async {
            loop {
                let answer = self.raw(request.as_bytes()).await;
                if answer.starts_with(b"HTTP/1.1 200") {
                    return Reply::read(&answer);
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("it is served")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let json = [("Content-Type", "application/json")];
        self.ask("POST", path, &json, &body.to_string()).await
    }

    /// The value of a series without labels on the page of metrics.
    pub(crate) async fn figure(&self, name: &str) -> f64 {
        let page = self.get_at_last("/metrics").await.text();
        let line = page
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a number")
    }
}

impl House {
    /// The value of a series at this moment: another snapshot makes another page.
    async fn figure_now(&self, name: &str) -> f64 {
        self.daemon.publish(province::quiet(3));
        self.figure(name).await
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What comes until the other side closes; a reset counts as closing.
pub(crate) async fn to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        let mut some = [0; 16 << 10];
        while let Ok(n @ 1..) = stream.read(&mut some).await {
            bytes.extend_from_slice(&some[..n]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the server closes the connection");
    bytes
}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no response head in {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).expect("a head in ASCII");
        let mut lines = head.split("\r\n");
        let first = lines.next().expect("a status line");
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self {
            status: status.unwrap_or_else(|| panic!("{first} is no status line")),
            headers: lines.map(header).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn quick() -> Limits {
    let short = Duration::from_millis(300);
    Limits { head: short, write: short, request: short, drain: short, ..Limits::default() }
}

#[tokio::test]
async fn metrics_are_served_in_the_text_format() {
    let house = House::open(province::troubled(204));
    let reply = house.get("/metrics").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    let page = reply.text();
    for series in [
        "vchealth_target_up{site=\"nam-mau\",level=\"commune\",parent=\"ba-be\",\
         endpoint=\"codec\",check=\"sip\"} 0\n",
        "vchealth_notifications_delivered_total{channel=\"webhook\"} 41\n",
        "vchealth_build_info{version=\"0.1.0\"} 1\n",
        "vchealth_http_connections 1\n",
        "vchealth_store_bytes 4096\n",
    ] {
        assert!(page.contains(series), "{series}");
    }
    if cfg!(target_os = "linux") {
        assert!(house.figure("process_resident_memory_bytes").await > 1e6);
    }
}

#[tokio::test]
async fn a_scraper_that_takes_gzip_gets_the_same_page_in_a_tenth_of_the_bytes() {
    let house = House::open(province::troubled(204));
    let plain = house.get("/metrics").await;
    let gzip = house.ask("GET", "/metrics", &[("Accept-Encoding", "gzip")], "").await;
    assert_eq!(gzip.header("content-encoding"), "gzip");
    assert_eq!(gzip.header("vary"), "accept-encoding");
    assert_eq!(gzip.header("content-type"), plain.header("content-type"));
    assert!(gzip.body.len() * 10 < plain.body.len(), "{} bytes", gzip.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&*gzip.body).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
    let refused = house.ask("GET", "/metrics", &[("Accept-Encoding", "gzip;q=0")], "").await;
    assert_eq!(refused.header("content-encoding"), "");
}

#[tokio::test]
async fn scrapes_of_one_snapshot_share_one_rendering() {
    let house = House::open(province::troubled(204));
    let count = "vchealth_metrics_render_duration_seconds_count";
    let asked = (0..20).map(|_| house.get("/metrics"));
    for reply in futures(asked).await {
        assert_eq!(reply.status, 200);
    }
    assert_eq!(house.figure(count).await, 1.0);
    house.daemon.publish(province::quiet(204));
    assert_eq!(house.figure(count).await, 2.0);
    assert!(house.get("/metrics").await.text().contains("vchealth_monitor_blind 0"));
}

/// All of them at once.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = all.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn head_says_what_get_would_and_sends_no_body() {
    let house = House::open(province::quiet(204));
    let get = house.get("/metrics").await;
    let head = house.ask("HEAD", "/metrics", &[], "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
    for path in ["/-/healthy", "/-/ready", "/api/v1/sites", "/api/v1/status"] {
        let head = house.ask("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let house = House::open(province::quiet(3));
    for (method, path, allowed) in [
        ("POST", "/metrics", "GET,HEAD"),
        ("DELETE", "/-/healthy", "GET,HEAD"),
        ("GET", "/-/reload", "POST"),
        ("HEAD", "/-/reload", "POST"),
        ("PUT", "/api/v1/silences", "GET,HEAD,POST"),
        ("BREW", "/metrics", "GET,HEAD"),
    ] {
        let reply = house.ask(method, path, &[], "").await;
        assert_eq!(reply.status, 405, "{method} {path}");
        assert_eq!(reply.header("allow"), allowed, "{method} {path}");
    }
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let house = House::open(province::quiet(3));
    for path in ["/nowhere", "/metrics/", "/../etc/passwd", "/%2e%2e/x", "//", "/-/quit"] {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
    let api = house.get("/api/v1/nothing").await;
    assert_eq!((api.status, api.header("content-type")), (404, "application/json"));
    assert!(api.json()["error"].is_string());
}

#[tokio::test]
async fn a_loop_that_stands_still_is_not_healthy() {
    let house = House::open(province::quiet(3));
    assert_eq!(house.get("/-/healthy").await.status, 200);
    house.daemon.stalled.store(11, Ordering::SeqCst);
    let sick = house.get("/-/healthy").await;
    assert_eq!(sick.status, 503);
    assert_eq!(sick.text(), "the event loop has stood still for 11 s\n");
    assert_eq!(house.get("/-/ready").await.status, 503);
}

#[tokio::test]
async fn ready_only_after_the_first_sweep_and_ever_after() {
    let mut snapshot = province::quiet(3);
    snapshot.targets[4] = TargetView::default();
    let house = House::open(snapshot);
    let not_yet = house.get("/-/ready").await;
    assert_eq!(not_yet.status, 503);
    assert!(not_yet.text().contains("1 of 15 targets"), "{}", not_yet.text());
    let json = house.ask("GET", "/-/ready", &[("Accept", "application/json")], "").await.json();
    assert_eq!(json["ready"], false);
    assert_eq!(json["reasons"].as_array().map(Vec::len), Some(1));

    house.daemon.publish(province::quiet(3));
    assert_eq!(house.get("/-/ready").await.text(), "ready\n");
    let mut more = province::quiet(3);
    more.targets[4] = TargetView::default();
    house.daemon.publish(more);
    assert_eq!(house.get("/-/ready").await.status, 200, "a reload does not undo the sweep");
}

#[tokio::test]
async fn a_full_disk_is_a_reason_not_to_be_ready() {
    let house = House::open(province::quiet(3));
    *house.daemon.trouble.lock().unwrap() = Some(StoreTrouble::Full { dir: "/var/lib".into() });
    let reply = house.get("/-/ready").await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.text(),
        "what is decided does not reach the disk: the disk is full: free some space for /var/lib\n"
    );
    assert_eq!(house.figure("vchealth_store_trouble").await, 1.0);
    assert_eq!(house.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn a_reload_tells_what_it_took_on() {
    let house = House::open(province::quiet(3));
    let reply = house.ask("POST", "/-/reload", &[], "").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.text(),
        "configuration reloaded in 12 ms: 204 sites, 1020 targets, 5 sessions\n"
    );
}

#[tokio::test]
async fn a_refused_reload_tells_everything_that_is_wrong() {
    let house = House::open(province::quiet(3));
    let diagnostics = "sites.yaml:12:5: unknown key `adress`\n  hint: did you mean `address`?\n\
                       sessions.yaml:3:1: the session ends before it starts";
    *house.daemon.reload.lock().unwrap() = Err(ReloadError::Refused(diagnostics.to_owned()));
    let reply = house.ask("POST", "/-/reload", &[], "").await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.text(), format!("{diagnostics}\n"));
}

#[tokio::test]
async fn what_is_sound_and_not_taken_on_in_time_is_not_called_wrong() {
    let house = House::open(province::quiet(3));
    *house.daemon.reload.lock().unwrap() = Err(ReloadError::NotTaken(ControlError::Late));
    let reply = house.ask("POST", "/-/reload", &[], "").await;
    assert_eq!(
        (reply.status, reply.text()),
        (503, "the event loop does not answer in time; it may do it yet\n".to_owned())
    );
}

#[tokio::test]
async fn a_reload_goes_on_when_whoever_asked_has_gone() {
    let house = House::open(province::quiet(3));
    house.daemon.hold.store(true, Ordering::SeqCst);
    let mut stream = house.connect().await;
    let request = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    house.daemon.held.notified().await;
    drop(stream);
    while house.figure_now("vchealth_http_connections").await > 1.0 {}
    house.daemon.let_go.notify_one();
    let mut done = house.daemon.reloaded.subscribe();
    let ended = tokio::time::timeout(PATIENCE, done.wait_for(|count| *count == 1)).await;
    ended.expect("it comes to its end").expect("the daemon lives");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let house = House::open(province::troubled(204));
    let own = format!("http://{}", house.address);
    for headers in [
        &[("Origin", "http://evil.example")][..],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Origin", own.as_str()), ("Sec-Fetch-Site", "same-site")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "text/plain")],
        &[("Host", "evil.example"), ("Origin", "http://evil.example")],
    ] {
        for (method, path) in [
            ("POST", "/-/reload"),
            ("POST", "/api/v1/incidents/cho-don-1/ack"),
            ("POST", "/api/v1/silences"),
            ("DELETE", "/api/v1/silences/s-1"),
            ("PUT", "/api/v1/oncall/truc-tinh"),
            ("DELETE", "/api/v1/oncall/truc-tinh"),
        ] {
            let reply = house.ask(method, path, headers, "").await;
            assert_eq!(reply.status, 403, "{method} {path} {headers:?}");
        }
    }
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
    let ours = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(house.ask("POST", "/-/reload", &ours, "").await.status, 200);
}

#[tokio::test]
async fn every_answer_forbids_what_a_browser_might_do_with_it() {
    let house = House::open(province::quiet(3));
    for path in ["/metrics", "/-/healthy", "/api/v1/sites", "/nowhere"] {
        let reply = house.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_while_others_are_served() {
    let house = House::open_with(province::quiet(3), quick());
    let mut slow = Vec::new();
    for beginning in
        ["", "G", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n", "GET / HTTP/1.1\r\nA: "]
    {
        let mut stream = house.connect().await;
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        slow.push(stream);
    }
    house.get_at_last("/-/healthy").await;
    for mut stream in slow {
        let answer = to_the_end(&mut stream).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
    let gone = async { while house.figure_now("vchealth_http_connections").await > 1.0 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("they are cut off");
}

#[tokio::test]
async fn a_body_that_never_comes_is_given_up() {
    let limits = Limits { request: Duration::from_millis(300), ..Limits::default() };
    let house = House::open_with(province::troubled(204), limits);
    let mut stream = house.connect().await;
    let head = "POST /api/v1/incidents/cho-don-1/ack HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"by\":";
    stream.write_all(head.as_bytes()).await.expect("sent");
    let reply = Reply::read(&to_the_end(&mut stream).await);
    assert_eq!(reply.status, 408);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let house = House::open_with(province::quiet(3), quick());
    let asking = async {
        loop {
            // Nothing says that it is to be closed.
            let answer = house.raw(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            if answer.starts_with(b"HTTP/1.1 200") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it is answered, and closed");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let limits = Limits { write: Duration::from_secs(2), ..Limits::default() };
    let house = House::open_with(province::quiet(10_000), limits);
    let mut deaf = Vec::new();
    for _ in 0..3 {
        let mut stream = house.connect().await;
        let request = b"GET /api/v1/sites HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
        stream.write_all(&request).await.expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("the first answer begins");
        assert_eq!(&first, b"HTTP/1.1 200");
        deaf.push(stream);
    }
    let gone = async { while house.figure_now("vchealth_http_connections").await > 1.0 {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("they are cut off");
}

#[tokio::test]
async fn headers_without_measure_are_refused() {
    let house = House::open(province::quiet(3));
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "a".repeat(1 << 20));
    let answer = house.raw(long.as_bytes()).await;
    assert!(answer.is_empty() || Reply::read(&answer).status == 431, "{answer:?}");
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(2_000));
    let answer = house.raw(many.as_bytes()).await;
    assert!(answer.is_empty() || Reply::read(&answer).status == 431, "{answer:?}");
    let path = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(1 << 20));
    let answer = house.raw(path.as_bytes()).await;
    assert!(answer.is_empty() || Reply::read(&answer).status >= 400, "{answer:?}");
    assert_eq!(house.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn garbage_is_refused_and_hurts_nobody() {
    let house = House::open_with(province::quiet(3), quick());
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: cow\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = house.raw(garbage).await;
        assert!(answer.is_empty() || Reply::read(&answer).status >= 400, "{garbage:?}");
    }
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
    house.get_at_last("/-/healthy").await;
}

#[tokio::test]
async fn a_body_without_measure_is_refused() {
    let house = House::open(province::troubled(204));
    let note = "x".repeat(100_000);
    let body = serde_json::json!({ "by": "Hà", "note": note });
    let path = "/api/v1/incidents/cho-don-1/ack";
    assert_eq!(house.post(path, &body).await.status, 413);
    let chunked = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{note}\r\n",
        note.len()
    );
    let answer = house.raw(chunked.as_bytes()).await;
    assert_eq!(Reply::read(&answer).status, 413);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn no_more_connections_than_allowed_and_idle_ones_give_way() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let house = House::open_with(province::quiet(3), limits);
    let mut first = house.connect().await;
    let mut second = house.connect().await;
    let ask = b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut some = [0; 12];
    for stream in [&mut first, &mut second] {
        stream.write_all(ask).await.expect("sent");
        stream.read_exact(&mut some).await.expect("an answer");
    }
    let mut third = house.connect().await;
    third.write_all(ask).await.expect("sent");
    let served = tokio::time::timeout(PATIENCE, third.read_exact(&mut some)).await;
    served.expect("it is served").expect("an answer");
    to_the_end(&mut first).await;
    assert_eq!(house.daemon.reloads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn who_comes_while_all_are_served_is_served_later() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let house = House::open_with(province::quiet(3), limits);
    house.daemon.hold.store(true, Ordering::SeqCst);
    let mut first = house.connect().await;
    let reload = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    first.write_all(reload).await.expect("sent");
    house.daemon.held.notified().await;
    let mut second = house.connect().await;
    second.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut some = [0; 12];
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut some)).await;
    assert!(early.is_err(), "a second connection is served beside one");
    house.daemon.let_go.notify_one();
    let served = tokio::time::timeout(PATIENCE, second.read_exact(&mut some)).await;
    served.expect("it is served").expect("an answer");
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_server_stops() {
    let mut house = House::open(province::quiet(3));
    house.daemon.hold.store(true, Ordering::SeqCst);
    let mut stream = house.connect().await;
    let request = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let idle = house.connect().await;
    house.daemon.held.notified().await;
    house.stop.cancel();
    let closed = async { while TcpStream::connect(house.address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("nobody new is let in");
    house.daemon.let_go.notify_one();
    let reply = Reply::read(&to_the_end(&mut stream).await);
    assert_eq!(reply.status, 200);
    tokio::time::timeout(PATIENCE, &mut house.ended).await.expect("it ends").expect("well");
    drop(idle);
}

#[tokio::test]
async fn a_request_that_does_not_end_does_not_keep_the_server_from_stopping() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let mut house = House::open_with(province::quiet(3), limits);
    house.daemon.hold.store(true, Ordering::SeqCst);
    let mut stream = house.connect().await;
    let request = b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    house.daemon.held.notified().await;
    house.stop.cancel();
    tokio::time::timeout(PATIENCE, &mut house.ended).await.expect("it ends").expect("well");
    assert!(to_the_end(&mut stream).await.is_empty());
}

#[tokio::test]
async fn an_empty_province_is_shown_too() {
    let house = House::open(province::empty());
    for path in ["/", "/metrics", "/api/v1/sites", "/api/v1/status", "/-/ready"] {
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
}
