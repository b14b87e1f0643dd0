//! What changed in the last minutes, one line for each cause as in messages, newest first, and
//! before that what is over and not told to be.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::model::{Incident, Resolution};

use super::incident::{account, mark, waits};
use super::pen::{Pen, to_incident};

/// How far back it goes.
const BACK: SignedDuration = SignedDuration::from_mins(30);
/// Lines at most.
const LINES: usize = 10;

/// Something that happened to an incident.
enum What<'a> {
    Began,
    CameBack,
    Taken(&'a str),
    Over,
}

/// The list.
pub(super) fn list(pen: &Pen<'_>) -> Markup {
    let since = pen.snapshot.taken.wall.checked_sub(BACK).unwrap_or(Timestamp::MIN);
    let mut all: Vec<(Timestamp, &Incident, What<'_>)> = Vec::new();
    for incident in pen.snapshot.incidents.iter().filter(|it| it.absorbed_by.is_none()) {
        let opened = incident.came_back().map(|at| (at, incident.as_ref(), What::CameBack));
        all.push(opened.unwrap_or((incident.opened, incident, What::Began)));
        all.extend(
            incident.ack.as_ref().map(|ack| (ack.at, incident.as_ref(), What::Taken(&ack.by))),
        );
        all.extend(incident.resolved.map(|at| (at, incident.as_ref(), What::Over)));
    }
    all.retain(|(at, ..)| *at >= since);
    all.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    html! {
        (untold_ends(pen))
        h2 { (pen.pick("Vừa thay đổi", "Lately")) }
        @if all.is_empty() {
            p.dim { (pen.pick("30 phút qua không có thay đổi nào.", "Nothing in the last 30 minutes.")) }
        } @else {
            ol { @for (at, incident, what) in all.iter().take(LINES) { (line(pen, *at, incident, what)) } }
        }
    }
}

/// What is over and is on no card any more, while somebody who knows of it still believes it to be
/// on.
fn untold_ends(pen: &Pen<'_>) -> Markup {
    let all = pen.snapshot.incidents.iter();
    let all: Vec<_> = all.filter(|it| !it.is_open() && it.waits_to_be_told()).collect();
    html! {
        @if !all.is_empty() {
            div.unsaid {
                h2 { (pen.pick("Chưa báo đã khắc phục", "Not told yet to be over")) }
                ul.plain { @for it in all.iter().take(LINES) { li { (untold_end(pen, it)) } } }
                @if all.len() > LINES {
                    p.dim {
                        (pen.pick("và ", "and ")) (all.len() - LINES)
                        (pen.pick(" sự cố khác", " others"))
                    }
                }
            }
        }
    }
}

fn untold_end(pen: &Pen<'_>, incident: &Incident) -> Markup {
    let account = account(pen, incident);
    html! {
        a href=(to_incident(&incident.id)) dir="auto" { (account.subject) } " " (account.fault)
        @if let Some(at) = incident.ended() {
            (pen.pick(", đã hết từ ", ", over since ")) (pen.moment(at))
        }
        ". " (waits(pen, incident))
    }
}

fn line(pen: &Pen<'_>, at: Timestamp, incident: &Incident, what: &What<'_>) -> Markup {
    let account = account(pen, incident);
    let over = matches!(what, What::Over);
    html! {
        li {
            time datetime=(at) { (pen.moment(at)) } " "
            i.(if over { "good" } else { incident.severity.word() }) aria-hidden="true" {
                (match what {
                    What::Began | What::CameBack => mark(incident.severity),
                    What::Taken(_) => "✎",
                    What::Over => "✓",
                })
            } " "
            a href=(to_incident(&incident.id)) dir="auto" { (account.subject) } " "
            @match what {
                What::Began => (account.fault),
                What::CameBack => { (pen.pick("lại ", "again: ")) (account.fault) },
                What::Taken(by) => {
                    (pen.pick("đã được tiếp nhận: ", "taken on by ")) span dir="auto" { (by) }
                },
                What::Over if incident.resolution == Some(Resolution::Removed) => {
                    (pen.pick("không còn được giám sát", "is watched no longer"))
                },
                What::Over if incident.resolution == Some(Resolution::Unshown) => {
                    (pen.pick("thiết bị không còn cho thấy", "is shown no longer"))
                },
                What::Over => (pen.pick("đã khôi phục", "is well again")),
            }
        }
    }
}
