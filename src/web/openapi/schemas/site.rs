//! Sites with what stands at them.

use serde_json::{Value, json};

use super::{a, array, count, flag, maybe, number, object, text, time, words};

pub(super) fn site_row() -> Vec<(&'static str, Value)> {
    vec![
        ("id", text()),
        ("name", text()),
        ("level", text()),
        ("parent", maybe(&text())),
        ("health", a("Health")),
        ("suspected", a("Health")),
        ("since", maybe(&time())),
        ("phase", a("Phase")),
        ("session", maybe(&text())),
        ("delegates", count()),
        ("incident", maybe(&text())),
        ("in_maintenance", flag()),
        ("silenced", flag()),
    ]
}

pub(super) fn site() -> Value {
    let mut fields = site_row();
    let labels = json!({ "type": "object", "additionalProperties": text() });
    fields.extend([
        ("taken", time()),
        ("contacts", array(&a("Contact"))),
        ("labels", labels),
        ("endpoints", array(&a("Endpoint"))),
    ]);
    object(&fields)
}

pub(super) fn endpoint() -> Value {
    object(&[
        ("id", text()),
        ("address", text()),
        ("health", a("Health")),
        ("suspected", a("Health")),
        ("since", maybe(&time())),
        ("quality", maybe(&a("Quality"))),
        ("targets", array(&a("Target"))),
    ])
}

pub(super) fn quality() -> Value {
    object(&[
        ("samples", count()),
        ("loss", json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        ("rtt_s", number()),
        ("rtt_p95_s", number()),
        ("jitter_s", number()),
        ("r", number()),
        ("mos", number()),
        ("grade", words(&["good", "fair", "poor"])),
    ])
}

pub(super) fn target() -> Value {
    object(&[
        ("check", text()),
        ("kind", text()),
        ("health", a("Health")),
        ("suspected", a("Health")),
        ("seen_up", flag()),
        ("since", maybe(&time())),
        ("last", maybe(&time())),
        ("failing", flag()),
        ("last_failure", maybe(&a("Failure"))),
        ("probes", count()),
        ("failures", count()),
        ("local_failures", count()),
        ("packets_sent", count()),
        ("packets_lost", count()),
        ("rtt_seconds", maybe(&number())),
        ("status", maybe(&count())),
        ("certificate", maybe(&a("Certificate"))),
        ("clock_offset_seconds", maybe(&json!({ "type": "integer" }))),
        ("ttl", maybe(&count())),
        ("tos", maybe(&count())),
    ])
}
