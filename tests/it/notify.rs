//! Messages reach their receiver, whatever the receiver does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver as Lines;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use vchealth::clock::Clock;
use vchealth::config::{
    Channel, ChannelKind, Fallback, SecretSource, SmsBody, SmsGateway, SmsHttpSettings,
    SmsSettings, WebhookSettings,
};
use vchealth::model::{
    Ack, Batch, Change, ChannelId, ChannelStatus, IncidentId, Language, Notification,
    NotificationId, NotificationKind, Refusal, WebAddress,
};
use vchealth::notify::{Courier, Inbox, Retry, Setup, Style, test_alert};
use vchealth::store::{
    ChannelTotals, FILE_NAME, Heard, History, MarkState, News, RecipientKey, Store, Ticket,
    Waiting, Writer,
};

use crate::fixtures::{Scratch, at, child, incident, kills, notification, random};
use crate::ports::free_port;

/// Long enough for any machine; nothing waits that long unless it fails.
const LONG: Duration = Duration::from_secs(60);

/// What a receiver does with a post.
#[derive(Debug, Clone)]
enum Act {
    /// Answers with this head and closes.
    Say(&'static str),
    /// Says nothing until the other side gives up.
    Hang,
    /// Sends the beginning of an answer and closes.
    BreakOff,
    /// Answers with this head and a body without end.
    Endless(&'static str),
    /// Sends a head without end.
    EndlessHead,
}

const OK: Act = Act::Say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");

/// A post as it came.
#[derive(Debug, Clone)]
struct Post {
    head: String,
    body: Value,
    raw: Vec<u8>,
    at: Instant,
}

impl Post {
    fn key(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
        line.unwrap_or_default().to_owned()
    }
}

/// A receiver on loopback that does as it is told, post by post.
struct Receiver {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
    news: Arc<Notify>,
    /// Connections that it has begun to serve and not done with.
    open: Arc<AtomicUsize>,
}

impl Receiver {
    /// `acts` says what to do with the `n`th post.
    async fn start(acts: impl Fn(usize, &Post) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener, acts)
    }

    fn serve(
        listener: TcpListener,
        acts: impl Fn(usize, &Post) -> Act + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let posts = Arc::new(Mutex::new(Vec::new()));
        let news = Arc::new(Notify::new());
        let open = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&open);
        let (kept, told, acts) = (Arc::clone(&posts), Arc::clone(&news), Arc::new(acts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, told, acts) = (Arc::clone(&kept), Arc::clone(&told), Arc::clone(&acts));
                let open = Arc::clone(&counted);
                open.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = answer(stream, &kept, &told, &*acts).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, posts, news, open }
    }

    /// Waits until it has taken in all that was sent to it before. Its scripts answer a fence.
    async fn fence(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(b"GET /fence HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0, "it answers");
        let patience = Instant::now() + LONG;
        while self.open.load(Ordering::SeqCst) > 0 {
            assert!(Instant::now() < patience, "it comes to an end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    async fn wait_for(&self, count: usize) -> Vec<Post> {
        let enough = async {
            loop {
                let changed = self.news.notified();
                let posts = self.posts();
                if posts.len() >= count {
                    return posts;
                }
                let _ = tokio::time::timeout(Duration::from_millis(200), changed).await;
            }
        };
        tokio::time::timeout(LONG, enough).await.expect("the posts come")
    }
}

/// Reads one post, notes it, and acts.
async fn answer(
    mut stream: TcpStream,
    kept: &Mutex<Vec<Post>>,
    told: &Notify,
    acts: &(impl Fn(usize, &Post) -> Act + Send + Sync),
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let body = serde_json::from_slice(&bytes[head_end..head_end + length]).unwrap_or_default();
    let raw = bytes[head_end..head_end + length].to_vec();
    let post = Post { head, body, raw, at: Instant::now() };
    let act = {
        let mut kept = kept.lock().unwrap();
        kept.push(post.clone());
        acts(kept.len() - 1, &post)
    };
    told.notify_waiters();
    match act {
        Act::Say(answer) => stream.write_all(answer.as_bytes()).await?,
        Act::Hang => {
            // Ends when the other side does.
            let _ = stream.read_buf(&mut bytes).await;
        }
        Act::BreakOff => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await?,
        Act::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 65_536]).await?;
            }
        }
        Act::EndlessHead => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"x-more: and more and more and more and more\r\n").await?;
            }
        }
    }
    Ok(())
}

pub(crate) fn webhook(id: &str, url: &str, timeout: Duration) -> Channel {
    Channel {
        id: ChannelId::new(id),
        kind: ChannelKind::Webhook(WebhookSettings {
            url: WebAddress::new(url).into(),
            secret: None,
            timeout,
        }),
        send_resolved: true,
        fallback: None,
    }
}

/// A gateway that is asked once for each of three phones.
fn phones(id: &str, url: &str) -> Channel {
    let gateway = SmsGateway::Http(SmsHttpSettings {
        url: WebAddress::new(format!("{url}sms?phone={{phone}}&id={{id}}")),
        body: SmsBody::None,
        headers: BTreeMap::new(),
        secrets: BTreeMap::new(),
        accepted_if: None,
    });
    let to = PHONES.map(str::to_owned).to_vec();
    let kind = ChannelKind::Sms(SmsSettings { gateway, to, timeout: TIMEOUT });
    Channel { id: ChannelId::new(id), kind, send_resolved: true, fallback: None }
}

pub(crate) fn setup(channels: Vec<Channel>) -> Setup {
    Setup { channels, style: Style::new(Language::Vi, TimeZone::UTC, "http://10.0.0.5:8080") }
}

/// Store, writer and courier as the daemon joins them.
pub(crate) struct Office {
    courier: Courier,
    writer: Writer,
}

