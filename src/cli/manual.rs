//! `vchealth man` and `vchealth completions`: the manual and what shells complete, made from the
//! same arguments that the program reads, so that they cannot differ from it.
//!
//! A page of a command holds what `--help` says and what a manual has besides: what it does at
//! length, what exit statuses mean, examples, files. `vchealth.yaml(5)` is the samples themselves,
//! which a test holds to the defaults, laid out for a terminal of 80 columns.

mod narrow;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::Arguments;
use super::{Exit, Failed};

/// What a manual page of a command holds besides what its arguments say.
struct Page {
    command: &'static str,
    /// What it does, at length; a paragraph each.
    about: &'static [&'static str],
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
        about: &[
            "It takes up states, incidents, acks and undelivered messages where the last run \
             left them, looks at every site within seconds of its start, and then at the pace \
             that the settings say for the phase of each site.",
            "Under systemd it says when it is ready, and feeds the watchdog only while its \
             probe loop turns. SIGHUP reads the configuration again, whole or not at all. \
             SIGTERM ends it: requests under way are answered, and what was not delivered yet \
             lies in the database.",
        ],
        statuses: &[
            (0, "It was told to stop."),
            (1, "It could not start, or its event loop broke off."),
            CONFIGURATION,
        ],
        examples: &[("Watch, with one JSON object for each line of the log", "--log-format json")],
    },
    Page {
        command: "demo",
        about: &[
            "A province of 204 sites lives in network namespaces of its own, behind a relay \
             that delays, loses and cuts; a daemon watches it as it would a real one, while \
             faults are played. Nothing leaves this machine. It needs no root, only user \
             namespaces and `/dev/net/tun`.",
            "With `--scenario` it plays a file such as those of `tests/scenarios` and says \
             whether people were told what that expects.",
        ],
        statuses: &[(0, "It is over."), (1, "What a scenario expects was not met.")],
        examples: &[
            ("Watch an emulated province until Ctrl-C", ""),
            ("The same for ten minutes", "--for 10m"),
        ],
    },
    Page {
        command: "check-config",
        about: &[
            "It reads every file that the daemon would read, the web configuration and texts \
             of your own included, and tells everything that is wrong at once: file, line and \
             column, why, and what to do.",
            "What is sound is summed up: what probing puts on the costliest line of each \
             level, the next session, who is told, who is let in, and notes about what is \
             hardly meant. Nobody is contacted.",
        ],
        statuses: &[(0, "The configuration is sound."), CONFIGURATION],
        examples: &[("Check a copy before it replaces anything", "--config ./new")],
    },
    Page {
        command: "probe",
        about: &[
            "It probes from here and now, by itself: no daemon is asked, and none learns of \
             it. Of every check it tells what was sent, what came back after how long, and \
             how that is judged.",
            "Echo requests need root, CAP_NET_RAW, or a group that \
             `net.ipv4.ping_group_range` permits.",
        ],
        statuses: &[
            (0, "Every check passed."),
            (1, "A check failed, or there is no such site."),
            CONFIGURATION,
        ],
        examples: &[("Explain in English", "tan-lap --lang en")],
    },
    Page {
        command: "ready",
        about: &[
            "Of every site of the session it runs every check once, sends a train of echoes \
             at the pace of a codec's packets and packets that must not be fragmented, and \
             looks at certificates and clocks; never more than the budget of a line leaves. \
             What fails is brought together by its likely cause.",
            "A verdict is about the connection. Picture and sound are confirmed by people in \
             a trial call and recorded with `--confirm`.",
            "What it finds is kept: by the daemon if one runs, else in the database, which \
             takes root or the user of the service. Probing needs what vchealth-probe(1) \
             needs.",
        ],
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
        about: &[
            "It goes through the routes, rotas and people of the settings for a fault of this \
             site and prints who is told at once and in each step of escalation, for every \
             severity and phase in which that differs, and who is on duty.",
        ],
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
        about: &[
            "It is made of what the daemon has kept: the course of the session, every site in \
             trouble, every incident with its likely cause and when it was detected, taken on \
             and repaired, and what was not counted. The daemon writes the same within a \
             minute of a session's end.",
            "It reads the database beside a daemon that runs, as root or as the user of the \
             service.",
        ],
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
        about: &["The message is marked as a test, in the language of the settings, and goes \
             straight to each channel: neither routes nor quiet hours nor silences hold it \
             back."],
        statuses: &[
            (0, "Every channel took the message."),
            (1, "A channel did not take it."),
            CONFIGURATION,
        ],
        examples: &[("One channel", "--channel duty")],
    },
    Page {
        command: "incidents",
        about: &["Widest first: what is at fault, since when, how many sites and delegates it \
             touches, and who has taken it on."],
        statuses: REFUSED,
        examples: &[
            ("For a program", "--json"),
            ("Of another machine", "--at http://10.0.0.5:9722"),
        ],
    },
    Page {
        command: "ack",
        about: &[
            "Whoever takes an incident on is named in it; reminders and escalation stay away. \
             What grows or gets graver is told all the same, and so is the end.",
        ],
        statuses: REFUSED,
        examples: &[(
            "Take an incident on for half an hour",
            "tan-lap.access.20261203T014512Z --for 30m --reason 'phoned the carrier'",
        )],
    },
    Page {
        command: "silence",
        about: &[
            "Messages about the site and everything below it are held back; states, metrics \
             and the board go on. Who was told of a problem is told of its end all the same.",
            "Without a site and without `--all`, what is silenced is listed with ids.",
        ],
        statuses: REFUSED,
        examples: &[
            ("Hold back messages about a site", "tan-lap --for 2h --reason 'power works'"),
            ("List what is held back", ""),
        ],
    },
    Page {
        command: "unsilence",
        about: &["What is still on is told then, if it was not told before."],
        statuses: REFUSED,
        examples: &[("By site", "tan-lap")],
    },
    Page {
        command: "maintenance",
        about: &["While the work lasts, messages about the sites and everything below them are \
             held back, and reports do not count the time against them. Without a site, what \
             is announced is listed with ids; `--end` ends one early."],
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
        about: &["Sessions are known from `sessions.yaml`, from calendars that others keep, and \
             from changes through the API; of the same id, a change counts before the file, \
             and that before a calendar. What a calendar says and is not followed is listed \
             below."],
        statuses: &[(0, "They were listed."), CONFIGURATION],
        examples: &[("Also those that are over", "--all")],
    },
    Page {
        command: "hash-password",
        about: &[
            "It asks for a password twice, or reads one line where no terminal is, and prints \
             its bcrypt hash for `basic_auth_users`. With `--token` it makes a random token \
             and prints it with its SHA-256 for `bearer_tokens`. See vchealth.yaml(5).",
        ],
        statuses: &[(0, "It was printed.")],
        examples: &[("Of a password that is typed", ""), ("A token for a program", "--token")],
    },
    Page {
        command: "import",
        about: &[
            "Headings may be in Vietnamese or English, in any order and over two rows. Sites \
             are found by id, by official code, or by name below their parent. Everything \
             doubtful is told with sheet, row and column.",
            "With `--write` values are changed in their place, new sites are put behind their \
             neighbours; comments, order and spacing stay, and so do sites that the \
             spreadsheet does not name. The result has to pass vchealth-check-config(1) \
             first.",
        ],
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
        about: &[
            "Files that are there already stay as they are. Files that it makes belong to the \
             group of the directory, which is that of the service where the package made it.",
        ],
        statuses: &[(0, "The files are there."), (1, "They could not be written.")],
        examples: &[("Begin elsewhere than in /etc/vchealth", "--config ./province")],
    },
    Page {
        command: "healthy",
        about: &[
            "It asks where the settings say that the daemon listens, or at `--at`, and fails \
             when the probe loop has stood still.",
        ],
        statuses: &[
            (0, "It answers and its probe loop turns."),
            (1, "It does not answer, or stands still."),
            CONFIGURATION,
        ],
        examples: &[("As a health check of a container", "")],
    },
    Page {
        command: "completions",
        about: &["The packages put what it prints where bash, zsh and fish find it."],
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

/// Columns of a page for a terminal of 80, less the margin of its text.
const WIDTH: usize = 73;

const WEB: &[&str] = &[
    "The file that `web.config_file` names has the form of Prometheus' web configuration. Once it names \
     anybody, everything needs a log-in; without, everybody may look, and only programs of the \
     machine itself may change anything. vchealth-hash-password(1) makes what stands in it.",
    "Paths in it are relative to it. It counts within ten seconds of a change, certificates that were \
     renewed too; what is wrong changes nothing.",
];

/// What the web configuration may say, as the README has it.
const WEB_SECTIONS: &[(&str, &str)] = &[
    (
        "tls_server_config",
        "`cert_file`, `key_file` (or `cert`, `key` in PEM), `client_auth_type` (`NoClientCert`, \
         `VerifyClientCertIfGiven`, `RequireAndVerifyClientCert`), `client_ca_file`, \
         `client_allowed_sans`, `min_version`, `max_version` (`TLS12`, `TLS13`), `cipher_suites`, \
         `prefer_server_cipher_suites`, `curve_preferences`",
    ),
    (
        "http_server_config",
        "`headers` that stand in every answer; `http2` is taken, and all is HTTP/1.1",
    ),
    ("basic_auth_users", "names and bcrypt hashes of passwords, of a cost from 4 to 14"),
    ("bearer_tokens", "names and SHA-256 hashes of random tokens"),
    (
        "roles",
        "`operator` or `viewer`, for users, tokens and, where only client certificates are asked \
         for, the first name in a certificate",
    ),
    ("rate_limit", "`interval` and `burst`: how fast one address may ask"),
    ("auth_excluded_paths", "paths that are answered without a log-in, such as `/-/healthy`"),
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
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let usage = [bold("vchealth"), roman(" ["), italic("OPTION"), roman("…] "), italic("COMMAND")];
    roff.text([&usage[..], &[roman(" …")]].concat());
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
    let arguments: Vec<clap::Arg> = command.get_positionals().cloned().collect();
    let options = command.mut_args(|it| if it.is_positional() { it.hide(true) } else { it });
    let man = titled(options);
    man.render_title(out)?;
    man.render_name_section(out)?;
    let mut roff = Roff::new();
    if let Some(page) = page {
        roff.control("SH", ["SYNOPSIS"]);
        let mut usage = vec![bold(format!("vchealth {}", page.command))];
        usage.extend([roman(" ["), italic("OPTION"), roman("…]")]);
        for argument in &arguments {
            usage.push(roman(if argument.is_required_set() { " " } else { " [" }));
            usage.push(italic(value_of(argument)));
            let many = argument.get_num_args().is_some_and(|number| number.max_values() > 1);
            let many = if many { "…" } else { "" };
            usage.push(roman(if argument.is_required_set() {
                many.to_owned()
            } else {
                format!("{many}]")
            }));
        }
        roff.text(usage);
        roff.control("SH", ["DESCRIPTION"]);
        paragraphs(&mut roff, page.about);
    }
    if !arguments.is_empty() {
        roff.control("SH", ["ARGUMENTS"]);
    }
    for argument in &arguments {
        let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|it| it.get_name().to_owned()).collect();
        if !values.is_empty() {
            meaning += &format!(": {}", values.join(", "));
        }
        roff.control("TP", []);
        roff.text([italic(value_of(argument))]);
        roff.text(spoken(&meaning));
    }
    roff.to_writer(out)?;
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
    roff.control("SH", ["SITES.YAML"]);
    paragraphs(&mut roff, &["Everything that it may say, in the first lines of the sample:"]);
    literal(&mut roff, &beginning(include_str!("../../config/sites.yaml"), "\nsites:\n", 3));
    roff.control("SH", ["SESSIONS.YAML"]);
    paragraphs(&mut roff, &["Everything that it may say, in the first lines of the sample:"]);
    literal(&mut roff, &beginning(include_str!("../../config/sessions.yaml"), "\nsessions:\n", 2));
    roff.control("SH", ["WEB CONFIGURATION"]);
    paragraphs(&mut roff, WEB);
    for (section, meaning) in WEB_SECTIONS {
        entry(&mut roff, section, meaning);
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

/// A sample up to its first few items after a heading.
fn beginning(sample: &str, heading: &str, items: usize) -> String {
    let from = sample.find(heading).map_or(0, |at| at + heading.len());
    let (head, rest) = sample.split_at(from);
    let next = rest.match_indices("  - ").filter(|(at, _)| rest[..*at].ends_with('\n') || *at == 0);
    let end = next.map(|(at, _)| at).nth(items).unwrap_or(rest.len());
    let mut lines: Vec<&str> = rest[..end].lines().collect();
    // What stands before the next item is about that one.
    while lines.last().is_some_and(|line| line.is_empty() || line.trim_start().starts_with('#')) {
        lines.pop();
    }
    format!("{head}{}\n  # …\n", lines.join("\n"))
}

/// What stands for the value of an argument.
fn value_of(argument: &clap::Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.first().map_or_else(|| argument.get_id().to_string(), ToString::to_string)
}

/// Text in which what stands between back-ticks is bold, as what is typed.
fn spoken(text: &str) -> Vec<Inline> {
    let pieces = text.split('`').enumerate();
    pieces.map(|(at, piece)| if at % 2 == 1 { bold(piece) } else { roman(piece) }).collect()
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
        roff.text(spoken(text));
    }
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text(spoken(meaning));
}

fn statuses(roff: &mut Roff, statuses: &[(u8, &str)]) {
    for (status, meaning) in statuses {
        entry(roff, &status.to_string(), meaning);
    }
}

/// Text that keeps its lines, where they are not too wide.
fn literal(roff: &mut Roff, text: &str) {
    roff.control("PP", []);
    roff.control("nf", []);
    for line in narrow::narrow(text, WIDTH).lines() {
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
    fn the_web_configuration_is_told_as_the_readme_tells_it() {
        let readme = include_str!("../../README.md");
        for (section, meaning) in WEB_SECTIONS {
            let row = format!("| `{section}` | {meaning} |\n");
            assert!(readme.contains(&row), "the README has not: {row}");
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
