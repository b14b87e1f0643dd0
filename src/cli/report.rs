//! `vchealth report [SESSION]`: writes a session up, at any time, from what the store knows.

use std::io::{IsTerminal, Write};
use std::path::Path;

use jiff::Timestamp;

use super::args::Report;
use super::{Exit, Failed};
use crate::clock::Clock;
use crate::config::Config;
use crate::daemon::{self, Source};
use crate::model::{ReportFormat, SessionId, SessionRecord};
use crate::report::{self, Style};
use crate::store::{FILE_NAME, History, StoreError};

/// Writes the report to standard output, to a file or into a directory.
pub(super) fn run(asked: &Report) -> Result<Exit, Failed> {
    let mut config = Source::directory(&asked.config.dir).load()?;
    let now = Clock::start().now().wall;
    let known = daemon::kept_sessions(&config, now).sessions;
    config.sessions = known.into_iter().map(|(session, _)| session).collect();
    let state_dir = &config.settings.state_dir;
    let record = find(&config, asked.session.as_deref(), now)?;
    let id = record.id.clone();
    let written = daemon::write_up(state_dir, record, now);
    let report = written.map_err(|error| unreadable(state_dir, error))?;
    let language = asked.language.unwrap_or_else(|| config.settings.report_language());
    let style = Style::new(language, config.settings.time_zone.clone(), "");
    let bytes = report::write(&report, asked.format, &style)
        .map_err(|why| Failed::Other("cannot write the report".to_owned(), why.into()))?;
    put(&bytes, asked, &id)?;
    Ok(Exit::Well)
}

/// The session that is asked for: by its id from the store, or from the calendar if it was never
/// watched; unless one is named, the last one that ended.
fn find(config: &Config, asked: Option<&str>, now: Timestamp) -> Result<SessionRecord, Failed> {
    let state_dir = &config.settings.state_dir;
    let history = History::open(state_dir).map_err(|error| unreadable(state_dir, error))?;
    let planned =
        |session: &crate::model::Session| SessionRecord::planned(session, &config.topology);
    let read = |error| unreadable(state_dir, error);
    let Some(asked) = asked else {
        let mut ended = history.sessions(Timestamp::MIN, now).map_err(read)?;
        return ended.pop().ok_or_else(|| {
            Failed::Usage(
                "no session has ended yet; name one that is on: vchealth report SESSION".to_owned(),
            )
        });
    };
    let mut recorded = history.session(&SessionId::new(asked)).map_err(read)?;
    let mut in_calendar = config.sessions.iter().find(|session| session.id.as_str() == asked);
    if recorded.is_none() && in_calendar.is_none() {
        // By its title; of several the one that began last.
        let title = asked.to_lowercase();
        let begun = history.sessions(Timestamp::MIN, now).map_err(read)?;
        recorded = begun.into_iter().rfind(|record| record.title.to_lowercase() == title);
        in_calendar = config.sessions.iter().find(|it| it.title.to_lowercase() == title);
    }
    match recorded.or_else(|| in_calendar.map(|session| planned(session))) {
        Some(record) if record.start > now => Err(Failed::Usage(format!(
            "the session `{asked}` has not begun; `vchealth ready {asked}` tells whether it can"
        ))),
        Some(record) => Ok(record),
        None => {
            let mut known: Vec<String> = history
                .sessions(Timestamp::MIN, Timestamp::MAX)
                .map_err(read)?
                .into_iter()
                .map(|record| record.id.to_string())
                .chain(config.sessions.iter().map(|session| session.id.to_string()))
                .collect();
            known.sort();
            known.dedup();
            let near = super::nearest(asked, known.iter().map(|id| (id.as_str(), id)));
            let hint = near.map_or_else(String::new, |id| format!("; did you mean `{id}`?"));
            Err(Failed::Usage(format!("there is no session `{asked}`{hint}")))
        }
    }
}

/// Puts the report where it is wanted. A directory gets a file named after the session.
fn put(bytes: &[u8], asked: &Report, session: &SessionId) -> Result<(), Failed> {
    match &asked.output {
        Some(path) => {
            let path = if path.is_dir() {
                path.join(daemon::file_name(session, asked.format))
            } else {
                path.clone()
            };
            daemon::put(&path, bytes).map_err(|source| {
                Failed::Other(format!("cannot write {}", path.display()), source.into())
            })?;
            eprintln!("{}", path.display());
        }
        None => {
            let mut out = std::io::stdout().lock();
            if asked.format == ReportFormat::Xlsx && out.is_terminal() {
                return Err(Failed::Usage(
                    "a workbook is not for a terminal; name a file: -o report.xlsx".to_owned(),
                ));
            }
            let written = out.write_all(bytes).and_then(|()| out.flush());
            written.map_err(|source| {
                Failed::Other("cannot write the report".to_owned(), source.into())
            })?;
        }
    }
    Ok(())
}

/// Why there is nothing to read, and what to do.
fn unreadable(state_dir: &Path, error: StoreError) -> Failed {
    let what = if state_dir.join(FILE_NAME).exists() {
        format!("cannot read the history in {}", state_dir.display())
    } else {
        format!(
            "there is no history in {}: `vchealth run` has not run here yet, or `state_dir` \
             names another place",
            state_dir.display()
        )
    };
    Failed::Other(what, error.into())
}
