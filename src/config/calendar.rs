//! `calendars` of `vchealth.yaml`: calendars that others keep, read as iCalendar (RFC 5545).
//!
//! ```text
//! bytes ─▶ ics: components ─▶ zone: what local times mean ─▶ recur: which days ─▶ event: Sessions
//!                                                             said: who takes part ──┘
//! ```
//! Pure: the bytes are handed in, with the moment that says which events are still worth knowing.
//! They come from strangers, so everything is bounded: bytes, events, nesting, recurrences, and
//! how far ahead they are followed.

mod event;
mod ics;
mod recur;
mod said;
mod zone;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use event::{Read, sessions};

use super::channels::address;
use super::defaults;
use super::diagnostic::Findings;
use super::read::{Fields, duration, line, well_formed_id, whole, word};
use super::sessions::{DELEGATES, taking_part};
use super::settings::{Address, SecretSource};
use super::sites::Province;
use super::yaml::Node;
use crate::model::{Importance, SiteIx, WebAddress};

/// Most calendars.
const CALENDARS: usize = 16;
/// Longest name of a calendar: the ids of its sessions begin with it.
const NAME: usize = 24;
/// Largest calendar that is read, in bytes.
pub const LARGEST: usize = 4 << 20;

/// A calendar that somebody else keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarSettings {
    /// Its name in the settings.
    pub name: String,
    /// Where it comes from.
    pub source: CalendarSource,
    /// Time between two looks at it.
    pub refresh: Duration,
    /// A fetch without an end after this long has failed.
    pub timeout: Duration,
    /// Only events of this category are sessions; all are when there is none.
    pub category: Option<String>,
    /// Who takes part in an event that does not say.
    pub sites: BTreeSet<SiteIx>,
    /// Delegates at each site of an event that does not say.
    pub delegates: u32,
    /// Importance of its sessions.
    pub importance: Importance,
}

impl CalendarSettings {
    /// The name of the file that keeps a copy of it. Another source has another one, so that what
    /// one place said is never taken for what another says.
    #[must_use]
    pub fn copy_name(&self) -> String {
        let source = match &self.source {
            CalendarSource::File(path) => path.as_os_str().as_encoded_bytes(),
            CalendarSource::Url(Address::Written(url)) => url.reveal().as_bytes(),
            CalendarSource::Url(Address::Kept(SecretSource::File(path))) => {
                path.as_os_str().as_encoded_bytes()
            }
            CalendarSource::Url(Address::Kept(SecretSource::Env(name))) => name.as_bytes(),
        };
        format!("{}-{:08x}.ics", self.name, fingerprint(source))
    }
}

/// A short name for something long (FNV-1a, 32 bits).
fn fingerprint(of: &[u8]) -> u32 {
    of.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Where a calendar comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalendarSource {
    /// A file on this machine.
    File(PathBuf),
    /// Fetched by HTTP.
    Url(Address),
}

/// Why something is no calendar that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalendarError {
    /// It is larger than [`LARGEST`].
    TooLarge,
    /// It is not UTF-8.
    NotUtf8 {
        /// From which byte on.
        from: usize,
    },
    /// It is something else: the page of a log-in, most often.
    NoCalendar,
    /// A line is longer than any that people write.
    LongLine,
    /// Its parts are within parts more deeply than any program writes.
    Nested,
    /// Its end is missing.
    CutShort,
    /// The grammar of RFC 5545 is not kept. Says in which line.
    Grammar(String),
}

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "it is larger than {} MiB", LARGEST >> 20),
            Self::NotUtf8 { from } => write!(f, "it is not UTF-8 from byte {from} on"),
            Self::NoCalendar => f.write_str(
                "it does not begin with BEGIN:VCALENDAR, so it is no calendar in iCalendar format",
            ),
            Self::LongLine => write!(f, "a line of more than {} KiB", ics::LONGEST >> 10),
            Self::Nested => f.write_str("it is nested too deeply"),
            Self::CutShort => f.write_str("its end is missing: it was cut short"),
            Self::Grammar(line) => write!(f, "it cannot be read {line}"),
        }
    }
}

