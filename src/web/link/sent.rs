//! What the form behind a link sends, and what is amiss with it.

use std::time::Duration;

use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use jiff::Timestamp;

use crate::model::{Ack, Chosen, Incident, Language, LinkUse};
use crate::notify::Link;
use crate::web::acks::{Circumstances, REASONS, Until};
use crate::web::api::{self, Unfit};

/// What the form sends.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Which button.
    act: String,
    pub(super) name: String,
    pub(super) note: String,
    /// The reason that was chosen.
    pub(super) why: String,
    /// Until when, as the form has it.
    pub(super) until: String,
    /// Of several incidents, those that were chosen.
    take: Vec<String>,
    /// Those to be taken over, each with whom from.
    over: Vec<(String, String)>,
}

/// Which button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// To take it on.
    Ack(Until),
    /// To hold back messages for so many hours.
    Silence(u8),
    /// To announce so many hours of planned work.
    Maintain(u8),
}

/// Why what was sent is not done, for a person to put right on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amiss {
    /// It says no name, where nobody knows whose the channel is.
    Name,
    /// The name is no line of a length that names have.
    OddName,
    /// The note is too long or holds what nobody sees.
    OddNote,
    /// It says no reason.
    Reason,
    /// Of several incidents none was chosen.
    NoneChosen,
    /// Somebody else has it.
    Held,
    /// The link was used for something else.
    Used,
}

impl Sent {
    pub(super) fn read(
        form: Result<Form<Vec<(String, String)>>, FormRejection>,
    ) -> Result<Self, Unfit> {
        let Form(fields) = form.map_err(|_| {
            Unfit::new("what the page sent did not arrive whole; send it again from the page")
        })?;
        let mut sent = Self::default();
        for (field, value) in fields {
            match field.as_str() {
                "act" => sent.act = value,
                "name" => sent.name = value,
                "note" => sent.note = value,
                "why" => sent.why = value,
                "until" => sent.until = value,
                "take" => sent.take.push(value),
                "over" => {
                    let (id, from) = value.split_once(' ').unwrap_or((&value, ""));
                    sent.over.push((id.to_owned(), from.to_owned()));
                }
                _ => {}
            }
        }
        match sent.act.as_str() {
            "" => Err(Unfit::new("`act` is missing")),
            _ => Ok(sent),
        }
    }

    /// What is to be done. The messages of several incidents are not held back together, nor is
    /// work announced at the sites of several.
    pub(super) fn choice(&self, several: bool) -> Result<Choice, Unfit> {
        match self.act.as_str() {
            "ack" => Until::pressed(&self.until).map(Choice::Ack),
            "silence-1" if !several => Ok(Choice::Silence(1)),
            "silence-4" if !several => Ok(Choice::Silence(4)),
            "maintain-1" if !several => Ok(Choice::Maintain(1)),
            "maintain-4" if !several => Ok(Choice::Maintain(4)),
            _ => Err(Unfit::new("there is no such choice")),
        }
    }

    /// Who it is, and the channel that got the link: the name that was given, or else that of the
    /// person whose channel it is. In a group anybody may have pressed.
    pub(super) fn by(&self, link: &Link, reader: Option<&str>) -> Result<String, Amiss> {
        let given = Some(self.name.trim()).filter(|name| !name.is_empty());
        let name = given.or(reader).ok_or(Amiss::Name)?;
        let name = api::person(name).map_err(|_| Amiss::OddName)?;
        Ok(format!("{name} ({})", link.channel))
    }

    /// The reason that was chosen and what was written besides, on one line.
    pub(super) fn note(&self, language: Language) -> Result<String, Amiss> {
        let chosen = REASONS.iter().find(|(code, ..)| *code == self.why);
        let chosen = chosen.map(|(_, vi, en)| language.pick(vi, en));
        let written = api::text("note", &self.note).map_err(|_| Amiss::OddNote)?;
        let parts = chosen.into_iter().chain(Some(&*written).filter(|it| !it.is_empty()));
        Ok(parts.collect::<Vec<_>>().join("; "))
    }

    /// Whether this is what a link was used for, such as by a button that was pressed twice: the
    /// same person, and, as long as the ack stands, until the same moment.
    pub(super) fn is_done_by(
        &self,
        link: &Link,
        reader: Option<&str>,
        used: &LinkUse,
        incident: Option<&Incident>,
        then: &Circumstances<'_>,
    ) -> bool {
        let is_so = match (used.chosen, self.choice(false)) {
            (Chosen::Ack, Ok(Choice::Ack(until))) => {
                let given = incident.and_then(|incident| {
                    let ack = incident.ack.as_ref()?;
                    (ack.by == used.by && ack.at == used.at).then_some((incident, ack))
                });
                given.is_none_or(|(incident, ack)| {
                    let same = then.ack(incident, used.by.clone(), &ack.note, until);
                    // What was chosen of a session that is over cannot be said any more.
                    same.map_or(true, |same| same.until == ack.until)
                })
            }
            (Chosen::Silence { until }, Ok(Choice::Silence(hours)))
            | (Chosen::Maintenance { until }, Ok(Choice::Maintain(hours))) => {
                after(used.at, hours) == until
            }
            _ => false,
        };
        is_so && self.by(link, reader).is_ok_and(|by| by == used.by)
    }

    /// Whether whoever has an incident is to be relieved of it.
    pub(super) fn takes_over(&self, incident: &Incident, held: &Ack) -> bool {
        self.over.iter().any(|(id, from)| id == incident.id.as_str() && *from == held.by)
    }

    pub(super) fn names(&self, incident: &Incident) -> bool {
        let id = incident.id.as_str();
        self.take.iter().chain(self.over.iter().map(|(it, _)| it)).any(|it| it == id)
    }
}

/// So many hours later.
pub(super) fn after(at: Timestamp, hours: u8) -> Timestamp {
    at.checked_add(Duration::from_hours(hours.into())).unwrap_or(Timestamp::MAX)
}
