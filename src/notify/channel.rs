//! The ways to reach people, as the courier sees them: one letter in, success or a reason out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::alertmanager::Alertmanager;
use super::email::Email;
use super::exec::Exec;
use super::http::Http;
use super::parts::{self, Recipients};
use super::queue::Limits;
use super::sms::Sms;
use super::telegram::{Bots, Telegram};
use super::webhook::Webhook;
use super::zalo::{self, Zalo};
use super::{Letter, Style};
use crate::clock::Clock;
use crate::config::{Channel, ChannelKind};
use crate::model::{IncidentId, Notification};
use crate::store::{Heard, RecipientKey};

/// Why a letter was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    /// Whether and when to try again.
    pub retry: Retry,
    /// What went wrong, in one line without secrets.
    pub text: String,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again cannot help.
    Never,
    /// When the courier sees fit.
    Later,
    /// Not before this long, as the receiver asked.
    After(Duration),
    /// Some have it; the others not before this long. Other letters need not wait.
    Partly {
        /// How long to wait, as they asked.
        after: Duration,
        /// Whether somebody accepted it just now, which shows that the channel works.
        works: bool,
    },
}

/// What came of handing a letter over, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Whether it was accepted: by everybody, or by somebody while all others refuse it for good.
    pub result: Result<(), DeliveryError>,
    /// How it fared with each recipient whom it was offered to, where several can be told apart, or
    /// where the only one has it or a part of it.
    pub recipients: Vec<Fared>,
    /// Who has what of it, where it is to be repeated.
    pub heard: HeardOf,
}

/// Which recipients have the last message about each incident while others still wait for it.
pub type HeardOf = BTreeMap<IncidentId, Vec<Heard>>;

/// How a letter fared with one of a channel's recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fared {
    /// What the log calls them, which is nobody's number or address.
    pub recipient: String,
    /// Who it is whatever the settings become.
    pub key: RecipientKey,
    /// Whether they were asked at all; who was not stands here with why.
    pub asked: bool,
    /// Whether they accepted it.
    pub result: Result<(), DeliveryError>,
}

impl Receipt {
    /// Those who have not got what others have, or only a part of it, and why.
    pub(super) fn lacking(&self) -> impl Iterator<Item = (&Fared, &DeliveryError)> {
        let told =
            matches!(self.result, Ok(()) | Err(DeliveryError { retry: Retry::Partly { .. }, .. }));
        let all = self.recipients.iter().filter(move |_| told);
        all.filter_map(|fared| Some((fared, fared.result.as_ref().err()?)))
    }
}

impl From<Result<(), DeliveryError>> for Receipt {
    fn from(result: Result<(), DeliveryError>) -> Self {
        Self { result, recipients: Vec::new(), heard: HeardOf::new() }
    }
}

