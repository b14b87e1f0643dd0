//! The session view: what a wall shows, part by part, so that each part can be sent by itself.
//!
//! Nothing in a part depends on the moment at which it is written but in figures that the page
//! counts on by itself (`data-since`, `data-until`): a part that reads the same need not be sent.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::model::{
    ChannelStatus, DutyView, OnDuty, PersonId, SessionView, SiteIx, Snapshot, StoreStatus, quoted,
};
use crate::texts;

use super::pen::{Pen, age, to_session, to_site};
use super::state::{Cell, Group, State, Sums, is_near, session};
use crate::web::Refused;

/// A message that waits for longer than this is told of.
const OUTBOX_AGE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Sessions that are named besides the one that the board is about.
const OTHERS: usize = 3;

/// How the monitor itself does, besides what a snapshot says.
#[derive(Debug, Clone)]
pub(super) struct Care {
    /// The store.
    pub(super) store: StoreStatus,
    /// The channels.
    pub(super) channels: std::sync::Arc<Vec<ChannelStatus>>,
    /// The last reload, if it was refused.
    pub(super) refused: Option<Refused>,
}

/// The parts that are sent when they change, with the ids that they stand under.
pub(super) const PARTS: [&str; 5] = ["alarms", "session", "totals", "changes", "duty"];

/// The parts in the order of [`PARTS`].
pub(super) fn parts(pen: &Pen<'_>, sums: &Sums, care: &Care) -> [Markup; 5] {
    [alarms(pen, care), head(pen), totals(pen, sums), super::changes::list(pen), duty(pen)]
}

/// What keeps the board from being relied on.
fn alarms(pen: &Pen<'_>, care: &Care) -> Markup {
    let (monitor, language) = (&pen.snapshot.monitor, pen.look.language);
    let late = |channel: &ChannelStatus| {
        channel.failing_since.is_none()
            && channel.oldest.is_some_and(|at| pen.now.duration_since(at) >= OUTBOX_AGE)
    };
    html! {
        @if monitor.blind {
            p.alarm {
                b { (pen.pick(
                    "Hệ thống giám sát không quan sát được mạng. Trạng thái các điểm cầu là chưa rõ.",
                    "The monitor cannot see the network. The state of all sites is unknown.",
                )) }
                @let why: Vec<String> =
                    monitor.reasons.iter().map(|it| texts::self_doubt(it, language)).collect();
                " " (why.join("; "))
            }
        }
        @if let Some(trouble) = &care.store.trouble {
            p.alarm {
                b { (pen.pick("Không lưu được gì lúc này: ", "Nothing can be kept at present: ")) }
                (texts::store_trouble(trouble, language)) "."
            }
        }
        @for channel in care.channels.iter() {
            @if let Some(since) = channel.failing_since {
                p.alarm {
                    b { (pen.pick("Kênh cảnh báo ", "Alert channel ")) (channel.id)
                        (pen.pick(" không gửi được", " does not get through")) }
                    " " (pen.pick("đã", "for")) " " (pen.ago(since))
                    @match channel.queued {
                        0 => {}
                        1 => (pen.pick(", 1 tin đang chờ", ", 1 message waits")),
                        many => { ", " (many) " " (pen.pick("tin đang chờ", "messages wait")) }
                    }
                    @if let Some(error) = &channel.last_error { ". " (quoted(error, language)) }
                }
            } @else if let [first, others @ ..] = &channel.refusing[..] {
                p.alarm.mild {
                    b { (pen.pick("Kênh cảnh báo ", "Alert channel ")) (channel.id) ": "
                        (pen.pick("người nhận ", "recipient ")) (first.recipient)
                        @for other in others { ", " (other.recipient) }
                        (pen.pick(" không nhận được tin nữa", " is told nothing any more")) }
                    " " (pen.pick("đã", "for")) " " (pen.ago(first.since)) ". "
                    (quoted(&first.reason, language))
                }
            } @else if late(channel) && let Some(oldest) = channel.oldest {
                p.alarm.mild {
                    b { (pen.pick("Tin cảnh báo chờ gửi qua kênh ", "Messages wait for channel "))
                        (channel.id) }
                    " " (pen.pick("đã", "for")) " " (pen.ago(oldest))
                }
            }
        }
        @if let Some(refused) = &care.refused {
            p.alarm.mild {
                b { (pen.pick(
                    "Cấu hình mới bị từ chối, cấu hình cũ vẫn chạy",
                    "The new configuration was refused, the old one is in force",
                )) }
                " (" (pen.moment(refused.at)) "). "
                (refused.why.lines().next().unwrap_or_default())
            }
        }
    }
}

