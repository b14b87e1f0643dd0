//! Keys and tokens from where the settings say they lie: in a file, or in the environment.
//!
//! A file may lie on a dead disk, so it is read [`disk::apart`] from the deliveries; what stands in
//! the environment needs no disk and is there whatever hangs.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::secret::Secret;
use super::{DeliveryError, Retry, disk};
use crate::config::{Address, SecretSource};
use crate::model::WebAddress;

/// Most bytes that a key has.
const LONGEST: u64 = 8 * 1024;

/// All of these keys by their names.
///
/// # Errors
/// Those of [`read`], for the first that is not there.
pub(super) async fn all<'a>(
    sources: impl IntoIterator<Item = (&'a String, &'a SecretSource)>,
) -> Result<BTreeMap<&'a str, Secret>, DeliveryError> {
    let keys = sources.into_iter().map(async |(name, source)| {
        let key = read(source).await?;
        Ok::<_, DeliveryError>((name.as_str(), key))
    });
    Ok(try_join_all(keys).await?.into_iter().collect())
}

/// The key that lies there: one line, blank ends cut off.
///
/// # Errors
/// When there is none, or what is there is no single line. The courier tries again, since somebody
/// may put it right meanwhile. The text names the place, never what lies there.
pub(super) async fn read(source: &SecretSource) -> Result<Secret, DeliveryError> {
    let found = match source {
        SecretSource::File(path) => {
            let text = disk::apart(path, disk::PATIENCE, |path| disk::text(path, LONGEST)).await;
            text.map_err(|error| error.to_string())
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
    let source = match address {
        Address::Written(url) => return Ok(url.clone()),
        Address::Kept(source) => source,
    };
    let text = read(source).await?;
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
    use std::path::Path;

    use futures_util::FutureExt as _;

    use super::*;

    async fn from(text: &str) -> Result<Secret, DeliveryError> {
        let dir = std::env::temp_dir().join(format!("vchealth-keys-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(format!("{:x}", text.len()));
        std::fs::write(&path, text).unwrap();
        let read = read(&SecretSource::File(path.clone())).await;
        std::fs::remove_file(path).unwrap();
        read
    }

    #[tokio::test]
    async fn a_key_is_one_line_of_a_file() {
        assert_eq!(from("  k3y-of-mine\n").await.unwrap().reveal(), "k3y-of-mine");
    }

    #[tokio::test]
    async fn what_is_no_key_is_told_by_its_place_and_not_by_its_content() {
        for (text, why) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("two\nlines", "it holds more than one line of text"),
            (&"k".repeat(9_000), "it holds more than one line of text"),
        ] {
            let error = from(text).await.unwrap_err();
            assert!(error.text.ends_with(&format!("gives no key: {why}")), "{error}");
            assert!(!error.text.contains("two") && error.retry == Retry::Later);
        }
        assert!(read(&SecretSource::File("/nonexistent/key".into())).await.is_err());
    }

    #[test]
    fn a_key_in_the_environment_waits_for_no_disk() {
        let now = |name: &str| {
            read(&SecretSource::Env(name.to_owned())).now_or_never().expect("nothing is waited for")
        };
        let path = std::env::var("PATH").unwrap();
        assert_eq!(now("PATH").unwrap().reveal(), path);
        let told = "the environment variable VCHEALTH_NO_SUCH_KEY gives no key: it is not set";
        assert_eq!(now("VCHEALTH_NO_SUCH_KEY").unwrap_err().text, told);
    }

    #[tokio::test]
    async fn several_keys_are_there_or_what_lacks_is_told() {
        let env = |name: &str| SecretSource::Env(name.to_owned());
        let mut sources: BTreeMap<String, SecretSource> = [("a".to_owned(), env("PATH"))].into();
        assert!(!all(&sources).await.unwrap()["a"].reveal().is_empty());
        sources.insert("b".to_owned(), env("VCHEALTH_NO_SUCH_KEY"));
        assert!(all(&sources).await.unwrap_err().text.contains("VCHEALTH_NO_SUCH_KEY"));
    }

    #[tokio::test]
    async fn an_address_that_is_a_key_lies_where_keys_lie() {
        let dir = std::env::temp_dir().join(format!("vchealth-address-{}", std::process::id()));
        std::fs::write(&dir, "https://hooks.example/services/T0K3N\n").unwrap();
        let kept = |path: &Path| Address::Kept(SecretSource::File(path.to_owned()));
        let found = address(&kept(&dir)).await.unwrap();
        assert_eq!(found.reveal(), "https://hooks.example/services/T0K3N");
        assert_eq!(address(&Address::Written(found.clone())).await.unwrap(), found);
        for wrong in ["hooks.example/T0K3N", "ftp://hooks.example/T0K3N", "https:///T0K3N"] {
            std::fs::write(&dir, wrong).unwrap();
            let told = address(&kept(&dir)).await.map_err(|error| error.text);
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
