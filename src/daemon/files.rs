//! Where the configuration comes from: the one place that reads what people wrote.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::OFlag;

use crate::config::{
    self, Config, Diagnostic, Diagnostics, File, SourceSet, Template, TemplatePart,
};
use crate::model::Language;
use crate::notify;
use crate::trust;

use super::DaemonError;

/// Largest file of the configuration that is read; ten thousand sites need about 2 MB.
const LARGEST: u64 = 16 << 20;

/// Where the configuration comes from. Reading it again at a reload takes the same path.
#[derive(Clone)]
pub struct Source {
    load: Arc<Load>,
    /// The directory that it comes from, if it does.
    dir: Option<PathBuf>,
}

type Load = dyn Fn() -> Result<Config, DaemonError> + Send + Sync;

impl Source {
    /// A directory with `vchealth.yaml`, `sites.yaml` and `sessions.yaml`, and, if there are texts
    /// of people's own, `templates`.
    #[must_use]
    pub fn directory(dir: &Path) -> Self {
        let from = dir.to_owned();
        let load = move || {
            let (files, strangers) = gather(&from)?;
            let (config, own) = (config::load(&files), notify::check_templates(files.templates()));
            // Whoever has made several mistakes hears of all of them at once.
            let strangers = Diagnostics { list: strangers, more: 0 };
            let mut wrong = [own.err(), Some(strangers)].into_iter().flatten();
            match config {
                Ok(config) => match wrong.by_ref().reduce(Diagnostics::and) {
                    Some(all) if !all.list.is_empty() => Err(DaemonError::Configuration(all)),
                    _ => Ok(config),
                },
                Err(first) => Err(DaemonError::Configuration(wrong.fold(first, Diagnostics::and))),
            }
        };
        Self { load: Arc::new(load), dir: Some(dir.to_owned()) }
    }

    /// Texts that were prepared.
    #[must_use]
    pub fn prepared(files: SourceSet) -> Self {
        let load = move || config::load(&files).map_err(DaemonError::Configuration);
        Self { load: Arc::new(load), dir: None }
    }

    /// A configuration that is made afresh each time, for an emulated province.
    #[must_use]
    pub fn made(make: impl Fn() -> Config + Send + Sync + 'static) -> Self {
        Self { load: Arc::new(move || Ok(make())), dir: None }
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// When a file cannot be read or anything in it is wrong; nothing is half-read.
    pub fn load(&self) -> Result<Config, DaemonError> {
        let config = (self.load)()?;
        if config.asks_who_is_trusted() {
            // Here files are read, with all the time that it takes. Later a dead disk would hold up
            // who delivers messages, or a device would be blamed for the wait.
            let _ = trust::authorities();
        }
        Ok(config)
    }

    /// The web configuration file of this name, with the files that it names in turn, as they are
    /// now; none when the configuration comes from no directory.
    #[must_use]
    pub fn web(&self, name: &str) -> Option<SourceSet> {
        self.dir.as_ref().map(|dir| with_web(SourceSet::new(), dir, name))
    }
}

/// Reads the files of a configuration directory. One that is missing is told together with
/// whatever else is wrong.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn read(dir: &Path) -> Result<SourceSet, DaemonError> {
    match gather(dir)? {
        (files, strangers) if strangers.is_empty() => Ok(files),
        (_, list) => Err(DaemonError::Configuration(Diagnostics { list, more: 0 })),
    }
}

/// The same, with the files among them that are none.
fn gather(dir: &Path) -> Result<(SourceSet, Vec<Diagnostic>), DaemonError> {
    let listing = std::fs::read_dir(dir)
        .map_err(|source| DaemonError::Read { path: dir.to_owned(), source })?;
    let names: Vec<String> = listing
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !File::ALL.iter().any(|file| file.name() == name))
        .collect();
    let mut files = SourceSet::new();
    for file in File::ALL {
        let path = dir.join(file.name());
        let name = path.display().to_string();
        match read_bounded(&path, LARGEST) {
            Ok(bytes) => files = files.with(file, name, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files = files.without(file, name, alike(file, &names));
            }
            Err(source) => return Err(DaemonError::Read { path, source }),
        }
    }
    if let Some(name) = config::web_file(&files) {
        files = with_web(files, dir, &name);
    }
    with_templates(files, &dir.join("templates"))
}

/// Adds the web configuration and what it names, each relative to where it is named. What cannot be
/// read is told where it is named.
fn with_web(files: SourceSet, dir: &Path, name: &str) -> SourceSet {
    let path = dir.join(name);
    let known_as = path.display().to_string();
    let files = match read_bounded(&path, LARGEST) {
        Ok(bytes) => files.with(File::Web, known_as, bytes),
        Err(error) => return files.without(File::Web, known_as, Some(error.to_string())),
    };
    let beside = path.parent().unwrap_or(dir);
    config::web_names(&files).into_iter().fold(files, |files, name| {
        let found = read_bounded(&beside.join(&name), LARGEST);
        files.with_named(name, found.map_err(|error| error.to_string()))
    })
}

