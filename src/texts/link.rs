//! Links in messages with which somebody on a phone takes an incident on, without an account.
//!
//! A link names an incident, the channel that the message went to, when it ends, and a number of
//! its own, and proves by an HMAC-SHA256 (RFC 2104) that this monitor made it. Nothing has to be
//! kept for it until it is used: its number follows from the message's id, so that a repeat, a
//! reminder rendered anew or a restart gives the same link. That it works once is the business of
//! whoever carries it out.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use ring::hmac;

use crate::model::{ChannelId, IncidentId, Notification, NotificationKind, encoded};

/// Bytes of the key, as many as a SHA-256 has.
pub const KEY: usize = 32;
/// Bytes of the proof: 128 bits, which nobody guesses, in a link that still fits a line.
const PROOF: usize = 16;
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
    pub incident: IncidentId,
    /// Through which channel it was sent.
    pub channel: ChannelId,
    /// When it ends.
    pub expires: Timestamp,
    /// Its own number, which no other link has.
    pub nonce: String,
}

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

impl Links {
    /// The link of a message: none when what it tells is over.
    #[must_use]
    pub fn of(&self, notification: &Notification) -> Option<String> {
        if notification.kind == NotificationKind::Resolved {
            return None;
        }
        let link = Link {
            incident: notification.alert.incident.id.clone(),
            channel: notification.channel.clone(),
            expires: notification.created.checked_add(LASTS).unwrap_or(Timestamp::MAX),
            nonce: hex(&self.key.proof(&format!("nonce~{}", notification.id))[..8]),
        };
        Some(format!("{}/a/{}", self.base, encoded(&self.key.token(&link))))
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
        let (channel, incident) = (parts.next(), parts.next());
        let expires = expires
            .and_then(|text| i64::from_str_radix(text, 16).ok())
            .and_then(|at| Timestamp::from_second(at).ok());
        let (Some(nonce), Some(expires), Some(channel), Some(incident)) =
            (nonce, expires, channel, incident)
        else {
            return Err(LinkError::Foreign);
        };
        if now >= expires {
            return Err(LinkError::Expired);
        }
        Ok(Link {
            incident: IncidentId::new(incident),
            channel: ChannelId::new(channel),
            expires,
            nonce: nonce.to_owned(),
        })
    }

    fn token(&self, link: &Link) -> String {
        let Link { incident, channel, expires, nonce } = link;
        let signed = format!("{incident}~{channel}~{:x}~{nonce}", expires.as_second());
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
        assert_eq!((said.incident.as_str(), said.channel.as_str()), ("i1.access.x", "truc"));
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
