//! An incident as a story: what it is in words, and what happened one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::{look_back, past};
use crate::config::Phonebook;
use crate::model::{
    Alert, ChannelId, Incident, IncidentId, Language, Notification, NotificationId,
    NotificationKind, SiteId, Snapshot, on_record,
};
use crate::store::{MarkState, Message};
use crate::texts::{self, Item, Style, Untold};
use crate::web::app::App;
use crate::web::asked::{Id, Tongue};
use crate::web::story::{self, What};

/// Messages that are told.
const MESSAGES: usize = 500;

/// An incident as a story.
#[derive(Serialize)]
struct Timeline {
    taken: Timestamp,
    incident: IncidentId,
    language: Language,
    summary: String,
    description: String,
    action: String,
    contact: String,
    /// Oldest first.
    events: Vec<Event>,
}

/// Something that happened.
#[derive(Serialize)]
struct Event {
    at: Timestamp,
    kind: What,
    /// In words.
    text: String,
    /// For messages.
    channel: Option<ChannelId>,
    /// For messages: how far it is.
    state: Option<&'static str>,
    /// For messages: what the last attempt said.
    error: Option<String>,
}

impl Event {
    fn of(event: story::Event) -> Self {
        let story::Event { at, kind, text } = event;
        Self { at, kind, text, channel: None, state: None, error: None }
    }
}

/// The words of what can happen, for the document.
pub(in crate::web) fn kinds() -> [&'static str; 8] {
    What::ALL.map(What::word)
}

/// Which channels have not got through with what they are to tell.
fn untold(messages: &[Message]) -> Vec<Untold> {
    let mut oldest: BTreeMap<&ChannelId, Untold> = BTreeMap::new();
    for Message { notification, mark } in messages {
        let number = on_record(&notification.id, &notification.alert.incident.id);
        let Some((_, nth)) = number.filter(|_| mark.state == MarkState::Waiting) else { continue };
        let channel = &notification.channel;
        let new = Untold { channel: channel.clone(), nth, through: mark.fallback.clone() };
        let known = oldest.entry(channel).or_insert(new);
        known.nth = known.nth.min(nth);
    }
    oldest.into_values().collect()
}

/// `GET /api/v1/incidents/{id}/timeline`.
pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Tongue(language): Tongue,
) -> Response {
    let incident = match past::find(&app, &id).await {
        Ok(incident) => incident,
        Err(response) => return response,
    };
    let of = incident.id.clone();
    let messages = match look_back(app.daemon.past(), move |history| history.messages(&of)).await {
        Ok(messages) => messages,
        Err(response) => return response,
    };
    let snapshot = app.daemon.snapshot();
    let taken = app.daemon.now().wall;
    let look = app.daemon.look();
    let style = Style::new(language, look.time_zone, "");
    let kind = match incident.is_open() {
        true => NotificationKind::Firing,
        false => NotificationKind::Resolved,
    };
    let alert = alert(&snapshot, (*incident).clone(), language, &look.phonebook);
    let names = alert.names.clone();
    let notification = Notification {
        id: NotificationId::new(""),
        channel: ChannelId::new(""),
        kind,
        created: taken,
        alert,
        instead_of: None,
    };
    let item = Item { untold: untold(&messages), ..Item::new(kind, Arc::new(notification)) };
    let told = texts::write(&item, false, &style);
    let name = |site: &SiteId| names.get(site).map_or_else(|| site.to_string(), Clone::clone);
    let happened = story::of(&incident, &name, language).into_iter();
    let mut events: Vec<Event> = happened.map(Event::of).collect();
    events.extend(messages.into_iter().take(MESSAGES).map(|message| {
        let (vi, en) = match message.notification.kind {
            NotificationKind::Resolved => ("báo đã kết thúc", "told that it is over"),
            NotificationKind::Reminder => ("nhắc lại", "reminded"),
            _ => ("báo tin", "told"),
        };
        let state = match message.mark.state {
            MarkState::Waiting => "waiting",
            MarkState::Delivered => "delivered",
            MarkState::Failed => "failed",
            MarkState::Withdrawn => "withdrawn",
        };
        Event {
            at: message.notification.created,
            kind: What::Message,
            text: language.pick(vi, en).to_owned(),
            channel: Some(message.notification.channel),
            state: Some(state),
            error: message.mark.error,
        }
    }));
    events.sort_by_key(|event| (event.at, event.kind));
    let timeline = Timeline {
        taken,
        incident: incident.id.clone(),
        language,
        summary: told.summary,
        description: told.description,
        action: told.action,
        contact: told.contact,
        events,
    };
    Json(timeline).into_response()
}

/// What texts need of an incident, with names as they are now.
fn alert(
    snapshot: &Snapshot,
    incident: Incident,
    language: Language,
    phonebook: &Phonebook,
) -> Alert {
    let topology = &snapshot.topology;
    let at = incident.site.as_ref().and_then(|site| topology.find_site(site));
    let site = at.map(|ix| topology.site(ix));
    let level = at.map(|ix| topology.level_of(ix));
    let parent = site.and_then(|site| site.parent).map(|ix| topology.site(ix));
    let touched = incident.affected.iter().map(|it| &it.site).chain(&incident.site);
    let names = touched.filter_map(|id| {
        let ix = topology.find_site(id)?;
        Some((id.clone(), topology.site(ix).name.clone()))
    });
    let session = incident.session.as_ref();
    let session = session.and_then(|id| snapshot.sessions.iter().find(|it| it.session.id == *id));
    Alert {
        site_name: site.map_or_else(String::new, |site| site.name.clone()),
        level: level.map_or_else(String::new, |level| level.id.to_string()),
        level_name: level.map_or_else(String::new, |level| level.name.get(language).to_owned()),
        parent: parent.map_or_else(String::new, |parent| parent.id.to_string()),
        parent_name: parent.map_or_else(String::new, |parent| parent.name.clone()),
        contacts: phonebook.of(&incident, topology),
        names: names.collect(),
        // What belongs to no site stands where its session does.
        phase: at
            .map(|ix| snapshot.sites[ix.ix()].phase)
            .or(session.map(|view| view.phase))
            .unwrap_or_default(),
        session_title: session.map(|view| view.session.title.clone()),
        session_start: session.map(|view| view.session.start),
        drill: false,
        phones: BTreeMap::new(),
        readiness: None,
        incident,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{incident, mark, notification};

    #[test]
    fn who_is_waited_for_is_not_named_as_told() {
        let message = |channel: &str, nth: u32, state| {
            let id = format!("i/{channel}/firing/{nth}");
            let it = notification(&id, incident("i", "tan-lap"), NotificationKind::Firing);
            let notification = Notification { channel: ChannelId::new(channel), ..it };
            Message { notification, mark: mark(&id, state) }
        };
        let messages = [
            message("truc", 1, MarkState::Delivered),
            message("truc", 4, MarkState::Waiting),
            message("truc", 3, MarkState::Waiting),
            message("chat", 2, MarkState::Delivered),
        ];
        let expected = Untold { channel: ChannelId::new("truc"), nth: 3, through: None };
        assert_eq!(untold(&messages), [expected]);
    }
}
