//! The command line: what can be asked of the program, in the words that `--help` shows.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

use crate::model::{Cause, Language, ReportFormat};

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
    /// Show whom an alert about a site would reach, at once and if nobody takes it on
    Who(Who),
    /// Write up what a session was like for each of its sites
    Report(Report),
    /// Send a test message through every channel and say which ones took it
    AlertTest(AlertTest),
    /// List the open incidents of the running daemon, and ends that somebody has yet to hear
    Incidents(List),
    /// Take an incident on: reminders stay away
    Ack(AckIncident),
    /// Hold back messages about a site and everything below it; without a site, list what is held
    Silence(SilenceSite),
    /// End a silence early
    Unsilence(Unsilence),
    /// Announce planned work at sites and everything below them; without a site, list it
    Maintenance(Maintain),
    /// Hand the duty by a rota over until a moment, or take it back; without more, show who is on
    /// duty
    Duty(Duty),
    /// List the sessions that are coming, with their sites, delegates and where each is known from
    Sessions(Sessions),
    /// Make the hash of a password, or a token and its hash, for the web configuration file
    HashPassword(HashPassword),
    /// Compare a spreadsheet with sites.yaml or with a session, and take it over when told to
    Import(Import),
    /// Write three files to begin with, which watch this machine and nothing else
    Init(ConfigDir),
    /// Ask the running daemon whether its probe loop turns
    Healthy(Addressed),
    /// Print what makes a shell complete commands and options
    Completions(Completions),
    /// Write the manual pages below a directory of manuals, for those who make packages
    #[command(hide = true)]
    Man(ManualDir),
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManualDir {
    /// Such as /usr/local/share/man; made if it is missing
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AlertTest {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Only through this channel
    #[arg(long, value_name = "NAME")]
    pub(super) channel: Option<String>,
}

/// Which daemon is meant.
#[derive(Debug, Args)]
pub(super) struct Addressed {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Address of the daemon, such as `http://10.0.0.5:9722`; where the settings say that it
    /// listens unless given
    #[arg(long, value_name = "URL")]
    pub(super) at: Option<String>,
    #[command(flatten)]
    pub(super) whom: Credentials,
}

/// As whom a daemon is asked, and who vouches for it.
#[derive(Debug, Args)]
pub(super) struct Credentials {
    /// Name to log in with, if the daemon asks for one; the password lies in `--password-file` or
    /// in the environment variable `VCHEALTH_PASSWORD`
    #[arg(long, value_name = "NAME", env = "VCHEALTH_USER", help_heading = "Log-in")]
    pub(super) user: Option<String>,
    /// File whose first line is the password
    #[arg(
        long,
        value_name = "FILE",
        env = "VCHEALTH_PASSWORD_FILE",
        requires = "user",
        help_heading = "Log-in"
    )]
    pub(super) password_file: Option<PathBuf>,
    /// File whose first line is a token to log in with; or set the environment variable
    /// `VCHEALTH_TOKEN`
    #[arg(
        long,
        value_name = "FILE",
        env = "VCHEALTH_TOKEN_FILE",
        conflicts_with = "user",
        help_heading = "Log-in"
    )]
    pub(super) token_file: Option<PathBuf>,
    /// Who vouches for the daemon's certificate, in PEM; whom this machine trusts unless given
    #[arg(long, value_name = "FILE", env = "VCHEALTH_CA_FILE", help_heading = "Log-in")]
    pub(super) ca_file: Option<PathBuf>,
    /// Certificate to show to the daemon, in PEM
    #[arg(long, value_name = "FILE", requires = "key_file", help_heading = "Log-in")]
    pub(super) cert_file: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "cert_file", help_heading = "Log-in")]
    pub(super) key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct HashPassword {
    /// Make a new token for a program instead of asking for a password
    #[arg(long)]
    pub(super) token: bool,
    /// How much work a guess is: each more doubles it
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(10..=14))]
    pub(super) cost: u32,
}

#[derive(Debug, Args)]
pub(super) struct Asker {
    /// Who asks; unless given, the user of `--user`, a token or a certificate, or else whoever is
    /// logged in
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Print what the API answers
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AckIncident {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Id of the incident, as `vchealth incidents` shows it, or the site where it is the only one
    #[arg(value_name = "INCIDENT")]
    pub(super) incident: String,
    /// For so long, such as 30m, or `session` until that is over, or `over` until the incident is;
    /// as long as `acks.lasts` says unless given
    #[arg(long = "for", value_name = "TIME", value_parser = lasting)]
    pub(super) lasting: Option<Lasting>,
    /// What you do about it, which the others are shown
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Relieve whoever has taken it on already
    #[arg(long)]
    pub(super) take_over: bool,
    #[command(flatten)]
    pub(super) who: Asker,
}

/// How long somebody has an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    For(Duration),
    Session,
    Over,
}

