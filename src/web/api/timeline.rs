//! An incident as a story: what it is in words, and what happened one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::{look_back, past};
use crate::model::{
    Alert, ChannelId, Incident, IncidentId, Language, Notification, NotificationId,
    NotificationKind, SiteId, Snapshot,
};
use crate::store::MarkState;
use crate::texts::{self, Item, Style};
use crate::web::app::App;
use crate::web::asked::{Id, Tongue};

/// Sites whose coming and going is told; of an outage of the whole province the rest is counted.
const SITES: usize = 200;
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

/// What happened; in this order where it happened at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum What {
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
    const ALL: [Self; 8] = [
        Self::Began,
        Self::Affected,
        Self::Opened,
        Self::Message,
        Self::Taken,
        Self::Relapsed,
        Self::Recovered,
        Self::Resolved,
    ];

    const fn word(self) -> &'static str {
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

/// The words of what can happen, for the document.
pub(in crate::web) fn kinds() -> [&'static str; 8] {
    What::ALL.map(What::word)
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
    let style = Style::new(language, app.daemon.look().time_zone, "");
    let kind = match incident.is_open() {
        true => NotificationKind::Firing,
        false => NotificationKind::Resolved,
    };
    let alert = alert(&snapshot, (*incident).clone(), language);
    let names = alert.names.clone();
    let notification = Notification {
        id: NotificationId::new(""),
        channel: ChannelId::new(""),
        kind,
        created: taken,
        alert,
        instead_of: None,
    };
    let item = Item { told_as: kind, notification: Arc::new(notification) };
    let told = texts::write(&item, false, &style);
    let mut events = happened(&incident, &names, language);
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

/// What the record itself says.
fn happened(
    incident: &Incident,
    names: &BTreeMap<SiteId, String>,
    language: Language,
) -> Vec<Event> {
    let say = |vi, en| language.pick(vi, en).to_owned();
    let name = |site: &SiteId| names.get(site).map_or_else(|| site.to_string(), Clone::clone);
    let event = |at, kind, text| Event { at, kind, text, channel: None, state: None, error: None };
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
            let text = format!("{}: {}", name(&it.site), say("đã trở lại", "well again"));
            events.push(event(until, What::Recovered, text));
        }
    }
    for at in &incident.relapses {
        events.push(event(*at, What::Relapsed, say("lại xảy ra", "it came back")));
    }
    if let Some(ack) = &incident.ack {
        let mut text = format!("{} {}", ack.by, say("tiếp nhận", "took it on"));
        if !ack.note.is_empty() {
            text += &format!(": {}", ack.note);
        }
        events.push(event(ack.at, What::Taken, text));
    }
    if let Some(at) = incident.resolved {
        events.push(event(at, What::Resolved, say("kết thúc", "over")));
    }
    events
}

/// What texts need of an incident, with names as they are now.
fn alert(snapshot: &Snapshot, incident: Incident, language: Language) -> Alert {
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
        contacts: site.map_or_else(Vec::new, |site| site.contacts.clone()),
        names: names.collect(),
        phase: at.map_or_else(Default::default, |ix| snapshot.sites[ix.ix()].phase),
        session_title: session.map(|view| view.session.title.clone()),
        session_start: session.map(|view| view.session.start),
        drill: false,
        readiness: None,
        incident,
    }
}
