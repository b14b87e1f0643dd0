//! The words of the manual that the arguments do not have: what commands do at length, examples,
//! statuses, files.

/// What a manual page of a command holds besides what its arguments say.
pub(super) struct Page {
    pub(super) command: &'static str,
    /// What it does, at length; a paragraph each.
    pub(super) about: &'static [&'static str],
    /// Exit statuses besides 64, wrong usage, which every command has.
    pub(super) statuses: &'static [(u8, &'static str)],
    /// What each example does, and its command line.
    pub(super) examples: &'static [(&'static str, &'static str)],
}

const CONFIGURATION: (u8, &str) = (78, "The configuration is wrong; every problem was told.");
const REFUSED: &[(u8, &str)] =
    &[(0, "Done."), (1, "No daemon answers, or it refused; the reason was told."), CONFIGURATION];

pub(super) const PAGES: &[Page] = &[
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
             back. It is one message to each; a program (webhook, alertmanager, exec) is told at \
             once that it is over, too."],
        statuses: &[
            (0, "Everybody took the message."),
            (1, "A channel did not take it, or one of its recipients."),
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
            "Whoever takes an incident on is named in it, with what `--reason` says that they do \
             about it; reminders and escalation stay away. What grows or gets graver is told all \
             the same, and so is the end.",
            "An ack lasts for as long as `--for` says, or else `acks.lasts` in the settings; when it \
             runs out, those who know of it are told once that nobody has it, and escalation goes \
             on.",
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
             and the board go on. Who was told of a problem is told of its end all the same. \
             `--reason` tells the others why they miss messages.",
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
        command: "duty",
        about: &[
            "Whoever takes over is on duty at once and in every route that names the rota, until \
             the time is over or `--end` has the rota count again. It outlives a restart. Without \
             `--to` and `--end`, it is shown who is on duty and who comes next.",
        ],
        statuses: REFUSED,
        examples: &[
            (
                "Somebody takes over for the night",
                "truc-tinh --to tu --for 6h --reason 'Hà is ill'",
            ),
            ("Take it back", "truc-tinh --end"),
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

pub(super) const FILES: &[(&str, &str)] = &[
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

pub(super) const ENVIRONMENT: &[(&str, &str)] = &[
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

pub(super) const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGHUP",
        "run reads the configuration again. One with mistakes is refused whole, the log says why, \
         and the old one stays.",
    ),
    ("SIGTERM, SIGINT", "run ends in order."),
];

pub(super) const STATUSES: &[(u8, &str)] = &[
    (0, "Done."),
    (1, "It could not be done, or what was asked is not so."),
    (2, "Some site of a session is not ready (ready)."),
    (3, "Whether a session is ready cannot be told (ready)."),
    (64, "The command line is wrong."),
    CONFIGURATION,
];

pub(super) const DESCRIPTION: &[&str] = &[
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

pub(super) const WEB: &[&str] = &[
    "The file that `web.config_file` names has the form of Prometheus' web configuration. Once it names \
     anybody, everything needs a log-in; without, everybody may look, and only programs of the \
     machine itself may change anything. vchealth-hash-password(1) makes what stands in it.",
    "Paths in it are relative to it. It counts within ten seconds of a change, certificates that were \
     renewed too; what is wrong changes nothing.",
];

/// What the web configuration may say, as the README has it.
pub(super) const WEB_SECTIONS: &[(&str, &str)] = &[
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
