//! `GET /api/v1/openapi.json`: what the API takes and gives, as an OpenAPI 3.1 document.
//!
//! Written by hand from one table of operations and one of schemas; a test asks for every
//! operation and holds the answers against the schemas, so it cannot drift from the truth.

mod schemas;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::config::Role;

/// One thing that can be asked.
struct Operation {
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// What its `{id}` names.
    names: Option<&'static str>,
    /// Schema of the request body.
    takes: Option<&'static str>,
    /// Status and schema of the answer; no schema means no body, `text` plain text.
    gives: (u16, &'static str),
    /// What else may come back, besides what the gate says.
    errors: &'static [u16],
}

/// Schema name of a plain-text answer.
const TEXT: &str = "text";

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
        takes: None,
        gives: (200, gives),
        errors: &[],
    }
}

/// Everything the server answers except the pages for people.
const OPERATIONS: &[Operation] = &[
    read("/api/v1/status", "status", "How the whole does, in one look", "Status"),
    read("/api/v1/sites", "sites", "All sites in the order of the file", "Sites"),
    Operation {
        names: Some("a site"),
        errors: &[404],
        ..read("/api/v1/sites/{id}", "site", "One site with its endpoints and targets", "Site")
    },
    read(
        "/api/v1/incidents",
        "incidents",
        "Open incidents, gravest first, then those resolved within the last hour",
        "Incidents",
    ),
    Operation {
        names: Some("an incident"),
        errors: &[404],
        ..read("/api/v1/incidents/{id}", "incident", "One incident", "Incident")
    },
    Operation {
        method: "post",
        path: "/api/v1/incidents/{id}/ack",
        id: "ack",
        summary: "Take on an incident: reminders stay away",
        names: Some("an incident"),
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
        takes: Some("SessionRequest"),
        gives: (201, "SessionChange"),
        errors: &[400, 409, 413, 415, 500, 503],
    },
    Operation {
        method: "put",
        path: "/api/v1/sessions/{id}",
        id: "changeSession",
        summary: "Change a session: times, title, sites added or dropped, delegates, or call it off",
        names: Some("a session"),
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
        errors: &[400, 404, 500, 503],
        ..read(
            "/api/v1/sessions/{id}/report",
            "report",
            "What a session that is on or over was like for each of its sites",
            "Report",
        )
    },
    Operation {
        errors: &[404],
        ..read(
            "/api/v1/sessions/{id}/readiness",
            "readiness",
            "What the last readiness run says of every site, and what people confirmed",
            "Readiness",
        )
    },
    Operation {
        method: "post",
        path: "/api/v1/sessions/{id}/readiness",
        id: "keepReadiness",
        summary: "Keep a run that was made elsewhere; `vchealth ready` does so",
        names: Some("a session"),
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
        takes: Some("ConfirmationRequest"),
        gives: (200, "Confirmation"),
        errors: &[400, 404, 413, 415, 500, 503],
    },
    read("/api/v1/silences", "silences", "Silences in force or to come", "Silences"),
    Operation {
        method: "post",
        path: "/api/v1/silences",
        id: "silence",
        summary: "Hold back messages about a site and everything below it, or about everything",
        names: None,
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
        takes: None,
        gives: (204, ""),
        errors: &[404, 500, 503],
    },
    read("/api/v1/openapi.json", "openapi", "This document", "Document"),
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
        takes: None,
        gives: (200, TEXT),
        errors: &[400, 503],
    },
];

/// `GET /api/v1/openapi.json`.
pub(super) async fn show() -> Response {
    Json(document()).into_response()
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
                when a page of another site makes a browser send them.",
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
    for error in operation.errors {
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
    if let Some(named) = operation.names {
        described["parameters"] = json!([{
            "name": "id",
            "in": "path",
            "required": true,
            "description": format!("Id of {named}"),
            "schema": { "type": "string", "minLength": 1 },
        }]);
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
        "Problem" => json!({ "description": "Why not", "content": json_content(schema) }),
        _ => json!({ "description": "As asked", "content": json_content(schema) }),
    }
}

fn json_content(schema: &str) -> Value {
    let reference = format!("#/components/schemas/{schema}");
    json!({ "application/json": { "schema": { "$ref": reference } } })
}