/// Adds the texts of people's own: `templates/vi/summary.txt` and the like. A file that is none of
/// them is told, since somebody believes in it.
fn with_templates(
    mut files: SourceSet,
    dir: &Path,
) -> Result<(SourceSet, Vec<Diagnostic>), DaemonError> {
    let mut strangers = strange_places(dir);
    for language in Language::ALL {
        let dir = dir.join(language.word());
        let found = match std::fs::read_dir(&dir) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(DaemonError::Read { path: dir, source }),
        };
        let mut paths: Vec<_> = found.filter_map(|entry| entry.ok().map(|it| it.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = TemplatePart::ALL
                .into_iter()
                .find(|part| name.strip_suffix(".txt").is_some_and(|stem| stem == part.word()));
            let file = path.display().to_string();
            let Some(part) = part else {
                // What editors leave behind and what is hidden is nobody's belief.
                if !name.starts_with('.') && !name.ends_with('~') {
                    strangers.push(strange_part(&path));
                }
                continue;
            };
            let text = read_bounded(&path, LARGEST).and_then(|bytes| {
                String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
            });
            match text {
                Ok(text) => {
                    files = files.with_template(Template { language, part, file, text });
                }
                Err(source) => return Err(DaemonError::Read { path, source }),
            }
        }
    }
    Ok((files, strangers))
}

/// What lies where nobody looks for texts: in another folder than those of the languages, or in one
/// whose name has a letter too few.
fn strange_places(dir: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(slip) = dir.parent().map(|parent| parent.join("template")).filter(|it| it.is_dir())
    {
        let hint = "rename it to `templates`";
        found.push(stranger(&slip, "texts of your own are not looked for here", hint));
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return found };
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|it| it.path())).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = path.extension().is_some_and(|extension| extension == "txt");
        let known = Language::named(&name).is_some();
        // What is hidden, and what people note beside their texts, is nobody's belief.
        if !known && !name.starts_with('.') && (path.is_dir() || text) {
            let hint = "texts lie in `vi` and `en`, such as `vi/summary.txt`";
            found.push(stranger(&path, "no message is written in this language", hint));
        }
    }
    found
}

fn strange_part(file: &Path) -> Diagnostic {
    let known: Vec<String> =
        TemplatePart::ALL.iter().map(|part| format!("{}.txt", part.word())).collect();
    let hint = format!("known are {}", known.join(", "));
    stranger(file, "no part of a message is written by this file", &hint)
}

fn stranger(path: &Path, reason: &str, hint: &str) -> Diagnostic {
    Diagnostic {
        file: path.display().to_string(),
        line: 1,
        column: 1,
        width: 0,
        cell: None,
        excerpt: String::new(),
        reason: reason.to_owned(),
        hint: Some(hint.to_owned()),
        other: None,
    }
}

/// A file that looks as if it were meant: another ending, or a letter wrong.
fn alike(file: File, names: &[String]) -> Option<String> {
    let yaml = |name: &&String| name.ends_with(".yaml") || name.ends_with(".yml");
    let known = names.iter().filter(yaml).map(String::as_str);
    config::meant(file.name(), known).map(str::to_owned)
}

/// Reads a file of at most `largest` bytes that may be anything, a device included. A pipe that
/// nobody writes to is empty instead of being waited for.
pub(super) fn read_bounded(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        let why = format!("it is larger than {} MiB", largest >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn a_file_with_another_ending_or_a_slip_in_its_name_is_found() {
        let names = ["site.yaml.bak", "Sites.yml", "old.yaml"].map(str::to_owned);
        assert_eq!(alike(File::Sites, &names), Some("Sites.yml".to_owned()));
        assert_eq!(alike(File::Sessions, &names), None);
        assert_eq!(
            alike(File::Sessions, &["session.yaml".to_owned()]).as_deref(),
            Some("session.yaml")
        );
    }

    #[test]
    fn texts_that_lie_where_nobody_looks_are_told() {
        let dir = std::env::temp_dir().join(format!("vchealth-texts-{}", std::process::id()));
        for made in ["templates/vi", "templates/fr", "templates/.git", "template"] {
            std::fs::create_dir_all(dir.join(made)).unwrap();
        }
        for text in ["vi/summary.txt", "vi/sumary.txt", "summary.txt", "README.md"] {
            std::fs::write(dir.join("templates").join(text), "{{ site }}").unwrap();
        }
        std::fs::write(dir.join("templates/vi/action.txt"), "{{ sitte }}").unwrap();
        let told = Source::directory(&dir).load().unwrap_err();
        let told = crate::model::chain(&told);
        let place = |name: &str| told.contains(&dir.join(name).display().to_string());
        for name in ["template:1", "templates/fr:1", "templates/summary.txt:1"] {
            assert!(place(name), "{name} in {told}");
        }
        assert!(place("templates/vi/sumary.txt:1") && told.contains("problems"), "{told}");
        assert!(place("templates/vi/action.txt:1") && told.contains("sitte"), "as well: {told}");
        assert!(place("sites.yaml"), "and that there is none: {told}");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = std::env::temp_dir().join(format!("vchealth-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pipe = dir.join("sites.yaml");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert_eq!(read_bounded(&pipe, LARGEST).unwrap(), b"");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
