//! What a run says, in Vietnamese and English: short, for a list that is read on the phone.
//!
//! "Ready" is always worded as a connection: no sentence here says that there is a picture or a
//! sound.

mod pen;

pub use pen::Pen;

use super::summary::Group;
use crate::model::{FindingKind, Language, ReadinessRun, Verdict};

/// A verdict on one site.
#[must_use]
pub const fn verdict(verdict: Verdict, language: Language) -> &'static str {
    match verdict {
        Verdict::Ready => language.pick("Kết nối tốt", "Connection good"),
        Verdict::AtRisk => language.pick("Có nguy cơ", "At risk"),
        Verdict::CannotTell => language.pick("Chưa xác định được", "Cannot tell"),
        Verdict::NotReady => language.pick("Chưa sẵn sàng", "Not ready"),
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
        (cannot_tell, "chưa xác định được", "unknown"),
        (at_risk, "có nguy cơ", "at risk"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, vi, en)| format!("{count} {}", language.pick(vi, en)))
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
    language.pick("Đây là kết quả kiểm tra kết nối; hình ảnh và âm thanh phải do người xác nhận trong phiên thử.",
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
        FindingKind::Uplink => language.pick("Đứt đường truyền phía trên", "A line above is cut"),
        FindingKind::Silent => language.pick("Mất kết nối cả điểm cầu", "The whole site is silent"),
        FindingKind::Device => language.pick("Thiết bị không phản hồi", "A device is silent"),
        FindingKind::Service => {
            language.pick("Dịch vụ trên thiết bị không chạy", "A service on a device is out")
        }
        FindingKind::BlackHole => {
            language.pick("Gói lớn bị mất không báo (MTU)", "Large packets vanish (MTU)")
        }
        FindingKind::Unsteady => {
            language.pick("Đường truyền lúc có lúc mất", "The line comes and goes")
        }
        FindingKind::Loss => language.pick("Mất gói", "Packets are lost"),
        FindingKind::Delay => language.pick("Độ trễ cao", "Long delay"),
        FindingKind::Jitter => language.pick("Trễ không đều (jitter)", "Uneven delay (jitter)"),
        FindingKind::Certificate => language
            .pick("Chứng thư hết hạn hoặc sắp hết hạn", "A certificate has ended or soon will"),
        FindingKind::Clock => language.pick("Đồng hồ thiết bị lệch", "A device's clock is off"),
        FindingKind::SmallMtu => {
            language.pick("Gói lớn không qua được", "Large packets are refused")
        }
        FindingKind::Flapping => language.pick("Vừa chập chờn", "It came and went lately"),
        FindingKind::FailedBefore => {
            language.pick("Nhiều phiên trước chưa sẵn sàng", "It was not ready before")
        }
        FindingKind::Name => {
            language.pick("Không phân giải được tên (DNS)", "Its name is not resolved (DNS)")
        }
        FindingKind::NotAsked => language.pick("Không kiểm tra được", "It could not be checked"),
        FindingKind::Blind => {
            language.pick("Máy giám sát không nhìn thấy", "The monitor cannot see")
        }
        FindingKind::NotWatched => {
            language.pick("Chưa khai báo thiết bị", "Nothing at it is watched")
        }
    }
}

