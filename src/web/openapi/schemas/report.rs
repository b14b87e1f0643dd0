//! The shape of a report on a session.

use serde_json::{Value, json};

use super::{a, array, count, flag, maybe, number, object, text, time, words};

/// A report.
pub(super) fn report() -> Value {
    object(&[
        (
            "session",
            object(&[
                ("id", text()),
                ("title", text()),
                ("start", time()),
                ("end", time()),
                ("importance", words(&["low", "normal", "high"])),
            ]),
        ),
        ("until", time()),
        ("as_of", time()),
        ("language", words(&["vi", "en"])),
        ("summary", text()),
        ("totals", a("ReportTotals")),
        ("sites", array(&a("ReportSite"))),
        ("incidents", array(&a("ReportIncident"))),
        (
            "groups",
            array(&object(&[
                ("name", text()),
                ("sites", array(&text())),
                ("interrupted", count()),
                ("lost_s", number()),
                ("counted_s", number()),
                ("availability", maybe(&share())),
            ])),
        ),
        (
            "course",
            array(&object(&[
                ("at", time()),
                ("down", count()),
                ("degraded", count()),
                ("unseen", count()),
            ])),
        ),
        (
            "earlier",
            array(&object(&[
                ("session", text()),
                ("title", text()),
                ("start", time()),
                ("totals", a("ReportTotals")),
                ("incidents", count()),
            ])),
        ),
        (
            "excluded",
            array(&object(&[
                ("why", words(&["unwatched", "unseen", "planned", "joined-late", "left-early"])),
                ("says", text()),
                ("sites", array(&text())),
                ("from", time()),
                ("until", time()),
                ("lasted_s", number()),
            ])),
        ),
    ])
}

/// Figures of all sites together.
pub(super) fn totals() -> Value {
    object(&[
        ("sites", count()),
        ("delegates", count()),
        ("well", count()),
        ("degraded", count()),
        ("interrupted", count()),
        ("unseen", count()),
        ("delegates_interrupted", count()),
        ("availability", maybe(&share())),
        ("lost_s", number()),
        ("counted_s", number()),
        ("outages", count()),
    ])
}

/// What a session was like for one site.
pub(super) fn site() -> Value {
    object(&[
        ("site", text()),
        ("name", text()),
        ("level", text()),
        ("group", maybe(&text())),
        ("delegates", count()),
        ("joined", maybe(&time())),
        ("left", maybe(&time())),
        ("availability", maybe(&share())),
        ("lost_s", number()),
        ("counted_s", number()),
        (
            "time",
            object(&[
                ("up_s", number()),
                ("degraded_s", number()),
                ("down_s", number()),
                ("unseen_s", number()),
                ("unwatched_s", number()),
                ("planned_s", number()),
                ("absent_s", number()),
            ]),
        ),
        ("outages", array(&object(&[("from", time()), ("until", time()), ("lasted_s", number())]))),
        ("path", maybe(&a("ReportPath"))),
        ("earlier", object(&[("interrupted", count()), ("of", count())])),
    ])
}

/// What was measured on the path to a site.
pub(super) fn path() -> Value {
    let pair = |bad: &str| maybe(&object(&[("p50", number()), (bad, number())]));
    object(&[
        ("packets_sent", count()),
        ("packets_lost", count()),
        ("packets_lost_while_down", count()),
        ("loss", maybe(&share())),
        ("rtt_ms", pair("p95")),
        ("jitter_ms", pair("p95")),
        ("loss_percent", pair("p95")),
        ("mos", pair("p5")),
    ])
}

/// An incident as it concerned the session.
pub(super) fn incident() -> Value {
    object(&[
        ("id", text()),
        ("cause", a("Cause")),
        ("severity", a("Severity")),
        ("what", text()),
        ("likely", text()),
        ("site", maybe(&text())),
        ("endpoint", maybe(&text())),
        ("check", maybe(&text())),
        ("began", time()),
        ("opened", time()),
        ("ended", maybe(&time())),
        ("detected_after_s", number()),
        ("acked_after_s", maybe(&number())),
        ("acked_by", maybe(&text())),
        ("repaired_after_s", maybe(&number())),
        ("flapping", flag()),
        ("relapses", count()),
        ("sites", array(&text())),
        ("delegates", count()),
        ("lost_s", number()),
        ("planned", flag()),
    ])
}

fn share() -> Value {
    json!({ "type": "number", "minimum": 0, "maximum": 1 })
}
