//! Every message as a person would read it, kept in `tests/golden/messages/`.
//!
//! With `BLESS=1` in the environment the files are written anew. Read them before committing: as a
//! technician with a phone in hand, not as a programmer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use unicode_normalization::is_nfc;

use super::*;
use super::{LinkKey, Links, test_letter};
use crate::model::{
    Ack, Affected, Ailment, Cause, ChannelId, CheckId, CommonFactor, Contact, EndpointId, Evidence,
    Failure, Finding, Found, GivenUp, IcmpError, LocalFailure, Notification, NotificationId, Part,
    Phase, Quieted, Reached, ReadinessNotice, ReadinessRun, RemoteFailure, Resolution, Saw,
    SelfDoubt, SessionId, Severity, SiteId, SiteReadiness, StoreTrouble, Strain, TargetKey, Told,
    Unreachable, Verdict, Waits,
};
use crate::store::tests::{at, incident, notification};

pub(crate) fn style(language: Language) -> Style {
    Style::new(language, TimeZone::fixed(Offset::constant(7)), "http://10.0.0.5:8080")
}

fn seen(endpoint: &str, check: &str, saw: Saw, when: &str) -> Evidence {
    Evidence {
        target: TargetKey {
            site: SiteId::new("tan-lap"),
            endpoint: Some(EndpointId::new(endpoint)),
            check: Some(CheckId::new(check)),
        },
        at: at(when),
        saw,
    }
}

fn timeout() -> Saw {
    Saw::Failed(Failure::Remote(RemoteFailure::Timeout))
}

/// What the site's own router says when the codec is off.
fn host_unreachable() -> Saw {
    Saw::Failed(Failure::Remote(RemoteFailure::Unreachable(IcmpError {
        kind: Unreachable::Host,
        icmp_type: 3,
        icmp_code: 1,
        offender: Some([10, 70, 5, 1].into()),
    })))
}

fn service_out() -> Saw {
    let reason = "Service Unavailable".to_owned();
    Saw::Failed(Failure::Remote(RemoteFailure::ServiceOut { status: 503, reason }))
}

fn certificate(not_before: &str, not_after: &str) -> Saw {
    Saw::Certificate { not_before: at(not_before), not_after: at(not_after) }
}

fn answered(rtt_us: u32) -> Saw {
    Saw::Answered { rtt_us: Some(rtt_us) }
}

fn words(words: &str) -> Saw {
    Saw::Words(words.to_owned())
}

fn below(site: &str, answer: u32) -> Evidence {
    let target = TargetKey { site: SiteId::new(site), endpoint: None, check: None };
    Evidence { target, at: at("2026-02-03T00:42:13Z"), saw: Saw::Below { answer, of: 15 } }
}

fn affect(alert: &mut Alert, sites: &[(&str, &str)]) {
    for (id, name) in sites {
        let site = SiteId::new(*id);
        alert.names.insert(site.clone(), (*name).to_owned());
        let since = alert.incident.began;
        alert.incident.affected.push(Affected { site, since, until: None, passed_on: false });
    }
}

const BEHIND: [(&str, &str); 15] = [
    ("bang-thanh", "Xã Bằng Thành"),
    ("nhan-mon", "Xã Nhạn Môn"),
    ("boc-bo", "Xã Bộc Bố"),
    ("cong-bang", "Xã Công Bằng"),
    ("giao-hieu", "Xã Giáo Hiệu"),
    ("xuan-la", "Xã Xuân La"),
    ("an-thang", "Xã An Thắng"),
    ("co-linh", "Xã Cổ Linh"),
    ("nghien-loan", "Xã Nghiên Loan"),
    ("cao-tan", "Xã Cao Tân"),
    ("duong-quang", "Xã Dương Quang"),
    ("nong-thuong", "Xã Nông Thượng"),
    ("phuc-loc", "Xã Phúc Lộc"),
    ("ha-hieu", "Xã Hà Hiệu"),
    ("banh-trach", "Xã Bành Trạch"),
];

/// Somebody to phone.
fn listed(name: &str, phone: &str) -> Contact {
    Contact { name: name.to_owned(), phone: phone.to_owned(), email: String::new() }
}

/// A fault of this cause at 07:42:10 local time, told at 07:42:14, eighteen minutes before a
/// session.
fn sample(cause: Cause) -> Notification {
    let mut it = notification("n1", incident("i1", "tan-lap"), NotificationKind::Firing);
    it.created = at("2026-02-03T00:42:14Z");
    let alert = &mut it.alert;
    alert.parent = "pac-nam".to_owned();
    alert.parent_name = "Huyện Pác Nặm".to_owned();
    alert.phase = Phase::Readiness;
    alert.session_title = Some("Giao ban trực tuyến tháng 2".to_owned());
    alert.session_start = Some(at("2026-02-03T01:00:00Z"));
    alert.contacts = vec![
        Contact {
            name: "Nông Văn Tú (văn phòng xã)".to_owned(),
            phone: "0209 387 0001".to_owned(),
            email: String::new(),
        },
        Contact {
            name: "Hoàng Thị Mến".to_owned(),
            phone: "0912 000 002".to_owned(),
            email: "men@example.vn".to_owned(),
        },
    ];
    let incident = &mut alert.incident;
    incident.cause = cause;
    incident.began = at("2026-02-03T00:42:10Z");
    incident.opened = it.created;
    incident.session = Some(SessionId::new("giao-ban-2"));
    incident.affected[0].since = incident.began;
    let codec = || Some(EndpointId::new("codec"));
    match cause {
        Cause::Monitor => {
            incident.site = None;
            incident.affected.clear();
            incident.delegates = 0;
            alert.contacts = vec![listed("Phòng CNTT, Sở KH&CN", "0209 000 0100")];
            alert.site_name.clear();
            alert.level_name.clear();
            alert.parent_name.clear();
            let saw = Saw::Ourselves(SelfDoubt::GatewaySilent { host: "10.0.0.1".to_owned() });
            let mut gateway = seen("router", "ping", saw, "2026-02-03T00:42:10Z");
            gateway.target =
                TargetKey { site: SiteId::new("bac-kan"), endpoint: None, check: None };
            let mut clock = gateway.clone();
            clock.saw = Saw::Ourselves(SelfDoubt::ClockSet { by_s: -30 });
            incident.evidence = vec![gateway, clock];
            alert.names.clear();
            affect(alert, &BEHIND);
        }
        Cause::Uplink => {
            let site = SiteId::new("pac-nam");
            incident.site = Some(site.clone());
            incident.affected[0].site = site.clone();
            incident.delegates = 420;
            incident.of = 16;
            incident.evidence = vec![
                seen("router", "ping", timeout(), "2026-02-03T00:42:10Z"),
                seen("router", "ping", timeout(), "2026-02-03T00:42:11Z"),
            ];
            incident.evidence[0].target.site = site.clone();
            incident.evidence[1].target.site = SiteId::new("boc-bo");
            incident.evidence.push(below("pac-nam", 0));
            alert.names = [(site, "Huyện Pác Nặm".to_owned())].into();
            alert.site_name = "Huyện Pác Nặm".to_owned();
            alert.level_name = "Huyện".to_owned();
            alert.parent_name = "Tỉnh Bắc Kạn".to_owned();
            affect(alert, &BEHIND);
        }
        Cause::Access => {
            incident.evidence = vec![
                seen("router", "ping", timeout(), "2026-02-03T00:42:10Z"),
                seen("codec", "ping", timeout(), "2026-02-03T00:42:11Z"),
                seen("codec", "sip", timeout(), "2026-02-03T00:42:12Z"),
                seen("codec", "h323", timeout(), "2026-02-03T00:42:12Z"),
                seen("router", "ping", timeout(), "2026-02-03T00:42:13Z"),
                below("pac-nam", 14),
            ];
        }
        Cause::Device => {
            incident.endpoint = codec();
            incident.evidence = vec![
                seen("codec", "ping", host_unreachable(), "2026-02-03T00:42:10Z"),
                seen("router", "ping", answered(2_140), "2026-02-03T00:42:11Z"),
            ];
        }
        Cause::Service => {
            incident.endpoint = codec();
            incident.check = Some(CheckId::new("sip"));
            incident.severity = Severity::Warning;
            incident.evidence = vec![
                seen("codec", "sip", service_out(), "2026-02-03T00:42:10Z"),
                seen("codec", "ping", answered(2_390), "2026-02-03T00:42:11Z"),
            ];
        }
        Cause::Quality => {
            incident.endpoint = Some(EndpointId::new("router"));
            incident.severity = Severity::Warning;
            let measured =
                Saw::Path { lost_permille: 80, samples: 120, rtt_ms: 210, jitter_ms: 45 };
            incident.evidence = vec![seen("router", "ping", measured, "2026-02-03T00:42:10Z")];
        }
        Cause::Certificate => {
            incident.endpoint = codec();
            incident.check = Some(CheckId::new("https"));
            incident.severity = Severity::Info;
            let saw = certificate("2025-02-16T17:00:00Z", "2026-02-16T17:00:00Z");
            incident.evidence = vec![seen("codec", "https", saw, "2026-02-03T00:42:10Z")];
        }
        Cause::Clock => {
            incident.endpoint = codec();
            incident.severity = Severity::Info;
            incident.evidence = vec![seen(
                "codec",
                "https",
                Saw::Clock { offset_s: 3_725 },
                "2026-02-03T00:42:10Z",
            )];
        }
    }
    it
}

