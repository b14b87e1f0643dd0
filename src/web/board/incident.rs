//! Incidents as people act on them: what, where, since when, whom to phone, and two buttons.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::{
    Alert, ChannelStatus, Contact, Incident, IncidentId, NotificationKind, Phase, Resolution,
    Severity, SiteId, SiteIx, Snapshot, Told,
};
use crate::texts::{self, Account};

use super::pen::{Pen, age, to_incident, to_site};
use super::{Here, Page, Reader, silences, unread};
use crate::web::app::App;
use crate::web::story::{self, What};

/// Sites that a card names; the rest are counted.
const NAMED: usize = 24;
/// People to phone that a card names.
const CONTACTS: usize = 2;

/// `GET /incidents/{id}`: where messages and links lead. One that is long over is looked up in the
/// history.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    reader: Reader,
) -> Response {
    let shown = app.live.advance(&*app.daemon);
    let pen = reader.pen(&app, &shown.snapshot);
    let known = shown.snapshot.incidents.iter().find(|it| it.id.as_str() == id).cloned();
    let lately = known.is_some();
    let found = match known {
        Some(incident) => Ok(Some(incident)),
        None => {
            let wanted = IncidentId::new(id.as_str());
            let found = app.daemon.past().ask(move |history| history.incident(&wanted)).await;
            found.map(|found| found.map(Arc::new))
        }
    };
    let incident = match found {
        Ok(Some(incident)) => incident,
        Ok(None) => {
            let what = pen.pick("Không có sự cố nào là", "There is no incident called");
            return reader.lost(&pen, what, &id);
        }
        Err(error) => {
            let title = pen.pick("Sự cố", "Incident");
            let main = html! { h1 { (title) } (unread(&pen, &error)) };
            let page = Page::new(title, Here::Incident);
            return reader.answer(StatusCode::SERVICE_UNAVAILABLE, &pen, &page, &main);
        }
    };
    let account = account(&pen, &incident);
    let title = format!("{} {}", account.subject, account.fault);
    let title = if incident.is_open() { title } else { format!("✓ {title}") };
    let main = whole(&pen, &incident, &account, &app.daemon.channels());
    let place = app.live.place(shown.version);
    // Nothing about one of the past changes any more.
    let page = Page {
        live: lately.then_some(place),
        refresh: lately,
        ..Page::new(&title, Here::Incident)
    };
    reader.answer(StatusCode::OK, &pen, &page, &main)
}

fn whole(
    pen: &Pen<'_>,
    incident: &Incident,
    account: &Account,
    channels: &[ChannelStatus],
) -> Markup {
    let site = place(pen.snapshot, incident);
    html! {
        nav.way aria-label=(pen.pick("Đường dẫn", "Path")) {
            a href="/" { (pen.pick("Bảng theo dõi", "Board")) }
            @if let Some(ix) = site {
                @let site = pen.snapshot.topology.site(ix);
                " › " a href=(to_site(&site.id)) dir="auto" { (site.name) }
            }
        }
        article #incident data-live data-incident=(incident.id) {
            @if let Some(at) = incident.ended() {
                (over(pen, incident, at))
                (passed_on(pen, incident))
            }
            h1.named {
                @if incident.is_open() {
                    i.mark.(incident.severity.word()) aria-hidden="true" { (mark(incident.severity)) }
                    span.v { (pen.words.severity(incident.severity)) ": " }
                    " "
                }
                span dir="auto" { (account.subject) } " " (account.fault)
            }
            p.facts {
                @let since = incident.last_since();
                (pen.pick("từ ", "since ")) (pen.moment(since))
                @match incident.ended() {
                    Some(at) => {
                        (pen.pick(" đến ", " until ")) (pen.moment(at)) ", "
                        (pen.pick("kéo dài ", "it lasted ")) (pen.words.lasting(age(since, at)))
                        @if since > incident.began {
                            " · " (pen.pick("lần đầu lúc ", "first at ")) (pen.moment(incident.began))
                            ", " (recurred(pen, incident.relapses.len()))
                        }
                    },
                    None => { " · " b { (pen.ago(since)) } },
                }
                (extent(pen, incident))
            }
            (rests(pen, incident))
            (likely(pen, account))
            @if incident.is_open() {
                (taken(pen, incident))
                (waits(pen, incident))
                (silences::notes(pen, site))
                (phones(pen, incident))
                (buttons(pen, incident))
                (details(pen, incident, account))
            } @else {
                (waits(pen, incident))
                // Nobody is to set out any more.
                details {
                    summary { (pen.pick("Dấu hiệu, việc cần làm khi đó", "Evidence, what was to be done")) }
                    (details(pen, incident, account))
                    (phones(pen, incident))
                }
            }
            (story(pen, incident, channels))
        }
    }
}