fn lasting(text: &str) -> Result<Lasting, String> {
    match text {
        "session" => Ok(Lasting::Session),
        "over" => Ok(Lasting::Over),
        text => time(text).map(Lasting::For),
    }
}

#[derive(Debug, Args)]
pub(super) struct SilenceSite {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Id or name of the site
    #[arg(value_name = "SITE", conflicts_with = "everything")]
    pub(super) site: Option<String>,
    /// Every site
    #[arg(long = "all")]
    pub(super) everything: bool,
    /// For so long, such as 2h
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) lasting: Option<Duration>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) who: Asker,
}

#[derive(Debug, Args)]
pub(super) struct Unsilence {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Id of the silence, or its site
    #[arg(value_name = "SILENCE")]
    pub(super) what: String,
    #[command(flatten)]
    pub(super) who: Asker,
}

#[derive(Debug, Args)]
pub(super) struct Maintain {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Ids or names of the sites
    #[arg(value_name = "SITE", conflicts_with = "end")]
    pub(super) sites: Vec<String>,
    /// Beginning after so long; now unless given
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) after: Option<Duration>,
    /// For so long, such as 2h
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) lasting: Option<Duration>,
    /// What is done
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) who: Asker,
    /// End this one early
    #[arg(long, value_name = "ID")]
    pub(super) end: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Duty {
    #[command(flatten)]
    pub(super) to: Addressed,
    /// Id of the rota; the only one unless given
    #[arg(value_name = "ROTA")]
    pub(super) rota: Option<String>,
    /// Who takes over, by id or name; may be given several times
    #[arg(long = "to", value_name = "PERSON", conflicts_with = "end")]
    pub(super) people: Vec<String>,
    /// For so long, such as 8h
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) lasting: Option<Duration>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) who: Asker,
    /// Have the rota count again
    #[arg(long)]
    pub(super) end: bool,
}

#[derive(Debug, Args)]
pub(super) struct ConfigDir {
    /// Directory with vchealth.yaml, sites.yaml and sessions.yaml
    #[arg(
        long = "config",
        value_name = "DIR",
        env = "VCHEALTH_CONFIG",
        default_value = "/etc/vchealth",
        value_hint = ValueHint::DirPath
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
    #[arg(long = "config", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) dir: Option<PathBuf>,
    /// What goes wrong when; a built-in script that shows the commonest faults unless given
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    /// Stop after this long, such as 90s or 10m; until Ctrl-C or the end of the scenario unless
    /// given
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(super) lasting: Option<Duration>,
    /// Where board and metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9722")]
    pub(super) listen: SocketAddr,
    /// Allow so many times as long as the scenario says until people are told, of what takes long
    /// anyway at most half as long again, and five seconds more: for a machine that is busy with
    /// other things
    #[arg(long, value_name = "TIMES")]
    pub(super) patience: Option<u32>,
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
pub(super) struct Who {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Id or name of the site
    #[arg(value_name = "SITE")]
    pub(super) site: String,
    /// What kind of fault
    #[arg(long, value_name = "CAUSE", value_parser = cause, default_value = "access")]
    pub(super) cause: Cause,
    /// When, such as `2026-12-03 07:45`; now unless given
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<String>,
}

fn cause(text: &str) -> Result<Cause, String> {
    let words = Cause::ALL.map(Cause::word);
    let found = Cause::ALL.into_iter().find(|cause| cause.word() == text);
    found.ok_or_else(|| format!("expected one of {}", words.join(", ")))
}

#[derive(Debug, Args)]
pub(super) struct Sessions {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Also those that are over and those more than a month ahead
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Import {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// An XLSX or CSV file: a list of sites, or of who takes part in a session
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// The session of sessions.yaml whose sites and delegates the file lists
    #[arg(long, value_name = "ID")]
    pub(super) session: Option<String>,
    /// Write the changes, keeping the file as it was beside the new one; nothing is written without
    #[arg(long)]
    pub(super) write: bool,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    /// Id or title of the session; the last one that ended unless given
    #[arg(value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// Form: html, xlsx, csv or json
    #[arg(long, value_name = "FORMAT", default_value = "html", value_parser = report_format)]
    pub(super) format: ReportFormat,
    /// Language: vi or en; that of the settings unless given
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = language)]
    pub(super) language: Option<Language>,
    /// File to write, or a directory for a file named after the session; standard output unless
    /// given
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

fn report_format(text: &str) -> Result<ReportFormat, String> {
    ReportFormat::named(text).ok_or_else(|| "expected html, xlsx, csv or json".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct Ready {
    #[command(flatten)]
    pub(super) config: ConfigDir,
    #[command(flatten)]
    pub(super) whom: Credentials,
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
    Language::named(text).ok_or_else(|| "expected vi or en".to_owned())
}

/// Reads a length of time such as `90s`, `10m` or `1h 30m`.
fn time(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| "expected a length of time such as 90s or 10m".to_owned())?;
    Duration::try_from(span).map_err(|_| "a length of time is not negative".to_owned())
}
