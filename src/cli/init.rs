//! `vchealth init`: files to begin with.
//!
//! The sample shows everything and would probe made-up addresses; these watch this machine alone.
//! A file that is there is never touched.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Exit, Failed};

/// What is written, by the names that the configuration has.
pub(super) const FILES: [(&str, &str); 3] = [
    ("vchealth.yaml", include_str!("../../config/start/vchealth.yaml")),
    ("sites.yaml", include_str!("../../config/start/sites.yaml")),
    ("sessions.yaml", include_str!("../../config/start/sessions.yaml")),
];

/// The owner may write, the group, which is the service's where the directory hands its own down,
/// may read.
const MODE: u32 = 0o640;

/// Writes those files that are missing, and says what comes next.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    let failed = |path: &Path, error| {
        Failed::Other(format!("cannot write {}", path.display()), Box::<io::Error>::new(error))
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    for (name, text) in FILES {
        let path = dir.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?;
                println!("wrote {}", path.display());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                println!("left {} as it is", path.display());
            }
            Err(error) => return Err(failed(&path, error)),
        }
    }
    let dir = dir.display();
    println!(
        "\nPut your sites into {dir}/sites.yaml (or take a spreadsheet: vchealth import LIST.xlsx) \
         and channels into\n{dir}/vchealth.yaml, then\n    vchealth check-config --config {dir}"
    );
    Ok(Exit::Well)
}
