//! The SMS channel: short messages through a gateway on the web.
//!
//! A short message is what gets through when a phone has no data. It is one message of 160
//! characters without diacritics, so the text that is handed in has its most important words
//! first.

mod esms;
mod gateway;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::http::{Answer, Http, Request};
use super::parts::{self, Accepted};
use super::secret::Secret;
use super::{DeliveryError, Letter, Style, ascii, texts};
use crate::config::{SmsGateway, SmsSettings};

/// Characters in one message of the default alphabet (3GPP TS 23.038, section 6.1.2.1).
const LONGEST: usize = 160;

/// A gateway with its recipients.
#[derive(Debug)]
pub(super) struct Sms {
    settings: SmsSettings,
    style: Arc<Style>,
    http: Http,
    accepted: Mutex<Accepted>,
}

/// One message to one phone.
#[derive(Debug, Clone, Copy)]
struct Short<'a> {
    phone: &'a str,
    text: &'a str,
    /// The same at every repeat, different for every phone.
    id: &'a str,
}

/// What to ask a gateway, and what its answer may repeat but nobody may see.
#[derive(Debug)]
struct Asked {
    request: Request,
    secrets: Vec<Secret>,
}

impl Sms {
    pub(super) fn new(settings: &SmsSettings, style: Arc<Style>, http: Http) -> Self {
        Self { settings: settings.clone(), style, http, accepted: Mutex::default() }
    }

    /// Sends the letter to every phone.
    ///
    /// # Errors
    /// When a message may be accepted later, or none is accepted.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        let text = short(letter, &self.style);
        let mut accepted = self.memory().of(&letter.id);
        let mut failures = Vec::new();
        for (at, phone) in self.settings.to.iter().enumerate() {
            if accepted.contains(&at) {
                continue;
            }
            let id = format!("{}-{}", letter.id, at + 1);
            match self.send(Short { phone, text: &text, id: &id }).await {
                Ok(()) => drop(accepted.insert(at)),
                Err(error) => {
                    tracing::warn!(recipient = at + 1, %error, "a short message was not accepted");
                    failures.push(error);
                }
            }
        }
        let verdict = parts::verdict(!accepted.is_empty(), failures);
        self.memory().keep(&letter.id, accepted, verdict.is_err());
        verdict
    }

    /// Longest that a letter takes.
    pub(super) fn time_limit(&self) -> Duration {
        let phones = u32::try_from(self.settings.to.len()).unwrap_or(u32::MAX);
        self.settings.timeout.saturating_mul(phones.saturating_add(1))
    }

    async fn send(&self, short: Short<'_>) -> Result<(), DeliveryError> {
        let Asked { request, secrets } = match &self.settings.gateway {
            SmsGateway::Esms(account) => esms::ask(account, short)?,
            SmsGateway::Http(gateway) => gateway::ask(gateway, short)?,
        };
        let url = request.url.clone();
        let answer: Answer = self.http.exchange(request, self.settings.timeout).await?;
        let secrets: Vec<&Secret> = secrets.iter().collect();
        match &self.settings.gateway {
            SmsGateway::Esms(_) => esms::read(&answer, &url, &secrets),
            SmsGateway::Http(gateway) => gateway::read(gateway, &answer, &url, &secrets),
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Accepted> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The letter in one short message: how bad, what, where, since when; then whom to phone, as far as
/// there is room. Several incidents stand one after the other, gravest first as the letter has
/// them.
pub(super) fn short(letter: &Letter, style: &Style) -> String {
    let text = match letter.items.as_slice() {
        [one] => {
            let message = texts::write(one, letter.test, style);
            format!("{} {}", message.summary, message.contact)
        }
        _ => texts::plain(letter, style),
    };
    ascii::shortened(&ascii::plain(&text), LONGEST)
}
