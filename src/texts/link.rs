//! Links in messages with which somebody on a phone takes an incident on, without an account.
//!
//! A link names an incident, the channel that the message went to, when it ends, and a number of
//! its own, and proves by an HMAC-SHA256 (RFC 2104) that this monitor made it. Nothing has to be
//! kept for it until it is used: its number follows from the message's id, so that a repeat, a
//! reminder rendered anew or a restart gives the same link. That it works once is the business of
//! whoever carries it out.
//!
//! The link of a digest names each of its incidents by the first bytes of a hash of its id, since
//! twenty ids would fill a phone's screen. It stands for as many links as there are incidents.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::{digest, hmac};

use super::letter::{Item, Letter};
use crate::model::{
    ChannelId, IncidentId, Notification, NotificationId, NotificationKind, encoded,
};

/// Bytes of the key, as many as a SHA-256 has.
pub const KEY: usize = 32;
/// Bytes of the proof: 128 bits, which nobody guesses, in a link that still fits a line.
const PROOF: usize = 16;
/// Bytes of a hash that stand for an incident: of a thousand open ones, one in a hundred thousand
/// links takes in another.
const SIGN: usize = 4;
/// What a list of such signs begins with, and no id: it stands in an address as it is.
const SEVERAL: char = '_';
/// How long a link works if its incident is not over before.
pub const LASTS: Duration = Duration::from_hours(24);

/// What links are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey([u8; KEY]);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(***)")
    }
}

/// How links are made: with which key, and where they lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// The key.
    pub key: LinkKey,
    /// Address of the web server as people reach it, without a slash at the end.
    pub base: String,
}

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is about.
    pub about: About,
    /// Through which channel it was sent.
    pub channel: ChannelId,
    /// When it ends.
    pub expires: Timestamp,
    /// Its own number, which no other link has.
    pub nonce: String,
}

/// What a link is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// An incident.
    One(IncidentId),
    /// The incidents of a digest.
    Several(Signs),
}

/// What stands for the incidents of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signs(BTreeSet<[u8; SIGN]>);

/// Why a link does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// We did not make it, or it was cut short on the way.
    Foreign,
    /// Its time is over.
    Expired,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "this link was not made here, or is not whole",
            Self::Expired => "this link has expired",
        })
    }
}

impl std::error::Error for LinkError {}

impl Link {
    /// Whether it is about this incident.
    #[must_use]
    pub fn is_about(&self, incident: &IncidentId) -> bool {
        match &self.about {
            About::One(id) => id == incident,
            About::Several(signs) => signs.0.contains(&sign(incident)),
        }
    }

    /// The number under which it is used for this incident. That of a digest is used for each of
    /// its incidents by itself, so that what one reader leaves is there for the next.
    #[must_use]
    pub fn nonce_for(&self, incident: &IncidentId) -> String {
        match &self.about {
            About::One(_) => self.nonce.clone(),
            About::Several(_) => format!("{}.{}", self.nonce, hex(&sign(incident))),
        }
    }
}

impl Links {
    /// The link of a message: none when what it tells is over.
    #[must_use]
    pub fn of(&self, notification: &Notification) -> Option<String> {
        if notification.kind == NotificationKind::Resolved {
            return None;
        }
        let about = About::One(notification.alert.incident.id.clone());
        Some(self.link(about, &notification.channel, notification.created, &notification.id))
    }

    /// The link of a digest, with which each of its incidents can be taken on that is not over.
    /// Drills and what a readiness run found are for nobody to take on.
    #[must_use]
    pub fn of_digest(&self, letter: &Letter) -> Option<String> {
        let on = |item: &&Item| {
            let alert = &item.notification.alert;
            item.told_as != NotificationKind::Resolved && !alert.drill && alert.readiness.is_none()
        };
        let on: Vec<&Item> = letter.items.iter().filter(on).collect();
        match on.as_slice() {
            [] => None,
            [one] => self.of(&one.notification),
            several => {
                let ids = several.iter().map(|item| &item.notification.alert.incident.id);
                let about = About::Several(Signs(ids.map(sign).collect()));
                Some(self.link(about, &letter.channel, letter.created, &letter.id))
            }
        }
    }

    fn link(
        &self,
        about: About,
        channel: &ChannelId,
        created: Timestamp,
        message: &NotificationId,
    ) -> String {
        let link = Link {
            about,
            channel: channel.clone(),
            expires: created.checked_add(LASTS).unwrap_or(Timestamp::MAX),
            nonce: hex(&self.key.proof(&format!("nonce~{message}"))[..8]),
        };
        format!("{}/a/{}", self.base, encoded(&self.key.token(&link)))
    }
}

impl LinkKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// What the token of a link says at `now`.
    ///
    /// # Errors
    /// When it was not made with this key, or has expired.
    pub fn open(&self, token: &str, now: Timestamp) -> Result<Link, LinkError> {
        let (signed, proof) = token.rsplit_once('~').ok_or(LinkError::Foreign)?;
        let made = hex(&self.proof(signed));
        // Both are signed once more and that is compared, which takes as long for every guess.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        hmac::verify(&key, proof.as_bytes(), hmac::sign(&key, made.as_bytes()).as_ref())
            .map_err(|_| LinkError::Foreign)?;
        let mut parts = signed.rsplitn(4, '~');
        let (nonce, expires) = (parts.next(), parts.next());
        let (channel, about) = (parts.next(), parts.next().and_then(About::read));
        let expires = expires
            .and_then(|text| i64::from_str_radix(text, 16).ok())
            .and_then(|at| Timestamp::from_second(at).ok());
        let (Some(nonce), Some(expires), Some(channel), Some(about)) =
            (nonce, expires, channel, about)
        else {
            return Err(LinkError::Foreign);
        };
        if now >= expires {
            return Err(LinkError::Expired);
        }
        Ok(Link { about, channel: ChannelId::new(channel), expires, nonce: nonce.to_owned() })
    }

    fn token(&self, link: &Link) -> String {
        let Link { about, channel, expires, nonce } = link;
        let signed = format!("{about}~{channel}~{:x}~{nonce}", expires.as_second());
        let proof = hex(&self.proof(&signed));
        format!("{signed}~{proof}")
    }

    fn proof(&self, text: &str) -> [u8; PROOF] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let whole = hmac::sign(&key, text.as_bytes());
        let mut proof = [0; PROOF];
        proof.copy_from_slice(&whole.as_ref()[..PROOF]);
        proof
    }
}

