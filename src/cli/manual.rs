//! `vchealth man` and `vchealth completions`: the manual and what shells complete, made from the
//! same arguments that the program reads, so that they cannot differ from it.
//!
//! A page of a command holds what `--help` says and what a manual has besides: what exit statuses
//! mean, examples, files. `vchealth.yaml(5)` is the sample itself, which a test holds to the
//! defaults.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::Arguments;
use super::init;
use super::{Exit, Failed};

/// What a manual page of a command holds besides what its arguments say.
struct Page {
    command: &'static str,
    /// Exit statuses besides 64, wrong usage, which every command has.
    statuses: &'static [(u8, &'static str)],
    /// What each example does, and its command line.
    examples: &'static [(&'static str, &'static str)],
}

const CONFIGURATION: (u8, &str) = (78, "The configuration is wrong; every problem was told.");
const REFUSED: &[(u8, &str)] =
    &[(0, "Done."), (1, "No daemon answers, or it refused; the reason was told."), CONFIGURATION];

const PAGES: &[Page] = &[
    Page {
        command: "run",
        statuses: &[
            (0, "It was told to stop."),
            (1, "It could not start, or its event loop broke off."),
            CONFIGURATION,
        ],
        examples: &[("Watch, with one JSON object for each line of the log", "--log-format json")],
    },
    Page {
        command: "demo",
        statuses: &[(0, "It is over."), (1, "What a scenario expects was not met.")],
        examples: &[
            ("Watch an emulated province until Ctrl-C", ""),
            ("The same for ten minutes", "--for 10m"),
        ],
    },
    Page {
        command: "check-config",
        statuses: &[(0, "The configuration is sound."), CONFIGURATION],
        examples: &[("Check a copy before it replaces anything", "--config ./new")],
    },
    Page {
        command: "probe",
        statuses: &[
            (0, "Every check passed."),
            (1, "A check failed, or there is no such site."),
            CONFIGURATION,
        ],
        examples: &[("Explain in English", "tan-lap --lang en")],
    },
    Page {
        command: "ready",
        statuses: &[
            (0, "Every site is ready to connect."),
            (1, "Something is at risk."),
            (2, "Something is not ready."),
            (3, "Something cannot be told."),
            CONFIGURATION,
        ],
        examples: &[
            ("The session that is on or begins next", ""),
            ("Only those that were not ready the last time", "giao-ban-12 --again"),
            ("A checklist to print", "--format html -o ready.html"),
            (
                "Record that people saw and heard a site",
                "giao-ban-12 --confirm tan-lap --by \"Nguyễn Thị Hà\"",
            ),
        ],
    },
    Page {
        command: "who",
        statuses: &[(0, "It was told."), CONFIGURATION],
        examples: &[
            ("Who is told when the line of a site is cut", "tan-lap"),
            (
                "The same for a bad picture, on a morning to come",
                "tan-lap --cause quality --at '2026-12-03 07:45'",
            ),
        ],
    },
    Page {
        command: "report",
        statuses: &[
            (0, "It was written."),
            (1, "It could not be written."),
            (64, "There is no such session."),
            CONFIGURATION,
        ],
        examples: &[
            ("The last session that ended, as a workbook", "--format xlsx -o ."),
            ("One session in English", "giao-ban-12 --lang en -o giao-ban-12.html"),
        ],
    },
    Page {
        command: "alert-test",
        statuses: &[
            (0, "Every channel took the message."),
            (1, "A channel did not take it."),
            CONFIGURATION,
        ],
        examples: &[("One channel", "--channel duty")],
    },
    Page {
        command: "incidents",
        statuses: REFUSED,
        examples: &[
            ("For a program", "--json"),
            ("Of another machine", "--at http://10.0.0.5:9722"),
        ],
    },
    Page {
        command: "ack",
        statuses: REFUSED,
        examples: &[(
            "Take an incident on for half an hour",
            "tan-lap.access.20261203T014512Z --for 30m --reason 'phoned the carrier'",
        )],
    },
    Page {
        command: "silence",
        statuses: REFUSED,
        examples: &[
            ("Hold back messages about a site", "tan-lap --for 2h --reason 'power works'"),
            ("List what is held back", ""),
        ],
    },
    Page { command: "unsilence", statuses: REFUSED, examples: &[("By site", "tan-lap")] },
    Page {
        command: "maintenance",
        statuses: REFUSED,
        examples: &[
            (
                "Announce work that begins in an hour",
                "cho-don ba-be --after 1h --for 2h --reason 'new router'",
            ),
            ("List what is announced", ""),
        ],
    },
    Page {
        command: "sessions",
        statuses: &[(0, "They were listed."), CONFIGURATION],
        examples: &[("Also those that are over", "--all")],
    },
    Page {
        command: "hash-password",
        statuses: &[(0, "It was printed.")],
        examples: &[("Of a password that is typed", ""), ("A token for a program", "--token")],
    },
    Page {
        command: "import",
        statuses: &[
            (0, "What it would change, or did change, was told."),
            (1, "There are faults in the spreadsheet; every one was told."),
            CONFIGURATION,
        ],
        examples: &[
            ("See what a list of sites would change", "dia-ban.xlsx"),
            ("Take it over", "dia-ban.xlsx --write"),
            ("Who takes part in a session", "thanh-phan.xlsx --session hdnd-2026-12 --write"),
        ],
    },
    Page {
        command: "init",
        statuses: &[(0, "The files are there."), (1, "They could not be written.")],
        examples: &[("Begin elsewhere than in /etc/vchealth", "--config ./province")],
    },
    Page {
        command: "healthy",
        statuses: &[
            (0, "It answers and its probe loop turns."),
            (1, "It does not answer, or stands still."),
            CONFIGURATION,
        ],
        examples: &[("As a health check of a container", "")],
    },
    Page {
        command: "completions",
        statuses: &[(0, "It was printed.")],
        examples: &[(
            "For this bash",
            "bash > ~/.local/share/bash-completion/completions/vchealth",
        )],
    },
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/vchealth/",
        "vchealth.yaml, sites.yaml and sessions.yaml, see vchealth.yaml(5), and the files with keys \
         and passwords that they name. --config or VCHEALTH_CONFIG name another directory.",
    ),
    (
        "/var/lib/vchealth/",
        "What has to survive a restart: states, incidents, history, messages not yet delivered, \
         reports; state_dir in the settings.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("VCHEALTH_CONFIG", "The directory of the configuration, where --config does not say."),
    (
        "VCHEALTH_USER, VCHEALTH_PASSWORD",
        "As whom a running daemon is asked that wants to know; VCHEALTH_PASSWORD_FILE names a file \
         with the password instead.",
    ),
    (
        "VCHEALTH_TOKEN",
        "The token with which it is asked instead; VCHEALTH_TOKEN_FILE names a file with it.",
    ),
    ("VCHEALTH_CA_FILE", "Who vouches for its certificate, where --ca-file does not say."),
    ("VCHEALTH_LOG", "How much to log, where --log does not say."),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Set by systemd: where run says that it is ready, reloads and stops, and how often it shows \
         that its probe loop turns.",
    ),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGHUP",
        "run reads the configuration again. One with mistakes is refused whole, the log says why, \
         and the old one stays.",
    ),
    ("SIGTERM, SIGINT", "run ends in order."),
];