/// That nothing is to be done any more.
fn over(pen: &Pen<'_>, incident: &Incident, at: Timestamp) -> Markup {
    let how = match incident.resolution {
        Some(Resolution::Removed) => {
            pen.pick("Đã kết thúc, không còn được theo dõi, lúc ", "Over, watched no longer, at ")
        }
        Some(Resolution::Unshown) => {
            pen.pick("Đã kết thúc, thiết bị không còn cho thấy, lúc ", "Over, shown no longer, at ")
        }
        Some(Resolution::Recovered) | None => pen.pick("Đã khắc phục lúc ", "Resolved at "),
    };
    html! { p.over { span aria-hidden="true" { "✓ " } (how) (pen.moment(at)) } }
}

/// Which sites were not back with the others.
fn passed_on(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let sites: Vec<&SiteId> = incident.passed_on().collect();
    html! {
        @if !sites.is_empty() {
            p { (pen.pick("Khi đó chưa khôi phục: ", "Not back by then: ")) (names(pen, &sites)) }
        }
    }
}

/// How often it came back.
fn recurred(pen: &Pen<'_>, times: usize) -> String {
    match times {
        1 => pen.pick("tái diễn 1 lần", "recurred once").to_owned(),
        times => {
            format!("{} {times} {}", pen.pick("tái diễn", "recurred"), pen.pick("lần", "times"))
        }
    }
}

/// Lines of a story from which it is folded away.
const FOLDED: usize = 20;

/// What happened one after the other, and who was told of it.
fn story(pen: &Pen<'_>, incident: &Incident, channels: &[ChannelStatus]) -> Markup {
    let name = |site: &SiteId| {
        let known = pen.snapshot.topology.find_site(site);
        known.map_or_else(|| site.to_string(), |ix| pen.snapshot.topology.site(ix).name.clone())
    };
    let happened = story::of(incident, &name, pen.look.language);
    let mut lines: Vec<(Timestamp, u8, String)> =
        happened.into_iter().map(|event| (event.at, event.kind as u8, event.text)).collect();
    lines.extend(incident.told.iter().map(|told| {
        let kind = match told.kind {
            NotificationKind::Firing => pen.pick("báo sự cố", "told"),
            NotificationKind::Update => pen.pick("báo cập nhật", "told of a change"),
            NotificationKind::Reminder => pen.pick("nhắc lại", "reminded"),
            NotificationKind::Escalation => pen.pick("chuyển cấp", "escalated"),
            NotificationKind::Resolved => pen.pick("báo đã khắc phục", "told that it is over"),
        };
        let mut text = format!("{kind} · {} {}", pen.pick("kênh", "channel"), told.channel);
        if !told.people.is_empty() {
            text = format!("{text} · {}", told.people.join(", "));
        }
        match told.through() {
            None => text += pen.pick(" · không gửi được", " · not delivered"),
            Some(other) if *other != told.channel => {
                text = format!("{text} · {} {other}", pen.pick("qua kênh", "through channel"));
            }
            Some(_) if may_wait(told, channels) => {
                text += pen.pick(
                    " · kênh đang lỗi, có thể chưa tới",
                    " · the channel fails, it may not have arrived",
                );
            }
            Some(_) => {}
        }
        (told.at, What::Message as u8, text)
    }));
    lines.sort();
    html! {
        details #story open[lines.len() < FOLDED] {
            summary { (pen.pick("Diễn biến", "What happened")) " (" (lines.len()) ")" }
            ol.plain { @for (at, _, text) in &lines { li {
                time.when datetime=(at) { (pen.exact(*at)) } " " span dir="auto" { (text) }
            } } }
        }
    }
}

