//! `GET /`: the province on one page, for a wall screen and for a phone.
//!
//! One document without scripts or anything from elsewhere, since the network may be closed. State
//! is told by colour and by sign, so that colour-blind people and black-and-white prints have it
//! too. What works is pale, what does not is not.

mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use crate::model::{
    Cause, Contact, Health, Incident, Language, Phase, SessionView, Severity, Site, SiteIx,
    SiteView, Snapshot,
};

use super::Look;
use super::app::App;
pub(super) use words::Words;

/// Seconds from one loading of the page to the next.
const REFRESH_S: u32 = 5;
/// A state older than this is called old.
const STALE: Duration = Duration::from_secs(15);
/// Incidents shown in full; the rest are counted.
const INCIDENTS: usize = 12;

/// Members from which a group may be spread over several columns.
const LARGE: usize = 24;

/// What the address may ask for.
#[derive(Deserialize)]
pub(super) struct Asked {
    lang: Option<String>,
}

impl Asked {
    /// The look with the language that was asked for.
    pub(super) fn look(&self, look: Look) -> Look {
        let language = match self.lang.as_deref() {
            Some("vi") => Language::Vi,
            Some("en") => Language::En,
            _ => look.language,
        };
        Look { language, ..look }
    }
}

/// `GET /`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let now = app.daemon.now();
    let look = asked.look(app.daemon.look());
    let shared = &app.overview[look.language as usize];
    let of = Arc::clone(&snapshot);
    let render = move |take: &mut dyn FnMut(&str)| {
        take(&Page::new(&of, now.wall, look).whole().into_string());
    };
    shared.get(&snapshot, now.mono, &headers, render).await
}

/// What every part of the page needs.
struct Page<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    look: Look,
    words: Words,
}

impl<'a> Page<'a> {
    fn new(snapshot: &'a Snapshot, now: Timestamp, look: Look) -> Self {
        let words = Words(look.language);
        Self { snapshot, now, look, words }
    }

