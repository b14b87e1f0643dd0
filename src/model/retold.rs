//! What parts of this program and the libraries under it say in English, in the reader's language.
//!
//! Why a probe, a look-up or a delivery failed is noted where it is noticed, in the words of
//! whatever noticed it, and stays in records and logs like that. In a Vietnamese text it is told in
//! Vietnamese. What is not known here can be quoted, so that nobody takes it for a sentence of
//! ours.

use super::Language;

/// Nesting that is followed at most.
const DEEPEST: usize = 4;

/// Sentences as they are noted and in Vietnamese, the particular before the general. `{}` stands
/// for some text; in Vietnamese `{0}` is the first of these as it is, such as a name or a number,
/// and `{0:}` is that retold in turn.
const KNOWN: &[(&str, &str)] = &[
    // Probes.
    ("the body does not match {}", "nội dung trang không khớp {0}"),
    ("not HTTP: {}", "không phải HTTP"),
    ("not SIP: {}", "không phải SIP: {0:}"),
    ("an empty message", "tin rỗng"),
    ("the head has no end", "phần đầu không có điểm kết thúc"),
    ("the head is longer than {} bytes", "phần đầu dài hơn {0} byte"),
    ("the body is longer than {} bytes", "nội dung dài hơn {0} byte"),
    ("not a SIP response", "đó không phải là một trả lời SIP"),
    ("the status code is not one of 100 to 699", "mã trạng thái ngoài khoảng 100 đến 699"),
    ("a line of the head is no header", "phần đầu có dòng sai quy cách"),
    ("no usable {} header", "thiếu trường {0} dùng được"),
    ("the branch is not ours", "branch không phải của phép đo này"),
    ("the CSeq is not ours", "CSeq không phải của phép đo này"),
    ("the Call-ID is not ours", "Call-ID không phải của phép đo này"),
    ("more than {} messages and no answer among them", "hơn {0} tin mà không tin nào là trả lời"),
    ("echo reply carries {} of {} bytes", "gói trả lời chỉ mang {0}/{1} byte"),
    ("it was not looked at", "chưa được kiểm tra"),
    ("it was not asked", "chưa được hỏi"),
    ("the probe never came back", "phép đo không trả kết quả"),
    ("the probe was broken off", "phép đo bị ngắt giữa chừng"),
    ("the configuration has changed meanwhile", "cấu hình vừa thay đổi"),
    // TLS, as rustls words it.
    ("received corrupt message of type {}", "bên kia không nói TLS: {0}"),
    ("peer is incompatible: {}", "hai bên không có phiên bản hay thuật toán TLS chung: {0}"),
    ("peer misbehaved: {}", "bên kia làm sai giao thức TLS: {0}"),
    ("received fatal alert: {}", "bên kia từ chối: {0}"),
    ("received unexpected message: {}", "bên kia gửi sai trình tự TLS"),
    ("received unexpected handshake message: {}", "bên kia gửi sai trình tự TLS"),
    ("invalid peer certificate: UnknownIssuer", "chứng thư do nơi không được tin cậy cấp"),
    ("invalid peer certificate: certificate not valid for name {}", "chứng thư cấp cho tên khác"),
    ("invalid peer certificate: {}", "chứng thư không được chấp nhận"),
    ("peer sent no certificates", "bên kia không đưa chứng thư"),
    ("peer doesn't support any known protocol", "hai bên không có giao thức ứng dụng chung"),
    ("cannot decrypt peer's message", "không giải mã được dữ liệu của bên kia"),
    ("peer sent excess record size", "bên kia gửi bản ghi TLS quá lớn"),
    // Name servers.
    ("{}: there is no such name", "{0}: không có tên này"),
    ("no answer within {}s", "không trả lời trong {0} giây"),
    ("no answer within {} s", "không trả lời trong {0} giây"),
    ("no answer", "không trả lời"),
    ("request timed out", "hết thời gian chờ"),
    ("no connections available", "không kết nối được máy chủ nào"),
    ("io error: {}", "{0:}"),
    ("protocol error: {}", "{0:}"),
    ("DNS error: {}", "{0:}"),
    ("error response: {}", "máy chủ báo {0}"),
    // Channels.
    ("{} does not answer within {} s", "{0} không trả lời trong {1} giây"),
    ("{} did not accept it within {} s", "{0} không nhận trong {1} giây"),
    ("{} did not end within {} s", "{0} chưa xong sau {1} giây"),
    ("{} cannot be reached: {}", "không kết nối được {0}: {1:}"),
    ("{} broke off: {}", "{0} ngắt giữa chừng: {1:}"),
    (
        "{} answers {} and points to another page of its own",
        "{0} trả lời {1} và chuyển hướng sang trang khác của chính nó",
    ),
    ("{} answers {} and points to {}", "{0} trả lời {1} và chuyển hướng sang {2}"),
    ("{} answers {} and no tokens", "{0} trả lời {1} mà không cấp mã truy cập"),
    ("Zalo gives no access token, it answers {}", "Zalo không cấp mã truy cập, trả lời {0}"),
    ("{} answers {}", "{0} trả lời {1}"),
    ("{} ended with {}", "{0} kết thúc với {1}"),
    ("cannot start {}: {}", "không chạy được {0}: {1:}"),
    ("the file {} gives no key: {}", "không đọc được khóa từ tệp {0}: {1:}"),
    ("the environment variable {} gives no key: {}", "biến môi trường {0} không có khóa: {1:}"),
    ("it is not set", "chưa được đặt"),
    ("it is not UTF-8", "không phải UTF-8"),
    ("it is empty", "rỗng"),
    ("it holds more than one line of text", "có nhiều hơn một dòng"),
    ("the channel is no longer configured", "kênh không còn trong cấu hình"),
    ("the delivery ended in a fault of this program", "lỗi của chính chương trình này"),
    ("the address in the settings is not valid", "địa chỉ trong cấu hình không hợp lệ"),
    // The operating system.
    ("{} (os error {})", "{0:}"),
    ("Connection refused", "bị từ chối kết nối"),
    ("Connection reset by peer", "bị ngắt kết nối"),
    ("Connection timed out", "hết thời gian chờ"),
    ("Broken pipe", "bị ngắt kết nối"),
    ("No route to host", "không có đường đến máy đó"),
    ("Network is unreachable", "không có đường ra mạng"),
    ("Network is down", "cổng mạng bị tắt"),
    ("Operation not permitted", "hệ điều hành không cho phép"),
    ("Permission denied", "không có quyền"),
    ("No such file or directory", "không có tệp này"),
    ("No space left on device", "đĩa đã đầy"),
    ("No buffer space available", "hết bộ đệm"),
    ("Too many open files", "mở quá nhiều tệp"),
];

