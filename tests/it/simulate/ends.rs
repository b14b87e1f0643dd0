//! What ends say: of a wide incident's sites who came back with the others and who is not back, and
//! of what is shown no longer that it is not known.

use std::sync::Arc;
use std::time::Duration;

use vchealth::lab::scenario::Scenario;
use vchealth::model::{Cause, Detail, Language, NotificationKind, Resolution, SiteId, TargetIx};
use vchealth::texts::{Item, Style, write};

use super::run::Run;
use super::scenarios;

/// What people read of each end of an uplink in a scenario: its first line, and what to do.
fn ends_of(file: &str) -> Vec<(String, String)> {
    let all = scenarios();
    let scenario = all.into_iter().find(|it| it.file == file).expect("the file");
    let (mut run, steps) = Run::of(&scenario);
    run.play(&steps, scenario.lasts);
    let told = run.told.iter().map(|(_, message)| message);
    let ends = told.filter(|it| it.kind == NotificationKind::Resolved);
    let ends = ends.filter(|it| it.alert.incident.cause == Cause::Uplink);
    let read = ends.map(|message| {
        let item = Item::new(message.kind, message.clone().into());
        let style = Style::new(Language::En, jiff::tz::TimeZone::UTC, "");
        let read = write(&item, false, &style);
        (read.summary, read.action)
    });
    read.collect()
}

#[test]
fn an_end_does_not_call_a_site_back_that_something_else_explains_by_now() {
    for (file, back) in [
        ("parent-returns-child-dead.yaml", 5),
        ("parent-returns-child-stays-dead.yaml", 5),
        ("child-dead-before-its-parent.yaml", 5),
    ] {
        let ends = ends_of(file);
        let [(summary, action)] = ends.as_slice() else { panic!("{file}: {ends:?}") };
        let said = format!("with {back} sites behind it; still offline: tan-lap");
        assert!(summary.ends_with(&said), "{file}: {summary}");
        assert!(!action.contains("Nothing more"), "{file}: {action}");
    }
}

#[test]
fn what_a_device_shows_no_longer_is_held_against_it_no_longer() {
    let text = "name: x\nprovince: {tree: {tinh: {huyen: [a, b, c, d], khac: [e, f, g]}}}\n\
                sessions: [{title: x, from: -1m, to: +9h, delegates: 50}]\nreal: false\n\
                lasts: 30m\ntimeline:\n\
                \x20 - {at: 10s, site: a, endpoint: codec, fault: {clock-off: +5m}}\n\
                expect: nothing\n";
    let scenario = Scenario::parse("shown.yaml", text).unwrap();
    let (mut run, steps) = Run::of(&scenario);
    let replaced = run.now.mono + Duration::from_secs(180);
    let topology = Arc::clone(&run.topology);
    let site = topology.find_site(&SiteId::new("a")).unwrap();
    run.tamper = Some(Box::new(move |_, target: TargetIx, now, sight| {
        if topology.target(target).site != site || now.mono < replaced {
            return;
        }
        match sight.result.as_mut().map(|reply| &mut reply.detail) {
            Ok(Detail::Http(http)) => http.clock_offset_s = None,
            Ok(Detail::Sip(sip)) => sip.clock_offset_s = None,
            _ => {}
        }
    }));
    run.play(&steps, scenario.lasts);
    let told: Vec<_> = run.told.iter().map(|(_, it)| (it.kind, &it.alert.incident)).collect();
    let [(NotificationKind::Firing, _), (NotificationKind::Resolved, over)] = told.as_slice()
    else {
        panic!("{told:?}")
    };
    assert_eq!((over.cause, over.resolution), (Cause::Clock, Some(Resolution::Unshown)));
}

#[test]
fn an_end_names_nobody_where_all_are_back_or_only_a_codec_has_hung() {
    for file in ["district-cut.yaml", "district-returns-one-codec-hung.yaml"] {
        let ends = ends_of(file);
        assert!(!ends.is_empty(), "{file}");
        for (summary, action) in ends {
            assert!(!summary.contains("still"), "{file}: {summary}");
            assert!(action.starts_with("Nothing more"), "{file}: {action}");
        }
    }
}
