//! What holds where the files are silent: every default of `vchealth.yaml`, in one place.
//!
//! The shipped sample states each of them in a comment, and a test asserts that the two agree. The
//! figures belong together: with the pace, the time limit and the confirmation gap of `ping`, a
//! site that goes dead during a session is confirmed after at most 1 + 3 × 1 + 2 × 0.1 s, and
//! outside sessions after 15 s + that.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};

use super::{
    AckSettings, Budget, ContactSettings, CorrelationSettings, DrillSettings, EscalationSettings,
    FlappingSettings, HygieneSettings, Hysteresis, IcmpEngine, IcmpSettings, PhaseSettings,
    PhaseTimes, QualitySettings, QuietSettings, ReadinessSettings, ReminderSettings,
    ReportSettings, ResolverSettings, RetentionSettings, Settings, WebSettings,
};
use crate::model::{
    Check, CheckId, CheckKind, H323Check, HttpCheck, IcmpCheck, Importance, Language, Paces,
    ReportFormat, Severity, SipCheck, SipTransport, TcpCheck, Verdict,
};

/// Whether a channel tells the end of an incident.
pub(super) const SEND_RESOLVED: bool = true;
/// How long a channel fails until its fallback stands in. Long enough for a receiver to restart,
/// short enough for a session that is on.
pub(super) const FALLBACK_AFTER: Duration = Duration::from_secs(30);
/// Time from one sign of life to the next.
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_mins(1);
/// Time limit of one post to a webhook.
pub(super) const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an Alertmanager is told again of what is still on.
pub(super) const ALERTMANAGER_RESEND: Duration = Duration::from_mins(1);
/// Time limit of one mail; servers take their time over what they accept.
pub(super) const EMAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit of one request to a service on the internet.
pub(super) const SERVICE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a program.
pub(super) const EXEC_TIMEOUT: Duration = Duration::from_secs(30);
/// Zalo's messaging service.
pub(super) const ZALO_URL: &str = "https://openapi.zalo.me";
/// Zalo's token service.
pub(super) const ZALO_OAUTH_URL: &str = "https://oauth.zaloapp.com";
/// Telegram's Bot API.
pub(super) const TELEGRAM_URL: &str = "https://api.telegram.org";
/// The gateway eSMS.
pub(super) const ESMS_URL: &str = "https://rest.esms.vn";
/// How often a calendar is looked at.
pub(super) const CALENDAR_REFRESH: Duration = Duration::from_mins(5);
/// Time limit of one look at a calendar.
pub(super) const CALENDAR_TIMEOUT: Duration = Duration::from_secs(15);
/// Importance of a session.
pub(super) const IMPORTANCE: Importance = Importance::Normal;
/// Delegates at a taking-part site.
pub(super) const DELEGATES: u32 = 0;

/// When a shift that does not say its hours passes to the next.
pub(super) const HAND_OVER: Time = Time::constant(7, 30, 0, 0);
/// Longest waits for others that fail at the same time. Live, what fails together is confirmed
/// within the second that the pace of `ping` spreads it over.
const GROUPING: Paces = paces(20, 5, 1, 5);

/// Port of call signalling (H.225.0).
const H323_PORT: u16 = 1720;

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9722)),
            public_url: None,
            web: WebSettings::default(),
            state_dir: PathBuf::from("/var/lib/vchealth"),
            language: Language::Vi,
            time_zone: time_zone(),
            icmp: IcmpSettings::default(),
            resolver: ResolverSettings::default(),
            phases: PhaseSettings::default(),
            hysteresis: Hysteresis::default(),
            quality: QualitySettings::default(),
            correlation: CorrelationSettings::default(),
            flapping: FlappingSettings::default(),
            hygiene: HygieneSettings::default(),
            readiness: ReadinessSettings::default(),
            budget: Budget::default(),
            report: ReportSettings::default(),
            retention: RetentionSettings::default(),
            channels: Vec::new(),
            contacts: ContactSettings::default(),
            people: Vec::new(),
            rotas: Vec::new(),
            routes: Vec::new(),
            escalation: EscalationSettings::default(),
            grouping: GROUPING,
            reminders: ReminderSettings::default(),
            acks: AckSettings::default(),
            quiet_hours: QuietSettings::default(),
            drill: DrillSettings::default(),
            heartbeat: None,
            calendars: Vec::new(),
        }
    }
}

impl Default for EscalationSettings {
    /// Time to read a message and find out; in a session people are waiting.
    fn default() -> Self {
        Self { after: minutes(15), live: minutes(5) }
    }
}

impl Default for DrillSettings {
    fn default() -> Self {
        Self { before: Duration::ZERO, accept_within: Duration::from_mins(2) }
    }
}

impl Default for IcmpSettings {
    fn default() -> Self {
        Self { engine: IcmpEngine::Auto, receive_buffer: 4 << 20 }
    }
}

impl Default for ResolverSettings {
    fn default() -> Self {
        Self { refresh: minutes(5), timeout: seconds(3) }
    }
}

impl Default for PhaseSettings {
    /// Technicians have to be at their post an hour before a session.
    fn default() -> Self {
        Self { readiness_before: minutes(60), wrap_up_after: minutes(15) }
    }
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self { fail_after: 3, recover_after: 2 }
    }
}

impl Default for QualitySettings {
    /// Thresholds between the published ones of Cisco, Polycom and Microsoft; Ie and Bpl of G.711
    /// with loss concealment (ITU-T G.113 Appendix I).
    fn default() -> Self {
        Self {
            window: seconds(15),
            min_samples: 10,
            fair_loss: 0.01,
            poor_loss: 0.05,
            fair_rtt: millis(150),
            poor_rtt: millis(400),
            fair_jitter: millis(30),
            poor_jitter: millis(60),
            better_after: seconds(30),
            ie: 0.0,
            bpl: 25.1,
        }
    }
}

