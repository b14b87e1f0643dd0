//! The shapes of requests and answers, as JSON Schema (draft 2020-12, the dialect of OpenAPI 3.1).
//!
//! An object lists all its fields and admits no others. Fields of requests that may be left out
//! end in `?`; answers always have all of theirs, except where a record is stored as it stands.

mod incident;
mod past;
mod readiness;
mod report;
mod session;
mod site;
mod status;

use serde_json::{Map, Value, json};

use crate::model::{Cause, Health, NotificationKind, Phase, Severity, Verdict};
use crate::web::acks;

/// All schemas by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for (name, schema) in [
        ("Problem", object(&[("error", text()), ("held?", a("Ack"))])),
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
        ("Status", status::status()),
        ("Store", status::store()),
        ("Channel", status::channel()),
        ("Configuration", status::configuration()),
        ("Engine", status::engine()),
        ("Sites", page("sites", "SiteRow")),
        ("SiteRow", object(&site::site_row())),
        ("Site", site::site()),
        ("Contact", object(&[("name", text()), ("phone?", text()), ("email?", text())])),
        ("Endpoint", site::endpoint()),
        ("Quality", site::quality()),
        ("Target", site::target()),
        ("Failure", object(&[("at", time()), ("reason", text()), ("detail", a("FailureDetail"))])),
        ("FailureDetail", incident::failure_detail()),
        ("LocalFailure", incident::local_failure()),
        (
            "Certificate",
            object(&[
                ("not_before", time()),
                ("not_after", time()),
                ("subject", text()),
                ("self_signed", flag()),
            ]),
        ),
        ("Outcomes", past::outcomes()),
        ("Outcome", object(&past::outcome())),
        ("FailedOutcome", past::failed_outcome()),
        ("Probed", past::probed()),
        ("Series", past::series()),
        ("Span", object(&[("min", number()), ("median", number()), ("max", number())])),
        ("SiteHistory", past::site_history()),
        ("Timeline", past::timeline()),
        ("SessionDetail", session::session_detail()),
        ("Held", past::held()),
        ("ReadinessRuns", readiness::readiness_runs()),
        ("Incidents", page("incidents", "Incident")),
        ("Incident", incident::incident()),
        (
            "Affected",
            object(&[
                ("site", text()),
                ("since", time()),
                ("until?", time()),
                ("passed_on?", flag()),
            ]),
        ),
        ("Evidence", object(&[("target", a("TargetKey")), ("at", time()), ("saw", a("Saw"))])),
        ("Saw", incident::saw()),
        ("SelfDoubt", incident::self_doubt()),
        ("TargetKey", object(&[("site", text()), ("endpoint?", text()), ("check?", text())])),
        (
            "Told",
            object(&[
                ("channel", text()),
                ("kind", words(&NotificationKind::ALL.map(NotificationKind::word))),
                ("at", time()),
                ("severity", a("Severity")),
                ("cause", a("Cause")),
                ("affected", count()),
                ("site?", text()),
                ("common?", array(&text())),
                ("people?", array(&text())),
                ("on_duty?", flag()),
                ("step?", count()),
                ("nth?", count()),
                ("last_for_now?", flag()),
                ("given_up?", a("GivenUp")),
            ]),
        ),
        (
            "Muted",
            object(&[
                ("since", time()),
                ("severity", a("Severity")),
                ("cause", a("Cause")),
                ("affected", count()),
                ("site?", text()),
                ("common?", array(&text())),
            ]),
        ),
        ("Quieted", object(&[("until", time()), ("whom", array(&a("Waits")))])),
        (
            "Waits",
            object(&[("channel", text()), ("people?", array(&text())), ("not_before?", time())]),
        ),
        (
            "GivenUp",
            object(&[
                ("at", time()),
                ("by", array(&text())),
                ("instead?", text()),
                ("again?", flag()),
            ]),
        ),
        (
            "OnCall",
            object(&[
                ("taken", time()),
                ("rotas", array(&a("Rota"))),
                ("people", array(&object(&[("id", text()), ("name", text())]))),
            ]),
        ),
        (
            "HandOverRequest",
            object(&[
                ("people", array(&id())),
                ("until", time()),
                ("by?", person()),
                ("reason", note()),
            ]),
        ),
        (
            "HandOver",
            object(&[
                ("rota", text()),
                ("people", array(&text())),
                ("until", time()),
                ("by", text()),
                ("at", time()),
                ("reason", text()),
                ("relieved", array(&text())),
            ]),
        ),
        (
            "Rota",
            object(&[
                ("rota", text()),
                ("now", array(&a("Person"))),
                ("until", maybe(&time())),
                ("next", array(&a("Person"))),
                ("next_from", maybe(&time())),
                ("handed", maybe(&a("HandOver"))),
                ("gone", array(&text())),
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
                ("of_devices", flag()),
                ("inside_failing", count()),
                ("inside", count()),
                ("outside_failing", count()),
                ("outside", count()),
            ]),
        ),
        (
            "AckRequest",
            object(&[
                ("by?", person()),
                ("note", note()),
                ("until?", maybe(&either(&time(), &words(&acks::WORDS)))),
                ("take_over?", flag()),
            ]),
        ),
        ("Ack", object(&[("by", text()), ("at", time()), ("note?", text()), ("until?", time())])),
        ("Sessions", list("sessions", "Session")),
        ("Session", session::session()),
        ("SessionRequest", session::session_request()),
        ("SessionChange", session::session_change()),
        ("Calendar", session::calendar()),
        ("ComingSession", session::coming_session()),
        ("CalendarStatus", session::calendar_status()),
        ("Report", report::report()),
        ("ReportTotals", report::totals()),
        ("ReportSite", report::site()),
        ("ReportPath", report::path()),
        ("ReportIncident", report::incident()),
        ("Verdict", words(&Verdict::ALL.map(Verdict::word))),
        ("Readiness", readiness::readiness()),
        ("ReadinessRun", object(&readiness::readiness_run())),
        ("SiteReadiness", readiness::site_readiness()),
        ("Finding", readiness::finding()),
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
                ("reason", note()),
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

fn either(one: &Value, other: &Value) -> Value {
    json!({ "anyOf": [one, other] })
}

pub(super) fn text() -> Value {
    json!({ "type": "string" })
}

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
