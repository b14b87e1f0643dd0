//! What was found and measured, in words that hang on a language and a time zone.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{
    Failure, Finding, Found, IcmpError, Language, LocalFailure, RemoteFailure, SiteReadiness,
    TrainFigures, Unreachable, quoted,
};

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

    /// Everything that was found at a site, gravest first, and the work that explains it.
    #[must_use]
    pub fn findings(&self, site: &SiteReadiness) -> Vec<String> {
        let found = site.findings.iter().map(|finding| self.finding(finding));
        found.chain(self.work(site)).collect()
    }

    /// The gravest of it, and that work, in one line.
    #[must_use]
    pub fn main(&self, site: &SiteReadiness) -> String {
        let found = site.main().map(|finding| self.finding(finding));
        found.into_iter().chain(self.work(site)).collect::<Vec<_>>().join("; ")
    }

    /// Until when and why work goes on at a site.
    fn work(&self, site: &SiteReadiness) -> Option<String> {
        let work = site.work.as_ref()?;
        let what = self.language.pick("đang bảo trì có báo trước đến", "announced work until");
        let why =
            if work.reason.is_empty() { String::new() } else { format!(" ({})", work.reason) };
        Some(format!("{what} {}{why}", self.moment(work.until)))
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
            Found::Flapping { relapses } if vi => format!("gần đây mất kết nối lại {relapses} lần"),
            Found::Flapping { relapses: 1 } => "it relapsed lately".to_owned(),
            Found::Flapping { relapses } => format!("it relapsed {relapses} times lately"),
            Found::FailedBefore { failed, of } if vi => {
                format!("chưa sẵn sàng trước {failed} trên {of} phiên gần nhất")
            }
            Found::FailedBefore { failed, of } => {
                format!("failed readiness in {failed} of its last {of} sessions")
            }
            Found::Name(why) | Found::NotAsked(why) => self.local(why),
            Found::Blind(why) => why.clone(),
            Found::NotWatched => self
                .language
                .pick("không có gì để kiểm tra", "there is nothing to check")
                .to_owned(),
        }
    }

    /// Whom to phone, or that nobody is listed.
    #[must_use]
    pub fn contact(&self, site: &SiteReadiness) -> String {
        let nobody = self.language.pick("chưa có người liên hệ", "nobody is listed");
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
            let word = self.language.pick("trễ", "round trip");
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
        let format = self.language.pick("%H:%M %d/%m/%Y", "%Y-%m-%d %H:%M");
        at.to_zoned_datetime(self.time_zone.clone()).strftime(format).to_string()
    }

    /// How long it is until a moment, or that it is past.
    #[must_use]
    pub fn until(&self, from: Timestamp, to: Timestamp) -> String {
        let Ok(left) = Duration::try_from(to.duration_since(from)) else {
            return self.language.pick("đã bắt đầu", "has begun").to_owned();
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
        let point = self.language.pick(",", ".");
        format!("{}{point}{}%", tenths / 10, tenths % 10)
    }

    fn millis(&self, us: u32) -> String {
        if us >= 10_000 {
            return format!("{} ms", (us + 500) / 1000);
        }
        let tenths = (us + 50) / 100;
        let point = self.language.pick(",", ".");
        format!("{}{point}{} ms", tenths / 10, tenths % 10)
    }

    fn date(&self, at: Timestamp) -> String {
        let format = self.language.pick("%d/%m/%Y", "%Y-%m-%d");
        at.to_zoned_datetime(self.time_zone.clone()).strftime(format).to_string()
    }

    fn failure(&self, failure: &Failure) -> String {
        let say = |vi, en| self.language.pick(vi, en).to_owned();
        let with = |vi: &str, en: &str, what: &str| {
            format!("{}: {}", self.language.pick(vi, en), quoted(what, self.language))
        };
        let remote = match failure {
            Failure::Local(why) => return self.local(why),
            Failure::Remote(remote) => remote,
        };
        match remote {
            RemoteFailure::Timeout => say("không có trả lời", "no answer"),
            RemoteFailure::Slow { after_ms, limit_ms } => {
                let answers = self.language.pick("trả lời", "it answers");
                format!("{answers} {}", self.language.slow(*after_ms, *limit_ms))
            }
            RemoteFailure::Stalled { reached, limit_ms } => {
                self.language.stalled(*reached, *limit_ms)
            }
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
                let said = self.language.pick("báo không phục vụ", "it says that it is out");
                format!("{said}: {status} {reason}").trim_end().to_owned()
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
                self.language.pick("không có đường tới mạng đó", "no route to its network")
            }
            Unreachable::Host => self.language.pick("không tới được thiết bị", "host unreachable"),
            Unreachable::Protocol | Unreachable::Port => {
                self.language.pick("không có gì chạy ở cổng này", "nothing listens there")
            }
            Unreachable::TooBig { .. } => {
                self.language.pick("gói quá lớn", "the packet is too big")
            }
            Unreachable::Prohibited => {
                self.language.pick("bị tường lửa chặn", "a firewall rejects it")
            }
            Unreachable::TimeExceeded => {
                self.language.pick("gói đi vòng mãi (lặp định tuyến)", "a routing loop")
            }
            Unreachable::Other => self.language.pick("không chuyển được gói", "not delivered"),
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
            LocalFailure::Forbidden(what) if vi => {
                format!("hệ điều hành không cho phép: {}", quoted(what, self.language))
            }
            LocalFailure::Forbidden(what) => format!("the system forbids it: {what}"),
            LocalFailure::Late if vi => "máy giám sát quá bận".to_owned(),
            LocalFailure::Late => "the monitor was too busy".to_owned(),
            LocalFailure::Overloaded if vi => "quá nhiều phép thử cùng lúc".to_owned(),
            LocalFailure::Overloaded => "too many probes at once".to_owned(),
            LocalFailure::Exhausted(what) if vi => {
                format!("máy giám sát cạn tài nguyên: {}", quoted(what, self.language))
            }
            LocalFailure::Exhausted(what) => format!("the monitor has run out: {what}"),
            LocalFailure::Stopping if vi => "chương trình đang dừng".to_owned(),
            LocalFailure::Stopping => "the program is stopping".to_owned(),
            LocalFailure::Other(what) => quoted(what, self.language),
        }
    }
}