impl Default for CorrelationSettings {
    fn default() -> Self {
        Self {
            wait: seconds(3),
            window: minutes(1),
            children_share: 0.8,
            common_min: 5,
            common_inside: 0.6,
            common_outside: 0.1,
            common_labels: vec!["power".to_owned(), "isp".to_owned()],
            device_labels: vec!["model".to_owned()],
        }
    }
}

impl Default for FlappingSettings {
    fn default() -> Self {
        Self {
            stable_for: seconds(5),
            relapses: 2,
            window: minutes(60),
            flapping_stable_for: minutes(10),
            messages_per_hour: 3,
            settled_after: Paces {
                idle: minutes(10),
                readiness: minutes(5),
                live: minutes(1),
                wrap_up: minutes(10),
            },
        }
    }
}

impl Default for ReminderSettings {
    /// Once an hour while a session is near, and nothing at night.
    fn default() -> Self {
        let near = PhaseTimes {
            readiness: Some(minutes(60)),
            live: Some(minutes(60)),
            ..PhaseTimes::default()
        };
        Self { unacknowledged: near, acknowledged: PhaseTimes::default() }
    }
}

impl Default for AckSettings {
    /// In a session whoever took it on knows within half an hour whether they can mend it; else a
    /// working day or a night.
    fn default() -> Self {
        let lasts = PhaseTimes {
            idle: Some(Duration::from_hours(8)),
            readiness: Some(Duration::from_hours(2)),
            live: Some(minutes(30)),
            wrap_up: Some(Duration::from_hours(2)),
        };
        Self { lasts }
    }
}

impl Default for QuietSettings {
    fn default() -> Self {
        Self { hours: None, below: Severity::Critical, channels: Vec::new() }
    }
}

impl Default for HygieneSettings {
    fn default() -> Self {
        Self { certificate_before: Duration::from_hours(14 * 24), clock_offset: minutes(1) }
    }
}

impl Default for ReadinessSettings {
    /// Time to send somebody, to drive there, to phone, and to know. The train goes at the pace of
    /// a voice codec's packets (20 ms) with the mark of interactive video, and fits the budget of
    /// a line beside what probing puts on it.
    fn default() -> Self {
        Self {
            at: vec![Duration::from_hours(24), minutes(60), minutes(30), minutes(10)],
            tell: Verdict::NotReady,
            train: seconds(5),
            packet_rate: 50,
            packet_size: 100,
            dscp: 34,
            mtu: 1500,
            sites_at_once: 32,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { line_kbit_s: 64, in_flight: 512 }
    }
}

impl Default for ReportSettings {
    fn default() -> Self {
        let formats = vec![ReportFormat::Html, ReportFormat::Xlsx];
        Self { dir: None, formats, language: None }
    }
}

impl Default for RetentionSettings {
    /// Thirteen months of what reports compare.
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        Self { minutes: days(14), history: days(400), messages: days(90) }
    }
}

/// The checks that exist without being written: `ping`, `sip`, `h323` and `web`.
pub(super) fn checks() -> Vec<Check> {
    [("ping", "icmp"), ("sip", "sip"), ("h323", "h323"), ("web", "http")]
        .into_iter()
        .filter_map(|(id, kind)| check(id, kind))
        .collect()
}

/// A check of this kind that says nothing else; none when there is no such kind.
pub(super) fn check(id: &str, kind: &str) -> Option<Check> {
    let (kind, timeout, paces, confirm_after) = match kind {
        "icmp" => {
            let echo = IcmpCheck {
                count: 1,
                spacing: millis(200),
                size: 56,
                dscp: 34,
                dont_fragment: false,
            };
            (CheckKind::Icmp(echo), seconds(1), paces(15, 5, 1, 5), millis(100))
        }
        // A port has no default: the reader asks for it.
        "tcp" => {
            (CheckKind::Tcp(TcpCheck { port: 0 }), seconds(3), paces(60, 30, 15, 30), seconds(2))
        }
        "http" => {
            (CheckKind::Http(HttpCheck::usual(true)), seconds(5), paces(60, 30, 30, 60), seconds(2))
        }
        // Three sends at 0, 0.5 and 1.5 s (RFC 3261 §17.1.2.2), then two seconds of patience.
        "sip" => {
            let options = SipCheck::usual(SipTransport::Udp);
            (CheckKind::Sip(options), millis(3500), paces(60, 30, 15, 60), seconds(2))
        }
        // A codec has few call slots and some keep one for each connection.
        "h323" => {
            let call = H323Check { port: H323_PORT };
            (CheckKind::H323(call), seconds(5), paces(60, 30, 30, 60), seconds(30))
        }
        _ => return None,
    };
    Some(Check { id: CheckId::new(id), kind, timeout, paces, confirm_after })
}

/// Viet Nam keeps one time the whole year.
fn time_zone() -> TimeZone {
    TimeZone::get("Asia/Ho_Chi_Minh").unwrap_or_else(|_| TimeZone::fixed(Offset::constant(7)))
}

/// Paces in seconds: idle, readiness, live, wrap-up.
const fn paces(idle: u64, readiness: u64, live: u64, wrap_up: u64) -> Paces {
    Paces {
        idle: seconds(idle),
        readiness: seconds(readiness),
        live: seconds(live),
        wrap_up: seconds(wrap_up),
    }
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn minutes(n: u64) -> Duration {
    Duration::from_mins(n)
}
