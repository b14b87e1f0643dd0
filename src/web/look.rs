//! How a page is to look: in the language of `?lang=`, or else the one that was chosen before, or
//! else the daemon's.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use serde::Deserialize;

use crate::model::Language;

use super::Look;
use super::app::App;

/// The look of an answer. A language that nobody speaks here is that of the daemon: an address that
/// was typed wrong still shows the page.
pub(super) struct Asked(pub(super) Look);

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(chosen(app.daemon.look(), wished(&parts.uri), &parts.headers)))
    }
}

/// The language that an address asks for.
pub(super) fn wished(address: &Uri) -> Option<Language> {
    #[derive(Deserialize)]
    struct Wish {
        lang: Option<String>,
    }
    let Query(wish) = Query::<Wish>::try_from_uri(address).ok()?;
    wish.lang.as_deref().and_then(language)
}

/// The daemon's look in the language that is wished for here, or else was before.
pub(super) fn chosen(look: Look, wished: Option<Language>, headers: &HeaderMap) -> Look {
    let kept = || cookies(headers).find_map(|(name, value)| (name == "lang").then_some(value));
    let language = wished.or_else(|| kept().and_then(language)).unwrap_or(look.language);
    Look { language, ..look }
}

/// The language of a code.
pub(super) fn language(code: &str) -> Option<Language> {
    match code {
        "vi" => Some(Language::Vi),
        "en" => Some(Language::En),
        _ => None,
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}