/// The sample at a later stage.
fn stage(mut it: Notification, kind: NotificationKind) -> Notification {
    it.kind = kind;
    match kind {
        NotificationKind::Firing => {}
        NotificationKind::Update => {
            it.created = at("2026-02-03T00:50:00Z");
            let before = told("truc", NotificationKind::Firing, "2026-02-03T00:42:14Z", &[]);
            it.alert.incident.told = vec![Told { severity: Severity::Info, ..before }];
        }
        NotificationKind::Reminder => {
            it.created = at("2026-02-03T01:12:14Z");
            it.alert.phase = Phase::Live;
            it.alert.incident.waiting_since = Some(at("2026-02-03T00:42:14Z"));
        }
        NotificationKind::Escalation => {
            it.created = at("2026-02-03T00:47:14Z");
            let incident = &mut it.alert.incident;
            incident.waiting_since = Some(at("2026-02-03T00:42:14Z"));
            let phones = [("Lý A Tú", "0912 345 679"), ("Đàm Thị Hà", "0912 345 678")];
            it.alert.phones = phones.map(|(who, phone)| (who.to_owned(), phone.to_owned())).into();
            incident.told = vec![
                told("zalo", NotificationKind::Firing, "2026-02-03T00:42:14Z", &[]),
                told("sms-tu", NotificationKind::Firing, "2026-02-03T00:42:14Z", &["Lý A Tú"]),
                told("truc", kind, "2026-02-03T00:47:14Z", &["Đàm Thị Hà"]),
            ];
        }
        NotificationKind::Resolved => {
            it.created = at("2026-02-03T01:20:42Z");
            it.alert.phase = Phase::Live;
            it.alert.incident.resolved = Some(at("2026-02-03T01:20:40Z"));
            it.alert.incident.resolution = Some(Resolution::Recovered);
        }
    }
    it
}

fn told(channel: &str, kind: NotificationKind, when: &str, people: &[&str]) -> Told {
    Told {
        people: people.iter().map(|name| (*name).to_owned()).collect(),
        on_duty: !people.is_empty(),
        step: u32::from(kind == NotificationKind::Escalation),
        ..crate::store::tests::told(channel, kind, at(when))
    }
}

/// Numbers what was told, as the monitor does.
fn numbered(it: &mut Notification) {
    (1..).zip(&mut it.alert.incident.told).for_each(|(nth, told)| told.nth = nth);
}

/// Taken on by nobody, which a chat knows nothing of, somebody is not reached with, and another
/// channel has told in place of the one that was to; mail fails, but has told of the beginning.
fn unreached() -> Letter {
    use NotificationKind::{Escalation, Firing, Reminder};
    let (began, reminded) = ("2026-02-03T00:42:14Z", "2026-02-03T00:46:14Z");
    let mut it = stage(sample(Cause::Access), Escalation);
    it.alert.incident.told.extend([
        told("chat", Firing, began, &[]),
        told("mail", Firing, began, &[]),
        told("mail", Reminder, reminded, &[]),
    ]);
    numbered(&mut it);
    let untold = |channel: &str, nth: u32, through: Option<&str>| Untold {
        channel: ChannelId::new(channel),
        nth,
        through: through.map(ChannelId::new),
    };
    let mut letter = letter(vec![it]);
    letter.items[0].late = Some(at("2026-02-03T00:49:02Z"));
    letter.items[0].untold = vec![
        untold("chat", 4, None),
        untold("mail", 6, None),
        untold("sms-tu", 2, None),
        untold("zalo", 1, Some("coi-hu")),
    ];
    letter
}

pub(crate) fn letter(all: Vec<Notification>) -> Letter {
    Letter {
        id: NotificationId::new("l1"),
        channel: ChannelId::new("truc"),
        created: all.iter().map(|it| it.created).max().unwrap(),
        items: all.into_iter().map(|it| Item::new(it.kind, Arc::new(it))).collect(),
        test: false,
    }
}

/// The letter with its levels named in this language, as the brain names them.
pub(crate) fn with_levels_in(language: Language, letter: &Letter) -> Letter {
    let mut letter = letter.clone();
    for item in &mut letter.items {
        let mut it = (*item.notification).clone();
        let level = match (language, it.alert.level_name.as_str()) {
            (Language::En, "Xã") => "Commune",
            (Language::En, "Huyện") => "District",
            (_, as_it_is) => as_it_is,
        };
        it.alert.level_name = level.to_owned();
        item.notification = Arc::new(it);
    }
    letter
}

/// Compares with the golden file, or writes it.
pub(crate) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/messages").join(name);
    assert!(is_nfc(text), "{name} holds composed letters only");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} changed; BLESS=1 writes it anew, then read it");
}

pub(crate) fn write_all<S: AsRef<str>>(name: &str, letters: &[(S, Letter)]) {
    write_each(name, letters, plain);
}

/// Letters as something makes texts of them, in both languages.
pub(crate) fn write_each<S: AsRef<str>>(
    name: &str,
    letters: &[(S, Letter)],
    make: impl Fn(&Letter, &Style) -> String,
) {
    for (language, dir) in [(Language::Vi, "vi"), (Language::En, "en")] {
        let mut text = String::new();
        for (heading, letter) in letters {
            let made = make(&with_levels_in(language, letter), &linking(language));
            let _ = writeln!(text, "=== {}\n\n{made}", heading.as_ref());
        }
        golden(&format!("{dir}/{name}.txt"), &text);
    }
}

/// With links, as a monitor has them that others can reach.
pub(crate) fn linking(language: Language) -> Style {
    let base = "http://10.0.0.5:8080".to_owned();
    Style { links: Some(Links { key: LinkKey::new([7; KEY]), base }), ..style(language) }
}

/// Letters of every shape, and a drill with its end.
pub(crate) fn shapes_and_drills() -> Vec<(String, Letter)> {
    let shapes = shapes().into_iter().map(|(name, letter)| (name.to_owned(), letter));
    let drills = crate::monitor::tests::drill_letters().into_iter();
    shapes.chain(drills.filter(|(name, _)| name.ends_with("to siren"))).collect()
}

/// Letters of every shape, to see what a channel makes of them.
pub(crate) fn shapes() -> Vec<(&'static str, Letter)> {
    use NotificationKind::{Escalation, Firing, Resolved};
    let one = |cause, kind| letter(vec![stage(sample(cause), kind)]);
    vec![
        ("a site that is out", one(Cause::Access, Firing)),
        ("the same, taken on by nobody", one(Cause::Access, Escalation)),
        ("the same, over", one(Cause::Access, Resolved)),
        ("a wide fault", one(Cause::Uplink, Firing)),
        ("a certificate", one(Cause::Certificate, Firing)),
        ("the monitor itself", one(Cause::Monitor, Firing)),
        ("several of several kinds", mixed()),
        ("several that are over", came_and_went()),
        ("who is not ready", ready_letter(&morning(), Firing)),
        ("a test", test_letter(&ChannelId::new("truc"), Firing, at("2026-02-03T00:42:14Z"))),
    ]
}

#[test]
fn every_cause_reads_well_from_beginning_to_end() {
    for cause in Cause::ALL {
        write_all(cause.word(), &stages(cause));
    }
}

