//! `GET` and `POST /a/{token}`: the page behind the link in a message.
//!
//! The reader stands in a corridor with a phone and has no account; the link itself is the proof of
//! who it was sent to. Programs that show previews of links fetch them, and so do mail scanners:
//! therefore a `GET` only shows, and only the `POST` of a button acts, once for each incident of a
//! link. The page has no scripts and nothing from elsewhere.

mod page;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::model::{Ack, Act, Chosen, Incident, LinkUse, Mono, Silence, Snapshot, folded};
use crate::notify::{About, Link, LinkError};

use self::page::{Page, View};
use super::api::{self, Unfit};
use super::app::{App, carry_out};
use super::look::Asked;
use super::{ControlError, Daemon, Look, UsedLink};

/// Tokens that nobody made, accepted to be looked at in a row, and how soon another one is.
const GUESSES: (u32, Duration) = (20, Duration::from_secs(3));

/// How many wrong tokens may still be tried. Right ones cost nothing, so that nobody's guessing
/// keeps a technician out.
#[derive(Debug)]
pub(super) struct Guesses(Mutex<(u32, Mono)>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new((GUESSES.0, Mono::ZERO)))
    }
}

impl Guesses {
    /// Counts a wrong token; whether there were too many.
    fn is_too_many(&self, now: Mono) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let earned = (now - since).as_nanos() / GUESSES.1.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        let since = if earned > 0 { now } else { since };
        let left = left.saturating_add(earned).min(GUESSES.0);
        *state = (left.saturating_sub(1), since);
        left == 0
    }
}

/// What the form sends.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Which button.
    act: String,
    name: String,
    note: String,
    /// Of several incidents, those that were chosen.
    take: Vec<String>,
    /// Those to be taken over, each with whom from.
    over: Vec<(String, String)>,
}

impl Sent {
    fn read(form: Result<Form<Vec<(String, String)>>, FormRejection>) -> Result<Self, Unfit> {
        let Form(fields) = form.map_err(|_| {
            Unfit::new("what the page sent did not arrive whole; send it again from the page")
        })?;
        let mut sent = Self::default();
        for (field, value) in fields {
            match field.as_str() {
                "act" => sent.act = value,
                "name" => sent.name = value,
                "note" => sent.note = value,
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

    /// Who it is: the name that was given and the channel that got the link.
    fn by(&self, link: &Link) -> Result<String, Unfit> {
        let channel = link.channel.as_str();
        match self.name.trim() {
            "" => Ok(channel.to_owned()),
            name => api::person(&format!("{name} ({channel})")),
        }
    }

    /// For how many hours messages are to be held back, if that is what was chosen.
    fn hours(&self) -> Option<u8> {
        match self.act.as_str() {
            "silence-1" => Some(1),
            "silence-4" => Some(4),
            _ => None,
        }
    }

    /// Whether this is what a link was used for, such as by a button that was pressed twice.
    fn is_done_by(&self, link: &Link, used: &LinkUse) -> bool {
        let chosen = match used.chosen {
            Chosen::Ack => self.act == "ack",
            Chosen::Silence { until } => {
                self.hours().is_some_and(|hours| after(used.at, hours) == until)
            }
        };
        chosen && self.by(link).is_ok_and(|by| by == used.by)
    }

    /// Whether whoever has an incident is to be relieved of it.
    fn takes_over(&self, incident: &Incident, held: &Ack) -> bool {
        self.over.iter().any(|(id, from)| id == incident.id.as_str() && *from == held.by)
    }

    fn names(&self, incident: &Incident) -> bool {
        let id = incident.id.as_str();
        self.take.iter().chain(self.over.iter().map(|(it, _)| it)).any(|it| it == id)
    }
}

/// An incident of a link, and what that was used for.
pub(super) struct Row<'a> {
    incident: &'a Incident,
    used: Option<UsedLink>,
}

impl Row<'_> {
    /// Whether there is anything left to choose.
    const fn is_left(&self) -> bool {
        self.incident.is_open() && self.used.is_none()
    }

    /// Whether a crash now would undo what the link was used for.
    fn is_unkept(&self) -> bool {
        self.used.as_ref().is_some_and(|link| !link.kept)
    }
}

/// `GET /a/{token}`: shows, and changes nothing.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Asked(look): Asked,
) -> Response {
    let link = match open(&app, &token, &look) {
        Ok(link) => link,
        Err(response) => return *response,
    };
    let snapshot = app.daemon.snapshot();
    let rows = rows(&app, &snapshot, &link, &look);
    let used = app.daemon.link_use(&link.nonce);
    let (status, view) = match (&link.about, rows.first()) {
        (About::Several(_), Some(_)) => (StatusCode::OK, View::Several(&rows, None)),
        (About::Several(_), None) => (StatusCode::GONE, View::Over(None)),
        (About::One(_), row) => {
            let known = row.map(|row| row.incident);
            match (&used, known) {
                (Some(used), incident) => (StatusCode::OK, View::Used(used, incident, None)),
                (None, Some(it)) if it.is_open() => (StatusCode::OK, View::Open(it, None)),
                (None, incident) => (StatusCode::GONE, View::Over(incident)),
            }
        }
    };
    page(&app, &snapshot, &link, look).answer(status, &view)
}

