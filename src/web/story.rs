//! What happened to an incident, one thing after the other, as its record tells it: for the API and
//! for its page.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{Ack, Incident, Language, SiteId};

/// Sites whose coming and going is told; of an outage of the whole province the rest is counted.
const SITES: usize = 200;

/// What happened; in this order where it happened at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    Began,
    Affected,
    Opened,
    Message,
    Taken,
    Relapsed,
    Recovered,
    Resolved,
}

impl What {
    pub(super) const ALL: [Self; 8] = [
        Self::Began,
        Self::Affected,
        Self::Opened,
        Self::Message,
        Self::Taken,
        Self::Relapsed,
        Self::Recovered,
        Self::Resolved,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Affected => "affected",
            Self::Opened => "opened",
            Self::Message => "message",
            Self::Taken => "taken",
            Self::Relapsed => "relapsed",
            Self::Recovered => "recovered",
            Self::Resolved => "resolved",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Timestamp,
    pub(super) kind: What,
    /// In words.
    pub(super) text: String,
}

/// What the record says besides what was told. Sites are called by `name`.
pub(super) fn of(
    incident: &Incident,
    name: &dyn Fn(&SiteId) -> String,
    language: Language,
) -> Vec<Event> {
    let say = |vi, en| language.pick(vi, en).to_owned();
    let event = |at, kind, text| Event { at, kind, text };
    let mut events = vec![
        event(
            incident.began,
            What::Began,
            say("lần thử đầu tiên không đạt", "the first probe failed"),
        ),
        event(incident.opened, What::Opened, say("xác nhận sự cố", "confirmed")),
    ];
    for it in incident.affected.iter().take(SITES) {
        let text = format!("{}: {}", name(&it.site), say("bị ảnh hưởng", "affected"));
        events.push(event(it.since, What::Affected, text));
        if let Some(until) = it.until {
            let (kind, what) = match it.passed_on {
                true => (
                    What::Affected,
                    say(
                        "chưa khôi phục, nay thuộc sự cố khác",
                        "not back, in another incident now",
                    ),
                ),
                false => (What::Recovered, say("không còn bị ảnh hưởng", "no longer affected")),
            };
            events.push(event(until, kind, format!("{}: {what}", name(&it.site))));
        }
    }
    for at in &incident.relapses {
        events.push(event(*at, What::Relapsed, say("lại xảy ra", "it came back")));
    }
    let acks = incident.earlier_acks.iter().chain(&incident.ack);
    events.extend(acks.map(|ack| event(ack.at, What::Taken, taken(ack, language))));
    if let Some(at) = incident.resolved {
        events.push(event(at, What::Resolved, say("kết thúc", "over")));
    }
    events
}

fn taken(ack: &Ack, language: Language) -> String {
    let mut text = format!("{} {}", ack.by, language.pick("tiếp nhận", "took it on"));
    if !ack.note.is_empty() {
        text += &format!(": {}", ack.note);
    }
    text
}