/// A fault of this cause from beginning to end.
fn stages(cause: Cause) -> Vec<(&'static str, Letter)> {
    let one = |kind: NotificationKind| (kind.word(), letter(vec![stage(sample(cause), kind)]));
    NotificationKind::ALL.into_iter().map(one).collect()
}

/// Every message that there is: each cause at each stage, wide faults, what is out of the ordinary,
/// our own troubles, readiness runs, digests, drills and tests.
pub(crate) fn every_letter() -> Vec<(String, Letter)> {
    let named = |of: &str, all: Vec<(&'static str, Letter)>| -> Vec<(String, Letter)> {
        all.into_iter().map(|(name, it)| (format!("{of}: {name}"), it)).collect()
    };
    let causes = Cause::ALL.into_iter().flat_map(|cause| named(cause.word(), stages(cause)));
    let dozens = NotificationKind::ALL.map(|kind| (kind.word(), two_dozen(kind))).to_vec();
    causes
        .chain(named("wide", wide()))
        .chain(named("special", special()))
        .chain(named("ourselves", troubles()))
        .chain(named("readiness", runs()))
        .chain(named("digest", digests()))
        .chain(named("two dozen", dozens))
        .chain(crate::monitor::tests::drill_letters())
        .chain(named("test", tests()))
        .collect()
}

#[test]
fn whom_quiet_hours_leave_in_peace_is_not_reached_yet() {
    let mut it = sample(Cause::Access);
    let whom = vec![Waits {
        channel: ChannelId::new("gw-tu"),
        people: vec!["Lý A Tú".to_owned()],
        not_before: None,
    }];
    assert!(!reads(it.clone(), Language::En).contains("Not reached yet"));
    it.alert.incident.quiet = Some(Quieted { until: at("2026-02-03T01:00:00Z"), whom });
    let read = reads(it, Language::En);
    assert!(read.contains("Not reached yet: Lý A Tú"), "{read}");
}

#[test]
fn two_sites_of_one_name_are_two_places() {
    let mut other = sample(Cause::Access);
    other.alert.incident.site = Some(SiteId::new("tan-lap-2"));
    other.alert.incident.affected[0].site = SiteId::new("tan-lap-2");
    other.alert.parent_name = "Huyện Chợ Đồn".to_owned();
    let all = letter(vec![sample(Cause::Access), other]);
    assert_eq!(
        brief(&all, &style(Language::Vi)).places,
        ["Xã Tân Lập (Huyện Pác Nặm)", "Xã Tân Lập (Huyện Chợ Đồn)"]
    );
    let again = letter(vec![sample(Cause::Access), sample(Cause::Service)]);
    assert_eq!(brief(&again, &style(Language::Vi)).places, ["Xã Tân Lập"]);
}

#[test]
fn wide_faults_name_what_the_sites_share() {
    write_all("wide", &wide());
}

/// Faults of many sites at once.
fn wide() -> Vec<(&'static str, Letter)> {
    let shared = |label: &str, value: &str, cause| {
        let mut it = sample(cause);
        it.alert.incident.site = None;
        it.alert.incident.endpoint = None;
        it.alert.incident.common = Some(CommonFactor {
            label: label.to_owned(),
            value: value.to_owned(),
            of_devices: matches!(label, "model" | "firmware"),
            inside_failing: 16,
            inside: 16,
            outside_failing: u32::from(matches!(label, "power" | "firmware")),
            outside: 101,
        });
        it.alert.contacts = match value {
            "VNPT" => vec![listed("Trực mạng VNPT Bắc Kạn", "0209 800 126")],
            _ => Vec::new(),
        };
        it.alert.incident.affected.truncate(1);
        affect(&mut it.alert, &BEHIND);
        it
    };
    let mut behind = sample(Cause::Uplink);
    behind.alert.incident.affected.remove(0);
    let mut congested = sample(Cause::Quality);
    congested.alert.incident.affected.clear();
    congested.alert.site_name = "Huyện Pác Nặm".to_owned();
    affect(&mut congested.alert, &BEHIND[..4]);
    let on_the_way = |cause, itself: bool| {
        let mut it = sample(cause);
        it.alert.incident.affected.truncate(usize::from(itself));
        (it.alert.incident.endpoint, it.alert.incident.check) = (None, None);
        affect(&mut it.alert, &BEHIND);
        it.alert.incident.of = 15 + u32::from(itself);
        it
    };
    let resolved = NotificationKind::Resolved;
    let over = |it: Notification| stage(it, resolved);
    let mut two = over(sample(Cause::Uplink));
    two.alert.incident.affected.truncate(5);
    let both = letter(vec![but_for(two, 1), over(sample(Cause::Access))]);
    vec![
        ("a district, over but for one", letter(vec![but_for(over(sample(Cause::Uplink)), 1)])),
        ("a district, over but for many", letter(vec![but_for(over(sample(Cause::Uplink)), 14)])),
        ("a district, over but for one, among others", both),
        ("a line below a site that answers, over but for two", {
            letter(vec![but_for(over(behind.clone()), 2)])
        }),
        ("a provider, over but for one", {
            letter(vec![but_for(over(shared("isp", "VNPT", Cause::Uplink)), 1)])
        }),
        ("a provider, congested, over but for one", {
            letter(vec![but_for(over(shared("isp", "VNPT", Cause::Quality)), 1)])
        }),
        ("a provider", letter(vec![shared("isp", "VNPT", Cause::Uplink)])),
        ("a power line", letter(vec![shared("power", "EVN Ba Bể", Cause::Uplink)])),
        ("a provider, congested", letter(vec![shared("isp", "VNPT", Cause::Quality)])),
        ("a provider, over", letter(vec![stage(shared("isp", "VNPT", Cause::Uplink), resolved)])),
        ("a device model", letter(vec![shared("model", "Yealink VC800", Cause::Device)])),
        (
            "services of a device model, over",
            letter(vec![stage(shared("model", "Yealink VC800", Cause::Service), resolved)]),
        ),
        ("a firmware", letter(vec![shared("firmware", "4.2", Cause::Device)])),
        ("services of a firmware", letter(vec![shared("firmware", "4.2", Cause::Service)])),
        ("devices on a power line", letter(vec![shared("power", "EVN Ba Bể", Cause::Device)])),
        ("a service everywhere", letter(vec![shared("check", "sip", Cause::Service)])),
        ("a device everywhere, over", {
            letter(vec![stage(shared("endpoint", "codec", Cause::Device), resolved)])
        }),
        ("a line below a site that answers", letter(vec![behind.clone()])),
        ("a line below a site that answers, over", letter(vec![stage(behind, resolved)])),
        ("a congested line below a site", letter(vec![congested])),
        ("services behind a site", letter(vec![on_the_way(Cause::Service, false)])),
        ("services behind a site, over", letter(vec![over(on_the_way(Cause::Service, false))])),
        ("devices at a site and behind it", letter(vec![on_the_way(Cause::Device, true)])),
        ("devices at a site and behind it, over", {
            letter(vec![over(on_the_way(Cause::Device, true))])
        }),
    ]
}

/// The same, but that the last so many of its sites have not come back with the others.
pub(crate) fn but_for(mut it: Notification, last: usize) -> Notification {
    for affected in it.alert.incident.affected.iter_mut().rev().take(last) {
        affected.passed_on = true;
    }
    it
}

#[test]
fn an_end_says_that_the_site_at_fault_is_not_back_with_those_behind_it() {
    let mut it = stage(sample(Cause::Uplink), NotificationKind::Resolved);
    let node = it.alert.incident.site.clone().unwrap();
    let out = [node.clone(), it.alert.incident.affected.last().unwrap().site.clone()];
    let affected = it.alert.incident.affected.iter_mut();
    affected.filter(|it| out.contains(&it.site)).for_each(|it| it.passed_on = true);
    let back = it.alert.incident.affected.len() - out.len();
    for (language, is_back, still) in [
        (Language::Vi, format!("{back} điểm cầu phía sau "), "còn mất kết nối: "),
        (Language::En, format!("{back} sites behind "), "still offline: "),
    ] {
        let text = reads(it.clone(), language);
        let first = text.lines().next().unwrap();
        let name = &*it.alert.site_name;
        assert!(first.contains(&format!("{is_back}{name}")), "{first}");
        assert!(first.contains(&format!("{still}{name}, ")), "{first}");
    }
    // Where nobody else is back it was about nothing but that one.
    let affected = it.alert.incident.affected.iter_mut();
    affected.for_each(|it| it.passed_on = true);
    assert!(it.alert.incident.passed_on().all(|site| *site != node));
}