/// `POST /a/{token}`: does what was chosen, once for each incident.
///
/// What somebody else has is not taken from them without asking: the page is shown again and says
/// who that is.
pub(super) async fn act(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Asked(look): Asked,
    address: Uri,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let link = match open(&app, &token, &look) {
        Ok(link) => link,
        Err(response) => return *response,
    };
    // One after the other: of two who press at once, the second is told of the first.
    let turn = Arc::clone(&app.acking).lock_owned().await;
    // Shown again, the page says what was done, or that it is over.
    let again = || Redirect::to(&address.to_string()).into_response();
    let (uses, act) = match decide(&app, &link, look.clone(), form) {
        Ok(Some(decided)) => decided,
        Ok(None) => return again(),
        Err(response) => return *response,
    };
    let daemon = Arc::clone(&app.daemon);
    let done = carry_out(async move {
        let done = use_for_each(&daemon, uses, &act).await;
        drop(turn);
        done
    });
    match done.await {
        // Whether it is on disk is said there, too.
        Some(Ok(()) | Err(ControlError::Used | ControlError::NotFound | ControlError::Unkept)) => {
            again()
        }
        failed => {
            let error = failed.and_then(Result::err).unwrap_or(ControlError::Broken);
            let view = View::Failed(error == ControlError::Late);
            let snapshot = app.daemon.snapshot();
            page(&app, &snapshot, &link, look).answer(StatusCode::SERVICE_UNAVAILABLE, &view)
        }
    }
}

/// What is to be done about which incidents, none if nothing is left to choose; or what to answer.
fn decide(
    app: &App,
    link: &Link,
    look: Look,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Option<(Vec<LinkUse>, Act)>, Box<Response>> {
    let unfit =
        |why: Unfit| Box::new((StatusCode::BAD_REQUEST, format!("{why}\n")).into_response());
    let now = app.daemon.now().wall;
    let snapshot = app.daemon.snapshot();
    let rows = rows(app, &snapshot, link, &look);
    let left: Vec<&Incident> =
        rows.iter().filter(|row| row.is_left()).map(|row| row.incident).collect();
    let Some(first) = left.first() else {
        let missed =
            Sent::read(form).ok().and_then(|it| missed(app, &snapshot, link, look, &rows, &it));
        return missed.map_or(Ok(None), |answer| Err(Box::new(answer)));
    };
    let sent = Sent::read(form).map_err(unfit)?;
    let several = matches!(link.about, About::Several(_));
    let chosen: Vec<&Incident> =
        left.iter().copied().filter(|it| !several || sent.names(it)).collect();
    let (by, act, what) = choose(&sent, link, &chosen, now).map_err(unfit)?;
    if let Act::Silence(_) = act {
        api::room_for_silence(&snapshot).map_err(unfit)?;
    }
    let is_held = |incident: &&Incident| {
        let held = incident.taken_by(now).filter(|held| held.by != by);
        held.is_some_and(|held| !sent.takes_over(incident, held))
    };
    let asks = match act {
        Act::Ack(_) if chosen.is_empty() => Some(StatusCode::BAD_REQUEST),
        Act::Ack(_) if chosen.iter().any(is_held) => Some(StatusCode::CONFLICT),
        Act::Ack(_) | Act::Silence(_) => None,
    };
    if let Some(status) = asks {
        let view = match several {
            true => View::Several(&rows, Some(&sent)),
            false => View::Open(first, Some(&sent)),
        };
        return Err(Box::new(page(app, &snapshot, link, look).answer(status, &view)));
    }
    let uses = chosen.into_iter().map(|incident| LinkUse {
        nonce: link.nonce_for(&incident.id),
        incident: incident.id.clone(),
        at: now,
        by: by.clone(),
        chosen: what,
    });
    Ok(Some((uses.collect(), act)))
}

/// What to answer who wants something else of a link that was used than it was used for: that it is
/// not done. None when it is what was done.
fn missed(
    app: &App,
    snapshot: &Snapshot,
    link: &Link,
    look: Look,
    rows: &[Row<'_>],
    sent: &Sent,
) -> Option<Response> {
    let page = page(app, snapshot, link, look);
    match &link.about {
        About::One(_) => {
            let used = app.daemon.link_use(&link.nonce)?;
            let incident = rows.first().map(|row| row.incident);
            let view = View::Used(&used, incident, Some(sent));
            let done = sent.is_done_by(link, &used.used);
            (!done).then(|| page.answer(StatusCode::CONFLICT, &view))
        }
        About::Several(_) => {
            let is_anothers = |row: &Row<'_>| {
                let used = row.used.as_ref().filter(|_| sent.names(row.incident));
                used.is_some_and(|it| !sent.is_done_by(link, &it.used))
            };
            let view = View::Several(rows, Some(sent));
            rows.iter().any(is_anothers).then(|| page.answer(StatusCode::CONFLICT, &view))
        }
    }
}

/// Does what was chosen for each incident, all at once; gives what went wrong with one of them.
async fn use_for_each(
    daemon: &Arc<dyn Daemon>,
    uses: Vec<LinkUse>,
    act: &Act,
) -> Result<(), ControlError> {
    let mut all = JoinSet::new();
    for used in uses {
        let (daemon, act) = (Arc::clone(daemon), act.clone());
        all.spawn(async move {
            let (incident, by) = (used.incident.clone(), used.by.clone());
            let done = daemon.use_link(used, act).await;
            if done.is_ok() {
                tracing::info!(%incident, by, "a link was used");
            }
            done
        });
    }
    let mut done = Ok(());
    while let Some(one) = all.join_next().await {
        done = done.and(one.unwrap_or(Err(ControlError::Broken)));
    }
    done
}

/// The incidents that a link is about, as far as they are remembered, gravest first.
fn rows<'a>(app: &App, snapshot: &'a Snapshot, link: &Link, look: &Look) -> Vec<Row<'a>> {
    let its = snapshot.incidents.iter().filter(|it| link.is_about(&it.id));
    let mut rows: Vec<Row<'_>> = its
        .map(|it| Row { incident: it, used: app.daemon.link_use(&link.nonce_for(&it.id)) })
        .collect();
    rows.sort_by_cached_key(|row| {
        let name = folded(&page::place(snapshot, row.incident, look.language));
        (std::cmp::Reverse(row.incident.severity), name)
    });
    rows
}

