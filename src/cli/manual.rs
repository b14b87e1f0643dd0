//! `vchealth man` and `vchealth completions`: the manual and what shells complete, made from the
//! same arguments that the program reads, so that they cannot differ from it.
//!
//! A page of a command holds what `--help` says and what a manual has besides: what it does at
//! length, what exit statuses mean, examples, files. `vchealth.yaml(5)` is the samples themselves,
//! which a test holds to the defaults, laid out for a terminal of 80 columns.

mod narrow;
mod words;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use self::words::{
    DESCRIPTION, ENVIRONMENT, FILES, PAGES, Page, SIGNALS, STATUSES, WEB, WEB_SECTIONS,
};
use super::args::Arguments;
use super::{Exit, Failed};

/// Columns of a page for a terminal of 80, less the margin of its text.
const WIDTH: usize = 73;

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