impl std::error::Error for CalendarError {}

/// Reads the section, once it is known which sites there are.
pub(super) fn calendars(
    node: &Node,
    province: Option<&Province>,
    out: &Findings,
) -> Vec<CalendarSettings> {
    let Some(mut fields) = Fields::of(node, "`calendars`", out) else { return Vec::new() };
    let written = fields.others();
    if let Some((extra, _)) = written.get(CALENDARS) {
        out.say(extra.span, format!("more than {CALENDARS} calendars"));
    }
    let mut found = Vec::new();
    for (key, node) in written.into_iter().take(CALENDARS) {
        if !well_formed_id(&key.text, key.span, out) {
            continue;
        }
        if key.text.len() > NAME {
            out.say(key.span, format!("the name of a calendar has at most {NAME} characters"));
            continue;
        }
        found.extend(calendar(&key.text, node, province, out));
    }
    found
}

fn calendar(
    name: &str,
    node: &Node,
    province: Option<&Province>,
    out: &Findings,
) -> Option<CalendarSettings> {
    let second = Duration::from_secs(1);
    let mut fields = Fields::of(node, "a calendar", out)?;
    let file = fields.get("file").and_then(|node| line(4096)(node, out)).map(PathBuf::from);
    let fetched = ["url", "url_file", "url_env"].into_iter().find(|key| fields.has(key));
    let url = address(&mut fields, url);
    let source = match (file, url) {
        (Some(_), Some(_)) => {
            let at = fields.at(fetched.unwrap_or("url"));
            out.say(at, "a calendar has either `file` or `url`, not both");
            None
        }
        (Some(file), None) => Some(CalendarSource::File(file)),
        (None, Some(url)) => Some(CalendarSource::Url(url)),
        (None, None) => {
            if !fields.has("file") && fetched.is_none() {
                out.say(fields.span, "a calendar needs `file` or `url`");
            }
            None
        }
    };
    let refresh = fields.read(
        "refresh",
        defaults::CALENDAR_REFRESH,
        duration(10 * second..=Duration::from_hours(24)),
    );
    let timeout = fields.read(
        "timeout",
        defaults::CALENDAR_TIMEOUT,
        duration(second..=Duration::from_mins(1)),
    );
    let category = fields.get("category").and_then(|node| line(100)(node, out));
    let everybody = || province.map(|p| p.topology.site_ixs().collect()).unwrap_or_default();
    let sites = match fields.get("sites") {
        Some(node) => taking_part(node, province, out).unwrap_or_default(),
        None => everybody(),
    };
    let delegates = fields.read("delegates", defaults::DELEGATES, whole(0..=DELEGATES));
    let importances = word(&[
        ("low", Importance::Low),
        ("normal", Importance::Normal),
        ("high", Importance::High),
    ]);
    let importance = fields.read("importance", defaults::IMPORTANCE, importances);
    fields.end();
    Some(CalendarSettings {
        name: name.to_owned(),
        source: source?,
        refresh,
        timeout,
        category,
        sites,
        delegates,
        importance,
    })
}

/// An address to fetch from; `webcal` is what calendar programs call `https`.
fn url(node: &Node, out: &Findings) -> Option<WebAddress> {
    let text = line(2000)(node, out)?;
    if !WebAddress::new(text.as_str()).is_bare() {
        out.hide(node.span);
    }
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let good = rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !text.contains(char::is_whitespace)
    });
    if !good {
        let hint =
            text.strip_prefix("webcal://").map(|rest| format!("did you mean `https://{rest}`?"));
        out.hint(node.span, "expected an address that begins with `https://` or `http://`", hint);
    }
    good.then(|| WebAddress::new(text))
}

#[cfg(test)]
mod tests;