const STATUSES: &[(u8, &str)] = &[
    (0, "Done."),
    (1, "It could not be done, or what was asked is not so."),
    (2, "Some site of a session is not ready (ready)."),
    (3, "Whether a session is ready cannot be told (ready)."),
    (64, "The command line is wrong."),
    CONFIGURATION,
];

const DESCRIPTION: &[&str] = &[
    "vchealth watches the sites that join a province's video conferences: it probes their routers, \
     codecs and conference servers, tells the technician on call about each failure once, with its \
     cause, and once more when it is over, says before a session whether every site is ready, and \
     writes up afterwards how it went.",
    "vchealth init writes files to begin with, vchealth check-config tells everything that is wrong \
     with them, vchealth probe looks at one site. As a service, systemctl start vchealth runs it. \
     The board is at http://127.0.0.1:9722/, metrics for Prometheus are at /metrics.",
    "Probing with echo requests needs CAP_NET_RAW, which the service has, or a group that \
     net.ipv4.ping_group_range permits. Everybody else runs probe and ready as root.",
];

/// Prints what makes a shell complete commands and options.
pub(super) fn completions(shell: Shell) -> Result<Exit, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "vchealth", &mut script);
    io::stdout()
        .write_all(&script)
        .map_err(|error| Failed::Other("cannot print".to_owned(), Box::new(error)))?;
    Ok(Exit::Well)
}

