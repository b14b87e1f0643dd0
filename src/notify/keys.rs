//! Keys and tokens from where the settings say they lie.

use std::fs::File;
use std::io::Read;

use super::secret::Secret;
use super::{DeliveryError, Retry};
use crate::config::{Address, SecretSource};
use crate::model::WebAddress;

/// Most bytes that a key has.
const LONGEST: u64 = 8 * 1024;

/// The key that lies there: one line, blank ends cut off.
///
/// # Errors
/// When there is none, or what is there is no single line. The courier tries again, since somebody
/// may put it right meanwhile. The text names the place, never what lies there.
pub(super) fn read(source: &SecretSource) -> Result<Secret, DeliveryError> {
    let found = match source {
        SecretSource::File(path) => {
            let mut text = String::new();
            let read = File::open(path)
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
pub fn address(address: &Address) -> Result<WebAddress, DeliveryError> {
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
    fn an_address_that_is_a_key_lies_where_keys_lie() {
        let dir = std::env::temp_dir().join(format!("vchealth-address-{}", std::process::id()));
        std::fs::write(&dir, "https://hooks.example/services/T0K3N\n").unwrap();
        let kept = |path: &std::path::Path| Address::Kept(SecretSource::File(path.to_owned()));
        let found = address(&kept(&dir)).unwrap();
        assert_eq!(found.reveal(), "https://hooks.example/services/T0K3N");
        assert_eq!(address(&Address::Written(found.clone())).unwrap(), found);
        for wrong in ["hooks.example/T0K3N", "ftp://hooks.example/T0K3N", "https:///T0K3N"] {
            std::fs::write(&dir, wrong).unwrap();
            let told = address(&kept(&dir)).map_err(|error| error.text);
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
