//! Who reads a page: in what language, and whether they may act.
//!
//! Whoever may only look is shown no button that the server would refuse. What is written once for
//! all, cards for instance, holds the buttons all the same: the page says at its root what its
//! reader may do, and the style sheet hides the rest. So the stream stays one for all, and nothing
//! of it needs a script. The gate decides anyway.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use maud::{Markup, html};

use crate::config::{Access, Role};
use crate::model::{Language, Snapshot, encoded};

use super::pen::Pen;
use super::{Here, POLICY, Page};
use crate::web::Look;
use crate::web::app::App;
use crate::web::gate::Caller;
use crate::web::look;
use crate::web::shared::{packed, takes_gzip};

/// What a reader may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum May {
    /// All that the page offers, in the name that they have logged in by.
    Act,
    /// The same, and say who they are each time: nobody has to log in.
    Sign,
    /// Look; and act once they say who they are.
    LogIn,
    /// Look.
    Look,
}

impl May {
    pub(super) const ALL: [Self; 4] = [Self::Act, Self::Sign, Self::LogIn, Self::Look];

    /// What somebody of this role may. A browser asks for names and passwords, so logging in helps
    /// where one of those may act.
    fn of(role: Role, named: bool, access: &Access) -> Self {
        match role {
            Role::Operator if named => Self::Act,
            Role::Operator => Self::Sign,
            Role::Viewer if access.users.iter().any(|user| user.role == Role::Operator) => {
                Self::LogIn
            }
            Role::Viewer => Self::Look,
        }
    }

    /// Whether the server takes what they do.
    pub(super) const fn acts(self) -> bool {
        matches!(self, Self::Act | Self::Sign)
    }

    /// As the style sheet knows it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Act | Self::Sign => "act",
            Self::LogIn | Self::Look => "look",
        }
    }
}

/// Whoever a page is for.
#[derive(Debug, Clone)]
pub(in crate::web) struct Reader {
    pub(super) look: Look,
    pub(super) may: May,
    /// The name that they are known by.
    pub(super) name: Option<Arc<str>>,
    /// What they asked for.
    pub(super) address: String,
    /// The language that the address asks for, which the browser is to keep.
    wished: Option<Language>,
    /// Whether they take a page compressed.
    gzip: bool,
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let wished = look::wished(&parts.uri);
        let caller = parts.extensions.get::<Caller>();
        let role = caller.map_or(Role::Viewer, |caller| caller.role);
        Ok(Self {
            look: look::chosen(app.daemon.look(), wished, &parts.headers),
            may: May::of(role, caller.is_some_and(|it| it.name.is_some()), &app.daemon.access()),
            name: caller.and_then(|caller| caller.name.clone()),
            address: parts.uri.to_string(),
            wished,
            gzip: takes_gzip(&parts.headers),
        })
    }
}

impl Reader {
    /// What writes about a state for this reader.
    pub(super) fn pen<'a>(&self, app: &App, snapshot: &'a Snapshot) -> Pen<'a> {
        Pen::new(snapshot, app.daemon.now().wall, self.look.clone())
    }

    /// A page as an answer.
    pub(super) fn answer(
        &self,
        status: StatusCode,
        pen: &Pen<'_>,
        page: &Page<'_>,
        main: &Markup,
    ) -> Response {
        let mut response = packed(page.write(pen, self, main).into_string(), self.gzip);
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.sent(response)
    }

    /// What all pages have as answers, however they are made.
    pub(super) fn sent(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        let kept = match self.wished {
            Some(Language::Vi) => "lang=vi; Path=/; Max-Age=31536000; SameSite=Lax",
            Some(Language::En) => "lang=en; Path=/; Max-Age=31536000; SameSite=Lax",
            None => return response,
        };
        headers.append(header::SET_COOKIE, HeaderValue::from_static(kept));
        response
    }

    /// What was asked for is not there; says so in words, with ways on.
    pub(super) fn lost(&self, pen: &Pen<'_>, what: &str, id: &str) -> Response {
        let shown: String = id.chars().take(100).collect();
        let title = pen.pick("Không tìm thấy", "Not found");
        let main = html! {
            h1 { (title) }
            p { (what) " “" bdi { (shown) } "”." }
            p { (pen.pick(
                "Có thể đã đổi tên, đã kết thúc từ lâu, hoặc liên kết không đầy đủ.",
                "It may have been renamed, be long over, or the link may not be whole.",
            )) }
            ul.plain.links {
                li { a href="/" { (pen.pick("Về bảng theo dõi", "To the board")) } }
                li { a href={ "/?q=" (encoded(&shown)) } {
                    (pen.pick("Tìm trên bảng theo dõi", "Look for it on the board"))
                } }
                li { a href="/sessions" { (pen.pick("Lịch họp và báo cáo", "Sessions and reports")) } }
            }
        };
        self.answer(StatusCode::NOT_FOUND, pen, &Page::new(title, Here::Lost), &main)
    }

    /// What stands in the head of a page for whoever may only look.
    pub(super) fn standing(&self, pen: &Pen<'_>) -> Markup {
        html! {
            @match self.may {
                May::Act | May::Sign => {},
                May::LogIn => a.only href={ "/login?back=" (encoded(&self.address)) } {
                    (pen.pick("Đăng nhập để thao tác", "Log in to act"))
                },
                May::Look => a.only href="/login" { (pen.pick("Chỉ xem", "View only")) },
            }
        }
    }
}
