//! The Telegram channel: a bot's messages to chats (Bot API, `sendMessage`).
//!
//! The service can be blocked by carriers, so it is never the only channel. What became of a
//! message stands in the body: `ok`, or `error_code` with `description` and, for two cases,
//! `parameters` that say what to do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use tokio::time::Instant;

use super::http::{Answer, Body, Http, Request, repeatable};
use super::parts::{Message, Pace, Post, Recipients};
use super::secret::Secret;
use super::{DeliveryError, Letter, Receipt, Retry, Style, keys};
use crate::config::TelegramSettings;
use crate::model::WebAddress;

/// Longest text of a message, in UTF-16 units (Bot API, `sendMessage`).
const LONGEST: usize = 4_096;

/// Shortest time between two messages to one chat: the service wants at least a second, and what
/// leaves a second apart may arrive closer together.
const APART: Duration = Duration::from_millis(1_050);
/// Most messages to a group within a minute.
const MOST: (usize, Duration) = (20, Duration::from_secs(61));
/// Chats that are posted to side by side.
pub(super) const AT_ONCE: usize = 8;
/// Shortest time between two messages of a bot, whoever they are for: 25 a second, of 30 that it
/// may send.
const APART_IN_ALL: Duration = Duration::from_millis(40);

/// A bot with its chats.
#[derive(Debug)]
pub(super) struct Telegram {
    settings: TelegramSettings,
    style: Arc<Style>,
    http: Http,
    bots: Bots,
    recipients: Arc<Recipients>,
    /// Chats that became supergroups and have another number since.
    moved: Mutex<BTreeMap<String, String>>,
}

/// The bots with which chats are posted to. Several channels may use one, as each person on a rota
/// may have a channel of their own; the service counts what all of them send.
#[derive(Debug, Clone, Default)]
pub(super) struct Bots(Arc<Mutex<BTreeMap<String, Arc<Turns>>>>);

/// Whose turn it is to post as a bot.
#[derive(Debug, Default)]
struct Turns(Mutex<Option<Instant>>);

/// A letter on its way.
struct Sending<'a> {
    bot: &'a Telegram,
    turns: Arc<Turns>,
    url: WebAddress,
    token: Secret,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Accepted,
    /// The chat has this number now.
    Moved(String),
    Refused(DeliveryError),
}

impl Telegram {
    pub(super) fn new(
        settings: &TelegramSettings,
        style: Arc<Style>,
        http: Http,
        bots: Bots,
        recipients: Arc<Recipients>,
    ) -> Self {
        Self { settings: settings.clone(), style, http, bots, recipients, moved: Mutex::default() }
    }

    /// What is known of the chats.
    pub(super) fn recipients(&self) -> Arc<Recipients> {
        Arc::clone(&self.recipients)
    }

    /// Sends the letter to every chat, a long one as several messages, no faster than a chat may
    /// get them.
    pub(super) async fn deliver(&self, letter: &Letter) -> Receipt {
        let token = match keys::read(&self.settings.token).await {
            Ok(token) => token,
            Err(error) => return Err(error).into(),
        };
        let url = self.settings.base_url.below(&format!("/bot{}/sendMessage", token.reveal()));
        let turns = self.bots.turns(&token);
        self.recipients.deliver(letter, &Sending { bot: self, turns, url, token }).await
    }

    /// Longest that a letter takes.
    pub(super) fn time_limit(&self) -> Duration {
        // Two requests for a chat that moved.
        let requests = u32::try_from(self.settings.chats.len()).unwrap_or(u32::MAX);
        let posts =
            self.settings.timeout.saturating_mul(requests.saturating_add(1).saturating_mul(2));
        posts.saturating_add(MOST.1)
    }