impl DeliveryError {
    /// Whether the receiver said it: no, or when to come back. What is to be tried later may be
    /// nobody's word.
    pub(super) const fn is_an_answer(&self) -> bool {
        !matches!(self.retry, Retry::Later)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DeliveryError {}

/// One channel by itself, without the courier's order and repeats.
#[derive(Debug)]
pub struct Direct(Hand);

impl Direct {
    /// A channel on the current runtime.
    #[must_use]
    pub fn new(channel: &Channel, style: &Style, clock: Clock) -> Self {
        Self(Hand::new(channel, &Arc::new(style.clone()), &Shared::new(clock), None))
    }

    /// Hands the letter over, once.
    ///
    /// # Errors
    /// When it was not accepted.
    pub async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        self.0.deliver(letter).await.result
    }

    /// Takes up what stood when the daemon ended and still does; see [`Courier::restore`].
    ///
    /// [`Courier::restore`]: super::Courier::restore
    pub fn restore(&self, standing: Vec<Notification>) {
        self.0.restore(standing);
    }
}

/// What the channels have in common.
#[derive(Debug)]
pub(super) struct Shared {
    http: Http,
    bots: Bots,
}

impl Shared {
    /// Nothing that anybody used before.
    pub(super) fn new(clock: Clock) -> Self {
        Self { http: Http::new(clock), bots: Bots::default() }
    }
}

/// A channel that can deliver. A new kind is a new variant; the compiler then names every place
/// that has to learn about it.
#[derive(Debug)]
pub(super) enum Hand {
    Webhook(Webhook),
    Alertmanager(Alertmanager),
    Email(Email),
    Zalo(Zalo),
    Telegram(Telegram),
    Sms(Sms),
    Exec(Exec),
}

impl Hand {
    /// The channel of these settings. `before` is the channel of this name until a reload; what it
    /// knew and no settings say goes on, but for who asked another account for time.
    pub(super) fn new(
        channel: &Channel,
        style: &Arc<Style>,
        shared: &Shared,
        before: Option<(&Channel, &Self)>,
    ) -> Self {
        let (was, before) = before.unzip();
        let known = before.and_then(Self::recipients);
        let is_other = was.is_some_and(|was| !is_same_account(&was.kind, &channel.kind));
        if let Some(known) = known.as_ref().filter(|_| is_other) {
            known.change_account();
        }
        let (style, http) = (Arc::clone(style), shared.http.clone());
        let recipients = || known.clone().unwrap_or_default();
        match &channel.kind {
            ChannelKind::Webhook(settings) => Self::Webhook(Webhook::new(settings, style, http)),
            ChannelKind::Alertmanager(settings) => {
                let before = match before {
                    Some(Self::Alertmanager(before)) => Some(before),
                    _ => None,
                };
                Self::Alertmanager(Alertmanager::new(settings, style, http, before))
            }
            ChannelKind::Email(settings) => Self::Email(Email::new(settings, style, recipients())),
            ChannelKind::Zalo(settings) => {
                let known = recipients();
                let before = match before {
                    Some(Self::Zalo(before)) => Some(before),
                    _ => None,
                };
                Self::Zalo(Zalo::new(settings, style, http, known, before))
            }
            ChannelKind::Telegram(settings) => {
                let bots = shared.bots.clone();
                Self::Telegram(Telegram::new(settings, style, http, bots, recipients()))
            }
            ChannelKind::Sms(settings) => Self::Sms(Sms::new(settings, style, http, recipients())),
            ChannelKind::Exec(settings) => Self::Exec(Exec::new(settings, style)),
        }
    }

    /// What the channel knew of its recipients until a reload: who was told what, and who asked to
    /// be left alone for a while.
    fn recipients(&self) -> Option<Arc<Recipients>> {
        match self {
            Self::Email(email) => Some(email.recipients()),
            Self::Telegram(telegram) => Some(telegram.recipients()),
            Self::Sms(sms) => Some(sms.recipients()),
            Self::Zalo(zalo) => Some(zalo.recipients()),
            Self::Webhook(_) | Self::Alertmanager(_) | Self::Exec(_) => None,
        }
    }

    /// Which recipients have what of a letter, as far as that is remembered for a repeat.
    pub(super) fn heard(&self, letter: &Letter) -> HeardOf {
        self.recipients().map(|known| known.heard(letter)).unwrap_or_default()
    }

    /// Takes up which recipients had a message about this incident when the daemon ended.
    pub(super) fn recall(&self, incident: &IncidentId, heard: &[Heard]) {
        if let Some(known) = self.recipients() {
            known.recall(incident, heard);
        }
    }

    /// Hands the letter over. Returns within the channel's time limit.
    pub(super) async fn deliver(&self, letter: &Letter) -> Receipt {
        match self {
            Self::Webhook(webhook) => webhook.deliver(letter).await.into(),
            Self::Alertmanager(alertmanager) => alertmanager.deliver(letter).await.into(),
            Self::Email(email) => email.deliver(letter).await,
            Self::Zalo(zalo) => zalo.deliver(letter).await,
            Self::Telegram(telegram) => telegram.deliver(letter).await,
            Self::Sms(sms) => sms.deliver(letter).await,
            Self::Exec(exec) => exec.deliver(letter).await.into(),
        }
    }

