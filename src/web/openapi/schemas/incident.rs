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
        ("since", time()),
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
        ("waited?", object(&[("since", time()), ("for_ms", count())])),
        ("flapping", flag()),
        ("relapses?", array(&time())),
        ("was_over?", time()),
        ("held_back?", array(&text())),
        ("quiet?", a("Quieted")),
        ("muted?", a("Muted")),
        ("absorbed_by?", text()),
        ("resolution?", words(&["recovered", "removed", "unshown"])),
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
        ("ourselves", a("SelfDoubt")),
        ("words", text()),
    ];
    let kinds = kinds.map(|(name, schema)| object(&[(name, schema)]));
    json!({ "anyOf": kinds })
}

/// What is wrong with the monitor itself: a word, or a name with what there is more to say of it.
pub(super) fn self_doubt() -> Value {
    let whole = || json!({ "type": "integer" });
    let held = ["full", "held", "read_only", "damaged", "replaced", "failing"];
    let mut details = vec![text(), object(&[("silent", object(&[("seconds", count())]))])];
    details.extend(held.map(|name| object(&[(name, object(&[("dir", text())]))])));
    let trouble = [
        ("part", words(&["resolver", "store", "courier", "recipients"])),
        ("detail", json!({ "anyOf": details })),
    ];
    let refused = json!({ "type": "object", "additionalProperties": array(&text()) });
    let missed = [("session", text()), ("channels", array(&text())), ("refused?", refused)];
    let strain = ["late_ms", "missed_ticks", "dropped", "buffer_kib"].map(|name| (name, count()));
    let kinds = [
        ("gateway_silent", object(&[("host", text())])),
        ("gateway_unasked", object(&[("host", text()), ("how", text())])),
        ("probes_fail", object(&[("how", text())])),
        ("sites_unasked", object(&[("how", text())])),
        ("engine_strained", object(&strain)),
        ("clock_set", object(&[("by_s", whole())])),
        ("clock_off", object(&[("by_s", whole()), ("devices", count()), ("of", count())])),
        ("trouble", object(&trouble)),
        ("drill_missed", object(&missed)),
        ("nobody_reached", object(&[("session", text())])),
        ("session_muted", object(&[("session", text())])),
        ("session_unwatched", object(&[("session", text())])),
    ];
    let mut all = vec![words(&["nobody_answers"])];
    all.extend(kinds.map(|(name, schema)| object(&[(name, schema)])));
    json!({ "anyOf": all })
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
    let slow = object(&[("after_ms", count()), ("limit_ms", count())]);
    let reached = words(&["connected", "sent", "answering"]);
    let stalled = object(&[("reached", reached), ("limit_ms", count())]);
    let out = object(&[("status", between(0, usize::from(u16::MAX))), ("reason", text())]);
    let remote = json!({ "anyOf": [
        words(&["timeout", "refused", "closed"]),
        object(&[("slow", slow)]),
        object(&[("stalled", stalled)]),
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
