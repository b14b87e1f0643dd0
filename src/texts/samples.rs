//! Messages about every cause from beginning to end, with everything that one can say and with as
//! little as one can, to judge templates by before they are needed.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Item, Letter, test_letter};
use crate::model::{
    Ack, Affected, Cause, ChannelId, CheckId, Contact, EndpointId, Evidence, Failure, Finding,
    Found, IncidentId, Notification, NotificationId, NotificationKind, Phase, ReadinessNotice,
    ReadinessRun, RemoteFailure, Saw, SessionId, Severity, SiteId, SiteReadiness, TargetKey,
    Verdict,
};

/// What is told of one incident one after the other: first that it is on, last that it is over.
pub(super) const STAGES: [NotificationKind; 5] = {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved, Update};
    [Firing, Update, Reminder, Escalation, Resolved]
};

/// Every cause, kind after kind: first with everything, then with nothing.
pub(super) fn all() -> Vec<Item> {
    let mut all = Vec::new();
    for full in [true, false] {
        for cause in Cause::ALL {
            for kind in STAGES {
                let notification = Arc::new(sample(cause, kind, full));
                all.push(Item::new(kind, notification));
            }
        }
    }
    all
}

/// Letters of every shape that a channel hands over: each of these alone, and several together.
pub(super) fn letters() -> Vec<Letter> {
    let alone = all().into_iter().chain(runs()).map(|item| letter(vec![item]));
    alone.chain(digests()).collect()
}

/// Several incidents of each kind, and of all kinds.
pub(super) fn digests() -> Vec<Letter> {
    let mut digests = Vec::new();
    for full in [true, false] {
        let several = |kinds: &[NotificationKind]| {
            let items = Cause::ALL.into_iter().zip(kinds.iter().cycle()).map(|(cause, kind)| {
                let notification = Arc::new(sample(cause, *kind, full));
                Item::new(*kind, notification)
            });
            letter(items.collect())
        };
        digests.extend(STAGES.map(|kind| several(&[kind])));
        digests.push(several(&STAGES));
    }
    digests
}

/// What readiness runs find: a site that is not ready, with everything and with nothing that one
/// can say, and that all are ready.
pub(super) fn runs() -> Vec<Item> {
    let run = |found: Option<bool>| {
        let kind =
            if found.is_some() { NotificationKind::Firing } else { NotificationKind::Resolved };
        let mut it = sample(Cause::Access, kind, true);
        let start = it.alert.session_start.unwrap_or_default();
        let site = |full: bool| SiteReadiness {
            work: None,
            site: SiteId::new("tan-lap"),
            name: "Xã Tân Lập".to_owned(),
            delegates: 42,
            verdict: Verdict::NotReady,
            findings: if full {
                vec![Finding {
                    verdict: Verdict::NotReady,
                    endpoint: None,
                    check: None,
                    found: Found::Silent(Failure::Remote(RemoteFailure::Timeout)),
                }]
            } else {
                Vec::new()
            },
            train: None,
            mtu: None,
            contacts: if full { it.alert.contacts.clone() } else { Vec::new() },
            checked: it.created,
        };
        let run = ReadinessRun {
            session: SessionId::new("giao-ban"),
            title: "Giao ban trực tuyến".to_owned(),
            start,
            end: start,
            lead_s: Some(1_800),
            began: it.created,
            finished: it.created,
            own_clock_off_s: None,
            sites: found.map(site).into_iter().collect(),
            told: Vec::new(),
            said: Vec::new(),
        };
        let not_ready = u32::from(found.is_some());
        let counts = [204 - not_ready, 0, 0, not_ready];
        it.alert.readiness = Some(Box::new(ReadinessNotice { counts, run }));
        Item::new(kind, Arc::new(it))
    };
    [Some(true), Some(false), None].map(run).into()
}

fn letter(items: Vec<Item>) -> Letter {
    let id = NotificationId::new("sample");
    let created = items.iter().map(|item| item.notification.created).max().unwrap_or_default();
    Letter { id, channel: ChannelId::new("duty"), created, items, test: false }
}

fn sample(cause: Cause, kind: NotificationKind, full: bool) -> Notification {
    let began = Timestamp::from_second(1_770_079_322).unwrap_or_default();
    let after =
        |seconds| began.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(began);
    let letter = test_letter(&ChannelId::new("duty"), kind, after(12));
    let mut it = Notification::clone(&letter.items[0].notification);
    let alert = &mut it.alert;
    let site = SiteId::new("tan-lap");
    alert.incident.id = IncidentId::new(format!("tan-lap.{}.20260203T004202Z", cause.word()));
    alert.incident.cause = cause;
    alert.incident.severity = Severity::Critical;
    alert.incident.began = began;
    alert.incident.resolved = (kind == NotificationKind::Resolved).then(|| after(600));
    if cause != Cause::Monitor {
        alert.incident.site = Some(site.clone());
        alert.site_name = "Xã Tân Lập".to_owned();
        alert.level = "commune".to_owned();
        alert.level_name = "Xã".to_owned();
        let affected = Affected { site: site.clone(), since: began, until: None, passed_on: false };
        alert.incident.affected = vec![affected];
        alert.names.insert(site.clone(), "Xã Tân Lập".to_owned());
    }
    if matches!(
        cause,
        Cause::Device | Cause::Service | Cause::Quality | Cause::Certificate | Cause::Clock
    ) {
        alert.incident.endpoint = Some(EndpointId::new("codec"));
        alert.incident.check = Some(CheckId::new("sip"));
    }
    if full {
        alert.parent = "cho-don".to_owned();
        alert.parent_name = "Huyện Chợ Đồn".to_owned();
        alert.phase = Phase::Readiness;
        alert.incident.session = Some(SessionId::new("giao-ban"));
        alert.session_title = Some("Giao ban trực tuyến".to_owned());
        alert.session_start = Some(after(1_080));
        alert.incident.delegates = 42;
        alert.contacts = vec![Contact {
            name: "Trực kỹ thuật xã".to_owned(),
            phone: "0209 000 0169".to_owned(),
            email: String::new(),
        }];
        alert.incident.evidence = vec![Evidence {
            target: TargetKey {
                site,
                endpoint: Some(EndpointId::new("router")),
                check: Some(CheckId::new("ping")),
            },
            at: began,
            saw: Saw::Failed(Failure::Remote(RemoteFailure::Timeout)),
        }];
        alert.incident.ack = Some(Ack {
            by: "Nguyễn Thị Hà".to_owned(),
            at: after(60),
            note: "đang gọi xã".to_owned(),
            until: None,
        });
    }
    it
}
