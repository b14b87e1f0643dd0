//! `vchealth sessions`: what is coming, as far as the files, the kept copies of the calendars and
//! the last-minute changes say. Nothing is fetched; a daemon that runs does that.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::args::Sessions;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::config::gather::CalledOff;
use crate::daemon::{self, Source};

/// How far ahead people look.
const AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Lists the sessions.
pub(super) fn run(asked: &Sessions) -> Result<Exit, Failed> {
    let config = Source::directory(&asked.config.dir).load()?;
    let now = Clock::start().now().wall;
    let gathered = daemon::kept_sessions(&config, now);
    let zone = &config.settings.time_zone;
    let horizon = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    let coming = || gathered.sessions.iter().filter(|(session, _)| session.end > now);
    // The next one is shown however far it is.
    let near = coming().take_while(|(session, _)| session.start < horizon).count().max(1);
    let later = if asked.all { 0 } else { coming().count().saturating_sub(near) };
    let shown: Vec<_> =
        if asked.all { gathered.sessions.iter().collect() } else { coming().take(near).collect() };
    let rows: Vec<[String; 6]> = shown
        .into_iter()
        .map(|(session, source)| {
            let (start, end) = (zone.to_datetime(session.start), zone.to_datetime(session.end));
            let same_day = start.date() == end.date();
            let end = end.strftime(if same_day { "%H:%M" } else { "%Y-%m-%d %H:%M" });
            let mark = if (session.start..session.end).contains(&now) { " (on)" } else { "" };
            [
                format!("{} – {end}{mark}", start.strftime("%Y-%m-%d %H:%M")),
                session.id.to_string(),
                session.sites.len().to_string(),
                session.delegates().to_string(),
                source.clone(),
                session.title.clone(),
            ]
        })
        .collect();
    let head = ["when", "session", "sites", "delegates", "source", "title"].map(str::to_owned);
    let mut widths = head.clone().map(|cell| cell.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in std::iter::once(&head).chain(&rows) {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(widths).enumerate() {
            let gap = width - cell.chars().count();
            // Figures stand on the right.
            if matches!(n, 2 | 3) {
                line += &format!("{}{cell}  ", " ".repeat(gap));
            } else {
                line += &format!("{cell}{}  ", " ".repeat(gap));
            }
        }
        println!("{}", line.trim_end());
    }
    if later > 0 {
        println!("… and {later} later; --all lists them");
    }
    for off in gathered.called_off.iter().filter(|off| asked.all || off.session.end > now) {
        let start = zone.to_datetime(off.session.start).strftime("%Y-%m-%d %H:%M");
        let title = &off.session.title;
        println!("called off: {} ({title}), {start}, {}", off.session.id, by_whom(off, zone));
    }
    for (name, read) in &gathered.calendars {
        match read {
            Ok(read) => {
                for trouble in read.lines() {
                    println!("calendar {name}: {trouble}");
                }
            }
            Err(why) => println!("calendar {name}: its kept copy cannot be read: {why}"),
        }
    }
    for (session, why) in &gathered.unfit {
        println!("a change of {session} is left out: {why}");
    }
    for calendar in &config.settings.calendars {
        if !gathered.calendars.contains_key(&calendar.name) {
            println!("calendar {}: not fetched yet; `vchealth run` does that", calendar.name);
        }
    }
    Ok(Exit::Well)
}

/// Who called a session off, and when.
pub(super) fn by_whom(off: &CalledOff, zone: &TimeZone) -> String {
    format!("by {} at {}", off.by, zone.to_datetime(off.at).strftime("%Y-%m-%d %H:%M"))
}
