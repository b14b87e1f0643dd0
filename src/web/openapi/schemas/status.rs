//! How the whole does.

use serde_json::Value;

use super::{a, array, count, flag, maybe, number, object, text, time, whole};

pub(super) fn status() -> Value {
    object(&[
        ("version", text()),
        ("time_zone", maybe(&text())),
        ("taken", time()),
        ("generation", count()),
        ("ready", flag()),
        ("not_ready", array(&text())),
        ("blind", flag()),
        ("blind_reasons", array(&text())),
        ("sites", a("ByHealth")),
        ("targets", count()),
        ("incidents", count()),
        ("store", a("Store")),
        ("channels", array(&a("Channel"))),
        ("configuration", a("Configuration")),
        ("engine", a("Engine")),
        ("drill", maybe(&object(&[("began", time()), ("passed", flag())]))),
        (
            "readiness",
            maybe(&object(&[("session", text()), ("finished", time()), ("verdict", a("Verdict"))])),
        ),
        (
            "next_session",
            maybe(&object(&[
                ("id", text()),
                ("title", text()),
                ("start", time()),
                ("starts_in_seconds", whole()),
            ])),
        ),
    ])
}

pub(super) fn configuration() -> Value {
    object(&[
        ("loaded", time()),
        ("refused_since", maybe(&time())),
        ("refused_last", maybe(&time())),
        ("refused_why", maybe(&text())),
        ("waits_for_restart", array(&text())),
    ])
}

pub(super) fn engine() -> Value {
    object(&[
        ("in_flight", count()),
        ("overlaps_avoided", count()),
        ("worst_lateness_seconds", number()),
        ("packets_sent", count()),
        ("packets_received", count()),
    ])
}

pub(super) fn store() -> Value {
    object(&[
        ("trouble", maybe(&text())),
        ("since", maybe(&time())),
        ("waiting_changes", count()),
        ("commits", count()),
        ("failures", count()),
        ("lost_rollups", count()),
        ("last_commit_seconds", number()),
        ("bytes", count()),
    ])
}

pub(super) fn channel() -> Value {
    object(&[
        ("id", text()),
        ("kind", text()),
        ("queued", count()),
        ("delivered", count()),
        ("failed", count()),
        ("retried", count()),
        ("withdrawn", count()),
        ("fallen_back", count()),
        ("oldest", maybe(&time())),
        ("failing_since", maybe(&time())),
        ("last_error", maybe(&text())),
        ("last_delivered", maybe(&time())),
        ("drills", array(&text())),
        ("refused", count()),
        (
            "refusing",
            array(&object(&[("recipient", text()), ("since", time()), ("reason", text())])),
        ),
    ])
}
