//! A receiver that was gone for hours, and how soon everything is told once it is back.

use super::*;
use crate::config::{
    AlertmanagerSettings, ChannelKind, EmailSettings, ExecSettings, MailSecurity, SecretSource,
    SmsBody, SmsGateway, SmsHttpSettings, SmsSettings, TelegramSettings, WebhookSettings,
    ZaloSettings,
};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;

use crate::model::Language;
use crate::notify::parts::{Message, Pace, Post, Recipients};
use crate::notify::{Style, channel, sms, telegram, zalo};

/// How long a receiver takes over a letter, and how long one that hangs is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) takes: Duration,
    hangs: Duration,
}

/// Every kind of channel, with a receiver that takes its time.
pub(super) fn kinds() -> [(ChannelKind, Manner); 7] {
    let secret = || SecretSource::Env("NONE".to_owned());
    let address = || WebAddress::new("");
    let timeout = seconds(10);
    let gateway = SmsGateway::Http(SmsHttpSettings {
        url: address(),
        body: SmsBody::None,
        headers: BTreeMap::new(),
        secrets: BTreeMap::new(),
        accepted_if: None,
    });
    let webhook = WebhookSettings { url: address().into(), secret: None, timeout: seconds(5) };
    let alertmanager = AlertmanagerSettings {
        urls: Vec::new(),
        token: None,
        timeout: seconds(5),
        resend: seconds(60),
    };
    let email = EmailSettings {
        host: String::new(),
        port: 587,
        security: MailSecurity::Starttls,
        login: None,
        ca_file: None,
        from: String::new(),
        to: Vec::new(),
        hello: None,
        timeout: seconds(30),
    };
    let telegram =
        TelegramSettings { token: secret(), chats: Vec::new(), base_url: address(), timeout };
    let zalo = ZaloSettings {
        app_id: String::new(),
        secret_key: secret(),
        refresh_token: secret(),
        token_store: PathBuf::new(),
        to: Vec::new(),
        base_url: address(),
        oauth_url: address(),
        timeout,
    };
    let exec = ExecSettings {
        program: PathBuf::new(),
        args: Vec::new(),
        env: BTreeMap::new(),
        timeout: seconds(30),
    };
    let manner = |takes, hangs| Manner { takes: seconds(takes), hangs: seconds(hangs) };
    [
        (ChannelKind::Webhook(webhook), manner(1, 5)),
        (ChannelKind::Alertmanager(alertmanager), manner(1, 5)),
        (ChannelKind::Email(email), manner(1, 31)),
        (ChannelKind::Telegram(telegram), manner(1, 10)),
        (ChannelKind::Sms(SmsSettings { gateway, to: Vec::new(), timeout }), manner(1, 10)),
        (ChannelKind::Zalo(zalo), manner(1, 10)),
        // A modem that dials.
        (ChannelKind::Exec(exec), manner(5, 31)),
    ]
}

/// A queue whose letters are under way for a while.
struct Slow {
    desk: Desk,
    under_way: Vec<(Mono, Letter, Result<(), DeliveryError>)>,
    /// When which letter left that was accepted, and what was in it.
    left: Vec<(Mono, Letter)>,
    /// When the last of them was accepted.
    told_at: Mono,
}

impl Slow {
    /// Lets time pass until `end`. `answer` says of a letter that leaves how long it is under way
    /// and what comes of it.
    fn run(&mut self, end: Mono, answer: impl Fn(Mono) -> (Duration, Result<(), DeliveryError>)) {
        let desk = &mut self.desk;
        loop {
            while let Some(Due { letter, .. }) = desk.queue.next(desk.now) {
                let (takes, result) = answer(desk.now.mono);
                if result.is_ok() {
                    self.left.push((desk.now.mono, letter.clone()));
                }
                self.under_way.push((desk.now.mono + takes, letter, result));
            }
            let arrives = self.under_way.iter().map(|(at, _, _)| *at).min();
            let next = desk.queue.poll_timeout().into_iter().chain(arrives).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            desk.wait(next - desk.now.mono);
            let now = desk.now;
            for (_, letter, result) in self.under_way.extract_if(.., |it| it.0 <= now.mono) {
                if result.is_ok() {
                    self.told_at = now.mono;
                }
                desk.queue.settle(&letter.channel, &letter.id, result, now);
            }
        }
        desk.wait(end - desk.now.mono);
    }
}