/// Writes every page below a directory of manuals, where `man` looks for its section.
pub(super) fn write(dir: &Path) -> Result<Exit, Failed> {
    let failed = |error: io::Error| {
        let doing = format!("cannot write the manual into {}", dir.display());
        Failed::Other(doing, Box::<dyn Error>::from(error))
    };
    for (name, roff) in pages() {
        let section = dir.join(if name.ends_with(".5") { "man5" } else { "man1" });
        fs::create_dir_all(&section).map_err(failed)?;
        let written = File::create(section.join(name)).map(BufWriter::new).and_then(|mut file| {
            roff(&mut file)?;
            file.flush()
        });
        written.map_err(failed)?;
    }
    Ok(Exit::Well)
}

type Render = Box<dyn Fn(&mut dyn Write) -> io::Result<()>>;

/// The pages by the names of their files.
fn pages() -> Vec<(String, Render)> {
    let mut root = Arguments::command().disable_help_subcommand(true);
    root.build();
    let mut pages: Vec<(String, Render)> = Vec::new();
    let commands: Vec<clap::Command> =
        root.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect();
    for command in commands {
        let page = PAGES.iter().find(|page| page.command == command.get_name());
        pages.push((
            format!("vchealth-{}.1", command.get_name()),
            Box::new(move |out| of_command(command.clone(), page, out)),
        ));
    }
    pages.push(("vchealth.1".to_owned(), Box::new(move |out| of_program(root.clone(), out))));
    pages.push(("vchealth.yaml.5".to_owned(), Box::new(of_settings)));
    pages
}

fn of_program(command: clap::Command, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
        .map(|it| format!("vchealth-{}", it.get_name()))
        .collect();
    let man = titled(command);
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, DESCRIPTION);
    roff.to_writer(out)?;
    man.render_subcommands_section(out)?;
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    statuses(&mut roff, STATUSES);
    for (title, entries) in [("SIGNALS", SIGNALS), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        roff.control("SH", [title]);
        for (name, meaning) in entries {
            entry(&mut roff, name, meaning);
        }
    }
    let mut others = vec![("vchealth.yaml", 5)];
    others.extend(names.iter().map(|name| (name.as_str(), 1)));
    others.extend([("systemctl", 1), ("journalctl", 1), ("prometheus", 1)]);
    see_also(&mut roff, &others);
    roff.to_writer(out)
}

fn of_command(command: clap::Command, page: Option<&Page>, out: &mut dyn Write) -> io::Result<()> {
    let man = titled(command);
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    if let Some(page) = page {
        roff.control("SH", ["EXIT STATUS"]);
        let usage = (64, "The command line is wrong.");
        let mut all = page.statuses.to_vec();
        if !all.iter().any(|(status, _)| *status == 64) {
            all.push(usage);
        }
        all.sort_unstable();
        statuses(&mut roff, &all);
        roff.control("SH", ["EXAMPLES"]);
        for (what, rest) in page.examples {
            roff.control("TP", []);
            roff.text([roman(*what)]);
            let line = format!("vchealth {} {rest}", page.command);
            roff.text([bold(line.trim_end())]);
        }
    }
    see_also(&mut roff, &[("vchealth", 1), ("vchealth.yaml", 5)]);
    roff.to_writer(out)
}

