//! The API against its own document: every operation is asked for, every answer is held against its
//! schema, and changes reach the daemon exactly as they were asked for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vchealth::model::{
    Ailment, Certificate, ChannelId, Failure, Finding, FindingKind, Found, IcmpError, LocalFailure,
    Part, PersonId, RemoteFailure, Saw, SelfDoubt, SilenceId, SiteId, StoreTrouble, Strain,
    Unreachable, Verdict,
};
use vchealth::web::{Condition, Refused};

use crate::province;
use crate::web::House;

/// Holds a value against a schema of the document; says where and why it does not fit.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        let target = document.pointer(pointer).ok_or_else(|| format!("{reference} is nowhere"))?;
        return fits(document, target, value, at);
    }
    if let Some(options) = schema["anyOf"].as_array() {
        let failures: Vec<String> =
            options.iter().filter_map(|one| fits(document, one, value, at).err()).collect();
        return if failures.len() < options.len() { Ok(()) } else { Err(failures.join(" and ")) };
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{at}: {value} is not one of {words:?}"));
    }
    let right = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(other) => panic!("the document uses a type {other}"),
    };
    if !right {
        return Err(format!("{at}: {value} is no {}", schema["type"]));
    }
    for (bound, holds) in [
        ("minimum", (|a, b| a >= b) as fn(f64, f64) -> bool),
        ("maximum", (|a, b| a <= b) as fn(f64, f64) -> bool),
    ] {
        if let (Some(bound), Some(number)) = (schema[bound].as_f64(), value.as_f64())
            && !holds(number, bound)
        {
            return Err(format!("{at}: {number} is out of bounds"));
        }
    }
    if schema["format"] == "date-time" {
        let text = value.as_str().expect("a string");
        text.parse::<Timestamp>().map_err(|error| format!("{at}: {text}: {error}"))?;
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        if value.get(name).is_none() {
            return Err(format!("{at}: {name} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match &schema["properties"][name] {
            Value::Null => match &schema["additionalProperties"] {
                Value::Bool(false) => return Err(format!("{at}: {name} is not documented")),
                Value::Null => {}
                schema => fits(document, schema, field, &format!("{at}.{name}"))?,
            },
            schema => fits(document, schema, field, &format!("{at}.{name}"))?,
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(document, &schema["items"], item, &format!("{at}[{number}]"))?;
    }
    Ok(())
}

/// The id that an operation is asked about.
pub(crate) fn id_for(operation: &str) -> &'static str {
    match operation {
        "site" | "outcomes" | "probe" | "series" | "history" => "nam-mau",
        "lift" => "s-1",
        "end_maintenance" => "m-1",
        "handOver" | "takeDutyBack" => "truc-tinh",
        "session" | "readiness" | "readinessRuns" | "keepReadiness" | "lookAhead" | "confirm"
        | "unconfirm" => "2023-11-24-giao-ban",
        _ => "cho-don-1",
    }
}

/// Where an operation is asked for.
pub(crate) fn path_for(operation: &str, path: &str) -> String {
    let path = path.replace("{id}", id_for(operation)).replace("{site}", "nam-mau");
    // What follows the board from now on does not end.
    if operation == "live" { path + "?after=long-ago" } else { path }
}

/// A body that an operation takes.
pub(crate) fn body_for(operation: &str) -> Option<Value> {
    match operation {
        "ack" => Some(json!({ "by": "Hà", "note": "đang gọi xã" })),
        "silence" => Some(json!({
            "site": "cho-don", "until": "2023-11-24T05:00:00Z", "by": "Hà", "reason": "kéo cáp",
        })),
        "maintain" => Some(json!({
            "sites": ["cho-don"], "until": "2023-11-24T05:00:00Z", "by": "Hà",
            "reason": "thay bộ định tuyến",
        })),
        "handOver" => Some(json!({
            "people": ["tu"], "until": "2023-11-24T05:00:00Z", "by": "Hà", "reason": "ốm",
        })),
        "createSession" => Some(json!({
            "id": "hop-bat-thuong", "title": "Họp bất thường", "start": "2023-11-24T05:00:00Z",
            "end": "2023-11-24T07:00:00Z", "all": true, "drop": ["nam-mau"],
            "delegates": {"cho-don": 12}, "by": "Hà",
        })),
        "changeSession" => Some(json!({ "cancelled": true, "by": "Hà" })),
        "keepReadiness" => {
            let snapshot = province::troubled(204);
            let run = province::readiness(&snapshot, &snapshot.sessions[1].session);
            serde_json::to_value(run).ok()
        }
        "confirm" => Some(json!({
            "site": "nam-mau", "picture": true, "sound": false, "by": "Hà", "note": "không tiếng",
        })),
        _ => None,
    }
}

#[tokio::test]
async fn every_documented_operation_answers_as_documented() {
    let mut snapshot = province::troubled(204);
    snapshot.silences = vec![province::silence("s-1")];
    snapshot.maintenance = vec![province::maintenance("m-1")];
    snapshot.duty[0].handed = Some(province::handed());
    let house = House::open(snapshot);
    house.daemon.remember();
    let document = house.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("an id");
            let body = body_for(name);
            assert_eq!(body.is_some(), operation["requestBody"].is_object(), "{name}");
            let path = path_for(name, path);
            let method = method.to_ascii_uppercase();
            let reply = match &body {
                Some(body) => {
                    let json = [("content-type", "application/json")];
                    house.ask(&method, &path, &json, &body.to_string()).await
                }
                None => house.ask(&method, &path, &[], "").await,
            };
            let answers = operation["responses"].as_object().expect("answers");
            let expected = answers.keys().next().expect("an answer");
            assert_eq!(reply.status.to_string(), *expected, "{name}: {reply:?}");
            let content = &answers[expected]["content"];
            match content.as_object().and_then(|content| content.iter().next()) {
                None => assert!(reply.body.is_empty(), "{name} gives something"),
                Some((kind, _)) if kind == "text/plain" => {
                    assert!(reply.header("content-type").starts_with("text/plain"), "{name}");
                    assert!(!reply.text().is_empty());
                }
                Some((kind, _)) if kind == "text/event-stream" => {
                    assert_eq!(reply.header("content-type"), kind, "{name}");
                    assert!(reply.text().contains("event: again\n"), "{}", reply.text());
                }
                Some((kind, described)) => {
                    assert_eq!(reply.header("content-type"), kind, "{name}");
                    let fit = fits(&document, &described["schema"], &reply.json(), name);
                    assert_eq!(fit, Ok(()));
                }
            }
            if let Some(body) = &body {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                assert_eq!(fits(&document, schema, body, name), Ok(()));
            }
            asked += 1;
        }
    }
    assert!(asked >= 15, "{asked}");
}

