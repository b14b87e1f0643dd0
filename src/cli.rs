//! The command line: arguments in, work done, tables and exit codes out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the room that prints")]

mod alert_test;
mod args;
mod check_config;
mod demo;
mod hash_password;
mod import;
mod init;
mod log;
mod manual;
mod probe;
mod reach;
mod ready;
mod remote;
mod report;
mod run;
mod sessions;
mod who;

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::panic;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use self::args::{Arguments, Command};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::daemon::DaemonError;
use crate::model::chain;
use crate::probe::{Probes, Trust};

/// What an exit status of the program means to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Everything went well.
    Well = 0,
    /// The work could not be done, or what was asked is not so; the reason was printed.
    Failed = 1,
    /// Some site of a session is not ready.
    NotReady = 2,
    /// Whether a session is ready could not be found out.
    CannotTell = 3,
    /// The command line was wrong (`EX_USAGE` of sysexits).
    Usage = 64,
    /// The configuration was wrong (`EX_CONFIG` of sysexits).
    Configuration = 78,
}

/// Why a command could not do its work.
#[derive(Debug)]
enum Failed {
    /// The daemon, or what it is made of, could not be started.
    Daemon(DaemonError),
    /// What was asked for makes no sense. Says why and what would.
    Usage(String),
    /// A daemon does not do as asked. Says why.
    Refused(String),
    /// Anything else, with what was tried.
    Other(String, Box<dyn Error>),
    /// What stopped us says nothing about the sites that were asked about.
    CannotTell(Box<Failed>),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(error) => error.fmt(f),
            Self::Usage(text) | Self::Refused(text) | Self::Other(text, _) => f.write_str(text),
            Self::CannotTell(why) => why.fmt(f),
        }
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Daemon(error) => error.source(),
            Self::Usage(_) | Self::Refused(_) => None,
            Self::Other(_, source) => Some(source.as_ref()),
            Self::CannotTell(why) => why.source(),
        }
    }
}

impl From<DaemonError> for Failed {
    fn from(error: DaemonError) -> Self {
        Self::Daemon(error)
    }
}

impl Failed {
    const fn exit(&self) -> Exit {
        match self {
            Self::Daemon(DaemonError::Configuration(_) | DaemonError::Read { .. }) => {
                Exit::Configuration
            }
            Self::Usage(_) => Exit::Usage,
            Self::CannotTell(_) => Exit::CannotTell,
            Self::Daemon(_) | Self::Refused(_) | Self::Other(..) => Exit::Failed,
        }
    }
}

/// Parses the command line, does what it asks, prints errors once, and gives the exit status.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    end_when_nobody_reads();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing can be done when even this cannot be printed.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if asked { Exit::Well } else { Exit::Usage } as u8);
        }
    };
    let exit = match obey(arguments) {
        Ok(exit) => exit,
        Err(error) => {
            // Nothing can be done when this cannot be printed; the exit status still says it.
            let _ = writeln!(io::stderr(), "vchealth: {}", chain(&error));
            error.exit()
        }
    };
    ExitCode::from(exit as u8)
}

/// Exit status of a program that wrote to a pipe nobody reads any more, as shells tell it: 128 +
/// SIGPIPE.
const NOBODY_READS: i32 = 141;

/// Has the program end, not panic, when what it prints cannot be printed: `… | head -1` is no
/// mistake of anybody. The standard library tells of it in no other way than by a panic.
fn end_when_nobody_reads() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let said = panic.payload().downcast_ref::<String>();
        match said.filter(|said| said.starts_with("failed printing to ")) {
            Some(said) if said.contains("Broken pipe") => process::exit(NOBODY_READS),
            Some(said) => {
                let _ = writeln!(io::stderr(), "vchealth: {said}");
                process::exit(Exit::Failed as i32);
            }
            None => usual(panic),
        }
    }));
}

fn obey(arguments: Arguments) -> Result<Exit, Failed> {
    let Arguments { command, log, log_format } = arguments;
    // The demo tells its user everything itself; the daemon's own lines would only drown that.
    let usual = match command {
        Command::Run(_) => "info",
        Command::Demo(_) => "error",
        _ => "warn",
    };
    let _last_lines =
        log::start(log.as_deref().unwrap_or(usual), log_format).map_err(Failed::Usage)?;
    match command {
        Command::Run(run) => run::run(&run.config.dir),
        Command::Demo(demo) => demo::run(&demo),
        Command::CheckConfig(config) => check_config::run(&config.dir),
        Command::Probe(probe) => probe::run(&probe.config.dir, &probe.site, probe.language),
        Command::Who(who) => who::run(&who.config.dir, &who.site, who.cause, who.at.as_deref()),
        Command::Ready(ready) => ready::run(&ready),
        Command::Report(asked) => report::run(&asked),
        Command::AlertTest(test) => alert_test::run(&test.config.dir, test.channel.as_deref()),
        Command::Incidents(list) => remote::incidents(&list.to, list.json),
        Command::Ack(given) => remote::ack(&given),
        Command::Silence(given) => remote::silence(&given),
        Command::Unsilence(given) => remote::unsilence(&given),
        Command::Maintenance(given) => remote::maintenance(&given),
        Command::Duty(given) => remote::duty(&given),
        Command::Sessions(sessions) => sessions::run(&sessions),
        Command::Import(import) => import::run(&import),
        Command::Init(config) => init::run(&config.dir),
        Command::Healthy(daemon) => remote::healthy(&daemon),
        Command::Completions(asked) => manual::completions(asked.shell),
        Command::Man(asked) => manual::write(&asked.dir),
        Command::HashPassword(asked) => hash_password::run(&asked),
    }
}

/// What was most likely meant by `asked`, of what has these names; none if nothing is like it.
fn nearest<'a, T>(asked: &str, known: impl IntoIterator<Item = (&'a str, T)>) -> Option<T> {
    let known: Vec<(&str, T)> = known.into_iter().collect();
    let near = config::meant(asked, known.iter().map(|(name, _)| *name)).or_else(|| {
        // The beginning of one name, and of no other.
        let mut longer = known.iter().map(|(name, _)| *name).filter(|name| name.starts_with(asked));
        longer.next().filter(|_| !asked.is_empty() && longer.next().is_none())
    })?;
    known.into_iter().find(|(name, _)| *name == near).map(|(_, meant)| meant)
}

/// Probes of a configuration, with its names resolved as far as can be had in a few seconds.
async fn probes(config: &Config, clock: Clock) -> Probes {
    // Generation of the only topology there is here.
    let probes =
        Probes::start(&config.settings, 1, Arc::clone(&config.topology), Trust::system(), clock);
    if tokio::time::timeout(Duration::from_secs(5), probes.names_settled()).await.is_err() {
        eprintln!("names are not resolved yet; going on without");
    }
    probes
}

/// A runtime for commands that talk to the network.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failed::Daemon(DaemonError::System(error)))
}
