//! A place on the disk that is ours already, for what the database does not take.
//!
//! A full disk takes nothing new; what a file occupies can be written over all the same. So a file
//! of fixed length is filled while there is room, and what was decided since the database failed is
//! kept in it: what people are told and what they did is then not forgotten in a crash.
//!
//! 1. Its two halves are written in turn. Each holds a whole account of what the database lacks,
//!    with a digest, so that one that a crash cuts short leaves the other.
//! 2. An account belongs to one state of the database, its epoch: whatever the database takes after
//!    an account was written begins another one, in the same transaction, and the account is no
//!    more. An old account never undoes what came later.
//! 3. Measurements are left out always, and confirmed health and what is known of sessions if all
//!    is more than a half holds: both are learned again.
//! 4. Where the file cannot be made, there is none: things are then as safe as the database.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::open::file_or_nothing;
use super::{Mark, MarkState};
use crate::model::{Change, LinkUse, Notification, NotificationId};

/// Name of the file in the state directory.
pub(super) const SPARE_NAME: &str = "spare";
/// Bytes of one half. What 204 open incidents and the messages about them come to is a third.
const HALF: u64 = 1 << 20;
/// Bytes before the account: the mark, epoch, number and length, and the digest of what follows
/// the mark.
const HEAD: usize = 8 + 3 * 8 + 32;
const MAGIC: &[u8; 8] = b"vcspare1";
/// Longest text that an account is unpacked to.
const MOST: u64 = 64 << 20;

/// What the database lacks, in the order in which it was decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) changes: Vec<Change>,
    pub(super) marks: Vec<Mark>,
}

/// The same, of what is kept elsewhere.
#[derive(Debug, Serialize)]
struct Entries<'a> {
    changes: Vec<&'a Change>,
    marks: Vec<&'a Mark>,
}

/// The file.
#[derive(Debug)]
pub(super) struct Spare {
    file: File,
    /// Counts the accounts that were written.
    number: u64,
}

impl Account {
    /// The messages in it that are still to be told.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Notification> {
        let mark = |id: &NotificationId| self.marks.iter().rev().find(|mark| mark.id == *id);
        let messages = self.changes.iter().filter_map(|change| match change {
            Change::Notify(it) => Some(&**it),
            _ => None,
        });
        messages.filter(move |it| mark(&it.id).is_none_or(|it| it.state == MarkState::Waiting))
    }

    /// The links that were used.
    pub(super) fn link_uses(&self) -> impl Iterator<Item = &LinkUse> {
        self.changes.iter().filter_map(|change| match change {
            Change::LinkUse(used) => Some(&**used),
            _ => None,
        })
    }
}

impl Spare {
    /// Opens the file in the state directory, or makes it if there is room. Gives the account in
    /// it that belongs to this epoch.
    pub(super) fn open(dir: &Path, epoch: u64) -> (Option<Self>, Option<Account>) {
        match Self::try_open(dir) {
            Ok(mut spare) => {
                let account = spare.read(epoch);
                (Some(spare), account)
            }
            Err(error) => {
                warn!(
                    file = %dir.join(SPARE_NAME).display(), reason = %error,
                    "there is no room of its own for what the database may not take: if the disk \
                     is full and the monitor is stopped, what was decided meanwhile is forgotten"
                );
                (None, None)
            }
        }
    }

