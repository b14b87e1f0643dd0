//! `vchealth import`: what a spreadsheet would change, and with `--write` the change itself.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::args::Import;
use super::{Exit, Failed};
use crate::config::import::{self, Book, LARGEST, NoSession, Plan};
use crate::config::{Diagnostics, SourceSet};
use crate::daemon::{self, DaemonError};
use crate::store::write_whole;

/// Reads the spreadsheet, says what would change, and changes it if that was asked for.
pub(super) fn run(asked: &Import) -> Result<Exit, Failed> {
    let began = Instant::now();
    let sources = daemon::read(&asked.config.dir)?;
    let book = match read(&asked.file)? {
        Ok(book) => book,
        Err(problems) => return Ok(tell(&problems)),
    };
    let plan = plan(&book, &sources, asked.session.as_deref())?;
    let rows: usize = plan.lines.len();
    for note in &plan.notes {
        println!("{note}");
    }
    if rows > 0 || plan.faults.is_none() {
        println!("\n{}", plan.summary);
    }
    if rows > 0 {
        println!();
    }
    for line in &plan.lines {
        println!("{line}");
    }
    println!("\nread and compared in {} ms", began.elapsed().as_millis());
    if let Some(faults) = &plan.faults {
        println!();
        let exit = tell(faults);
        eprintln!("nothing is written while something is wrong");
        return Ok(exit);
    }
    let path = asked.config.dir.join(plan.file.name());
    match (&plan.text, asked.write) {
        (None, _) => println!("there is nothing to write"),
        (Some(_), false) => println!("nothing is written yet; --write changes {}", path.display()),
        (Some(text), true) => {
            let failed = |error: io::Error| {
                Failed::Other(format!("cannot change {}", path.display()), error.into())
            };
            unchanged_meanwhile(&path, &sources, &plan)?;
            let backup = replace(&path, text).map_err(failed)?;
            println!("written to {}; as it was: {}", path.display(), backup.display());
        }
    }
    Ok(Exit::Well)
}

fn tell(problems: &Diagnostics) -> Exit {
    eprintln!("{problems}");
    Exit::Failed
}

fn plan(book: &Book, sources: &SourceSet, session: Option<&str>) -> Result<Plan, Failed> {
    let wrong = |problems| Failed::Daemon(DaemonError::Configuration(problems));
    let Some(id) = session else { return import::sites(book, sources).map_err(wrong) };
    import::session(book, sources, id).map_err(|error| match error {
        NoSession::Configuration(problems) => wrong(problems),
        NoSession::Unknown(known) if known.is_empty() => {
            Failed::Usage("sessions.yaml has no session yet: write one there first".to_owned())
        }
        NoSession::Unknown(known) => Failed::Usage(format!(
            "there is no session `{id}` in sessions.yaml; known are {}",
            known.join(", ")
        )),
    })
}

/// Reads a spreadsheet, a bounded part of whatever the path leads to.
fn read(path: &Path) -> Result<Result<Book, Diagnostics>, Failed> {
    let failed =
        |error: io::Error| Failed::Other(format!("cannot read {}", path.display()), error.into());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    let name = path.file_name().map_or_else(String::new, |name| name.display().to_string());
    Ok(import::open(&name, &bytes))
}

/// Somebody may have edited the file while the spreadsheet was compared with it.
fn unchanged_meanwhile(path: &Path, sources: &SourceSet, plan: &Plan) -> Result<(), Failed> {
    let now = fs::read(path).unwrap_or_default();
    if sources.bytes(plan.file) == Some(now.as_slice()) {
        return Ok(());
    }
    let what = format!("{} was changed meanwhile", path.display());
    Err(Failed::Other(what, "nothing is written; try again".into()))
}

/// Puts a new text in the place of a file, whole or not at all, and gives where the old one is.
fn replace(path: &Path, text: &str) -> io::Result<PathBuf> {
    // What a link points at is replaced, not the link.
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let backup = free_name(&path)?;
    // Another name for the old file keeps its owner and rights; not every file system has that.
    fs::hard_link(&path, &backup).or_else(|_| fs::copy(&path, &backup).map(drop))?;
    write_whole(&path, text.as_bytes(), permissions.mode())?;
    Ok(backup)
}

/// A name for the file as it was: with the moment, so that no earlier backup is lost.
fn free_name(path: &Path) -> io::Result<PathBuf> {
    let moment = jiff::ZonedDateTime::now().strftime("%Y-%m-%d-%H%M%S").to_string();
    for n in 0..100 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{moment}"));
        if n > 0 {
            name.push(format!("-{n}"));
        }
        let name = PathBuf::from(name);
        if !name.exists() {
            return Ok(name);
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many backups"))
}
