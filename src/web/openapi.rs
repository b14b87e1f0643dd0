//! `GET /api/v1/openapi.json`: what the API takes and gives, as an OpenAPI 3.1 document.
//!
//! Written by hand from one table of `operations` and one of `schemas`; a test asks for every
//! operation and holds the answers against the schemas, so it cannot drift from the truth.

mod operations;
mod schemas;

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use self::operations::{EVENTS, OPERATIONS, Operation, TEXT};
use super::fixed::Fixed;
use crate::config::Role;

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
