//! `GET /sites/{id}`: one site, from its state to the last probe of each of its devices.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use crate::model::{
    CheckKind, EndpointIx, Failure, Health, Incident, Phase, Quality, QualityGrade, SiteId, SiteIx,
    TargetIx, TargetView,
};
use crate::probe::explain;

use super::pen::{Pen, to_incident, to_session, to_site};
use super::state::{Causes, State};
use super::{Here, Page, Reader, incident, silences};
use crate::web::api::past::touches;
use crate::web::app::App;

/// Sites behind this one that are named; the rest are counted.
const BEHIND: usize = 60;

/// `GET /sites/{id}`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    reader: Reader,
) -> Response {
    let shown = app.live.advance(&*app.daemon);
    let pen = reader.pen(&app, &shown.snapshot);
    let place = app.live.place(shown.version);
    let Some(ix) = shown.snapshot.topology.find_site(&SiteId::new(id.as_str())) else {
        let what = pen.pick("Không có điểm cầu nào tên là", "There is no site called");
        return reader.lost(&pen, what, &id);
    };
    let site = shown.snapshot.topology.site(ix);
    let main = whole(&pen, ix);
    let page = Page { live: Some(place), refresh: true, ..Page::new(&site.name, Here::Site) };
    reader.answer(StatusCode::OK, &pen, &page, &main)
}

fn whole(pen: &Pen<'_>, ix: SiteIx) -> Markup {
    let topology = &pen.snapshot.topology;
    let site = topology.site(ix);
    let incidents: Vec<&Incident> = pen
        .snapshot
        .incidents
        .iter()
        .map(AsRef::as_ref)
        .filter(|it| touches(it, &site.id))
        .collect();
    html! {
        (way(pen, ix))
        div #site data-live { (head(pen, ix)) }
        div #probed role="status" {}
        div.two.even {
            div {
                section #here data-live aria-label=(pen.pick("Sự cố", "Incidents")) {
                    @for incident in incidents.iter().filter(|it| it.is_active()) {
                        (incident::card(pen, incident))
                    }
                }
                section #devices data-live aria-label=(pen.pick("Thiết bị", "Devices")) {
                    @for endpoint in &site.endpoints { (device(pen, *endpoint)) }
                    @if site.endpoints.is_empty() {
                        p.dim { (pen.pick("Chưa khai báo thiết bị nào.", "No device is configured.")) }
                    }
                }
            }
            div {
                section #people aria-labelledby="people-title" {
                    h2 #people-title { (pen.pick("Liên hệ", "Contacts")) }
                    @if site.contacts.is_empty() {
                        p.dim { (pen.pick("Chưa có ai trong danh bạ.", "Nobody is listed.")) }
                    }
                    ul.plain {
                        @for contact in &site.contacts {
                            li {
                                span dir="auto" { (contact.name) }
                                @if !contact.phone.is_empty() { " " (pen.phone(&contact.phone)) }
                                @if !contact.email.is_empty() {
                                    " " a href={ "mailto:" (contact.email) } { (contact.email) }
                                }
                            }
                        }
                    }
                }
                section #recent data-live aria-labelledby="recent-title" {
                    h2 #recent-title { (pen.pick("Sự cố vừa qua", "Incidents lately")) }
                    @let over: Vec<_> = incidents.iter().filter(|it| !it.is_open()).collect();
                    @if over.is_empty() {
                        p.dim { (pen.pick("Không có trong giờ qua.", "None in the last hour.")) }
                    }
                    ul.plain { @for it in over { li { (past(pen, it)) (incident::waits(pen, it)) } } }
                }
                (behind(pen, ix))
                @if !site.labels.is_empty() {
                    section aria-labelledby="labels-title" {
                        h2 #labels-title { (pen.pick("Nhãn", "Labels")) }
                        ul.plain { @for (label, value) in &site.labels {
                            li { (label) ": " b dir="auto" { (value) } }
                        } }
                    }
                }
            }
        }
        // It comes from the disk, so the script brings it once the page is there.
        @let history = format!("{}/history", to_site(&site.id));
        section #history data-lazy=(history) aria-label=(pen.pick("Diễn biến và lịch sử", "Course and history")) {
            p.links { a href=(history) {
                (pen.pick("Biểu đồ, các lần kiểm tra từng bước, sự cố đã qua", "Charts, probes step by step, incidents of the past"))
            } }
        }
    }
}

/// The sites that the line of this one runs through, the nearest last.
fn way(pen: &Pen<'_>, ix: SiteIx) -> Markup {
    let topology = &pen.snapshot.topology;
    html! {
        nav.way aria-label=(pen.pick("Kết nối qua", "Connected through")) {
            a href="/" { (pen.pick("Bảng theo dõi", "Board")) }
            @for above in topology.ancestors(ix).iter().rev() {
                " › " a href=(to_site(&topology.site(*above).id)) dir="auto" { (topology.site(*above).name) }
            }
        }
    }
}