/// The session that the board is about, and those beside it.
fn head(pen: &Pen<'_>) -> Markup {
    let Some(main) = session(pen.snapshot) else {
        return html! {
            h1 { (pen.pick("Không có phiên họp nào sắp tới", "No session is near")) }
        };
    };
    let others = pen.snapshot.sessions.iter().filter(|view| view.session.id != main.session.id);
    html! {
        p.phase.(main.phase.word()) { (pen.words.phase(main.phase)) }
        h1 { a href=(to_session(&main.session.id)) {
            (main.session.title)
        } }
        (countdown(pen, main))
        @for view in others.take(OTHERS) {
            p.other { (pen.words.phase(view.phase)) ": "
                a href=(to_session(&view.session.id)) {
                    (view.session.title)
                }
                ", " (pen.moment(view.session.start))
            }
        }
    }
}

/// From when to when, and how long until then. The page itself counts, and says "now" when a
/// moment has come before the news of it.
fn countdown(pen: &Pen<'_>, view: &SessionView) -> Markup {
    let (session, words) = (&view.session, pen.words);
    let (label, until): (_, Option<Timestamp>) = if pen.snapshot.taken.wall < session.start {
        (words.pick("bắt đầu sau", "begins in"), Some(session.start))
    } else if pen.snapshot.taken.wall < session.end {
        (words.pick("còn", "ends in"), Some(session.end))
    } else {
        (words.pick("đã kết thúc", "over"), None)
    };
    html! {
        p.clock {
            span.label { (label) " " }
            @if let Some(until) = until { (pen.until(until)) }
            " " span.label {
                (pen.moment(session.start)) "–" (pen.moment(session.end))
                @if !is_near(view) {
                    " · " (pen.count(session.sites.len())) " " (words.sites())
                    " · " (pen.count(session.delegates())) " " (words.delegates())
                }
            }
        }
    }
}

/// The large figures.
fn totals(pen: &Pen<'_>, sums: &Sums) -> Markup {
    let words = pen.words;
    let count = |state: State| sums.sites[state as usize];
    let delegates: u64 = sums.delegates.iter().sum();
    html! {
        @for state in State::ALL {
            @let count = count(state);
            {
                a.total.(state.word()).none[count == 0 && state != State::Good]
                    href={ "?state=" (state.word()) } data-state=(state.word()) {
                    span.figure {
                        i aria-hidden="true" { (state.sign()) }
                        b { (pen.count(count)) }
                        @if state == State::Good { span.of { "/" (pen.count(sums.all())) } }
                    }
                    span.word { (words.state(state)) }
                }
            }
        }
        @if delegates > 0 {
            p.total.people.none[sums.touched() == 0] {
                span.figure { b { (pen.count(sums.touched())) } }
                span.word {
                    (words.pick("trên", "of")) " " (pen.count(delegates)) " "
                    (words.pick("đại biểu bị ảnh hưởng", "delegates affected"))
                }
            }
        }
    }
}

