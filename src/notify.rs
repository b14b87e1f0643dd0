//! Telling people: every message that was decided reaches its channel, whatever fails on the way.
//!
//! A [`Courier`] takes messages from the outbox to their channels. What to try, when, in which
//! order and what needs no telling any more is decided by a pure queue that is given the time;
//! the courier and the channels only carry it out. What a message says is written by
//! [`texts`](crate::texts). Delivery is at least once: a message keeps its
//! id at every repeat, so that a receiver can drop repeats.
//!
//! A channel is one file and one variant of [`config::ChannelKind`](crate::config::ChannelKind).

mod alertmanager;
mod ascii;
mod channel;
mod courier;
pub(crate) mod drill;
mod email;
mod exec;
mod http;
mod keys;
mod parts;
mod queue;
mod secret;
mod sms;
mod split;
mod telegram;
mod webhook;
mod zalo;

use crate::config::{Channel, Settings};
use crate::texts;

pub use channel::{DeliveryError, Direct, Retry};
pub use courier::{Courier, CourierError, Inbox, Remote};
pub use drill::{TestReport, test_alert};

pub use crate::texts::{Item, Letter, Style};

/// What the courier needs of the settings. A reload hands it another.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The ways to reach people.
    pub channels: Vec<Channel>,
    /// How messages are written.
    pub style: Style,
}

impl Setup {
    /// What `settings` say. `board` is where people find the board.
    #[must_use]
    pub fn of(settings: &Settings, board: &str) -> Self {
        Self {
            channels: settings.channels.clone(),
            style: Style {
                language: settings.language,
                time_zone: settings.time_zone.clone(),
                board: board.trim_end_matches('/').to_owned(),
            },
        }
    }
}