impl About {
    fn read(text: &str) -> Option<Self> {
        let Some(list) = text.strip_prefix(SEVERAL) else {
            return Some(Self::One(IncidentId::new(text)));
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(list).ok()?;
        let (signs, rest) = bytes.as_chunks();
        rest.is_empty().then(|| Self::Several(Signs(signs.iter().copied().collect())))
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(id) => id.fmt(f),
            Self::Several(Signs(signs)) => {
                let bytes: Vec<u8> = signs.iter().flatten().copied().collect();
                write!(f, "{SEVERAL}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
            }
        }
    }
}

/// What stands for an incident in the link of a digest.
fn sign(incident: &IncidentId) -> [u8; SIGN] {
    let whole = digest::digest(&digest::SHA256, incident.as_str().as_bytes());
    let mut sign = [0; SIGN];
    sign.copy_from_slice(&whole.as_ref()[..SIGN]);
    sign
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::tests::{at, incident, notification};

    const FIRING: NotificationKind = NotificationKind::Firing;

    fn links() -> Links {
        Links { key: LinkKey::new([7; KEY]), base: "https://gs.example".to_owned() }
    }

    fn token(link: &str) -> &str {
        link.strip_prefix("https://gs.example/a/").unwrap()
    }

    #[test]
    fn a_link_says_what_it_is_about_until_a_day_has_passed() {
        let message = notification("i1/truc/firing/1", incident("i1.access.x", "x"), FIRING);
        let link = links().of(&message).unwrap();
        let key = links().key;
        let said = key.open(token(&link), at("2026-02-03T01:00:00Z")).unwrap();
        assert_eq!(said.about, About::One(IncidentId::new("i1.access.x")));
        assert_eq!(said.channel.as_str(), "truc");
        assert_eq!(said.expires, at("2026-02-04T00:42:02Z"));
        assert_eq!(key.open(token(&link), said.expires), Err(LinkError::Expired));
        assert_eq!(links().of(&message), Some(link), "a repeat has the same link");
        let next = notification("i1/truc/update/1", incident("i1.access.x", "x"), FIRING);
        let next = links().of(&next).unwrap();
        assert_ne!(key.open(token(&next), at("2026-02-03T01:00:00Z")).unwrap().nonce, said.nonce);
        let over =
            notification("i1/truc/resolved/1", incident("i1", "x"), NotificationKind::Resolved);
        assert_eq!(links().of(&over), None);
    }

    #[test]
    fn the_link_of_a_digest_is_about_each_of_its_incidents_that_is_on_and_about_no_other() {
        let id = |n: usize| format!("xa-{n}.access.20260203T004202Z");
        let item = |n: usize, kind| {
            Item::new(kind, Arc::new(notification("n", incident(&id(n), "x"), kind)))
        };
        let mut items: Vec<Item> = (0..50).map(|n| item(n, FIRING)).collect();
        items.push(item(50, NotificationKind::Resolved));
        let letter = |items: &[Item]| Letter {
            id: NotificationId::new("digest-n"),
            channel: ChannelId::new("truc"),
            created: at("2026-02-03T00:42:02Z"),
            items: items.to_vec(),
            test: false,
        };
        let link = links().of_digest(&letter(&items)).unwrap();
        assert!(link.len() < 400, "{} characters", link.len());
        let said = links().key.open(token(&link), at("2026-02-03T01:00:00Z")).unwrap();
        let about = (0..100).filter(|n| said.is_about(&IncidentId::new(id(*n))));
        assert_eq!(about.collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
        let nonces: BTreeSet<_> =
            (0..50).map(|n| said.nonce_for(&IncidentId::new(id(n)))).collect();
        assert_eq!(nonces.len(), 50, "each is taken on by itself");
        assert_eq!(links().of_digest(&letter(&items[50..])), None);
        let one = links().of_digest(&letter(&items[49..])).unwrap();
        assert_eq!(Some(one), links().of(&items[49].notification));
    }

    #[test]
    fn whatever_is_changed_about_a_link_makes_it_worthless() {
        let message = notification("n", incident("i1", "x"), FIRING);
        let link = links().of(&message).unwrap();
        let (good, now) = (token(&link), at("2026-02-03T01:00:00Z"));
        let key = links().key;
        assert!(key.open(good, now).is_ok());
        for at in 0..good.len() {
            let mut bad = good.as_bytes().to_vec();
            bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(key.open(&bad, now), Err(LinkError::Foreign), "{bad}");
            assert_eq!(key.open(&good[..at], now), Err(LinkError::Foreign));
        }
        for bad in ["", "~", "~~~~", "i1~truc~0~0~", "á~é"] {
            assert_eq!(key.open(bad, now), Err(LinkError::Foreign), "{bad}");
        }
        assert_eq!(LinkKey::new([8; KEY]).open(good, now), Err(LinkError::Foreign));
    }
}
