//! The words of the pages in both languages.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::{Cause, Health, Language, Phase, Severity};

use super::state::State;

/// The words of one language.
#[derive(Clone, Copy)]
pub(in crate::web) struct Words(pub(in crate::web) Language);

impl Words {
    pub(in crate::web) fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        self.0.pick(vi, en)
    }

    pub(in crate::web) fn title(self) -> &'static str {
        self.pick("Bảng theo dõi điểm cầu", "Video conference board")
    }

    /// The other language: what its address asks for, its code, its name.
    pub(in crate::web) fn other_language(self) -> (&'static str, &'static str, &'static str) {
        match self.0 {
            Language::Vi => ("?lang=en", "en", "English"),
            Language::En => ("?lang=vi", "vi", "Tiếng Việt"),
        }
    }

    /// How a site does.
    pub(super) fn state(self, state: State) -> &'static str {
        match state {
            State::Good => self.pick("kết nối tốt", "connected well"),
            State::Degraded => self.pick("suy giảm", "degraded"),
            State::Fault => self.pick("hỏng thiết bị", "device out"),
            State::Lost => self.pick("mất kết nối", "lost"),
            State::Unknown => self.pick("chưa rõ", "unknown"),
        }
    }

    /// How a device or a check does.
    pub(super) fn health(self, health: Health) -> &'static str {
        match health {
            Health::Up => self.pick("tốt", "up"),
            Health::Degraded => self.pick("suy giảm", "degraded"),
            Health::Down => self.pick("không đạt", "down"),
            Health::Unknown => self.pick("chưa rõ", "unknown"),
        }
    }

    /// Where a session stands.
    pub(in crate::web) fn phase(self, phase: Phase) -> &'static str {
        match phase {
            Phase::Live => self.pick("Đang họp", "Live"),
            Phase::Readiness => self.pick("Sắp họp", "About to begin"),
            Phase::WrapUp => self.pick("Vừa kết thúc", "Just ended"),
            Phase::Idle => self.pick("Phiên họp tiếp theo", "Next session"),
        }
    }

    pub(in crate::web) fn code(self) -> &'static str {
        self.pick("vi", "en")
    }

    pub(in crate::web) fn sites(self) -> &'static str {
        self.pick("điểm cầu", "sites")
    }

    pub(in crate::web) fn delegates(self) -> &'static str {
        self.pick("đại biểu", "delegates")
    }

    pub(in crate::web) fn severity(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Critical => self.pick("nghiêm trọng", "critical"),
            Severity::Warning => self.pick("cảnh báo", "warning"),
            Severity::Info => self.pick("lưu ý", "note"),
        }
    }

    pub(in crate::web) fn cause(self, cause: Cause) -> &'static str {
        match cause {
            Cause::Monitor => {
                self.pick("Hệ thống giám sát không quan sát được", "The monitor cannot see")
            }
            Cause::Uplink => self.pick("Mất đường trục", "Uplink is out"),
            Cause::Access => {
                self.pick("Mất điện hoặc đứt đường truyền", "Power or access line is out")
            }
            Cause::Device => self.pick("Thiết bị không phản hồi", "Device does not answer"),
            Cause::Service => self.pick("Dịch vụ ngừng hoạt động", "Service does not work"),
            Cause::Quality => self.pick("Đường truyền suy giảm chất lượng", "Line is poor"),
            Cause::Certificate => {
                self.pick("Chứng thư hết hạn hoặc sắp hết hạn", "Certificate expires")
            }
            Cause::Clock => self.pick("Đồng hồ thiết bị lệch giờ", "Device clock is off"),
        }
    }

    /// A length of time in its two largest units.
    pub(in crate::web) fn lasting(self, duration: Duration) -> String {
        let minutes = duration.as_secs() / 60;
        let (hours, days) = (minutes / 60, minutes / (24 * 60));
        match (self.0, days, hours, minutes) {
            (Language::Vi, 0, 0, 0) => "dưới 1 phút".to_owned(),
            (Language::En, 0, 0, 0) => "less than a minute".to_owned(),
            (Language::Vi, 0, 0, m) => format!("{m} phút"),
            (Language::En, 0, 0, m) => format!("{m} min"),
            (Language::Vi, 0, h, m) => format!("{h} giờ {} phút", m % 60),
            (Language::En, 0, h, m) => format!("{h} h {} min", m % 60),
            (Language::Vi, d, h, _) => format!("{d} ngày {} giờ", h % 24),
            (Language::En, d, h, _) => format!("{d} d {} h", h % 24),
        }
    }

    /// A length of time in its largest unit, as short as can be.
    pub(super) fn briefly(self, duration: Duration) -> String {
        let minutes = duration.as_secs() / 60;
        match minutes {
            0 => self.pick("<1 ph", "<1 m").to_owned(),
            1..60 => format!("{minutes} {}", self.pick("ph", "m")),
            60..1440 => format!("{} {}", minutes / 60, self.pick("giờ", "h")),
            _ => format!("{} {}", minutes / 1440, self.pick("ngày", "d")),
        }
    }

    /// A moment as people write it: the time alone today, with the date otherwise.
    pub(in crate::web) fn moment(self, at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
        let (there, today) =
            (at.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone.clone()));
        let same_day = there.date() == today.date();
        let form = match (self.0, same_day) {
            (_, true) => "%H:%M",
            (Language::Vi, false) => "%H:%M %d/%m",
            (Language::En, false) => "%H:%M on %-d %b",
        };
        there.strftime(form).to_string()
    }
}