    fn whole(&self) -> Markup {
        let words = self.words;
        let (href, lang, name) = words.other_language();
        let taken = self.snapshot.taken.wall.to_zoned_datetime(self.look.time_zone.clone());
        html! {
            (DOCTYPE)
            html lang=(words.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta http-equiv="refresh" content=(REFRESH_S);
                    title { (self.headline()) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(include_str!("overview/style.css"))) }
                }
                body {
                    header {
                        h1 { (words.title()) }
                        p { (words.as_of()) " " time datetime=(self.snapshot.taken.wall) {
                            (taken.strftime("%H:%M:%S %d/%m/%Y").to_string())
                        } }
                        nav { a href=(href) lang=(lang) hreflang=(lang) { (name) } }
                    }
                    main {
                        (self.alarms())
                        (self.totals())
                        div.two {
                            section { (self.incidents()) }
                            section { (self.sessions()) }
                        }
                        div.groups { (self.groups()) }
                    }
                    footer {
                        a href="/metrics" { "/metrics" }
                        a href="/api/v1/status" { "/api/v1/status" }
                        a href="/api/v1/openapi.json" { "OpenAPI" }
                        a href="/-/ready" { "/-/ready" }
                    }
                }
            }
        }
    }

    /// The title of the window: what is worst, so that a row of tabs tells it.
    fn headline(&self) -> String {
        let down = self.count(Health::Down);
        let title = self.words.title();
        if down > 0 { format!("({down} {}) {title}", sign(Health::Down)) } else { title.to_owned() }
    }

    fn count(&self, health: Health) -> usize {
        self.snapshot.sites.iter().filter(|view| view.standing.hard == health).count()
    }

    fn alarms(&self) -> Markup {
        let monitor = &self.snapshot.monitor;
        let age = age(self.snapshot.taken.wall, self.now);
        html! {
            @if monitor.blind {
                p.alarm role="alert" { (self.words.blind()) " " (monitor.reasons.join("; ")) }
            }
            @if age >= STALE {
                p.alarm role="alert" { (self.words.stale()) " " (self.words.lasting(age)) }
            }
        }
    }

    fn totals(&self) -> Markup {
        html! {
            ul.totals {
                @for health in [Health::Down, Health::Degraded, Health::Unknown, Health::Up] {
                    @let count = self.count(health);
                    li class=(if count == 0 { "none" } else { health.word() }) {
                        b { (count) }
                        span { span.sign aria-hidden="true" { (sign(health)) } " " (self.words.health(health)) }
                    }
                }
            }
        }
    }

    fn incidents(&self) -> Markup {
        let active: Vec<&Incident> =
            self.snapshot.incidents.iter().map(AsRef::as_ref).filter(|i| i.is_active()).collect();
        html! {
            h2 { (self.words.incidents()) @if !active.is_empty() { " · " (active.len()) } }
            @if active.is_empty() { p.dim { (self.words.no_incidents()) } }
            div.cards {
                @for incident in active.iter().take(INCIDENTS) { (self.incident(incident)) }
            }
            @if active.len() > INCIDENTS { p.dim { "+ " (active.len() - INCIDENTS) } }
        }
    }

    fn incident(&self, incident: &Incident) -> Markup {
        let words = self.words;
        let site = incident.site.as_ref().and_then(|id| self.snapshot.topology.find_site(id));
        let site = site.map(|ix| self.snapshot.topology.site(ix));
        let affected = incident.affected_now().count();
        let contact = site.and_then(|site| site.contacts.first());
        let urgent = match incident.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        html! {
            article.card.(urgent) {
                h3 {
                    span.unseen { (words.severity(incident.severity)) ": " }
                    (words.cause(incident.cause)) (self.place(incident, site))
                }
                p {
                    (words.since()) " " (self.moment(incident.began))
                    " (" (words.lasting(age(incident.began, self.now))) ")"
                    @if affected > 1 { " · " (affected) " " (words.affected()) }
                    @if incident.delegates > 0 {
                        " · " (incident.delegates) " " (words.delegates())
                    }
                }
                @if let Some(ack) = &incident.ack {
                    p { (words.acked_by()) " " (ack.by) @if !ack.note.is_empty() { " – " (ack.note) } }
                } @else if let Some(contact) = contact {
                    p.dim { (self.contact(contact)) }
                }
            }
        }
    }

    /// Where an incident is: the site with its device, or what the sites have in common.
    fn place(&self, incident: &Incident, site: Option<&Site>) -> Markup {
        html! {
            @if let Some(site) = site { " · " (site.name) }
            @else if let Some(id) = &incident.site { " · " (id) }
            @else if let Some(common) = &incident.common {
                " · " (common.label) ": " (common.value)
            }
            @if incident.cause != Cause::Uplink && incident.cause != Cause::Access {
                @if let Some(endpoint) = &incident.endpoint { " / " (endpoint) }
                @if let Some(check) = &incident.check { " / " (check) }
            }
        }
    }

    fn contact(&self, contact: &Contact) -> Markup {
        html! {
            (self.words.phone()) ": " (contact.name)
            @if !contact.phone.is_empty() {
                @let dialled: String =
                    contact.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
                " " a href={ "tel:" (dialled) } { (contact.phone) }
            }
        }
    }

    fn sessions(&self) -> Markup {
        let sessions = &self.snapshot.sessions;
        html! {
            @if sessions.is_empty() {
                h2 { (self.words.phase(Phase::Idle)) }
                p.dim { (self.words.no_session()) }
            }
            @for view in sessions.iter().take(3) { (self.session(view)) }
        }
    }

    fn session(&self, view: &SessionView) -> Markup {
        let words = self.words;
        let session = &view.session;
        let under_way = view.phase != Phase::Idle;
        html! {
            h2 { (words.phase(view.phase)) }
            div.card {
                h3 { (session.title) }
                p {
                    (self.moment(session.start)) "–" (self.moment(session.end))
                    @if self.now < session.start {
                        " · " (words.until_start()) " "
                        (words.lasting(age(self.now, session.start)))
                    } @else if self.now < session.end {
                        " · " (words.until_end()) " " (words.lasting(age(self.now, session.end)))
                    }
                }
                p {
                    @if under_way {
                        b { (view.sites_in(Health::Up)) "/" (session.sites.len()) } " "
                        (words.sites()) " " (words.health(Health::Up))
                        @for health in [Health::Degraded, Health::Down, Health::Unknown] {
                            @if view.sites_in(health) > 0 {
                                " · " (view.sites_in(health)) " " (words.health(health))
                                " (" (view.delegates_in(health)) " " (words.delegates()) ")"
                            }
                        }
                    } @else {
                        (session.sites.len()) " " (words.sites()) " · "
                        (session.delegates()) " " (words.delegates())
                    }
                }
            }
        }
    }

    /// The sites in groups: each site that others hang on with those directly below it, then those
    /// that belong to no group.
    fn groups(&self) -> Markup {
        let topology = &self.snapshot.topology;
        let leaf = |ix: &SiteIx| topology.site(*ix).children.is_empty();
        let alone: Vec<SiteIx> = topology
            .site_ixs()
            .filter(|ix| leaf(ix) && topology.site(*ix).parent.is_none())
            .collect();
        html! {
            @for parent in topology.site_ixs().filter(|ix| !leaf(ix)) {
                @let members: Vec<SiteIx> =
                    topology.site(parent).children.iter().copied().filter(leaf).collect();
                section.group.large[members.len() > LARGE] {
                    h2 { (self.cell(parent)) (self.tally(&members)) }
                    (self.cells(&members))
                }
            }
            @if !alone.is_empty() {
                section.group.large[alone.len() > LARGE] {
                    h2 { (self.words.others()) " " (self.tally(&alone)) }
                    (self.cells(&alone))
                }
            }
        }
    }

    /// How many of a group work.
    fn tally(&self, members: &[SiteIx]) -> Markup {
        let up = members.iter().filter(|ix| self.view(**ix).standing.hard == Health::Up).count();
        html! {
            @if !members.is_empty() {
                span.dim {
                    (up) "/" (members.len()) span.unseen { " " (self.words.health(Health::Up)) }
                }
            }
        }
    }

    fn cells(&self, members: &[SiteIx]) -> Markup {
        html! {
            @if !members.is_empty() {
                ul.cells { @for ix in members { li { (self.cell(*ix)) } } }
            }
        }
    }

    fn view(&self, ix: SiteIx) -> &SiteView {
        &self.snapshot.sites[ix.ix()]
    }

    fn cell(&self, ix: SiteIx) -> Markup {
        let site = self.snapshot.topology.site(ix);
        let view = self.view(ix);
        let health = view.standing.hard;
        let planned = view.in_maintenance || view.silenced;
        let note = if view.in_maintenance {
            self.words.in_maintenance()
        } else if view.silenced {
            self.words.silenced()
        } else {
            ""
        };
        let lasting = view
            .standing
            .since
            .filter(|_| health != Health::Up)
            .map(|since| self.words.briefly(age(since, self.now)));
        html! {
            span.cell.planned[planned].(health.word()) title=[(!note.is_empty()).then_some(note)] {
                span.sign aria-hidden="true" { (sign(health)) }
                span.name { (site.name) span.unseen { ": " (self.words.health(health)) " " (note) } }
                @if let Some(lasting) = lasting { small { (lasting) } }
            }
        }
    }

    fn moment(&self, at: Timestamp) -> String {
        self.words.moment(at, self.now, &self.look.time_zone)
    }
}

/// The sign of a health, which every font has.
const fn sign(health: Health) -> &'static str {
    match health {
        Health::Up => "✓",
        Health::Degraded => "!",
        Health::Down => "✕",
        Health::Unknown => "?",
    }
}

/// Time from `then` to `now`; zero when the clock was set back meanwhile.
pub(super) fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