#[tokio::test]
async fn whatever_a_readiness_run_can_find_is_described() {
    let house = House::open(province::quiet(3));
    let document = house.get("/api/v1/openapi.json").await.json();
    let schema = &document["components"]["schemas"]["Finding"];
    let at = province::now().wall;
    let icmp = |kind| {
        let offender = Some("10.0.0.1".parse().unwrap());
        let error = IcmpError { kind, icmp_type: 3, icmp_code: 1, offender };
        Failure::Remote(RemoteFailure::Unreachable(error))
    };
    let certificate =
        Certificate { not_before: at, not_after: at, subject: "x".to_owned(), self_signed: true };
    let words = || "x".to_owned();
    let out = RemoteFailure::ServiceOut { status: 503, reason: words() };
    let found = [
        Found::Uplink { above: SiteId::new("cho-don"), name: words(), answers: true },
        Found::Silent(Failure::Remote(RemoteFailure::Timeout)),
        Found::Silent(Failure::Remote(RemoteFailure::Slow { after_ms: 1_400, limit_ms: 1_000 })),
        Found::Silent(icmp(Unreachable::Host)),
        Found::Device(icmp(Unreachable::TooBig { mtu: 1400 })),
        Found::Device(icmp(Unreachable::TimeExceeded)),
        Found::Service(Failure::Remote(out)),
        Found::Service(Failure::Remote(RemoteFailure::Tls(words()))),
        Found::Service(Failure::Remote(RemoteFailure::Malformed(words()))),
        Found::Service(Failure::Remote(RemoteFailure::Unexpected(words()))),
        Found::Service(Failure::Remote(RemoteFailure::CertificateTime(Box::new(certificate)))),
        Found::BlackHole { tried: 1500, passes: 1400 },
        Found::Unsteady { silent: 2, of: 10 },
        Found::Loss { lost: 3, sent: 250 },
        Found::Delay { rtt_us: 400_000 },
        Found::Jitter { jitter_us: 60_000 },
        Found::Certificate { not_before: at, not_after: at },
        Found::Clock { offset_s: -300 },
        Found::SmallMtu { tried: 1500, mtu: 1400 },
        Found::Flapping { relapses: 3 },
        Found::FailedBefore { failed: 3, of: 5 },
        Found::Name(LocalFailure::NoSuchName(words())),
        Found::NotAsked(LocalFailure::NoRoute),
        Found::Blind(words()),
        Found::NotWatched,
    ];
    let mut kinds = BTreeSet::new();
    for found in found {
        kinds.insert(found.kind());
        let finding = Finding { verdict: Verdict::AtRisk, endpoint: None, check: None, found };
        let value = serde_json::to_value(&finding).unwrap();
        assert_eq!(fits(&document, schema, &value, "finding"), Ok(()), "{value}");
        // Without its evidence the server does not take it, and neither does the document.
        let mut bare = value.clone();
        if bare["found"].as_object_mut().unwrap().remove("evidence").is_some() {
            assert!(serde_json::from_value::<Finding>(bare.clone()).is_err());
            assert!(fits(&document, schema, &bare, "finding").is_err(), "{bare}");
        }
    }
    assert_eq!(kinds.len(), FindingKind::ALL.len());
}