    /// Takes up what stood when the daemon ended and still does. Only a channel that tells again
    /// of what stands has a use for it.
    pub(super) fn restore(&self, standing: Vec<Notification>) {
        match self {
            Self::Alertmanager(alertmanager) => alertmanager.restore(standing),
            Self::Webhook(_)
            | Self::Email(_)
            | Self::Zalo(_)
            | Self::Telegram(_)
            | Self::Sms(_)
            | Self::Exec(_) => {}
        }
    }

    /// Longest that [`Hand::deliver`] takes.
    pub(super) fn time_limit(&self) -> Duration {
        match self {
            Self::Webhook(webhook) => webhook.time_limit(),
            Self::Alertmanager(alertmanager) => alertmanager.time_limit(),
            Self::Email(email) => email.time_limit(),
            Self::Zalo(zalo) => zalo.time_limit(),
            Self::Telegram(telegram) => telegram.time_limit(),
            Self::Sms(sms) => sms.time_limit(),
            Self::Exec(exec) => exec.time_limit(),
        }
    }
}

/// Whether both reach people through one account, whomever: it is the account that a service asks
/// for time.
fn is_same_account(one: &ChannelKind, other: &ChannelKind) -> bool {
    use ChannelKind::{Email, Sms, Telegram, Zalo};
    match (one, other) {
        (Email(a), Email(b)) => {
            (&a.host, a.port, &a.login, &a.from) == (&b.host, b.port, &b.login, &b.from)
        }
        (Sms(a), Sms(b)) => a.gateway == b.gateway,
        (Telegram(a), Telegram(b)) => (&a.token, &a.base_url) == (&b.token, &b.base_url),
        (Zalo(a), Zalo(b)) => {
            let account = (&a.app_id, &a.refresh_token, &a.token_store, &a.base_url);
            account == (&b.app_id, &b.refresh_token, &b.token_store, &b.base_url)
        }
        // The others tell no recipients apart.
        _ => false,
    }
}

/// Who is reached through a channel, where it tells several apart, and what the log calls each.
pub(super) fn recipients(kind: &ChannelKind) -> BTreeMap<RecipientKey, String> {
    let placed = |to: &[String]| {
        let all = to.iter().enumerate();
        all.map(|(at, name)| (RecipientKey::of(name), parts::place(at))).collect()
    };
    let named = |name: &str| (RecipientKey::of(name), name.to_owned());
    match kind {
        // Whose number or address it is is nobody's business who reads a log.
        ChannelKind::Email(settings) => placed(&settings.to),
        ChannelKind::Sms(settings) => placed(&settings.to),
        ChannelKind::Telegram(settings) => settings.chats.iter().map(|chat| named(chat)).collect(),
        ChannelKind::Zalo(settings) => settings.to.iter().map(|to| named(zalo::name(to))).collect(),
        ChannelKind::Webhook(_) | ChannelKind::Alertmanager(_) | ChannelKind::Exec(_) => {
            BTreeMap::new()
        }
    }
}

/// Whether it is a program that is told, which keeps what is on until it is told that it is over.
pub(super) const fn keeps_what_is_on(kind: &ChannelKind) -> bool {
    match kind {
        ChannelKind::Webhook(_) | ChannelKind::Alertmanager(_) | ChannelKind::Exec(_) => true,
        ChannelKind::Email(_)
        | ChannelKind::Zalo(_)
        | ChannelKind::Telegram(_)
        | ChannelKind::Sms(_) => false,
    }
}

/// How much a kind of channel takes. What happens at once is to be one message where that can be
/// read, so a digest holds as many lines as the kind has room for.
pub(super) const fn limits(kind: &ChannelKind) -> Limits {
    let (under_way, gap_ms, bundle, by_id) = match kind {
        // Several at once, so that one slow answer does not hold up the others.
        ChannelKind::Webhook(_) => (4, 0, 100, true),
        // One after the other: each post waits for every member. An alert that is told again is the
        // same alert there.
        ChannelKind::Alertmanager(_) => (1, 0, 100, false),
        ChannelKind::Email(_) => (2, 0, 100, true),
        // 4,000 requests a minute for the account leave room for many recipients.
        ChannelKind::Zalo(_) => (1, 200, 50, false),
        // 20 messages a minute to one group. The channel itself sees to it that the messages of a
        // long digest do not leave faster.
        ChannelKind::Telegram(_) => (1, 3_000, 50, false),
        // Each costs money and somebody's attention. It says how many there are and where, as far
        // as there is room.
        ChannelKind::Sms(_) => (1, 1_000, 250, false),
        // A siren that sounds once says no less than one that sounds ten times.
        ChannelKind::Exec(_) => (1, 0, 250, false),
    };
    Limits { under_way, gap: Duration::from_millis(gap_ms), bundle, by_id }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::config::{EmailSettings, MailSecurity, SecretSource, SmsBody, SmsGateway};
    use crate::config::{SmsHttpSettings, SmsSettings, TelegramSettings, ZaloSettings};
    use crate::model::{ChannelId, Language, WebAddress};

    #[tokio::test]
    async fn who_was_told_what_is_known_after_a_reload() {
        let (secret, timeout) = (SecretSource::Env("NONE".to_owned()), Duration::from_secs(1));
        let here = || WebAddress::new("http://127.0.0.1:9");
        let telegram = TelegramSettings {
            token: secret.clone(),
            chats: vec!["1".to_owned()],
            base_url: here(),
            timeout,
        };
        let gateway = SmsGateway::Http(SmsHttpSettings {
            url: here(),
            body: SmsBody::None,
            headers: BTreeMap::new(),
            secrets: BTreeMap::new(),
            accepted_if: None,
        });
        let zalo = ZaloSettings {
            app_id: String::new(),
            secret_key: secret.clone(),
            refresh_token: secret,
            token_store: PathBuf::new(),
            to: Vec::new(),
            base_url: here(),
            oauth_url: here(),
            timeout,
        };
        let email = EmailSettings {
            host: "localhost".to_owned(),
            port: 9,
            security: MailSecurity::None,
            login: None,
            ca_file: None,
            from: "a@b.example".to_owned(),
            to: vec!["c@d.example".to_owned()],
            hello: None,
            timeout,
        };
        let kinds = [
            ChannelKind::Telegram(telegram),
            ChannelKind::Sms(SmsSettings { gateway, to: vec!["1".to_owned()], timeout }),
            ChannelKind::Zalo(zalo),
            ChannelKind::Email(email),
        ];
        let style = |board: &str| Arc::new(Style::new(Language::Vi, TimeZone::UTC, board));
        let shared = Shared::new(Clock::start());
        for kind in kinds {
            let id = ChannelId::new("truc");
            let channel = Channel { id, kind, send_resolved: true, fallback: None };
            let before = Hand::new(&channel, &style("http://a"), &shared, None);
            let was = Some((&channel, &before));
            let after = Hand::new(&channel, &style("http://b"), &shared, was);
            let [before, after] = [&before, &after].map(|hand| hand.recipients().unwrap());
            assert!(Arc::ptr_eq(&before, &after), "{channel:?}");
            assert_eq!(after.account(), 0, "{channel:?}");
        }
    }

    #[tokio::test]
    async fn it_is_another_bot_that_a_reload_brings_with_another_token_and_not_with_other_chats() {
        let style = Arc::new(Style::new(Language::Vi, TimeZone::UTC, "http://a"));
        let shared = Shared::new(Clock::start());
        let bot = |token: &str, chats: &[&str], seconds| {
            let settings = TelegramSettings {
                token: SecretSource::Env(token.to_owned()),
                chats: chats.iter().copied().map(str::to_owned).collect(),
                base_url: WebAddress::new("http://127.0.0.1:9"),
                timeout: Duration::from_secs(seconds),
            };
            let (id, kind) = (ChannelId::new("truc"), ChannelKind::Telegram(settings));
            Channel { id, kind, send_resolved: true, fallback: None }
        };
        let was = bot("A", &["1"], 1);
        let before = Hand::new(&was, &style, &shared, None);
        for (now, account) in [(bot("A", &["1", "2"], 5), 0), (bot("B", &["1"], 1), 1)] {
            let after = Hand::new(&now, &style, &shared, Some((&was, &before)));
            assert_eq!(after.recipients().unwrap().account(), account);
        }
    }
}
