//! The ways to reach people, as the courier sees them: one letter in, success or a reason out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::http::Http;
use super::queue::Limits;
use super::webhook::Webhook;
use super::{Letter, Style};
use crate::config::{Channel, ChannelKind};

/// Why a letter was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryError {
    /// Whether and when to try again.
    pub retry: Retry,
    /// What went wrong, in one line without secrets.
    pub text: String,
}

/// Whether and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Trying again cannot help.
    Never,
    /// When the courier sees fit.
    Later,
    /// Not before this long, as the receiver asked.
    After(Duration),
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for DeliveryError {}

/// A channel that can deliver. A new kind is a new variant; the compiler then names every place
/// that has to learn about it.
#[derive(Debug)]
pub(super) enum Hand {
    Webhook(Webhook),
}

impl Hand {
    pub(super) fn new(channel: &Channel, style: &Arc<Style>, http: &Http) -> Self {
        match &channel.kind {
            ChannelKind::Webhook(settings) => {
                Self::Webhook(Webhook::new(settings, Arc::clone(style), http.clone()))
            }
        }
    }

    /// Hands the letter over. Returns within the channel's time limit.
    pub(super) async fn deliver(&self, letter: &Letter) -> Result<(), DeliveryError> {
        match self {
            Self::Webhook(webhook) => webhook.deliver(letter).await,
        }
    }

    /// Longest that [`Hand::deliver`] takes.
    pub(super) const fn time_limit(&self) -> Duration {
        match self {
            Self::Webhook(webhook) => webhook.time_limit(),
        }
    }
}

/// How much a kind of channel takes.
pub(super) const fn limits(kind: &ChannelKind) -> Limits {
    match kind {
        // Several at once, so that one slow answer does not hold up the others.
        ChannelKind::Webhook(_) => Limits { under_way: 4, gap: Duration::ZERO, bundle: 100 },
    }
}

/// The word for a kind of channel in metrics and logs.
pub(super) const fn word(kind: &ChannelKind) -> &'static str {
    match kind {
        ChannelKind::Webhook(_) => "webhook",
    }
}
