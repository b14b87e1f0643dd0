//! `GET /api/v1/openapi.json`: what the API takes and gives, as an OpenAPI 3.1 document.
//!
//! Written by hand from one table of operations and one of schemas; a test asks for every
//! operation and holds the answers against the schemas, so it cannot drift from the truth.

mod schemas;

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::api::{self, past};
use super::fixed::Fixed;
use crate::config::Role;

/// One thing that can be asked.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// What its `{id}` names.
    names: Option<&'static str>,
    /// What may stand behind the question mark.
    query: &'static [Parameter],
    /// Schema of the request body.
    takes: Option<&'static str>,
    /// Status and schema of the answer; no schema means no body, `text` plain text.
    gives: (u16, &'static str),
    /// What else may come back, besides what the gate says.
    errors: &'static [u16],
}

/// Something that may stand behind the question mark.
struct Parameter {
    name: &'static str,
    about: &'static str,
    schema: fn() -> Value,
}

const LANG: Parameter = Parameter {
    name: "lang",
    about: "Language of texts; otherwise that of `Accept-Language`, otherwise that of the settings",
    schema: || json!({ "type": "string", "enum": ["vi", "en"] }),
};
const FROM: Parameter = Parameter {
    name: "from",
    about: "From when; without it as far back as the summary says",
    schema: schemas::time,
};
const UNTIL: Parameter =
    Parameter { name: "until", about: "Until when; without it until now", schema: schemas::time };
const POINTS: Parameter = Parameter {
    name: "points",
    about: "Points of each chart at most; each stands for whole minutes",
    schema: || schemas::between(1, past::MOST_POINTS),
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "Entries at most",
    schema: || schemas::between(1, past::MOST_ENTRIES),
};
const LIMIT_SITES: Parameter = Parameter {
    name: "limit",
    about: "Sites at most",
    schema: || schemas::between(1, api::MOST_SITES),
};
const LIMIT_SESSIONS: Parameter = Parameter {
    name: "limit",
    about: "Sessions at most",
    schema: || schemas::between(1, past::MOST_SESSIONS),
};
const AFTER: Parameter = Parameter {
    name: "after",
    about: "What the page before gave as `next`",
    schema: schemas::text,
};
const SEEN: Parameter = Parameter {
    name: "after",
    about: "Id of the last event seen, or what a page holds as `data-place`; without it, and without \
        `Last-Event-ID`, from now on",
    schema: schemas::text,
};
const SITE: Parameter =
    Parameter { name: "site", about: "At fault or affected", schema: schemas::text };
const ENDPOINT: Parameter =
    Parameter { name: "endpoint", about: "Of this device only", schema: schemas::text };
const SESSION: Parameter =
    Parameter { name: "session", about: "Of this session only", schema: schemas::text };
const LEVEL: Parameter =
    Parameter { name: "level", about: "Of this level only", schema: schemas::text };
const PARENT: Parameter =
    Parameter { name: "parent", about: "Directly below this site only", schema: schemas::text };
const SEARCH: Parameter = Parameter {
    name: "search",
    about: "Part of a name, an id, a label or an address; case and the marks of Vietnamese letters \
        do not count",
    schema: schemas::text,
};
const HEALTH: Parameter =
    Parameter { name: "health", about: "Of this health only", schema: || schemas::a("Health") };
const CAUSE: Parameter =
    Parameter { name: "cause", about: "Of this cause only", schema: || schemas::a("Cause") };
const SEVERITY: Parameter = Parameter {
    name: "severity",
    about: "Of this severity only",
    schema: || schemas::a("Severity"),
};
const STATE: Parameter = Parameter {
    name: "state",
    about: "Whether it is over",
    schema: || json!({ "type": "string", "enum": ["open", "resolved", "all"] }),
};

/// Schema name of a plain-text answer.
const TEXT: &str = "text";
/// Schema name of server-sent events.
const EVENTS: &str = "events";

