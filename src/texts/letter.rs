//! What leaves through a channel at once: one message, or several that became one.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{
    Alert, Cause, ChannelId, Incident, IncidentId, Notification, NotificationId, NotificationKind,
    Phase,
};

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
}

impl Letter {
    /// Whether everything that it tells is over.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.items.iter().all(|item| item.told_as == NotificationKind::Resolved)
    }
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
        items: vec![Item { told_as: kind, notification: Arc::new(notification) }],
        test: true,
    }
}