#[test]
fn a_line_among_several_says_that_it_is_the_last_for_now() {
    let mut it = sample(Cause::Access);
    it.alert.incident.relapses = vec![at("2026-02-03T00:41:00Z")];
    let mut last = told("truc", NotificationKind::Firing, "2026-02-03T00:42:00Z", &[]);
    last.last_for_now = true;
    last.channel = it.channel.clone();
    it.alert.incident.told.push(last);
    let all = letter(vec![sample(Cause::Device), it]);
    for (language, said) in [
        (Language::Vi, "; sẽ báo khi đã ổn định trở lại"),
        (Language::En, "; you will hear once it stays well"),
    ] {
        let text = plain(&all, &style(language));
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('•')).collect();
        let says: Vec<bool> = lines.iter().map(|line| line.contains(said)).collect();
        assert_eq!(says, [false, true], "{text}");
    }
}

#[test]
fn an_end_names_who_had_it_but_not_who_had_an_earlier_outage() {
    let mut it = stage(sample(Cause::Access), NotificationKind::Resolved);
    let names = |it: &Notification| reads(it.clone(), Language::En).contains("Taken on by Ánh");
    let incident = &mut it.alert.incident;
    let (at, note) = (at("2026-02-03T00:45:00Z"), String::new());
    incident.ack = Some(Ack { by: "Ánh".to_owned(), at, note, until: None });
    incident.let_go();
    assert!(names(&it));
    let over = told("truc", NotificationKind::Resolved, "2026-02-03T00:50:00Z", &[]);
    it.alert.incident.told.push(over);
    assert!(names(&it), "another channel was told that before");
    it.alert.incident.relapses = vec![crate::store::tests::at("2026-02-03T00:55:00Z")];
    assert!(!names(&it));
}

/// How a message about this reads.
fn reads(it: Notification, language: Language) -> String {
    let style = style(language);
    plain(&letter(vec![it]), &style)
}

#[test]
fn what_is_seen_of_a_wide_outage_fits_the_list_of_its_sites_and_began_at_the_site_at_fault() {
    let mut it = sample(Cause::Uplink);
    let incident = &mut it.alert.incident;
    // A commune's own trouble is older.
    incident.evidence[1].at = at("2026-02-03T00:41:50Z");
    incident.of = u32::try_from(incident.affected.len()).unwrap();
    incident.evidence[2] = below("pac-nam", 1);
    let text = reads(it, Language::En);
    assert!(text.contains("since 07:42:10; none of 15 sites behind"), "{text}");
}

#[test]
fn what_failed_at_another_time_is_not_named_together_nor_sites_of_which_none_is_reached() {
    let mut it = sample(Cause::Uplink);
    it.alert.incident.evidence[1].at = at("2026-02-03T00:39:22Z");
    let text = reads(it.clone(), Language::En);
    let said = "Seen: router (ping): no answer since 07:42:10; none of 15 sites behind";
    assert!(text.contains(said), "{text}");
    // Some can be reached: the one that failed before is told with its own time.
    it.alert.incident.evidence[2] = below("pac-nam", 3);
    it.alert.incident.of = 19;
    let text = reads(it, Language::En);
    assert!(text.contains("router (ping): no answer since 07:42:10; router"), "{text}");
    assert!(text.contains("no answer since 07:39:22; 3 of 15 sites"), "{text}");
}

#[test]
fn what_came_back_by_a_clock_that_was_set_back_is_not_said_to_have_begun_later() {
    let mut it = sample(Cause::Access);
    it.alert.incident.relapses = vec![at("2026-02-03T00:40:00Z")];
    it.created = at("2026-02-03T00:40:04Z");
    let text = reads(it, Language::En);
    assert!(text.contains("offline since 07:40:04 on") && !text.contains("first"), "{text}");
}

#[test]
fn an_update_says_that_the_fault_lies_elsewhere_than_was_told() {
    let mut it = stage(sample(Cause::Uplink), NotificationKind::Update);
    it.alert.incident.told[0].site = Some(SiteId::new("boc-bo"));
    let text = reads(it, Language::En);
    assert!(text.contains("place from") && text.contains("to Huyện Pác Nặm"), "{text}");
}

#[test]
fn what_is_out_of_the_ordinary_reads_well_too() {
    write_all("special", &special());
}

