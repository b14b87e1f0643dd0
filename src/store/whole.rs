//! Small files beside the database, each written whole or not at all.
//!
//! What lies in them must outlive a crash at any moment: tokens that work once, keys, what people
//! changed. So there is one way to write one, and it forgets none of the steps.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Puts `bytes` in the place of the file at `path`, readable for whom `mode` says, whatever the
/// file mode mask.
///
/// 1. Whoever opens it sees the old file or the new one. A crash leaves one of them.
/// 2. It is on the disk when this returns: the bytes, and the name in its directory.
/// 3. Two writers of one file, also of two processes, take turns.
/// 4. What a crash left half-written is never written into: it may have other rights.
/// 5. It belongs to whom the old file belonged to, and a new one to whom its directory belongs to,
///    as far as this process may give it away: what root does by hand locks no service out.
///
/// # Errors
/// When the directory is not there or the disk takes nothing; the old file is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = File::open(dir.unwrap_or(Path::new(".")))?;
    let owner = fs::metadata(path).or_else(|_| dir.metadata())?;
    // Where a file system has no locks for directories, writers of one file are still rare.
    let _ = dir.lock();
    let fresh = beside(path);
    forget(&fresh)?;
    let written = (|| {
        // Never open for more than it will be, not even for a moment.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(&fresh)?;
        file.write_all(bytes)?;
        give(&file, &owner);
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    })();
    if written.is_err() {
        // Half a file helps nobody; the first error is the one to tell.
        let _ = forget(&fresh);
    }
    written?;
    dir.sync_all()
}

/// Gives a file to the owner and the group of another, or to its group alone, which members may.
fn give(file: &File, like: &Metadata) {
    if fchown(file, Some(like.uid()), Some(like.gid())).is_err() {
        // Whoever may not do that either has told who is to read it by the directory's rights.
        let _ = fchown(file, None, Some(like.gid()));
    }
}

/// The name under which the next version is written.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::super::tests::Scratch;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn scratch(name: &str) -> Scratch {
        let scratch = Scratch::new(name);
        fs::create_dir_all(scratch.path()).unwrap();
        scratch
    }

    #[test]
    fn a_file_is_replaced_whole_with_the_rights_it_is_to_have() {
        let scratch = scratch("whole");
        let path = scratch.path().join("tokens.json");
        // What a crash left behind, with rights for everybody.
        fs::write(beside(&path), "torn").unwrap();
        for (bytes, rights) in [(&b"one"[..], 0o600), (b"two", 0o664), (b"", 0o640)] {
            write_whole(&path, bytes, rights).unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (bytes, rights));
            assert!(!beside(&path).exists());
        }
    }

    #[test]
    fn a_file_stays_with_its_owner_and_a_new_one_goes_to_that_of_its_directory() {
        let scratch = scratch("whole-owner");
        let owner = |path: &Path| fs::metadata(path).map(|it| (it.uid(), it.gid())).unwrap();
        let (old, new) = (scratch.path().join("sites.yaml"), scratch.path().join("tokens.json"));
        write_whole(&old, b"one", 0o644).unwrap();
        // Only root gives files away; whoever else runs this sees that nothing gets in the way.
        let given = chown(&old, Some(4_711), Some(4_712))
            .and_then(|()| chown(scratch.path(), Some(4_713), Some(4_714)))
            .is_ok();
        for bytes in [&b"two"[..], b"three"] {
            write_whole(&old, bytes, 0o640).unwrap();
            write_whole(&new, bytes, 0o600).unwrap();
            if given {
                assert_eq!((owner(&old), owner(&new)), ((4_711, 4_712), (4_713, 4_714)));
            }
            assert_eq!((mode(&old), mode(&new)), (0o640, 0o600));
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_file_and_nothing_else() {
        let scratch = scratch("whole-not");
        let path = scratch.path().join("key");
        assert!(write_whole(&path.join("deeper"), b"x", 0o600).is_err(), "no such directory");
        // A name that no file can take: its place is a directory with something in it.
        fs::create_dir_all(path.join("full")).unwrap();
        assert!(write_whole(&path, b"x", 0o600).is_err());
        assert!(path.join("full").exists() && !beside(&path).exists());
    }

    #[test]
    fn writers_of_one_file_take_turns() {
        let scratch = scratch("whole-turns");
        let path = scratch.path().join("report.html");
        let texts: Vec<String> = (0..8).map(|n| n.to_string().repeat(100_000)).collect();
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..5 {
                        write_whole(&path, text.as_bytes(), 0o640).unwrap();
                        let seen = fs::read_to_string(&path).unwrap();
                        assert!(texts.contains(&seen), "torn: {} bytes", seen.len());
                    }
                });
            }
        });
    }
}
