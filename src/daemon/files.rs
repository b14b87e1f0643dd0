//! Where the configuration comes from: the one place that reads what people wrote.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config, File, SourceSet};

use super::DaemonError;

/// Largest file of the configuration that is read; ten thousand sites need about 2 MB.
const LARGEST: u64 = 16 << 20;

/// Where the configuration comes from. Reading it again at a reload takes the same path.
#[derive(Clone)]
pub struct Source(Arc<Load>);

type Load = dyn Fn() -> Result<Config, DaemonError> + Send + Sync;

impl Source {
    /// A directory with `vchealth.yaml`, `sites.yaml` and, if there is a calendar, `sessions.yaml`.
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

/// Reads the files of a configuration directory.
///
/// # Errors
/// When a file that must be there is not, or one cannot be read.
pub fn read(dir: &Path) -> Result<SourceSet, DaemonError> {
    let mut files = SourceSet::new();
    for file in File::ALL {
        let path = dir.join(file.name());
        match read_bounded(&path) {
            Ok(bytes) => files = files.with(file, path.display().to_string(), bytes),
            Err(error) if !file.is_required() && error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DaemonError::Read { path, source }),
        }
    }
    Ok(files)
}

/// Reads a file that may be anything, a device included.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    Ok(bytes)
}