impl Office {
    pub(crate) fn open(dir: &Path, setup: &Setup) -> Self {
        Self::open_watched(dir, setup, |_| ())
    }

    /// The same, with a look at what is passed on before it is told to anybody.
    fn open_watched(
        dir: &Path,
        setup: &Setup,
        mut watch: impl FnMut(&News) + Send + 'static,
    ) -> Self {
        let clock = Clock::start();
        let (store, _) = Store::open(dir, clock.now().wall).unwrap();
        let waiting = store.outstanding().unwrap();
        let (inbox, orders) = Inbox::new();
        let mail = inbox.clone();
        let on_news = move |news| {
            watch(&news);
            mail.deliver(news.mail);
        };
        let writer = Writer::start(store, clock, on_news).unwrap();
        let courier =
            Courier::start(inbox, orders, setup, waiting, writer.handle(), clock).unwrap();
        Self { courier, writer }
    }

    fn decide(&self, id: &str, about: &str, kind: NotificationKind) {
        let mut it = incident(about, "tan-lap");
        it.resolved = (kind == NotificationKind::Resolved).then(|| at("2026-02-03T01:00:00Z"));
        self.submit(notification(id, it, kind));
    }

    /// The same for another channel, about an incident of its own.
    pub(crate) fn decide_for(&self, channel: &ChannelId, id: &str, kind: NotificationKind) {
        let message = notification(id, incident(id, "tan-lap"), kind);
        self.submit(Notification { channel: channel.clone(), ..message });
    }

    fn submit(&self, message: Notification) {
        let batch = Batch { changes: vec![Change::Notify(Box::new(message))] };
        self.writer.handle().submit(batch, None);
    }

    /// Takes an incident one step further, with the message about it to each channel if there is
    /// one, in one transaction.
    fn step(&self, about: &str, acked: bool, told: Option<NotificationKind>) -> Ticket {
        self.step_through(&["duty"], about, acked, told)
    }

    fn step_through(
        &self,
        channels: &[&str],
        about: &str,
        acked: bool,
        told: Option<NotificationKind>,
    ) -> Ticket {
        let mut it = incident(about, "tan-lap");
        it.resolved = (told == Some(RESOLVED)).then(|| at("2026-02-03T01:00:00Z"));
        it.ack = acked.then(|| Ack {
            by: "Hà".to_owned(),
            at: at("2026-02-03T00:50:00Z"),
            note: String::new(),
            until: None,
        });
        let mut changes = vec![Change::Incident(Box::new(it.clone()))];
        for (kind, channel) in
            told.into_iter().flat_map(|kind| channels.iter().map(move |it| (kind, it)))
        {
            let message =
                notification(&format!("{about}/{channel}/{}/1", kind.word()), it.clone(), kind);
            let message = Notification { channel: ChannelId::new(*channel), ..message };
            changes.push(Change::Notify(Box::new(message)));
        }
        self.writer.handle().submit(Batch { changes }, None)
    }

    pub(crate) async fn until(&self, enough: impl Fn(&ChannelStatus) -> bool) -> ChannelStatus {
        let deadline = Instant::now() + LONG;
        loop {
            let statuses = self.courier.remote().statuses();
            if let Some(status) = statuses.iter().find(|status| enough(status)) {
                return status.clone();
            }
            assert!(Instant::now() < deadline, "{statuses:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn close(self, dir: &Path) -> ChannelTotals {
        self.close_within(LONG, dir).await
    }

    /// The same, with so much time for what is under way.
    async fn close_within(self, within: Duration, dir: &Path) -> ChannelTotals {
        self.courier.stop(within).await;
        let writer = self.writer;
        let unsaved = tokio::task::spawn_blocking(move || writer.stop(LONG)).await.unwrap();
        assert_eq!(unsaved, 0);
        History::open(dir).unwrap().outbox().unwrap().remove(0)
    }
}

const FIRING: NotificationKind = NotificationKind::Firing;
const RESOLVED: NotificationKind = NotificationKind::Resolved;
const PHONES: [&str; 3] = ["1", "2", "3"];
/// Longest that a post may take: longer than any machine needs.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The same where a receiver never answers, which takes that long to find out.
const SHORT: Duration = Duration::from_millis(500);

/// Sends one message to a receiver that acts so at first and well afterwards; gives the posts and
/// the channel's figures.
async fn survive(name: &str, first: Act) -> (Vec<Post>, ChannelStatus) {
    survive_within(name, first, TIMEOUT).await
}

async fn survive_within(name: &str, first: Act, limit: Duration) -> (Vec<Post>, ChannelStatus) {
    let scratch = Scratch::new(name);
    let receiver = Receiver::start(move |n, _| if n == 0 { first.clone() } else { OK }).await;
    let url = format!("http://{}/", receiver.address);
    let office = Office::open(scratch.path(), &setup(vec![webhook("duty", &url, limit)]));
    office.decide("n1", "i1", FIRING);
    let status = office.until(|status| status.delivered == 1).await;
    let totals = office.close(scratch.path()).await;
    assert_eq!((totals.queued, totals.delivered), (0, 1));
    let posts = receiver.posts();
    assert!(posts.iter().all(|post| post.key() == "n1"), "every repeat carries the same id");
    (posts, status)
}

/// Here they are one thread, which does nothing but wait for what the receiver heard.
#[tokio::test]
async fn a_message_leaves_while_the_threads_on_which_probes_start_are_busy() {
    let scratch = Scratch::new("busy");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let _ = said.send(BufReader::new(stream).lines().next());
    });
    let office = Office::open(scratch.path(), &setup(vec![webhook("duty", &url, TIMEOUT)]));
    office.decide("n1", "i1", FIRING);
    let first = heard.recv_timeout(LONG).expect("the message leaves").unwrap().unwrap();
    assert!(first.starts_with("POST / "), "{first}");
}

