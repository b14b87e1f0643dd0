//! The tokens of an Official Account, which must outlive a crash at any moment.
//!
//! A refresh token works once and gives the next one, good for three months. If the next one is
//! lost, somebody has to log in at Zalo's console and write a new one into the settings. So it is
//! on the disk, whole and synced, before the access token that came with it is used. When the disk
//! takes nothing it is used all the same: the old one is spent, and telling comes first. It is kept
//! as soon as the disk takes it, whether anything is told meanwhile or not.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::secret_header;
use crate::config::ZaloSettings;
use crate::model::WebAddress;
use crate::notify::http::{Answer, Body, Http, Request, repeatable};
use crate::notify::secret::Secret;
use crate::notify::{DeliveryError, Retry, disk, keys};
use crate::store::write_whole;

/// An access token that ends within this time is renewed before it is used.
const MARGIN: Duration = Duration::from_mins(10);
/// Wait after the disk took nothing.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest that another process is waited for, which asks Zalo and the disk.
const OTHERS: Duration = Duration::from_secs(30);
/// Most bytes of the file that are read.
const LONGEST: u64 = 64 * 1024;

/// The current tokens, if there are any.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    held: Option<Held>,
    /// Whether what is held is on the disk.
    saved: bool,
    /// Whether somebody tries to get it there.
    kept: bool,
}

/// What is kept in the file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// The refresh token of the settings that these follow from.
    seed: String,
    /// For requests.
    access_token: String,
    /// For the next access token; works once.
    refresh_token: String,
    /// When the access token ends.
    expires: Timestamp,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held(*** until {})", self.expires)
    }
}

impl Tokens {
    /// An access token to use now. `refused` is one that Zalo has just called invalid.
    ///
    /// 1. What was received and could not be saved is tried to be saved first.
    /// 2. What follows from another refresh token than the one in the settings is dropped:
    ///    somebody has put in a new one. If none is there any more, what is held goes on.
    /// 3. A token that is good for a while and was not refused is used.
    /// 4. Else another process may have got newer tokens, such as a test of this channel beside the
    ///    daemon: they are in the file. While one process looks and spends, the others wait.
    /// 5. Else the newest refresh token is spent, and what comes is saved before it is used.
    ///
    /// # Errors
    /// When there is no key, no answer or a refusal.
    pub(super) async fn access(
        &mut self,
        settings: &ZaloSettings,
        http: &Http,
        refused: Option<&Secret>,
    ) -> Result<Secret, DeliveryError> {
        let path = &settings.token_store;
        if self.held.is_none() {
            self.held = read_kept(path).await?;
            self.saved = self.held.is_some();
        }
        self.save(path).await;
        let seed = match (keys::read(&settings.refresh_token).await, &self.held) {
            (Ok(seed), _) => seed,
            (Err(_), Some(held)) => Secret::new(held.seed.clone()),
            (Err(error), None) => return Err(error),
        };
        self.held.take_if(|held| held.seed != seed.reveal());
        let now = http.now();
        if let Some(token) = self.usable(refused, now) {
            return Ok(token);
        }
        let _alone = alone(path).await;
        let newer = read_kept(path).await?.filter(|newer| newer.seed == seed.reveal());
        // What could not be saved is newer still.
        if let Some(newer) = newer.filter(|_| self.saved || self.held.is_none()) {
            (self.held, self.saved) = (Some(newer), true);
        }
        if let Some(token) = self.usable(refused, now) {
            return Ok(token);
        }
        let spent = self.held.as_ref().map_or_else(|| seed.reveal(), |held| &held.refresh_token);
        let spent = Secret::new(spent);
        let new = refresh(settings, http, &seed, &spent, now).await?;
        // Held before it is saved: the old one is spent, so what came must not be dropped even if
        // the disk takes nothing.
        let token = Secret::new(new.access_token.clone());
        (self.held, self.saved) = (Some(new), false);
        self.save(path).await;
        Ok(token)
    }

    /// Saves what is held and is not saved yet, if the disk takes it.
    async fn save(&mut self, path: &Path) {
        let Some(held) = self.held.as_ref().filter(|_| !self.saved) else { return };
        match save(path, held).await {
            Ok(()) => self.saved = true,
            Err(error) => tracing::error!("{error}; a crash now would lose them"),
        }
    }

    /// Whether somebody has to get what is held to the disk, and nobody is on it yet.
    pub(super) fn wants_keeping(&mut self) -> bool {
        let wants = self.held.is_some() && !self.saved && !self.kept;
        self.kept |= wants;
        wants
    }

