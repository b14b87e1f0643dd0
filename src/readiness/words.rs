//! What a run says, in Vietnamese and English: short, for a list that is read on the phone.
//!
//! "Ready" is always worded as a connection: no sentence here says that there is a picture or a
//! sound.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::summary::Group;
use crate::model::{
    Failure, Finding, FindingKind, Found, IcmpError, Language, LocalFailure, ReadinessRun,
    RemoteFailure, SiteReadiness, TrainFigures, Unreachable, Verdict,
};

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

/// Writes evidence and times.
#[derive(Debug, Clone)]
pub struct Pen {
    /// In which language.
    pub language: Language,
    /// In which time zone.
    pub time_zone: TimeZone,
}

impl Pen {
    /// A finding with where and by what it was found.
    #[must_use]
    pub fn finding(&self, finding: &Finding) -> String {
        let evidence = self.evidence(&finding.found);
        let endpoint = finding.endpoint.as_ref().map(ToString::to_string);
        let check = finding.check.as_ref().map(ToString::to_string);
        let place: Vec<String> = endpoint.into_iter().chain(check).collect();
        if place.is_empty() { evidence } else { format!("{}: {evidence}", place.join(" ")) }
    }

    /// What was seen.
    #[must_use]
    pub fn evidence(&self, found: &Found) -> String {
        let vi = self.language == Language::Vi;
        match found {
            Found::Uplink { name, answers: false, .. } if vi => {
                format!("{name} cũng không trả lời")
            }
            Found::Uplink { name, answers: false, .. } => format!("{name} is silent as well"),
            Found::Uplink { name, answers: true, .. } if vi => {
                format!("{name} trả lời, hầu hết điểm cầu phía sau không")
            }
            Found::Uplink { name, answers: true, .. } => {
                format!("{name} answers, most sites behind it do not")
            }
            Found::Silent(failure) | Found::Device(failure) | Found::Service(failure) => {
                self.failure(failure)
            }
            Found::BlackHole { tried, passes } if vi => {
                format!(
                    "gói {tried} byte mất hẳn, không router nào báo; chỉ qua được {passes} byte"
                )
            }
            Found::BlackHole { tried, passes } => {
                format!("packets of {tried} bytes vanish, no router says why; {passes} bytes pass")
            }
            Found::SmallMtu { tried, mtu: 0 } if vi => format!("gói {tried} byte bị từ chối"),
            Found::SmallMtu { tried, mtu: 0 } => format!("packets of {tried} bytes are refused"),
            Found::SmallMtu { tried, mtu } if vi => {
                format!("gói {tried} byte bị từ chối, router báo tối đa {mtu} byte")
            }
            Found::SmallMtu { tried, mtu } => {
                format!("packets of {tried} bytes are refused, a router says that {mtu} pass")
            }
            Found::Unsteady { silent, of } if vi => {
                format!("mất hẳn trong {silent} trên {of} quãng đo rồi lại có")
            }
            Found::Unsteady { silent, of } => {
                format!("silent in {silent} of {of} stretches, then back")
            }
            Found::Loss { lost, sent } if vi => {
                format!("mất {lost} trên {sent} gói ({})", self.share(*lost, *sent))
            }
            Found::Loss { lost, sent } => {
                format!("{lost} of {sent} packets lost ({})", self.share(*lost, *sent))
            }
            Found::Delay { rtt_us } if vi => format!("độ trễ khứ hồi {}", self.millis(*rtt_us)),
            Found::Delay { rtt_us } => format!("round trip {}", self.millis(*rtt_us)),
            Found::Jitter { jitter_us } => format!("jitter {}", self.millis(*jitter_us)),
            Found::Certificate { not_before, not_after } if vi => {
                format!("có hiệu lực từ {} đến {}", self.date(*not_before), self.date(*not_after))
            }
            Found::Certificate { not_before, not_after } => {
                format!("valid from {} to {}", self.date(*not_before), self.date(*not_after))
            }
            Found::Clock { offset_s } => self.clock(*offset_s),
            Found::Flapping { relapses } if vi => format!("{relapses} lần mất lại gần đây"),
            Found::Flapping { relapses } => format!("it relapsed {relapses} times lately"),
            Found::FailedBefore { failed, of } if vi => {
                format!("chưa sẵn sàng trước {failed} trên {of} phiên gần nhất")
            }
            Found::FailedBefore { failed, of } => {
                format!("failed readiness in {failed} of its last {of} sessions")
            }
            Found::Name(why) | Found::NotAsked(why) => self.local(why),
            Found::Blind(why) => why.clone(),
            Found::NotWatched => {
                pick(self.language, "không có gì để kiểm tra", "there is nothing to check")
                    .to_owned()
            }
        }
    }