    fn try_open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(SPARE_NAME);
        file_or_nothing(&path).map_err(io::Error::other)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path)?;
        if file.metadata()?.len() != 2 * HALF {
            // Zeros that are written occupy the disk; a length that is set does not.
            let filled = file.set_len(0).and_then(|()| {
                let half = vec![0; usize::try_from(HALF).unwrap_or_default()];
                file.write_all_at(&half, 0)?;
                file.write_all_at(&half, HALF)?;
                file.sync_all()
            });
            if let Err(error) = filled {
                // Nobody is helped by half of it.
                let _ = std::fs::remove_file(&path);
                return Err(error);
            }
        }
        Ok(Self { file, number: 0 })
    }

    /// The newest account of this epoch.
    fn read(&mut self, epoch: u64) -> Option<Account> {
        let mut newest = None;
        for at in [0, HALF] {
            let Some((of, number, account)) = self.read_half(at) else { continue };
            if number > self.number {
                self.number = number;
                newest = (of == epoch).then_some(account);
            }
        }
        newest
    }

    fn read_half(&self, at: u64) -> Option<(u64, u64, Account)> {
        let mut bytes = vec![0; usize::try_from(HALF).ok()?];
        self.file.read_exact_at(&mut bytes, at).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let (given, rest) = rest.split_at_checked(32)?;
        let number =
            |n: usize| Some(u64::from_le_bytes(rest.get(8 * n..8 * n + 8)?.try_into().ok()?));
        let (epoch, nth, length) = (number(0)?, number(1)?, usize::try_from(number(2)?).ok()?);
        let whole = rest.get(..24_usize.checked_add(length)?)?;
        if digest(&SHA256, whole).as_ref() != given {
            return None;
        }
        let mut text = Vec::new();
        DeflateDecoder::new(&whole[24..]).take(MOST).read_to_end(&mut text).ok()?;
        Some((epoch, nth, serde_json::from_slice(&text).ok()?))
    }

    /// Keeps this in place of what was kept before; it is on the disk when this returns.
    ///
    /// # Errors
    /// When it does not fit, the disk does not even take this, or somebody has removed the file.
    pub(super) fn keep(
        &mut self,
        epoch: u64,
        changes: Vec<&Change>,
        marks: Vec<&Mark>,
    ) -> io::Result<()> {
        let most = usize::try_from(HALF).unwrap_or_default() - HEAD;
        let mut entries = Entries { changes: last_words(changes), marks };
        let mut packed = pack(&entries)?;
        if packed.len() > most {
            entries.changes.retain(|change| is_told_or_done(change));
            packed = pack(&entries)?;
        }
        if packed.len() > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is more than fits there"));
        }
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it was removed"));
        }
        self.number += 1;
        let mut body = Vec::with_capacity(24 + packed.len());
        for number in [epoch, self.number, packed.len() as u64] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&packed);
        let bytes = [MAGIC.as_slice(), digest(&SHA256, &body).as_ref(), &body].concat();
        self.file.write_all_at(&bytes, self.number % 2 * HALF)?;
        self.file.sync_data()
    }
}

/// The changes without measurements, and without records that a later one replaces.
fn last_words(changes: Vec<&Change>) -> Vec<&Change> {
    let mut seen = BTreeSet::new();
    let mut last: Vec<&Change> = changes
        .into_iter()
        .rev()
        .filter(|change| match change {
            Change::Incident(incident) => seen.insert(&incident.id),
            change => !matches!(change, Change::Rollup(_)),
        })
        .collect();
    last.reverse();
    last
}

/// Rule 3: what people were told or did, and what that hangs on.
fn is_told_or_done(change: &Change) -> bool {
    match change {
        Change::Incident(_)
        | Change::Silence(_)
        | Change::Maintenance(_)
        | Change::Lift(_)
        | Change::Duty { .. }
        | Change::Notify(_)
        | Change::Drill(_)
        | Change::LinkUse(_)
        | Change::Confirm(_)
        | Change::Unconfirm { .. } => true,
        Change::Health { .. }
        | Change::Forget(_)
        | Change::Rollup(_)
        | Change::Session(_)
        | Change::Cancelled(_)
        | Change::Reported { .. }
        | Change::Watch(_)
        | Change::Readiness(_)
        | Change::Lost { .. } => false,
    }
}

fn pack(entries: &Entries<'_>) -> io::Result<Vec<u8>> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    {
        let mut text = io::BufWriter::with_capacity(64 << 10, &mut packer);
        serde_json::to_writer(&mut text, entries)?;
        text.flush()?;
    }
    packer.finish()
}

#[cfg(test)]
mod tests;
