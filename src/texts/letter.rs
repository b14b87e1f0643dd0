//! What leaves through a channel at once: one message, or several that became one.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{ChannelId, Notification, NotificationId, NotificationKind};

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
