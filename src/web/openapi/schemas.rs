//! The shapes of requests and answers, as JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1).
//!
//! An object lists all its fields and admits no others. Fields of requests that may be left out
//! end in `?`; answers always have all of theirs, except where a record is stored as it stands.

mod report;

use serde_json::{Map, Value, json};

use super::super::api::timeline;
use crate::model::{Cause, FindingKind, Health, NotificationKind, Phase, Severity, Verdict};

/// All schemas by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (name, schema) in [
        ("Problem", object(&[("error", text())])),
        ("Document", json!({ "type": "object", "required": ["openapi", "paths"] })),
        ("Health", words(&Health::ALL.map(Health::word))),
        ("Phase", words(&Phase::ALL.map(Phase::word))),
        ("Cause", words(&Cause::ALL.map(Cause::word))),
        ("Severity", words(&Severity::ALL.map(Severity::word))),
        (
            "ByHealth",
            object(&[
                ("up", count()),
                ("degraded", count()),
                ("down", count()),
                ("unknown", count()),
            ]),
        ),
        ("Status", status()),
        ("Store", store()),
        ("Channel", channel()),
        ("Configuration", configuration()),
        ("Engine", engine()),
        ("Sites", page("sites", "SiteRow")),
        ("SiteRow", object(&site_row())),
        ("Site", site()),
        ("Contact", object(&[("name", text()), ("phone?", text()), ("email?", text())])),
        ("Endpoint", endpoint()),
        ("Quality", quality()),
        ("Target", target()),
        ("Failure", object(&[("at", time()), ("reason", text()), ("detail", json!({}))])),
        (
            "Certificate",
            object(&[
                ("not_before", time()),
                ("not_after", time()),
                ("subject", text()),
                ("self_signed", flag()),
            ]),
        ),
        ("Outcomes", outcomes()),
        ("Outcome", object(&outcome())),
        ("FailedOutcome", failed_outcome()),
        ("Probed", probed()),
        ("Series", series()),
        ("Span", object(&[("min", number()), ("median", number()), ("max", number())])),
        ("SiteHistory", site_history()),
        ("Timeline", timeline()),
        ("SessionDetail", session_detail()),
        ("Held", held()),
        ("ReadinessRuns", readiness_runs()),
        ("Incidents", page("incidents", "Incident")),
        ("Incident", incident()),
        ("Affected", object(&[("site", text()), ("since", time()), ("until?", time())])),
        ("Evidence", object(&[("target", a("TargetKey")), ("at", time()), ("saw", a("Saw"))])),
        ("Saw", saw()),
        ("TargetKey", object(&[("site", text()), ("endpoint?", text()), ("check?", text())])),
        (
            "Told",
            object(&[
                ("channel", text()),
                ("kind", words(&NotificationKind::ALL.map(NotificationKind::word))),
                ("at", time()),
                ("severity", a("Severity")),
                ("affected", count()),
                ("people?", array(&text())),
                ("on_duty?", flag()),
                ("step?", count()),
                ("nth?", count()),
            ]),
        ),
        ("OnCall", list("rotas", "Rota")),
        (
            "Rota",
            object(&[
                ("rota", text()),
                ("now", array(&a("Person"))),
                ("until", maybe(&time())),
                ("next", array(&a("Person"))),
                ("next_from", maybe(&time())),
            ]),
        ),
        (
            "Person",
            object(&[
                ("id", text()),
                ("name", text()),
                ("phone", text()),
                ("channels", array(&text())),
            ]),
        ),
        (
            "CommonFactor",
            object(&[
                ("label", text()),
                ("value", text()),
                ("inside_failing", count()),
                ("inside", count()),
                ("outside_failing", count()),
                ("outside", count()),
            ]),
        ),
        ("AckRequest", object(&[("by?", person()), ("note?", note()), ("until?", maybe(&time()))])),
        ("Ack", object(&[("by", text()), ("at", time()), ("note?", text()), ("until?", time())])),
        ("Sessions", list("sessions", "Session")),
        ("Session", session()),
        ("SessionRequest", session_request()),
        ("SessionChange", session_change()),
        ("Calendar", calendar()),
        ("ComingSession", coming_session()),
        ("CalendarStatus", calendar_status()),
        ("Report", report::report()),
        ("ReportTotals", report::totals()),
        ("ReportSite", report::site()),
        ("ReportPath", report::path()),
        ("ReportIncident", report::incident()),
        ("Verdict", words(&Verdict::ALL.map(Verdict::word))),
        ("Readiness", readiness()),
        ("ReadinessRun", object(&readiness_run())),
        ("SiteReadiness", site_readiness()),
        ("Finding", finding()),
        (
            "ConfirmationRequest",
            object(&[
                ("site", text()),
                ("picture", flag()),
                ("sound", flag()),
                ("by?", person()),
                ("note?", note()),
            ]),
        ),
        (
            "Confirmation",
            object(&[
                ("session", text()),
                ("site", text()),
                ("picture", flag()),
                ("sound", flag()),
                ("by", text()),
                ("at", time()),
                ("note?", text()),
            ]),
        ),
        ("Silences", list("silences", "Silence")),
        (
            "SilenceRequest",
            object(&[
                ("site?", maybe(&text())),
                ("from?", maybe(&time())),
                ("until", time()),
                ("by?", person()),
                ("reason?", note()),
            ]),
        ),
        (
            "Silence",
            object(&[
                ("id", text()),
                ("site", maybe(&text())),
                ("from", time()),
                ("until", time()),
                ("by", text()),
                ("reason", text()),
            ]),
        ),
        ("MaintenanceWindows", list("maintenance", "Maintenance")),
        (
            "MaintenanceRequest",
            object(&[
                ("sites", array(&text())),
                ("from?", maybe(&time())),
                ("until", time()),
                ("by?", person()),
                ("reason", note()),
            ]),
        ),
        (
            "Maintenance",
            object(&[
                ("id", text()),
                ("sites", array(&text())),
                ("from", time()),
                ("until", time()),
                ("by", text()),
                ("reason", text()),
            ]),
        ),
    ] {
        all.insert(name.to_owned(), schema);
    }
    Value::Object(all)
}

