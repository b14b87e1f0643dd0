//! Logging: one line per event on standard error, for people or for collectors.

mod lines;

use std::io::IsTerminal;

use tracing::warn;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use self::lines::{Lines, Rest};
use super::args::LogFormat;

/// Starts logging for the life of the process. What is returned waits for the last lines when it is
/// dropped.
///
/// # Errors
/// When `filter` is neither a level nor a list of `module=level`, or no thread can be had.
pub(super) fn start(filter: &str, format: LogFormat) -> Result<Rest, String> {
    let expected = "expected error, warn, info, debug, trace or vchealth::probe=debug";
    // The filter takes any word for the name of a module; a level that was misspelt is none.
    let word = |part: &str| part.parse::<LevelFilter>().is_err() && !part.contains(['=', ':', '[']);
    if let Some(part) = filter.split(',').map(str::trim).find(|part| word(part)) {
        return Err(format!("--log: `{part}` is no level; {expected}"));
    }
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| format!("--log: {error}; {expected}"))?;
    let on_loss = |lines| warn!(lines, "log lines dropped: who reads the log was too slow");
    let (lines, rest) = Lines::start(std::io::stderr(), on_loss)
        .map_err(|error| format!("cannot start the thread that writes the log: {error}"))?;
    let writer = move || lines.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => {
            builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(rest)
}
