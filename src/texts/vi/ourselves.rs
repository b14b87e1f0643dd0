//! What is wrong with this monitor itself, in Vietnamese.

use std::time::Duration;

use super::words::{clock, duration};
use crate::model::{Ailment, Language, Part, SelfDoubt, StoreTrouble, Strain, missed, quoted};
use crate::texts::Facts;

/// What is likely, and what to do, when some recipients refuse what others of their channel have.
const RECIPIENTS: (&str, &str) = (
    "sai số điện thoại hoặc địa chỉ, người nhận đã rời nhóm, chặn tài khoản gửi, hoặc đầy \
     hộp thư",
    "Trong vchealth.yaml, xem lại người nhận ghi trong ngoặc: số thứ tự trong `to` hoặc mã \
     của nhóm. Sửa hoặc bỏ đi, rồi thử bằng `vchealth alert-test`. Cảnh báo này hết khi họ \
     nhận được tin cảnh báo hoặc tin diễn tập kế tiếp, hoặc khi cấu hình kênh thay đổi. \
     Những người khác vẫn nhận được.",
);

/// What is likely, and what to do, when it is known what of this monitor is wrong.
pub(super) fn of_ourselves(facts: &Facts<'_>) -> Option<(&'static str, &'static str)> {
    match facts.doubt()? {
        SelfDoubt::Trouble { part: Part::Recipients, .. } => Some(RECIPIENTS),
        doubt @ SelfDoubt::DrillMissed { .. } if doubt.is_of_recipients() => Some(RECIPIENTS),
        SelfDoubt::DrillMissed { .. } => Some((
            "kênh đó sai địa chỉ, sai khóa, hết hạn mức hoặc mất đường ra",
            "Chạy `vchealth alert-test`, sửa kênh theo lý do được báo, thử lại cho đến khi \
             người trực nhận được tin trước giờ họp.",
        )),
        SelfDoubt::NobodyReached { .. } => Some((
            "`routes` không dẫn cảnh báo của phiên họp này tới kênh hay người trực nào",
            "Sửa `routes` trong vchealth.yaml trước giờ họp; xem trước bằng `vchealth who` \
             với một điểm cầu của phiên họp.",
        )),
        SelfDoubt::SessionMuted { .. } => Some((
            "lệnh tạm tắt cảnh báo hoặc công việc báo trước từ hôm khác chưa được kết thúc",
            "Xem `vchealth silence` và `vchealth maintenance`; trước giờ họp kết thúc bằng \
             `vchealth unsilence` những gì không dành cho phiên họp này.",
        )),
        SelfDoubt::SessionUnwatched { .. } => Some((
            "trong giờ họp đo quá thưa, hoặc phải hỏng quá nhiều lần mới tính là lỗi",
            "Xem lại `pace`, `confirm_after` của các phép đo (`checks`) và `hysteresis` trong \
             vchealth.yaml; thông thường chỉ mất năm giây.",
        )),
        SelfDoubt::Trouble { part: Part::Resolver, .. } => Some((
            "máy chủ tên miền hỏng hoặc đường đến nó bị đứt",
            "Kiểm tra máy chủ tên miền ghi trong /etc/resolv.conf. Thiết bị khai bằng địa chỉ \
             IP vẫn được giám sát.",
        )),
        SelfDoubt::Trouble { detail: Ailment::Store(trouble), .. } => Some(store_advice(trouble)),
        SelfDoubt::Trouble { part: Part::Store, .. } => Some((
            "đĩa đầy, hỏng hoặc bị chương trình khác chiếm",
            "Làm theo dấu hiệu ở trên. Cảnh báo vẫn được gửi, nhưng tắt máy lúc này sẽ mất \
             những gì chưa ghi.",
        )),
        SelfDoubt::Trouble { part: Part::Courier, .. } => Some((
            "máy giám sát mất đường ra, hoặc các dịch vụ nhắn tin ngừng",
            "Kiểm tra đường ra internet và từng kênh bằng `vchealth alert-test`. Cho đến khi \
             xong, theo dõi trực tiếp trên bảng.",
        )),
        SelfDoubt::SitesUnasked { .. } => Some((
            "máy giám sát thiếu tuyến, hỏng cổng mạng, bị tường lửa chặn, hoặc tên miền bị xóa; tình \
             trạng các điểm cầu này hiện không rõ",
            "Kiểm tra bảng định tuyến, tường lửa của máy giám sát và tên miền của các điểm cầu này; \
             `vchealth probe` với một điểm cầu cho biết thêm. Cho đến khi xong, hỏi qua điện thoại.",
        )),
        SelfDoubt::GatewaySilent { .. }
        | SelfDoubt::GatewayUnasked { .. }
        | SelfDoubt::NobodyAnswers => Some((
            "máy giám sát mất mạng, hoặc cổng ra hay đường truyền tại nơi đặt máy bị đứt; tình trạng \
             các điểm cầu hiện không rõ",
            "Kiểm tra dây mạng của máy giám sát, cổng ra và đường truyền tại đó. Cho đến khi xong, \
             hỏi tình trạng các điểm cầu qua điện thoại.",
        )),
        SelfDoubt::ProbesFail { .. } => Some((
            "máy giám sát mất mạng, thiếu quyền hoặc cạn tài nguyên; tình trạng các điểm cầu hiện \
             không rõ",
            "Kiểm tra mạng, tải và nhật ký của máy giám sát (`journalctl -u vchealth`). Cho đến khi \
             xong, hỏi tình trạng các điểm cầu qua điện thoại.",
        )),
        SelfDoubt::EngineStrained(strain) if strain.is_of_buffer() => Some((
            "quá nhiều gói trả lời đến cùng lúc, bộ đệm nhận không đủ chỗ; tình trạng các điểm cầu \
             hiện không rõ",
            "Tăng `net.core.rmem_max` trên máy giám sát và `icmp.receive_buffer` trong \
             vchealth.yaml rồi khởi động lại vchealth. Cho đến khi xong, hỏi các điểm cầu qua điện \
             thoại.",
        )),
        SelfDoubt::EngineStrained(_) => Some((
            "máy giám sát quá tải hoặc vừa bị tạm dừng; tình trạng các điểm cầu hiện không rõ",
            "Kiểm tra tải và bộ nhớ của máy giám sát, cả máy chủ chứa nó nếu là máy ảo; tắt những \
             việc không cần. Cho đến khi xong, hỏi các điểm cầu qua điện thoại.",
        )),
        SelfDoubt::ClockSet { .. } => Some((
            "có người hoặc máy chủ thời gian chỉnh giờ, hoặc máy ảo vừa được chuyển hay đánh thức",
            "Kiểm tra đồng bộ giờ (chrony hoặc NTP) và múi giờ của máy giám sát. Các điểm cầu được \
             giám sát trở lại ngay sau lượt đo kế tiếp.",
        )),
        SelfDoubt::ClockOff { .. } => Some((
            "máy giám sát không đồng bộ được với máy chủ thời gian (NTP)",
            "Bật đồng bộ giờ (chrony hoặc NTP) trên máy giám sát và kiểm tra múi giờ. Các điểm cầu \
             vẫn được giám sát; cho đến khi xong, giờ trong tin và báo cáo bị sai.",
        )),
    }
}

