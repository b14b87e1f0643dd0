//! `GET /sessions/{id}/readiness`: the checklist before a session, on the screen and on paper.
//!
//! Measurements say whether the connection is good. Whether there is a picture and a sound only
//! people can say: for each site they confirm both here, with their name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::{
    Confirmation, ReadinessRun, Session, SessionId, SiteId, SiteIx, SiteReadiness, Verdict,
};
use crate::readiness::{Group, Summary, words};

use super::pen::{Pen, to_session, to_site};
use super::state::{Causes, State, groups};
use super::{Here, Page, Reader};
use crate::web::app::App;

/// `GET /sessions/{id}/readiness`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    reader: Reader,
) -> Response {
    let shown = app.live.advance(&*app.daemon);
    let snapshot = &shown.snapshot;
    let pen = reader.pen(&app, snapshot);
    let run = snapshot.readiness.iter().find(|run| run.session.as_str() == id);
    let session =
        snapshot.sessions.iter().map(|view| &*view.session).find(|it| it.id.as_str() == id);
    let calendar = app.daemon.calendar();
    let session = session
        .or_else(|| calendar.sessions.iter().map(|(it, _)| &**it).find(|it| it.id.as_str() == id));
    let title = match (run, session) {
        (Some(run), _) => &run.title,
        (None, Some(session)) => &session.title,
        (None, None) => {
            let what =
                pen.pick("Không có phiên họp sắp tới nào là", "No session to come is called");
            return reader.lost(&pen, what, &id);
        }
    };
    let title = format!("{}: {title}", pen.pick("Sẵn sàng", "Readiness"));
    let main = Sheet::of(&pen, &SessionId::new(id), run.map(AsRef::as_ref), session).write(&pen);
    let place = app.live.place(shown.version);
    let page = Page { live: Some(place), refresh: true, ..Page::new(&title, Here::Readiness) };
    reader.answer(StatusCode::OK, &pen, &page, &main)
}

/// A session with its sites in the order of the board, whether they were looked at or not.
struct Sheet<'a> {
    id: SessionId,
    title: &'a str,
    start: Timestamp,
    /// The last run, if there was one.
    run: Option<&'a ReadinessRun>,
    /// Sites in their groups, each with its name.
    groups: Vec<(&'a str, Vec<Line<'a>>)>,
    confirmed: Vec<&'a Confirmation>,
}

/// A site that takes part.
struct Line<'a> {
    id: &'a SiteId,
    name: &'a str,
    delegates: u32,
    /// None if it is watched no longer.
    ix: Option<SiteIx>,
    /// None if it was not looked at.
    checked: Option<&'a SiteReadiness>,
}

impl<'a> Sheet<'a> {
    fn of(
        pen: &Pen<'a>,
        id: &SessionId,
        run: Option<&'a ReadinessRun>,
        session: Option<&'a Session>,
    ) -> Self {
        let topology = &pen.snapshot.topology;
        let checked = run.into_iter().flat_map(|run| &run.sites).map(|site| Line {
            id: &site.site,
            name: &site.name,
            delegates: site.delegates,
            ix: topology.find_site(&site.site),
            checked: Some(site),
        });
        let mut lines: Vec<Line<'a>> = checked.collect();
        // Who joined after the run, or everybody before the first.
        let known: BTreeSet<SiteIx> = lines.iter().filter_map(|line| line.ix).collect();
        let others = session.into_iter().flat_map(|session| &session.sites);
        lines.extend(others.filter(|(ix, _)| !known.contains(ix)).map(|(ix, delegates)| {
            let site = topology.site(*ix);
            let (id, name) = (&site.id, site.name.as_str());
            Line { id, name, delegates: *delegates, ix: Some(*ix), checked: None }
        }));
        let mut places = BTreeMap::new();
        let all = groups(pen.snapshot);
        for (nth, group) in all.iter().enumerate() {
            for (at, ix) in group.head.iter().chain(&group.members).enumerate() {
                places.insert(*ix, (nth, at));
            }
        }
        let place = |line: &Line<'_>| {
            line.ix.and_then(|ix| places.get(&ix).copied()).unwrap_or((usize::MAX, 0))
        };
        lines.sort_by_key(place);
        let mut groups: Vec<(usize, Vec<Line<'a>>)> = Vec::new();
        for line in lines {
            let nth = place(&line).0;
            match groups.last_mut() {
                Some((same, lines)) if *same == nth => lines.push(line),
                _ => groups.push((nth, vec![line])),
            }
        }
        let name = |nth: usize| match all.get(nth).and_then(|group| group.head) {
            Some(head) => topology.site(head).name.as_str(),
            None => pen.words.pick("Điểm cầu khác", "Other sites"),
        };
        let confirmed = pen.snapshot.confirmations.iter().filter(|it| it.session == *id);
        let (title, start) = match (run, session) {
            (Some(run), _) => (run.title.as_str(), run.start),
            (None, session) => session.map_or(("", pen.now), |it| (it.title.as_str(), it.start)),
        };
        Self {
            id: id.clone(),
            title,
            start,
            run,
            groups: groups.into_iter().map(|(nth, lines)| (name(nth), lines)).collect(),
            confirmed: confirmed.collect(),
        }
    }