/// Whether its channel fails and has not got through with what was decided then, as far as can be
/// told by the oldest that waits.
fn may_wait(told: &Told, channels: &[ChannelStatus]) -> bool {
    let mut failing = channels.iter().filter(|it| it.failing_since.is_some());
    let channel = failing.find(|it| it.id == told.channel);
    channel.and_then(|it| it.untold).is_some_and(|oldest| oldest <= told.at)
}

/// One incident on a card.
pub(super) fn card(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let words = pen.words;
    let account = account(pen, incident);
    let site = place(pen.snapshot, incident);
    html! {
        article.card.(incident.severity.word()).taken[incident.taken_by(pen.now).is_some()]
            id=(incident.id) data-incident=(incident.id) tabindex="-1" {
            h3 {
                i.mark.(incident.severity.word()) aria-hidden="true" { (mark(incident.severity)) } " "
                span.v { (words.severity(incident.severity)) ": " }
                a href=(to_incident(&incident.id)) dir="auto" { (account.subject) }
                " " span.what { (account.fault) }
            }
            p.facts {
                (pen.pick("từ", "since")) " " (pen.moment(incident.since()))
                " · " b { (pen.ago(incident.since())) }
                (extent(pen, incident))
                @if incident.flapping { " · " (pen.pick("chập chờn", "comes and goes")) }
            }
            (rests(pen, incident))
            (likely(pen, &account))
            (taken(pen, incident))
            (waits(pen, incident))
            (silences::notes(pen, site))
            div.foot { (phones(pen, incident)) (buttons(pen, incident)) }
            details {
                summary { (pen.pick("Dấu hiệu, việc cần làm", "Evidence, what to do")) }
                (details(pen, incident, &account))
            }
        }
    }
}

/// That everything is well for the time being.
fn rests(pen: &Pen<'_>, incident: &Incident) -> Markup {
    html! {
        @if let Some(at) = incident.well_since() {
            p.over {
                (pen.pick("Đã hết lỗi từ ", "Well since ")) (pen.moment(at))
                (pen.pick(", đang theo dõi đến khi ổn định", ", watched until it is stable"))
            }
        }
    }
}

/// Who is not told of it, or of its end, for the time being, and until when.
pub(super) fn waits(pen: &Pen<'_>, incident: &Incident) -> Markup {
    html! {
        @if let Some(quiet) = &incident.quiet {
            p.note {
                b { @match incident.is_open() {
                    true => (pen.pick("Chưa báo", "Not told yet")),
                    false => (pen.pick("Chưa báo đã khắc phục", "Not told yet that it is over")),
                } }
                ": "
                @for (nth, it) in quiet.whom.iter().enumerate() {
                    @if nth > 0 { ", " }
                    span dir="auto" { (it) }
                    @if let Some(at) = it.not_before {
                        " (" (pen.pick("sớm nhất ", "not before ")) (pen.moment(at)) ")"
                    }
                }
                (pen.pick("; chờ hết giờ yên lặng, đến ", "; quiet hours until "))
                (pen.moment(quiet.until))
            }
        }
        @if !incident.held_back.is_empty() {
            p.note {
                b { @match incident.is_open() {
                    true => (pen.pick("Tạm giữ tin", "Held back")),
                    false => (pen.pick("Tạm giữ tin đã khắc phục", "Held back that it is over")),
                } }
                ": "
                @for (nth, channel) in incident.held_back.iter().enumerate() {
                    @if nth > 0 { ", " }
                    (channel)
                }
                @match incident.is_open() {
                    true => (pen.pick(
                        "; đã đủ số tin mỗi giờ về sự cố này, hoặc chờ xem có kéo dài không",
                        "; the messages of the hour about it are used up, or it has yet to last",
                    )),
                    false => (pen.pick(
                        "; chờ đến khi ổn định và còn lượt gửi trong giờ",
                        "; until that has lasted and the hour has room",
                    )),
                }
            }
        }
    }
}

