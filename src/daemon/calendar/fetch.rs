//! Fetches the bytes of a calendar: over HTTP, or from a file that somebody else writes.
//!
//! What comes is bounded in size here and in time by whoever asks.

use std::sync::OnceLock;
use std::{fmt, io};

use reqwest::StatusCode;

use crate::config::calendar::{CalendarError, CalendarSettings, CalendarSource, LARGEST};
use crate::daemon::files::read_bounded;
use crate::notify::{self, DeliveryError};

/// Most hops that a calendar's address may lead to.
const HOPS: usize = 3;

/// Why a calendar was not read. No text of it names an address, which may hold a key.
#[derive(Debug)]
pub(super) enum LookError {
    Late,
    Answer(StatusCode),
    Fetch(reqwest::Error),
    /// Its address does not lie where the settings say.
    Address(DeliveryError),
    File(io::Error),
    Calendar(CalendarError),
    /// Reading it panicked, which its own thread tells.
    Broken,
}

impl fmt::Display for LookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Answer(status) => write!(f, "the server answers {status}"),
            Self::Fetch(_) => f.write_str("it cannot be fetched"),
            Self::Address(why) => why.fmt(f),
            Self::File(_) => f.write_str("its file cannot be read"),
            Self::Calendar(why) => why.fmt(f),
            Self::Broken => f.write_str("reading it broke off"),
        }
    }
}

impl std::error::Error for LookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Fetch(source) => Some(source),
            Self::File(source) => Some(source),
            _ => None,
        }
    }
}

/// Asks for calendars.
#[derive(Default)]
pub(super) struct Fetcher {
    /// Made when one is asked for from elsewhere.
    client: OnceLock<reqwest::Client>,
}

impl Fetcher {
    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // A calendar that is asked for under seal does not come in the open.
        let redirect = reqwest::redirect::Policy::custom(|attempt| {
            let sealed = attempt.previous().iter().any(|url| url.scheme() == "https");
            if attempt.previous().len() > HOPS {
                attempt.error("it leads from one address to another again and again")
            } else if sealed && attempt.url().scheme() != "https" {
                attempt.error("it leads from https to http")
            } else {
                attempt.follow()
            }
        });
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(notify::tls())
            .redirect(redirect)
            .no_proxy()
            .user_agent(concat!("vchealth/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The bytes of a calendar.
    pub(super) async fn fetch(&self, calendar: &CalendarSettings) -> Result<Vec<u8>, LookError> {
        let url = match &calendar.source {
            CalendarSource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_bounded(&path, LARGEST as u64));
                return read.await.map_err(|_| LookError::Broken)?.map_err(LookError::File);
            }
            CalendarSource::Url(url) => notify::address(url).await.map_err(LookError::Address)?,
        };
        let told = |error: reqwest::Error| LookError::Fetch(error.without_url());
        let client = self.client().map_err(told)?;
        let mut answer = client.get(url.reveal()).send().await.map_err(told)?;
        if !answer.status().is_success() {
            return Err(LookError::Answer(answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LARGEST {
                return Err(LookError::Calendar(CalendarError::TooLarge));
            }
        }
        Ok(bytes)
    }
}
