//! The command line: what can be asked of the program, in the words that `--help` shows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::Language;

/// Keeps a province's video conferences healthy.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    /// How much to log: error, warn, info, debug or trace, also by module as in
    /// `vchealth::probe=debug`
    #[arg(long, global = true, value_name = "LEVEL", env = "VCHEALTH_LOG")]
    pub(super) log: Option<String>,
    /// How a log line looks
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub(super) log_format: LogFormat,
}

const EXIT_CODES: &str = "Exit codes: 0 well, 1 failed, 64 wrong usage, 78 wrong configuration.";

const READY_CODES: &str = "Exit codes: 0 all ready, 1 something at risk, 2 something not ready, \
     3 something cannot be told, 64 wrong usage, 78 wrong configuration.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for log collectors
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Watch the sites until told to stop (SIGTERM), re-reading the configuration on SIGHUP
    Run(Run),
    /// Watch an emulated province on this machine and see faults, metrics and alerts happen
    Demo(Demo),
    /// Check every file of the configuration and say everything that is wrong with it
    CheckConfig(ConfigDir),
    /// Run every check of a site once and explain step by step what was seen
    Probe(Probe),
    /// Find out whether every site of a session is ready to connect, or record that people saw and
    /// heard them
    #[command(after_help = READY_CODES)]
    Ready(Ready),
    /// Send a test message through every channel and say which ones took it
    AlertTest(ConfigDir),
}

#[derive(Debug, Args)]
pub(super) struct ConfigDir {
    /// Directory with vchealth.yaml, sites.yaml and sessions.yaml
    #[arg(
        long = "config",
        value_name = "DIR",
        env = "VCHEALTH_CONFIG",
        default_value = "/etc/vchealth"
    )]
    pub(super) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) config: ConfigDir,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Directory with a configuration to emulate instead of the shipped sample
    #[arg(long = "config", value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// What goes wrong when; a built-in script that shows the commonest faults unless given
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Stop after this long, such as 90s or 10m; until Ctrl-C or the end of the scenario unless given
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) lasting: Option<Duration>,
    /// Where board and metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9722")]
    pub(super) listen: SocketAddr,
    /// Judge what people were told, not how quickly
    #[arg(long)]
    pub(super) untimed: bool,
    /// Print one JSON object a line: faults, alerts and, at the end, how each expectation was met
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Probe {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Id or name of the site
    #[arg(value_name = "SITE")]
    pub(super) site: String,
    /// Language of the explanation: vi or en; that of the settings unless given
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language)]
    pub(super) language: Option<Language>,
}

#[derive(Debug, Args)]
pub(super) struct Ready {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Id or title of the session; the one that is on or begins next unless given
    #[arg(value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// Look again only at the sites that were not ready the last time
    #[arg(long)]
    pub(super) again: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// Write the result to a file and only its first line here
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Language of the result: vi or en; that of the settings unless given
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language)]
    pub(super) language: Option<Language>,
    /// Look at nothing; record that the picture and the sound of this site were confirmed
    #[arg(long, value_name = "SITE", requires = "by", conflicts_with_all = ["again", "output", "format"])]
    pub(super) confirm: Vec<String>,
    /// Who confirms
    #[arg(long, value_name = "NAME", requires = "confirm")]
    pub(super) by: Option<String>,
    /// There is no picture
    #[arg(long, requires = "confirm")]
    pub(super) no_picture: bool,
    /// There is no sound
    #[arg(long, requires = "confirm")]
    pub(super) no_sound: bool,
    /// What else there is to say
    #[arg(long, value_name = "TEXT", requires = "confirm")]
    pub(super) note: Option<String>,
}

/// How a readiness run is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a terminal
    Table,
    /// For programs
    Json,
    /// A page to print or to mail
    Html,
    /// For whatever collects test reports
    Junit,
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "vi" => Ok(Language::Vi),
        "en" => Ok(Language::En),
        _ => Err("expected vi or en".to_owned()),
    }
}

/// Reads a length of time such as `90s`, `10m` or `1h 30m`.
fn time(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| "expected a length of time such as 90s or 10m".to_owned())?;
    Duration::try_from(span).map_err(|_| "a length of time is not negative".to_owned())
}