/// What was noted as `text`, in the reader's language; none when it is not known in that.
#[must_use]
pub fn retold(text: &str, language: Language) -> Option<String> {
    match language {
        Language::En => Some(text.to_owned()),
        Language::Vi => in_vietnamese(text, DEEPEST),
    }
}

/// The same, in quotation marks and as it was noted when it is not known.
#[must_use]
pub fn quoted(text: &str, language: Language) -> String {
    retold(text, language).unwrap_or_else(|| format!("“{text}”"))
}

fn in_vietnamese(text: &str, deepest: usize) -> Option<String> {
    let deeper = deepest.checked_sub(1)?;
    for (noted, told) in KNOWN {
        if let Some(parts) = parts(noted, text) {
            return Some(filled(told, &parts, deeper));
        }
    }
    // What was tried, and then why it failed.
    let (what, why) = text.split_once(": ").filter(|(what, _)| !what.contains(' '))?;
    Some(format!("{what}: {}", in_vietnamese(why, deeper)?))
}

/// What stands in `text` for every `{}` of a sentence; none when it is not that sentence.
fn parts<'a>(sentence: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut pieces = sentence.split("{}");
    let mut rest = text.strip_prefix(pieces.next()?)?;
    let mut parts = Vec::new();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let at = match (piece, pieces.peek()) {
            ("", None) => rest.len(),
            (piece, None) => {
                rest.len().checked_sub(piece.len()).filter(|_| rest.ends_with(piece))?
            }
            (piece, Some(_)) => rest.find(piece)?,
        };
        if at == 0 {
            return None;
        }
        parts.push(&rest[..at]);
        rest = &rest[at + piece.len()..];
    }
    rest.is_empty().then_some(parts)
}

fn filled(told: &str, parts: &[&str], deeper: usize) -> String {
    let mut text = told.to_owned();
    for (at, part) in parts.iter().enumerate() {
        let inner = format!("{{{at}:}}");
        if text.contains(&inner) {
            let retold = in_vietnamese(part, deeper).unwrap_or_else(|| format!("“{part}”"));
            text = text.replace(&inner, &retold);
        }
        text = text.replace(&format!("{{{at}}}"), part);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vi(text: &str) -> Option<String> {
        retold(text, Language::Vi)
    }

    #[test]
    fn what_was_noted_is_told_in_the_readers_language() {
        let cases = [
            ("not SIP: no usable CSeq header", "không phải SIP: thiếu trường CSeq dùng được"),
            ("not HTTP: invalid HTTP version parsed", "không phải HTTP"),
            ("the body does not match \"OK\"", "nội dung trang không khớp \"OK\""),
            ("echo reply carries 20 of 1400 bytes", "gói trả lời chỉ mang 20/1400 byte"),
            ("received fatal alert: HandshakeFailure", "bên kia từ chối: HandshakeFailure"),
            ("mcu.example: no answer within 2s", "mcu.example: không trả lời trong 2 giây"),
            (
                "mcu.example: io error: Connection refused (os error 111)",
                "mcu.example: bị từ chối kết nối",
            ),
            (
                "http://10.0.0.1:80 cannot be reached: Connection refused (os error 111)",
                "không kết nối được http://10.0.0.1:80: bị từ chối kết nối",
            ),
            (
                "http://10.0.0.1 answers 302 Found and points to https://login.example",
                "http://10.0.0.1 trả lời 302 Found và chuyển hướng sang https://login.example",
            ),
            ("Telegram answers 403: Forbidden", "Telegram trả lời 403: Forbidden"),
        ];
        for (noted, told) in cases {
            assert_eq!(vi(noted).as_deref(), Some(told), "{noted}");
            assert_eq!(retold(noted, Language::En).as_deref(), Some(noted));
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_or_quoted() {
        assert_eq!(vi("a face at the window"), None);
        assert_eq!(quoted("a face at the window", Language::Vi), "“a face at the window”");
        assert_eq!(quoted("a face", Language::En), "a face");
        assert_eq!(vi("not SIP: a face").as_deref(), Some("không phải SIP: “a face”"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in any::<String>(), at in 0..KNOWN.len()) {
            let _ = vi(&text);
            let noted = KNOWN[at].0.replace("{}", "7");
            prop_assert!(vi(&noted).is_some_and(|told| !told.contains('{')), "{noted}");
            let _ = vi(&KNOWN[at].0.replace("{}", &text));
        }
    }
}
