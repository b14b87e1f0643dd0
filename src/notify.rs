//! Telling people: every message that was decided reaches its channel, whatever fails on the way.
//!
//! A [`Courier`] takes messages from the outbox to their channels. What to try, when, in which
//! order and what needs no telling any more is decided by a pure queue that is given the time;
//! the courier and the channels only carry it out. What a message says is written by
//! [`texts`](crate::texts). Delivery is at least once: a message keeps its id at every repeat, so
//! that a receiver can drop repeats.
//!
//! A channel is one file and one variant of [`config::ChannelKind`](crate::config::ChannelKind).

mod alertmanager;
mod ascii;
mod channel;
mod courier;
mod disk;
pub(crate) mod drill;
mod email;
mod exec;
mod heartbeat;
mod http;
mod keys;
mod lacking;
mod link_key;
mod parts;
mod queue;
mod secret;
mod sms;
mod split;
mod telegram;
#[cfg(test)]
mod tests;
mod trouble;
mod webhook;
mod zalo;

use std::net::{IpAddr, SocketAddr};

use crate::config::{Channel, Config};
use crate::texts;

pub use channel::{DeliveryError, Direct, Fared, HeardOf, Receipt, Retry};
pub use courier::{Courier, Inbox, Remote};
pub use drill::{TestReport, test_alert};
pub use heartbeat::{Beats, Beep, Signs, expected};
pub use http::{builder, client, tls};
pub use keys::address;
pub use lacking::lacking;
pub use link_key::load as load_link_key;
pub use trouble::{trouble, unreached};

pub use crate::texts::{
    About, Item, Letter, Link, LinkError, LinkKey, Links, Style, Templates, alike_templates,
    check_templates,
};

/// What the courier needs of the settings. A reload hands it another.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The ways to reach people.
    pub channels: Vec<Channel>,
    /// How messages are written.
    pub style: Style,
}

impl Setup {
    /// What the configuration says, for a web server that listens on `listen`. Without a key there
    /// are no links.
    #[must_use]
    pub fn of(config: &Config, listen: SocketAddr, key: Option<&LinkKey>) -> Self {
        let settings = &config.settings;
        let templates = Templates::new(&config.templates);
        let scheme = if settings.web.access.tls.is_some() { "https" } else { "http" };
        let board = settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{listen}"));
        let reached = settings.public_url.is_some() || is_reached(listen.ip());
        let links = key.filter(|_| reached).cloned();
        let links = links.map(|key| Links { key, base: board.clone() });
        let (language, time_zone) = (settings.language, settings.time_zone.clone());
        let vantage = config.topology.vantage.map(|site| config.topology.site(site).id.clone());
        Self {
            channels: settings.channels.clone(),
            style: Style { links, vantage, templates, ..Style::new(language, time_zone, board) },
        }
    }

    /// With those of `others` that are gone from it, for as long as messages may be under way that
    /// were decided before or after a change of the channels.
    #[must_use]
    pub fn beside(&self, others: &[Channel]) -> Self {
        let mut both = self.clone();
        let gone = others.iter().filter(|other| self.channels.iter().all(|it| it.id != other.id));
        both.channels.extend(gone.cloned());
        both
    }
}

/// Whether somebody else can follow a link to this address.
const fn is_reached(listen: IpAddr) -> bool {
    !listen.is_loopback() && !listen.is_unspecified()
}