/// 300 incidents begin in two hours, every third is over after ten minutes, and nothing gets
/// through: attempts fail at once, or hang. The receiver is back `back_after` after the two hours.
fn two_hours_gone(kind: &ChannelKind, manner: Manner, hangs: bool, back_after: Duration) {
    let word = kind.word();
    let limits = channel::limits(kind);
    let mut slow = Slow {
        desk: Desk::with(limits),
        under_way: Vec::new(),
        left: Vec::new(),
        told_at: Mono::ZERO,
    };
    let back = slow.desk.now.mono + seconds(300 * 24) + back_after;
    let answer = |leaves: Mono| match leaves < back {
        true if hangs => (manner.hangs, Err(later())),
        true => (Duration::ZERO, Err(later())),
        false => (manner.takes, Ok(())),
    };
    for n in 0..300_u32 {
        slow.desk.decide(&format!("i{n:03}-firing"), &format!("i{n:03}"), FIRING);
        if n >= 25 && n % 3 == 0 {
            let over = n - 25;
            slow.desk.decide(&format!("i{over:03}-over"), &format!("i{over:03}"), RESOLVED);
        }
        let end = slow.desk.now.mono + seconds(24);
        slow.run(end, answer);
    }
    slow.run(back + seconds(120), answer);

    let status = slow.desk.status();
    assert_eq!((status.queued, status.failed), (0, 0), "{word}");
    let took = slow.told_at - back;
    assert!(took <= seconds(60), "{word}: told within {took:?} of the return, hanging: {hangs}");
    let at: Vec<Mono> = slow.left.iter().map(|(at, _)| *at).collect();
    assert!(at.windows(2).all(|two| two[1] - two[0] >= limits.gap), "{word}: within its rate");

    // The first one found out that the receiver is back; whose turn that was is chance.
    let letters = || slow.left.iter().map(|(_, letter)| letter);
    let all: Vec<_> = letters().flat_map(|letter| &letter.items).collect();
    assert_eq!(all.len(), 300, "{word}: each incident is told once, as it stands");
    let over = all.iter().filter(|item| item.told_as == RESOLVED).count();
    assert_eq!(over, 91, "{word}");
    for over in [false, true] {
        let then = letters().skip(1).flat_map(|letter| &letter.items);
        let kind = then.filter(|item| (item.told_as == RESOLVED) == over);
        let ids: Vec<_> = kind.map(|item| &item.notification.alert.incident.id).collect();
        assert!(ids.is_sorted(), "{word}: in order, over: {over}: {ids:?}");
    }
}

#[test]
fn a_receiver_gone_for_two_hours_is_told_of_300_incidents_within_a_minute() {
    for (kind, manner) in kinds() {
        for back_after in [0, 1, 5, 14, 23, 29] {
            two_hours_gone(&kind, manner, false, seconds(back_after));
        }
    }
}

#[test]
fn a_receiver_that_hung_for_two_hours_and_then_takes_its_time_is_told_within_a_minute() {
    for (kind, manner) in kinds() {
        for back_after in [0, 1, 5, 14, 23, 29] {
            two_hours_gone(&kind, manner, true, seconds(back_after));
        }
    }
}

#[test]
fn letters_that_fail_again_and_again_do_not_keep_others_from_being_tried() {
    let mut desk = Desk::new(1);
    let bad = |letter: &Letter| letter.id.as_str().contains("bad");
    for n in 0..8 {
        desk.decide(&format!("bad-{n}"), &format!("b{n}"), FIRING);
        desk.run(seconds(120), |_, _| Err(later()));
    }
    desk.decide("good", "g", FIRING);
    let told =
        desk.run(seconds(2 * 3_600), |letter, _| if bad(letter) { Err(later()) } else { Ok(()) });
    assert_eq!(told, ["good"]);
}

#[test]
fn a_few_messages_of_a_slow_channel_are_told_one_by_one() {
    let mut desk = Desk::with(Limits { under_way: 1, gap: seconds(3), bundle: 50, by_id: false });
    for n in 0..2 {
        desk.decide(&format!("a{n}"), &format!("i{n}"), FIRING);
    }
    assert_eq!(desk.run(seconds(20), |_, _| Ok(())), ["a0", "a1"]);
    for n in 0..7 {
        desk.decide(&format!("b{n}"), &format!("j{n}"), FIRING);
    }
    let all = digest(&["b0", "b1", "b2", "b3", "b4", "b5", "b6"]);
    assert_eq!(desk.run(seconds(20), |_, _| Ok(())), [all], "24 sites are one message");
}