/// What the site is and how it does.
fn head(pen: &Pen<'_>, ix: SiteIx) -> Markup {
    let topology = &pen.snapshot.topology;
    let (site, view) = (topology.site(ix), &pen.snapshot.sites[ix.ix()]);
    let state = State::of(pen.snapshot, ix, &Causes::of_all(pen.snapshot));
    let session = view.session.as_ref();
    let session =
        session.and_then(|id| pen.snapshot.sessions.iter().find(|it| it.session.id == *id));
    html! {
        h1.named { span dir="auto" { (site.name) } }
        p.facts {
            span.badge.(state.word()) { span aria-hidden="true" { (state.sign()) " " } (pen.words.state(state)) }
            @if let Some(since) = view.standing.since { " " (pen.pick("đã", "for")) " " b { (pen.ago(since.into())) } }
            " · " (topology.level_of(ix).name.get(pen.look.language))
            @if let Some(view) = session.filter(|it| it.phase != Phase::Idle) {
                " · " (pen.words.phase(view.phase)) ": "
                a href=(to_session(&view.session.id)) { (view.session.title) }
                @if let Some(delegates) = view.session.sites.get(&ix) {
                    ", " b { (pen.count(*delegates)) } " " (pen.words.delegates())
                }
            }
            @if view.in_maintenance { " · " b { (pen.pick("đang bảo trì", "under maintenance")) } }
            @if view.silenced { " · " b { (pen.pick("đang tạm tắt cảnh báo", "silenced")) } }
        }
        (silences::notes(pen, Some(ix)))
        div.acts {
            @if !site.endpoints.is_empty() {
                button.main type="button" data-probe=(site.id) { (pen.pick("Kiểm tra ngay", "Probe now")) }
            }
            @if silences::of(pen, Some(ix)).next().is_none() {
                button type="button" data-act="silence" data-site=(site.id) {
                    (pen.pick("Tạm tắt cảnh báo", "Silence messages"))
                }
            }
        }
    }
}

/// A device with its checks.
fn device(pen: &Pen<'_>, ix: EndpointIx) -> Markup {
    let endpoint = pen.snapshot.topology.endpoint(ix);
    let view = &pen.snapshot.endpoints[ix.ix()];
    html! {
        article.device {
            h2 {
                (badge(pen, view.standing.hard)) " "
                span dir="auto" { (endpoint.id) } " " span.dim { (endpoint.host) }
            }
            @if let Some(quality) = &view.quality { (figures(pen, quality)) }
            div.scroll tabindex="0" role="region" aria-label=(endpoint.id) {
                table.stack {
                    thead { tr {
                        th { (pen.pick("Kiểm tra", "Check")) }
                        th { (pen.pick("Trạng thái", "State")) }
                        th { (pen.pick("Lần gần nhất", "Last probe")) }
                        th { (pen.pick("Lỗi gần nhất", "Last failure")) }
                    } }
                    tbody { @for target in &endpoint.targets { (check(pen, *target)) } }
                }
            }
            // Otherwise nobody knows why all is well with a device of which something is down.
            @if view.standing.hard == Health::Up
                && endpoint.targets.iter().any(|ix| never_worked(&pen.snapshot.targets[ix.ix()])) {
                p.dim {
                    (pen.pick(
                        "Dịch vụ chưa từng hoạt động không bị coi là sự cố, vì có thể được tắt có \
                         chủ ý. Kiểm tra trước phiên họp vẫn nêu ra.",
                        "A service that never worked is no incident, since it may be switched off \
                         on purpose. The readiness check before a session finds it.",
                    ))
                }
            }
        }
    }
}

fn badge(pen: &Pen<'_>, health: Health) -> Markup {
    let state = match health {
        Health::Up => State::Good,
        Health::Degraded => State::Degraded,
        Health::Down => State::Lost,
        Health::Unknown => State::Unknown,
    };
    html! {
        span.badge.(state.word()) {
            span aria-hidden="true" { (state.sign()) " " } (pen.words.health(health))
        }
    }
}