/// Who is on duty.
fn duty(pen: &Pen<'_>) -> Markup {
    let people =
        pen.snapshot.duty.iter().flat_map(|view| view.now.iter().map(move |it| (view, it)));
    let people: Vec<(&DutyView, &OnDuty)> = people.collect();
    let gone = pen.snapshot.duty.iter().flat_map(|view| &view.gone);
    let gone = gone.map(PersonId::as_str).collect::<Vec<_>>().join(", ");
    html! {
        @if !people.is_empty() {
            (pen.pick("Trực: ", "On duty: "))
            @for (nth, (view, person)) in people.iter().enumerate() {
                @if nth > 0 { ", " }
                span dir="auto" { (person.name) }
                @if !person.phone.is_empty() { " " (pen.phone(&person.phone)) }
                @if let Some(handed) = &view.handed && handed.people.contains(&person.id) {
                    " (" (pen.pick("trực thay đến", "standing in until")) " "
                    (pen.moment(handed.until)) ")"
                }
            }
        }
        @if !gone.is_empty() {
            " ⚠ " (pen.pick(
                "Bàn giao trực không còn hiệu lực, vì cài đặt không còn người này: ",
                "Duty was handed to somebody whom the settings do not know any more: ",
            )) (gone)
        }
    }
}

/// All sites by district.
pub(super) fn grid(pen: &Pen<'_>, cells: &[Cell], groups: &[Group]) -> Markup {
    html! {
        @for (nth, group) in groups.iter().enumerate() {
            section.group data-group=(nth) {
                h2 {
                    @match group.head {
                        Some(head) => { (cell(pen, head, cells)) }
                        None => span.name { (pen.pick("Điểm cầu khác", "Other sites")) },
                    }
                    span.tally id={ "n" (nth) } { (tally(super::state::tally(group, cells))) }
                }
                // In pieces, so that a browser lays out only those that are on the screen.
                @for some in group.members.chunks(PIECE) {
                    ul.cells { @for ix in some { li { (cell(pen, *ix, cells)) } } }
                }
            }
        }
    }
}

/// Cells that are laid out together.
const PIECE: usize = 60;

/// How many of a group do well.
pub(super) fn tally((good, all): (u32, u32)) -> String {
    format!("{good}/{all}")
}

/// One site. What changes of it is written by the page's script as well, from the same fields.
fn cell(pen: &Pen<'_>, ix: SiteIx, cells: &[Cell]) -> Markup {
    let site = pen.snapshot.topology.site(ix);
    let cell = cells[ix.ix()];
    let words = pen.words;
    let state = words.state(cell.state);
    let planned = cell.has(Cell::MAINTENANCE) || cell.has(Cell::SILENCED);
    let note = if cell.has(Cell::MAINTENANCE) {
        words.pick("bảo trì", "maintenance")
    } else if cell.has(Cell::SILENCED) {
        words.pick("tạm tắt cảnh báo", "silenced")
    } else {
        ""
    };
    html! {
        a.c.(cell.state.word()).planned[planned].suspected[cell.has(Cell::SUSPECTED)]
            .apart[cell.has(Cell::APART)]
            id={ "s" (ix.ix()) } href=(to_site(&site.id))
            title={ (site.name) ": " (state) @if !note.is_empty() { ", " (note) } }
            data-level=(pen.snapshot.topology.level_of(ix).id) {
            i aria-hidden="true" { (cell.state.sign()) }
            b dir="auto" { (site.name) }
            span.v { ": " (state) @if !note.is_empty() { ", " (note) } }
            @if !matches!(cell.state, State::Good | State::Unknown) && cell.since > 0 {
                @let since = Timestamp::from_millisecond(cell.since).unwrap_or(pen.now);
                time data-since=(cell.since) data-short { (words.briefly(age(since, pen.now))) }
            }
            @if cell.delegates > 0 { small { (pen.count(cell.delegates)) } }
        }
    }
}

/// The levels to choose from.
pub(super) fn levels(snapshot: &Snapshot, pen: &Pen<'_>) -> Markup {
    html! {
        @for level in &snapshot.topology.levels {
            option value=(level.id) { (level.name.get(pen.look.language)) }
        }
    }
}
