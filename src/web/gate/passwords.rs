//! Passwords: bcrypt is slow on purpose, so that whoever steals a hash learns little from it. Here
//! it must not become a way to keep this machine busy.
//!
//! 1. A password that was right once is remembered, as a digest under a key that only this process
//!    knows, for as long as the hash of its user stays the same. A page that asks five times a
//!    second costs one hash.
//! 2. Whoever asks with the same name and password while it is being checked waits for that check.
//! 3. One check runs at a time, on a thread of its own kind, and few wait for it.
//! 4. An address may be wrong ten times, then once in six seconds. Whoever was right gets it back.
//!    What is remembered is not held up.
//! 5. A name that is not known costs as much time as one that is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use tokio::sync::{OnceCell, Semaphore};

use super::meter::{Address, Meter};
use crate::config::{Access, Limit, Role, WebUser};
use crate::model::Mono;

/// How often an address may be wrong.
pub(super) const WRONG: Limit = Limit { interval: Duration::from_secs(6), burst: 10 };
/// Checks that wait at most.
const QUEUE: usize = 64;
/// Passwords that are remembered at most.
const REMEMBERED: usize = 1_024;
/// How soon somebody may try again when too many wait.
const SOON: Duration = Duration::from_secs(1);
/// Where no user has a password, somebody who gives one is kept waiting all the same.
const DECOY: &str = "$2b$10$abcdefghijklmnopqrstuuJ6O7zcQ3GZzCYzG8lW0cHkJwfCi7v3W";

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// It is the user, who may do this.
    Right(Role),
    /// There is no such user, or that is not the password.
    Wrong,
    /// It was not looked at; it may be after this long.
    TooMany(Duration),
}

type Digest = [u8; 32];

/// What is remembered of passwords.
pub(super) struct Passwords {
    key: Option<hmac::Key>,
    right: Mutex<BTreeSet<Digest>>,
    /// Checks that are under way, with all who wait for each.
    under_way: Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>,
    wrong: Meter,
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Default for Passwords {
    fn default() -> Self {
        let mut bytes = [0; 32];
        // Without randomness nothing is remembered: slow, and safe.
        let key = getrandom::fill(&mut bytes).ok();
        Self {
            key: key.map(|()| hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
            right: Mutex::default(),
            under_way: Mutex::default(),
            wrong: Meter::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Passwords {
    /// Whether this is the password of this user.
    pub(super) async fn check(
        &self,
        access: &Access,
        user: &str,
        password: &str,
        from: Address,
        now: Mono,
    ) -> Checked {
        let known = access.users.iter().find(|known| known.name == user);
        let hash = known.or_else(|| access.users.first()).map_or(DECOY, |user| user.hash.reveal());
        let judge = |right: bool| match known {
            Some(WebUser { role, .. }) if right => Checked::Right(*role),
            _ => Checked::Wrong,
        };
        let digest = self.key.as_ref().map(|key| digest(key, [user, hash, password]));
        let Some(digest) = digest else {
            return match self.slowly(password, hash, from, now).await {
                Ok(right) => judge(right),
                Err(wait) => Checked::TooMany(wait),
            };
        };
        if known.is_some() && lock(&self.right).contains(&digest) {
            return judge(true);
        }
        let check = UnderWay::join(&self.under_way, digest);
        let checked = check.cell.get_or_try_init(|| async {
            let right = self.slowly(password, hash, from, now).await? && known.is_some();
            if right {
                self.wrong.give_back(WRONG, from);
                let mut all = lock(&self.right);
                if all.len() >= REMEMBERED {
                    all.clear();
                }
                all.insert(digest);
            }
            Ok(right)
        });
        match checked.await {
            Ok(right) => judge(*right),
            Err(wait) => Checked::TooMany(wait),
        }
    }

    /// Checks a password against a hash, in turn.
    async fn slowly(
        &self,
        password: &str,
        hash: &str,
        from: Address,
        now: Mono,
    ) -> Result<bool, Duration> {
        self.wrong.take(WRONG, from, now)?;
        let _waiting = Waiting::join(&self.waiting).ok_or(SOON)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| SOON)?;
        let (password, hash) = (password.to_owned(), hash.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, even if nobody waits for it any more.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        Ok(checked.await.unwrap_or(false))
    }
}

/// What a right password is remembered by. Lengths stand before the parts, so that none can pass
/// for a piece of its neighbour.
fn digest(key: &hmac::Key, parts: [&str; 3]) -> Digest {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.sign().as_ref());
    digest
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A check that is under way; forgotten when the last who waits for it has gone.
struct UnderWay<'a> {
    all: &'a Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>,
    digest: Digest,
    cell: Arc<OnceCell<bool>>,
}

impl<'a> UnderWay<'a> {
    fn join(all: &'a Mutex<BTreeMap<Digest, Arc<OnceCell<bool>>>>, digest: Digest) -> Self {
        let cell = Arc::clone(lock(all).entry(digest).or_default());
        Self { all, digest, cell }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut all = lock(self.all);
        // Ours and the one in the map.
        if Arc::strong_count(&self.cell) <= 2 {
            all.remove(&self.digest);
        }
    }
}

/// A place among those who wait for their turn.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < QUEUE).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
