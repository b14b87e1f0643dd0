//! A hand-made province in any state, for tests and benchmarks of what is shown.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use unicode_normalization::UnicodeNormalization;
use vchealth::model::{
    Ack, Affected, Cause, Certificate, ChannelId, ChannelStatus, Check, CheckId, CheckKind,
    ClassId, Confirmation, Contact, DutyView, Endpoint, EndpointId, EndpointIx, EndpointView,
    EngineHealth, Evidence, Failure, Finding, Found, H323Check, HandOver, Health, Host, HttpCheck,
    IcmpCheck, IcmpError, Importance, Incident, IncidentId, Level, LevelIx, Maintenance,
    MonitorView, Mono, NotificationKind, Now, OnDuty, Paces, PersonId, Phase, Quality,
    QualityGrade, ReadinessRun, Refusing, RemoteFailure, Resolution, RotaId, Saw, ServiceView,
    Session, SessionId, SessionView, Severity, Silence, SilenceId, SipCheck, SipTransport, Site,
    SiteId, SiteIx, SiteReadiness, SiteView, Snapshot, Standing, Target, TargetIx, TargetView,
    Told, Topology, TrainFigures, Unreachable, Verdict,
};

/// Districts of Bắc Kạn with their communes.
const DISTRICTS: &[(&str, &str)] = &[
    (
        "Thành phố Bắc Kạn",
        "P. Nguyễn Thị Minh Khai, P. Sông Cầu, P. Đức Xuân, P. Phùng Chí Kiên, P. Huyền Tụng, \
         Dương Quang, Nông Thượng, P. Xuất Hóa",
    ),
    (
        "Huyện Pác Nặm",
        "Bằng Thành, Nhạn Môn, Bộc Bố, Công Bằng, Giáo Hiệu, Xuân La, An Thắng, Cổ Linh, \
         Nghiên Loan, Cao Tân",
    ),
    (
        "Huyện Ba Bể",
        "TT. Chợ Rã, Bành Trạch, Phúc Lộc, Hà Hiệu, Cao Thượng, Khang Ninh, Nam Mẫu, Thượng \
         Giáo, Địa Linh, Yến Dương, Chu Hương, Quảng Khê, Mỹ Phương, Hoàng Trĩ, Đồng Phúc",
    ),
    (
        "Huyện Ngân Sơn",
        "TT. Nà Phặc, Thượng Ân, Bằng Vân, Cốc Đán, Trung Hoà, Đức Vân, TT. Vân Tùng, Thượng \
         Quan, Hiệp Lực, Thuần Mang",
    ),
    (
        "Huyện Bạch Thông",
        "TT. Phủ Thông, Vi Hương, Sĩ Bình, Vũ Muộn, Đôn Phong, Lục Bình, Tân Tú, Nguyên Phúc, \
         Cao Sơn, Quân Hà, Cẩm Giàng, Mỹ Thanh, Dương Phong, Quang Thuận",
    ),
    (
        "Huyện Chợ Đồn",
        "TT. Bằng Lũng, Xuân Lạc, Nam Cường, Đồng Lạc, Tân Lập, Bản Thi, Quảng Bạch, Bằng \
         Phúc, Yên Thịnh, Yên Thượng, Phương Viên, Ngọc Phái, Đồng Thắng, Lương Bằng, Bằng \
         Lãng, Đại Sảo, Nghĩa Tá, Yên Mỹ, Bình Trung, Yên Phong",
    ),
    (
        "Huyện Chợ Mới",
        "TT. Đồng Tâm, Tân Sơn, Thanh Vận, Mai Lạp, Hoà Mục, Thanh Mai, Cao Kỳ, Nông Hạ, Yên \
         Cư, Thanh Thịnh, Yên Hân, Như Cố, Bình Văn, Quảng Chu",
    ),
    (
        "Huyện Na Rì",
        "Văn Vũ, Văn Lang, Lương Thượng, Kim Hỷ, Cường Lợi, TT. Yến Lạc, Kim Lư, Sơn Thành, \
         Văn Minh, Côn Minh, Cư Lễ, Trần Phú, Quang Phong, Dương Sơn, Xuân Dương, Đổng Xá, \
         Liêm Thuỷ",
    ),
];

/// Agencies that join sessions besides; numbered once the list is used up.
const AGENCIES: &[&str] = &[
    "Sở Thông tin và Truyền thông",
    "Sở Y tế",
    "Sở Giáo dục và Đào tạo",
    "Bộ Chỉ huy Quân sự tỉnh",
    "Công an tỉnh",
    "Ban Tuyên giáo Tỉnh ủy",
    "Trung tâm VNPT",
];

