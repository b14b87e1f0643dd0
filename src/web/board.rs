//! The board: pages for a wall screen, a laptop and a phone.
//!
//! Pages are written by the server and are whole without scripts; one small script keeps them up
//! to date, filters, and sends what people do. Everything comes from this server, since the
//! network may be closed. State is told by colour and by sign, so that colour-blind people and
//! prints without colour have it too. What works is pale, what does not is not.

mod asset;
mod audience;
mod changes;
mod chart;
mod history;
mod incident;
mod live;
mod login;
mod pen;
mod reader;
mod readiness;
mod session;
mod sessions;
mod silences;
mod site;
mod state;
mod words;

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use crate::store::PastError;

use super::app::{App, problem};
use super::gate::Caller;
use super::shared::Shared;
use super::{asked, look};
use pen::Pen;
use reader::May;

pub(super) use asset::show as asset;
pub(super) use history::show as history;
pub(super) use incident::show as incident;
pub(super) use live::Live;
pub(super) use login::show as login;
pub(super) use pen::age;
pub(super) use reader::Reader;
pub(super) use readiness::show as checklist;
pub(super) use sessions::{list as sessions, readiness, show as session};
pub(super) use site::show as site;
pub(super) use words::Words;

/// What the pages may do: run the script and the style of this server and talk to it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The session view as it was last written, for whoever may do the same in the same language.
pub(super) struct Boards([[Shared; 2]; May::ALL.len()]);

impl Boards {
    /// None is written yet.
    pub(super) fn new() -> Self {
        let html = || Shared::new("text/html; charset=utf-8");
        Self(May::ALL.map(|_| [html(), html()]))
    }
}

/// `GET /`: the session view.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    mut reader: Reader,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let shared = &app.boards.0[reader.may as usize][reader.look.language as usize];
    // Nothing on it is about one reader alone.
    let known = reader.clone();
    "/".clone_into(&mut reader.address);
    let of = Arc::clone(&app);
    let render = move |take: &mut dyn FnMut(&str)| take(&whole(&of, &reader).into_string());
    known.sent(shared.get(&snapshot, app.daemon.now().mono, &headers, render).await)
}

/// What a stream may ask for.
#[derive(Deserialize)]
pub(super) struct Followed {
    lang: Option<String>,
    after: Option<String>,
}

/// `GET /live`: what changes, as server-sent events.
pub(super) async fn follow(
    State(app): State<Arc<App>>,
    caller: Caller,
    asked::Asked(asked): asked::Asked<Followed>,
    headers: HeaderMap,
) -> Response {
    let wished = asked.lang.as_deref().map(look::language);
    if wished == Some(None) {
        return problem(StatusCode::BAD_REQUEST, "`lang` is vi or en");
    }
    let Some(place) = app.live.place_for(&caller) else {
        let wait = [(header::RETRY_AFTER, "30")];
        let why = problem(StatusCode::SERVICE_UNAVAILABLE, "too many watch already");
        return (wait, why).into_response();
    };
    let look = look::chosen(app.daemon.look(), wished.flatten(), &headers);
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    if last.is_none() && asked.after.is_none() {
        // What is from now on begins with what there is.
        app.live.advance(&*app.daemon);
    }
    let viewer = app.live.watch(place, last.or(asked.after.as_deref()), look.language);
    let events = futures_util::stream::unfold(viewer, |mut viewer| async move {
        let bytes = viewer.next().await?;
        Some((Ok::<_, Infallible>(bytes), viewer))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// The session view.
fn whole(app: &App, reader: &Reader) -> Markup {
    let shown = app.live.advance(&*app.daemon);
    let pen = reader.pen(app, &shown.snapshot);
    let written = &shown.written[reader.look.language as usize];
    let [alarms, session, totals, changes, duty] = written.parts.each_ref().map(|part| raw(part));
    let lost = shown.sums.sites[state::State::Lost as usize];
    let many = shown.cells.len() > MANY;
    let main = html! {
        div #alarms { (alarms) }
        div.top {
            section #session aria-label=(pen.pick("Phiên họp", "Session")) { (session) }
            nav #totals aria-label=(pen.pick("Tổng số", "Totals")) { (totals) }
        }
        div.two {
            div.side {
                section #incidents aria-label=(pen.pick("Sự cố", "Incidents")) {
                    h2 {
                        (pen.pick("Sự cố đang mở", "Open incidents"))
                        " " span.tally #active { (shown.active) }
                        a.jump href="#sites" { (pen.pick("Tìm điểm cầu ↓", "Find a site ↓")) }
                    }
                    p #duty { (duty) }
                    p.dim #calm hidden[shown.active > 0] {
                        (pen.pick("Không có sự cố nào.", "No incident is open."))
                    }
                    div #cards { @for card in &written.cards { (raw(card)) } }
                    a #more href="#cards" hidden {}
                }
                section #changes aria-label=(pen.pick("Vừa thay đổi", "Lately")) { (changes) }
            }
            section #sites aria-label=(pen.pick("Các điểm cầu", "Sites")) {
                (filters(&pen))
                div.grid.many[many] #grid {
                    (session::grid(&pen, &shown.cells, &shown.groups))
                }
            }
        }
    };
    let place = app.live.place(shown.version);
    let title = match lost {
        0 => pen.words.title().to_owned(),
        lost => format!("({lost}✕) {}", pen.words.title()),
    };
    let page = Page { live: Some(place), ..Page::new(&title, Here::Board) };
    page.write(&pen, reader, &main)
}