const fn read(
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    gives: &'static str,
) -> Operation {
    Operation {
        method: "get",
        path,
        id,
        summary,
        names: None,
        query: &[],
        takes: None,
        gives: (200, gives),
        errors: &[],
    }
}

/// Everything the server answers except the pages for people.
const OPERATIONS: &[Operation] = &[
    read("/api/v1/status", "status", "How the whole does, in one look", "Status"),
    Operation {
        query: &[HEALTH, LEVEL, PARENT, SESSION, SEARCH, AFTER, LIMIT_SITES],
        errors: &[400, 404],
        ..read("/api/v1/sites", "sites", "All sites in the order of the file, or some", "Sites")
    },
    Operation {
        names: Some("a site"),
        errors: &[404],
        ..read("/api/v1/sites/{id}", "site", "One site with its endpoints and targets", "Site")
    },
    Operation {
        names: Some("a site"),
        query: &[LANG],
        errors: &[400, 404],
        ..read(
            "/api/v1/sites/{id}/outcomes",
            "outcomes",
            "The last outcomes of a site's targets, explained step by step, failures apart",
            "Outcomes",
        )
    },
    Operation {
        method: "post",
        path: "/api/v1/sites/{id}/probe",
        id: "probe",
        summary: "Probe every target of a site now and tell what that shows, within 15 seconds. \
            Who asks at the same time is told the same; 8 sites are probed at once",
        names: Some("a site"),
        query: &[LANG],
        takes: None,
        gives: (200, "Probed"),
        errors: &[400, 404, 429, 500, 503],
    },
    Operation {
        names: Some("a site"),
        query: &[FROM, UNTIL, SESSION, ENDPOINT, POINTS],
        errors: &[400, 404, 429, 503],
        ..read(
            "/api/v1/sites/{id}/series",
            "series",
            "Round trip, loss, jitter and opinion score over time, of the last 6 hours, of another \
             time of up to 400 days, or of a session",
            "Series",
        )
    },
    Operation {
        names: Some("a site"),
        query: &[FROM, UNTIL, LIMIT],
        errors: &[400, 404, 429, 503],
        ..read(
            "/api/v1/sites/{id}/history",
            "history",
            "What a site went through in the last 30 days or another time of up to 400 days",
            "SiteHistory",
        )
    },
    Operation {
        query: &[STATE, SITE, SESSION, CAUSE, SEVERITY, FROM, UNTIL, AFTER, LIMIT],
        errors: &[400, 404, 429, 503],
        ..read(
            "/api/v1/incidents",
            "incidents",
            "Open incidents, gravest first, then those resolved within the last hour. With `from`, \
             `until` or `after` those on record, the one that began last first, of a year unless \
             `from` says otherwise",
            "Incidents",
        )
    },
    Operation {
        names: Some("an incident"),
        errors: &[404, 429, 503],
        ..read("/api/v1/incidents/{id}", "incident", "One incident, open or on record", "Incident")
    },
    Operation {
        names: Some("an incident"),
        query: &[LANG],
        errors: &[400, 404, 429, 503],
        ..read(
            "/api/v1/incidents/{id}/timeline",
            "timeline",
            "An incident in words, and what happened one after the other",
            "Timeline",
        )
    },
    Operation {
        method: "post",
        path: "/api/v1/incidents/{id}/ack",
        id: "ack",
        summary: "Take on an incident: reminders stay away until the moment that is given, until its \
            `session` or it itself is `over`, or else for as long as `acks.lasts` says. Whoever has \
            it already is relieved of it only with `take_over`",
        names: Some("an incident"),
        query: &[],
        takes: Some("AckRequest"),
        gives: (200, "Ack"),
        errors: &[400, 404, 409, 413, 415, 500, 503],
    },
    read("/api/v1/sessions", "sessions", "Sessions that are on or near, soonest first", "Sessions"),
    Operation {
        method: "post",
        path: "/api/v1/sessions",
        id: "createSession",
        summary: "Add a session that neither the files nor a calendar know",
        names: None,
        query: &[],
        takes: Some("SessionRequest"),
        gives: (201, "SessionChange"),
        errors: &[400, 409, 413, 415, 500, 503],
    },
    Operation {
        names: Some("a session"),
        errors: &[404, 429, 503],
        ..read(
            "/api/v1/sessions/{id}",
            "session",
            "One session, to come, on or over, with the sites that take part",
            "SessionDetail",
        )
    },
    Operation {
        method: "put",
        path: "/api/v1/sessions/{id}",
        id: "changeSession",
        summary: "Change a session: times, title, sites added or dropped, delegates, or call it off",
        names: Some("a session"),
        query: &[],
        takes: Some("SessionRequest"),
        gives: (200, "SessionChange"),
        errors: &[400, 404, 413, 415, 500, 503],
    },
    Operation {
        method: "delete",
        path: "/api/v1/sessions/{id}",
        id: "withdrawSession",
        summary: "Withdraw a change: what files and calendars say counts again",
        names: Some("a session"),
        query: &[],
        takes: None,
        gives: (204, ""),
        errors: &[404, 500, 503],
    },
    read(
        "/api/v1/calendar",
        "calendar",
        "Every session that is known and not over, with its sites, and how the calendars do",
        "Calendar",
    ),
    read("/api/v1/oncall", "oncall", "Who is on duty by each rota, and who is next", "OnCall"),
    Operation {
        names: Some("a session"),
        query: &[LANG],
        errors: &[400, 404, 429, 500, 503],
        ..read(
            "/api/v1/sessions/{id}/report",
            "report",
            "What a session that is on or over was like for each of its sites",
            "Report",
        )
    },
    Operation {
        query: &[AFTER, LIMIT_SESSIONS],
        errors: &[400, 404, 429, 500, 503],
        ..read(
            "/api/v1/reports",
            "reports",
            "Sessions that are on or over with their figures, the one that ended last first",
            "Held",
        )
    },
    Operation {
        names: Some("a session"),
        errors: &[404],
        ..read(
            "/api/v1/sessions/{id}/readiness",
            "readiness",
            "What the last readiness run says of every site, and what people confirmed",
            "Readiness",
        )
    },
    Operation {
        names: Some("a session"),
        errors: &[404, 429, 503],
        ..read(
            "/api/v1/sessions/{id}/readiness/runs",
            "readinessRuns",
            "The last hundred readiness runs of a session in figures, newest first",
            "ReadinessRuns",
        )
    },
    Operation {
        method: "post",
        path: "/api/v1/sessions/{id}/readiness/runs",
        id: "lookAhead",
        summary: "Have it looked now whether everybody is ready; the run is there once it is over",
        names: Some("a session"),
        query: &[],
        takes: None,
        gives: (202, ""),
        errors: &[404, 500, 503],
    },
    Operation {
        method: "post",
        path: "/api/v1/sessions/{id}/readiness",
        id: "keepReadiness",
        summary: "Keep a run that was made elsewhere; `vchealth ready` does so",
        names: Some("a session"),
        query: &[],
        takes: Some("ReadinessRun"),
        gives: (204, ""),
        errors: &[400, 404, 413, 415, 500, 503],
    },
    Operation {
        method: "post",
        path: "/api/v1/sessions/{id}/confirmations",
        id: "confirm",
        summary: "Record that somebody saw the picture and heard the sound of a site",
        names: Some("a session"),
        query: &[],
        takes: Some("ConfirmationRequest"),
        gives: (200, "Confirmation"),
        errors: &[400, 404, 413, 415, 500, 503],
    },
    Operation {
        method: "delete",
        path: "/api/v1/sessions/{id}/confirmations/{site}",
        id: "unconfirm",
        summary: "Take back what was confirmed of picture and sound of a site",
        names: Some("a session"),
        query: &[],
        takes: None,
        gives: (204, ""),
        errors: &[404, 500, 503],
    },
    read("/api/v1/silences", "silences", "Silences in force or to come", "Silences"),
    Operation {
        method: "post",
        path: "/api/v1/silences",
        id: "silence",
        summary: "Hold back messages about a site and everything below it, or about everything",
        names: None,
        query: &[],
        takes: Some("SilenceRequest"),
        gives: (201, "Silence"),
        errors: &[400, 413, 415, 500, 503],
    },
    Operation {
        method: "delete",
        path: "/api/v1/silences/{id}",
        id: "lift",
        summary: "End a silence early",
        names: Some("a silence"),
        query: &[],
        takes: None,
        gives: (204, ""),
        errors: &[404, 500, 503],
    },
    read(
        "/api/v1/maintenance",
        "maintenance",
        "Planned work that goes on or is to come",
        "MaintenanceWindows",
    ),
    Operation {
        method: "post",
        path: "/api/v1/maintenance",
        id: "maintain",
        summary: "Announce planned work at sites and everything below them: nobody is told of it",
        names: None,
        query: &[],
        takes: Some("MaintenanceRequest"),
        gives: (201, "Maintenance"),
        errors: &[400, 413, 415, 500, 503],
    },
    Operation {
        method: "delete",
        path: "/api/v1/maintenance/{id}",
        id: "end_maintenance",
        summary: "End planned work early",
        names: Some("a maintenance window"),
        query: &[],
        takes: None,
        gives: (204, ""),
        errors: &[404, 500, 503],
    },
    read("/api/v1/openapi.json", "openapi", "This document", "Document"),
    Operation {
        query: &[LANG, SEEN],
        errors: &[400, 503],
        ..read(
            "/live",
            "live",
            "What changes on the board, as server-sent events: `delta` with what is new, `beat` every \
             five seconds, `again` when what was missed cannot be told and the page is to be loaded anew",
            EVENTS,
        )
    },
    read("/metrics", "metrics", "All metrics in the text format 0.0.4", TEXT),
    Operation {
        errors: &[503],
        ..read(
            "/-/healthy",
            "healthy",
            "Whether the process lives and its event loop comes round",
            TEXT,
        )
    },
    Operation {
        errors: &[503],
        ..read(
            "/-/ready",
            "ready",
            "Whether the first sweep is done and the store commits; JSON for who accepts that",
            TEXT,
        )
    },
    Operation {
        method: "post",
        path: "/-/reload",
        id: "reload",
        summary: "Read the configuration again; a bad one is refused whole, with all diagnostics",
        names: None,
        query: &[],
        takes: None,
        gives: (200, TEXT),
        errors: &[400, 503],
    },
];

