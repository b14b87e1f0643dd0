//! The style sheet and the script of the pages, and what the script has to say.
//!
//! Their addresses carry a number that changes with what is in them, so that browsers may keep
//! them and a new version is taken on at once.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::pen::Pen;
use super::state::State;
use super::words::Words;
use crate::web::acks::REASONS;
use crate::web::fixed::Fixed;

static STYLE: LazyLock<Fixed> =
    LazyLock::new(|| Fixed::new("text/css; charset=utf-8", include_str!("board.css")));
static SCRIPT: LazyLock<Fixed> =
    LazyLock::new(|| Fixed::new("text/javascript; charset=utf-8", include_str!("board.js")));

/// The version of style and script.
pub(super) fn build() -> String {
    format!("{}{}", STYLE.number(), SCRIPT.number())
}

/// The address of the style sheet.
pub(super) fn style() -> String {
    format!("/assets/{}.css", STYLE.number())
}

/// The address of the script.
pub(super) fn script() -> String {
    format!("/assets/{}.js", SCRIPT.number())
}

/// `GET /assets/{name}`.
pub(in crate::web) async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let (asset, number) = match name.rsplit_once('.') {
        Some((number, "css")) => (&*STYLE, number),
        Some((number, "js")) => (&*SCRIPT, number),
        _ => return (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    };
    // What an older page asks for is answered with what there is now, and not kept.
    let current = number == asset.number();
    let keep = if current { "public, max-age=31536000, immutable" } else { "no-store" };
    asset.answer(&headers, keep)
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
            "Mất liên lạc với máy chủ giám sát. Số liệu trên trang là của {0} trước; đang kết nối lại…",
            "No contact with the monitor. What is shown is {0} old; connecting again…"),
        "old": words.pick(
            "Số liệu trên trang là của {0} trước: hệ thống giám sát không cập nhật.",
            "What is shown is {0} old: the monitor does not bring news."),
        "crowded": words.pick(
            "Chưa giữ được kết nối trực tiếp, có thể do quá nhiều người xem; trang tự tải lại vài giây một lần.",
            "No live connection, perhaps since too many watch; the page loads anew every few seconds."),
        "back": words.pick("Đã kết nối lại.", "Connected again."),
        "fresh": words.pick("{0} sự cố mới: {1}", "{0} new: {1}"),
        "gone": words.pick("{0} sự cố đã kết thúc", "{0} incidents are over"),
        "found": words.pick("{0}/{1} điểm cầu", "{0} of {1} sites"),
        "none": words.pick("Không có điểm cầu nào khớp", "No site matches"),
        "seconds": words.pick("giây", "s"),
        "done": words.pick("Đã ghi nhận.", "Recorded."),
        // By what the server answers; what it says itself stands behind.
        "failed": {
            "0": words.pick("Không gửi được: mất mạng. Hãy thử lại.", "Not sent: no network. Try again."),
            "400": words.pick("Không thực hiện được.", "That did not work."),
            "401": words.pick("Cần đăng nhập.", "Log in first."),
            "403": words.pick("Bạn chỉ có quyền xem.", "You may only look."),
            "404": words.pick("Không còn nữa, hoặc đã kết thúc.", "It is there no longer, or over."),
            "409": words.pick("Đã kết thúc.", "It is over."),
            "429": words.pick("Quá nhiều yêu cầu; hãy thử lại sau giây lát.", "Too many at once; try again in a moment."),
            "500": words.pick("Máy chủ không thực hiện được; nhật ký ghi rõ lý do.", "The server did not manage; its log says why."),
            "503": words.pick("Máy chủ đang bận; hãy thử lại.", "The server is busy; try again."),
        },
        "held": words.pick(
            "Đã có {0} tiếp nhận. Bấm lần nữa để nhận thay.",
            "{0} has taken it on. Press once more to take over."),
        "probing": words.pick("Đang kiểm tra…", "Probing…"),
        "probed": words.pick("Kiểm tra lúc {0}: {1}/{2} trả lời", "Probed at {0}: {1} of {2} answer"),
        "checking": words.pick(
            "Đang kiểm tra tất cả các điểm cầu; kết quả hiện ra ở đây, thường trong nửa phút…",
            "Checking every site; the result appears here, within half a minute as a rule…"),
        "checked": words.pick("Đã kiểm tra xong.", "All are checked."),
        "more": words.pick("▼ còn {0} sự cố nữa ở dưới", "▼ {0} more below"),
        "unfinished": words.pick("chưa xong", "not done yet"),
        "title": words.title(),
    });
    // Nothing in a script element may look like its end.
    json.to_string().replace('<', "\\u003c")
}

/// What asks a person before something is done; for their name where nobody vouches for it.
pub(super) fn dialogs(pen: &Pen<'_>, signed: bool) -> Markup {
    html! {
        dialog #ask aria-labelledby="ask-title" {
            form method="dialog" {
                h2 #ask-title {
                    span data-for="ack" { (pen.pick("Tiếp nhận sự cố", "Take on an incident")) }
                    span data-for="silence" { (pen.pick("Tạm tắt cảnh báo", "Silence messages")) }
                    span data-for="confirm" { (pen.pick("Xác nhận hình và tiếng", "Confirm picture and sound")) }
                }
                p #ask-what dir="auto" {}
                label {
                    @if signed { (pen.pick("Tên của bạn", "Your name")) }
                    @else { (pen.pick("Tên của bạn (để trống: tên đăng nhập)", "Your name (empty: the one you logged in by)")) }
                    input name="by" required[signed] maxlength="80" autocomplete="name";
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
                label {
                    span data-for="confirm" { (pen.pick("Ghi chú (không bắt buộc)", "Note (optional)")) }
                    span data-for="ack silence" { (pen.pick("Lý do", "Reason")) }
                    input name="note" maxlength="300" autocomplete="off";
                }
                // Touched, they are written for whoever has no hand free.
                div.says data-for="ack silence" {
                    @for (_, vi, en) in REASONS { button type="button" data-say { (pen.pick(vi, en)) } }
                }
                label data-for="ack" { (pen.pick("Đến khi", "Until"))
                    select name="until" {
                        option value="" { (pen.pick("theo cài đặt", "as the settings say")) }
                        option value="30" { (pen.pick("30 phút nữa", "in 30 minutes")) }
                        option value="120" { (pen.pick("2 giờ nữa", "in 2 hours")) }
                        option value="session" { (pen.pick("hết phiên họp", "the session is over")) }
                        option value="over" { (pen.pick("khi sự cố kết thúc", "the incident is over")) }
                    }
                }
                p.error role="alert" hidden {}
                div.acts {
                    button.main type="submit" value="do" {
                        span data-for="ack" { (pen.pick("Tiếp nhận", "Take on")) }
                        span data-for="silence" { (pen.pick("Tạm tắt", "Silence")) }
                        span data-for="confirm" { (pen.pick("Xác nhận", "Confirm")) }
                    }
                    button type="button" data-close { (pen.pick("Huỷ", "Cancel")) }
                }
            }
        }
    }
}
