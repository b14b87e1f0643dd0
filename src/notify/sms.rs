//! The SMS channel: short messages through a gateway on the web.
//!
//! A short message is what gets through when a phone has no data. It is one message of 160
//! characters without diacritics, so the text that is handed in has its most important words
//! first.

mod esms;
mod gateway;

use std::sync::Arc;
use std::time::Duration;

use super::http::{Answer, Http, Request};
use super::parts::{self, Message, Post, Recipients};
use super::secret::Secret;
use super::{DeliveryError, Letter, Receipt, Style, ascii, keys, texts};
use crate::config::{SmsGateway, SmsSettings};
use crate::model::{Cause, Contact};
use crate::store::RecipientKey;

/// Characters in one message of the default alphabet (3GPP TS 23.038, section 6.1.2.1).
const LONGEST: usize = 160;

/// The code of the country in front of a number, in place of its first zero.
const COUNTRY: &str = "84";
/// Longest way to reach somebody for which the rest is cut.
const SHORT_WAY: usize = 24;
/// Longest name of a site, a session or a person in it, in characters.
const NAME: usize = 48;

/// A gateway with its recipients.
#[derive(Debug)]
pub(super) struct Sms {
    settings: SmsSettings,
    style: Arc<Style>,
    http: Http,
    recipients: Arc<Recipients>,
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
    pub(super) fn new(
        settings: &SmsSettings,
        style: Arc<Style>,
        http: Http,
        recipients: Arc<Recipients>,
    ) -> Self {
        Self { settings: settings.clone(), style, http, recipients }
    }

    /// What is known of the phones.
    pub(super) fn recipients(&self) -> Arc<Recipients> {
        Arc::clone(&self.recipients)
    }

    /// Sends the letter to every phone.
    pub(super) async fn deliver(&self, letter: &Letter) -> Receipt {
        self.recipients.deliver(letter, self).await
    }

    /// Longest that a letter takes.
    pub(super) fn time_limit(&self) -> Duration {
        let phones = u32::try_from(self.settings.to.len()).unwrap_or(u32::MAX);
        self.settings.timeout.saturating_mul(phones.saturating_add(1))
    }

    async fn send(&self, short: Short<'_>) -> Result<(), DeliveryError> {
        let Asked { request, secrets } = match &self.settings.gateway {
            SmsGateway::Esms(account) => {
                let both = (keys::read(&account.api_key), keys::read(&account.secret_key));
                let (api_key, secret_key) = tokio::try_join!(both.0, both.1)?;
                esms::ask(account, short, api_key, secret_key)
            }
            SmsGateway::Http(gateway) => {
                gateway::ask(gateway, short, keys::all(&gateway.secrets).await?)?
            }
        };
        let url = request.url.clone();
        let answer: Answer = self.http.exchange(request, self.settings.timeout).await?;
        let number = number(short.phone);
        let secrets: Vec<&Secret> = secrets.iter().chain(&number).collect();
        match &self.settings.gateway {
            SmsGateway::Esms(_) => esms::read(&answer, &url, &secrets),
            SmsGateway::Http(gateway) => gateway::read(gateway, &answer, &url, &secrets),
        }
    }
}

impl Post for Sms {
    /// A gateway counts what an account sends.
    const ASKS_FOR_ALL: bool = true;

    fn names(&self) -> Vec<String> {
        self.settings.to.clone()
    }

    /// Whose number it is is nobody's business who reads a log.
    fn label(&self, recipient: usize) -> String {
        parts::place(recipient)
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        vec![Message { letter: letter.clone(), pieces: vec![short(letter, &self.style)] }]
    }

    async fn post(
        &self,
        recipient: usize,
        message: &Letter,
        text: &str,
    ) -> Result<(), DeliveryError> {
        let phone = &self.settings.to[recipient];
        // By the number and not by its place, which is another one's once a number before it is
        // taken out: a gateway would drop the message to the next as a repeat.
        let id = format!("{}-{}", message.id, RecipientKey::of(phone));
        self.send(Short { phone, text, id: &id }).await
    }
}

/// Lengths of the groups in which people write a number, after the code of the country or the first
/// zero.
const GROUPS: [&[usize]; 3] = [&[3, 3, 3], &[2, 3, 4], &[2, 3, 2, 2]];

/// A number as a gateway may repeat it in a refusal: as it was handed over, without the sign, with
/// or without the code of the country in place of its first zero, and in groups as people write it.
fn number(phone: &str) -> Vec<Secret> {
    let digits = phone.trim_start_matches('+');
    let bare = digits.strip_prefix(COUNTRY).or(digits.strip_prefix('0')).unwrap_or(digits);
    let abroad = format!("{COUNTRY}{bare}");
    let all = [phone, &format!("+{abroad}"), &abroad, digits, &format!("0{bare}"), bare];
    let grouped = GROUPS.iter().flat_map(|groups| {
        let mut rest = bare;
        let mut parts = Vec::new();
        for length in *groups {
            let (part, after) = rest.split_at_checked(*length).unwrap_or((rest, ""));
            parts.push(part);
            rest = after;
        }
        parts.extend(Some(rest).filter(|rest| !rest.is_empty()));
        [" ", ".", "-"].map(|between| Secret::new(parts.join(between)))
    });
    all.map(Secret::new).into_iter().chain(grouped).collect()
}

