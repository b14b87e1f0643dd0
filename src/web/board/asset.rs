//! The style sheet and the script of the pages, and what the script has to say.
//!
//! Their addresses carry a number that changes with what is in them, so that browsers may keep
//! them and a new version is taken on at once.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::pen::Pen;
use super::state::State;
use super::words::Words;
use crate::web::shared::{compressed, takes_gzip};

const STYLE: &str = include_str!("board.css");
const SCRIPT: &str = include_str!("board.js");

/// What pages load besides themselves.
#[derive(Clone, Copy)]
pub(super) enum Asset {
    Style,
    Script,
}

/// A number that changes with style and script.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    // FNV-1a: it tells versions apart, and nobody gains by making two alike.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in STYLE.bytes().chain(SCRIPT.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    format!("{hash:016x}")
});

static COMPRESSED: LazyLock<[Bytes; 2]> =
    LazyLock::new(|| [STYLE, SCRIPT].map(|text| compressed(|take| take(text)).0));

/// The version of style and script.
pub(super) fn build() -> &'static str {
    &BUILD
}

/// The address of an asset.
pub(super) fn href(asset: Asset) -> String {
    match asset {
        Asset::Style => format!("/assets/{}.css", build()),
        Asset::Script => format!("/assets/{}.js", build()),
    }
}

/// `GET /assets/{name}`.
pub(in crate::web) async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let asset = match name.rsplit_once('.') {
        Some((number, "css")) => Some((Asset::Style, number)),
        Some((number, "js")) => Some((Asset::Script, number)),
        _ => None,
    };
    let Some((asset, number)) = asset else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let (text, kind) = match asset {
        Asset::Style => (STYLE, "text/css; charset=utf-8"),
        Asset::Script => (SCRIPT, "text/javascript; charset=utf-8"),
    };
    let mut response = if takes_gzip(&headers) {
        let mut response = COMPRESSED[asset as usize].clone().into_response();
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        text.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // What an older page asks for is answered with what there is now, and not kept.
    let keep = if number == build() { "public, max-age=31536000, immutable" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// What the script says by itself, as JSON.
pub(super) fn words(words: Words) -> String {
    let state = |state: State| (state.word(), state.sign(), words.state(state));
    let json = serde_json::json!({
        "states": State::ALL.map(state),
        "maintenance": words.pick("bảo trì", "maintenance"),
        "silenced": words.pick("tạm tắt cảnh báo", "silenced"),
        "units": words.pick("ngày giờ phút ph", "d h min m").split(' ').collect::<Vec<_>>(),
        "moment": words.pick("dưới 1 phút", "less than a minute"),
        "now": words.pick("bây giờ", "now"),
        "lost": words.pick(
            "Mất liên lạc với máy chủ giám sát. Trang đang hiện số liệu cũ {0}; đang kết nối lại…",
            "No contact with the monitor. What is shown is {0} old; connecting again…"),
        "old": words.pick(
            "Số liệu đã cũ {0}: hệ thống giám sát không cập nhật.",
            "What is shown is {0} old: the monitor does not bring news."),
        "back": words.pick("Đã kết nối lại.", "Connected again."),
        "fresh": words.pick("{0} sự cố mới: {1}", "{0} new: {1}"),
        "gone": words.pick("{0} sự cố đã kết thúc", "{0} incidents are over"),
        "found": words.pick("{0}/{1} điểm cầu", "{0} of {1} sites"),
        "none": words.pick("Không có điểm cầu nào khớp", "No site matches"),
        "seconds": words.pick("giây", "s"),
        "done": words.pick("Đã ghi nhận.", "Recorded."),
        "failed": words.pick("Không thực hiện được: ", "That did not work: "),
        "login": words.pick("Cần đăng nhập với quyền trực vận hành.", "Log in as an operator first."),
        "probing": words.pick("Đang kiểm tra…", "Probing…"),
        "probed": words.pick("Kiểm tra lúc {0}: {1}/{2} trả lời", "Probed at {0}: {1} of {2} answer"),
        "unfinished": words.pick("chưa xong", "not done yet"),
        "title": words.title(),
    });
    // Nothing in a script element may look like its end.
    json.to_string().replace('<', "\\u003c")
}

/// What asks a person before something is done.
pub(super) fn dialogs(pen: &Pen<'_>) -> Markup {
    html! {
        dialog #ask aria-labelledby="ask-title" {
            form method="dialog" {
                h2 #ask-title {
                    span data-for="ack" { (pen.pick("Tiếp nhận sự cố", "Take on an incident")) }
                    span data-for="silence" { (pen.pick("Tạm tắt cảnh báo", "Silence messages")) }
                    span data-for="confirm" { (pen.pick("Xác nhận hình và tiếng", "Confirm picture and sound")) }
                }
                p #ask-what dir="auto" {}
                label { (pen.pick("Tên của bạn", "Your name"))
                    input name="by" required maxlength="80" autocomplete="name";
                }
                fieldset data-for="confirm" {
                    legend { (pen.pick("Trong phiên thử, điểm cầu này", "In the trial call this site")) }
                    label.line { input type="checkbox" name="picture" checked; " " (pen.pick("có hình", "has a picture")) }
                    label.line { input type="checkbox" name="sound" checked; " " (pen.pick("có tiếng", "has sound")) }
                }
                label data-for="silence" { (pen.pick("Trong", "For"))
                    select name="hours" {
                        option value="1" { (pen.pick("1 giờ", "1 hour")) }
                        option value="4" { (pen.pick("4 giờ", "4 hours")) }
                        option value="24" { (pen.pick("1 ngày", "1 day")) }
                    }
                }
                label { (pen.pick("Ghi chú (không bắt buộc)", "Note (optional)"))
                    input name="note" maxlength="300" autocomplete="off";
                }
                p.error role="alert" hidden {}
                div.acts {
                    button.main type="submit" value="do" {
                        span data-for="ack" { (pen.pick("Tiếp nhận", "Take on")) }
                        span data-for="silence" { (pen.pick("Tạm tắt", "Silence")) }
                        span data-for="confirm" { (pen.pick("Xác nhận", "Confirm")) }
                    }
                    button type="button" data-close { (pen.pick("Thôi", "Cancel")) }
                }
            }
        }
    }
}