/// Half past seven in Bắc Kạn, while a session is on.
pub(crate) fn now() -> Now {
    let wall = "2023-11-24T00:42:00Z".parse().expect("a time");
    Now { mono: Mono::ZERO + Duration::from_secs(90_000), wall }
}

fn ago(minutes: i64) -> Timestamp {
    now().wall - SignedDuration::from_mins(minutes)
}

/// A name as an id: without diacritics, in lower case, with hyphens.
fn slug(name: &str) -> String {
    let plain: String = name
        .nfd()
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .map(|c| if matches!(c, 'đ' | 'Đ') { 'd' } else { c })
        .collect();
    let words: Vec<String> = plain
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

fn check(id: &str, kind: CheckKind) -> Check {
    let second = Duration::from_secs(1);
    Check {
        id: CheckId::new(id),
        kind,
        timeout: second,
        paces: Paces { idle: second * 60, readiness: second * 10, live: second, wrap_up: second },
        confirm_after: Duration::from_millis(300),
    }
}

fn checks() -> Vec<Check> {
    let icmp = IcmpCheck {
        count: 1,
        spacing: Duration::from_millis(20),
        size: 56,
        dscp: 0,
        dont_fragment: false,
    };
    let sip = SipCheck::usual(SipTransport::Udp);
    let web = HttpCheck::usual(true);
    vec![
        check("ping", CheckKind::Icmp(icmp)),
        check("sip", CheckKind::Sip(sip)),
        check("h323", CheckKind::H323(H323Check { port: 1720 })),
        check("web", CheckKind::Http(web)),
    ]
}

/// The province with its fixed 117 sites, filled up with agencies to `sites` in all, at least two.
/// Every site has a router under one check and a codec under four.
pub(crate) fn topology(sites: usize) -> Topology {
    let mut topology = Topology {
        levels: vec![
            Level::named("province", "Tỉnh", "Province"),
            Level::named("district", "Huyện, thành phố", "District"),
            Level::named("commune", "Xã, phường, thị trấn", "Commune"),
            Level::named("agency", "Cơ quan", "Agency"),
        ],
        checks: checks(),
        ..Topology::default()
    };
    let top = add_site(&mut topology, "Tỉnh Bắc Kạn", 0, None);
    for (district, communes) in DISTRICTS {
        let parent = add_site(&mut topology, district, 1, Some(top));
        for commune in communes.split(", ") {
            if topology.sites.len() >= sites {
                return topology;
            }
            let name = match commune.split_once(". ") {
                Some(("P", name)) => format!("Phường {name}"),
                Some((_, name)) => format!("Thị trấn {name}"),
                None => format!("Xã {commune}"),
            };
            add_site(&mut topology, &name, 2, Some(parent));
        }
    }
    for number in 0..sites.saturating_sub(topology.sites.len()) {
        let name = AGENCIES
            .get(number)
            .map_or_else(|| format!("Cơ quan {}", number + 1), |name| (*name).to_owned());
        add_site(&mut topology, &name, 3, Some(top));
    }
    topology
}

fn add_site(topology: &mut Topology, name: &str, level: usize, parent: Option<SiteIx>) -> SiteIx {
    let ix = SiteIx::new(topology.sites.len());
    // Two communes may share a name; an id may not be shared.
    let mut id = SiteId::new(slug(name.split_once(' ').map_or(name, |(_, bare)| bare)));
    if topology.site_by_id.contains_key(&id) {
        id = SiteId::new(format!("{id}-{}", ix.ix()));
    }
    let router = add_endpoint(topology, ix, "router", &[0]);
    let codec = add_endpoint(topology, ix, "codec", &[0, 1, 2, 3]);
    let isp = if ix.ix().is_multiple_of(3) { "viettel" } else { "vnpt" };
    topology.site_by_id.insert(id.clone(), ix);
    topology.sites.push(Site {
        id,
        class: ClassId::new(topology.levels[level].id.as_str()),
        name: name.to_owned(),
        level: LevelIx::new(level),
        parent,
        children: Vec::new(),
        contacts: vec![Contact {
            name: "Cán bộ trực".to_owned(),
            phone: "0209 3870 000".to_owned(),
            email: String::new(),
        }],
        labels: BTreeMap::from([("isp".to_owned(), isp.to_owned())]),
        endpoints: vec![router, codec].into(),
    });
    if let Some(parent) = parent {
        topology.sites[parent.ix()].children.push(ix);
    }
    ix
}

fn add_endpoint(topology: &mut Topology, site: SiteIx, id: &str, checks: &[usize]) -> EndpointIx {
    let ix = EndpointIx::new(topology.endpoints.len());
    let first = topology.targets.len();
    let targets = (first..first + checks.len()).map(TargetIx::new).collect();
    let number = u32::try_from(ix.ix()).expect("few endpoints");
    let address = Ipv4Addr::from_bits(0x0a06_0000 + number);
    topology.endpoints.push(Endpoint {
        id: EndpointId::new(id),
        site,
        host: Host::Ip(IpAddr::V4(address)),
        targets,
    });
    for check in checks {
        topology.targets.push(Target { endpoint: ix, site, check: *check });
    }
    ix
}

fn up() -> Standing {
    Standing { hard: Health::Up, soft: Health::Up, since: Some(ago(60 * 26).into()) }
}

fn good(number: u32) -> Quality {
    let ms = f32::from(u8::try_from(number % 37).unwrap()) / 10.0 + 4.123_456;
    Quality {
        samples: 15,
        loss: 0.0,
        rtt_s: ms / 1e3,
        rtt_p95_s: ms / 0.8e3,
        jitter_s: ms / 1e4,
        r: 92.1 - ms / 10.0,
        mos: 4.38 - ms / 100.0,
        grade: QualityGrade::Good,
    }
}

/// Everything works and no session is near.
pub(crate) fn quiet(sites: usize) -> Snapshot {
    quiet_in(topology(sites))
}

/// Everything works in this province.
pub(crate) fn quiet_in(topology: Topology) -> Snapshot {
    let certificate = Certificate {
        not_before: ago(60 * 24 * 300),
        not_after: now().wall + SignedDuration::from_hours(24 * 65),
        subject: "CN=codec".to_owned(),
        self_signed: true,
    };
    let targets = topology.targets.iter().zip(0_u32..).map(|(target, number)| {
        let kind = topology.checks[target.check].kind.word();
        let icmp = kind == "icmp";
        TargetView {
            standing: up(),
            seen_up: true,
            probes: 86_400 + number,
            failures: number % 11,
            local_failures: 0,
            sent: if icmp { 86_400 + number } else { 0 },
            lost: if icmp { number % 11 } else { 0 },
            rtt: Some(Duration::from_nanos(4_123_456 + u64::from(number % 97) * 54_321).into()),
            last: Some(now().wall.into()),
            service: match kind {
                "sip" => Some(ServiceView { status: Some(200), ..ServiceView::default() }),
                "http" => Some(ServiceView {
                    certificate: Some(Arc::new(certificate.clone())),
                    status: Some(401),
                    clock_offset_s: Some(i64::from(number % 3) - 1),
                }),
                _ => None,
            }
            .map(Arc::new),
            ttl: icmp.then_some(61),
            tos: (icmp && number % 40 == 0).then_some(0x48),
            ..TargetView::default()
        }
    });
    let endpoints = (0_u32..)
        .take(topology.endpoints.len())
        .map(|number| EndpointView { standing: up(), quality: Some(good(number)) });
    let sites = topology.sites.iter().map(|_| SiteView { standing: up(), ..SiteView::default() });
    Snapshot {
        taken: now(),
        targets: targets.collect(),
        endpoints: endpoints.collect(),
        sites: Arc::new(sites.collect()),
        topology: Arc::new(topology),
        generation: 1,
        incidents: Vec::new(),
        sessions: Vec::new(),
        readiness: Vec::new(),
        confirmations: Vec::new(),
        silences: Vec::new(),
        maintenance: Vec::new(),
        duty: vec![duty()],
        monitor: MonitorView {
            drill: Some((ago(60), true)),
            held_back: vec![(ChannelId::new("duty"), 2)],
            engine: EngineHealth { name: "kernel", sees_all: true, ..EngineHealth::default() },
            ..MonitorView::default()
        },
    }
}

/// A session of the whole province is on. The line to Chợ Đồn is cut, a codec in Ba Bể hangs, the
/// line to Na Rì is poor, one commune has never been reached, and another session comes.
pub(crate) fn troubled(sites: usize) -> Snapshot {
    let mut snapshot = quiet(sites);
    let topology = Arc::clone(&snapshot.topology);
    let find = |id: &str| topology.find_site(&SiteId::new(id)).expect("a site of the province");

    let cut = topology.subtree(find("cho-don"));
    for site in &cut {
        fail_site(&mut snapshot, *site, 4);
    }
    let codec = topology.site(find("nam-mau")).endpoints[1];
    fail_endpoint(&mut snapshot, codec, 11);
    set(&mut site_mut(&mut snapshot, find("nam-mau")).standing, Health::Down, ago(11));
    let poor = find("na-ri");
    let line = topology.site(poor).endpoints[0];
    let quality = Quality { loss: 0.042, grade: QualityGrade::Fair, mos: 3.4, ..good(9) };
    snapshot.endpoints[line.ix()].quality = Some(quality);
    set(&mut site_mut(&mut snapshot, poor).standing, Health::Degraded, ago(23));
    let unseen = find("co-linh");
    site_mut(&mut snapshot, unseen).standing = Standing::default();
    for endpoint in &topology.site(unseen).endpoints {
        snapshot.endpoints[endpoint.ix()] = EndpointView::default();
        for target in &topology.endpoint(*endpoint).targets {
            snapshot.targets[target.ix()] = TargetView {
                local_failures: 3,
                last: Some(now().wall.into()),
                ..TargetView::default()
            };
        }
    }
    site_mut(&mut snapshot, find("tan-son")).in_maintenance = true;
    site_mut(&mut snapshot, find("y-te")).silenced = true;

    snapshot.incidents = vec![
        Arc::new(uplink(&topology, &cut)),
        Arc::new(Incident {
            endpoint: Some(EndpointId::new("codec")),
            ack: Some(Ack {
                by: "Hà".to_owned(),
                at: ago(9),
                note: "đang gọi xã".to_owned(),
                until: None,
            }),
            ..incident("nam-mau-1", Cause::Device, "nam-mau", 11, Severity::Critical)
        }),
        Arc::new(Incident {
            endpoint: Some(EndpointId::new("router")),
            ..incident("na-ri-1", Cause::Quality, "na-ri", 23, Severity::Warning)
        }),
        // Explained by the cut line until that is mended.
        Arc::new(Incident {
            absorbed_by: Some(IncidentId::new("cho-don-1")),
            ..incident("tan-lap-1", Cause::Access, "tan-lap", 4, Severity::Critical)
        }),
        Arc::new(Incident {
            resolved: Some(ago(31)),
            resolution: Some(Resolution::Recovered),
            ..incident("cao-ky-1", Cause::Access, "cao-ky", 44, Severity::Critical)
        }),
    ];
    sessions(&mut snapshot);
    snapshot
}

fn sessions(snapshot: &mut Snapshot) {
    let topology = Arc::clone(&snapshot.topology);
    let session = Session {
        id: SessionId::new("2023-11-24-ubnd"),
        title: "Phiên họp UBND tỉnh tháng 11".to_owned(),
        start: ago(12),
        end: ago(-138),
        importance: Importance::High,
        sites: topology.site_ixs().map(|site| (site, 53)).collect(),
    };
    let mut sites = [0; 4];
    let mut delegates = [0; 4];
    for view in Arc::make_mut(&mut snapshot.sites) {
        view.phase = Phase::Live;
        view.session = Some(session.id.clone());
        view.delegates = 53;
        sites[view.standing.hard as usize] += 1;
        delegates[view.standing.hard as usize] += 53;
    }
    let next = Session {
        id: SessionId::new("2023-11-24-giao-ban"),
        title: "Giao ban trực tuyến về phòng, chống dịch".to_owned(),
        start: ago(-378),
        end: ago(-468),
        importance: Importance::Normal,
        sites: topology.site_ixs().take(60).map(|site| (site, 12)).collect(),
    };
    let unknown = u32::try_from(next.sites.len()).expect("few sites");
    snapshot.sessions = vec![
        SessionView {
            session: Arc::new(session),
            phase: Phase::Live,
            sites,
            delegates,
            seconds_lost: 21 * 240 + 660,
        },
        SessionView {
            delegates: [next.delegates(), 0, 0, 0],
            session: Arc::new(next),
            phase: Phase::Idle,
            sites: [unknown, 0, 0, 0],
            seconds_lost: 0,
        },
    ];
    look_ahead(snapshot);
}

/// Both sessions were looked at: one site is dead, one at risk, one seen and heard.
fn look_ahead(snapshot: &mut Snapshot) {
    let [on, next] = [0, 1].map(|at| Arc::clone(&snapshot.sessions[at].session));
    snapshot.readiness = [&on, &next].map(|it| Arc::new(readiness(snapshot, it))).to_vec();
    snapshot.confirmations = vec![Confirmation {
        session: next.id.clone(),
        site: snapshot.topology.sites[0].id.clone(),
        picture: true,
        sound: true,
        by: "Nguyễn Thị Hà".to_owned(),
        at: ago(4),
        note: String::new(),
    }];
}

/// A readiness run of a session.
pub(crate) fn readiness(snapshot: &Snapshot, session: &Session) -> ReadinessRun {
    let finding = |verdict, found| Finding { verdict, endpoint: None, check: None, found };
    let sites = session.sites.iter().enumerate().map(|(n, (ix, delegates))| {
        let site = snapshot.topology.site(*ix);
        let silent = Found::Silent(Failure::Remote(RemoteFailure::Timeout));
        let findings = match n {
            1 => vec![finding(Verdict::NotReady, silent)],
            2 => vec![finding(Verdict::AtRisk, Found::Clock { offset_s: 300 })],
            _ => Vec::new(),
        };
        SiteReadiness {
            work: None,
            site: site.id.clone(),
            name: site.name.clone(),
            delegates: *delegates,
            verdict: findings.first().map_or(Verdict::Ready, |it| it.verdict),
            train: (n != 1).then_some(TrainFigures {
                sent: 250,
                lost: 0,
                rtt_us: Some(8_100),
                jitter_us: Some(400),
            }),
            mtu: (n != 1).then_some(1500),
            contacts: if findings.is_empty() { Vec::new() } else { site.contacts.clone() },
            findings,
            checked: ago(5),
        }
    });
    ReadinessRun {
        session: session.id.clone(),
        title: session.title.clone(),
        start: session.start,
        end: session.end,
        lead_s: Some(3600 * 24),
        began: ago(6),
        finished: ago(5),
        own_clock_off_s: None,
        sites: sites.collect(),
        told: Vec::new(),
        said: Vec::new(),
    }
}

/// Who is on duty.
fn duty() -> DutyView {
    let person = |id: &str, name: &str| OnDuty {
        id: PersonId::new(id),
        name: name.to_owned(),
        phone: "0912 345 678".to_owned(),
        channels: vec![ChannelId::new("zalo")],
    };
    let change = now().wall + SignedDuration::from_hours(12);
    DutyView {
        rota: RotaId::new("truc-tinh"),
        now: vec![person("ha", "Đàm Thị Hà"), person("tu", "Lý A Tú")],
        until: Some(change),
        next: vec![person("binh", "Nông Văn Bình")],
        next_from: Some(change),
        handed: None,
        gone: Vec::new(),
    }
}

/// That somebody stands in tonight.
pub(crate) fn handed() -> HandOver {
    HandOver {
        rota: RotaId::new("truc-tinh"),
        people: vec![PersonId::new("tu")],
        until: now().wall + SignedDuration::from_hours(8),
        by: "Hà".to_owned(),
        at: now().wall,
        reason: "bị ốm".to_owned(),
        relieved: Vec::new(),
    }
}

/// No site at all.
pub(crate) fn empty() -> Snapshot {
    Snapshot {
        topology: Arc::default(),
        targets: Vec::new(),
        endpoints: Vec::new(),
        sites: Arc::default(),
        ..quiet(2)
    }
}

/// A channel whose receiver has been gone for a minute.
pub(crate) fn channel() -> ChannelStatus {
    ChannelStatus {
        id: ChannelId::new("webhook"),
        kind: "webhook".to_owned(),
        fallback: None,
        queued: 2,
        delivered: 41,
        failed: 1,
        retried: 7,
        withdrawn: 3,
        fallen_back: 2,
        oldest: Some(ago(1)),
        untold: Some(ago(1)),
        failing_since: Some(ago(1)),
        failing_from: None,
        last_error: Some("connection refused".to_owned()),
        last_delivered: Some(ago(2)),
        drills: Vec::new(),
        refused: 0,
        refusing: Vec::new(),
    }
}

/// A channel that works, but for one of its recipients.
pub(crate) fn channel_that_one_refuses() -> ChannelStatus {
    let refusing = Refusing {
        recipient: "2".to_owned(),
        since: ago(3),
        reason: "eSMS answers 108 (the phone number is not valid): x".to_owned(),
    };
    let idle = ChannelStatus::idle(ChannelId::new("sms"), "sms");
    ChannelStatus { refused: 4, refusing: vec![refusing], ..idle }
}

/// A silence of Chợ Đồn that is in force.
pub(crate) fn silence(id: &str) -> Silence {
    Silence {
        id: SilenceId::new(id),
        site: Some(SiteId::new("cho-don")),
        from: ago(10),
        until: ago(-120),
        by: "Hà".to_owned(),
        reason: "kéo cáp".to_owned(),
    }
}

fn set(standing: &mut Standing, health: Health, since: Timestamp) {
    *standing = Standing { hard: health, soft: health, since: Some(since.into()) };
}

fn fail_endpoint(snapshot: &mut Snapshot, endpoint: EndpointIx, minutes: i64) {
    let topology = Arc::clone(&snapshot.topology);
    let view = &mut snapshot.endpoints[endpoint.ix()];
    set(&mut view.standing, Health::Down, ago(minutes));
    view.quality = None;
    for target in &topology.endpoint(endpoint).targets {
        let view = &mut snapshot.targets[target.ix()];
        set(&mut view.standing, Health::Down, ago(minutes));
        view.failing = true;
        let unreachable = IcmpError {
            kind: Unreachable::Host,
            icmp_type: 3,
            icmp_code: 1,
            offender: Some(IpAddr::V4(Ipv4Addr::new(10, 6, 0, 1))),
        };
        let failure = Failure::Remote(RemoteFailure::Unreachable(unreachable));
        view.last_failure = Some(Arc::new((now().wall, failure)));
    }
}

/// What people see of a site.
pub(crate) fn site_mut(snapshot: &mut Snapshot, site: SiteIx) -> &mut SiteView {
    &mut Arc::make_mut(&mut snapshot.sites)[site.ix()]
}

fn fail_site(snapshot: &mut Snapshot, site: SiteIx, minutes: i64) {
    let topology = Arc::clone(&snapshot.topology);
    for endpoint in &topology.site(site).endpoints {
        fail_endpoint(snapshot, *endpoint, minutes);
    }
    set(&mut site_mut(snapshot, site).standing, Health::Down, ago(minutes));
    site_mut(snapshot, site).incident = Some(IncidentId::new("cho-don-1"));
}

fn incident(id: &str, cause: Cause, site: &str, minutes: i64, severity: Severity) -> Incident {
    Incident {
        site: Some(SiteId::new(site)),
        severity,
        affected: vec![Affected {
            site: SiteId::new(site),
            since: ago(minutes),
            until: None,
            passed_on: false,
        }],
        of: 1,
        delegates: 53,
        session: Some(SessionId::new("2023-11-24-ubnd")),
        waiting_since: Some(now().wall),
        told: vec![Told {
            nth: 1,
            site: None,
            common: None,
            last_for_now: false,
            given_up: None,
            channel: ChannelId::new("zalo"),
            kind: NotificationKind::Escalation,
            at: now().wall,
            severity: Severity::Critical,
            cause: Cause::Access,
            affected: 1,
            people: vec!["Đàm Thị Hà".to_owned()],
            on_duty: true,
            step: 1,
        }],
        ..Incident::blank(IncidentId::new(id), cause, ago(minutes))
    }
}

fn uplink(topology: &Topology, cut: &[SiteIx]) -> Incident {
    let affected = cut.iter().map(|site| Affected {
        site: topology.site(*site).id.clone(),
        since: ago(4),
        until: None,
        passed_on: false,
    });
    let count = u32::try_from(cut.len()).expect("few sites");
    let router = topology.endpoint(topology.site(cut[0]).endpoints[0]);
    Incident {
        affected: affected.collect(),
        of: count,
        delegates: count * 53,
        evidence: vec![Evidence {
            target: topology.target_key(router.targets[0]),
            at: ago(4),
            saw: Saw::Failed(Failure::Remote(RemoteFailure::Timeout)),
        }],
        ..incident("cho-don-1", Cause::Uplink, "cho-don", 4, Severity::Critical)
    }
}

/// Planned work at Chợ Đồn that goes on.
pub(crate) fn maintenance(id: &str) -> Maintenance {
    let Silence { from, until, by, reason, .. } = silence(id);
    let sites = vec![SiteId::new("cho-don")];
    Maintenance { id: SilenceId::new(id), sites, from, until, by, reason }
}