/// What is out of the ordinary.
fn special() -> Vec<(&'static str, Letter)> {
    let ended = |it: &mut Notification, when: &str| {
        let end = told(it.channel.as_str(), NotificationKind::Resolved, when, &[]);
        it.alert.incident.told.insert(0, end);
    };
    let mut flapping = sample(Cause::Access);
    flapping.alert.incident.flapping = true;
    flapping.alert.incident.relapses = vec![at("2026-02-03T00:43:00Z"); 3];
    ended(&mut flapping, "2026-02-03T00:42:50Z");
    flapping.created = at("2026-02-03T00:43:04Z");
    let mut again = sample(Cause::Access);
    again.alert.incident.relapses = vec![at("2026-02-03T00:55:00Z")];
    ended(&mut again, "2026-02-03T00:50:00Z");
    again.created = at("2026-02-03T00:55:04Z");
    let mut last = again.clone();
    let told = told(last.channel.as_str(), NotificationKind::Firing, "2026-02-03T00:55:04Z", &[]);
    last.alert.incident.told.push(Told { last_for_now: true, ..told });
    let again_as = |kind: NotificationKind, created: &str| {
        let mut it = stage(again.clone(), kind);
        ended(&mut it, "2026-02-03T00:50:00Z");
        it.created = at(created);
        it.alert.incident.waiting_since = Some(at("2026-02-03T00:55:04Z"));
        letter(vec![it])
    };
    let again_grown = again_as(NotificationKind::Update, "2026-02-03T00:57:00Z");
    let again_untaken = again_as(NotificationKind::Escalation, "2026-02-03T00:59:04Z");
    let again_still = again_as(NotificationKind::Reminder, "2026-02-03T01:25:04Z");
    let mut other = again.clone();
    other.alert.site_name = "Xã Bộc Bố".to_owned();
    let mut no_session = sample(Cause::Access);
    no_session.alert.phase = Phase::Idle;
    no_session.alert.session_title = None;
    no_session.alert.session_start = None;
    no_session.alert.contacts.clear();
    no_session.alert.parent_name.clear();
    no_session.alert.incident.delegates = 0;
    let mut tomorrow = sample(Cause::Device);
    tomorrow.alert.phase = Phase::Idle;
    tomorrow.alert.session_start = Some(at("2026-02-04T03:00:00Z"));
    let mut overnight = stage(sample(Cause::Access), NotificationKind::Resolved);
    overnight.alert.incident.began = at("2025-12-31T13:05:00Z");
    overnight.alert.phase = Phase::WrapUp;
    let mut acknowledged = stage(sample(Cause::Access), NotificationKind::Update);
    acknowledged.alert.incident.ack = Some(Ack {
        by: "Ánh".to_owned(),
        at: at("2026-02-03T00:45:00Z"),
        note: "đang đến điểm cầu".to_owned(),
        until: None,
    });
    let had = stage(acknowledged.clone(), NotificationKind::Resolved);
    let mut ran_out = acknowledged.clone();
    ran_out.kind = NotificationKind::Reminder;
    ran_out.created = at("2026-02-03T01:45:00Z");
    ran_out.alert.phase = Phase::Live;
    ran_out.alert.incident.waiting_since = Some(at("2026-02-03T00:42:14Z"));
    ran_out.alert.incident.ack.as_mut().unwrap().until = Some(at("2026-02-03T01:45:00Z"));
    let mut graver = acknowledged.clone();
    graver.alert.incident.let_go();
    let mut untaken = stage(graver.clone(), NotificationKind::Escalation);
    untaken.created = at("2026-02-03T00:55:00Z");
    untaken.alert.incident.waiting_since = Some(at("2026-02-03T00:50:00Z"));
    let mut both = [graver.clone(), graver.clone()];
    both[1].alert.site_name = "Xã Bộc Bố".to_owned();
    both[1].alert.incident.earlier_acks.clear();
    let mut removed = stage(sample(Cause::Access), NotificationKind::Resolved);
    removed.alert.incident.resolution = Some(Resolution::Removed);
    let mut expired = sample(Cause::Certificate);
    let saw = certificate("2025-02-01T17:00:00Z", "2026-02-01T17:00:00Z");
    expired.alert.incident.evidence = vec![seen("codec", "https", saw, "2026-02-03T00:42:10Z")];
    let mut early = sample(Cause::Certificate);
    let saw = certificate("2036-02-01T17:00:00Z", "2037-02-01T17:00:00Z");
    early.alert.incident.evidence = vec![seen("codec", "https", saw, "2026-02-03T00:42:10Z")];
    let mut slow = sample(Cause::Clock);
    let saw = Saw::Clock { offset_s: -90 };
    slow.alert.incident.evidence = vec![seen("codec", "https", saw, "2026-02-03T00:42:10Z")];
    let mut odd = sample(Cause::Service);
    let tls = Saw::Failed(Failure::Remote(RemoteFailure::Tls(
        "received fatal alert: HandshakeFailure".to_owned(),
    )));
    odd.alert.incident.evidence = vec![
        seen("codec", "sip", tls, "2026-02-03T00:42:10Z"),
        seen("codec", "web", words("a face at the window"), "2026-02-03T00:42:10Z"),
    ];
    let mut late_answer = sample(Cause::Service);
    late_answer.alert.incident.check = Some(CheckId::new("web"));
    let stalled = RemoteFailure::Stalled { reached: Reached::Sent, limit_ms: 900 };
    let stalled = Saw::Failed(Failure::Remote(stalled));
    late_answer.alert.incident.evidence = vec![
        seen("codec", "web", stalled, "2026-02-03T00:42:10Z"),
        seen("codec", "ping", answered(2_390), "2026-02-03T00:42:11Z"),
    ];
    let mut full = sample(Cause::Access);
    let late =
        |after_ms| Saw::Failed(Failure::Remote(RemoteFailure::Slow { after_ms, limit_ms: 1_000 }));
    full.alert.incident.evidence = vec![
        seen("router", "ping", late(1_400), "2026-02-03T00:42:10Z"),
        seen("codec", "ping", late(1_400), "2026-02-03T00:42:11Z"),
    ];
    let mut named = sample(Cause::Access);
    named.alert.site_name = "Điểm cầu Sở Y tế".to_owned();
    named.alert.incident.delegates = 1;
    let mut unheard = stage(sample(Cause::Access), NotificationKind::Escalation);
    let given_up = |by: &[&str], instead: Option<&str>| GivenUp {
        at: at("2026-02-03T00:42:20Z"),
        by: by.iter().map(|id| ChannelId::new(*id)).collect(),
        instead: instead.map(ChannelId::new),
        again: false,
    };
    let before = &mut unheard.alert.incident.told;
    before[0].given_up = Some(given_up(&["zalo"], Some("coi-hu")));
    before[1].given_up = Some(given_up(&["sms-tu"], None));
    let mut stands_in = sample(Cause::Access);
    stands_in.instead_of = Some(ChannelId::new("zalo"));
    let other_site = |mut it: Notification| {
        it.alert.site_name = "Xã Bộc Bố".to_owned();
        it
    };
    let mut comes_and_goes = flapping.clone();
    comes_and_goes.created = at("2026-02-03T00:43:04Z");
    let over = |it: Notification| stage(it, NotificationKind::Resolved);
    let days = |kind| {
        let both = [sample(Cause::Certificate), other_site(sample(Cause::Clock))];
        letter(both.map(|it| stage(it, kind)).into())
    };
    let gone = letter(vec![removed.clone(), other_site(over(sample(Cause::Access)))]);
    let all_gone = letter(vec![removed.clone(), other_site(removed.clone())]);
    let mut again_over = over(again.clone());
    ended(&mut again_over, "2026-02-03T00:50:00Z");
    let mut never_told_over = again_over.clone();
    never_told_over.alert.incident.told.clear();
    let both_over = letter(vec![again_over.clone(), other_site(again_over.clone())]);
    let among_news = letter(vec![removed.clone(), other_site(sample(Cause::Access))]);
    let unstable = letter(vec![comes_and_goes.clone(), other_site(sample(Cause::Access))]);
    let stable = letter(vec![over(comes_and_goes), other_site(over(sample(Cause::Access)))]);
    vec![
        ("escalated, since some did not hear of it", letter(vec![unheard])),
        ("escalated, while some are not reached", unreached()),
        ("on again", letter(vec![again.clone()])),
        ("on again, and graver", again_grown),
        ("on again, and taken on by nobody", again_untaken),
        ("on again, still", again_still),
        ("on again, over", letter(vec![again_over])),
        ("on again, over, of which no end was told in between", letter(vec![never_told_over])),
        ("two that were on again, over", both_over),
        ("on again, the last that is told for a while", letter(vec![last])),
        ("two that are on again", letter(vec![again, other])),
        ("comes and goes", letter(vec![flapping.clone()])),
        ("came and went, over", letter(vec![stage(flapping, NotificationKind::Resolved)])),
        ("no session, nobody listed", letter(vec![no_session])),
        ("a session tomorrow", letter(vec![tomorrow])),
        ("over after a month", letter(vec![overnight])),
        ("somebody is on the way", letter(vec![acknowledged])),
        ("somebody was on the way, over", letter(vec![had])),
        ("somebody was on the way, for an hour", letter(vec![ran_out])),
        ("somebody was on the way when it became graver", letter(vec![graver])),
        ("the same, and nobody took it on again", letter(vec![untaken])),
        ("two that became graver, somebody was on the way to one", letter(both.into())),
        ("taken out of the configuration", letter(vec![removed])),
        ("an expired certificate", letter(vec![expired.clone()])),
        (
            "an expired certificate, still",
            letter(vec![stage(expired.clone(), NotificationKind::Reminder)]),
        ),
        ("an expired certificate, over", letter(vec![over(expired)])),
        ("a certificate from the future", letter(vec![early.clone()])),
        ("a certificate from the future, over", letter(vec![over(early)])),
        ("a certificate and a clock", days(NotificationKind::Firing)),
        ("a certificate and a clock, still", days(NotificationKind::Reminder)),
        ("a slow clock", letter(vec![slow])),
        ("odd observations", letter(vec![odd])),
        ("a line slower than the limit", letter(vec![full.clone()])),
        ("a line slower than the limit, over", letter(vec![over(full)])),
        ("a service slower than the limit", letter(vec![late_answer])),
        ("a site that is called a site", letter(vec![named])),
        ("told in place of another channel", letter(vec![stands_in])),
        ("one that comes and goes among others", unstable),
        ("one that came and went among others, over", stable),
        ("one taken out of the configuration among others, over", gone),
        ("two taken out of the configuration", all_gone),
        ("one taken out of the configuration among news", among_news),
    ]
}

/// Several that are over.
fn came_and_went() -> Letter {
    let over = |cause: Cause, began: &str| {
        let mut it = stage(sample(cause), NotificationKind::Resolved);
        it.alert.incident.id = crate::model::IncidentId::new(format!("i-{}", cause.word()));
        it.alert.incident.began = at(began);
        it
    };
    letter(vec![
        over(Cause::Access, "2026-02-03T00:42:10Z"),
        over(Cause::Uplink, "2026-02-02T15:30:00Z"),
        over(Cause::Service, "2026-02-03T01:20:01Z"),
        over(Cause::Quality, "2026-02-03T01:00:00Z"),
    ])
}

#[test]
fn several_that_are_over_read_as_one_digest() {
    let while_down = "what came and went while the channel was down";
    write_all("digest", &[(while_down, came_and_went())]);
}

/// Three sites that fail together, at this stage.
fn together(kind: NotificationKind) -> Letter {
    let sites = [("Xã Tân Lập", Cause::Access), ("Xã Bộc Bố", Cause::Access)];
    let sites = sites.into_iter().chain([("Huyện Pác Nặm", Cause::Uplink)]);
    let all = sites.enumerate().map(|(n, (name, cause))| {
        let mut it = stage(sample(cause), kind);
        it.alert.site_name = name.to_owned();
        it.alert.incident.id = crate::model::IncidentId::new(format!("i{n}"));
        it
    });
    letter(all.collect())
}