fn readiness() -> Value {
    let counts: Vec<(&str, Value)> =
        Verdict::ALL.into_iter().map(|verdict| (verdict.word(), count())).collect();
    let mut fields = readiness_run();
    fields.push(("verdict", a("Verdict")));
    fields.push(("counts", object(&counts)));
    fields.push(("confirmations", array(&a("Confirmation"))));
    object(&fields)
}

fn readiness_run() -> Vec<(&'static str, Value)> {
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

fn site_readiness() -> Value {
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

fn finding() -> Value {
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

fn status() -> Value {
    object(&[
        ("version", text()),
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

fn configuration() -> Value {
    object(&[
        ("loaded", time()),
        ("refused_since", maybe(&time())),
        ("refused_last", maybe(&time())),
        ("refused_why", maybe(&text())),
        ("waits_for_restart", array(&text())),
    ])
}

fn engine() -> Value {
    object(&[
        ("in_flight", count()),
        ("overlaps_avoided", count()),
        ("worst_lateness_seconds", number()),
        ("packets_sent", count()),
        ("packets_received", count()),
    ])
}

fn outcome() -> Vec<(&'static str, Value)> {
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

fn failed_outcome() -> Value {
    let mut fields = outcome();
    fields.push(("left_out", count()));
    object(&fields)
}

fn outcomes() -> Value {
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

fn probed() -> Value {
    let target =
        object(&[("endpoint", text()), ("check", text()), ("outcome", maybe(&a("Outcome")))]);
    object(&[
        ("taken", time()),
        ("site", text()),
        ("language", language()),
        ("targets", array(&target)),
    ])
}

fn series() -> Value {
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

fn site_history() -> Value {
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

fn timeline() -> Value {
    let event = object(&[
        ("at", time()),
        ("kind", words(&timeline::kinds())),
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

fn session_detail() -> Value {
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

fn held() -> Value {
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

fn readiness_runs() -> Value {
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

fn store() -> Value {
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

fn channel() -> Value {
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
    ])
}

fn site_row() -> Vec<(&'static str, Value)> {
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

fn site() -> Value {
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

fn endpoint() -> Value {
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

fn quality() -> Value {
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

fn target() -> Value {
    object(&[
        ("check", text()),
        ("kind", text()),
        ("health", a("Health")),
        ("suspected", a("Health")),
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

fn incident() -> Value {
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

fn session() -> Value {
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

fn session_request() -> Value {
    object(&change_fields(true))
}

fn session_change() -> Value {
    let mut fields = change_fields(false);
    fields.push(("at", time()));
    object(&fields)
}

/// Delegates by site.
fn figures() -> Value {
    json!({ "type": "object", "additionalProperties": count() })
}

fn calendar() -> Value {
    object(&[
        ("taken", time()),
        ("sessions", array(&a("ComingSession"))),
        ("calendars", array(&a("CalendarStatus"))),
    ])
}

fn coming_session() -> Value {
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

fn calendar_status() -> Value {
    object(&[
        ("name", text()),
        ("sessions", count()),
        ("last_success", maybe(&time())),
        ("failing_since", maybe(&time())),
        ("last_error", maybe(&text())),
        ("troubles", array(&text())),
    ])
}

/// A page of a list, with what to ask for next.
fn page(field: &'static str, of: &str) -> Value {
    object(&[("taken", time()), (field, array(&a(of))), ("next", maybe(&text()))])
}

/// Something that names one of many.
pub(super) fn id() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A whole number from `least` to `most`.
pub(super) fn between(least: usize, most: usize) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// A whole number, below zero as well.
fn whole() -> Value {
    json!({ "type": "integer" })
}

fn language() -> Value {
    words(&["vi", "en"])
}

/// A list with the time of its snapshot.
fn list(field: &'static str, of: &str) -> Value {
    object(&[("taken", time()), (field, array(&a(of)))])
}

/// An object with exactly these fields; those whose name ends in `?` may be absent.
fn object(fields: &[(&str, Value)]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, schema) in fields {
        let bare = name.trim_end_matches('?');
        if bare == *name {
            required.push(bare);
        }
        properties.insert(bare.to_owned(), schema.clone());
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

pub(super) fn a(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn array(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn maybe(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

/// What an observation showed: one of several kinds, named by its only field.
fn saw() -> Value {
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

/// Who asks for a change.
/// Who asks. Whoever has logged in need not say it.
fn person() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 100 })
}

fn note() -> Value {
    json!({ "type": "string", "maxLength": 1000 })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn number() -> Value {
    json!({ "type": "number" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn words(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}
