//! Telling people: every message that was decided reaches its channel, whatever fails on the way.
//!
//! A [`Courier`] takes messages from the outbox to their channels. What to try, when, in which
//! order and what needs no telling any more is decided by a pure queue that is given the time;
//! the courier and the channels only carry it out. Delivery is at least once: a message keeps its
//! id at every repeat, so that a receiver can drop repeats.
//!
//! A channel is one file and one variant of [`config::ChannelKind`](crate::config::ChannelKind).

mod alertmanager;
mod ascii;
mod channel;
mod courier;
mod drill;
mod email;
mod exec;
mod heartbeat;
mod http;
mod keys;
mod letter;
mod link;
mod parts;
mod queue;
mod secret;
mod sms;
mod split;
mod telegram;
pub mod texts;
mod trouble;
mod webhook;
mod zalo;

use std::net::{IpAddr, SocketAddr};

use jiff::tz::TimeZone;

use crate::config::{Channel, Config};
use crate::model::Language;

pub use channel::{DeliveryError, Direct, Retry};
pub use courier::{Courier, CourierError, Inbox, Remote};
pub use drill::{TestReport, test_alert};
pub use heartbeat::{Beats, Beep, Signs, expected};
pub use http::{client, encoded, tls};
pub use letter::{Item, Letter};
pub use link::{Link, LinkError, LinkKey, Links};
pub use texts::{Templates, check_templates};
pub use trouble::trouble;

/// What the courier needs of the settings. A reload hands it another.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The ways to reach people.
    pub channels: Vec<Channel>,
    /// How messages are written.
    pub style: Style,
}

/// How messages are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// In which time zone.
    pub time_zone: TimeZone,
    /// Where people find the board, such as `http://10.0.0.5:8080`; without a slash at the end.
    pub board: String,
    /// How links are made with which an incident is taken on; none when people could not open
    /// them.
    pub links: Option<Links>,
    /// Texts of people's own.
    pub templates: Templates,
}

impl Setup {
    /// What the configuration says, for a web server that listens on `listen`. Without a key there are no
    /// links.
    #[must_use]
    pub fn of(config: &Config, listen: SocketAddr, key: Option<&LinkKey>) -> Self {
        let settings = &config.settings;
        let templates = Templates::new(&config.templates);
        let board = settings.public_url.clone().unwrap_or_else(|| format!("http://{listen}"));
        let reached = settings.public_url.is_some() || is_reached(listen.ip());
        let links = key.filter(|_| reached).cloned();
        let links = links.map(|key| Links { key, base: board.clone() });
        let (language, time_zone) = (settings.language, settings.time_zone.clone());
        Self {
            channels: settings.channels.clone(),
            style: Style { links, templates, ..Style::new(language, time_zone, board) },
        }
    }
}

impl Style {
    /// Messages without links, in the built-in texts.
    #[must_use]
    pub fn new(language: Language, time_zone: TimeZone, board: impl Into<String>) -> Self {
        Self {
            language,
            time_zone,
            board: board.into(),
            links: None,
            templates: Templates::default(),
        }
    }
}

/// Whether somebody else can follow a link to this address.
const fn is_reached(listen: IpAddr) -> bool {
    !listen.is_loopback() && !listen.is_unspecified()
}