/// How many it touches.
fn extent(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let affected = incident.affected_now().count();
    html! {
        @if affected > 1 {
            " · " b { (pen.count(affected)) } " " (pen.pick("điểm cầu bị ảnh hưởng", "sites affected"))
        }
        @if incident.delegates > 0 {
            " · " b { (pen.count(incident.delegates)) } " " (pen.words.delegates())
        }
    }
}

/// The cause in a few words, for whoever cannot click on a wall.
fn likely(pen: &Pen<'_>, account: &Account) -> Markup {
    html! { p.likely { span.dim { (pen.pick("Khả năng: ", "Likely: ")) } (account.likely) } }
}

/// Evidence, what to do, whom it touches.
pub(super) fn details(pen: &Pen<'_>, incident: &Incident, account: &Account) -> Markup {
    let affected: Vec<_> = incident.affected_now().collect();
    html! {
        dl {
            @if !account.evidence.is_empty() {
                dt { (pen.pick("Dấu hiệu", "Seen")) }
                dd { ul { @for seen in &account.evidence { li dir="auto" { (seen) } } } }
            }
            dt { (pen.pick("Việc cần làm", "What to do")) }
            dd { (account.action) }
            @if affected.len() > 1 {
                dt { (pen.pick("Ảnh hưởng", "Affected")) }
                dd { (names(pen, &affected)) }
            }
        }
    }
}

/// These sites by name; of many the first.
fn names(pen: &Pen<'_>, sites: &[&SiteId]) -> Markup {
    let topology = &pen.snapshot.topology;
    html! {
        @for (nth, id) in sites.iter().take(NAMED).enumerate() {
            @if nth > 0 { ", " }
            @match topology.find_site(id) {
                Some(ix) => a href=(to_site(id)) dir="auto" { (topology.site(ix).name) },
                None => (id),
            }
        }
        @if sites.len() > NAMED {
            " " (pen.pick("và", "and")) " " (sites.len() - NAMED) " "
            (pen.pick("điểm cầu khác", "more"))
        }
    }
}

/// Who has it.
fn taken(pen: &Pen<'_>, incident: &Incident) -> Markup {
    html! {
        @if let Some(ack) = incident.whose(pen.now) {
            p.ack {
                "✓ " (pen.pick("Đã tiếp nhận: ", "Taken on by ")) b dir="auto" { (ack.by) }
                " " (pen.pick("lúc", "at")) " " (pen.moment(ack.at))
                @if let Some(until) = ack.until {
                    " " (pen.pick("đến", "until")) " " (pen.moment(until))
                }
                @if !ack.note.is_empty() { " – " span dir="auto" { (ack.note) } }
            }
        }
    }
}

/// Whom to phone about an incident.
pub(super) fn phones(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let contacts = pen.look.phonebook.of(incident, &pen.snapshot.topology);
    html! {
        @for contact in contacts.iter().take(CONTACTS) { (phone(pen, contact)) }
    }
}

fn phone(pen: &Pen<'_>, contact: &Contact) -> Markup {
    html! {
        p.who {
            (pen.pick("Gọi ", "Phone ")) span dir="auto" { (contact.name) }
            @if !contact.phone.is_empty() { " " (pen.phone(&contact.phone)) }
        }
    }
}

