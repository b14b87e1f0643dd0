//! Whom to phone, by what is at fault.

use std::sync::Arc;

use super::*;
use crate::config::ContactSettings;
use crate::model::{CommonFactor, Durable, PersonId};
use crate::monitor::Monitor;
use crate::monitor::tests::{config, province, start};
use crate::store::tests::{incident, told};

fn listed(name: &str) -> Contact {
    Contact { name: name.to_owned(), phone: "0209 000 0126".to_owned(), email: String::new() }
}

/// A commune by VNPT, of which the provider, the monitor and the commune itself have somebody.
fn watching() -> Monitor {
    let mut topology = province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}");
    let commune = topology.sites.iter_mut().find(|site| site.id.as_str() == "tan-lap").unwrap();
    commune.labels = [("isp".to_owned(), "VNPT".to_owned())].into();
    commune.contacts = vec![listed("Nông Văn Tú")];
    let mut config = config(topology);
    let isp = [("VNPT".to_owned(), vec![listed("Trực mạng VNPT")])].into();
    config.settings.contacts = ContactSettings {
        monitor: vec![listed("Phòng CNTT")],
        labels: [("isp".to_owned(), isp)].into(),
    };
    let person = |id: &str, name: &str, phone: &str| Person {
        id: PersonId::new(id),
        name: name.to_owned(),
        phone: phone.to_owned(),
        channels: Vec::new(),
    };
    config.settings.people = vec![
        person("tu", "Lý A Tú", "0912 345 679"),
        person("ha", "Đàm Thị Hà", ""),
        person("lan-1", "Lan", "0912 000 001"),
        person("lan-2", "Lan", "0912 000 002"),
    ];
    Monitor::new(Arc::new(config), Durable::default(), start())
}

fn names(incident: &Incident) -> Vec<String> {
    let contacts = alert(incident, &watching().picture, start()).contacts;
    contacts.into_iter().map(|contact| contact.name).collect()
}

#[test]
fn the_site_stands_first_and_then_whoever_its_line_hangs_on() {
    let mut it = incident("i1", "tan-lap");
    for (cause, expected) in [
        (Cause::Access, &["Nông Văn Tú", "Trực mạng VNPT"][..]),
        (Cause::Uplink, &["Nông Văn Tú", "Trực mạng VNPT"]),
        (Cause::Device, &["Nông Văn Tú"]),
        (Cause::Service, &["Nông Văn Tú"]),
    ] {
        it.cause = cause;
        assert_eq!(names(&it), expected, "{cause:?}");
    }
    assert!(names(&incident("i1", "bang-lung")).is_empty());
}

#[test]
fn what_sites_share_and_the_monitor_have_contacts_of_their_own() {
    let mut it = incident("i1", "tan-lap");
    it.site = None;
    let shared = |value: &str| CommonFactor {
        label: "isp".to_owned(),
        value: value.to_owned(),
        of_devices: false,
        inside_failing: 6,
        inside: 6,
        outside_failing: 0,
        outside: 50,
    };
    it.common = Some(shared("VNPT"));
    assert_eq!(names(&it), ["Trực mạng VNPT"]);
    it.common = Some(shared("Viettel"));
    assert!(names(&it).is_empty());
    (it.common, it.cause) = (None, Cause::Monitor);
    assert_eq!(names(&it), ["Phòng CNTT"]);
}

#[test]
fn who_was_told_stands_with_a_number_unless_it_may_be_somebody_elses() {
    let mut it = incident("i1", "tan-lap");
    let mut before = told("sms", crate::model::NotificationKind::Firing, start().wall);
    before.people = ["Lý A Tú", "Đàm Thị Hà", "Lan"].map(str::to_owned).into();
    it.told = vec![before];
    let phones = alert(&it, &watching().picture, start()).phones;
    assert_eq!(phones, [("Lý A Tú".to_owned(), "0912 345 679".to_owned())].into());
}

#[test]
fn what_an_incident_was_opened_for_is_kept_whatever_follows() {
    let mut it = incident("i1", "tan-lap");
    it.evidence.clear();
    let seen = |below: u32| Evidence {
        target: TargetKey { site: SiteId::new("cho-don"), endpoint: None, check: None },
        at: start().wall,
        saw: Saw::Below { answer: below, of: 100 },
    };
    let answers = |it: &Incident| -> Vec<u32> {
        let seen = it.evidence.iter();
        seen.filter_map(|it| match it.saw {
            Saw::Below { answer, .. } => Some(answer),
            _ => None,
        })
        .collect()
    };
    for nth in 0..40 {
        add_evidence(&mut it, vec![seen(nth)]);
    }
    let kept: Vec<u32> = (0..6).chain(22..40).collect();
    assert_eq!(answers(&it), kept, "the first six, and the latest");
}