    /// Tries once; whether everything is there.
    async fn try_to_keep(&mut self, path: &Path) -> bool {
        if let Some(held) = self.held.as_ref().filter(|_| !self.saved) {
            self.saved = save(path, held).await.is_ok();
            if self.saved {
                tracing::info!(path = %path.display(), "the tokens are on the disk now");
            }
        }
        self.kept = self.held.is_some() && !self.saved;
        !self.kept
    }

    /// The access token, if it is good for a while and not the refused one.
    fn usable(&self, refused: Option<&Secret>, now: Timestamp) -> Option<Secret> {
        let held = self.held.as_ref()?;
        let fresh = held.expires.duration_since(now) > MARGIN.try_into().unwrap_or_default();
        let good = fresh && refused.is_none_or(|token| token.reveal() != held.access_token);
        good.then(|| Secret::new(held.access_token.clone()))
    }
}

/// Gets what is held to the disk as soon as that takes it.
pub(super) async fn keep(tokens: Arc<Mutex<Tokens>>, path: PathBuf) {
    loop {
        tokio::time::sleep(AGAIN).await;
        if tokens.lock().await.try_to_keep(&path).await {
            return;
        }
    }
}

/// Waits until no other process spends tokens of this file; holds others off until it is dropped.
/// Where no lock can be had nobody is held up: two that spend at one moment are rare.
async fn alone(path: &Path) -> Option<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = |path: &Path| {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    };
    disk::apart(Path::new(&name), OTHERS, lock).await.ok()
}

/// Puts the tokens in the file.
async fn save(path: &Path, held: &Held) -> Result<(), DeliveryError> {
    let held = held.clone();
    let saved = disk::apart(path, disk::PATIENCE, move |path| write(path, &held)).await;
    saved.map_err(|error| in_trouble("write", path, &error))
}

/// Spends a refresh token.
async fn refresh(
    settings: &ZaloSettings,
    http: &Http,
    seed: &Secret,
    spent: &Secret,
    now: Timestamp,
) -> Result<Held, DeliveryError> {
    let secret_key = keys::read(&settings.secret_key).await?;
    let url = settings.oauth_url.below("/v4/oa/access_token");
    let form = vec![
        ("refresh_token".to_owned(), spent.reveal().to_owned()),
        ("app_id".to_owned(), settings.app_id.clone()),
        ("grant_type".to_owned(), "refresh_token".to_owned()),
    ];
    let headers = secret_header("secret_key", &secret_key)?;
    let request = Request { url: url.clone(), headers, body: Body::Form(form) };
    let answer = http.exchange(request, settings.timeout).await?;
    read(&answer, &url, &[&secret_key, spent], seed, now)
}

/// The answer to a refresh: tokens, or `error` with a reason.
#[derive(Deserialize)]
struct AnswerJson {
    access_token: Option<String>,
    refresh_token: Option<String>,
    /// Seconds; a text in practice, a number in some documents.
    #[serde(default)]
    expires_in: serde_json::Value,
    error: Option<i64>,
    #[serde(default)]
    error_name: String,
    #[serde(default)]
    error_description: String,
}