/// Whether the document knows every parameter that is asked for; says why not. What nobody reads
/// would be a filter that does not filter.
pub(super) fn misasked(method: &str, route: &str, query: &str) -> Option<String> {
    let method = if method == "HEAD" { "GET" } else { method };
    let operation = OPERATIONS
        .iter()
        .find(|it| it.path == route && it.method.eq_ignore_ascii_case(method))
        .filter(|it| is_strict(it))?;
    let known = |name: &str| operation.query.iter().any(|it| it.name == name);
    let names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        percent_decode_str(&name).decode_utf8_lossy().into_owned()
    });
    let unknown = names.into_iter().find(|name| !known(name))?;
    let unknown: String = unknown.chars().take(LONGEST_NAME).collect();
    let all: Vec<String> = operation.query.iter().map(|it| format!("`{}`", it.name)).collect();
    let rest = if all.is_empty() { "none at all".to_owned() } else { all.join(", ") };
    Some(format!("there is no parameter {unknown:?} here; there is {rest}"))
}

/// Whether unknown parameters are refused: what machines ask to see whether we live is answered
/// whatever they put behind it.
fn is_strict(operation: &Operation) -> bool {
    operation.gives.1 != TEXT
}

/// Letters of an unknown parameter that are told.
const LONGEST_NAME: usize = 40;