/// What can be done about it. The page's script asks for a name and sends it.
pub(super) fn buttons(pen: &Pen<'_>, incident: &Incident) -> Markup {
    html! {
        div.acts {
            @let held = incident.taken_by(pen.now);
            button.main type="button" data-act="ack" data-over=[held.map(|ack| &ack.by)] {
                @if held.is_some() {
                    (pen.pick("Nhận thay", "Take over"))
                } @else {
                    (pen.pick("Tiếp nhận", "Take on"))
                }
            }
            @if let Some(site) = &incident.site && silences::of(pen, place(pen.snapshot, incident)).next().is_none() {
                button type="button" data-act="silence" data-site=(site) {
                    (pen.pick("Tạm tắt cảnh báo", "Silence"))
                }
            }
        }
    }
}

/// The site at fault.
pub(super) fn place(snapshot: &Snapshot, incident: &Incident) -> Option<SiteIx> {
    incident.site.as_ref().and_then(|id| snapshot.topology.find_site(id))
}

/// What an incident is, in words.
pub(super) fn account(pen: &Pen<'_>, incident: &Incident) -> Account {
    let style = texts::Style::new(pen.look.language, pen.look.time_zone.clone(), "");
    texts::account(&alert(pen, incident), &style)
}

/// What an incident says to people, from what is known now.
fn alert(pen: &Pen<'_>, incident: &Incident) -> Alert {
    let topology = &pen.snapshot.topology;
    let name = |id: &SiteId| {
        let ix = topology.find_site(id)?;
        Some((id.clone(), topology.site(ix).name.clone()))
    };
    let sites = incident.affected.iter().map(|it| &it.site).chain(&incident.site);
    let names: BTreeMap<_, _> =
        sites.chain(incident.evidence.iter().map(|it| &it.target.site)).filter_map(name).collect();
    let site = place(pen.snapshot, incident).map(|ix| (topology.site(ix), topology.level_of(ix)));
    let parent = site.and_then(|(site, _)| Some(topology.site(site.parent?)));
    let session = incident.session.as_ref();
    let session =
        session.and_then(|id| pen.snapshot.sessions.iter().find(|it| it.session.id == *id));
    Alert {
        incident: incident.clone(),
        // A site that is no longer watched is told by its id.
        site_name: match (site, &incident.site) {
            (Some((site, _)), _) => site.name.clone(),
            (None, Some(id)) => id.to_string(),
            (None, None) => String::new(),
        },
        level: site.map(|(_, level)| level.id.to_string()).unwrap_or_default(),
        level_name: site
            .map(|(_, level)| level.name.get(pen.look.language).to_owned())
            .unwrap_or_default(),
        parent: parent.map(|parent| parent.id.to_string()).unwrap_or_default(),
        parent_name: parent.map(|parent| parent.name.clone()).unwrap_or_default(),
        contacts: pen.look.phonebook.of(incident, topology),
        names,
        phase: session.map_or(Phase::Idle, |view| view.phase),
        session_title: session.map(|view| view.session.title.clone()),
        session_start: session.map(|view| view.session.start),
        drill: false,
        phones: BTreeMap::new(),
        readiness: None,
    }
}

/// The mark of a severity, for lists of one line each.
pub(super) const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "✕",
        Severity::Warning => "!",
        Severity::Info => "i",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelId;
    use crate::store::tests::{at, told};

    #[test]
    fn what_a_channel_that_fails_has_waiting_may_not_have_arrived() {
        let moment = |second: u32| at(&format!("2026-02-03T01:00:{second:02}Z"));
        let told = told("truc", NotificationKind::Firing, moment(20));
        let idle = ChannelStatus::idle(ChannelId::new("truc"), "webhook");
        let waits = |failing: bool, oldest: Option<u32>| {
            let failing_since = failing.then(|| moment(25));
            let untold = oldest.map(moment);
            may_wait(&told, &[ChannelStatus { failing_since, untold, ..idle.clone() }])
        };
        assert!(waits(true, Some(20)) && waits(true, Some(10)));
        assert!(!waits(true, Some(21)), "only what came later waits");
        assert!(!waits(true, None) && !waits(false, Some(10)));
    }
}
