//! Where the configuration comes from: the one place that reads what people wrote.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;

use crate::config::{self, Config, File, SourceSet};

use super::DaemonError;

/// Largest file of the configuration that is read; ten thousand sites need about 2 MB.
const LARGEST: u64 = 16 << 20;

/// Where the configuration comes from. Reading it again at a reload takes the same path.
#[derive(Clone)]
pub struct Source(Arc<Load>);

type Load = dyn Fn() -> Result<Config, DaemonError> + Send + Sync;

impl Source {
    /// A directory with `vchealth.yaml`, `sites.yaml` and `sessions.yaml`.
    #[must_use]
    pub fn directory(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self(Arc::new(move || config::load(&read(&dir)?).map_err(DaemonError::Configuration)))
    }

    /// Texts that were prepared.
    #[must_use]
    pub fn prepared(files: SourceSet) -> Self {
        Self(Arc::new(move || config::load(&files).map_err(DaemonError::Configuration)))
    }

    /// A configuration that is made afresh each time, for an emulated province.
    #[must_use]
    pub fn made(make: impl Fn() -> Config + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || Ok(make())))
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// When a file cannot be read or anything in it is wrong; nothing is half-read.
    pub fn load(&self) -> Result<Config, DaemonError> {
        (self.0)()
    }
}

/// Reads the files of a configuration directory. One that is missing is told together with
/// whatever else is wrong.
///
/// # Errors
/// When the directory or a file in it cannot be read.
pub fn read(dir: &Path) -> Result<SourceSet, DaemonError> {
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
        match read_bounded(&path) {
            Ok(bytes) => files = files.with(file, name, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files = files.without(file, name, alike(file, &names));
            }
            Err(source) => return Err(DaemonError::Read { path, source }),
        }
    }
    Ok(files)
}

/// A file that looks as if it were meant: another ending, or a letter wrong.
fn alike(file: File, names: &[String]) -> Option<String> {
    let yaml = |name: &&String| name.ends_with(".yaml") || name.ends_with(".yml");
    let distance = |name: &&String| strsim::damerau_levenshtein(&name.to_lowercase(), file.name());
    let near = names.iter().filter(yaml).filter(|name| distance(name) <= 2);
    near.min_by_key(distance).cloned()
}

/// Reads a file that may be anything, a device included. A pipe that nobody writes to is empty
/// instead of being waited for.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
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
    fn a_pipe_is_not_waited_for() {
        let dir = std::env::temp_dir().join(format!("vchealth-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pipe = dir.join("sites.yaml");
        nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert_eq!(read_bounded(&pipe).unwrap(), b"");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