/// The files of the configuration: every setting as the sample shows it, and files to begin with.
fn of_settings(out: &mut dyn Write) -> io::Result<()> {
    let mut roff = Roff::new();
    let version = concat!("vchealth ", env!("CARGO_PKG_VERSION"));
    roff.control("TH", ["vchealth.yaml", "5", "", version, ""]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("vchealth.yaml, sites.yaml, sessions.yaml - what vchealth watches and how")]);
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(
        &mut roff,
        &[
            "Three files in YAML in /etc/vchealth, or where --config says. vchealth check-config \
             tells everything that is wrong with them at once, each with its place and what to do; a \
             line that nobody understands is an error, never ignored.",
            "A running daemon reads them again on SIGHUP (systemctl reload vchealth). With mistakes \
             they are refused whole, and the old configuration stays.",
            "Keys and passwords never stand in them: the settings name files or environment \
             variables. Let only the service read such a file (root:vchealth, mode 0640), or hand it \
             over with LoadCredential= in a drop-in of the unit and name \
             /run/credentials/vchealth.service/NAME.",
        ],
    );
    roff.control("SH", ["VCHEALTH.YAML"]);
    paragraphs(&mut roff, &["Every setting with its default:"]);
    literal(&mut roff, include_str!("../../config/vchealth.yaml"));
    for (name, text) in init::FILES.into_iter().filter(|(name, _)| *name != "vchealth.yaml") {
        roff.control("SH", [name.to_uppercase().as_str()]);
        paragraphs(&mut roff, &["To begin with, as vchealth init writes it:"]);
        literal(&mut roff, text);
    }
    see_also(
        &mut roff,
        &[
            ("vchealth", 1),
            ("vchealth-check-config", 1),
            ("vchealth-init", 1),
            ("vchealth-import", 1),
        ],
    );
    roff.to_writer(out)
}

/// A page without a date, so that the same program gives the same pages.
fn titled(command: clap::Command) -> Man {
    Man::new(command).source(concat!("vchealth ", env!("CARGO_PKG_VERSION"))).manual("")
}

fn paragraphs(roff: &mut Roff, texts: &[&str]) {
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(*text)]);
    }
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(meaning)]);
}

fn statuses(roff: &mut Roff, statuses: &[(u8, &str)]) {
    for (status, meaning) in statuses {
        entry(roff, &status.to_string(), meaning);
    }
}

/// Text that keeps its lines.
fn literal(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in text.lines() {
        // An empty line of roff is no line of its own after some requests.
        roff.text([if line.is_empty() { Inline::LineBreak } else { roman(line) }]);
    }
    roff.control("fi", []);
}

fn see_also(roff: &mut Roff, others: &[(&str, u8)]) {
    roff.control("SH", ["SEE ALSO"]);
    let mut line = Vec::new();
    for (at, (name, section)) in others.iter().enumerate() {
        let comma = if at + 1 < others.len() { ", " } else { "" };
        line.extend([italic(*name), roman(format!("({section}){comma}"))]);
    }
    roff.text(line);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser as _;

    use super::*;

    fn commands() -> Vec<clap::Command> {
        let root = Arguments::command();
        root.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect()
    }

    #[test]
    fn every_command_has_a_page_and_every_page_a_command() {
        let paged: Vec<&str> = PAGES.iter().map(|page| page.command).collect();
        let there: Vec<String> = commands().iter().map(|it| it.get_name().to_owned()).collect();
        assert_eq!(paged, there);
    }

    #[test]
    fn every_example_is_a_command_line_that_the_program_takes() {
        for page in PAGES {
            assert!(!page.examples.is_empty(), "{} without an example", page.command);
            for (_, rest) in page.examples {
                // What a shell takes away: where output goes, and quotation marks.
                let rest = rest.split(" > ").next().unwrap_or_default();
                let mut words = vec!["vchealth".to_owned(), page.command.to_owned()];
                for (at, piece) in rest.split(['\'', '"']).enumerate() {
                    if at % 2 == 1 {
                        words.push(piece.to_owned());
                    } else {
                        words.extend(piece.split_whitespace().map(str::to_owned));
                    }
                }
                if let Err(error) = Arguments::try_parse_from(&words) {
                    panic!("{words:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn what_shells_complete_names_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "vchealth", &mut script);
            let script = String::from_utf8(script).expect("text");
            let words: BTreeSet<&str> =
                script.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
            for command in commands() {
                assert!(words.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
