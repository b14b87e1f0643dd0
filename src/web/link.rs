//! `GET` and `POST /a/{token}`: the page behind the link in a message.
//!
//! The reader stands in a corridor with a phone and has no account; the link itself is the proof of
//! who it was sent to. Programs that show previews of links fetch them, and so do mail scanners:
//! therefore a `GET` only shows, and only the `POST` of a button acts, once for each incident of a
//! link. The page has no scripts and nothing from elsewhere.
//!
//! `page` is what there is to know, `form` what there is to press, `sent` what that sends.

mod form;
mod page;
mod sent;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::task::JoinSet;

use crate::model::{Act, Chosen, Incident, LinkUse, Mono, Snapshot, folded};
use crate::notify::{About, Link, LinkError};

use self::page::{Offer, Page, View};
use self::sent::{Amiss, Choice, Sent, after};
use super::acks::{Circumstances, Until};
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
    let uses = match decide(&app, &link, look.clone(), form) {
        Ok(Some(decided)) => decided,
        Ok(None) => return again(),
        Err(response) => return *response,
    };
    let daemon = Arc::clone(&app.daemon);
    let done = carry_out(async move {
        let done = use_for_each(&daemon, uses).await;
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
) -> Result<Option<Vec<(LinkUse, Act)>>, Box<Response>> {
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
    let choice = sent.choice(several).map_err(unfit)?;
    let chosen: Vec<&Incident> =
        left.iter().copied().filter(|it| !several || sent.names(it)).collect();
    let again = |status: StatusCode, why: Amiss| {
        let view = match several {
            true => View::Several(&rows, Some((&sent, why))),
            false => View::Open(first, Some((&sent, why))),
        };
        Box::new(page(app, &snapshot, link, look.clone()).answer(status, &view))
    };
    let reader = app.daemon.reader(&link.channel);
    let signed = sent.by(link, reader.as_deref()).and_then(|by| {
        let note = sent.note(look.language)?;
        if note.is_empty() {
            return Err(Amiss::Reason);
        }
        Ok((by, note))
    });
    let (by, note) = signed.map_err(|why| again(StatusCode::BAD_REQUEST, why))?;
    if chosen.is_empty() {
        return Err(again(StatusCode::BAD_REQUEST, Amiss::NoneChosen));
    }
    let is_held = |incident: &&Incident| {
        let held = incident.taken_by(now).filter(|held| held.by != by);
        held.is_some_and(|held| !sent.takes_over(incident, held))
    };
    if matches!(choice, Choice::Ack(_)) && chosen.iter().any(is_held) {
        return Err(again(StatusCode::CONFLICT, Amiss::Held));
    }
    let lasts = app.daemon.ack_lasts();
    let circumstances = Circumstances { snapshot: &snapshot, lasts: &lasts, now };
    let use_for = |incident: &Incident| {
        let (act, what) = match choice {
            Choice::Ack(until) => {
                // The session may have ended since the page was shown, and touches not all of a
                // digest.
                let is_over = until == Until::Session && circumstances.session(incident).is_none();
                let until = if is_over { Until::Usual } else { until };
                let ack = circumstances.ack(incident, by.clone(), &note, until)?;
                (Act::Ack(ack), Chosen::Ack)
            }
            Choice::Silence(hours) => {
                let until = after(now, hours);
                let site = incident.site.clone();
                let site = site.ok_or_else(|| Unfit::new("there is no site to silence"))?;
                let silence =
                    api::new_silence(&snapshot, Some(site), (now, until), by.clone(), &note)?;
                (Act::Silence(silence), Chosen::Silence { until })
            }
            Choice::Maintain(hours) => {
                let until = after(now, hours);
                let site = incident.site.clone();
                let site = site.ok_or_else(|| Unfit::new("there is no site to work on"))?;
                let window =
                    api::new_window(&snapshot, vec![site], (now, until), by.clone(), &note)?;
                (Act::Maintain(window), Chosen::Maintenance { until })
            }
        };
        let used = LinkUse {
            nonce: link.nonce_for(&incident.id),
            incident: incident.id.clone(),
            at: now,
            by: by.clone(),
            chosen: what,
        };
        Ok((used, act))
    };
    let uses: Result<Vec<(LinkUse, Act)>, Unfit> = chosen.into_iter().map(use_for).collect();
    uses.map(Some).map_err(unfit)
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
    let reader = app.daemon.reader(&link.channel);
    let lasts = app.daemon.ack_lasts();
    let is_done = |used: &LinkUse, incident: Option<&Incident>| {
        let then = Circumstances { snapshot, lasts: &lasts, now: used.at };
        sent.is_done_by(link, reader.as_deref(), used, incident, &then)
    };
    match &link.about {
        About::One(_) => {
            let used = app.daemon.link_use(&link.nonce)?;
            let incident = rows.first().map(|row| row.incident);
            let view = View::Used(&used, incident, Some(sent));
            (!is_done(&used.used, incident)).then(|| page.answer(StatusCode::CONFLICT, &view))
        }
        About::Several(_) => {
            let is_anothers = |row: &Row<'_>| {
                let used = row.used.as_ref().filter(|_| sent.names(row.incident));
                used.is_some_and(|it| !is_done(&it.used, Some(row.incident)))
            };
            let view = View::Several(rows, Some((sent, Amiss::Used)));
            rows.iter().any(is_anothers).then(|| page.answer(StatusCode::CONFLICT, &view))
        }
    }
}

/// Does what was chosen for each incident, all at once; gives what went wrong with one of them.
async fn use_for_each(
    daemon: &Arc<dyn Daemon>,
    uses: Vec<(LinkUse, Act)>,
) -> Result<(), ControlError> {
    let mut all = JoinSet::new();
    for (used, act) in uses {
        let daemon = Arc::clone(daemon);
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
    let offer = Offer { reader: app.daemon.reader(&link.channel), lasts: app.daemon.ack_lasts() };
    Page { snapshot, link: Some((link, offer)), now: app.daemon.now().wall, look }
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
