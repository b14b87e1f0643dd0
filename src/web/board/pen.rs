//! How pages write what they have in common: words, moments, counts of time, links.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::{IncidentId, Language, SessionId, SiteId, Snapshot, encoded};
use crate::texts::grouped;

use super::words::Words;
use crate::web::Look;

/// What every part of a page needs.
pub(super) struct Pen<'a> {
    /// What is written about.
    pub(super) snapshot: &'a Snapshot,
    /// When it is written.
    pub(super) now: Timestamp,
    /// How texts for people are written.
    pub(super) look: Look,
    /// The words of its language.
    pub(super) words: Words,
}

impl<'a> Pen<'a> {
    pub(super) const fn new(snapshot: &'a Snapshot, now: Timestamp, look: Look) -> Self {
        let words = Words(look.language);
        Self { snapshot, now, look, words }
    }

    pub(super) fn pick<'b>(&self, vi: &'b str, en: &'b str) -> &'b str {
        self.words.pick(vi, en)
    }

    /// A moment: the time alone today, with the date otherwise.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        self.words.moment(at, self.now, &self.look.time_zone)
    }

    /// The time of day of a moment.
    pub(super) fn hour(&self, at: Timestamp) -> String {
        self.local(at).strftime("%H:%M").to_string()
    }

    /// A moment to the second, with the date.
    pub(super) fn second(&self, at: Timestamp) -> String {
        self.local(at).strftime("%H:%M:%S %d/%m/%Y").to_string()
    }

    /// A moment to the second: the time alone today, with the date otherwise.
    pub(super) fn exact(&self, at: Timestamp) -> String {
        if self.local(at).date() == self.local(self.now).date() {
            return self.local(at).strftime("%H:%M:%S").to_string();
        }
        self.second(at)
    }

    /// The day of a moment.
    pub(super) fn day(&self, at: Timestamp) -> String {
        let form = self.pick("%d/%m/%Y", "%-d %b %Y");
        self.local(at).strftime(form).to_string()
    }

    /// The day of a moment with its weekday.
    pub(super) fn weekday(&self, at: Timestamp) -> String {
        let weekday = match self.local(at).weekday().to_monday_one_offset() {
            1 => self.pick("Thứ Hai", "Monday"),
            2 => self.pick("Thứ Ba", "Tuesday"),
            3 => self.pick("Thứ Tư", "Wednesday"),
            4 => self.pick("Thứ Năm", "Thursday"),
            5 => self.pick("Thứ Sáu", "Friday"),
            6 => self.pick("Thứ Bảy", "Saturday"),
            _ => self.pick("Chủ Nhật", "Sunday"),
        };
        format!("{weekday} {}", self.day(at))
    }

    fn local(&self, at: Timestamp) -> jiff::ZonedDateTime {
        at.to_zoned_datetime(self.look.time_zone.clone())
    }

    /// A number with so many digits behind the point, or the comma.
    pub(super) fn number(&self, value: f64, digits: usize) -> String {
        let text = format!("{value:.digits$}");
        match self.look.language {
            Language::Vi => text.replace('.', ","),
            Language::En => text,
        }
    }

    /// A count with its thousands apart.
    pub(super) fn count(&self, count: impl TryInto<u64>) -> String {
        let separator = match self.look.language {
            Language::Vi => '.',
            Language::En => ',',
        };
        // No count of anything here is beyond that.
        grouped(count.try_into().unwrap_or(u64::MAX), separator)
    }

    /// How long ago something was, which the page counts on by itself.
    pub(super) fn ago(&self, at: Timestamp) -> Markup {
        html! {
            time datetime=(at) data-since=(at.as_millisecond()) {
                (self.words.lasting(age(at, self.now)))
            }
        }
    }

    /// How long it is until something, which the page counts down by itself.
    pub(super) fn until(&self, at: Timestamp) -> Markup {
        html! {
            time.count datetime=(at) data-until=(at.as_millisecond()) {
                (self.words.lasting(age(self.now, at)))
            }
        }
    }

    /// A number to phone.
    pub(super) fn phone(&self, number: &str) -> Markup {
        let dialled: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        html! { a.phone href={ "tel:" (dialled) } { (number) } }
    }
}

/// The page of a site.
pub(super) fn to_site(id: &SiteId) -> String {
    format!("/sites/{}", encoded(id.as_str()))
}

/// The page of a session.
pub(super) fn to_session(id: &SessionId) -> String {
    format!("/sessions/{}", encoded(id.as_str()))
}

/// The page of an incident.
pub(super) fn to_incident(id: &IncidentId) -> String {
    format!("/incidents/{}", encoded(id.as_str()))
}

/// Time from `then` to `now`; zero when the clock was set back meanwhile.
pub(in crate::web) fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
