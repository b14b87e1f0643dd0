//! The Zalo channel: messages of an Official Account to groups and to single people.
//!
//! The status is 200 whatever happens; what became of a message stands in the body's `error`. An
//! access token holds for 25 hours; the refresh token that gives the next one works once
//! ([`token`]).

mod answer;
mod token;

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use self::answer::{Fate, fate};
use self::token::Tokens;
use super::http::{Body, Http, Request};
use super::parts::{Message, Post, Recipients};
use super::secret::Secret;
use super::{DeliveryError, Letter, Receipt, Retry, Style};
use crate::config::{ZaloRecipient, ZaloSettings};

/// Longest text of a message, in characters.
const LONGEST: usize = 2_000;
/// Recipients who are posted to side by side, far within the 4,000 requests a minute that an
/// account has.
pub(super) const AT_ONCE: usize = 8;

/// An Official Account with its recipients.
#[derive(Debug)]
pub(super) struct Zalo {
    settings: Arc<ZaloSettings>,
    style: Arc<Style>,
    http: Http,
    tokens: Arc<tokio::sync::Mutex<Tokens>>,
    recipients: Arc<Recipients>,
}

impl Zalo {
    /// An account. With `before`, the channel as it was until a reload, the tokens are shared with
    /// it: a refresh token that one of them spends must not be spent by the other.
    pub(super) fn new(
        settings: &ZaloSettings,
        style: Arc<Style>,
        http: Http,
        recipients: Arc<Recipients>,
        before: Option<&Self>,
    ) -> Self {
        let same = |before: &&Self| {
            let before = &before.settings;
            (&before.app_id, &before.token_store) == (&settings.app_id, &settings.token_store)
        };
        Self {
            settings: Arc::new(settings.clone()),
            style,
            http,
            tokens: before.filter(same).map(|b| Arc::clone(&b.tokens)).unwrap_or_default(),
            recipients,
        }
    }

    /// What is known of the recipients.
    pub(super) fn recipients(&self) -> Arc<Recipients> {
        Arc::clone(&self.recipients)
    }

    /// Sends the letter to every recipient, a long one as several messages.
    pub(super) async fn deliver(&self, letter: &Letter) -> Receipt {
        self.recipients.deliver(letter, self).await
    }

    /// Longest that a letter takes.
    pub(super) fn time_limit(&self) -> Duration {
        // A refused token costs a refresh and one more request.
        let requests = u32::try_from(self.settings.to.len()).unwrap_or(u32::MAX);
        self.settings.timeout.saturating_mul(requests.saturating_add(1).saturating_mul(3))
    }

    /// An access token that is not the refused one. A task of its own asks for it: whoever waits
    /// may give up, but a refresh token that was spent must not go without its successor.
    async fn token(&self, refused: Option<Secret>) -> Result<Secret, DeliveryError> {
        let (settings, http) = (Arc::clone(&self.settings), self.http.clone());
        let tokens = Arc::clone(&self.tokens);
        let asked = tokio::spawn(async move {
            let mut held = tokens.lock().await;
            let token = held.access(&settings, &http, refused.as_ref()).await;
            if held.wants_keeping() {
                tokio::spawn(token::keep(Arc::clone(&tokens), settings.token_store.clone()));
            }
            token
        });
        asked.await.unwrap_or_else(|gone| {
            Err(DeliveryError { retry: Retry::Later, text: format!("no access token: {gone}") })
        })
    }

    async fn send(
        &self,
        recipient: &ZaloRecipient,
        text: &str,
        token: &Secret,
    ) -> Result<Fate, DeliveryError> {
        let url = self.settings.base_url.below(place(recipient));
        let headers = secret_header("access_token", token)?;
        let request =
            Request { url: url.clone(), headers, body: Body::Json(body(recipient, text)) };
        let answer = self.http.exchange(request, self.settings.timeout).await?;
        Ok(fate(&answer, &url, token))
    }
}

impl Post for Zalo {
    /// So many requests a minute are for the whole account.
    const ASKS_FOR_ALL: bool = true;

    fn names(&self) -> Vec<String> {
        self.settings.to.iter().map(|to| name(to).to_owned()).collect()
    }

    fn label(&self, recipient: usize) -> String {
        name(&self.settings.to[recipient]).to_owned()
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        Message::several(letter, &self.style, LONGEST, |_| 1)
    }

    async fn post(&self, recipient: usize, _: &Letter, piece: &str) -> Result<(), DeliveryError> {
        let recipient = &self.settings.to[recipient];
        let token = self.token(None).await?;
        let fate = match self.send(recipient, piece, &token).await? {
            // Refreshed once, and once only: a token that is refused when new is not the cause.
            Fate::Stale(_) => {
                let token = self.token(Some(token)).await?;
                self.send(recipient, piece, &token).await?
            }
            fate => fate,
        };
        match fate {
            Fate::Accepted => Ok(()),
            Fate::Refused(error) => Err(error),
            Fate::Stale(text) => Err(DeliveryError { retry: Retry::Never, text }),
        }
    }
}

/// The id of a group or a person.
pub(super) fn name(recipient: &ZaloRecipient) -> &str {
    match recipient {
        ZaloRecipient::Group(id) | ZaloRecipient::User(id) => id,
    }
}

/// Where a message to a recipient is posted.
const fn place(recipient: &ZaloRecipient) -> &'static str {
    match recipient {
        ZaloRecipient::Group(_) => "/v3.0/oa/group/message",
        ZaloRecipient::User(_) => "/v3.0/oa/message/cs",
    }
}

/// The JSON to post.
fn body(recipient: &ZaloRecipient, text: &str) -> serde_json::Value {
    let recipient = match recipient {
        ZaloRecipient::Group(id) => serde_json::json!({ "group_id": id }),
        ZaloRecipient::User(id) => serde_json::json!({ "user_id": id }),
    };
    serde_json::json!({ "recipient": recipient, "message": { "text": text } })
}

/// One header that holds a key and is kept out of logs.
fn secret_header(name: &'static str, key: &Secret) -> Result<HeaderMap, DeliveryError> {
    let Ok(mut value) = HeaderValue::from_str(key.reveal()) else {
        let text = format!("the key for `{name}` holds a character that no header may hold");
        return Err(DeliveryError { retry: Retry::Never, text });
    };
    value.set_sensitive(true);
    Ok([(HeaderName::from_static(name), value)].into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_and_a_person_are_written_to_at_different_places() {
        let group = ZaloRecipient::Group("f414c8f76fa586fbdfb4".to_owned());
        assert_eq!(place(&group), "/v3.0/oa/group/message");
        assert_eq!(
            body(&group, "Điểm cầu").to_string(),
            r#"{"message":{"text":"Điểm cầu"},"recipient":{"group_id":"f414c8f76fa586fbdfb4"}}"#
        );
        let user = ZaloRecipient::User("2512523625412515".to_owned());
        assert_eq!(place(&user), "/v3.0/oa/message/cs");
        assert_eq!(body(&user, "x")["recipient"]["user_id"], "2512523625412515");
    }

    #[test]
    fn a_key_that_fits_no_header_is_not_told() {
        let error = secret_header("access_token", &Secret::new("a\nb")).unwrap_err();
        assert!(!error.text.contains("a\nb"), "{error}");
    }
}
