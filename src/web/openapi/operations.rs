//! Everything that can be asked of the server, except the pages for people.
//!
//! One long table, since it is looked up and not read: each entry stands by itself, and in one
//! place nothing is listed twice.

use serde_json::{Value, json};

use super::schemas;
use crate::web::api::{self, past};

/// One thing that can be asked.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// What its `{id}` names.
    pub(super) names: Option<&'static str>,
    /// What may stand behind the question mark.
    pub(super) query: &'static [Parameter],
    /// Schema of the request body.
    pub(super) takes: Option<&'static str>,
    /// Status and schema of the answer; no schema means no body, `text` plain text.
    pub(super) gives: (u16, &'static str),
    /// What else may come back, besides what the gate says.
    pub(super) errors: &'static [u16],
}

/// Something that may stand behind the question mark.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) schema: fn() -> Value,
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
const BY: Parameter = Parameter {
    name: "by",
    about: "Who ends it, for the log; whoever has logged in need not say",
    schema: schemas::text,
};
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
pub(super) const TEXT: &str = "text";
/// Schema name of server-sent events.
pub(super) const EVENTS: &str = "events";

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
pub(super) const OPERATIONS: &[Operation] = &[
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
            "Open incidents, gravest first, then those resolved within the last hour and those of \
             which somebody has yet to be told (`held_back`, `quiet`) that they are. With `from`, \
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
        method: "put",
        path: "/api/v1/oncall/{id}",
        id: "handOver",
        summary: "Hand the duty by a rota over to others until a moment, at once; what was handed \
            over before is replaced",
        names: Some("a rota"),
        query: &[],
        takes: Some("HandOverRequest"),
        gives: (200, "HandOver"),
        errors: &[400, 404, 413, 415, 500, 503],
    },
    Operation {
        method: "delete",
        path: "/api/v1/oncall/{id}",
        id: "takeDutyBack",
        summary: "Have a rota count again whose duty was handed over",
        names: Some("a rota"),
        query: &[BY],
        takes: None,
        gives: (204, ""),
        errors: &[400, 404, 500, 503],
    },
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
        query: &[BY],
        takes: None,
        gives: (204, ""),
        errors: &[400, 404, 500, 503],
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
        query: &[BY],
        takes: None,
        gives: (204, ""),
        errors: &[400, 404, 500, 503],
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
