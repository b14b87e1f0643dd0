//! Messages about every cause from beginning to end, with everything that one can say and with as
//! little as one can, to judge templates by before they are needed.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Item, test_letter};
use crate::model::{
    Ack, Affected, Cause, CheckId, Contact, EndpointId, Evidence, Failure, IncidentId,
    Notification, NotificationKind, Phase, RemoteFailure, Saw, SessionId, Severity, SiteId,
    TargetKey,
};

/// Every cause, kind after kind: first with everything, then with nothing.
pub(super) fn all() -> Vec<Item> {
    use NotificationKind::{Firing, Reminder, Resolved, Update};
    let mut all = Vec::new();
    for full in [true, false] {
        for cause in Cause::ALL {
            for kind in [Firing, Update, Reminder, Resolved] {
                let notification = Arc::new(sample(cause, kind, full));
                all.push(Item { told_as: kind, notification });
            }
        }
    }
    all
}

fn sample(cause: Cause, kind: NotificationKind, full: bool) -> Notification {
    let began = Timestamp::from_second(1_770_079_322).unwrap_or_default();
    let after =
        |seconds| began.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(began);
    let letter = test_letter(&crate::model::ChannelId::new("duty"), kind, after(12));
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
        let affected = Affected { site: site.clone(), since: began, until: None };
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
