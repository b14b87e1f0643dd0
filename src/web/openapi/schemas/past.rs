//! What is looked back on: outcomes, charts, what a site or an incident went through.

use serde_json::{Value, json};

use super::{a, array, count, flag, language, maybe, number, object, text, time, words};
use crate::web::api::timeline as events;

pub(super) fn outcome() -> Vec<(&'static str, Value)> {
    vec![
        ("at", time()),
        ("took_seconds", number()),
        ("trigger", words(&["scheduled", "confirm", "correlate", "demand"])),
        ("address", maybe(&text())),
        ("failure", maybe(&text())),
        ("rtt_seconds", maybe(&number())),
        ("story", array(&text())),
    ]
}

pub(super) fn failed_outcome() -> Value {
    let mut fields = outcome();
    fields.push(("left_out", count()));
    object(&fields)
}

pub(super) fn outcomes() -> Value {
    let target = object(&[
        ("endpoint", text()),
        ("check", text()),
        ("failures", array(&a("FailedOutcome"))),
        ("successes", array(&a("Outcome"))),
    ]);
    object(&[
        ("taken", time()),
        ("site", text()),
        ("language", language()),
        ("targets", array(&target)),
    ])
}

pub(super) fn probed() -> Value {
    let target =
        object(&[("endpoint", text()), ("check", text()), ("outcome", maybe(&a("Outcome")))]);
    object(&[
        ("taken", time()),
        ("site", text()),
        ("language", language()),
        ("targets", array(&target)),
    ])
}

pub(super) fn series() -> Value {
    let point = object(&[
        ("at", time()),
        ("probes", count()),
        ("failed", count()),
        ("loss", maybe(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))),
        ("rtt_seconds", maybe(&a("Span"))),
        ("jitter_seconds", maybe(&a("Span"))),
        ("mos", maybe(&a("Span"))),
    ]);
    let chart = object(&[
        ("endpoint", text()),
        ("check", text()),
        ("now", maybe(&a("Quality"))),
        ("points", array(&point)),
    ]);
    object(&[
        ("taken", time()),
        ("site", text()),
        ("from", time()),
        ("until", time()),
        ("step_seconds", count()),
        ("series", array(&chart)),
    ])
}

pub(super) fn site_history() -> Value {
    let change = object(&[("at", time()), ("health", a("Health")), ("began", maybe(&time()))]);
    object(&[
        ("taken", time()),
        ("site", text()),
        ("from", time()),
        ("until", time()),
        ("health", array(&change)),
        ("incidents", array(&a("Incident"))),
        ("maintenance", array(&a("Maintenance"))),
    ])
}

pub(super) fn timeline() -> Value {
    let event = object(&[
        ("at", time()),
        ("kind", words(&events::kinds())),
        ("text", text()),
        ("channel", maybe(&text())),
        ("state", maybe(&words(&["waiting", "delivered", "failed", "withdrawn"]))),
        ("error", maybe(&text())),
    ]);
    object(&[
        ("taken", time()),
        ("incident", text()),
        ("language", language()),
        ("summary", text()),
        ("description", text()),
        ("action", text()),
        ("contact", text()),
        ("events", array(&event)),
    ])
}

pub(super) fn held() -> Value {
    let session = object(&[
        ("id", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("importance", words(&["low", "normal", "high"])),
        ("closed", flag()),
        ("sites", count()),
        ("delegates", count()),
        ("well", count()),
        ("degraded", count()),
        ("interrupted", count()),
        ("unseen", count()),
        ("delegates_interrupted", count()),
        ("availability", maybe(&json!({ "type": "number", "minimum": 0, "maximum": 1 }))),
        ("lost_seconds", number()),
        ("outages", count()),
    ]);
    object(&[("taken", time()), ("sessions", array(&session)), ("next", maybe(&text()))])
}
