//! Readiness runs.

use serde_json::{Value, json};

use super::{a, array, between, count, flag, maybe, object, text, time, words};
use crate::model::{FindingKind, Verdict};

pub(super) fn readiness() -> Value {
    let counts: Vec<(&str, Value)> =
        Verdict::ALL.into_iter().map(|verdict| (verdict.word(), count())).collect();
    let mut fields = readiness_run();
    fields.push(("verdict", a("Verdict")));
    fields.push(("counts", object(&counts)));
    fields.push(("confirmations", array(&a("Confirmation"))));
    object(&fields)
}

pub(super) fn readiness_run() -> Vec<(&'static str, Value)> {
    vec![
        ("session", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("lead_s?", count()),
        ("began", time()),
        ("finished", time()),
        ("own_clock_off_s?", json!({ "type": "integer" })),
        ("sites", array(&a("SiteReadiness"))),
        ("told?", array(&a("Told"))),
        ("said?", array(&text())),
    ]
}

pub(super) fn site_readiness() -> Value {
    let train = [
        ("sent", count()),
        ("lost", count()),
        ("rtt_us", maybe(&count())),
        ("jitter_us", maybe(&count())),
    ];
    object(&[
        ("site", text()),
        ("name", text()),
        ("delegates", count()),
        ("verdict", a("Verdict")),
        ("findings?", array(&a("Finding"))),
        ("train?", object(&train)),
        ("mtu?", count()),
        ("contacts?", array(&a("Contact"))),
        ("work?", object(&[("until", time()), ("reason", text())])),
        ("checked", time()),
    ])
}

pub(super) fn finding() -> Value {
    let kinds = FindingKind::ALL.map(|kind| {
        let named = ("kind", words(&[kind.word()]));
        match evidence(kind) {
            Some(evidence) => object(&[named, ("evidence", evidence)]),
            None => object(&[named]),
        }
    });
    object(&[
        ("verdict", a("Verdict")),
        ("endpoint?", text()),
        ("check?", text()),
        ("found", json!({ "anyOf": kinds })),
    ])
}

/// What a finding of a kind was found by; none where there is nothing more to say.
fn evidence(kind: FindingKind) -> Option<Value> {
    let bytes = || between(0, usize::from(u16::MAX));
    let wide = || between(0, u32::MAX as usize);
    Some(match kind {
        FindingKind::Uplink => object(&[("above", text()), ("name", text()), ("answers", flag())]),
        FindingKind::Silent | FindingKind::Device | FindingKind::Service => a("FailureDetail"),
        FindingKind::BlackHole => object(&[("tried", bytes()), ("passes", bytes())]),
        FindingKind::Unsteady => object(&[("silent", bytes()), ("of", bytes())]),
        FindingKind::Loss => object(&[("lost", wide()), ("sent", wide())]),
        FindingKind::Delay => object(&[("rtt_us", wide())]),
        FindingKind::Jitter => object(&[("jitter_us", wide())]),
        FindingKind::Certificate => object(&[("not_before", time()), ("not_after", time())]),
        FindingKind::Clock => object(&[("offset_s", json!({ "type": "integer" }))]),
        FindingKind::SmallMtu => object(&[("tried", bytes()), ("mtu", bytes())]),
        FindingKind::Flapping => object(&[("relapses", wide())]),
        FindingKind::FailedBefore => object(&[("failed", wide()), ("of", wide())]),
        FindingKind::Name | FindingKind::NotAsked => a("LocalFailure"),
        FindingKind::Blind => text(),
        FindingKind::NotWatched => return None,
    })
}

pub(super) fn readiness_runs() -> Value {
    let counts: Vec<(&str, Value)> =
        Verdict::ALL.into_iter().map(|verdict| (verdict.word(), count())).collect();
    let run = object(&[
        ("began", time()),
        ("finished", time()),
        ("lead_s", maybe(&count())),
        ("verdict", a("Verdict")),
        ("counts", object(&counts)),
    ]);
    object(&[
        ("taken", time()),
        ("session", text()),
        ("runs", array(&run)),
        ("confirmations", array(&a("Confirmation"))),
    ])
}
