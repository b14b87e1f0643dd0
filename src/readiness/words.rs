//! What a run says, in Vietnamese and English: short, for a list that is read on the phone.
//!
//! "Ready" is always worded as a connection: no sentence here says that there is a picture or a
//! sound.

mod pen;

pub use pen::Pen;

use super::summary::Group;
use crate::model::{FindingKind, Language, ReadinessRun, Verdict};

/// Picks one of two texts.
pub(super) const fn pick(language: Language, vi: &'static str, en: &'static str) -> &'static str {
    match language {
        Language::Vi => vi,
        Language::En => en,
    }
}

/// A verdict on one site.
#[must_use]
pub const fn verdict(verdict: Verdict, language: Language) -> &'static str {
    match verdict {
        Verdict::Ready => pick(language, "Kết nối tốt", "Connection good"),
        Verdict::AtRisk => pick(language, "Có nguy cơ", "At risk"),
        Verdict::CannotTell => pick(language, "Chưa xác định được", "Cannot tell"),
        Verdict::NotReady => pick(language, "Chưa sẵn sàng", "Not ready"),
    }
}

/// The whole run in one line: "196/204 sẵn sàng kết nối: 5 chưa sẵn sàng, 3 có nguy cơ".
#[must_use]
pub fn summary(run: &ReadinessRun, language: Language) -> String {
    figures(run.counts(), language)
}

/// The same from the sites by verdict, in the order of [`Verdict::ALL`].
#[must_use]
pub fn figures(counts: [u32; 4], language: Language) -> String {
    let [ready, at_risk, cannot_tell, not_ready] = counts;
    let all: u32 = counts.iter().sum();
    let mut text = match language {
        Language::Vi => format!("{ready}/{all} sẵn sàng kết nối"),
        Language::En => format!("{ready} of {all} ready to connect"),
    };
    let rest: Vec<String> = [
        (not_ready, "chưa sẵn sàng", "not ready"),
        (cannot_tell, "chưa xác định được", "cannot be told"),
        (at_risk, "có nguy cơ", "at risk"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, vi, en)| format!("{count} {}", pick(language, vi, en)))
    .collect();
    if !rest.is_empty() {
        text += ": ";
        text += &rest.join(", ");
    }
    text
}

/// That people still have to look and listen.
#[must_use]
pub const fn reservation(language: Language) -> &'static str {
    pick(
        language,
        "Đây là kết quả kiểm tra kết nối; hình ảnh và âm thanh phải do người xác nhận trong phiên thử.",
        "This is about the connection; picture and sound have to be confirmed by people in a trial call.",
    )
}

/// The heading of a group.
#[must_use]
pub fn heading(group: &Group<'_>, language: Language) -> String {
    match (group.kind, group.above) {
        (FindingKind::Uplink, Some((_, name, answers))) => match (language, answers) {
            (Language::Vi, false) => format!("Đường truyền qua {name} bị đứt"),
            (Language::Vi, true) => format!("Đứt giữa {name} và các điểm cầu phía sau"),
            (Language::En, false) => format!("The line through {name} is cut"),
            (Language::En, true) => format!("Cut between {name} and the sites behind it"),
        },
        (kind, _) => title(kind, language).to_owned(),
    }
}