    /// Whom to phone, or that nobody is listed.
    #[must_use]
    pub fn contact(&self, site: &SiteReadiness) -> String {
        let nobody = pick(self.language, "chưa có người liên hệ", "nobody is listed");
        site.contacts.first().map_or_else(
            || nobody.to_owned(),
            |contact| {
                let reach = if contact.phone.is_empty() { &contact.email } else { &contact.phone };
                format!("{}: {reach}", contact.name).trim_end_matches([':', ' ']).to_owned()
            },
        )
    }

    /// The figures of a train.
    #[must_use]
    pub fn train(&self, train: &TrainFigures) -> String {
        let mut text = match self.language {
            Language::Vi => format!("mất {}/{} gói", train.lost, train.sent),
            Language::En => format!("{}/{} lost", train.lost, train.sent),
        };
        if let Some(rtt) = train.rtt_us {
            let word = pick(self.language, "trễ", "round trip");
            text += &format!(", {word} {}", self.millis(rtt));
        }
        if let Some(jitter) = train.jitter_us {
            text += &format!(", jitter {}", self.millis(jitter));
        }
        text
    }

    /// A moment with its date.
    #[must_use]
    pub fn moment(&self, at: Timestamp) -> String {
        let format = pick(self.language, "%H:%M %d/%m/%Y", "%Y-%m-%d %H:%M");
        at.to_zoned_datetime(self.time_zone.clone()).strftime(format).to_string()
    }

    /// How long it is until a moment, or that it is past.
    #[must_use]
    pub fn until(&self, from: Timestamp, to: Timestamp) -> String {
        let Ok(left) = Duration::try_from(to.duration_since(from)) else {
            return pick(self.language, "đã bắt đầu", "has begun").to_owned();
        };
        let minutes = left.as_secs().div_ceil(60);
        let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
        let words = match self.language {
            Language::Vi => [("ngày", days), ("giờ", hours), ("phút", rest)],
            Language::En => [("d", days), ("h", hours), ("min", rest)],
        };
        let parts: Vec<String> = words
            .iter()
            .filter(|(_, n)| *n > 0)
            .take(2)
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        match (self.language, parts.is_empty()) {
            (Language::Vi, true) => "bắt đầu ngay".to_owned(),
            (Language::En, true) => "begins now".to_owned(),
            (Language::Vi, false) => format!("còn {}", parts.join(" ")),
            (Language::En, false) => format!("in {}", parts.join(" ")),
        }
    }

    fn clock(&self, offset_s: i64) -> String {
        let size = offset_s.unsigned_abs();
        let (amount, vi, en) = match size {
            0..=119 => (size, "giây", "s"),
            120..=7_199 => (size / 60, "phút", "min"),
            7_200..=172_799 => (size / 3_600, "giờ", "h"),
            _ => (size / 86_400, "ngày", "days"),
        };
        let ahead = offset_s > 0;
        match self.language {
            Language::Vi => format!("{} {amount} {vi}", if ahead { "nhanh" } else { "chậm" }),
            Language::En => format!("{amount} {en} {}", if ahead { "ahead" } else { "behind" }),
        }
    }

    fn share(&self, lost: u32, sent: u32) -> String {
        let tenths = (u64::from(lost) * 1000 + u64::from(sent) / 2) / u64::from(sent.max(1));
        let point = pick(self.language, ",", ".");
        format!("{}{point}{}%", tenths / 10, tenths % 10)
    }

    fn millis(&self, us: u32) -> String {
        if us >= 10_000 {
            return format!("{} ms", (us + 500) / 1000);
        }
        let tenths = (us + 50) / 100;
        let point = pick(self.language, ",", ".");
        format!("{}{point}{} ms", tenths / 10, tenths % 10)
    }

    fn date(&self, at: Timestamp) -> String {
        let format = pick(self.language, "%d/%m/%Y", "%Y-%m-%d");
        at.to_zoned_datetime(self.time_zone.clone()).strftime(format).to_string()
    }