/// The letter in one short message, in people's own words if they have some.
pub(super) fn short(letter: &Letter, style: &Style) -> String {
    let letter = letter.brief(NAME);
    let usual = usual(&letter, style);
    let fits = |text: &str| ascii::plain(text).len() <= LONGEST;
    let own = texts::short(&letter, style, &usual, fits);
    own.map_or(usual, |own| ascii::shortened(&ascii::plain(&own), LONGEST))
}

/// The letter in the built-in words: how bad, what, where, since when; then whom to phone, by name
/// if there is room for that. A number stands there whole or not at all. Several incidents stand
/// one after the other; see [`several`].
fn usual(letter: &Letter, style: &Style) -> String {
    let [one] = letter.items.as_slice() else { return several(letter, style) };
    let what = ascii::plain(&texts::write(one, letter.test, style).summary);
    let mut ways = ways(letter, one.notification.alert.contacts.iter(), style).into_iter();
    // A number that leaves no room for the rest is none that people phone.
    let fits = |way: &String| what.len() + way.len() <= LONGEST || way.len() <= SHORT_WAY;
    let way = ways.find(fits).unwrap_or_default();
    let what = ascii::shortened(&what, LONGEST - way.len().min(LONGEST));
    // What is cut ends in three stops of its own.
    let way = if what.ends_with('.') { way.trim_start_matches('.') } else { &*way };
    what + way
}

/// Several incidents in one short message: how bad and how many, then where, as many places as
/// there is room for and how many more; then whom to phone, if every place is named beside it.
/// Where that is not the same for all, each place has its number, or only the first that has one.
fn several(letter: &Letter, style: &Style) -> String {
    let brief = texts::brief(letter, style);
    let head = ascii::plain(&brief.head);
    // What the head names is not named again.
    let places = &brief.places[..brief.places.len() - brief.in_head];
    let places: Vec<String> = places.iter().map(|place| ascii::plain(place)).collect();
    let head = if head.is_empty() { head } else { format!("{head}: ") };
    let all = format!("{head}{}", places.join(", "));
    let whole: Vec<String> = match brief.contact_of_all() {
        Some(contact) => {
            let ways = ways(letter, std::iter::once(contact), style);
            ways.iter().map(|way| format!("{all}{way}")).collect()
        }
        // Nobody is woken because of a certificate or a clock.
        None if is_to_be_mended(letter) && !is_of_notices(letter) => {
            let call = style.language.pick("Gọi", "Call");
            let phones: Vec<Option<String>> =
                brief.contacts.iter().map(|it| it.as_ref().map(number_of)).collect();
            let each = places.iter().zip(&phones).map(|(place, phone)| match phone {
                Some(phone) => format!("{place} {phone}"),
                None => place.clone(),
            });
            let each = format!("{head}{}", each.collect::<Vec<_>>().join(", "));
            let first = places.iter().zip(&phones).find_map(|it| Some((it.0, it.1.as_ref()?)));
            let first = first.map(|(place, phone)| format!("{all}. {call} {place}: {phone}"));
            let first = first.map(|text| ascii::plain(&text));
            [each].into_iter().chain(first).chain([all.clone()]).collect()
        }
        None => vec![all.clone()],
    };
    if let Some(text) = whole.into_iter().find(|text| text.len() <= LONGEST) {
        return text;
    }
    let named = |named: usize| {
        let more = places.len() - named;
        format!("{head}{}, +{more}", places[..named].join(", "))
    };
    let fits = (1..places.len()).rev().map(named).find(|text| text.len() <= LONGEST);
    fits.unwrap_or_else(|| ascii::shortened(&all, LONGEST))
}

/// Ways to say whom to phone, the best first and none at the end.
fn ways<'a>(
    letter: &Letter,
    mut contacts: impl Iterator<Item = &'a Contact>,
    style: &Style,
) -> Vec<String> {
    let contact = contacts.find(|it| !it.phone.is_empty() && is_to_be_mended(letter));
    let call = style.language.pick("Gọi", "Call");
    let ways = contact.into_iter().flat_map(|contact| {
        let phone = number_of(contact);
        [format!(". {call} {} {phone}", contact.name), format!(". {call} {phone}")]
    });
    ways.map(|way| ascii::plain(&way)).chain([String::new()]).collect()
}

/// Whether it only gives notice of certificates and clocks.
fn is_of_notices(letter: &Letter) -> bool {
    let causes = letter.items.iter().map(|item| item.notification.alert.incident.cause);
    causes.into_iter().all(|cause| matches!(cause, Cause::Certificate | Cause::Clock))
}

/// Whether it is something to phone about: a drill is not, nor is what is over.
fn is_to_be_mended(letter: &Letter) -> bool {
    let drill = letter.items.iter().any(|item| item.notification.alert.drill);
    !letter.is_resolved() && !drill
}

/// A number to phone, without the spaces that people read it by.
fn number_of(contact: &Contact) -> String {
    contact.phone.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests;