    fn said(&self, site: &SiteId) -> Option<&'a Confirmation> {
        self.confirmed.iter().rev().find(|it| it.site == *site).copied()
    }

    /// How many of some lines were seen and heard.
    fn both(&self, lines: &[Line<'_>]) -> usize {
        lines.iter().filter(|it| self.said(it.id).is_some_and(|it| it.picture && it.sound)).count()
    }

    fn write(&self, pen: &Pen<'_>) -> Markup {
        let language = pen.look.language;
        let list = pen.pick("Danh sách kiểm tra", "Checklist");
        html! {
            div #summary data-live data-run=[self.run.map(|run| run.began.as_millisecond())] {
                (self.summary(pen))
            }
            div.acts {
                button.main type="button" data-ready=(self.id) {
                    (pen.pick("Kiểm tra ngay", "Check now"))
                }
            }
            p #checking role="status" {}
            div #groups data-live {
                @if let Some(run) = self.run {
                    @let summary = Summary::of(run);
                    @for verdict in [Verdict::NotReady, Verdict::CannotTell, Verdict::AtRisk] {
                        @if run.count(verdict) > 0 {
                            h2 { span.badge.(class(verdict)) {
                                    span aria-hidden="true" { (mark(verdict)) " " } (words::verdict(verdict, language)) }
                                " " span.tally { (run.count(verdict)) } }
                            div.cards { @for it in summary.with(verdict) { (group(pen, it)) } }
                        }
                    }
                }
            }
            h2 { (list) }
            p #progress data-live { (self.progress(pen)) }
            div.scroll tabindex="0" role="region" aria-label=(list) {
                table.stack #checklist data-live data-session=(self.id) {
                    thead { tr {
                        th { (pen.pick("Điểm cầu", "Site")) }
                        th.n { (pen.pick("Đại biểu", "Delegates")) }
                        th { (pen.pick("Kết nối", "Connection")) }
                        th { (pen.pick("Số đo", "Measured")) }
                        th.m { (pen.pick("Hình", "Picture")) }
                        th.m { (pen.pick("Tiếng", "Sound")) }
                        th { (pen.pick("Xác nhận", "Confirmed")) }
                    } }
                    @let causes = Causes::of_all(pen.snapshot);
                    @for (name, lines) in &self.groups {
                        tbody {
                            tr.group { th colspan="7" scope="rowgroup" {
                                span dir="auto" { (name) }
                                " " span.tally { (self.both(lines)) "/" (lines.len()) }
                            } }
                            @for line in lines { (self.row(pen, line, &causes)) }
                        }
                    }
                }
            }
        }
    }

    fn summary(&self, pen: &Pen<'_>) -> Markup {
        let language = pen.look.language;
        html! {
            p.phase { (pen.pick("Kiểm tra trước phiên", "Before the session")) }
            h1 { a href=(to_session(&self.id)) dir="auto" { (self.title) } }
            p.clock {
                span.label {
                    @if self.start > pen.now { (pen.pick("bắt đầu lúc ", "begins at ")) }
                    @else { (pen.pick("đã bắt đầu lúc ", "began at ")) }
                    (pen.moment(self.start))
                }
                @if self.start > pen.now {
                    " · " span.label { (pen.pick("còn ", "in ")) } (pen.until(self.start))
                }
            }
            @match self.run {
                Some(run) => {
                    p.large { (words::summary(run, language)) }
                    p.dim {
                        (pen.pick("Kiểm tra lúc ", "Checked at ")) (pen.moment(run.finished))
                        " (" (pen.ago(run.finished)) (pen.pick(" trước", " ago")) "). "
                        (words::reservation(language))
                    }
                },
                None => p.note { (pen.pick(
                    "Chưa kiểm tra lần nào. Hệ thống tự kiểm tra vào các mốc đã đặt trước phiên; \
                     có thể kiểm tra ngay. Cột “Kết nối” là trạng thái lúc này.",
                    "Not checked yet. That happens by itself at the moments set before the session, \
                     or now if somebody asks. \"Connection\" is the state of the sites at this \
                     moment.",
                )) },
            }
        }
    }

    /// How many were seen and heard.
    fn progress(&self, pen: &Pen<'_>) -> Markup {
        let all: usize = self.groups.iter().map(|(_, lines)| lines.len()).sum();
        let both: usize = self.groups.iter().map(|(_, lines)| self.both(lines)).sum();
        html! {
            b { (both) "/" (all) } " "
            (pen.pick("điểm cầu đã có người xác nhận hình và tiếng.", "sites were seen and heard by somebody."))
            " " progress max=(all.max(1)) value=(both) aria-hidden="true" {}
        }
    }

    /// One site with what was measured, and what people confirmed.
    fn row(&self, pen: &Pen<'_>, line: &Line<'_>, causes: &Causes<'_>) -> Markup {
        let language = pen.look.language;
        let write = words::Pen { language, time_zone: pen.look.time_zone.clone() };
        let said = self.said(line.id);
        let tick = |seen: Option<bool>| {
            let (sign, word) = match seen {
                Some(true) => ("✔", pen.pick("có", "yes")),
                Some(false) => ("✘", pen.pick("không", "no")),
                None => ("☐", pen.pick("chưa xác nhận", "not confirmed")),
            };
            html! { span aria-hidden="true" { (sign) } span.v { (word) } }
        };
        let label = |vi, en| pen.words.pick(vi, en);
        html! {
            tr {
                th scope="row" { a href=(to_site(line.id)) dir="auto" { (line.name) } }
                td.n data-label=(label("Đại biểu", "Delegates")) { (pen.count(line.delegates)) }
                td {
                    @if let Some(site) = line.checked {
                        span.badge.(class(site.verdict)) { span aria-hidden="true" { (mark(site.verdict)) " " }
                            (words::verdict(site.verdict, language)) }
                    } @else if let Some(ix) = line.ix {
                        @let state = State::of(pen.snapshot, ix, causes);
                        span.badge.(state.word()) { span aria-hidden="true" { (state.sign()) " " }
                            (pen.words.state(state)) }
                    }
                }
                td.dim {
                    @if let Some(site) = line.checked {
                        @if let Some(train) = &site.train { (write.train(train)) }
                        @if let Some(mtu) = site.mtu { " · MTU " (mtu) }
                    }
                }
                td.m data-label=(label("Hình", "Picture")) { (tick(said.map(|it| it.picture))) }
                td.m data-label=(label("Tiếng", "Sound")) { (tick(said.map(|it| it.sound))) }
                td {
                    @if let Some(said) = said {
                        span dir="auto" { (said.by) } ", " (pen.moment(said.at))
                        @if !said.note.is_empty() { " – " span dir="auto" { (said.note) } } " "
                    }
                    button type="button" data-act="confirm" data-site=(line.id) data-name=(line.name) {
                        (if said.is_some() { pen.pick("Sửa", "Change") } else { pen.pick("Xác nhận", "Confirm") })
                        span.v { " " (line.name) }
                    }
                }
            }
        }
    }
}

