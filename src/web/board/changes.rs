//! What changed in the last minutes, one line for each cause as in messages, newest first.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::model::{Incident, Resolution};

use super::incident::{account, mark};
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
        h2 { (pen.pick("Vừa thay đổi", "Lately")) }
        @if all.is_empty() {
            p.dim { (pen.pick("30 phút qua không có thay đổi nào.", "Nothing in the last 30 minutes.")) }
        } @else {
            ol { @for (at, incident, what) in all.iter().take(LINES) { (line(pen, *at, incident, what)) } }
        }
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
