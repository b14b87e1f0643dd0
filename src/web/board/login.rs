//! `GET /login`: where whoever may only look becomes somebody who may act.
//!
//! There is no form: browsers ask for a name and a password by themselves when an answer says that
//! the ones they sent are not enough (RFC 9110 §15.5.2), and send the new ones with everything from
//! then on. Whoever may act already is sent on to where they came from.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::reader::{May, Reader};
use super::{Here, Page};
use crate::web::app::App;
use crate::web::gate::ask_for_a_password;

/// What the page may be asked for.
#[derive(Deserialize)]
pub(in crate::web) struct Asked {
    /// Where to go on afterwards.
    back: Option<String>,
}

/// `GET /login`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    reader: Reader,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let back = asked.ok().and_then(|Query(Asked { back })| back).filter(|back| is_here(back));
    let back = back.as_deref().unwrap_or("/");
    if reader.may.acts() {
        return Redirect::to(back).into_response();
    }
    let snapshot = app.daemon.snapshot();
    let pen = reader.pen(&app, &snapshot);
    let title = pen.pick("Quyền thao tác", "Who may act");
    let main = html! {
        h1 { (title) }
        @if let Some(name) = &reader.name {
            p { (pen.pick("Bạn đang dùng tài khoản ", "You are logged in as ")) b dir="auto" { (name) }
                (pen.pick(", chỉ được xem.", ", who may only look.")) }
        }
        @if reader.may == May::LogIn {
            p { (pen.pick(
                "Để tiếp nhận sự cố, tạm tắt cảnh báo hoặc xác nhận, hãy đăng nhập bằng tài khoản \
                 trực vận hành.",
                "To take on incidents, silence messages or confirm, log in as an operator.",
            )) }
        } @else if reader.name.is_some() {
            p { (pen.pick(
                "Người quản trị cấp quyền ở mục “roles” trong tệp cấu hình web.",
                "An administrator gives the right to under “roles” in the web configuration file.",
            )) }
        } @else {
            p { (pen.pick(
                "Máy chủ này không có tài khoản nào, nên chỉ chính nó được phép thao tác. Người \
                 quản trị khai báo tài khoản trong tệp mà “web.config_file” chỉ đến.",
                "This server knows no users, so only the machine itself may act. An administrator \
                 names users in the file that “web.config_file” points to.",
            )) }
        }
        ul.plain.links {
            @if reader.may == May::LogIn {
                li { a href=(reader.address) { (pen.pick("Đăng nhập", "Log in")) } }
            }
            li { a href=(back) { (pen.pick("Quay lại", "Back")) } }
        }
    };
    let page = Page::new(title, Here::LogIn);
    match reader.may {
        May::LogIn => {
            ask_for_a_password(reader.answer(StatusCode::UNAUTHORIZED, &pen, &page, &main))
        }
        May::Look | May::Act | May::Sign => reader.answer(StatusCode::OK, &pen, &page, &main),
    }
}

/// Whether an address is one of this server: what somebody else put into a link leads nowhere else.
fn is_here(address: &str) -> bool {
    let path = address.strip_prefix('/');
    path.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && address.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::is_here;

    #[test]
    fn only_addresses_of_this_server_are_gone_back_to() {
        for here in ["/", "/sites/nam-mau?lang=en", "/sites/n%E1%BA%ADm"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nX: y",
            "/ậ",
        ] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