/// What a refresh gave.
fn read(
    answer: &Answer,
    url: &WebAddress,
    secrets: &[&Secret],
    seed: &Secret,
    now: Timestamp,
) -> Result<Held, DeliveryError> {
    let Ok(told) = serde_json::from_str::<AnswerJson>(&answer.body) else {
        // Not quoted: what cannot be read may still hold tokens.
        let text = format!("{} answers {} and no tokens", url.origin(), answer.status);
        let retry = if answer.is_success() { Retry::Later } else { answer.retry };
        return Err(DeliveryError { retry, text });
    };
    let filled = |token: Option<String>| token.filter(|token| !token.is_empty());
    if let (Some(access_token), Some(refresh_token)) =
        (filled(told.access_token), filled(told.refresh_token))
    {
        let seconds = match &told.expires_in {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        // Without a usable time it is used until it is refused, an hour at least.
        let seconds: u64 = seconds.filter(|s| (60..=366 * 86_400).contains(s)).unwrap_or(3_600);
        let expires = now.checked_add(Duration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        return Ok(Held { seed: seed.reveal().to_owned(), access_token, refresh_token, expires });
    }
    let code = told.error.map_or_else(|| "no tokens".to_owned(), |code| code.to_string());
    let why = format!("{} {}", told.error_name, told.error_description);
    let why = repeatable(&why, url, secrets);
    let mut text = format!("Zalo gives no access token, it answers {code}");
    if !why.is_empty() {
        text = format!("{text}: {why}");
    }
    let retry = match (answer.status, told.error) {
        (500.., _) | (_, None | Some(-32)) => Retry::Later,
        _ => {
            text.push_str("; put a new refresh token in its place if this one is spent");
            Retry::Never
        }
    };
    Err(DeliveryError { retry, text })
}

/// What the file holds.
async fn read_kept(path: &Path) -> Result<Option<Held>, DeliveryError> {
    let kept = disk::apart(path, disk::PATIENCE, load).await;
    kept.map_err(|error| in_trouble("read", path, &error))
}

/// The tokens in the file; none if there is no file, or nothing readable in it.
fn load(path: &Path) -> io::Result<Option<Held>> {
    let text = match disk::text(path, LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let read = serde_json::from_str(&text);
    if read.is_err() {
        // Not quoted: it may hold tokens.
        tracing::error!(
            path = %path.display(),
            "the file of Zalo tokens cannot be read; the refresh token of the settings is used"
        );
    }
    Ok(read.ok())
}

/// Puts the tokens in the file, for nobody but the daemon's own user to read.
fn write(path: &Path, held: &Held) -> io::Result<()> {
    write_whole(path, &serde_json::to_vec(held)?, 0o600)
}

fn in_trouble(doing: &str, path: &Path, error: &io::Error) -> DeliveryError {
    let text = format!("cannot {doing} the Zalo tokens in {}: {error}", path.display());
    DeliveryError { retry: Retry::Later, text }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T00:30:00Z".parse().unwrap()
    }

    fn read_body(status: u16, body: &str) -> Result<Held, DeliveryError> {
        let retry = if status >= 500 { Retry::Later } else { Retry::Never };
        let answer = Answer { status, retry, body: body.to_owned(), points_to: None };
        let (key, spent) = (Secret::new("s3cret-key"), Secret::new("sp3nt-token"));
        let url = WebAddress::new("https://oauth.zaloapp.com/v4/oa/access_token");
        read(&answer, &url, &[&key, &spent], &Secret::new("seed"), now())
    }

    #[test]
    fn the_lifetime_is_a_text_of_seconds() {
        let body = r#"{"access_token":"A","refresh_token":"R","expires_in":"90000"}"#;
        let held = read_body(200, body).unwrap();
        assert_eq!((&*held.access_token, &*held.refresh_token, &*held.seed), ("A", "R", "seed"));
        assert_eq!(held.expires, now() + Duration::from_hours(25));
        let number = r#"{"access_token":"A","refresh_token":"R","expires_in":90000}"#;
        assert_eq!(read_body(200, number).unwrap(), held);
        let odd = r#"{"access_token":"A","refresh_token":"R","expires_in":"soon"}"#;
        assert_eq!(read_body(200, odd).unwrap().expires, now() + Duration::from_hours(1));
    }

    #[test]
    fn a_refused_refresh_asks_for_a_new_token_and_tells_none() {
        let body = r#"{"error":-14014,"error_name":"Invalid refresh token",
            "error_description":"sp3nt-token was used"}"#;
        let error = read_body(200, body).unwrap_err();
        assert_eq!(error.retry, Retry::Never);
        assert_eq!(
            error.text,
            "Zalo gives no access token, it answers -14014: Invalid refresh token *** was used; \
             put a new refresh token in its place if this one is spent"
        );
        for (status, body) in [(502, "<html>"), (200, "{}"), (200, r#"{"access_token":"A"}"#)] {
            assert_eq!(read_body(status, body).unwrap_err().retry, Retry::Later, "{body}");
        }
    }

    #[test]
    fn tokens_lie_whole_in_a_file_that_nobody_else_reads() {
        let dir = std::env::temp_dir().join(format!("vchealth-zalo-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("zalo-oa.json");
        assert_eq!(load(&path).unwrap(), None);
        let body = r#"{"access_token":"A","refresh_token":"R","expires_in":"90000"}"#;
        let held = read_body(200, body).unwrap();
        write(&path, &held).unwrap();
        assert_eq!(load(&path).unwrap(), Some(held));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{\"access_tok").unwrap();
        assert_eq!(load(&path).unwrap(), None);
        fs::remove_dir_all(&dir).unwrap();
        assert!(write(&path, &read_body(200, body).unwrap()).is_err());
    }

    #[test]
    fn tokens_do_not_show_themselves() {
        let body = r#"{"access_token":"ACCESS","refresh_token":"REFRESH","expires_in":"90000"}"#;
        let held = Some(read_body(200, body).unwrap());
        let tokens = Tokens { held, saved: true, kept: false };
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("ACCESS") && !shown.contains("REFRESH"), "{shown}");
    }
}