fn page<'a>(app: &App, snapshot: &'a Snapshot, link: &'a Link, look: Look) -> Page<'a> {
    Page { snapshot, link: Some(link), now: app.daemon.now().wall, look }
}

/// What a button means: by whom, what is to be done and how that is recorded.
fn choose(
    sent: &Sent,
    link: &Link,
    incidents: &[&Incident],
    now: Timestamp,
) -> Result<(String, Act, Chosen), Unfit> {
    let by = sent.by(link)?;
    let note = api::text("note", &sent.note)?;
    match (sent.hours(), incidents) {
        (None, _) if sent.act == "ack" => {
            let ack = Ack { by: by.clone(), at: now, note, until: None };
            Ok((by, Act::Ack(ack), Chosen::Ack))
        }
        (Some(hours), [incident]) if matches!(link.about, About::One(_)) => {
            let until = after(now, hours);
            let Some(site) = incident.site.clone() else {
                return Err(Unfit::new("there is no site to silence"));
            };
            let silence = Silence {
                id: api::new_id()?,
                site: Some(site),
                from: now,
                until,
                by: by.clone(),
                reason: note,
            };
            Ok((by, Act::Silence(silence), Chosen::Silence { until }))
        }
        _ => Err(Unfit::new("there is no such choice")),
    }
}

/// So many hours later.
fn after(at: Timestamp, hours: u8) -> Timestamp {
    at.checked_add(Duration::from_hours(hours.into())).unwrap_or(Timestamp::MAX)
}

/// The link of a token, or what to answer.
fn open(app: &App, token: &str, look: &Look) -> Result<Link, Box<Response>> {
    let now = app.daemon.now();
    app.daemon.open_link(token).map_err(|error| {
        if error == LinkError::Foreign && app.guesses.is_too_many(now.mono) {
            let wait = [(header::RETRY_AFTER, GUESSES.1.as_secs().to_string())];
            let text = "too many wrong links\n";
            return Box::new((StatusCode::TOO_MANY_REQUESTS, wait, text).into_response());
        }
        let snapshot = app.daemon.snapshot();
        let look = look.clone();
        let page = Page { snapshot: &snapshot, link: None, now: now.wall, look };
        let status = match error {
            LinkError::Foreign => StatusCode::NOT_FOUND,
            LinkError::Expired => StatusCode::GONE,
        };
        Box::new(page.answer(status, &View::Broken(error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slow_after_the_first_few() {
        let guesses = Guesses::default();
        let now = Mono::ZERO + Duration::from_secs(60);
        let refused = (0..30).filter(|_| guesses.is_too_many(now)).count();
        assert_eq!(refused, 10);
        assert!(!guesses.is_too_many(now + GUESSES.1), "another one after a while");
        assert!(guesses.is_too_many(now + GUESSES.1));
    }
}
