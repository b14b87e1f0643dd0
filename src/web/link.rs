//! `GET` and `POST /a/{token}`: the page behind the link in a message.
//!
//! The reader stands in a corridor with a phone and has no account; the link itself is the proof of
//! who it was sent to. Programs that show previews of links fetch them, and so do mail scanners:
//! therefore a `GET` only shows, and only the `POST` of a button acts, once for each link. The page
//! has no scripts and nothing from elsewhere.

mod page;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{Ack, Act, Chosen, Incident, LinkUse, Mono, Silence};
use crate::notify::{Link, LinkError};

use self::page::{Page, View};
use super::api::{self, Unfit};
use super::app::{App, carry_out};
use super::look::Asked;
use super::{ControlError, Look};

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
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    /// Which button.
    act: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    note: String,
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
    let used = app.daemon.link_use(&link);
    let known = snapshot.incidents.iter().find(|it| it.id == link.incident).map(|it| &**it);
    let (status, view) = match (&used, known) {
        (Some(used), incident) => (StatusCode::OK, View::Used(used, incident)),
        (None, Some(incident)) if incident.is_open() => (StatusCode::OK, View::Open(incident)),
        (None, incident) => (StatusCode::GONE, View::Over(incident)),
    };
    let kept = app.daemon.store().trouble.is_none();
    let now = app.daemon.now().wall;
    Page { snapshot: &snapshot, link: Some(&link), now, look, kept }.answer(status, &view)
}

/// `POST /a/{token}`: does what was chosen, once.
pub(super) async fn act(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Asked(look): Asked,
    address: Uri,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let link = match open(&app, &token, &look) {
        Ok(link) => link,
        Err(response) => return *response,
    };
    let now = app.daemon.now().wall;
    let snapshot = app.daemon.snapshot();
    // Shown again, the page says why nothing happened: it is over, or the link was used.
    let again = || Redirect::to(&address.to_string()).into_response();
    let Some(incident) = snapshot.incidents.iter().find(|it| it.id == link.incident) else {
        return again();
    };
    if !incident.is_open() {
        return again();
    }
    let chosen = form.map_err(|error| Unfit::new(error.body_text()));
    let chosen = chosen.and_then(|Form(sent)| choose(&sent, &link, incident, now));
    let (act, used) = match chosen {
        Ok(chosen) => chosen,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let by = used.by.clone();
    let daemon = Arc::clone(&app.daemon);
    let done = carry_out(async move { daemon.use_link(used, act).await }).await;
    if done == Some(Ok(())) {
        tracing::info!(incident = %link.incident, channel = %link.channel, by, "a link was used");
    }
    match done {
        // That the disk does not take it is said there, too.
        Some(Ok(()) | Err(ControlError::Used | ControlError::NotFound | ControlError::Unkept)) => {
            again()
        }
        Some(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "this broke off\n").into_response(),
    }
}

/// What a button means: who is the name that was given and the channel that got the link.
fn choose(
    sent: &Sent,
    link: &Link,
    incident: &Incident,
    now: Timestamp,
) -> Result<(Act, LinkUse), Unfit> {
    let channel = link.channel.as_str();
    let by = match sent.name.trim() {
        "" => channel.to_owned(),
        name => api::person(&format!("{name} ({channel})"))?,
    };
    let note = api::text("note", &sent.note)?;
    let (act, chosen) = match sent.act.strip_prefix("silence-") {
        None if sent.act == "ack" => {
            (Act::Ack(Ack { by: by.clone(), at: now, note, until: None }), Chosen::Ack)
        }
        Some(hours @ ("1" | "4")) => {
            let hours = if hours == "1" { 1 } else { 4 };
            let until = now.checked_add(Duration::from_hours(hours)).unwrap_or(Timestamp::MAX);
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
            (Act::Silence(silence), Chosen::Silence { until })
        }
        _ => return Err(Unfit::new("there is no such choice")),
    };
    let used =
        LinkUse { nonce: link.nonce.clone(), incident: link.incident.clone(), at: now, by, chosen };
    Ok((act, used))
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
        let page = Page { snapshot: &snapshot, link: None, now: now.wall, look, kept: true };
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
