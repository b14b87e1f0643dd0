//! The key that links in messages are signed with, kept in the state directory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tracing::error;

use crate::store::write_whole;
use crate::texts::{KEY, LinkKey};

/// Name of the key in the state directory.
const FILE_NAME: &str = "link.key";

/// The key in the state directory, made when there is none. Only its owner may read it.
///
/// One that cannot be read or kept is no reason not to watch: then there is another until the
/// program ends, and the log says so.
///
/// # Errors
/// When there is no randomness.
pub fn load(dir: &Path) -> io::Result<LinkKey> {
    let path = dir.join(FILE_NAME);
    let mut fresh = [0; KEY];
    getrandom::fill(&mut fresh).map_err(io::Error::other)?;
    kept(&path, fresh).or_else(|error| {
        error!(
            path = %path.display(), %error,
            "the key of links is not to be had: links in earlier messages do not open, and those \
             of now only until the next start; let the user of this program own the file, or \
             remove it"
        );
        Ok(LinkKey::new(fresh))
    })
}

/// The key at `path`, or else `fresh`, which is kept there.
fn kept(path: &Path, fresh: [u8; KEY]) -> io::Result<LinkKey> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => {
            file.take(KEY as u64 + 1).read_to_end(&mut bytes)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Ok(key) = <[u8; KEY]>::try_from(bytes.as_slice()) {
        return Ok(LinkKey::new(key));
    }
    // None yet, or cut short by a full disk: links made with it are lost either way.
    write_whole(path, &fresh, 0o600)?;
    Ok(LinkKey::new(fresh))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::tests::Scratch;

    #[test]
    fn the_key_is_made_once_and_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = Scratch::new("link-key");
        fs::create_dir_all(scratch.path()).unwrap();
        let key = load(scratch.path()).unwrap();
        assert_eq!(load(scratch.path()).unwrap(), key);
        let path = scratch.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, b"short").unwrap();
        assert_ne!(load(scratch.path()).unwrap(), key, "a torn one is replaced");
        assert_eq!(format!("{key:?}"), "LinkKey(***)");
    }

    #[test]
    fn a_key_that_cannot_be_had_keeps_nobody_from_watching() {
        let scratch = Scratch::new("link-key-in-the-way");
        fs::create_dir_all(scratch.path().join(FILE_NAME).join("x")).unwrap();
        let key = load(scratch.path()).unwrap();
        assert_ne!(load(scratch.path()).unwrap(), key, "it is this process's own");
    }
}
