//! Incidents and what was seen of them.

use serde_json::{Value, json};

use super::{a, array, count, flag, maybe, object, text, time, words};

pub(super) fn incident() -> Value {
    object(&[
        ("id", text()),
        ("cause", a("Cause")),
        ("site", maybe(&text())),
        ("endpoint", maybe(&text())),
        ("check", maybe(&text())),
        ("common", maybe(&a("CommonFactor"))),
        ("began", time()),
        ("opened", time()),
        ("resolved", maybe(&time())),
        ("severity", a("Severity")),
        ("affected", array(&a("Affected"))),
        ("of", count()),
        ("delegates", count()),
        ("session", maybe(&text())),
        ("evidence", array(&a("Evidence"))),
        ("ack", maybe(&a("Ack"))),
        ("waiting_since?", time()),
        ("flapping", flag()),
        ("relapses?", array(&time())),
        ("held_back?", array(&text())),
        ("absorbed_by?", text()),
        ("resolution?", words(&["recovered", "removed"])),
        ("told", array(&a("Told"))),
    ])
}

/// What an observation showed: one of several kinds, named by its only field.
pub(super) fn saw() -> Value {
    let kinds = [
        ("failed", json!({ "description": "why a probe failed, as in last_failure.detail" })),
        ("answered", object(&[("rtt_us", maybe(&count()))])),
        (
            "path",
            object(&[
                ("lost_permille", count()),
                ("samples", count()),
                ("rtt_ms", count()),
                ("jitter_ms", count()),
            ]),
        ),
        ("clock", object(&[("offset_s", json!({ "type": "integer" }))])),
        ("certificate", object(&[("not_before", time()), ("not_after", time())])),
        ("below", object(&[("answer", count()), ("of", count())])),
        ("words", text()),
    ];
    let kinds = kinds.map(|(name, schema)| object(&[(name, schema)]));
    json!({ "anyOf": kinds })
}