/// The quality of the path, with a word for whoever does not know the figures.
fn figures(pen: &Pen<'_>, quality: &Quality) -> Markup {
    let grade = match quality.grade {
        QualityGrade::Good => pen.pick("tốt", "good"),
        QualityGrade::Fair => pen.pick("trung bình", "fair"),
        QualityGrade::Poor => pen.pick("kém", "poor"),
    };
    let (number, ms) = (|value: f32, digits| pen.number(value.into(), digits), 1e3);
    html! {
        dl.figures {
            div { dt { (pen.pick("Chất lượng", "Quality")) } dd { (grade) } }
            div { dt { (pen.pick("Mất gói", "Loss")) } dd { (number(quality.loss * 100.0, 1)) " %" } }
            div { dt { (pen.pick("Độ trễ khứ hồi", "Round trip")) } dd { (number(quality.rtt_s * ms, 1)) " ms" } }
            div { dt { (pen.pick("95 % không quá", "95 % below")) } dd { (number(quality.rtt_p95_s * ms, 1)) " ms" } }
            div { dt { (pen.pick("Biến động trễ", "Jitter")) } dd { (number(quality.jitter_s * ms, 1)) " ms" } }
            div { dt { "MOS" } dd { (number(quality.mos, 2)) } }
        }
    }
}

fn check(pen: &Pen<'_>, ix: TargetIx) -> Markup {
    let check = pen.snapshot.topology.check_of(ix);
    let view = &pen.snapshot.targets[ix.ix()];
    html! {
        tr {
            th scope="row" { (check.id) " " span.dim { (kind(&check.kind)) } }
            td {
                (badge(pen, view.standing.hard))
                @if never_worked(view) {
                    " " span.dim { (pen.pick("chưa từng hoạt động", "never worked so far")) }
                }
            }
            @let (last, failed) = (pen.pick("Lần gần nhất", "Last probe"), pen.pick("Lỗi gần nhất", "Last failure"));
            td data-label=(last) {
                @match view.last {
                    Some(at) => {
                        (pen.ago(at.into())) (pen.pick(" trước", " ago")) " · "
                        @if view.failing { (pen.pick("lỗi", "failed")) } @else { (said(pen, view)) }
                    }
                    None => span.dim { (pen.pick("chưa có", "none yet")) },
                }
            }
            td data-label=(failed) {
                @match view.last_failure.as_deref() {
                    Some((at, failure)) => { (pen.moment(*at)) ": " (told(pen, failure)) }
                    None => span.dim { "–" },
                }
            }
        }
    }
}

/// Whether it is down and was never anything else.
fn never_worked(view: &TargetView) -> bool {
    view.standing.hard == Health::Down && !view.seen_up
}

fn kind(kind: &CheckKind) -> &'static str {
    kind.word()
}

/// What the last reply said.
fn said(pen: &Pen<'_>, view: &TargetView) -> Markup {
    html! {
        (pen.pick("trả lời", "answers"))
        @if let Some(rtt) = view.rtt.map(Duration::from) { " " (pen.number(rtt.as_secs_f64() * 1e3, 1)) " ms" }
        @if let Some(status) = view.status() { " · " (status) }
        @if let Some(certificate) = view.certificate() {
            " · " (pen.pick("chứng thư đến ", "certificate until ")) (pen.day(certificate.not_after))
        }
        @if let Some(off) = view.clock_offset_s().filter(|off| off.abs() > 5) {
            " · " (pen.pick("đồng hồ lệch ", "clock off by ")) (off) " s"
        }
    }
}

fn told(pen: &Pen<'_>, failure: &Failure) -> String {
    let style =
        explain::Style { language: pen.look.language, time_zone: pen.look.time_zone.clone() };
    explain::failure(failure, &style)
}

/// An incident that is over, on one line.
fn past(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let account = incident::account(pen, incident);
    html! {
        a href=(to_incident(&incident.id)) { (pen.moment(incident.began)) } " "
        span dir="auto" { (account.subject) } " " (account.fault)
    }
}

/// The sites whose lines run through this one.
fn behind(pen: &Pen<'_>, ix: SiteIx) -> Markup {
    let topology = &pen.snapshot.topology;
    let children = &topology.site(ix).children;
    let causes = Causes::of_all(pen.snapshot);
    html! {
        @if !children.is_empty() {
            section #behind data-live aria-labelledby="behind-title" {
                h2 #behind-title { (pen.pick("Điểm cầu phía sau", "Sites behind it")) " " span.tally { (children.len()) } }
                ul.cells {
                    @for child in children.iter().take(BEHIND) {
                        @let state = State::of(pen.snapshot, *child, &causes);
                        @let site = topology.site(*child);
                        li { a.c.(state.word()) href=(to_site(&site.id)) {
                            i aria-hidden="true" { (state.sign()) } b dir="auto" { (site.name) }
                            span.v { ": " (pen.words.state(state)) }
                        } }
                    }
                }
                @if children.len() > BEHIND { p.dim { "+ " (children.len() - BEHIND) } }
            }
        }
    }
}