/// `GET /api/v1/openapi.json`.
pub(super) async fn show(headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<Fixed> =
        LazyLock::new(|| Fixed::new("application/json", document().to_string()));
    DOCUMENT.answer(&headers, "no-cache")
}

/// The document.
fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = describe(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "vchealth",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "State of the video conferences of a province. Times are RFC 3339, \
                lengths of time seconds. Where the web configuration names users, tokens or asks \
                for certificates, everything needs one; whatever changes something needs the role \
                `operator`. Where it names nobody, everybody may look, and only programs of the \
                machine itself may change anything. Requests that change something are refused \
                when a page of another site makes a browser send them. An answer that is not as \
                asked says why in `error`; 429 comes with `Retry-After`. A body has at most 16 \
                KiB, a readiness run 8 MiB; more is answered by 413. A method that a path does \
                not know is answered by 405.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "paths": paths,
        "security": logged_in_as(Role::Viewer),
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "password": { "type": "http", "scheme": "basic" },
                "token": { "type": "http", "scheme": "bearer" },
                "certificate": { "type": "mutualTLS" },
            },
        },
    })
}

/// Ways to be somebody with a role; the last is to be nobody, where that is enough.
fn logged_in_as(role: Role) -> Value {
    let role = json!([role.word()]);
    json!([{ "password": role }, { "token": role }, { "certificate": role }, {}])
}