#[test]
fn a_digest_put_together_anew_passes_for_none_that_was_told_before() {
    let mut desk = Desk::with(Limits { under_way: 1, gap: seconds(3), bundle: 50, by_id: false });
    for n in 0..7 {
        desk.decide(&format!("b{n}"), &format!("j{n}"), FIRING);
    }
    // One of two phones has it, the other not yet; meanwhile more sites fail.
    let mut last = None;
    for _ in 0..3 {
        let repeat = desk.take().unwrap();
        assert!(last.is_none_or(|last| last == repeat), "it says the same");
        desk.fail(&repeat, Retry::Partly { after: Duration::ZERO, works: true });
        desk.wait(seconds(3));
        last = Some(repeat);
    }
    for n in 7..9 {
        desk.decide(&format!("b{n}"), &format!("j{n}"), FIRING);
    }
    let anew = desk.take();
    assert_eq!(told_ids(&desk.told[3..]), ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8"]);
    assert_ne!(anew, last, "a gateway that drops repeats would keep the new sites from the phone");
}

/// A chat of Telegram that takes what the documents say and no more: a message a second, 20 a
/// minute to a group. Whoever sends more is told to wait.
struct Group {
    posts: Mutex<Vec<tokio::time::Instant>>,
    texts: Mutex<Vec<String>>,
    refused: AtomicUsize,
}

impl Post for Group {
    fn names(&self) -> Vec<String> {
        vec!["-1001".to_owned()]
    }

    fn label(&self, _: usize) -> String {
        "-1001".to_owned()
    }

    fn pace(&self, _: usize) -> Pace {
        telegram::pace("-1001")
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        let style = Style::new(Language::Vi, TimeZone::UTC, "http://10.0.0.5:8080");
        Message::several(letter, &style, 4_096, char::len_utf16)
    }

    async fn post(&self, _: usize, _: &Letter, text: &str) -> Result<(), DeliveryError> {
        let mut posts = self.posts.lock().unwrap();
        let now = tokio::time::Instant::now();
        let within = |most: Duration| posts.iter().filter(|at| now - **at < most).count();
        if within(seconds(1)) > 0 || within(seconds(60)) >= 20 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let retry = Retry::After(seconds(30));
            return Err(DeliveryError { retry, text: "Too Many Requests".to_owned() });
        }
        posts.push(now);
        self.texts.lock().unwrap().push(text.to_owned());
        Ok(())
    }
}

/// Three recipients of a service that takes a second over each post.
struct Three<M> {
    at_once: usize,
    posts: AtomicUsize,
    messages: M,
}

impl<M: Fn(&Letter) -> Vec<Message> + Sync> Post for Three<M> {
    fn names(&self) -> Vec<String> {
        ["1", "2", "3"].map(str::to_owned).to_vec()
    }

    fn at_once(&self) -> usize {
        self.at_once
    }

    fn label(&self, recipient: usize) -> String {
        recipient.to_string()
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        (self.messages)(letter)
    }

