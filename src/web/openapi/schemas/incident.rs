//! Incidents and what was seen of them.

use serde_json::{Value, json};

use super::{a, array, between, count, flag, maybe, object, text, time, words};

pub(super) fn incident() -> Value {
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
        ("earlier_acks?", array(&a("Ack"))),
        ("waiting_since?", time()),
        ("flapping", flag()),
        ("relapses?", array(&time())),
        ("held_back?", array(&text())),
        ("absorbed_by?", text()),
        ("resolution?", words(&["recovered", "removed"])),
        ("told", array(&a("Told"))),
    ])
}

/// What an observation showed: one of several kinds, named by its only field.
pub(super) fn saw() -> Value {
    let kinds = [
        ("failed", a("FailureDetail")),
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

/// Why there was no reply: what the path or the other end did, or why we could not ask. What there
/// is more to say of stands below its name.
pub(super) fn failure_detail() -> Value {
    let octet = || between(0, usize::from(u8::MAX));
    let meaning = [
        words(&["net", "host", "protocol", "port", "prohibited", "time_exceeded", "other"]),
        object(&[("too_big", object(&[("mtu", between(0, usize::from(u16::MAX)))]))]),
    ];
    let unreachable = object(&[
        ("kind", json!({ "anyOf": meaning })),
        ("icmp_type", octet()),
        ("icmp_code", octet()),
        ("offender", maybe(&text())),
    ]);
    let out = object(&[("status", between(0, usize::from(u16::MAX))), ("reason", text())]);
    let remote = json!({ "anyOf": [
        words(&["timeout", "refused", "closed"]),
        object(&[("unreachable", unreachable)]),
        object(&[("malformed", text())]),
        object(&[("service_out", out)]),
        object(&[("unexpected", text())]),
        object(&[("tls", text())]),
        object(&[("certificate_time", a("Certificate"))]),
    ] });
    let local = a("LocalFailure");
    json!({ "anyOf": [object(&[("remote", remote)]), object(&[("local", local)])] })
}

pub(super) fn local_failure() -> Value {
    let said = ["unresolved", "no_such_name", "forbidden", "exhausted", "other"];
    let mut kinds = vec![words(&["no_route", "late", "overloaded", "stopping"])];
    kinds.extend(said.map(|name| object(&[(name, text())])));
    json!({ "anyOf": kinds })
}
