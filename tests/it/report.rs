//! Writing up: what the report says is what happened.

#[path = "report/calendar.rs"]
mod calendar;
#[path = "report/command.rs"]
mod command;
#[path = "report/minutes_lost.rs"]
mod minutes_lost;
#[path = "report/replays.rs"]
mod replays;
#[path = "report/size.rs"]
mod size;

use std::time::Duration;

use jiff::tz::TimeZone;
use vchealth::model::{Importance, Language, LevelId, SessionId, SiteId};
use vchealth::report::{Report, Segment, SiteReport, State, Style, Times, Totals};

use crate::fixtures::at;

pub(crate) fn style(language: Language) -> Style {
    let time_zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("a time zone");
    Style::new(language, time_zone, "")
}

/// A report on one site, for tests of what serves it.
pub(crate) fn small() -> Report {
    let (start, end) = (at("2026-02-03T00:30:00Z"), at("2026-02-03T02:30:00Z"));
    let up = Duration::from_secs(7200);
    let site = SiteReport {
        site: SiteId::new("tan-lap"),
        name: "Xã Tân Lập".to_owned(),
        level: LevelId::new("commune"),
        group: 0,
        delegates: 31,
        joined: None,
        left: None,
        time: Times { up, ..Times::default() },
        course: vec![Segment { from: start, until: end, state: State::Up }],
        outages: Vec::new(),
        path: None,
        earlier: (0, 0),
    };
    Report {
        id: SessionId::new("cho-don-1"),
        title: "Họp \"thử\" <b>".to_owned(),
        start,
        end,
        until: end,
        as_of: end,
        importance: Importance::Normal,
        totals: Totals { sites: 1, delegates: 31, well: 1, counted: up, ..Totals::default() },
        sites: vec![site],
        incidents: Vec::new(),
        groups: Vec::new(),
        course: Vec::new(),
        earlier: Vec::new(),
        exclusions: Vec::new(),
    }
}