    async fn post(&self, _: usize, _: &Letter, _: &str) -> Result<(), DeliveryError> {
        tokio::time::sleep(seconds(1)).await;
        self.posts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// How long it takes until 300 incidents, of which every third is over, are told to everybody after
/// two hours in which nothing got through.
async fn catch_up(kind: &ChannelKind, way: &impl Post, back_after: Duration) -> Duration {
    let mut desk = Desk::with(channel::limits(kind));
    let decide = |desk: &mut Desk, n: u32, kind: NotificationKind| {
        let mut it = incident(&format!("i{n:03}"), "tan-lap");
        it.resolved = (kind == RESOLVED).then_some(desk.now.wall);
        let mut message = notification(&format!("i{n:03}-{}", kind.word()), it, kind);
        message.channel = ChannelId::new("truc");
        message.alert.site_name = format!("Trụ sở UBND xã Thượng Quan {n:03}");
        desk.queue.enqueue(Arc::new(message), desk.now);
    };
    for n in 0..300_u32 {
        decide(&mut desk, n, FIRING);
        if n >= 25 && n % 3 == 0 {
            decide(&mut desk, n - 25, RESOLVED);
        }
        desk.run(seconds(24), |_, _| Err(later()));
    }
    desk.run(back_after, |_, _| Err(later()));
    let (known, began) = (Recipients::default(), desk.now.mono);
    while let Some(due) = desk.queue.poll_timeout() {
        let before = tokio::time::Instant::now();
        if due > desk.now.mono {
            tokio::time::advance(due - desk.now.mono).await;
        }
        let letter = desk.queue.next(desk.now.plus(before.elapsed())).map(|due| due.letter);
        let receipt = match &letter {
            Some(letter) => known.deliver(letter, way).await,
            None => Ok(()).into(),
        };
        desk.now = desk.now.plus(before.elapsed());
        if let Some(letter) = letter {
            desk.queue.settle(&letter.channel, &letter.id, receipt, desk.now);
        }
    }
    assert_eq!((desk.status().queued, desk.status().failed), (0, 0));
    desk.now.mono - began
}

/// A mail is one post for all, which is what [`two_hours_gone`] has.
#[tokio::test(start_paused = true)]
async fn three_recipients_are_each_told_of_300_incidents_within_a_minute() {
    let style = Style::new(Language::Vi, TimeZone::UTC, "http://10.0.0.5:8080");
    let zalo = Three {
        at_once: zalo::AT_ONCE,
        posts: AtomicUsize::new(0),
        messages: |letter: &Letter| Message::several(letter, &style, 2_000, |_| 1),
    };
    let telegram = Three {
        at_once: telegram::AT_ONCE,
        posts: AtomicUsize::new(0),
        messages: |letter: &Letter| Message::several(letter, &style, 4_096, char::len_utf16),
    };
    let sms = Three {
        at_once: 1,
        posts: AtomicUsize::new(0),
        messages: |letter: &Letter| {
            vec![Message { letter: letter.clone(), pieces: vec![sms::short(letter, &style)] }]
        },
    };
    for (kind, _) in kinds() {
        for back_after in [5, 23].map(seconds) {
            let took = match &kind {
                ChannelKind::Zalo(_) => catch_up(&kind, &zalo, back_after).await,
                ChannelKind::Telegram(_) => catch_up(&kind, &telegram, back_after).await,
                ChannelKind::Sms(_) => catch_up(&kind, &sms, back_after).await,
                _ => continue,
            };
            let word = kind.word();
            println!("{word}: told in {took:?}, back after {back_after:?}");
            assert!(took <= seconds(60), "{word}: told in {took:?}, back after {back_after:?}");
        }
    }
    for posts in [zalo.posts, telegram.posts, sms.posts] {
        assert!(posts.into_inner() >= 2 * 3 * 2, "each is told in several messages");
    }
}

/// The queue and what a channel knows of its recipients, with nothing in between.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_gone_is_told_of_300_incidents_within_what_the_service_allows() {
    let chats = ChannelKind::Telegram(TelegramSettings {
        token: SecretSource::Env("NONE".to_owned()),
        chats: Vec::new(),
        base_url: WebAddress::new(""),
        timeout: seconds(10),
    });
    let mut desk = Desk::with(channel::limits(&chats));
    for n in 0..300 {
        desk.decide(&format!("n{n:03}"), &format!("i{n:03}"), FIRING);
        desk.run(seconds(24), |_, _| Err(later()));
    }
    let group =
        Group { posts: Mutex::default(), texts: Mutex::default(), refused: AtomicUsize::new(0) };
    let known = Recipients::default();
    let began = desk.now.mono;
    while let Some(due) = desk.queue.poll_timeout() {
        let before = tokio::time::Instant::now();
        if due > desk.now.mono {
            tokio::time::advance(due - desk.now.mono).await;
        }
        let letter = desk.queue.next(desk.now.plus(before.elapsed())).map(|due| due.letter);
        let result = match &letter {
            Some(letter) => known.deliver(letter, &group).await.result,
            None => Ok(()),
        };
        desk.now = desk.now.plus(before.elapsed());
        if let Some(letter) = letter {
            desk.queue.settle(&letter.channel, &letter.id, result, desk.now);
        }
    }
    assert_eq!((desk.status().queued, desk.status().delivered), (0, 300));
    assert!(desk.now.mono - began <= seconds(60), "{:?}", desk.now.mono - began);
    assert_eq!(group.refused.load(Ordering::Relaxed), 0, "nobody had to ask for time");
    let texts = group.texts.lock().unwrap();
    assert!(texts.len() > 6, "six digests in several messages each: {}", texts.len());
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with('•'));
    assert_eq!(lines.count(), 300);
}
