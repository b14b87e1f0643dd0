//! Sessions, the calendar, and changes of it.

use serde_json::{Value, json};

use super::{a, array, count, flag, maybe, object, text, time, whole, words};

pub(super) fn session() -> Value {
    object(&[
        ("id", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("importance", words(&["low", "normal", "high"])),
        ("phase", a("Phase")),
        ("expected_sites", count()),
        ("expected_delegates", count()),
        ("sites", a("ByHealth")),
        ("delegates", a("ByHealth")),
        ("lost_seconds", count()),
    ])
}

/// What a change of a session may say; `true` where it has to be said.
fn change_fields(of_request: bool) -> Vec<(&'static str, Value)> {
    let field = |asked: &'static str, kept: &'static str| if of_request { asked } else { kept };
    vec![
        (field("id?", "id"), text()),
        ("title?", text()),
        ("start?", time()),
        ("end?", time()),
        ("importance?", words(&["low", "normal", "high"])),
        (field("cancelled?", "cancelled"), flag()),
        (field("all?", "all"), flag()),
        (field("add?", "add"), array(&text())),
        (field("drop?", "drop"), array(&text())),
        (field("delegates?", "delegates"), figures()),
        ("by", text()),
    ]
}

pub(super) fn session_request() -> Value {
    object(&change_fields(true))
}

pub(super) fn session_change() -> Value {
    let mut fields = change_fields(false);
    fields.push(("at", time()));
    object(&fields)
}

/// Delegates by site.
fn figures() -> Value {
    json!({ "type": "object", "additionalProperties": count() })
}

pub(super) fn calendar() -> Value {
    object(&[
        ("taken", time()),
        ("sessions", array(&a("ComingSession"))),
        ("calendars", array(&a("CalendarStatus"))),
    ])
}

pub(super) fn coming_session() -> Value {
    object(&[
        ("id", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("importance", words(&["low", "normal", "high"])),
        ("source", text()),
        ("sites", figures()),
    ])
}

pub(super) fn calendar_status() -> Value {
    object(&[
        ("name", text()),
        ("sessions", count()),
        ("last_success", maybe(&time())),
        ("failing_since", maybe(&time())),
        ("last_error", maybe(&text())),
        ("troubles", array(&text())),
    ])
}

pub(super) fn session_detail() -> Value {
    let part = object(&[
        ("site", text()),
        ("name", text()),
        ("delegates", count()),
        ("health", maybe(&a("Health"))),
        ("incident", maybe(&text())),
        ("verdict", maybe(&a("Verdict"))),
        ("confirmation", maybe(&a("Confirmation"))),
    ]);
    object(&[
        ("taken", time()),
        ("id", text()),
        ("title", text()),
        ("start", time()),
        ("end", time()),
        ("importance", words(&["low", "normal", "high"])),
        ("source", maybe(&text())),
        ("when", words(&["coming", "on", "over"])),
        ("starts_in_seconds", whole()),
        ("ends_in_seconds", whole()),
        ("delegates", count()),
        ("now", maybe(&a("Session"))),
        ("sites", array(&part)),
    ])
}