fn describe(operation: &Operation) -> Value {
    let (status, gives) = operation.gives;
    let mut responses = Map::new();
    responses.insert(status.to_string(), answer(gives));
    let wrong = if gives == TEXT { TEXT } else { "Problem" };
    // Whoever does not send what was announced, or asks when this machine is busy.
    let slow = (wrong == "Problem").then_some(&408);
    let unknown = is_strict(operation).then_some(&400);
    for error in operation.errors.iter().chain(slow).chain(unknown) {
        responses.insert(error.to_string(), answer(wrong));
    }
    // What stops a request at the gate is told the same way on every path.
    let changes = operation.method != "get";
    let gate: &[u16] = if changes { &[401, 403, 429] } else { &[401, 429] };
    for error in gate {
        responses.insert(error.to_string(), answer("Problem"));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses,
    });
    if changes {
        described["security"] = logged_in_as(Role::Operator);
    }
    let id = |name: &str, named: &str| {
        let about = format!("Id of {named}");
        json!({
            "name": name, "in": "path", "required": true, "description": about,
            "schema": schemas::id(),
        })
    };
    let in_path = operation.names.map(|named| id("id", named));
    let further = operation.path.contains("{site}").then(|| id("site", "a site"));
    let asked = operation.query.iter().map(|it| {
        let schema = (it.schema)();
        json!({ "name": it.name, "in": "query", "description": it.about, "schema": schema })
    });
    let parameters: Vec<Value> = in_path.into_iter().chain(further).chain(asked).collect();
    if !parameters.is_empty() {
        described["parameters"] = Value::Array(parameters);
    }
    if let Some(schema) = operation.takes {
        described["requestBody"] = json!({ "required": true, "content": json_content(schema) });
    }
    described
}

fn answer(schema: &str) -> Value {
    match schema {
        "" => json!({ "description": "Done" }),
        TEXT => json!({
            "description": "Plain text",
            "content": { "text/plain": { "schema": { "type": "string" } } },
        }),
        // The schema is that of one event of the stream.
        EVENTS => json!({
            "description": "Events, for as long as somebody listens",
            "content": { "text/event-stream": { "schema": {
                "type": "object",
                "required": ["event", "data"],
                "properties": {
                    "event": { "type": "string", "enum": ["delta", "beat", "again"] },
                    "data": { "type": "string", "description": "JSON on one line" },
                    "id": { "type": "string", "description": "Where to go on from; of a delta" },
                },
            } } },
        }),
        "Problem" => json!({ "description": "Why not", "content": json_content(schema) }),
        _ => json!({ "description": "As asked", "content": json_content(schema) }),
    }
}

fn json_content(schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({ "application/json": { "schema": { "$ref": reference } } })
}