/// A kind of finding as a heading.
#[must_use]
pub const fn title(kind: FindingKind, language: Language) -> &'static str {
    match kind {
        FindingKind::Uplink => pick(language, "Đứt đường truyền phía trên", "A line above is cut"),
        FindingKind::Silent => {
            pick(language, "Mất kết nối cả điểm cầu", "The whole site is silent")
        }
        FindingKind::Device => pick(language, "Thiết bị không phản hồi", "A device is silent"),
        FindingKind::Service => {
            pick(language, "Dịch vụ trên thiết bị không chạy", "A service on a device is out")
        }
        FindingKind::BlackHole => {
            pick(language, "Gói lớn bị mất không báo (MTU)", "Large packets vanish (MTU)")
        }
        FindingKind::Unsteady => {
            pick(language, "Đường truyền lúc có lúc mất", "The line comes and goes")
        }
        FindingKind::Loss => pick(language, "Mất gói", "Packets are lost"),
        FindingKind::Delay => pick(language, "Độ trễ cao", "Long delay"),
        FindingKind::Jitter => pick(language, "Trễ không đều (jitter)", "Uneven delay (jitter)"),
        FindingKind::Certificate => pick(
            language,
            "Chứng thư hết hạn hoặc sắp hết hạn",
            "A certificate has ended or soon will",
        ),
        FindingKind::Clock => pick(language, "Đồng hồ thiết bị lệch", "A device's clock is off"),
        FindingKind::SmallMtu => {
            pick(language, "Gói lớn không qua được", "Large packets are refused")
        }
        FindingKind::Flapping => pick(language, "Vừa chập chờn", "It came and went lately"),
        FindingKind::FailedBefore => {
            pick(language, "Nhiều phiên trước chưa sẵn sàng", "It was not ready before")
        }
        FindingKind::Name => {
            pick(language, "Không phân giải được tên (DNS)", "Its name is not resolved (DNS)")
        }
        FindingKind::NotAsked => pick(language, "Không kiểm tra được", "It could not be checked"),
        FindingKind::Blind => {
            pick(language, "Máy giám sát không nhìn thấy", "The monitor cannot see")
        }
        FindingKind::NotWatched => {
            pick(language, "Chưa khai báo thiết bị", "Nothing at it is watched")
        }
    }
}

/// What most likely is the matter.
#[must_use]
pub const fn likely(kind: FindingKind, language: Language) -> &'static str {
    match kind {
        FindingKind::Uplink => pick(
            language,
            "đứt cáp hoặc mất điện ở nút phía trên, không phải tại từng điểm cầu",
            "a cut cable or no power at the node above, not at each site",
        ),
        FindingKind::Silent => pick(
            language,
            "mất điện hoặc đứt đường truyền tại điểm cầu",
            "no power at the site, or its line is cut",
        ),
        FindingKind::Device => pick(
            language,
            "thiết bị tắt, rút dây mạng hoặc treo; đường truyền vẫn tốt",
            "the device is off, unplugged or hung; the line is fine",
        ),
        FindingKind::Service => pick(
            language,
            "ứng dụng trên thiết bị treo, bị tắt hoặc bị tường lửa chặn",
            "the application on the device hangs, is switched off, or a firewall blocks it",
        ),
        FindingKind::BlackHole => pick(
            language,
            "MTU trên đường truyền bị đặt nhỏ mà không báo; ping vẫn được nhưng cuộc gọi sẽ hỏng",
            "the MTU on the line is too small and nobody says so; pings pass and calls break",
        ),
        FindingKind::SmallMtu => pick(
            language,
            "có đường hầm hoặc PPPoE trên đường truyền",
            "a tunnel or PPPoE on the line",
        ),
        FindingKind::Unsteady | FindingKind::Flapping => pick(
            language,
            "đầu nối, cáp hoặc nguồn chập chờn",
            "a loose connector, cable or power supply",
        ),
        FindingKind::Loss => pick(
            language,
            "nghẽn hoặc cáp, Wi-Fi lỗi tại điểm cầu",
            "congestion, a bad cable or Wi-Fi at the site",
        ),
        FindingKind::Delay => pick(
            language,
            "đi đường vòng hoặc đang dùng đường dự phòng (4G, vệ tinh), hoặc nghẽn",
            "a detour, a backup line (4G, satellite), or congestion",
        ),
        FindingKind::Jitter => pick(
            language,
            "đường truyền dùng chung bị nghẽn hoặc thiếu ưu tiên QoS",
            "a shared line is congested, or media has no priority on it (QoS)",
        ),
        FindingKind::Certificate => {
            pick(language, "chứng thư của thiết bị chưa được gia hạn", "it was not renewed")
        }
        FindingKind::Clock => pick(
            language,
            "thiết bị không đồng bộ giờ với máy chủ NTP",
            "the device does not follow a time server (NTP)",
        ),
        FindingKind::FailedBefore => pick(
            language,
            "nguyên nhân của các lần trước có thể chưa được xử lý triệt để",
            "what was wrong before may not be mended for good",
        ),
        FindingKind::Name => pick(
            language,
            "máy chủ DNS không trả lời hoặc tên khai báo sai",
            "the name server does not answer, or the name is written wrong",
        ),
        FindingKind::NotAsked => pick(
            language,
            "lỗi phía máy giám sát, không phải tại điểm cầu",
            "a fault of the monitor, not of the site",
        ),
        FindingKind::Blind => {
            pick(language, "mất đường ra của máy giám sát", "the monitor's own way out is cut")
        }
        FindingKind::NotWatched => pick(
            language,
            "điểm cầu chưa có thiết bị nào trong sites.yaml",
            "the site has no device in sites.yaml",
        ),
    }
}