/// Sites from which they are laid out for looking something up rather than for a wall.
const MANY: usize = 600;

fn raw(text: &str) -> Markup {
    maud::PreEscaped(text.to_owned())
}

/// Search and filters; the script does what they say.
fn filters(pen: &Pen<'_>) -> Markup {
    html! {
        form #filters role="search" autocomplete="off" {
            label { span.v { (pen.pick("Tìm điểm cầu", "Find a site")) }
                input type="search" name="q" maxlength="100"
                    placeholder=(pen.pick("Tìm điểm cầu: bang lung…", "Find a site: bang lung…"));
            }
            label { span.v { (pen.pick("Trạng thái", "State")) }
                select name="state" {
                    option value="" { (pen.pick("Mọi trạng thái", "Any state")) }
                    option value="bad" { (pen.pick("Có vấn đề", "In trouble")) }
                    @for state in state::State::ALL {
                        option value=(state.word()) { (state.sign()) " " (pen.words.state(state)) }
                    }
                }
            }
            label { span.v { (pen.pick("Cấp", "Level")) }
                select name="level" {
                    option value="" { (pen.pick("Mọi cấp", "Any level")) }
                    (session::levels(pen.snapshot, pen))
                }
            }
            @let groups = state::groups(pen.snapshot);
            label { span.v { (pen.pick("Nhóm", "Group")) }
                select name="group" {
                    option value="" { (any_group(pen, &groups)) }
                    @for (nth, group) in groups.iter().enumerate() {
                        option value=(nth) {
                            @match group.head {
                                Some(ix) => (pen.snapshot.topology.site(ix).name),
                                None => (pen.pick("Điểm cầu khác", "Other sites")),
                            }
                        }
                    }
                }
            }
            output #found {}
        }
    }
}

/// What stands for all groups, by the name that the settings give to what heads most of them.
fn any_group(pen: &Pen<'_>, groups: &[state::Group]) -> String {
    let topology = &pen.snapshot.topology;
    let heads: Vec<_> =
        groups.iter().filter_map(|it| it.head).map(|ix| topology.level_of(ix)).collect();
    let of = |id| heads.iter().filter(|level| level.id == id).count();
    let most = heads.iter().max_by_key(|level| of(level.id.clone()));
    match most {
        Some(level) => {
            let name = level.name.get(pen.look.language).to_lowercase();
            format!("{} {name}", pen.pick("Mọi", "Any"))
        }
        None => pen.pick("Mọi nhóm", "Any group").to_owned(),
    }
}

/// Where the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Board,
    Readiness,
    Sessions,
    Site,
    Incident,
    LogIn,
    Lost,
}