    fn failure(&self, failure: &Failure) -> String {
        let say = |vi, en| pick(self.language, vi, en).to_owned();
        let with = |vi: &str, en: &str, what: &str| {
            format!("{}: {what}", if self.language == Language::Vi { vi } else { en })
        };
        let remote = match failure {
            Failure::Local(why) => return self.local(why),
            Failure::Remote(remote) => remote,
        };
        match remote {
            RemoteFailure::Timeout => say("không có trả lời", "no answer"),
            RemoteFailure::Refused => say(
                "từ chối kết nối: không có gì chạy ở cổng này",
                "refused: nothing listens there",
            ),
            RemoteFailure::Closed => {
                say("đóng kết nối giữa chừng", "it hung up before it answered")
            }
            RemoteFailure::Unreachable(error) => self.unreachable(*error),
            RemoteFailure::Malformed(what) => {
                with("trả lời sai giao thức", "not the protocol", what)
            }
            RemoteFailure::ServiceOut { status, reason } => {
                with("báo không phục vụ", "it says that it is out", &format!("{status} {reason}"))
            }
            RemoteFailure::Unexpected(what) => {
                with("trả lời không như mong đợi", "not what was expected", what)
            }
            RemoteFailure::Tls(what) => with("lỗi TLS", "TLS failed", what),
            RemoteFailure::CertificateTime(certificate) => self.evidence(&Found::Certificate {
                not_before: certificate.not_before,
                not_after: certificate.not_after,
            }),
        }
    }

    fn unreachable(&self, error: IcmpError) -> String {
        let text = match error.kind {
            Unreachable::Net => {
                pick(self.language, "không có đường tới mạng đó", "no route to its network")
            }
            Unreachable::Host => pick(
                self.language,
                "router báo thiết bị không có mặt",
                "its router does not find it",
            ),
            Unreachable::Protocol | Unreachable::Port => {
                pick(self.language, "không có gì chạy ở cổng này", "nothing listens there")
            }
            Unreachable::TooBig { .. } => {
                pick(self.language, "gói quá lớn", "the packet is too big")
            }
            Unreachable::Prohibited => {
                pick(self.language, "bị tường lửa chặn", "a firewall rejects it")
            }
            Unreachable::TimeExceeded => {
                pick(self.language, "gói đi vòng mãi (lặp định tuyến)", "a routing loop")
            }
            Unreachable::Other => pick(self.language, "không chuyển được gói", "not delivered"),
        };
        match error.offender {
            Some(who) => format!("{text} (ICMP {}/{}, {who})", error.icmp_type, error.icmp_code),
            None => text.to_owned(),
        }
    }

    fn local(&self, why: &LocalFailure) -> String {
        let vi = self.language == Language::Vi;
        match why {
            LocalFailure::Unresolved(name) if vi => format!("DNS không trả lời: {name}"),
            LocalFailure::Unresolved(name) => format!("the name server gives no answer: {name}"),
            LocalFailure::NoSuchName(name) if vi => format!("không có tên {name} trong DNS"),
            LocalFailure::NoSuchName(name) => format!("there is no name {name}"),
            LocalFailure::NoRoute if vi => "máy giám sát không có đường tới đó".to_owned(),
            LocalFailure::NoRoute => "the monitor has no route to it".to_owned(),
            LocalFailure::Forbidden(what) if vi => format!("hệ điều hành không cho phép: {what}"),
            LocalFailure::Forbidden(what) => format!("the system forbids it: {what}"),
            LocalFailure::Late if vi => "máy giám sát quá bận".to_owned(),
            LocalFailure::Late => "the monitor was too busy".to_owned(),
            LocalFailure::Overloaded if vi => "quá nhiều phép thử cùng lúc".to_owned(),
            LocalFailure::Overloaded => "too many probes at once".to_owned(),
            LocalFailure::Exhausted(what) if vi => format!("máy giám sát cạn tài nguyên: {what}"),
            LocalFailure::Exhausted(what) => format!("the monitor has run out: {what}"),
            LocalFailure::Stopping if vi => "chương trình đang dừng".to_owned(),
            LocalFailure::Stopping => "the program is stopping".to_owned(),
            LocalFailure::Other(what) => what.clone(),
        }
    }
}