/// What to try first.
#[must_use]
pub const fn action(kind: FindingKind, language: Language) -> &'static str {
    match kind {
        FindingKind::Uplink => pick(
            language,
            "gọi cán bộ trực nút phía trên, báo nhà mạng",
            "phone the people at the node above and the carrier",
        ),
        FindingKind::Silent => pick(
            language,
            "gọi điểm cầu kiểm tra nguồn điện, modem quang và router; nếu nguồn tốt thì báo nhà mạng",
            "have them check power, modem and router; if there is power, phone the carrier",
        ),
        FindingKind::Device => pick(
            language,
            "bật thiết bị, cắm lại nguồn và dây mạng",
            "switch the device on, plug power and network in again",
        ),
        FindingKind::Service => pick(
            language,
            "khởi động lại thiết bị; nếu vẫn vậy thì kiểm tra SIP/H.323 và tường lửa",
            "restart the device; if that does not help, check SIP/H.323 and the firewall",
        ),
        FindingKind::BlackHole | FindingKind::SmallMtu => pick(
            language,
            "đặt lại MTU trên router, hoặc giảm MTU (MSS) của thiết bị; báo nhà mạng",
            "set the MTU on the router right, or lower that (MSS) of the device; tell the carrier",
        ),
        FindingKind::Unsteady | FindingKind::Flapping => pick(
            language,
            "cắm lại cáp, đổi cổng hoặc nguồn; theo dõi thêm trước giờ họp",
            "plug the cable in again, change port or power supply; watch it until the session",
        ),
        FindingKind::Loss => pick(
            language,
            "dùng cáp thay Wi-Fi, dừng tải khác trên đường truyền, đổi cáp",
            "use a cable instead of Wi-Fi, stop other traffic on the line, change the cable",
        ),
        FindingKind::Delay => pick(
            language,
            "kiểm tra đang đi đường chính hay dự phòng, dừng tải khác",
            "see whether the main or the backup line is in use, stop other traffic",
        ),
        FindingKind::Jitter => pick(
            language,
            "dừng tải khác trên đường truyền, kiểm tra QoS trên router",
            "stop other traffic on the line, check QoS on the router",
        ),
        FindingKind::Certificate => {
            pick(language, "gia hạn chứng thư trên thiết bị", "renew the certificate on the device")
        }
        FindingKind::Clock => pick(
            language,
            "đặt máy chủ NTP và giờ đúng trên thiết bị",
            "set time server and time on the device",
        ),
        FindingKind::FailedBefore => pick(
            language,
            "gọi thử sớm hơn với điểm cầu này",
            "make a trial call with this site earlier than with others",
        ),
        FindingKind::Name => pick(
            language,
            "kiểm tra máy chủ DNS, hoặc ghi địa chỉ IP trong sites.yaml",
            "check the name server, or write an address into sites.yaml",
        ),
        FindingKind::NotAsked | FindingKind::Blind => pick(
            language,
            "kiểm tra mạng của máy giám sát rồi kiểm tra lại",
            "check the monitor's own network, then look again",
        ),
        FindingKind::NotWatched => {
            pick(language, "khai báo thiết bị của điểm cầu", "write its devices down")
        }
    }
}