/// Seats of Chợ Đồn, besides those [`BEHIND`] Pác Nặm.
const BESIDE: [&str; 9] = [
    "Xã Bằng Lãng",
    "Xã Bằng Phúc",
    "Xã Bình Trung",
    "Xã Đại Sảo",
    "Xã Đồng Lạc",
    "Xã Đồng Thắng",
    "Xã Lương Bằng",
    "Xã Nam Cường",
    "Xã Nghĩa Tá",
];

/// Twenty-four sites that fail together, each with somebody of its own to phone.
pub(crate) fn two_dozen(kind: NotificationKind) -> Letter {
    let people = ["Nông Văn Tú (văn phòng xã)", "Hoàng Thị Mến", "Lý A Phủ", "Đặng Thị Dất"];
    let names = BEHIND.into_iter().map(|(_, name)| name).chain(BESIDE);
    let all = (1..).zip(names).map(|(n, name)| {
        let mut it = stage(sample(Cause::Access), kind);
        let site = SiteId::new(format!("site-{n}"));
        it.id = NotificationId::new(format!("n{n}"));
        it.alert.site_name = name.to_owned();
        it.alert.contacts = vec![listed(people[n % people.len()], &format!("0209 387 {n:04}"))];
        it.alert.names = [(site.clone(), name.to_owned())].into();
        it.alert.incident.id = crate::model::IncidentId::new(format!("i{n}"));
        it.alert.incident.affected[0].site = site.clone();
        it.alert.incident.site = Some(site);
        it
    });
    let id = NotificationId::new(format!("digest-{}", kind.word()));
    Letter { id, ..letter(all.collect()) }
}

#[test]
fn two_dozen_sites_that_fail_together_are_one_message_whatever_its_room() {
    use NotificationKind::{Firing, Resolved};
    for (language, dir) in [(Language::Vi, "vi"), (Language::En, "en")] {
        let mut text = String::new();
        for kind in [Firing, Resolved] {
            let letter = with_levels_in(language, &two_dozen(kind));
            for (whose, most) in [("Telegram", 4_096), ("Zalo", 2_000), ("less room still", 1_300)]
            {
                let portions = portions(&letter, &linking(language), most, char::len_utf16);
                let [(_, one)] = portions.as_slice() else { panic!("{} digests", portions.len()) };
                let size = one.chars().count();
                let _ = writeln!(text, "=== {} for {whose}, {size} letters\n\n{one}", kind.word());
            }
        }
        golden(&format!("{dir}/two-dozen.txt"), &text);
    }
}

#[test]
fn several_that_are_on_read_as_one_message_with_a_line_each() {
    use NotificationKind::{Escalation, Firing, Reminder, Update};
    let letters: Vec<(&str, Letter)> =
        [Firing, Update, Reminder, Escalation].map(|kind| (kind.word(), together(kind))).into();
    write_all("together", &letters);
}

/// Letters about several incidents.
pub(crate) fn digests() -> Vec<(&'static str, Letter)> {
    use NotificationKind::{Escalation, Firing, Reminder, Update};
    let mut all: Vec<(&str, Letter)> =
        [Firing, Update, Reminder, Escalation].map(|kind| (kind.word(), together(kind))).into();
    all.push(("mixed", mixed()));
    all.push(("over", came_and_went()));
    all
}

/// What a slow channel tells at once: two faults that are new, one that nobody has taken on, one
/// that is still on.
fn mixed() -> Letter {
    use NotificationKind::{Escalation, Firing, Reminder};
    let sites = [
        ("Huyện Pác Nặm", Cause::Uplink, Reminder),
        ("Xã Tân Lập", Cause::Access, Firing),
        ("Xã Nhạn Môn", Cause::Service, Escalation),
        ("Xã Bộc Bố", Cause::Device, Firing),
    ];
    let all = sites.into_iter().enumerate().map(|(n, (name, cause, kind))| {
        let mut it = stage(sample(cause), kind);
        it.created = at("2026-02-03T00:52:14Z");
        it.alert.phase = Phase::Readiness;
        it.alert.site_name = name.to_owned();
        it.alert.incident.id = crate::model::IncidentId::new(format!("i{n}"));
        it
    });
    letter(all.collect())
}

#[test]
fn a_digest_of_several_kinds_says_how_many_are_new_and_marks_the_others() {
    write_all("mixed", &[("two that are new among others", mixed())]);
}

/// Two faults and the end of a third that leave at once when a channel works again, with who was
/// not reached with one of them but with the other.
fn waited() -> Letter {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved};
    let reminded = "2026-02-03T00:46:14Z";
    let with = |cause, kind, name: &str, all: &[Told]| {
        let mut it = stage(sample(cause), kind);
        it.alert.site_name = name.to_owned();
        it.alert.incident.id = crate::model::IncidentId::new(name);
        it.alert.incident.told.extend_from_slice(all);
        numbered(&mut it);
        it
    };
    let known = with(Cause::Access, Escalation, "Xã Tân Lập", &[]);
    let both = [
        told("chat", Firing, reminded, &[]),
        told("sms-tu", Firing, reminded, &["Lý A Tú"]),
        told("sms-men", Firing, reminded, &["Hoàng Thị Mến"]),
        told("sms-ha", Firing, reminded, &["Đàm Thị Hà"]),
    ];
    let mut new = with(Cause::Device, Firing, "Xã Bộc Bố", &both);
    new.created = at(reminded);
    let mut over = with(Cause::Access, Resolved, "Xã Nhạn Môn", &both);
    over.alert.incident.told.push(told("chat", Reminder, reminded, &["Nông Văn Tú"]));
    over.created = at(reminded);
    let mut letter = letter(vec![known, new, over]);
    let untold = |channel: &str| Untold { channel: ChannelId::new(channel), nth: 1, through: None };
    letter.items[0].late = Some(at("2026-02-03T00:49:02Z"));
    letter.items[1].late = Some(at("2026-02-03T00:49:02Z"));
    letter.items[1].untold = vec![untold("sms-tu"), untold("chat")];
    letter
}

#[test]
fn a_digest_says_who_is_not_reached_with_any_of_it_and_that_it_is_late() {
    let mut over = waited();
    over.items.drain(..2);
    over.items.extend(came_and_went().items);
    over.items[1].late = Some(at("2026-02-03T01:25:00Z"));
    let letters = [("what waited for a channel", waited()), ("what is over by then", over)];
    write_all("late", &letters);
}

