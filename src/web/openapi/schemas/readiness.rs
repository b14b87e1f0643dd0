//! Readiness runs.

use serde_json::{Value, json};

use super::{a, array, count, maybe, object, text, time, words};
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
        ("checked", time()),
    ])
}

pub(super) fn finding() -> Value {
    let found = json!({
        "type": "object",
        "required": ["kind"],
        "properties": { "kind": words(&FindingKind::ALL.map(FindingKind::word)), "evidence": {} },
    });
    object(&[
        ("verdict", a("Verdict")),
        ("endpoint?", text()),
        ("check?", text()),
        ("found", found),
    ])
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
