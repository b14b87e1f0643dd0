//! What leaves through a channel at once: one message, or several that became one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use ring::digest;

use crate::model::{
    Alert, Cause, ChannelId, Incident, IncidentId, Notification, NotificationId, NotificationKind,
    Phase,
};

/// Letters of a tag: those that nobody mistakes for another one, or for a digit.
const TAG_LETTERS: &[u8; 20] = b"abcdefghkmnpqrstuvwx";

/// Stands in the id of a digest before what follows from all of its messages, and in no other id.
const SEALED: char = '+';

/// What leaves through a channel at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The same at every repeat, so that a receiver can drop repeats.
    pub id: NotificationId,
    /// Which way it goes.
    pub channel: ChannelId,
    /// When the newest message in it was decided.
    pub created: Timestamp,
    /// What it tells, one for each incident, never empty.
    pub items: Vec<Item>,
    /// Whether it only proves that the channel works.
    pub test: bool,
}

/// What a letter tells of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What it is about for the receiver, who may not have heard the message before.
    pub told_as: NotificationKind,
    /// The message.
    pub notification: Arc<Notification>,
    /// The other channels that have not got through with what they were to tell of it, as it is
    /// known when the letter leaves.
    pub untold: Vec<Untold>,
    /// When the letter leaves, where that is long after this was decided: what it says was so then.
    pub late: Option<Timestamp>,
}

/// A channel that has not got through with what it is to tell of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// Which.
    pub channel: ChannelId,
    /// The running number of the oldest of it among the messages about the incident. What was
    /// decided before is told, unless it was given up.
    pub nth: u32,
    /// The channel that has told it in its place.
    pub through: Option<ChannelId>,
}

impl Item {
    /// What is told of an incident, as far as nothing is known against the other channels.
    #[must_use]
    pub const fn new(told_as: NotificationKind, notification: Arc<Notification>) -> Self {
        Self { told_as, notification, untold: Vec::new(), late: None }
    }
}

impl Letter {
    /// Whether everything that it tells is over.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.items.iter().all(|item| item.told_as == NotificationKind::Resolved)
    }

    /// What stands for its id in a text that carries nothing else, such as `#k7d2x`: the same at
    /// every repeat, so that whoever reads a chat, or a program that does, sees that it is one. It
    /// is short enough to be said on the phone, and begins with a letter, so that chats find it as
    /// a word with a hash.
    pub(crate) fn tag(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.id.as_str().as_bytes());
        let signs = hash.as_ref().iter().take(5).enumerate().map(|(at, byte)| {
            let byte = usize::from(*byte);
            let sign = if at % 2 == 0 {
                TAG_LETTERS[byte % TAG_LETTERS.len()]
            } else {
                b"23456789"[byte % 8]
            };
            char::from(sign)
        });
        std::iter::once('#').chain(signs).collect()
    }

    /// The letter with these items of it; none without any. What says less than the whole has an id
    /// of its own, so that nobody takes it for a repeat.
    pub(crate) fn only(&self, items: Vec<Item>) -> Option<Self> {
        if items.len() == self.items.len() {
            return Some(Self { items, ..self.clone() });
        }
        let id = letter_id(items.iter().map(|item| &item.notification.id))?;
        let created = items.iter().map(|item| item.notification.created).max()?;
        Some(Self { id, channel: self.channel.clone(), created, items, test: self.test })
    }

    /// The same with names of at most so many characters, for a line that must have room for what
    /// is said of them.
    pub(crate) fn brief(&self, most: usize) -> Self {
        let brief = |item: &Item| {
            let mut notification = Notification::clone(&item.notification);
            let alert = &mut notification.alert;
            let contacts = alert.contacts.iter_mut().map(|contact| &mut contact.name);
            let titles = alert.session_title.iter_mut().chain([&mut alert.site_name]);
            for name in alert.names.values_mut().chain(titles).chain(contacts) {
                if name.chars().count() > most {
                    let begins: String = name.chars().take(most.saturating_sub(1)).collect();
                    *name = format!("{}…", begins.trim_end());
                }
            }
            Item { notification: Arc::new(notification), ..item.clone() }
        };
        Self { items: self.items.iter().map(brief).collect(), ..self.clone() }
    }
}

/// The id of a letter of these messages: that of the only one, or one that follows from all of
/// them. So a receiver who drops what has come before, as some do for a day, never takes a digest
/// for another one that begins with the same message. None without any.
pub(crate) fn letter_id<'a>(
    messages: impl IntoIterator<Item = &'a NotificationId>,
) -> Option<NotificationId> {
    let mut messages = messages.into_iter().peekable();
    let first = messages.next()?;
    if messages.peek().is_none() {
        return Some(first.clone());
    }
    let mut all = digest::Context::new(&digest::SHA256);
    for message in std::iter::once(first).chain(messages) {
        all.update(message.as_str().as_bytes());
        all.update(b"\0");
    }
    let hash = all.finish();
    let hash = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(NotificationId::new(format!("digest-{first}{SEALED}{hash}")))
}

/// What the id of a digest says of how it begins.
pub(crate) fn begins(digest: &NotificationId) -> &str {
    let id = digest.as_str();
    id.rsplit_once(SEALED).map_or(id, |(begins, _)| begins)
}

/// A letter that tells of nothing but itself.
pub(crate) fn test_letter(channel: &ChannelId, kind: NotificationKind, now: Timestamp) -> Letter {
    let incident = IncidentId::new(format!("test-{channel}-{}", now.as_second()));
    let id = NotificationId::new(format!("{incident}-{}", kind.word()));
    let alert = Alert {
        incident: Incident {
            resolved: (kind == NotificationKind::Resolved).then_some(now),
            ..Incident::blank(incident, Cause::Monitor, now)
        },
        site_name: String::new(),
        level: String::new(),
        level_name: String::new(),
        parent: String::new(),
        parent_name: String::new(),
        contacts: Vec::new(),
        names: BTreeMap::new(),
        phase: Phase::Idle,
        session_title: None,
        session_start: None,
        drill: false,
        phones: BTreeMap::new(),
        readiness: None,
    };
    let notification = Notification {
        id: id.clone(),
        channel: channel.clone(),
        kind,
        created: now,
        alert,
        instead_of: None,
    };
    Letter {
        id,
        channel: channel.clone(),
        created: now,
        items: vec![Item::new(kind, Arc::new(notification))],
        test: true,
    }
}