#[test]
fn who_has_duty_since_the_last_message_that_was_heard_is_not_reached() {
    use NotificationKind::{Firing, Reminder};
    // One telephone, which whoever is on duty takes home.
    let all = [
        told("phone", Firing, "2026-02-03T00:42:14Z", &["Đàm Thị Hà", "Hoàng Thị Mến"]),
        told("phone", Reminder, "2026-02-03T00:52:14Z", &["Lý A Tú", "Hoàng Thị Mến"]),
    ];
    let said = |set_back: i64, told: &[Told], untold: Option<u32>| {
        let mut it = sample(Cause::Access);
        it.alert.incident.told = told.to_vec();
        numbered(&mut it);
        for told in &mut it.alert.incident.told {
            told.at -= jiff::SignedDuration::from_mins(set_back);
        }
        let mut letter = letter(vec![it]);
        let lacks = |nth| Untold { channel: ChannelId::new("phone"), nth, through: None };
        letter.items[0].untold = untold.map(lacks).into_iter().collect();
        let text = plain(&letter, &style(Language::En));
        let lines = text.lines().filter(|it| it.starts_with("Also") || it.starts_with("Not"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let heard = ["Also told: Đàm Thị Hà, Hoàng Thị Mến.", "Not reached yet: Lý A Tú."];
    assert_eq!(said(0, &all, Some(2)), heard);
    assert_eq!(said(60, &all, Some(2)), heard, "however the clock was set");
    let neither = "Not reached yet: Lý A Tú, Hoàng Thị Mến.";
    assert_eq!(said(60, &all, Some(1)), [neither]);
    assert_eq!(said(0, &all, None), ["Also told: Lý A Tú, Hoàng Thị Mến."]);
    let mut given_up = all;
    let by = vec![ChannelId::new("phone")];
    given_up[1].given_up = Some(GivenUp { at: given_up[1].at, by, instead: None, again: false });
    assert_eq!(said(0, &given_up, None), heard);
}

#[test]
fn what_stands_in_is_not_named_as_told_before_it_has_got_through() {
    use NotificationKind::{Firing, Update};
    let said = |untold: Option<u32>| {
        let mut it = sample(Cause::Access);
        let through = |kind, when| {
            let mut told = told("phone", kind, when, &["Đàm Thị Hà"]);
            let (by, instead) = (vec![told.channel.clone()], Some(ChannelId::new("siren")));
            told.given_up = Some(GivenUp { at: told.at, by, instead, again: false });
            told
        };
        it.alert.incident.told =
            vec![through(Firing, "2026-02-03T00:42:14Z"), through(Update, "2026-02-03T00:52:14Z")];
        numbered(&mut it);
        let mut letter = letter(vec![it]);
        let lacks = |nth| Untold { channel: ChannelId::new("siren"), nth, through: None };
        letter.items[0].untold = untold.map(lacks).into_iter().collect();
        let text = plain(&letter, &style(Language::En));
        let lines = text.lines().filter(|it| it.starts_with("Also") || it.starts_with("Not"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(said(None), ["Also told: channel “siren”."]);
    assert_eq!(said(Some(1)), ["Not reached yet: Đàm Thị Hà."], "nobody heard it that way either");
    assert_eq!(said(Some(2)), ["Also told: channel “siren”."], "it has told the first of them");
}

#[test]
fn a_test_is_clearly_a_test() {
    write_all("test", &tests());
}

fn tests() -> Vec<(&'static str, Letter)> {
    let now = at("2026-02-03T00:42:14Z");
    [NotificationKind::Firing, NotificationKind::Resolved]
        .map(|kind| (kind.word(), test_letter(&ChannelId::new("truc"), kind, now)))
        .into()
}

#[test]
fn our_own_troubles_say_what_to_do() {
    write_all("ourselves", &troubles());
}

#[test]
fn the_end_of_each_trouble_of_ours_is_told_in_words_of_its_own() {
    let ends = troubles().into_iter().filter(|(_, it)| it.items.len() == 1 && it.is_resolved());
    let ends: Vec<(&str, Letter)> = ends.collect();
    assert_eq!(ends.len(), 7);
    for language in [Language::Vi, Language::En] {
        let style = style(language);
        let said = |letter: &Letter| write(&letter.items[0], false, &style).summary;
        let said: BTreeSet<String> = ends.iter().map(|(_, letter)| said(letter)).collect();
        assert_eq!(said.len(), ends.len(), "{said:#?}");
    }
}

/// Everything that this monitor says of itself.
fn troubles() -> Vec<(&'static str, Letter)> {
    let ours = |doubt: SelfDoubt| {
        let mut it = sample(Cause::Monitor);
        it.alert.incident.affected.clear();
        let mut evidence = it.alert.incident.evidence[0].clone();
        evidence.saw = Saw::Ourselves(doubt);
        it.alert.incident.evidence = vec![evidence];
        it
    };
    let of = |doubt: SelfDoubt| letter(vec![ours(doubt)]);
    let of_over = |doubt: SelfDoubt| letter(vec![stage(ours(doubt), NotificationKind::Resolved)]);
    // Sites are unknown because of it, and a probe shows it.
    let of_some = |doubt: SelfDoubt, failure: LocalFailure| {
        let affected = sample(Cause::Monitor).alert.incident.affected;
        let mut it = ours(doubt);
        let mut probe = it.alert.incident.evidence[0].clone();
        let (endpoint, check) = (Some(EndpointId::new("codec")), Some(CheckId::new("sip")));
        probe.target = TargetKey { site: affected[0].site.clone(), endpoint, check };
        probe.saw = Saw::Failed(Failure::Local(failure));
        it.alert.incident.evidence.push(probe);
        it.alert.incident.affected = affected;
        letter(vec![it])
    };
    let (gateway, how) = (|| "10.0.0.1".to_owned(), || "no-route".to_owned());
    let full = || {
        let full = StoreTrouble::Full { dir: "/var/lib/vchealth".into() };
        SelfDoubt::Trouble { part: Part::Store, detail: Ailment::Store(full) }
    };
    let session = || "Giao ban trực tuyến".to_owned();
    let trouble = |part, detail: &str| {
        let detail = Ailment::Words(detail.to_owned());
        SelfDoubt::Trouble { part, detail }
    };
    let store =
        |trouble| of(SelfDoubt::Trouble { part: Part::Store, detail: Ailment::Store(trouble) });
    let dir = || "/var/lib/vchealth".into();
    let two = |kind| {
        let mut two =
            [full(), trouble(Part::Recipients, "sms (2)")].map(|it| stage(ours(it), kind));
        two[1].alert.incident.id = crate::model::IncidentId::new("i2");
        two.into()
    };
    let strained = SelfDoubt::EngineStrained;
    let missed = || SelfDoubt::DrillMissed {
        session: session(),
        channels: ["sms", "zalo"].map(ChannelId::new).to_vec(),
        refused: BTreeMap::from([(
            ChannelId::new("zalo"),
            vec!["f414c8f76fa586fbdfb4".to_owned()],
        )]),
    };
    vec![
        ("drill", of(missed())),
        ("nobody", of(SelfDoubt::NobodyReached { session: session() })),
        ("muted", of(SelfDoubt::SessionMuted { session: session() })),
        ("unwatched", of(SelfDoubt::SessionUnwatched { session: session() })),
        ("resolver", of(trouble(Part::Resolver, "mcu.bac-kan.vn: request timed out"))),
        ("full", store(StoreTrouble::Full { dir: dir() })),
        ("held", store(StoreTrouble::Held { dir: dir() })),
        ("read-only", store(StoreTrouble::ReadOnly { dir: dir() })),
        ("damaged", store(StoreTrouble::Damaged { dir: dir() })),
        ("replaced", store(StoreTrouble::Replaced { dir: dir() })),
        ("failing", store(StoreTrouble::Failing { dir: dir() })),
        ("silent", store(StoreTrouble::Silent { seconds: 2 })),
        ("clock", of(SelfDoubt::ClockSet { by_s: -7_200 })),
        ("clock-off", of(SelfDoubt::ClockOff { by_s: 300, devices: 9, of: 10 })),
        ("late", of(strained(Strain { late_ms: 2_400, missed_ticks: 3, ..Strain::default() }))),
        ("drops", of(strained(Strain { dropped: 812, buffer_kib: 416, ..Strain::default() }))),
        ("gateway unasked", of(SelfDoubt::GatewayUnasked { host: gateway(), how: how() })),
        ("nobody answers", of(SelfDoubt::NobodyAnswers)),
        ("probes fail", of(SelfDoubt::ProbesFail { how: how() })),
        ("sites unasked", of(SelfDoubt::SitesUnasked { how: how() })),
        ("clock, over", of_over(SelfDoubt::ClockSet { by_s: -7_200 })),
        ("drill, over", of_over(missed())),
        ("full, over", of_over(full())),
        ("resolver, over", of_over(trouble(Part::Resolver, "request timed out"))),
        ("courier, over", of_over(trouble(Part::Courier, "sms, zalo"))),
        ("recipients, over", of_over(trouble(Part::Recipients, "sms (2)"))),
        ("nobody answers, over", of_over(SelfDoubt::NobodyAnswers)),
        ("full and recipients", letter(two(NotificationKind::Firing))),
        ("full and recipients, over", letter(two(NotificationKind::Resolved))),
        ("courier", of(trouble(Part::Courier, "sms, zalo"))),
        ("recipients", of(trouble(Part::Recipients, "sms (2), zalo (f414c8f76fa586fbdfb4)"))),
        (
            "resolver, and who is unknown for it",
            of_some(
                trouble(Part::Resolver, "mcu.bac-kan.vn: request timed out"),
                LocalFailure::Unresolved("request timed out".to_owned()),
            ),
        ),
        (
            "sites unasked, and which",
            of_some(
                SelfDoubt::SitesUnasked { how: "forbidden".to_owned() },
                LocalFailure::Forbidden("EPERM".to_owned()),
            ),
        ),
    ]
}

#[test]
fn a_link_stands_where_there_is_something_to_take_on() {
    let links = Links { key: LinkKey::new([7; 32]), base: "https://gs.example".to_owned() };
    for language in [Language::Vi, Language::En] {
        let style = Style { links: Some(links.clone()), ..style(language) };
        let text = |kind| plain(&letter(vec![stage(sample(Cause::Access), kind)]), &style);
        let link = "https://gs.example/a/";
        let firing = text(NotificationKind::Firing);
        let line = firing.lines().find(|line| line.contains(link)).expect("a link");
        assert!(line.starts_with("Tiếp nhận") || line.starts_with("Take it on"), "{line}");
        assert!(!text(NotificationKind::Resolved).contains(link), "it is over");
        let mut drill = sample(Cause::Access);
        drill.alert.drill = true;
        assert!(!plain(&letter(vec![drill]), &style).contains(link), "nothing to take on");
    }
}

#[test]
fn site_names_stand_exactly_as_written() {
    let mut it = sample(Cause::Access);
    let written = "XÃ tân-lập  (trụ sở 2)";
    it.alert.site_name = written.to_owned();
    for language in [Language::Vi, Language::En] {
        let text = plain(&letter(vec![it.clone()]), &style(language));
        assert!(text.lines().next().unwrap().contains(written), "{text}");
    }
}

#[test]
fn durations_are_told_in_two_units() {
    let told = |seconds| units(Duration::from_secs(seconds));
    assert_eq!(told(0), [0, 0, 0, 0]);
    assert_eq!(told(59), [0, 0, 0, 59]);
    assert_eq!(told(119), [0, 0, 1, 0]);
    assert_eq!(told(3 * 3_600 + 61), [0, 3, 1, 0]);
    assert_eq!(told(2 * 86_400 + 3_600 + 61), [2, 1, 0, 0]);
}

#[test]
fn counts_are_grouped_in_threes() {
    for (count, text) in [(7, "7"), (204, "204"), (10_899, "10.899"), (1_000_000, "1.000.000")] {
        assert_eq!(grouped(count, '.'), text);
    }
}

/// A readiness run as a message.
fn ready_letter(found: &[(&str, &str, Found, Verdict)], kind: NotificationKind) -> Letter {
    let site = |(id, name, found, verdict): &(&str, &str, Found, Verdict)| SiteReadiness {
        work: None,
        site: SiteId::new(*id),
        name: (*name).to_owned(),
        delegates: 22,
        verdict: *verdict,
        findings: vec![Finding {
            verdict: *verdict,
            endpoint: match found.kind().cause() {
                Cause::Access | Cause::Uplink => None,
                _ => Some(EndpointId::new("codec")),
            },
            check: None,
            found: found.clone(),
        }],
        train: None,
        mtu: None,
        contacts: vec![Contact {
            name: format!("Trực {name}"),
            phone: "0209 000 0169".to_owned(),
            email: String::new(),
        }],
        checked: at("2026-02-03T00:30:40Z"),
    };
    let run = ReadinessRun {
        session: SessionId::new("giao-ban-2"),
        title: "Giao ban trực tuyến tháng 2".to_owned(),
        start: at("2026-02-03T01:00:00Z"),
        end: at("2026-02-03T03:00:00Z"),
        lead_s: Some(1800),
        began: at("2026-02-03T00:30:00Z"),
        finished: at("2026-02-03T00:30:41Z"),
        own_clock_off_s: None,
        sites: found.iter().map(site).collect(),
        told: Vec::new(),
        said: Vec::new(),
    };
    let mut counts = run.counts();
    counts[0] = 204 - counts.iter().sum::<u32>();
    let mut it = notification("readiness", incident("readiness.giao-ban-2", "tan-lap"), kind);
    it.created = run.finished;
    it.alert.incident.site = None;
    it.alert.contacts.clear();
    it.alert.session_title = Some(run.title.clone());
    it.alert.session_start = Some(run.start);
    it.alert.readiness = Some(Box::new(ReadinessNotice { counts, run }));
    letter(vec![it])
}

#[test]
fn a_readiness_run_tells_who_is_not_ready_why_and_whom_to_phone() {
    write_all("readiness", &runs());
}

/// What readiness runs find.
fn runs() -> Vec<(&'static str, Letter)> {
    let (morning, bad) = (morning(), Verdict::NotReady);
    let silent = || Found::Silent(Failure::Remote(RemoteFailure::Timeout));
    let names: Vec<String> = (1..=40).map(|n| format!("Cơ quan {n}")).collect();
    let many: Vec<_> = names.iter().map(|name| ("co-quan", &**name, silent(), bad)).collect();
    let firing = NotificationKind::Firing;
    vec![
        ("some are not ready", ready_letter(&morning, firing)),
        ("many are not", ready_letter(&many, firing)),
        ("some are at risk", ready_letter(&morning[7..], firing)),
        ("all are ready", ready_letter(&[], NotificationKind::Resolved)),
    ]
}

/// What a run finds on a bad morning: where, what, how bad.
fn morning() -> [(&'static str, &'static str, Found, Verdict); 9] {
    let silent = || Found::Silent(Failure::Remote(RemoteFailure::Timeout));
    let uplink = || Found::Uplink {
        above: SiteId::new("ba-be"),
        name: "Huyện Ba Bể".to_owned(),
        answers: false,
    };
    let bad = Verdict::NotReady;
    [
        ("tan-lap", "Xã Tân Lập", silent(), bad),
        ("ba-be", "Huyện Ba Bể", silent(), bad),
        ("nam-mau", "Xã Nam Mẫu", uplink(), bad),
        ("quang-khe", "Xã Quảng Khê", uplink(), bad),
        ("kim-hy", "Xã Kim Hỷ", Found::BlackHole { tried: 1500, passes: 1400 }, bad),
        ("van-lang", "Xã Văn Lang", Found::Loss { lost: 31, sent: 250 }, bad),
        (
            "y-te",
            "Sở Y tế",
            Found::Name(LocalFailure::Unresolved("codec.syt.example".to_owned())),
            Verdict::CannotTell,
        ),
        ("cong-an", "Công an tỉnh", Found::Clock { offset_s: -900 }, Verdict::AtRisk),
        ("cao-ky", "Xã Cao Kỳ", Found::FailedBefore { failed: 3, of: 5 }, Verdict::AtRisk),
    ]
}

#[test]
fn in_place_of_a_channel_its_people_are_named_as_not_reached() {
    use NotificationKind::Firing;
    for given_up in [true, false] {
        let mut it = sample(Cause::Access);
        let mut own = told("sms-ha", Firing, "2026-02-03T00:42:14Z", &["Đàm Thị Hà"]);
        own.given_up = given_up.then(|| GivenUp {
            at: own.at,
            by: vec![ChannelId::new("sms-ha")],
            instead: Some(ChannelId::new("chat")),
            again: false,
        });
        it.alert.incident.told = vec![own];
        numbered(&mut it);
        it.channel = ChannelId::new("chat");
        it.instead_of = Some(ChannelId::new("sms-ha"));
        let mut letter = letter(vec![it]);
        if !given_up {
            let through = Some(ChannelId::new("chat"));
            letter.items[0].untold =
                vec![Untold { channel: ChannelId::new("sms-ha"), nth: 1, through }];
        }
        let text = plain(&letter, &style(Language::En));
        assert!(text.contains("\nNot reached yet: Đàm Thị Hà"), "{text}");
        assert!(!text.contains("Also told"), "{text}");
    }
}

#[test]
fn several_are_titled_by_their_places_and_what_ails_the_monitor_comes_last() {
    let style = style(Language::Vi);
    let mut ours = sample(Cause::Monitor);
    ours.alert.incident.site = None;
    ours.alert.incident.affected.clear();
    ours.alert.incident.severity = Severity::Critical;
    let doubt = SelfDoubt::NobodyReached { session: "Giao ban".to_owned() };
    ours.alert.incident.evidence =
        vec![Evidence { saw: Saw::Ourselves(doubt), ..ours.alert.incident.evidence[0].clone() }];
    let mut sites = vec![ours];
    for name in ["Xã Nam Mẫu", "Xã Bằng Lãng", "Xã Quảng Bạch"] {
        let mut it = sample(Cause::Access);
        name.clone_into(&mut it.alert.site_name);
        it.alert.incident.severity = Severity::Warning;
        sites.push(it);
    }
    let text = plain(&letter(sites), &style);
    let first = text.lines().next().unwrap();
    let places = ": Xã Bằng Lãng, Xã Nam Mẫu, Xã Quảng Bạch, ";
    assert!(first.contains(places) && first.chars().count() <= TITLE, "{first}");
    let last = text.lines().rfind(|line| line.starts_with('•')).unwrap();
    assert!(last.contains("ệ thống giám sát"), "{text}");
}