/// What of this monitor is in trouble apart from whether it sees: troubles that somebody else has
/// to mend each have another name, so that the end of one is not taken for that of another.
pub(in crate::texts) fn topic(facts: &Facts<'_>) -> Option<&'static str> {
    Some(match facts.ails()? {
        doubt if doubt.is_of_recipients() => "người nhận cảnh báo",
        SelfDoubt::ClockSet { .. } | SelfDoubt::ClockOff { .. } => "đồng hồ",
        SelfDoubt::DrillMissed { .. }
        | SelfDoubt::NobodyReached { .. }
        | SelfDoubt::SessionMuted { .. }
        | SelfDoubt::SessionUnwatched { .. } => "cảnh báo của phiên họp",
        SelfDoubt::Trouble { part: Part::Resolver, .. } => "máy chủ DNS",
        SelfDoubt::Trouble { part: Part::Store, .. } => "đĩa và cơ sở dữ liệu",
        SelfDoubt::Trouble { part: Part::Courier, .. } => "kênh cảnh báo",
        _ => return None,
    })
}

/// Why the monitor does not trust itself.
pub(in crate::texts) fn self_doubt(doubt: &SelfDoubt) -> String {
    match doubt {
        SelfDoubt::GatewaySilent { host } => {
            format!("cổng ra {host} và mọi điểm cầu không phản hồi")
        }
        SelfDoubt::GatewayUnasked { host, how } => format!(
            "máy giám sát không gửi được phép đo tới cổng ra {host} ({}), không điểm cầu nào \
             phản hồi",
            why_not_sent(how)
        ),
        SelfDoubt::NobodyAnswers => "không điểm cầu nào còn trả lời".to_owned(),
        SelfDoubt::ProbesFail { how } => {
            format!("máy giám sát không gửi được phép đo ({})", why_not_sent(how))
        }
        SelfDoubt::SitesUnasked { how } => {
            format!("từ máy giám sát không hỏi được một số điểm cầu ({})", why_not_sent(how))
        }
        SelfDoubt::EngineStrained(strain) if strain.is_of_buffer() => format!(
            "máy giám sát bỏ mất {} gói trả lời vì bộ đệm nhận {} KiB hết chỗ",
            strain.dropped, strain.buffer_kib
        ),
        SelfDoubt::EngineStrained(strain) => {
            format!("máy giám sát không theo kịp các phép đo{}", figures(*strain))
        }
        SelfDoubt::ClockSet { by_s } => {
            let by = duration(Duration::from_secs(by_s.unsigned_abs()));
            let way = if *by_s > 0 { "tới" } else { "lùi" };
            format!("giờ của máy giám sát bị chỉnh {way} {by}")
        }
        SelfDoubt::ClockOff { by_s, devices, of } => {
            let (off, way) = clock(*by_s);
            format!("giờ của máy giám sát có vẻ {way} {off}: {devices}/{of} thiết bị lệch với nó")
        }
        SelfDoubt::Trouble { part: Part::Resolver, detail } => {
            let why = quoted(&detail.to_string(), Language::Vi);
            format!("không máy chủ tên miền (DNS) nào trả lời ({why})")
        }
        SelfDoubt::Trouble { detail: Ailment::Store(trouble), .. } => store(trouble),
        SelfDoubt::Trouble { part: Part::Store, detail } => {
            format!("máy giám sát không ghi được dữ liệu ({detail})")
        }
        SelfDoubt::Trouble { part: Part::Recipients, detail } => {
            format!("cảnh báo không đến được người nhận {detail}, dù người khác cùng kênh vẫn nhận")
        }
        SelfDoubt::Trouble { part: Part::Courier, detail } => {
            format!("không kênh cảnh báo nào gửi được tin ({detail})")
        }
        SelfDoubt::DrillMissed { session, channels, refused } => format!(
            "diễn tập cảnh báo không đến được kênh {} trước phiên họp “{session}”",
            missed(channels, refused, "người nhận")
        ),
        SelfDoubt::SessionMuted { session } => {
            format!("đang tạm tắt hoặc giữ lại (bảo trì) mọi cảnh báo của phiên họp “{session}”")
        }
        SelfDoubt::SessionUnwatched { session } => format!(
            "không ai được báo trong hai phút nếu một điểm cầu của phiên họp “{session}” mất kết nối"
        ),
        SelfDoubt::NobodyReached { session } => {
            format!("không ai nhận được cảnh báo của phiên họp “{session}” (xem lại `routes`)")
        }
    }
}

/// Why probes cannot be sent: the word of a failure of our own.
fn why_not_sent(word: &str) -> &str {
    match word {
        "unresolved" => "máy chủ tên miền không trả lời",
        "no-such-name" => "không có tên miền này",
        "no-route" => "không có đường ra mạng",
        "forbidden" => "hệ điều hành không cho phép",
        "late" | "overloaded" => "máy quá tải",
        "exhausted" => "cạn tài nguyên",
        "stopping" => "chương trình đang dừng",
        "local" => "lỗi của máy",
        other => other,
    }
}

/// What strained the engine, in brackets; nothing when nothing was counted.
fn figures(Strain { late_ms, missed_ticks, dropped, .. }: Strain) -> String {
    let mut all = Vec::new();
    if late_ms > 0 {
        all.push(format!("trễ đến {}", Language::Vi.seconds(late_ms)));
    }
    if missed_ticks > 0 {
        all.push(format!("ngừng {missed_ticks} lần"));
    }
    if dropped > 0 {
        all.push(format!("bỏ mất {dropped} gói trả lời"));
    }
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

/// What is wrong with the database.
fn store(trouble: &StoreTrouble) -> String {
    match trouble {
        StoreTrouble::Full { dir } => format!("đĩa chứa {} đã đầy", dir.display()),
        StoreTrouble::Held { dir } => {
            format!("chương trình khác đang giữ cơ sở dữ liệu trong {}", dir.display())
        }
        StoreTrouble::ReadOnly { dir } => format!("không ghi được vào {}", dir.display()),
        StoreTrouble::Damaged { dir } => format!("cơ sở dữ liệu trong {} bị hỏng", dir.display()),
        StoreTrouble::Replaced { dir } => {
            format!("cơ sở dữ liệu trong {} bị thay bằng tệp khác khi đang dùng", dir.display())
        }
        StoreTrouble::Failing { dir } => format!("đĩa chứa {} bị lỗi", dir.display()),
        StoreTrouble::Silent { seconds } => {
            format!("đĩa không ghi được gì trong {seconds} giây")
        }
    }
}

/// What is likely of the database, and what to do.
const fn store_advice(trouble: &StoreTrouble) -> (&'static str, &'static str) {
    match trouble {
        StoreTrouble::Full { .. } => (
            "tệp nhật ký, bản sao lưu hoặc dữ liệu khác chiếm hết chỗ",
            "Xóa hoặc chuyển bớt tệp khỏi đĩa đó. Cảnh báo vẫn được gửi, nhưng tắt máy lúc này sẽ \
             mất những gì chưa ghi.",
        ),
        StoreTrouble::Held { .. } => (
            "công cụ sao lưu, hoặc ai đó mở cơ sở dữ liệu bằng chương trình khác",
            "Tắt chương trình đó. Cảnh báo vẫn được gửi, nhưng tắt máy lúc này sẽ mất những gì \
             chưa ghi.",
        ),
        StoreTrouble::ReadOnly { .. } => (
            "thư mục sai chủ sở hữu, hoặc đĩa chuyển sang chỉ đọc vì lỗi",
            "Kiểm tra chủ sở hữu của thư mục và xem đĩa có đang ở chế độ chỉ đọc không. Cảnh báo \
             vẫn được gửi, nhưng tắt máy lúc này sẽ mất những gì chưa ghi.",
        ),
        StoreTrouble::Damaged { .. } => (
            "đĩa lỗi, hoặc tệp bị chương trình khác ghi đè",
            "Khởi động lại vchealth: tệp hỏng được cất riêng, những gì còn đọc được sẽ được giữ \
             lại. Sau đó kiểm tra đĩa.",
        ),
        StoreTrouble::Replaced { .. } => (
            "ai đó chép bản sao lưu vào khi vchealth đang chạy",
            "Muốn giữ dữ liệu cũ: chuyển tệp mới đi chỗ khác, vchealth tự đặt lại tệp cũ. Muốn \
             dùng tệp mới: khởi động lại vchealth.",
        ),
        StoreTrouble::Failing { .. } => (
            "đĩa hỏng, hoặc mất kết nối với đĩa mạng",
            "Kiểm tra đĩa và nhật ký hệ thống. Cảnh báo vẫn được gửi, nhưng tắt máy lúc này sẽ mất \
             những gì chưa ghi.",
        ),
        StoreTrouble::Silent { .. } => (
            "đĩa quá tải, sắp hỏng, hoặc mất kết nối với đĩa mạng",
            "Kiểm tra tải và tình trạng của đĩa. Cảnh báo vẫn được gửi, nhưng tắt máy lúc này sẽ \
             mất những gì chưa ghi.",
        ),
    }
}
