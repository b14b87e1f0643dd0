//! What a request asks for besides its body: the id in its path, its parameters, its language. Each
//! is read in one place, so that whatever is wrong with it is told in the same form everywhere.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::app::{App, problem};
use super::moment;
use crate::model::Language;

/// The ids in a path. One that is no text names nothing.
pub(super) struct Id<T = String>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let Path(id) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| problem(StatusCode::NOT_FOUND, "an id is text in UTF-8"))?;
        Ok(Self(id))
    }
}

/// The parameters behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let refuse = |why: String| problem(StatusCode::BAD_REQUEST, why);
        if let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            && let Some(why) = pairs.iter().find_map(|(name, value)| moment::wrong(name, value))
        {
            return Err(refuse(why));
        }
        let asked = Query::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|wrong| refuse(reason(&wrong.body_text())))?;
        Ok(Self(asked))
    }
}

/// What the library says of parameters, without its own preface, the name first.
fn reason(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    match said.split_once(": ") {
        Some((name, why)) if !name.contains(' ') => format!("`{name}`: {why}"),
        _ => said.to_owned(),
    }
}

/// The language of texts for people.
///
/// 1. `?lang=vi` or `?lang=en` decides; anything else there is a mistake that is told.
/// 2. Otherwise `Accept-Language` does, if it prefers one of the two (RFC 9110 §12.5.4).
/// 3. Otherwise the settings.
pub(super) struct Tongue(pub(super) Language);

#[derive(Deserialize)]
struct Lang {
    lang: Option<String>,
}

impl FromRequestParts<Arc<App>> for Tongue {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Asked(Lang { lang }) = Asked::from_request_parts(parts, app).await?;
        Ok(Self(match lang.as_deref() {
            Some("vi") => Language::Vi,
            Some("en") => Language::En,
            Some(_) => return Err(problem(StatusCode::BAD_REQUEST, "`lang` is vi or en")),
            None => preferred(&parts.headers).unwrap_or_else(|| app.daemon.look().language),
        }))
    }
}

/// The one of our languages that `Accept-Language` gives the greater weight, the first of equals.
fn preferred(headers: &HeaderMap) -> Option<Language> {
    let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|it| it.to_str().ok());
    let mut best: Option<(Language, f32)> = None;
    for range in values.flat_map(|value| value.split(',')) {
        let (tag, weight) = match range.split_once(';') {
            Some((tag, weight)) => {
                let weight = weight.trim().strip_prefix("q=").and_then(|it| it.parse().ok());
                (tag, weight.unwrap_or(0.0))
            }
            None => (range, 1.0),
        };
        let primary = tag.trim().split('-').next().unwrap_or_default();
        let language = match primary.to_ascii_lowercase().as_str() {
            "vi" => Language::Vi,
            "en" => Language::En,
            _ => continue,
        };
        if weight > best.map_or(0.0, |(_, weight)| weight) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_of_both_languages_is_found() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, text.parse().unwrap());
            preferred(&headers)
        };
        assert_eq!(of("vi-VN,vi;q=0.9,en-US;q=0.8,en;q=0.7"), Some(Language::Vi));
        assert_eq!(of("fr, EN-gb;q=0.5, vi;q=0.4"), Some(Language::En));
        assert_eq!(of("vi;q=0, fr"), None);
        assert_eq!(of("vi;q=nonsense"), None);
        assert_eq!(of(",;,=;q"), None);
        assert_eq!(preferred(&HeaderMap::new()), None);
    }
}
