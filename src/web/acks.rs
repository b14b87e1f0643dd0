//! What makes an ack: who, until when, and why. There is this one way, whether somebody presses a
//! button behind a link or on the board, types a command, or is a program. Each of them has to say
//! why: whoever else is on duty reads it, and knows what is left to do.

use std::time::Duration;

use jiff::Timestamp;

use super::api::{Unfit, text};
use crate::config::PhaseTimes;
use crate::model::{Ack, Incident, Phase, Session, SessionView, Snapshot};

/// What a program may write in place of a moment.
pub(super) const WORDS: [&str; 2] = ["session", "over"];
/// Reasons that a thumb can choose, by what the form behind a link sends: in Vietnamese and in
/// English.
pub(super) const REASONS: [(&str, &str, &str); 5] = [
    ("calling", "đang gọi đơn vị", "on the phone with them"),
    ("going", "đang cử người đến", "somebody is on the way"),
    ("power", "mất điện, chờ có điện", "power cut, waiting for it"),
    ("carrier", "đã báo nhà mạng", "the carrier is told"),
    ("planned", "đã biết, đang bảo trì", "known, being worked on"),
];
/// Longest that an ack is asked for by its length.
const LONGEST: Duration = Duration::from_hours(31 * 24);

/// Until when somebody wants to have an incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Until {
    /// As long as the settings have it for the phase.
    #[default]
    Usual,
    /// Until this moment.
    At(Timestamp),
    /// For so long.
    For(Duration),
    /// Until the session is over that the incident touches.
    Session,
    /// Until the incident is over.
    Over,
}

/// What an ack goes by besides what somebody wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) lasts: &'a PhaseTimes,
    pub(super) now: Timestamp,
}

impl Until {
    /// As a program writes it: a moment, `session` or `over`.
    pub(super) fn read(written: Option<&str>) -> Result<Self, Unfit> {
        match written {
            None => Ok(Self::Usual),
            Some("session") => Ok(Self::Session),
            Some("over") => Ok(Self::Over),
            Some(text) => text
                .parse()
                .map(Self::At)
                .map_err(|_| Unfit::new("`until` must be a moment, `session` or `over`")),
        }
    }

    /// As the page of a link sends it: minutes, `session` or `over`.
    pub(super) fn pressed(sent: &str) -> Result<Self, Unfit> {
        match sent {
            "" => Ok(Self::Usual),
            "session" => Ok(Self::Session),
            "over" => Ok(Self::Over),
            minutes => {
                let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0);
                let lasting =
                    minutes.map(|minutes: u32| Duration::from_secs(60 * u64::from(minutes)));
                let lasting = lasting.filter(|lasting| *lasting <= LONGEST);
                lasting.map(Self::For).ok_or_else(|| Unfit::new("there is no such choice"))
            }
        }
    }
}

impl<'a> Circumstances<'a> {
    /// The ack of whoever is called so, with a note on one line.
    ///
    /// # Errors
    /// When it does not say why, would be over already, or is until the end of a session that there
    /// is not.
    pub(super) fn ack(
        &self,
        incident: &Incident,
        by: String,
        note: &str,
        until: Until,
    ) -> Result<Ack, Unfit> {
        let after = |lasting: Duration| self.now.checked_add(lasting).unwrap_or(Timestamp::MAX);
        let until = match until {
            Until::Usual => self.usual(incident).map(after),
            Until::At(at) if at <= self.now => {
                return Err(Unfit::new("`until` must lie in the future"));
            }
            Until::At(at) => Some(at),
            Until::For(lasting) => Some(after(lasting)),
            Until::Session => match self.session(incident) {
                Some(session) => Some(session.end),
                None => {
                    let why = "`until`: this incident touches no session that is on or near; give a \
                               moment, or `over` for until it is over";
                    return Err(Unfit::new(why));
                }
            },
            Until::Over => None,
        };
        let note = text("note", note)?;
        if note.is_empty() {
            let why = "`note` must say what is done about it, such as \"on the phone with them\"";
            return Err(Unfit::new(why));
        }
        Ok(Ack { by, at: self.now, note, until })
    }

    /// How long an ack of this incident holds that does not say so; none until it is over.
    pub(super) fn usual(&self, incident: &Incident) -> Option<Duration> {
        self.lasts.in_phase(self.view(incident).map_or(Phase::Idle, |view| view.phase))
    }

    /// The session that an incident touches, unless it is over.
    pub(super) fn session(&self, incident: &Incident) -> Option<&'a Session> {
        Some(&*self.view(incident)?.session).filter(|session| session.end > self.now)
    }

    /// The session that an incident touches, as it is shown.
    fn view(&self, incident: &Incident) -> Option<&'a SessionView> {
        let id = incident.session.as_ref()?;
        self.snapshot.sessions.iter().find(|view| view.session.id == *id)
    }
}