#[tokio::test]
async fn an_accepted_message_is_recorded_and_not_sent_again() {
    let scratch = Scratch::new("accepted");
    let receiver = Receiver::start(|_, _| OK).await;
    let url = format!("http://{}/hook", receiver.address);
    let all = setup(vec![webhook("duty", &url, TIMEOUT)]);
    let office = Office::open(scratch.path(), &all);
    office.decide("n1", "i1", FIRING);
    office.until(|status| status.delivered == 1).await;
    office.decide("n2", "i1", RESOLVED);
    office.until(|status| status.delivered == 2).await;
    let totals = office.close(scratch.path()).await;
    assert_eq!((totals.queued, totals.delivered, totals.retried), (0, 2, 0));

    let posts = receiver.posts();
    let keys: Vec<String> = posts.iter().map(Post::key).collect();
    assert_eq!(keys, ["n1", "n2"]);
    assert!(posts[0].head.starts_with("post /hook http/1.1\r\n"));
    let alert = &posts[0].body["alerts"][0];
    assert_eq!(alert["annotations"]["notification"], "n1");
    assert_eq!(alert["fingerprint"], posts[1].body["alerts"][0]["fingerprint"]);

    let office = Office::open(scratch.path(), &all);
    office.decide("n3", "i2", FIRING);
    office.until(|status| status.delivered == 1).await;
    office.close(scratch.path()).await;
    assert_eq!(receiver.posts().len(), 3, "a restart repeats nothing");
}

#[tokio::test]
async fn a_receiver_that_accepts_and_says_nothing_is_tried_again() {
    let (posts, status) = survive_within("hangs", Act::Hang, SHORT).await;
    // The second is answered, but a machine in a hurry may take longer for that.
    assert!(posts.len() >= 2 && status.retried >= 1);
    assert!(posts[1].at - posts[0].at >= SHORT);
}