/// What most likely is the matter.
#[must_use]
pub const fn likely(kind: FindingKind, language: Language) -> &'static str {
    match kind {
        FindingKind::Uplink => language.pick(
            "đứt cáp hoặc mất điện ở nút phía trên, không phải tại từng điểm cầu",
            "a cut cable or no power at the node above, not at each site",
        ),
        FindingKind::Silent => language.pick(
            "mất điện hoặc đứt đường truyền tại điểm cầu",
            "no power at the site, or its line is cut",
        ),
        FindingKind::Device => language.pick(
            "thiết bị tắt, rút dây mạng hoặc treo; đường truyền vẫn tốt",
            "the device is off, unplugged or hung; the line is fine",
        ),
        FindingKind::Service => language.pick(
            "ứng dụng trên thiết bị treo, bị tắt hoặc bị tường lửa chặn",
            "the application on the device hangs, is switched off, or a firewall blocks it",
        ),
        FindingKind::BlackHole => language.pick(
            "MTU trên đường truyền bị đặt nhỏ mà không báo; ping vẫn được nhưng cuộc gọi sẽ hỏng",
            "the MTU on the line is too small and nobody says so; pings pass and calls break",
        ),
        FindingKind::SmallMtu => language
            .pick("có đường hầm hoặc PPPoE trên đường truyền", "a tunnel or PPPoE on the line"),
        FindingKind::Unsteady | FindingKind::Flapping => language
            .pick("đầu nối, cáp hoặc nguồn chập chờn", "a loose connector, cable or power supply"),
        FindingKind::Loss => language.pick(
            "nghẽn hoặc cáp, Wi-Fi lỗi tại điểm cầu",
            "congestion, a bad cable or Wi-Fi at the site",
        ),
        FindingKind::Delay => language.pick(
            "đi đường vòng hoặc đang dùng đường dự phòng (4G, vệ tinh), hoặc nghẽn",
            "a detour, a backup line (4G, satellite), or congestion",
        ),
        FindingKind::Jitter => language.pick(
            "đường truyền dùng chung bị nghẽn hoặc thiếu ưu tiên QoS",
            "a shared line is congested, or media has no priority on it (QoS)",
        ),
        FindingKind::Certificate => {
            language.pick("chứng thư của thiết bị chưa được gia hạn", "it was not renewed")
        }
        FindingKind::Clock => language.pick(
            "thiết bị không đồng bộ giờ với máy chủ NTP",
            "the device does not follow a time server (NTP)",
        ),
        FindingKind::FailedBefore => language.pick(
            "nguyên nhân của các lần trước có thể chưa được xử lý triệt để",
            "what was wrong before may not be mended for good",
        ),
        FindingKind::Name => language.pick(
            "máy chủ DNS không trả lời hoặc tên khai báo sai",
            "the name server does not answer, or the name is written wrong",
        ),
        FindingKind::NotAsked => language.pick(
            "lỗi phía máy giám sát, không phải tại điểm cầu",
            "a fault of the monitor, not of the site",
        ),
        FindingKind::Blind => {
            language.pick("mất đường ra của máy giám sát", "the monitor's own way out is cut")
        }
        FindingKind::NotWatched => language.pick(
            "điểm cầu chưa có thiết bị nào trong sites.yaml",
            "the site has no device in sites.yaml",
        ),
    }
}

/// What to try first.
#[must_use]
pub const fn action(kind: FindingKind, language: Language) -> &'static str {
    match kind {
        FindingKind::Uplink => language.pick("gọi cán bộ trực nút phía trên, báo nhà mạng",
            "phone the people at the node above and the carrier",
        ),
        FindingKind::Silent => language.pick("gọi điểm cầu kiểm tra nguồn điện, modem quang và router; nếu nguồn tốt thì báo nhà mạng",
            "have them check power, modem and router; if there is power, phone the carrier",
        ),
        FindingKind::Device => language.pick("bật thiết bị, cắm lại nguồn và dây mạng",
            "switch the device on, plug power and network in again",
        ),
        FindingKind::Service => language.pick("khởi động lại thiết bị; nếu vẫn vậy thì kiểm tra SIP/H.323 và tường lửa",
            "restart the device; if that does not help, check SIP/H.323 and the firewall",
        ),
        FindingKind::BlackHole | FindingKind::SmallMtu => language.pick("đặt lại MTU trên router, hoặc giảm MTU (MSS) của thiết bị; báo nhà mạng",
            "set the MTU on the router right, or lower that (MSS) of the device; tell the carrier",
        ),
        FindingKind::Unsteady | FindingKind::Flapping => language.pick("cắm lại cáp, đổi cổng hoặc nguồn; theo dõi thêm trước giờ họp",
            "plug the cable in again, change port or power supply; watch it until the session",
        ),
        FindingKind::Loss => language.pick("dùng cáp thay Wi-Fi, dừng tải khác trên đường truyền, đổi cáp",
            "use a cable instead of Wi-Fi, stop other traffic on the line, change the cable",
        ),
        FindingKind::Delay => language.pick("kiểm tra đang đi đường chính hay dự phòng, dừng tải khác",
            "see whether the main or the backup line is in use, stop other traffic",
        ),
        FindingKind::Jitter => language.pick("dừng tải khác trên đường truyền, kiểm tra QoS trên router",
            "stop other traffic on the line, check QoS on the router",
        ),
        FindingKind::Certificate => {
            language.pick("gia hạn chứng thư trên thiết bị", "renew the certificate on the device")
        }
        FindingKind::Clock => language.pick("đặt máy chủ NTP và giờ đúng trên thiết bị",
            "set time server and time on the device",
        ),
        FindingKind::FailedBefore => language.pick("gọi thử sớm hơn với điểm cầu này",
            "make a trial call with this site earlier than with others",
        ),
        FindingKind::Name => language.pick("kiểm tra máy chủ DNS, hoặc ghi địa chỉ IP trong sites.yaml",
            "check the name server, or write an address into sites.yaml",
        ),
        FindingKind::NotAsked | FindingKind::Blind => language.pick("kiểm tra mạng của máy giám sát rồi kiểm tra lại",
            "check the monitor's own network, then look again",
        ),
        FindingKind::NotWatched => {
            language.pick("khai báo thiết bị của điểm cầu", "write its devices down")
        }
    }
}