/// What all pages have around them.
struct Page<'a> {
    title: &'a str,
    here: Here,
    /// Where the page stands in the stream, if it follows that.
    live: Option<String>,
    /// Whether its live parts are loaded anew with every beat.
    refresh: bool,
}

/// The history did not answer; says so in words.
fn unread(pen: &Pen<'_>, error: &PastError) -> Markup {
    let why = match error {
        PastError::Busy => pen.pick(
            "Nhiều người đang xem lịch sử cùng lúc; hãy thử lại sau giây lát.",
            "Many look back at once; try again in a moment.",
        ),
        PastError::TookTooLong => pen.pick(
            "Đọc lịch sử mất quá nhiều thời gian; hãy chọn khoảng ngắn hơn.",
            "Reading the history took too long; choose a shorter stretch of time.",
        ),
        PastError::Store(why) => {
            tracing::error!(error = why as &dyn std::error::Error, "{error}");
            pen.pick(
                "Không đọc được lịch sử trên đĩa; nhật ký của dịch vụ ghi rõ lý do.",
                "The history cannot be read from the disk; the log of the service says why.",
            )
        }
        PastError::BrokenOff => pen.pick(
            "Việc đọc lịch sử bị dừng giữa chừng; hãy thử lại.",
            "Reading the history broke off; try again.",
        ),
    };
    html! { p.alarm.mild { (why) } }
}

/// Any address that leads nowhere, as a page for people.
pub(super) fn nowhere(app: &App, path: &str, reader: &Reader) -> Response {
    let snapshot = app.daemon.snapshot();
    let pen = reader.pen(app, &snapshot);
    reader.lost(&pen, pen.pick("Không có trang nào ở", "There is no page at"), path)
}

impl<'a> Page<'a> {
    const fn new(title: &'a str, here: Here) -> Self {
        Self { title, here, live: None, refresh: false }
    }

    fn write(&self, pen: &Pen<'_>, reader: &Reader, main: &Markup) -> Markup {
        let words = pen.words;
        let (href, lang, name) = words.other_language();
        let taken = pen.snapshot.taken.wall;
        let link = |here: Here, href: &str, text: &str| {
            html! { a href=(href) aria-current=[(here == self.here).then_some("page")] { (text) } }
        };
        html! {
            (DOCTYPE)
            html lang=(words.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href=(asset::style());
                    script src=(asset::script()) type="module" {}
                    noscript { meta http-equiv="refresh" content="15"; }
                }
                body data-may=(reader.may.word()) data-place=[self.live.as_deref()] data-now=(pen.now.as_millisecond())
                    data-taken=(taken.as_millisecond()) data-build=(asset::build()) data-refresh[self.refresh]
                    data-zone=[pen.look.time_zone.iana_name()] {
                    a.skip href="#main" { (pen.pick("Đến nội dung", "Skip to content")) }
                    header {
                        nav aria-label=(pen.pick("Trang", "Pages")) {
                            (link(Here::Board, "/", pen.pick("Bảng theo dõi", "Board")))
                            (link(Here::Readiness, "/readiness", pen.pick("Sẵn sàng", "Readiness")))
                            (link(Here::Sessions, "/sessions", pen.pick("Lịch và báo cáo", "Sessions")))
                        }
                        p.taken { span { (pen.pick("Số liệu lúc ", "As of ")) }
                            time #taken datetime=(taken) {
                                (taken.to_zoned_datetime(pen.look.time_zone.clone())
                                    .strftime("%H:%M:%S").to_string())
                            }
                        }
                        (reader.standing(pen))
                        button #theme type="button" hidden { (pen.pick("Sáng/tối", "Light/dark")) }
                        a #lang href=(href) lang=(lang) hreflang=(lang) { (name) }
                    }
                    p #stale role="status" hidden {}
                    main #main { (main) }
                    div #say .v aria-live="polite" {}
                    @if reader.may.acts() { (asset::dialogs(pen, reader.may == May::Sign)) }
                    script #words type="application/json" { (maud::PreEscaped(asset::words(words))) }
                }
            }
        }
    }
}
