//! Keys and tokens from where the settings say they lie.
//!
//! A disk may be dead and a path may be a pipe. So files are read on threads that may wait for a
//! disk ([`aside`]), for so long, and never on the one on which all deliveries run.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::sync::Semaphore;

use super::secret::Secret;
use super::{DeliveryError, Retry};
use crate::config::{Address, SecretSource};
use crate::model::WebAddress;

/// Most bytes that a key has.
const LONGEST: u64 = 8 * 1024;
/// Longest that files are waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Threads that may hang on files of a disk that does not answer; many more would keep everything
/// else waiting that needs such a thread.
static READERS: Semaphore = Semaphore::const_new(32);

/// What `read` gives that reads keys, away from the deliveries of others.
///
/// # Errors
/// Those of `read`, and when it takes too long.
pub(super) async fn aside<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, DeliveryError> + Send + 'static,
) -> Result<T, DeliveryError> {
    let later = |text: String| DeliveryError { retry: Retry::Later, text };
    let reading = async {
        let place = READERS.acquire().await.map_err(|gone| later(gone.to_string()))?;
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            read()
        });
        read.await.unwrap_or_else(|gone| Err(later(format!("keys are not read: {gone}"))))
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| {
        let limit = PATIENCE.as_secs();
        Err(later(format!("keys cannot be read within {limit} s: their disk does not answer")))
    })
}

/// Opens a file for reading. What is none, such as a pipe that nobody writes to, is not waited for.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

/// The key that lies there: one line, blank ends cut off.
///
/// # Errors
/// When there is none, or what is there is no single line. The courier tries again, since somebody
/// may put it right meanwhile. The text names the place, never what lies there.
pub(super) fn read(source: &SecretSource) -> Result<Secret, DeliveryError> {
    let found = match source {
        SecretSource::File(path) => {
            let mut text = String::new();
            let read = open(path)
                .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
                .map_err(|error| error.to_string());
            read.map(|_| text)
        }
        SecretSource::Env(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "it is not set".to_owned(),
            std::env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
        }),
    };
    let checked = found.and_then(|text| {
        let key = text.trim();
        if key.is_empty() {
            Err("it is empty".to_owned())
        } else if text.len() as u64 > LONGEST || key.chars().any(char::is_control) {
            Err("it holds more than one line of text".to_owned())
        } else {
            Ok(Secret::new(key))
        }
    });
    checked.map_err(|why| DeliveryError {
        retry: Retry::Later,
        text: format!("the {} gives no key: {why}", place(source)),
    })
}

/// The address that stands in the settings, or lies where they say.
///
/// # Errors
/// When none lies there; see [`read`].
pub async fn address(address: &Address) -> Result<WebAddress, DeliveryError> {
    let address = match address {
        Address::Written(url) => return Ok(url.clone()),
        Address::Kept(_) => address.clone(),
    };
    aside(move || kept_address(&address)).await
}

fn kept_address(address: &Address) -> Result<WebAddress, DeliveryError> {
    let source = match address {
        Address::Written(url) => return Ok(url.clone()),
        Address::Kept(source) => source,
    };
    let text = read(source)?;
    let url = reqwest::Url::parse(text.reveal()).ok();
    let good = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|it| !it.is_empty())
    });
    if good {
        return Ok(WebAddress::new(text.reveal()));
    }
    let text =
        format!("the {} gives no address that begins with https:// or http://", place(source));
    Err(DeliveryError { retry: Retry::Later, text })
}

/// How the place is called where something lies.
fn place(source: &SecretSource) -> String {
    match source {
        SecretSource::File(path) => format!("file {}", path.display()),
        SecretSource::Env(name) => format!("environment variable {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Result<Secret, DeliveryError> {
        let dir = std::env::temp_dir().join(format!("vchealth-keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{:x}", text.len()));
        std::fs::write(&path, text).unwrap();
        let read = read(&SecretSource::File(path.clone()));
        std::fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn a_key_is_one_line_of_a_file() {
        assert_eq!(from("  k3y-of-mine\n").unwrap().reveal(), "k3y-of-mine");
    }

    #[test]
    fn what_is_no_key_is_told_by_its_place_and_not_by_its_content() {
        for (text, why) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("two\nlines", "it holds more than one line of text"),
            (&"k".repeat(9_000), "it holds more than one line of text"),
        ] {
            let error = from(text).unwrap_err();
            assert!(error.text.ends_with(&format!("gives no key: {why}")), "{error}");
            assert!(!error.text.contains("two") && error.retry == Retry::Later);
        }
        let error = read(&SecretSource::Env("VCHEALTH_NO_SUCH_KEY".to_owned())).unwrap_err();
        let told = "the environment variable VCHEALTH_NO_SUCH_KEY gives no key: it is not set";
        assert_eq!(error.text, told);
        assert!(read(&SecretSource::File("/nonexistent/key".into())).is_err());
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_no_key_and_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("vchealth-pipe-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = read(&SecretSource::File(path.clone())).unwrap_err();
        std::fs::remove_file(path).unwrap();
        assert!(error.text.ends_with("gives no key: it is no file"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_on_a_disk_that_does_not_answer_are_not_waited_for_long() {
        // No thread is free, as when all of them hang.
        let _all = READERS.acquire_many(32).await.unwrap();
        let read = aside(|| read(&SecretSource::File("/nonexistent/key".into()))).await;
        assert!(read.unwrap_err().text.starts_with("keys cannot be read within 5 s"));
    }

    #[test]
    fn an_address_that_is_a_key_lies_where_keys_lie() {
        let dir = std::env::temp_dir().join(format!("vchealth-address-{}", std::process::id()));
        std::fs::write(&dir, "https://hooks.example/services/T0K3N\n").unwrap();
        let kept = |path: &Path| Address::Kept(SecretSource::File(path.to_owned()));
        let found = kept_address(&kept(&dir)).unwrap();
        assert_eq!(found.reveal(), "https://hooks.example/services/T0K3N");
        assert_eq!(kept_address(&Address::Written(found.clone())).unwrap(), found);
        for wrong in ["hooks.example/T0K3N", "ftp://hooks.example/T0K3N", "https:///T0K3N"] {
            std::fs::write(&dir, wrong).unwrap();
            let told = kept_address(&kept(&dir)).map_err(|error| error.text);
            let Err(told) = told else {
                // The client reads a host where people forgot one.
                assert_eq!(wrong, "https:///T0K3N");
                continue;
            };
            assert!(told.contains("gives no address") && !told.contains("T0K3N"), "{told}");
        }
        std::fs::remove_file(dir).unwrap();
    }
}
