//! How a page that is no board is to look: as the board would, by `?lang=`, by what was chosen
//! before, or in the daemon's language.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::Look;
use super::app::App;
use super::board;

/// The look of an answer. A language that nobody speaks here is that of the daemon: an address that
/// was typed wrong still shows the page.
pub(super) struct Asked(pub(super) Look);

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let look = app.daemon.look();
        let wish = Query::<board::Asked>::try_from_uri(&parts.uri).ok();
        Ok(Self(match wish {
            Some(Query(wish)) => wish.look(look, &parts.headers),
            None => look,
        }))
    }
}