#[tokio::test]
async fn a_server_error_is_tried_again() {
    let fault = "HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\ndb\nlocked";
    let (posts, status) = survive("error", Act::Say(fault)).await;
    assert_eq!((posts.len(), status.retried), (2, 1));
    let error = status.last_error.unwrap();
    assert!(error.ends_with(" answers 500 Internal Server Error: db locked"), "{error}");
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let busy = "HTTP/1.1 429 Slow down\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n";
    let (posts, _) = survive("busy", Act::Say(busy)).await;
    assert_eq!(posts.len(), 2);
    assert!(posts[1].at - posts[0].at >= Duration::from_secs(2));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_tried_again() {
    let (posts, status) = survive("breaks", Act::BreakOff).await;
    assert_eq!((posts.len(), status.retried), (2, 1));
}

#[tokio::test]
async fn whatever_else_comes_back_is_tried_again_soon() {
    let odd = [
        ("zero-nine", "accepted, says HTTP/0.9\r\n"),
        ("tls", "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{46}"),
        ("hints-only", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"),
        (
            "upgrade",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        ),
        ("past", "HTTP/1.1 503 No\r\nretry-after: -5\r\ncontent-length: 0\r\n\r\n"),
        (
            "date",
            "HTTP/1.1 503 No\r\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: 0\r\n\r\n",
        ),
        (
            "nonsense",
            "HTTP/1.1 503 No\r\nretry-after: 99999999999999999999999\r\ncontent-length: 0\r\n\r\n",
        ),
        ("two-lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    ];
    for (name, said) in odd {
        let (posts, status) = survive(name, Act::Say(said)).await;
        assert_eq!((posts.len(), status.delivered), (2, 1), "{name}: {:?}", status.last_error);
    }
}

#[tokio::test]
async fn an_answer_without_end_holds_up_nothing() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
    let (posts, status) = survive("endless", Act::Endless(head)).await;
    assert_eq!((posts.len(), status.retried), (1, 0), "accepted is accepted");
    let head = "HTTP/1.1 503 Busy\r\ncontent-length: 999999999999\r\n\r\n";
    let (posts, status) = survive("endless-error", Act::Endless(head)).await;
    assert_eq!((posts.len(), status.retried), (2, 1));
    assert!(status.last_error.unwrap().len() < 400);
    let (posts, _) = survive("endless-head", Act::EndlessHead).await;
    assert_eq!(posts.len(), 2);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_gets_the_message_when_it_comes() {
    let scratch = Scratch::new("absent");
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let url = format!("http://{address}/");
    let office = Office::open(scratch.path(), &setup(vec![webhook("duty", &url, TIMEOUT)]));
    office.decide("n1", "i1", FIRING);
    let status = office.until(|status| status.retried > 0).await;
    assert!(status.failing_since.is_some());
    let error = status.last_error.unwrap();
    assert!(error.starts_with(&format!("http://{address} cannot be reached: Connection refused")));

    let receiver = Receiver::serve(TcpListener::bind(address).await.unwrap(), |_, _| OK);
    receiver.wait_for(1).await;
    office.until(|status| status.delivered == 1 && status.failing_since.is_none()).await;
    office.close(scratch.path()).await;
}

#[tokio::test]
async fn a_key_that_is_a_pipe_holds_up_no_other_channel() {
    let scratch = Scratch::new("pipe");
    let receiver = Receiver::start(|_, _| OK).await;
    let url = format!("http://{}/", receiver.address);
    std::fs::create_dir_all(scratch.path()).unwrap();
    let pipe = scratch.path().join("key");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut signed = webhook("signed", &url, TIMEOUT);
    let ChannelKind::Webhook(settings) = &mut signed.kind else { panic!("a webhook") };
    settings.secret = Some(SecretSource::File(pipe));
    let all = setup(vec![webhook("duty", &url, TIMEOUT), signed]);
    let office = Office::open(scratch.path(), &all);
    office.decide_for(&ChannelId::new("signed"), "n1", FIRING);
    let status = office.until(|it| it.id.as_str() == "signed" && it.retried > 0).await;
    let said = status.last_error.unwrap();
    assert!(said.ends_with("gives no key: it is no file"), "{said}");
    office.decide_for(&ChannelId::new("duty"), "n2", FIRING);
    office.until(|it| it.id.as_str() == "duty" && it.delivered == 1).await;
    office.close_within(Duration::ZERO, scratch.path()).await;
}

#[tokio::test]
async fn a_restart_while_one_phone_is_away_repeats_nothing_to_the_others() {
    let busy = Act::Say("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
    for (name, act) in [("phone-busy", busy), ("phone-hangs", Act::Hang)] {
        let scratch = Scratch::new(name);
        let away = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&away);
        let receiver = Receiver::start(move |_, post| {
            let is_second = post.head.contains("phone=2");
            if is_second && still.load(Ordering::SeqCst) { act.clone() } else { OK }
        })
        .await;
        let url = format!("http://{}/", receiver.address);
        let all = setup(vec![phones("phones", &url)]);
        let office = Office::open(scratch.path(), &all);
        office.decide_for(&ChannelId::new("phones"), "n1", FIRING);
        while !receiver.posts().iter().any(|post| post.head.contains("phone=2")) {
            receiver.wait_for(receiver.posts().len() + 1).await;
        }
        // It stops in the middle of what hangs, and between two attempts of what is busy.
        if name == "phone-busy" {
            office.until(|status| status.retried > 0).await;
        }
        office.close_within(Duration::ZERO, scratch.path()).await;
        away.store(false, Ordering::SeqCst);
        let office = Office::open(scratch.path(), &all);
        office.until(|status| status.delivered == 1).await;
        office.close(scratch.path()).await;
        let posts = receiver.posts();
        let times = |phone: &str| {
            let to = format!("phone={phone}&");
            posts.iter().filter(|post| post.head.contains(&to)).count()
        };
        assert_eq!((times("1"), times("3")), (1, 1), "{name}");
        assert!(times("2") > 1, "{name}");
    }
}

#[tokio::test]
async fn a_refusal_for_good_is_given_up_and_the_next_message_goes_through() {
    let scratch = Scratch::new("refusal");
    let receiver = Receiver::start(move |_, post| match post.key().as_str() {
        "n1" => Act::Say("HTTP/1.1 404 Gone fishing\r\ncontent-length: 0\r\n\r\n"),
        "n2" => Act::Say("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"),
        _ => OK,
    })
    .await;
    let url = format!("http://{}/", receiver.address);
    let office = Office::open(scratch.path(), &setup(vec![webhook("duty", &url, TIMEOUT)]));
    // One after the other: three that wait at once may leave as one digest.
    office.decide("n1", "i1", FIRING);
    office.until(|it| it.failed == 1).await;
    office.decide("n2", "i2", FIRING);
    office.until(|it| it.failed == 2).await;
    office.decide("n3", "i3", FIRING);
    let status = office.until(|it| it.delivered == 1 && it.failed == 2).await;
    assert_eq!((status.queued, status.retried), (0, 0));
    let totals = office.close(scratch.path()).await;
    assert_eq!((totals.failed, totals.delivered), (2, 1));
}

#[tokio::test]
async fn a_redirect_is_followed_nowhere_and_tried_again_until_it_is_gone() {
    let scratch = Scratch::new("redirect");
    let elsewhere = Receiver::start(|_, _| OK).await;
    let moved = format!("http://{}/", elsewhere.address);
    let portal = Arc::new(AtomicBool::new(true));
    let is_there = Arc::clone(&portal);
    let receiver = Receiver::start(move |_, _| match is_there.load(Ordering::SeqCst) {
        true => Act::Say(Box::leak(
            format!("HTTP/1.1 302 Found\r\nlocation: {moved}\r\ncontent-length: 0\r\n\r\n")
                .into_boxed_str(),
        )),
        false => OK,
    })
    .await;
    let url = format!("http://{}/", receiver.address);
    let office = Office::open(scratch.path(), &setup(vec![webhook("duty", &url, TIMEOUT)]));
    office.decide("n1", "i1", FIRING);
    let status = office.until(|it| it.last_error.is_some()).await;
    let why = status.last_error.unwrap();
    assert!(why.ends_with(&format!(" and points to http://{}", elsewhere.address)), "{why}");
    portal.store(false, Ordering::SeqCst);
    office.until(|it| it.delivered == 1 && it.failed == 0).await;
    office.close(scratch.path()).await;
    assert!(elsewhere.posts().is_empty(), "what is meant for one address goes to no other");
}

#[tokio::test]
async fn what_is_refused_goes_through_the_fallback_and_a_restart_knows_who_heard_of_it() {
    let scratch = Scratch::new("fallback");
    let refuses = Receiver::start(|_, post| match post.key().as_str() {
        "n1" => Act::Say("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"),
        _ => OK,
    })
    .await;
    let takes = Receiver::start(|_, _| OK).await;
    let url = |receiver: &Receiver| format!("http://{}/", receiver.address);
    let mut duty = webhook("duty", &url(&refuses), TIMEOUT);
    let after = Duration::from_secs(30);
    duty.fallback = Some(Fallback { to: ChannelId::new("sms"), after });
    let all = setup(vec![duty, webhook("sms", &url(&takes), TIMEOUT)]);
    let office = Office::open(scratch.path(), &all);
    office.decide("n1", "i1", FIRING);
    office.until(|it| it.id.as_str() == "sms" && it.delivered == 1).await;
    let status = office.until(|it| it.id.as_str() == "duty").await;
    assert_eq!((status.failed, status.fallen_back), (1, 1));
    office.close(scratch.path()).await;

    let office = Office::open(scratch.path(), &all);
    office.decide("n2", "i1", RESOLVED);
    office.until(|it| it.id.as_str() == "sms" && it.delivered == 1).await;
    office.until(|it| it.id.as_str() == "duty" && it.delivered == 1).await;
    office.close(scratch.path()).await;
    let posts = takes.posts();
    let keys: Vec<String> = posts.iter().map(Post::key).collect();
    assert_eq!(keys, ["n1/via/sms", "n2/via/sms"]);
    let said = posts[0].body["alerts"][0]["annotations"]["description"].as_str().unwrap();
    assert!(said.contains("Gửi thay kênh “duty”"), "{said}");

    let office = Office::open(scratch.path(), &all);
    office.decide("n3", "i1", FIRING);
    office.until(|it| it.id.as_str() == "duty" && it.delivered == 1).await;
    office.close(scratch.path()).await;
    assert_eq!(takes.posts().len(), 2, "it is over: the channel itself works again");
}

#[tokio::test]
async fn a_channel_taken_out_with_messages_waiting_says_so_and_returns_well() {
    let scratch = Scratch::new("taken-out");
    let (away, takes) = (free_port(), Receiver::start(|_, _| OK).await);
    let url = |receiver: &Receiver| format!("http://{}/", receiver.address);
    let duty = webhook("duty", &format!("http://127.0.0.1:{away}/"), TIMEOUT);
    let after = Duration::from_hours(1);
    let fallback = Some(Fallback { to: ChannelId::new("sms"), after });
    let mut backed = duty.clone();
    backed.fallback = fallback;
    let sms = || webhook("sms", &url(&takes), TIMEOUT);
    let office = Office::open(scratch.path(), &setup(vec![backed, sms()]));
    let remote = office.courier.remote();
    // One that stands in takes over what waits.
    office.step("i1", false, Some(FIRING));
    office.until(|it| it.id.as_str() == "duty" && it.retried > 0).await;
    remote.configure(setup(vec![sms()]));
    office.until(|it| it.id.as_str() == "sms" && it.delivered == 1).await;
    assert_eq!(takes.posts()[0].key(), "i1/duty/firing/1/via/sms");
    let heard = |given_up: Vec<Refusal>| -> Vec<(String, Option<String>)> {
        let brief = |it: Refusal| (it.incident.to_string(), it.instead.map(|it| it.to_string()));
        given_up.into_iter().map(brief).collect()
    };
    let instead = Some("sms".to_owned());
    assert_eq!(heard(remote.take_given_up()), [("i1".to_owned(), instead.clone())]);

    // Without one nobody is told, and that is known.
    remote.configure(setup(vec![duty.clone(), sms()]));
    office.step("i2", false, Some(FIRING));
    office.until(|it| it.id.as_str() == "duty" && it.retried > 0).await;
    remote.configure(setup(vec![sms()]));
    let deadline = Instant::now() + LONG;
    let mut given_up = remote.take_given_up();
    while given_up.is_empty() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
        given_up = remote.take_given_up();
    }
    assert_eq!(heard(given_up), [("i2".to_owned(), None)]);

    // It comes back, and so does its receiver: what is decided from now on is told.
    let listener = TcpListener::bind(("127.0.0.1", away)).await.unwrap();
    let back = Receiver::serve(listener, |_, _| OK);
    remote.configure(setup(vec![duty.clone(), sms()]));
    office.step("i3", false, Some(FIRING));
    let status = office.until(|it| it.id.as_str() == "duty" && it.delivered == 1).await;
    assert_eq!((status.queued, status.failing_since), (0, None));
    assert_eq!(back.posts()[0].key(), "i3/duty/firing/1");
    office.close(scratch.path()).await;

    // The next start knows what nobody heard of, as long as it goes on.
    let office = Office::open(scratch.path(), &setup(vec![duty.clone(), sms()]));
    let known = heard(office.courier.remote().take_given_up());
    assert_eq!(known, [("i1".to_owned(), instead.clone()), ("i2".to_owned(), None)]);
    office.step("i2", false, Some(RESOLVED));
    office.until(|it| it.id.as_str() == "duty" && it.delivered == 1).await;
    office.close(scratch.path()).await;
    let office = Office::open(scratch.path(), &setup(vec![duty, sms()]));
    assert_eq!(heard(office.courier.remote().take_given_up()), [("i1".to_owned(), instead)]);
    office.close(scratch.path()).await;
}

#[tokio::test]
async fn a_post_with_a_secret_is_signed() {
    let scratch = Scratch::new("signed");
    let receiver = Receiver::start(|_, _| OK).await;
    std::fs::create_dir_all(scratch.path()).unwrap();
    let file = scratch.path().join("secret");
    std::fs::write(&file, "s3cr3t\n").unwrap();
    let mut channel = webhook("duty", &format!("http://{}/", receiver.address), TIMEOUT);
    if let ChannelKind::Webhook(settings) = &mut channel.kind {
        settings.secret = Some(SecretSource::File(file));
    }
    let reports = test_alert(&setup(vec![channel]), Clock::start()).await;
    assert!(reports[0].result.is_ok());
    let post = &receiver.posts()[0];
    let header = |name: &str| {
        let line = post.head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{}", post.head)).to_owned()
    };
    let at = header("x-vchealth-timestamp: ");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cr3t");
    let signed = [at.as_bytes(), b".", &post.raw].concat();
    let told = header("x-vchealth-signature: sha256=");
    let bytes: Vec<u8> = (0..told.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&told[at..at + 2], 16).unwrap())
        .collect();
    assert!(ring::hmac::verify(&key, &signed, &bytes).is_ok());
}

#[tokio::test]
async fn a_channel_that_is_down_holds_up_no_other() {
    let scratch = Scratch::new("two");
    let dead = Receiver::start(|_, _| Act::Hang).await;
    let well = Receiver::start(|_, _| OK).await;
    let channels = [("duty", dead.address), ("board", well.address)]
        .map(|(id, address)| webhook(id, &format!("http://{address}/"), TIMEOUT));
    let office = Office::open(scratch.path(), &setup(channels.to_vec()));
    office.decide("n1", "i1", FIRING);
    let mut message = notification("n2", incident("i1", "tan-lap"), FIRING);
    message.channel = ChannelId::new("board");
    let batch = Batch { changes: vec![Change::Notify(Box::new(message))] };
    office.writer.handle().submit(batch, None);
    office.until(|it| it.id.as_str() == "board" && it.delivered == 1).await;
    office.courier.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn keys_in_an_address_are_seen_by_nobody() {
    let echo = "HTTP/1.1 401 No\r\ncontent-length: 46\r\n\r\nbad key T0K3NT0K3N at /hook/T0K3NT0K3N?key=k3y";
    let receiver = Receiver::start(move |_, _| Act::Say(echo)).await;
    let refused = "127.0.0.1:1";
    let secret =
        |host: &str| format!("http://us3rus3r:p4ssp4ss@{host}/hook/T0K3NT0K3N?key=k3yk3yk3y");
    let channels = vec![
        webhook("echo", &secret(&receiver.address.to_string()), TIMEOUT),
        webhook("dead", &secret(refused), TIMEOUT),
        webhook("wrong", "T0K3NT0K3N", TIMEOUT),
    ];
    let reports = test_alert(&setup(channels), Clock::start()).await;
    let shown = format!("{reports:?}");
    for key in ["T0K3NT0K3N", "us3rus3r", "p4ssp4ss", "k3yk3yk3y"] {
        assert!(!shown.contains(key), "{shown}");
    }
    let retries: Vec<Retry> =
        reports.iter().map(|report| report.result.clone().unwrap_err().retry).collect();
    assert_eq!(retries, [Retry::Never, Retry::Later, Retry::Never]);
}

#[tokio::test]
async fn a_test_goes_through_every_channel_and_each_is_reported() {
    let well = Receiver::start(|_, _| OK).await;
    let url = format!("http://{}/", well.address);
    let mut quiet = webhook("quiet", &url, TIMEOUT);
    quiet.send_resolved = false;
    let channels = vec![
        webhook("duty", &url, TIMEOUT),
        webhook("dead", "http://127.0.0.1:1/", TIMEOUT),
        quiet,
    ];
    let reports = test_alert(&setup(channels), Clock::start()).await;
    let told: Vec<(&str, bool)> =
        reports.iter().map(|it| (it.channel.as_str(), it.result.is_ok())).collect();
    assert_eq!(told, [("duty", true), ("dead", false), ("quiet", true)]);
    let mut posts: Vec<(String, String)> = well
        .posts()
        .iter()
        .map(|post| {
            let alert = &post.body["alerts"][0];
            assert_eq!(alert["labels"]["alertname"], "TestAlert");
            assert!(alert["annotations"]["summary"].as_str().unwrap().starts_with("[THỬ NGHIỆM]"));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&post.body["receiver"]), text(&alert["status"]))
        })
        .collect();
    posts.sort();
    let expected = [("duty", "firing"), ("duty", "resolved"), ("quiet", "firing")];
    assert_eq!(posts, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

/// The channels of the child below: one of posts, and one of three phones.
const BOTH: [&str; 2] = ["duty", "phones"];
/// Letters that a webhook has under way at once.
const UNDER_WAY: usize = 4;

/// How the line begins that the child below prints of a message that is told though the disk has
/// not answered for so long that silence would be worse.
const HASTY: &str = "not on record yet: ";

/// Incidents of the child below, each opened and told, taken on, then over and told.
fn incidents() -> usize {
    kills().max(20)
}

#[test]
#[ignore = "run as a child by the test below, which kills it"]
fn child_that_delivers() {
    let (Some(dir), Some(url)) =
        (std::env::var_os("VCHEALTH_CHILD_DIR"), std::env::var_os("VCHEALTH_CHILD_URL"))
    else {
        return;
    };
    let (dir, url) = (Path::new(&dir), url.to_str().unwrap());
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().unwrap().block_on(async {
        let channels = vec![webhook("duty", url, TIMEOUT), phones("phones", url)];
        let office = Office::open_watched(dir, &setup(channels), |news| {
            for hasty in news.mail.iter().filter(|_| !news.durable) {
                println!("{HASTY}{}", hasty.id);
            }
        });
        println!("started");
        for n in 0..incidents() {
            let about = format!("i{n:03}");
            // How far it was before the last kill is known from the store, as it is to the daemon.
            let known = History::open(dir).unwrap().incident(&IncidentId::new(&*about)).unwrap();
            let known = known.map(|it| (it.ack.is_some(), it.is_open()));
            let pause = || tokio::time::sleep(Duration::from_millis(10));
            if known.is_none() {
                office.step_through(&BOTH, &about, false, Some(FIRING));
                pause().await;
            }
            if matches!(known, None | Some((false, _))) {
                let ticket = office.step_through(&BOTH, &about, true, None);
                assert!(office.writer.handle().committed(ticket, LONG).await);
                println!("acked {about}");
                pause().await;
            }
            if known.is_none_or(|(_, open)| open) {
                office.step_through(&BOTH, &about, true, Some(RESOLVED));
                pause().await;
            }
        }
        for channel in ["duty", "phones"] {
            office.until(|it| it.id.as_str() == channel && it.queued == 0).await;
        }
        println!("all told");
        std::future::pending::<()>().await;
    });
}

/// What the receiver took, and whether it takes repeats.
#[derive(Default)]
struct Taken {
    /// Under which keys in the header each message came and in which life of the child, by the id
    /// in its annotation.
    messages: BTreeMap<String, Vec<(String, usize)>>,
    no_repeats: bool,
    /// In which lives each phone got each letter.
    phones: BTreeMap<(String, String), Vec<usize>>,
    /// The life that the child is in, and what was on record as waiting when each one before ended,
    /// with whoever had that message, or was told before the disk had taken it.
    life: usize,
    waited: Vec<BTreeMap<String, BTreeSet<RecipientKey>>>,
}

impl Taken {
    fn take(&mut self, post: &Post) -> bool {
        let alerts = post.body["alerts"].as_array().unwrap();
        let ids = alerts.iter().map(|it| it["annotations"]["notification"].as_str().unwrap());
        if self.no_repeats && ids.clone().any(|id| self.messages.contains_key(id)) {
            return false;
        }
        for id in ids {
            self.messages.entry(id.to_owned()).or_default().push((post.key(), self.life));
        }
        true
    }

    /// A short message to one of the phones.
    fn take_short(&mut self, post: &Post) -> bool {
        let (_, asked) = post.head.split_once("phone=").expect("a phone");
        let (phone, rest) = asked.split_once("&id=").expect("an id");
        let id = rest.split(' ').next().unwrap().replace("%2f", "/").replace("%2b", "+");
        let letter = id.strip_suffix(&format!("-{}", RecipientKey::of(phone)));
        let letter = letter.expect("an id for each phone");
        let key = (phone.to_owned(), letter.to_owned());
        if self.no_repeats && self.phones.contains_key(&key) {
            return false;
        }
        self.phones.entry(key).or_default().push(self.life);
        true
    }

    /// Whether what came in these lives came again only because the child was killed before it was
    /// on record, and not more often: the message, for one of the phones if it went to several.
    fn is_excused(&self, id: &str, phone: Option<&str>, lives: &[usize]) -> bool {
        let key = phone.map(RecipientKey::of);
        let waits = |life: usize| {
            let heard = self.waited[life].get(id);
            heard.is_some_and(|heard| key.as_ref().is_none_or(|key| !heard.contains(key)))
        };
        match *lives {
            [_] => true,
            [first, again] => first < again && waits(first),
            _ => false,
        }
    }

    /// Messages that came twice.
    fn repeated(&self) -> impl Iterator<Item = &String> {
        self.messages.iter().filter(|(_, keys)| keys.len() > 1).map(|(id, _)| id)
    }

    /// Whether something came twice that is not on record as told, to whom it came.
    fn is_repeating(&self, dir: &Path) -> bool {
        let twice = self.phones.iter().filter(|(_, lives)| lives.len() > 1);
        self.repeated().any(|id| !is_recorded(dir, id, None))
            || twice.map(|(key, _)| key).any(|(phone, letter)| {
                !is_recorded(dir, first_of(letter), Some(&RecipientKey::of(phone)))
            })
    }
}

/// The first message of a letter.
fn first_of(letter: &str) -> &str {
    let Some(digest) = letter.strip_prefix("digest-") else { return letter };
    digest.split('+').next().unwrap_or(digest)
}

/// Two kills in the very same delivery would repeat it twice, which nothing can prevent. The test
/// spares a repeat that is not on record yet, so that it can count exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_moment_loses_no_message_and_repeats_each_at_most_once() {
    let scratch = Scratch::new("kill-notify");
    let taken: Arc<Mutex<Taken>> = Arc::default();
    let takes = Arc::clone(&taken);
    let receiver = Receiver::start(move |_, post| {
        let busy = Act::Say("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n");
        let mut taken = takes.lock().unwrap();
        if post.head.starts_with("get /fence") {
            return OK;
        }
        // It fails half the time, and of short messages, which are three each time, one in four.
        if post.head.starts_with("get /sms") {
            if random(4) == 0 || !taken.take_short(post) {
                return busy;
            }
        } else if random(2) == 0 || !taken.take(post) {
            return busy;
        }
        OK
    })
    .await;
    let url = format!("http://{}/", receiver.address);
    let dir = scratch.path();
    // A proxy in the environment must not come between.
    let variables = [
        ("VCHEALTH_CHILD_DIR", dir.to_str().unwrap()),
        ("VCHEALTH_CHILD_URL", &*url),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
    ];
    for round in 0..kills() {
        let mut running = child("notify::child_that_delivers", &variables);
        let mut lines = lines(&mut running);
        // Every fourth time somewhere while it starts, else somewhere while it works.
        if round % 4 != 0 {
            lines = wait_for_line(lines, "started").await;
        }
        tokio::time::sleep(Duration::from_millis(random(300))).await;
        let patience = Instant::now() + LONG;
        loop {
            {
                let mut taken = taken.lock().unwrap();
                taken.no_repeats = !taken.is_repeating(dir);
                if taken.no_repeats {
                    break;
                }
            }
            assert!(Instant::now() < patience, "something was repeated and is never recorded");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        running.kill().unwrap();
        running.wait().unwrap();
        receiver.fence().await;
        let mut waited = waiting(dir);
        let history = History::open(dir);
        let said: Vec<String> = lines.iter().collect();
        for hasty in said.iter().filter_map(|line| line.strip_prefix(HASTY)) {
            waited.entry(hasty.to_owned()).or_default();
        }
        for about in said.iter().filter_map(|line| line.strip_prefix("acked ")) {
            let known = history.as_ref().unwrap().incident(&IncidentId::new(about)).unwrap();
            assert!(known.is_some_and(|it| it.ack.is_some()), "{about} was acknowledged");
        }
        let mut taken = taken.lock().unwrap();
        taken.waited.push(waited);
        taken.life += 1;
        taken.no_repeats = false;
    }
    let mut running = child("notify::child_that_delivers", &variables);
    wait_for_line(lines(&mut running), "all told").await;
    running.kill().unwrap();
    running.wait().unwrap();

    let taken = taken.lock().unwrap();
    let twice: Vec<&String> = taken.repeated().collect();
    println!("{} of {} messages came twice: {twice:?}", twice.len(), taken.messages.len());
    for (id, came) in &taken.messages {
        // Alone or in the same digest, it came under the same key, by which a receiver drops it.
        let (keys, lives): (BTreeSet<&str>, Vec<usize>) =
            came.iter().map(|(key, life)| (&**key, *life)).unzip();
        let sound = keys.len() == 1 && taken.is_excused(id, None, &lives);
        assert!(sound, "{id}: {came:?}");
    }
    let letters: BTreeSet<&str> = twice.iter().map(|id| &*taken.messages[*id][0].0).collect();
    assert!(letters.len() <= taken.waited.len() * UNDER_WAY, "{} letters", letters.len());
    for ((phone, letter), lives) in &taken.phones {
        let sound = taken.is_excused(first_of(letter), Some(phone), lives);
        assert!(sound, "{letter} came to {phone} in {lives:?}");
    }
    let again: usize = taken.phones.values().map(|lives| lives.len() - 1).sum();
    println!("{again} of {} short messages came again", taken.phones.len());
    let history = History::open(dir).unwrap();
    let mut all_at_once: BTreeMap<String, bool> = BTreeMap::new();
    for n in 0..incidents() {
        let about = format!("i{n:03}");
        let known = history.incident(&IncidentId::new(about.clone())).unwrap().unwrap();
        assert!(known.ack.is_some() && !known.is_open(), "{about}");
        let messages = history.messages(&IncidentId::new(about.clone())).unwrap();
        let (duty, phones): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|it| it.notification.channel.as_str() == "duty");
        let last = phones.last().map(|it| it.mark.state);
        assert_eq!(last, Some(MarkState::Delivered), "{about}");
        for mark in phones.iter().map(|it| &it.mark) {
            assert!(matches!(mark.state, MarkState::Delivered | MarkState::Withdrawn), "{mark:?}");
            let letter = mark.bundle.as_ref().unwrap_or(&mark.id).to_string();
            let at_once = mark.state == MarkState::Delivered && mark.attempts == 1;
            *all_at_once.entry(letter).or_insert(true) &= at_once;
        }
        let states: Vec<MarkState> = duty.iter().map(|it| it.mark.state).collect();
        assert!(matches!(states[0], MarkState::Delivered | MarkState::Withdrawn), "{about}");
        assert_eq!(states[1..], [MarkState::Delivered], "{about}");
        assert!(taken.messages.contains_key(&format!("{about}/duty/resolved/1")), "{about}");
        let heard = taken.messages.contains_key(&format!("{about}/duty/firing/1"));
        assert!(heard || states[0] == MarkState::Withdrawn, "{about}");
    }
    // What all of them took at once went to each of them. To whoever had a part of it from before,
    // the rest of it is another letter.
    for (letter, _) in all_at_once.into_iter().filter(|(_, at_once)| *at_once) {
        for phone in PHONES {
            assert!(taken.phones.contains_key(&(phone.to_owned(), letter.clone())), "{letter}");
        }
    }
}

/// The messages that wait, by what a kill left. It looks at a copy, so that the next child finds
/// that as it is.
fn waiting(dir: &Path) -> BTreeMap<String, BTreeSet<RecipientKey>> {
    if !dir.join(FILE_NAME).exists() {
        return BTreeMap::new();
    }
    let copy = Scratch::new("kill-notify-copy");
    for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
        // There may be no log yet.
        let _ = std::fs::copy(dir.join(&name), copy.path().join(&name));
    }
    let (store, _) = Store::open(copy.path(), Clock::start().now().wall).unwrap();
    let waiting = store.waiting().unwrap();
    // Of the same incident somebody may have had an earlier message only.
    let who = |id: &NotificationId, heard: Vec<Heard>| {
        let has = heard.into_iter().filter(|heard| heard.message == *id);
        has.map(|heard| heard.recipient).collect()
    };
    let both = |it: Waiting| (it.notification.id.to_string(), who(&it.notification.id, it.heard));
    waiting.into_iter().map(both).collect()
}

/// Whether a message is on record as told, or as told to one of several.
fn is_recorded(dir: &Path, id: &str, to: Option<&RecipientKey>) -> bool {
    let incident = IncidentId::new(id.split('/').next().unwrap());
    let messages = History::open(dir).unwrap().messages(&incident).unwrap();
    let its = messages.iter().filter(|it| it.mark.id.as_str() == id);
    its.map(|it| &it.mark).any(|mark| match to {
        None => mark.state == MarkState::Delivered,
        Some(phone) => {
            let its = |heard: &Heard| heard.recipient == *phone && heard.message == mark.id;
            mark.heard.iter().any(its) || mark.state != MarkState::Waiting
        }
    })
}

/// The lines that a child prints.
fn lines(running: &mut Child) -> Lines<String> {
    let output = BufReader::new(running.stdout.take().unwrap());
    let (send, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Waits until the child prints a line with `text`; gives the lines after it.
async fn wait_for_line(lines: Lines<String>, text: &'static str) -> Lines<String> {
    let waiting = tokio::task::spawn_blocking(move || {
        let patience = Instant::now() + 4 * LONG;
        while let Ok(line) = lines.recv_timeout(patience.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) {
                return lines;
            }
        }
        panic!("the child never says {text:?}");
    });
    waiting.await.unwrap()
}