#[tokio::test]
async fn whatever_may_be_wrong_with_the_monitor_itself_is_described() {
    let house = House::open(province::quiet(3));
    let document = house.get("/api/v1/openapi.json").await.json();
    let schema = &document["components"]["schemas"]["Saw"];
    let (how, dir) = (|| "no-route".to_owned(), || "/var/lib/vchealth".into());
    let trouble = |detail| SelfDoubt::Trouble { part: Part::Store, detail };
    let session = || "Giao ban".to_owned();
    let doubts = [
        SelfDoubt::GatewaySilent { host: "10.0.0.1".to_owned() },
        SelfDoubt::GatewayUnasked { host: "10.0.0.1".to_owned(), how: how() },
        SelfDoubt::NobodyAnswers,
        SelfDoubt::ProbesFail { how: how() },
        SelfDoubt::SitesUnasked { how: how() },
        SelfDoubt::EngineStrained(Strain { late_ms: 1_400, dropped: 7, ..Strain::default() }),
        SelfDoubt::ClockSet { by_s: -7_200 },
        SelfDoubt::ClockOff { by_s: 300, devices: 9, of: 10 },
        SelfDoubt::DrillMissed {
            session: session(),
            channels: vec![ChannelId::new("sms")],
            refused: BTreeMap::new(),
        },
        SelfDoubt::DrillMissed {
            session: session(),
            channels: vec![ChannelId::new("sms")],
            refused: BTreeMap::from([(ChannelId::new("sms"), vec!["2".to_owned()])]),
        },
        SelfDoubt::NobodyReached { session: session() },
        SelfDoubt::SessionMuted { session: session() },
        SelfDoubt::SessionUnwatched { session: session() },
        trouble(Ailment::Words("timed out".to_owned())),
        trouble(Ailment::Store(StoreTrouble::Full { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::Held { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::ReadOnly { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::Damaged { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::Replaced { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::Failing { dir: dir() })),
        trouble(Ailment::Store(StoreTrouble::Silent { seconds: 2 })),
    ];
    for doubt in doubts {
        let value = serde_json::to_value(Saw::Ourselves(doubt)).unwrap();
        assert_eq!(fits(&document, schema, &value, "saw"), Ok(()), "{value}");
    }
}

#[tokio::test]
async fn every_site_of_a_troubled_province_fits_its_schema() {
    let house = House::open(province::troubled(204));
    let document = house.get("/api/v1/openapi.json").await.json();
    let schema = &document["components"]["schemas"]["Site"];
    for site in ["bac-kan", "cho-don", "tan-lap", "co-linh", "y-te", "tan-son"] {
        let detail = house.get(&format!("/api/v1/sites/{site}")).await.json();
        assert_eq!(fits(&document, schema, &detail, site), Ok(()));
    }
    let unseen = house.get("/api/v1/sites/co-linh").await.json();
    assert_eq!(unseen["health"], "unknown");
    assert_eq!(unseen["since"], Value::Null);
    assert_eq!(unseen["parent"], "pac-nam");
    let dead = house.get("/api/v1/sites/nam-mau").await.json();
    let sip = &dead["endpoints"][1]["targets"][1];
    assert_eq!((&sip["check"], &sip["health"]), (&json!("sip"), &json!("down")));
    assert_eq!(sip["last_failure"]["reason"], "host-unreachable");
    assert_eq!(dead["contacts"][0]["phone"], "0209 3870 000");
}

#[tokio::test]
async fn the_status_counts_what_the_list_of_sites_holds() {
    let house = House::open(province::troubled(204));
    let status = house.get("/api/v1/status").await.json();
    let sites = house.get("/api/v1/sites").await.json();
    let sites = sites["sites"].as_array().expect("sites");
    assert_eq!(sites.len(), 204);
    for health in ["up", "degraded", "down", "unknown"] {
        let count = sites.iter().filter(|site| site["health"] == health).count();
        assert_eq!(status["sites"][health], count, "{health}");
    }
    assert_eq!(status["incidents"], 3);
    assert_eq!(status["channels"][0]["delivered"], 41);
    assert_eq!(status["channels"][1]["refused"], 4);
    assert_eq!(status["channels"][1]["refusing"][0]["recipient"], "2");
    assert_eq!(status["store"]["bytes"], 4_096);
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    for path in [
        "/api/v1/sites/nowhere",
        "/api/v1/sites/Tân%20Lập",
        "/api/v1/incidents/nothing",
        "/api/v1/sites/%00",
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.json()["error"].is_string());
    }
    let ack = json!({ "by": "Hà", "note": "đang gọi" });
    assert_eq!(house.post("/api/v1/incidents/nothing/ack", &ack).await.status, 404);
    assert_eq!(house.ask("DELETE", "/api/v1/silences/nothing", &[], "").await.status, 404);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
    assert!(house.daemon.lifted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_ack_reaches_the_daemon_as_it_was_given() {
    let house = House::open(province::troubled(204));
    let until = province::now().wall + SignedDuration::from_hours(2);
    let body = json!({ "by": "  Nguyễn Thị Hà ", "note": "đang gọi\nxã", "until": until });
    let reply = house.post("/api/v1/incidents/cho-don-1/ack", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let acks = house.daemon.acks.lock().unwrap().clone();
    let [(incident, ack)] = &acks[..] else { panic!("{acks:?}") };
    assert_eq!(incident.as_str(), "cho-don-1");
    assert_eq!((&*ack.by, &*ack.note), ("Nguyễn Thị Hà", "đang gọi xã"));
    assert_eq!((ack.at, ack.until), (province::now().wall, Some(until)));
    assert_eq!(reply.json()["by"], "Nguyễn Thị Hà");
    let path = "/api/v1/incidents/na-ri-1/ack";
    for (until, lasts) in [(None, true), (Some("over"), false), (Some("session"), true)] {
        let reply = house.post(path, &json!({ "by": "Hà", "note": "gọi", "until": until })).await;
        assert_eq!(reply.status, 200, "{until:?}: {}", reply.text());
        assert_eq!(reply.json()["until"].is_string(), lasts, "{until:?}: {}", reply.text());
    }
}

#[tokio::test]
async fn whoever_comes_second_is_told_who_has_the_incident_already() {
    let house = House::open(province::troubled(204));
    let path = "/api/v1/incidents/nam-mau-1/ack";
    let refused = house.post(path, &json!({ "by": "Lan", "note": "gọi" })).await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.json()["held"]["by"], "Hà", "for programs");
    let why = refused.json()["error"].as_str().unwrap().to_owned();
    assert!(why.starts_with("Hà took this on at 2023-11-24 07:33 +07;"), "{why}");
    assert!(why.contains("`take_over`"), "{why}");
    assert!(house.daemon.acks.lock().unwrap().is_empty());
    assert_eq!(house.post(path, &json!({ "by": "Hà", "note": "đã gọi" })).await.status, 200);
    let over = json!({ "by": "Lan", "note": "gọi", "take_over": true });
    assert_eq!(house.post(path, &over).await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_with_its_place_and_what_to_do() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let session = |start: Value| {
        json!({ "id": "hop", "title": "Họp", "start": start, "end": "2023-11-24T07:00:00Z",
            "all": true, "by": "Hà" })
    };
    for (start, said) in [
        (json!("2023-11-24T12:00"), "`start`: \"2023-11-24T12:00\" says no offset from UTC"),
        (
            json!("mai"),
            "`start`: \"mai\" is no moment; moments look like 2026-12-03T08:00:00+07:00",
        ),
        (json!(12), "`start`: invalid type"),
    ] {
        let reply = house.post("/api/v1/sessions", &session(start.clone())).await;
        assert_eq!(reply.status, 400, "{start}");
        let why = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(why.starts_with(said), "{why}");
    }
    for (asked, said) in [
        ("/api/v1/incidents?from=2023-11-24", "`from`: \"2023-11-24\" says no offset"),
        ("/api/v1/incidents?from=2023-11-24T00:00:00+07:00", "write %2B"),
        ("/api/v1/sites?limit=many", "`limit`: invalid digit"),
        ("/api/v1/sites?sesion=x", "no parameter \"sesion\" here; there is `health`"),
        ("/api/v1/reports?page=2", "no parameter \"page\" here"),
    ] {
        let reply = house.get(asked).await;
        assert_eq!(reply.status, 400, "{asked}");
        let why = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(why.contains(said) && !why.contains("deserialize"), "{asked}: {why}");
    }
    let right = "/api/v1/incidents?from=2023-11-24T00:00:00%2B07:00";
    assert_eq!(house.get(right).await.status, 200);
}

#[tokio::test]
async fn an_ack_that_makes_no_sense_is_refused_with_the_reason() {
    let house = House::open(province::troubled(204));
    let path = "/api/v1/incidents/cho-don-1/ack";
    let past = province::now().wall - SignedDuration::from_secs(1);
    for (body, reason) in [
        (json!({}), "must say who"),
        (json!({ "by": " " }), "must say who"),
        (json!({ "by": "x".repeat(101) }), "longer than 100"),
        (json!({ "by": "a\nb" }), "control characters"),
        (json!({ "by": "a\u{202e}b" }), "that nobody sees"),
        (json!({ "by": "Hà", "note": "x\u{200b}y" }), "that nobody sees"),
        (json!({ "by": "Hà", "note": "\u{1b}[2J" }), "control characters"),
        (json!({ "by": "Hà", "note": "x".repeat(1_001) }), "longer than 1000"),
        (json!({ "by": "Hà" }), "`note` must say what is done about it"),
        (json!({ "by": "Hà", "note": "  " }), "`note` must say what is done about it"),
        (json!({ "by": "Hà", "until": past }), "future"),
        (json!({ "by": "Hà", "until": "tomorrow" }), "`until`: \"tomorrow\" is no moment"),
        (json!({ "by": "Hà", "until": "tomorrow" }), ", or `session`, or `over`"),
        (json!({ "by": "Hà", "forever": true }), "unknown field `forever`"),
        (json!({ "by": 7 }), "expected a string"),
        (json!(["Hà"]), "expected a map"),
    ] {
        let reply = house.post(path, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        let said = reply.json()["error"].as_str().expect("a reason").to_owned();
        assert!(said.contains(reason), "{body}: {said}");
    }
    let json = [("Content-Type", "application/json")];
    assert_eq!(house.ask("POST", path, &json, "{\"by\":").await.status, 400);
    assert_eq!(house.ask("POST", path, &json, "").await.status, 400);
    assert_eq!(house.ask("POST", path, &[], "{\"by\":\"H\"}").await.status, 415);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_incident_that_is_over_cannot_be_taken_on() {
    let house = House::open(province::troubled(204));
    let reply =
        house.post("/api/v1/incidents/cao-ky-1/ack", &json!({ "by": "Hà", "note": "x" })).await;
    assert_eq!(reply.status, 409);
    assert!(house.daemon.acks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_the_place_the_reason_and_what_to_send() {
    let house = House::open(province::troubled(204));
    let json = [("Content-Type", "application/json")];
    let long = format!("{{\"by\": \"Hà\", \"note\": \"{}\"}}", "x".repeat(20_000));
    for path in ["/api/v1/incidents/cho-don-1/ack", "/api/v1/silences", "/api/v1/maintenance"] {
        for (headers, body, status, said) in [
            (&json[..], "[[[[", 400, "expected a map at line 1 column 0; /api/v1/openapi.json"),
            (&json, "{\"by\": ", 400, "EOF while parsing a value at line 1"),
            (&json, "{\"by\": ", 400, "send an object, such as {\"by\": \"Hà\"}"),
            (&json, &long, 413, "longer than the 16 KiB that it may be; send less"),
            (&[], "{}", 415, "with `Content-Type: application/json`"),
        ] {
            let reply = house.ask("POST", path, headers, body).await;
            let why = reply.json()["error"].as_str().unwrap_or_default().to_owned();
            assert_eq!(reply.status, status, "{path}: {why}");
            assert!(why.contains(said), "{path}: {why}");
            for of_the_library in ["deserialize", "target type", "Failed", "buffer"] {
                assert!(!why.contains(of_the_library), "{path}: {why}");
            }
        }
    }
}

#[tokio::test]
async fn there_are_so_many_silences_and_no_more_and_none_begins_next_year() {
    let mut snapshot = province::troubled(204);
    let many = |n: usize| (0..n).map(|n| province::silence(&format!("s-{n}"))).collect();
    snapshot.silences = many(999);
    let house = House::open(snapshot.clone());
    let now = province::now().wall;
    let at = |hours: i64| (now + SignedDuration::from_hours(hours)).to_string();
    let silence = json!({ "by": "Hà", "until": at(1), "reason": "kéo cáp" });
    assert_eq!(house.post("/api/v1/silences", &silence).await.status, 201);
    snapshot.silences = many(1_000);
    house.daemon.publish(snapshot);
    let full = house.post("/api/v1/silences", &silence).await;
    let why = full.json()["error"].as_str().unwrap().to_owned();
    assert_eq!(full.status, 400);
    assert!(why.starts_with("there are 1000 silences already") && why.contains("DELETE"), "{why}");
    assert_eq!(house.daemon.silences.lock().unwrap().len(), 1);

    for days in [365, 367] {
        let (from, until) = (at(24 * days), at(24 * days + 1));
        let work = json!({ "sites": ["nam-mau"], "by": "Hà", "reason": "kéo cáp",
            "from": from, "until": until });
        let reply = house.post("/api/v1/maintenance", &work).await;
        if days == 365 {
            assert_eq!(reply.status, 201);
        } else {
            let why = reply.json()["error"].as_str().unwrap().to_owned();
            assert!(why.starts_with("`from` lies too far off"), "{why}");
        }
    }
    let far = json!({ "by": "Hà", "until": "9999-12-31T00:00:00Z" });
    let reply = house.post("/api/v1/silences", &far).await;
    let why = reply.json()["error"].as_str().unwrap().to_owned();
    assert!(why.contains("lies too far off"), "{why}");
}

#[tokio::test]
async fn duty_is_handed_over_and_taken_back_and_nonsense_is_refused() {
    let house = House::open(province::troubled(204));
    let hours = |hours| province::now().wall + SignedDuration::from_hours(hours);
    let path = "/api/v1/oncall/truc-tinh";
    let put = async |path: &str, body: Value| {
        let json = [("content-type", "application/json")];
        house.ask("PUT", path, &json, &body.to_string()).await
    };
    let body = json!({ "people": ["tu", "tu"], "until": hours(8), "by": "Hà", "reason": "bị ốm" });
    let reply = put(path, body.clone()).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let handed = house.daemon.handed.lock().unwrap().clone();
    let [(rota, Some(handed))] = &handed[..] else { panic!("{handed:?}") };
    assert_eq!((rota.as_str(), handed.people.len()), ("truc-tinh", 1));
    assert_eq!((handed.until, &*handed.by, &*handed.reason), (hours(8), "Hà", "bị ốm"));
    for (key, value, said) in [
        ("people", json!([]), "1 to 20 people"),
        ("people", json!(["tu", "lan"]), "no person \"lan\" in the settings; there is ha, tu"),
        ("until", json!(hours(-1)), "in the future"),
        ("until", json!(hours(24 * 32)), "31 days at most"),
        ("until", json!("session"), "is no moment"),
        ("reason", json!(" "), "`reason` must say why it is handed over"),
        ("by", json!("a\u{202e}b"), "nobody sees"),
        ("forever", json!(true), "unknown field"),
    ] {
        let mut body = body.clone();
        body[key] = value;
        let reply = put(path, body.clone()).await;
        assert_eq!(reply.status, 400, "{body}");
        let why = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(why.contains(said), "{body}: {why}");
    }
    let unknown = put("/api/v1/oncall/truc-huyen", body).await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("there is truc-tinh"), "{}", unknown.text());
    let nothing = house.ask("DELETE", path, &[], "").await;
    assert_eq!(nothing.status, 404, "it is in nobody else's hands: {}", nothing.text());
    let mut snapshot = province::troubled(204);
    snapshot.duty[0].handed = Some(province::handed());
    snapshot.duty[0].gone = vec![PersonId::new("lan")];
    house.daemon.publish(snapshot);
    let shown = house.get("/api/v1/oncall").await.json();
    assert_eq!(shown["rotas"][0]["handed"]["by"], "Hà");
    assert_eq!(shown["rotas"][0]["gone"], json!(["lan"]));
    assert_eq!(shown["people"][1], json!({ "id": "tu", "name": "Lý A Tú" }));
    let board = house.get("/").await.text();
    assert!(board.contains("(trực thay đến "), "the board says so");
    assert!(board.contains("Bàn giao trực không còn hiệu lực"), "and what does not hold");
    assert!(house.get("/?lang=en").await.text().contains("(standing in until "));
    assert_eq!(house.ask("DELETE", path, &[], "").await.status, 204);
    assert_eq!(house.daemon.handed.lock().unwrap().last().unwrap().1, None);
}

#[tokio::test]
async fn a_silence_is_set_and_lifted() {
    let mut snapshot = province::troubled(204);
    snapshot.silences = vec![province::silence("s-1")];
    let house = House::open(snapshot);
    let until = province::now().wall + SignedDuration::from_hours(3);
    let body = json!({ "site": "cho-don", "until": until, "by": "Hà", "reason": "kéo cáp" });
    let reply = house.post("/api/v1/silences", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let silences = house.daemon.silences.lock().unwrap().clone();
    let [silence] = &silences[..] else { panic!("{silences:?}") };
    assert_eq!(silence.site, Some(SiteId::new("cho-don")));
    assert_eq!((silence.from, silence.until), (province::now().wall, until));
    assert_eq!(reply.header("location"), format!("/api/v1/silences/{}", silence.id));

    let nobody = house.ask("DELETE", "/api/v1/silences/s-1?by=%07", &[], "").await;
    assert_eq!(nobody.status, 400, "{}", nobody.text());
    let ended = house.ask("DELETE", "/api/v1/silences/s-1?by=H%C3%B9ng", &[], "").await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert_eq!(*house.daemon.lifted.lock().unwrap(), [SilenceId::new("s-1")]);
}

#[tokio::test]
async fn a_silence_that_makes_no_sense_is_refused_with_the_reason() {
    let house = House::open(province::troubled(204));
    let hours = |hours| province::now().wall + SignedDuration::from_hours(hours);
    for (body, reason) in [
        (json!({ "by": "Hà" }), "missing field `until`"),
        (json!({ "by": "", "until": hours(1) }), "must say who"),
        (json!({ "by": "Hà", "until": hours(-1) }), "future"),
        (json!({ "by": "Hà", "until": hours(1), "from": hours(2) }), "after `from`"),
        (json!({ "by": "Hà", "until": hours(24 * 32) }), "31 days"),
        (json!({ "by": "Hà", "until": hours(1), "site": "cho-dan" }), "no site \"cho-dan\""),
        (json!({ "by": "Hà", "until": hours(1) }), "`reason` must say why"),
        (json!({ "by": "Hà", "until": hours(1), "reason": " " }), "`reason` must say why"),
    ] {
        let reply = house.post("/api/v1/silences", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        let said = reply.json()["error"].as_str().expect("a reason").to_owned();
        assert!(said.contains(reason), "{body}: {said}");
    }
    assert!(house.daemon.silences.lock().unwrap().is_empty());
}

#[tokio::test]
async fn readiness_is_shown_kept_and_confirmed() {
    let house = House::open(province::troubled(204));
    let path = "/api/v1/sessions/2023-11-24-giao-ban/readiness";
    let shown = house.get(path).await.json();
    assert_eq!(shown["verdict"], "not-ready");
    let counts = json!({ "ready": 58, "at-risk": 1, "cannot-tell": 0, "not-ready": 1 });
    assert_eq!(shown["counts"], counts);
    assert_eq!(shown["sites"][1]["findings"][0]["found"]["kind"], "silent");
    assert_eq!(shown["confirmations"][0]["by"], "Nguyễn Thị Hà");
    assert_eq!(house.get("/api/v1/sessions/nothing/readiness").await.status, 404);

    let run = body_for("keepReadiness").expect("a run");
    assert_eq!(house.post(path, &run).await.status, 204);
    let kept = house.daemon.runs.lock().unwrap().clone();
    assert_eq!((kept.len(), kept[0].lead_s), (1, None), "only the daemon's own have a moment");
    let refused = |change: fn(&mut Value)| {
        let mut run = run.clone();
        change(&mut run);
        run
    };
    for (body, reason) in [
        (refused(|run| run["session"] = json!("other")), "a run of"),
        (refused(|run| run["finished"] = json!("2030-01-01T00:00:00Z")), "future"),
        (refused(|run| run["sites"][0]["site"] = json!("cho-dan")), "no site"),
        (refused(|run| run["sites"] = json!(7)), "invalid type"),
    ] {
        let reply = house.post(path, &body).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let said = reply.json()["error"].as_str().expect("a reason").to_owned();
        assert!(said.contains(reason), "{said}");
    }

    let path = "/api/v1/sessions/2023-11-24-giao-ban/confirmations";
    let body = body_for("confirm").expect("words");
    assert_eq!(house.post(path, &body).await.json()["sound"], false);
    let said = house.daemon.confirmed.lock().unwrap().clone();
    assert_eq!((said[0].site.as_str(), said[0].at), ("nam-mau", province::now().wall));
    for (body, reason) in [
        (json!({ "site": "nam-mau", "picture": true, "by": "Hà" }), "missing field `sound`"),
        (json!({ "site": "x", "picture": true, "sound": true, "by": "Hà" }), "no site"),
        (json!({ "site": "nam-mau", "picture": true, "sound": true, "by": "" }), "must say who"),
    ] {
        let reply = house.post(path, &body).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(reason), "{}", reply.text());
    }
}

#[test]
fn the_test_of_schemas_can_fail() {
    let document = json!({ "defs": { "N": { "type": "integer", "minimum": 0 } } });
    let schema = json!({
        "type": "object",
        "properties": { "n": { "$ref": "#/defs/N" }, "t": { "anyOf": [
            { "type": "string", "format": "date-time" }, { "type": "null" },
        ] } },
        "required": ["n"],
        "additionalProperties": false,
    });
    let holds = |value: &Value| fits(&document, &schema, value, "it").is_ok();
    assert!(holds(&json!({ "n": 1, "t": null })));
    assert!(!holds(&json!({ "n": -1 })));
    assert!(!holds(&json!({ "n": 1, "t": "noon" })));
    assert!(!holds(&json!({ "t": null })));
    assert!(!holds(&json!({ "n": 1, "more": 1 })));
}

#[tokio::test]
async fn a_change_of_a_session_is_checked_before_it_reaches_the_daemon() {
    let house = House::open(province::troubled(204));
    let json = [("content-type", "application/json")];
    let put = async |id: &str, body: Value| {
        house.ask("PUT", &format!("/api/v1/sessions/{id}"), &json, &body.to_string()).await
    };
    let times = ("2023-11-24T05:00:00Z", "2023-11-24T07:00:00Z");
    let whole = json!({
        "title": "Họp", "start": times.0, "end": times.1, "add": ["tan-lap", "cho-don"], "by": "Hà",
    });
    for (id, field, value, why) in [
        ("x", "add", json!(["nowhere"]), "there is no site"),
        ("x", "drop", json!(["tan-lap"]), "both added and dropped"),
        ("x", "end", json!(times.0), "ends before it starts"),
        ("x", "by", json!(" "), "`by`"),
        ("x", "title", json!("a\nb"), "`title`"),
        ("x", "delegates", json!({"tan-lap": 100_001}), "100000"),
        ("x", "bogus", json!(1), "bogus"),
        ("x", "id", json!("y"), "not that of the path"),
        ("X", "by", json!("Hà"), "lower-case"),
    ] {
        let mut body = whole.clone();
        body[field] = value;
        let reply = put(id, body).await;
        assert_eq!(reply.status, 400, "{field}: {reply:?}");
        assert!(reply.json()["error"].as_str().unwrap().contains(why), "{reply:?}");
    }
    assert!(house.daemon.changes.lock().unwrap().is_empty());

    assert_eq!(put("x", whole).await.status, 200);
    let changes = house.daemon.changes.lock().unwrap().clone();
    let (id, change) = &changes[0];
    assert_eq!((id.as_str(), change.as_ref().unwrap().by.as_str()), ("x", "Hà"));
    assert_eq!(change.as_ref().unwrap().add.len(), 2);
}

/// The paths that the router knows and the document is to describe, as its source says.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../../src/web/app.rs");
    let after = source.split(".route(").skip(1);
    let paths = after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    let described = |path: &&str| {
        path.starts_with("/api/") || path.starts_with("/-/") || ["/metrics", "/live"].contains(path)
    };
    paths.filter(described).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_document_describes_every_route_and_every_description_has_one() {
    let house = House::open(province::troubled(204));
    let document = house.get("/api/v1/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, routes());
    for (path, operations) in paths {
        let mut known: BTreeSet<String> = operations
            .as_object()
            .expect("operations")
            .keys()
            .map(|it| it.to_ascii_uppercase())
            .collect();
        if known.contains("GET") {
            known.insert("HEAD".to_owned());
        }
        // What is asked for by no method is told which ones there are.
        let path = path.replace("{id}", "x").replace("{site}", "x");
        let reply = house.ask("BREW", &path, &[], "").await;
        assert_eq!(reply.status, 405, "{path}");
        let allowed: BTreeSet<String> =
            reply.header("allow").split(',').map(str::to_owned).collect();
        assert_eq!(allowed, known, "{path}");
        assert!(reply.json()["error"].is_string(), "{path}");
    }
}

#[tokio::test]
async fn what_a_request_asks_for_wrongly_is_told_in_one_form() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    for (path, status, why) in [
        ("/api/v1/sites/%ff", 404, "UTF-8"),
        ("/api/v1/sites?limit=0", 400, "`limit` is 1 to"),
        ("/api/v1/sites?limit=-1", 400, "`limit`: "),
        ("/api/v1/sites?nope=1", 400, "no parameter \"nope\" here; there is `health`, `level`, "),
        ("/api/v1/sites?session=x&%73esion=x", 400, "\"sesion\""),
        ("/api/v1/status?lang=vi", 400, "none at all"),
        ("/live?afer=1", 400, "`after`"),
        ("/api/v1/sites?limit=99999999999999999999", 400, "limit"),
        ("/api/v1/sites?health=dead", 400, "health"),
        ("/api/v1/sites?after=nowhere", 404, "`after`"),
        ("/api/v1/sites/nam-mau/outcomes?lang=fr", 400, "`lang`"),
        ("/api/v1/sites/nowhere/outcomes", 404, "no such site"),
        ("/api/v1/sites/nam-mau/series?points=501", 400, "`points`"),
        ("/api/v1/sites/nam-mau/series?from=yesterday", 400, "from"),
        (
            "/api/v1/sites/nam-mau/series?from=2023-01-01T00:00:00Z&until=2022-01-01T00:00:00Z",
            400,
            "before",
        ),
        ("/api/v1/sites/nam-mau/series?from=0001-01-01T00:00:00Z", 400, "400 days"),
        ("/api/v1/sites/nam-mau/series?session=x&from=2023-01-01T00:00:00Z", 400, "either"),
        ("/api/v1/sites/nam-mau/series?session=nothing", 404, "session"),
        ("/api/v1/sites/nam-mau/history?limit=201", 400, "`limit`"),
        ("/api/v1/sites/nowhere/history", 404, "no such site"),
        ("/api/v1/incidents?cause=fate", 400, "cause"),
        ("/api/v1/incidents?after=nothing", 404, "`after`"),
        ("/api/v1/incidents/nothing/timeline", 404, "on record"),
        ("/api/v1/sessions/nothing", 404, "no such session"),
        ("/api/v1/sessions/cho-don-1/report?lang=xx", 400, "`lang`"),
        ("/api/v1/reports?limit=21", 400, "`limit`"),
        ("/api/v1/reports?after=nothing", 404, "no such"),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let said = reply.json()["error"].as_str().expect("a reason").to_owned();
        assert!(said.contains(why), "{path}: {said}");
    }
    for answered in ["/api/v1/sites/nam-mau?", "/-/healthy?x=1", "/metrics?x=1", "/?q=bang&x=1"] {
        assert_eq!(house.get(answered).await.status, 200, "{answered}");
    }
}

#[tokio::test]
async fn without_a_history_those_who_look_back_are_told_so() {
    let house = House::open(province::troubled(204));
    let reply = house.get("/api/v1/sites/nam-mau/series").await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.json()["error"], "the history cannot be read");
}

#[tokio::test]
async fn sites_are_found_by_what_people_type_and_page_by_page() {
    let house = House::open(province::troubled(204));
    let ids = async |path: &str| {
        let found = house.get(path).await.json();
        let sites = found["sites"].as_array().expect("sites").clone();
        let ids: Vec<String> =
            sites.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        (ids, found["next"].as_str().map(str::to_owned))
    };
    assert_eq!(ids("/api/v1/sites?search=NAM%20%20mau").await, (vec!["nam-mau".to_owned()], None));
    let (down, _) = ids("/api/v1/sites?health=down").await;
    assert!(down.contains(&"nam-mau".to_owned()) && down.len() > 10, "{down:?}");
    let (below, _) = ids("/api/v1/sites?parent=pac-nam").await;
    assert!(below.contains(&"co-linh".to_owned()), "{below:?}");
    let (all, _) = ids("/api/v1/sites").await;
    let mut paged = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let (page, further) = ids(&format!("/api/v1/sites?limit=50{after}")).await;
        paged.extend(page);
        next = further;
    }
    assert_eq!(paged, all);
}

#[tokio::test]
async fn outcomes_are_explained_in_the_language_that_is_asked_for() {
    let house = House::open(province::troubled(204));
    let path = "/api/v1/sites/nam-mau/outcomes";
    let vi = house.get(path).await.json();
    let failed = &vi["targets"][0]["failures"][0];
    assert_eq!((&vi["language"], &failed["failure"]), (&json!("vi"), &json!("timeout")));
    assert_eq!(failed["left_out"], 41);
    let last = failed["story"].as_array().unwrap().last().unwrap();
    assert_eq!(last, "=> không có trả lời trong thời gian chờ");
    let english = [("Accept-Language", "en-GB, vi;q=0.5")];
    let en = house.ask("GET", path, &english, "").await.json();
    let last = en["targets"][0]["failures"][0]["story"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last, "=> nothing came back within the time limit");
    let chosen = house.ask("GET", &format!("{path}?lang=vi"), &english, "").await.json();
    assert_eq!(chosen["targets"], vi["targets"], "the address decides");
}

#[tokio::test]
async fn a_site_is_probed_now_unless_too_many_ask() {
    let house = House::open(province::troubled(204));
    let path = "/api/v1/sites/nam-mau/probe?lang=en";
    let probed = house.ask("POST", path, &[], "").await.json();
    assert_eq!(probed["targets"][0]["outcome"], Value::Null, "it did not end in time");
    assert_eq!(probed["targets"][1]["outcome"]["rtt_seconds"], 0.021);
    assert_eq!(house.ask("POST", "/api/v1/sites/nowhere/probe", &[], "").await.status, 404);
    house.daemon.busy.store(true, std::sync::atomic::Ordering::SeqCst);
    let busy = house.ask("POST", path, &[], "").await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, "1"));
}

#[tokio::test]
async fn charts_have_as_few_points_as_asked_for_and_keep_the_spikes() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let path = "/api/v1/sites/nam-mau/series";
    let charts = house.get(path).await.json();
    assert_eq!(charts["step_seconds"], 180);
    let [chart] = &charts["series"].as_array().unwrap()[..] else { panic!("{charts}") };
    assert_eq!((&chart["endpoint"], &chart["check"]), (&json!("codec"), &json!("ping")));
    assert_eq!(chart["points"].as_array().unwrap().len(), 40);
    let few = house.get(&format!("{path}?points=1")).await.json();
    let point = &few["series"][0]["points"][0];
    assert_eq!((&point["probes"], &point["rtt_seconds"]["max"]), (&json!(7_200), &json!(0.4)));
    let mos = point["mos"]["median"].as_f64().unwrap();
    assert!((mos - 4.37).abs() < 0.07, "{mos}");
    let other = house.get(&format!("{path}?endpoint=router")).await.json();
    assert_eq!(other["series"], json!([]));
}

#[tokio::test]
async fn incidents_on_record_go_back_page_by_page() {
    let house = House::open(province::troubled(204));
    let now = house.get("/api/v1/incidents?state=resolved").await.json();
    assert_eq!(now["incidents"].as_array().unwrap().len(), 1);
    house.daemon.remember();
    let mut found = Vec::new();
    let mut next = Some(String::new());
    while let Some(after) = next {
        let after = if after.is_empty() { after } else { format!("&after={after}") };
        let from = "from=2023-11-01T00:00:00Z";
        let page = house.get(&format!("/api/v1/incidents?{from}&limit=2{after}")).await.json();
        found.extend(page["incidents"].as_array().unwrap().iter().map(|it| it["id"].clone()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(
        found,
        ["tan-lap-1", "cho-don-1", "nam-mau-1", "na-ri-1", "cao-ky-1"].map(|id| json!(id)).to_vec()
    );
    let touched =
        house.get("/api/v1/incidents?from=2023-11-01T00:00:00Z&site=tan-lap").await.json();
    let ids: Vec<&Value> =
        touched["incidents"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["tan-lap-1", "cho-don-1"], "the one that affects it as well");
}

#[tokio::test]
async fn an_incident_is_told_as_a_story() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let story = house.get("/api/v1/incidents/nam-mau-1/timeline?lang=vi").await.json();
    let kinds: Vec<&str> =
        story["events"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["began", "affected", "opened", "taken"]);
    assert_eq!(story["events"][3]["text"], "Hà tiếp nhận: đang gọi xã");
    assert!(story["summary"].as_str().unwrap().contains("Xã Nam Mẫu"), "{}", story["summary"]);
    assert!(story["contact"].as_str().unwrap().contains("0209 3870 000"));
}

#[tokio::test]
async fn a_session_is_shown_with_its_sites_and_its_countdown() {
    let house = House::open(province::troubled(204));
    let shown = house.get("/api/v1/sessions/2023-11-24-giao-ban").await.json();
    assert_eq!(shown["sites"].as_array().unwrap().len(), 60);
    assert!(shown["starts_in_seconds"].as_i64().unwrap() > 0 || shown["when"] != "coming");
    let confirmed =
        shown["sites"].as_array().unwrap().iter().filter(|it| it["confirmation"].is_object());
    assert_eq!(confirmed.count(), 1);
    let path = "/api/v1/sessions/2023-11-24-giao-ban/confirmations/nam-mau";
    assert_eq!(house.ask("DELETE", path, &[], "").await.status, 204);
    let back = house.daemon.unconfirmed.lock().unwrap().clone();
    assert_eq!((back[0].0.as_str(), back[0].1.as_str()), ("2023-11-24-giao-ban", "nam-mau"));
}

#[tokio::test]
async fn a_refused_configuration_shows_until_one_is_taken_on() {
    let house = House::open(province::troubled(204));
    let well = house.get("/api/v1/status").await.json();
    assert_eq!(well["configuration"]["refused_since"], Value::Null);
    let at = province::now().wall;
    *house.daemon.condition.lock().unwrap() = Condition {
        loaded: at,
        refused: Some(Refused { since: at, at, why: "sites.yaml:3:5: error".to_owned() }),
        waits_for_restart: vec!["listen"],
    };
    let ill = house.get("/api/v1/status").await.json();
    assert_eq!(ill["configuration"]["refused_why"], "sites.yaml:3:5: error");
    assert_eq!(ill["configuration"]["waits_for_restart"], json!(["listen"]));
}