fn group(pen: &Pen<'_>, group: &Group<'_>) -> Markup {
    let language = pen.look.language;
    let write = words::Pen { language, time_zone: pen.look.time_zone.clone() };
    html! {
        article.card.(match group.verdict {
            Verdict::NotReady => "critical",
            Verdict::AtRisk => "warning",
            Verdict::CannotTell | Verdict::Ready => "info",
        }) {
            h3 { (words::heading(group, language)) " " span.tally { (group.sites.len()) } }
            p { (pen.pick("Khả năng: ", "Likely: ")) (words::likely(group.kind, language)) }
            p { (pen.pick("Việc cần làm: ", "Try: ")) (words::action(group.kind, language)) }
            ul.plain {
                @for site in &group.sites {
                    li {
                        a href=(to_site(&site.site)) dir="auto" { b { (site.name) } }
                        @if site.delegates > 0 { ", " (pen.count(site.delegates)) " " (pen.words.delegates()) }
                        @for found in write.findings(site) { br; span.dim dir="auto" { (found) } }
                        @for contact in site.contacts.iter().take(1) {
                            br; span dir="auto" { (contact.name) }
                            @if !contact.phone.is_empty() { " " (pen.phone(&contact.phone)) }
                        }
                    }
                }
            }
        }
    }
}

const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ready => "good",
        Verdict::AtRisk => "degraded",
        Verdict::CannotTell => "unknown",
        Verdict::NotReady => "lost",
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ready => "✓",
        Verdict::AtRisk => "!",
        Verdict::CannotTell => "?",
        Verdict::NotReady => "✕",
    }
}