    fn moved(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bots {
    /// The turns of the bot with this token: its number stands before the colon and stays when the
    /// token is renewed.
    fn turns(&self, token: &Secret) -> Arc<Turns> {
        let number = token.reveal().split(':').next().unwrap_or_default();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(number.to_owned()).or_default())
    }
}

impl Turns {
    /// Returns when the bot may send another message.
    async fn next(&self) {
        let at = {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = last.map_or(now, |last| now.max(last + APART_IN_ALL));
            *last = Some(at);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

impl Post for Sending<'_> {
    fn names(&self) -> Vec<String> {
        self.bot.settings.chats.clone()
    }

    fn label(&self, recipient: usize) -> String {
        self.bot.settings.chats[recipient].clone()
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn pace(&self, recipient: usize) -> Pace {
        pace(&self.bot.settings.chats[recipient])
    }

    async fn admitted(&self) {
        self.turns.next().await;
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        Message::several(letter, &self.bot.style, LONGEST, char::len_utf16)
    }

    async fn post(&self, recipient: usize, _: &Letter, piece: &str) -> Result<(), DeliveryError> {
        let chat = self.bot.settings.chats[recipient].as_str();
        let known = self.bot.moved().get(chat).cloned();
        let mut number = known.unwrap_or_else(|| chat.to_owned());
        let mut fate = self.send(&number, piece).await?;
        if let Fate::Moved(to) = fate {
            tracing::warn!(chat, to, "a Telegram chat has another number now: set it");
            self.bot.moved().insert(chat.to_owned(), to.clone());
            number = to;
            fate = self.send(&number, piece).await?;
        }
        match fate {
            Fate::Accepted => Ok(()),
            Fate::Refused(error) => Err(error),
            Fate::Moved(to) => {
                let text = format!("chat {number} moved to {to}, twice at once");
                Err(DeliveryError { retry: Retry::Later, text })
            }
        }
    }
}

impl Sending<'_> {
    async fn send(&self, chat: &str, text: &str) -> Result<Fate, DeliveryError> {
        let request = Request {
            url: self.url.clone(),
            headers: HeaderMap::new(),
            body: Body::Json(body(chat, text)),
        };
        let answer = self.bot.http.exchange(request, self.bot.settings.timeout).await?;
        Ok(fate(&answer, &self.url, &self.token))
    }
}

/// How fast a chat may be posted to. A group or a channel has a negative number or a name, a person
/// a positive number.
pub(super) fn pace(chat: &str) -> Pace {
    let person = chat.parse::<i64>().is_ok_and(|chat| chat > 0);
    Pace { apart: APART, most: (!person).then_some(MOST) }
}

/// The JSON to post. A text without `parse_mode` is shown as it stands, so no name can be read as
/// a mark.
fn body(chat: &str, text: &str) -> serde_json::Value {
    let chat = chat.parse::<i64>().map_or_else(|_| chat.into(), serde_json::Value::from);
    serde_json::json!({
        "chat_id": chat,
        "text": text,
        "link_preview_options": { "is_disabled": true },
    })
}

/// The answer to any method of the Bot API.
#[derive(Debug, Deserialize)]
struct AnswerJson {
    ok: bool,
    error_code: Option<u16>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: ParametersJson,
}

/// What to do about a refusal (Bot API, `ResponseParameters`).
#[derive(Debug, Default, Deserialize)]
struct ParametersJson {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// What became of a message, by the body and not by the status:
///
/// 1. `ok` – accepted.
/// 2. `migrate_to_chat_id` – the group became a supergroup; the same goes there.
/// 3. `retry_after` – not before that many seconds.
/// 4. 429 without it, and 5xx – later.
/// 5. Anything else, such as 400 `chat not found`, 401 for a wrong token and 403 for a bot that
///    was thrown out – never.
fn fate(answer: &Answer, url: &WebAddress, token: &Secret) -> Fate {
    let Ok(told) = serde_json::from_str::<AnswerJson>(&answer.body) else {
        return Fate::Refused(answer.unexplained(url, &[token]));
    };
    if told.ok {
        return Fate::Accepted;
    }
    if let Some(to) = told.parameters.migrate_to_chat_id {
        return Fate::Moved(to.to_string());
    }
    let code = told.error_code.unwrap_or(answer.status);
    let retry = match (told.parameters.retry_after, code) {
        (Some(seconds), _) => Retry::After(Duration::from_secs(seconds)),
        (None, 429 | 500..) => Retry::Later,
        (None, _) => Retry::Never,
    };
    let description = repeatable(&told.description, url, &[token]);
    Fate::Refused(DeliveryError { retry, text: format!("Telegram answers {code}: {description}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Fate {
        let retry = if status >= 500 { Retry::Later } else { Retry::Never };
        let answer = Answer { status, retry, body: body.to_owned(), points_to: None };
        let url = WebAddress::new("https://api.telegram.org/bot1:TOKENTOKEN/sendMessage");
        fate(&answer, &url, &Secret::new("1:TOKENTOKEN"))
    }

    fn retry(status: u16, body: &str) -> Retry {
        match read(status, body) {
            Fate::Refused(error) => error.retry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_body_says_what_became_of_a_message() {
        assert_eq!(read(200, r#"{"ok":true,"result":{"message_id":7}}"#), Fate::Accepted);
        let moved = r#"{"ok":false,"error_code":400,"description":"Bad Request: group chat was
            upgraded to a supergroup chat","parameters":{"migrate_to_chat_id":-1001234567890}}"#;
        assert_eq!(read(400, &moved.replace('\n', " ")), Fate::Moved("-1001234567890".to_owned()));
    }

    #[test]
    fn refusals_follow_the_table() {
        let flood = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after
            34","parameters":{"retry_after":34}}"#;
        assert_eq!(retry(429, &flood.replace('\n', " ")), Retry::After(Duration::from_secs(34)));
        let of = |code: u16, text: &str| {
            retry(code, &format!(r#"{{"ok":false,"error_code":{code},"description":"{text}"}}"#))
        };
        assert_eq!(of(429, "Too Many Requests"), Retry::Later);
        assert_eq!(of(500, "Internal Server Error"), Retry::Later);
        assert_eq!(of(502, "Bad Gateway"), Retry::Later);
        assert_eq!(of(400, "Bad Request: chat not found"), Retry::Never);
        assert_eq!(of(401, "Unauthorized"), Retry::Never);
        assert_eq!(of(403, "Forbidden: bot was blocked by the user"), Retry::Never);
        assert_eq!(of(404, "Not Found"), Retry::Never);
        assert_eq!(retry(502, "<html>Bad Gateway</html>"), Retry::Later);
        assert_eq!(retry(200, "<html>please log in</html>"), Retry::Later);
    }

    #[tokio::test(start_paused = true)]
    async fn all_channels_of_a_bot_share_what_it_may_send() {
        let bots = Bots::default();
        let turns = |token: &str| bots.turns(&Secret::new(token));
        let [group, person, other] = ["1:OLD", "1:NEW", "2:OLD"].map(turns);
        let began = Instant::now();
        let hundred = async |turns: &Turns| {
            for _ in 0..100 {
                turns.next().await;
            }
            began.elapsed()
        };
        let (one, two, three) = tokio::join!(hundred(&group), hundred(&person), hundred(&other));
        assert_eq!(one.max(two), 199 * APART_IN_ALL, "at most 30 a second");
        assert_eq!(three, 99 * APART_IN_ALL, "another bot has its own");
    }

    #[test]
    fn an_echoed_token_is_not_told() {
        let echoed = r#"{"ok":false,"error_code":404,"description":"no bot1:TOKENTOKEN here"}"#;
        let Fate::Refused(error) = read(404, echoed) else { panic!("refused") };
        assert_eq!(error.text, "Telegram answers 404: no bot*** here");
    }

    #[test]
    fn a_chat_is_a_number_or_a_name() {
        assert_eq!(body("-1001234567890", "x")["chat_id"], -1_001_234_567_890_i64);
        assert_eq!(body("@kenh_canh_bao", "x")["chat_id"], "@kenh_canh_bao");
    }
}
