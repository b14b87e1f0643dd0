//! Calendars as programs write them, in several zones, with everything that recurs, moves and ends.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::config::{self, Config, File, SourceSet};
use crate::model::SiteId;

fn config() -> Config {
    let settings = "channels: {}\ncalendars: {office: {file: /x.ics, delegates: 20, sites: {levels: [commune]}}}\n";
    let sites = "levels: [{id: province, name: {vi: Tỉnh, en: Province}}, {id: commune, name: {vi: Xã, en: Commune}}]
classes:
  hub: {level: province, endpoints: [{id: router, checks: [ping]}]}
  commune: {level: commune, endpoints: [{id: router, checks: [ping]}]}
default_class: commune
sites:
  - {id: tinh, name: Tỉnh, class: hub, router: 10.0.0.1}
  - {id: tan-lap, name: Xã Tân Lập, parent: tinh, router: 10.0.1.1}
  - {id: hoa-muc, name: Xã Hòa Mục, parent: tan-lap, router: 10.0.2.1}
";
    let sources = SourceSet::new()
        .with(File::Settings, "vchealth.yaml", settings)
        .with(File::Sites, "sites.yaml", sites)
        .with(File::Sessions, "sessions.yaml", "sessions: []\n");
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

/// A calendar of these lines, with CRLF as RFC 5545 asks for.
fn calendar(lines: &str) -> String {
    let all = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{lines}\nEND:VCALENDAR\n");
    all.replace('\n', "\r\n")
}

fn event(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\nUID:u1\nSUMMARY:Họp\n{lines}\nEND:VEVENT"))
}

fn read_in(text: &str, zone_name: &str, now: Timestamp) -> Read {
    let config = config();
    let settings = &config.settings.calendars[0];
    sessions(text.as_bytes(), settings, &config.topology, &zone(zone_name), now)
        .unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn read(text: &str) -> Read {
    read_in(text, "Asia/Ho_Chi_Minh", now())
}

/// Start and end of every session, in UTC.
fn times(read: &Read) -> Vec<String> {
    assert_eq!(read.troubles, [] as [String; 0]);
    read.sessions.iter().map(|s| format!("{}/{}", s.start, s.end)).collect()
}

#[test]
fn a_time_is_what_its_zone_says() {
    for (written, wanted) in [
        ("DTSTART:20261209T080000", "2026-12-09T01:00:00Z"),
        ("DTSTART:20261209T010000Z", "2026-12-09T01:00:00Z"),
        ("DTSTART;TZID=Asia/Ho_Chi_Minh:20261209T080000", "2026-12-09T01:00:00Z"),
        ("DTSTART;TZID=\"SE Asia Standard Time\":20261209T080000", "2026-12-09T01:00:00Z"),
        ("DTSTART;TZID=/x.example/Asia/Tokyo:20261209T080000", "2026-12-08T23:00:00Z"),
        ("DTSTART;TZID=America/New_York:20261209T080000", "2026-12-09T13:00:00Z"),
        ("DTSTART;TZID=Europe/Berlin:20260709T080000", "2026-07-09T06:00:00Z"),
    ] {
        let july: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let at = if wanted.starts_with("2026-07") { july } else { now() };
        let found = read_in(&event(&format!("{written}\nDURATION:PT2H")), "Asia/Ho_Chi_Minh", at);
        assert!(times(&found)[0].starts_with(wanted), "{written}: {:?}", found.sessions);
    }
}

#[test]
fn a_day_alone_is_that_whole_day_in_the_calendars_zone() {
    let text = event("DTSTART;VALUE=DATE:20261209\nDTEND;VALUE=DATE:20261211");
    for (zone, wanted) in [
        ("Asia/Ho_Chi_Minh", "2026-12-08T17:00:00Z/2026-12-10T17:00:00Z"),
        ("America/New_York", "2026-12-09T05:00:00Z/2026-12-11T05:00:00Z"),
        ("Pacific/Auckland", "2026-12-08T11:00:00Z/2026-12-10T11:00:00Z"),
    ] {
        assert_eq!(times(&read_in(&text, zone, now())), [wanted], "{zone}");
    }
    // A day on which the clocks change is as long as it is.
    let march: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let text = event("DTSTART;VALUE=DATE:20260329");
    let wanted = ["2026-03-28T23:00:00Z/2026-03-29T22:00:00Z"];
    assert_eq!(times(&read_in(&text, "Europe/Berlin", march)), wanted);
}

#[test]
fn a_weekly_session_stays_at_its_hour_when_clocks_change() {
    let march: Timestamp = "2026-03-15T00:00:00Z".parse().unwrap();
    let text = event(
        "DTSTART;TZID=Europe/Berlin:20260317T080000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4",
    );
    let starts: Vec<String> = read_in(&text, "Asia/Ho_Chi_Minh", march)
        .sessions
        .iter()
        .map(|s| s.start.to_string())
        .collect();
    assert_eq!(
        starts,
        [
            "2026-03-17T07:00:00Z",
            "2026-03-24T07:00:00Z",
            "2026-03-31T06:00:00Z",
            "2026-04-07T06:00:00Z"
        ]
    );
    // Half past two is skipped on 29 March and then as late after the gap; no day is lost.
    let text = event(
        "DTSTART;TZID=Europe/Berlin:20260328T023000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3",
    );
    let starts: Vec<String> = read_in(&text, "Asia/Ho_Chi_Minh", march)
        .sessions
        .iter()
        .map(|s| s.start.to_string())
        .collect();
    assert_eq!(starts, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
}

#[test]
fn a_zone_that_only_the_calendar_knows_is_taken_from_its_definition() {
    let definition = "BEGIN:VTIMEZONE\nTZID:Văn phòng\nBEGIN:STANDARD\nDTSTART:19701101T020000\n\
        RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\nTZOFFSETFROM:-0400\nTZOFFSETTO:-0500\nEND:STANDARD\n\
        BEGIN:DAYLIGHT\nDTSTART:19700308T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\n\
        TZOFFSETFROM:-0500\nTZOFFSETTO:-0400\nEND:DAYLIGHT\nEND:VTIMEZONE\n";
    let fixed = "BEGIN:VTIMEZONE\nTZID:Bắc Kạn\nBEGIN:STANDARD\nDTSTART:19700101T000000\n\
        TZOFFSETFROM:+0700\nTZOFFSETTO:+0700\nEND:STANDARD\nEND:VTIMEZONE\n";
    for (definition, zone, day, wanted) in [
        (definition, "Văn phòng", "20261209", "2026-12-09T13:00:00Z"),
        (definition, "Văn phòng", "20270709", "2027-07-09T12:00:00Z"),
        (fixed, "Bắc Kạn", "20261209", "2026-12-09T01:00:00Z"),
    ] {
        let text = calendar(&format!(
            "{definition}BEGIN:VEVENT\nUID:u\nSUMMARY:x\nDTSTART;TZID={zone}:{day}T080000\nDURATION:PT1H\nEND:VEVENT"
        ));
        assert!(times(&read(&text))[0].starts_with(wanted), "{zone} {day}");
    }
}

#[test]
fn exceptions_moved_and_cancelled_occurrences_are_followed() {
    let text = calendar(
        "BEGIN:VEVENT\nUID:u\nSUMMARY:Giao ban\nDTSTART:20261207T080000\nDTEND:20261207T090000\n\
         RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20270111T010000Z\nEXDATE:20261214T080000\n\
         RDATE:20261216T080000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nSUMMARY:Giao ban (dời)\nRECURRENCE-ID:20261221T080000\nSEQUENCE:1\n\
         DTSTART:20261222T140000\nDTEND:20261222T150000\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nSUMMARY:Giao ban\nRECURRENCE-ID:20261228T080000\nSTATUS:CANCELLED\n\
         DTSTART:20261228T080000\nDTEND:20261228T090000\nEND:VEVENT",
    );
    let found = read(&text);
    let starts: Vec<String> = found
        .sessions
        .iter()
        .map(|s| zone("Asia/Ho_Chi_Minh").to_datetime(s.start).strftime("%m-%d %H:%M").to_string())
        .collect();
    assert_eq!(starts, ["12-07 08:00", "12-16 08:00", "12-22 14:00", "01-04 08:00", "01-11 08:00"]);
    // What is moved keeps the id of the day that it was to be on, so that changes of it hold.
    assert!(found.sessions[2].id.as_str().ends_with("-20261221"), "{:?}", found.sessions[2].id);
    assert_eq!(found.sessions[2].title, "Giao ban (dời)");
    // An update of the whole series counts before what it replaces, wherever it stands.
    let twice = calendar(
        "BEGIN:VEVENT\nUID:u\nSUMMARY:mới\nSEQUENCE:2\nDTSTART:20261210T080000\nDURATION:PT1H\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:u\nSUMMARY:cũ\nSEQUENCE:1\nDTSTART:20261209T080000\nDURATION:PT1H\nEND:VEVENT",
    );
    assert_eq!(read(&twice).sessions.iter().map(|s| s.title.as_str()).collect::<Vec<_>>(), ["mới"]);
}

#[test]
fn a_change_of_this_and_all_later_occurrences_moves_them_all() {
    let series = "BEGIN:VEVENT\nUID:u\nSUMMARY:Giao ban\nDTSTART:20261207T080000\n\
        DTEND:20261207T090000\nRRULE:FREQ=WEEKLY;COUNT=5\nEND:VEVENT\n";
    let starts = |more: &str| -> Vec<String> {
        let found = read(&calendar(&format!("{series}{more}")));
        assert_eq!(found.troubles, [] as [String; 0]);
        let zone = zone("Asia/Ho_Chi_Minh");
        let told = found.sessions.iter().map(|s| {
            let start = zone.to_datetime(s.start).strftime("%m-%d %H:%M");
            let minutes = s.end.duration_since(s.start).as_mins();
            format!("{start} {minutes} {} {}", s.title, &s.id.as_str()[s.id.as_str().len() - 4..])
        });
        told.collect()
    };
    // From the third on a day later, at two, for two hours; the ids stay those of the old days.
    let onwards = "BEGIN:VEVENT\nUID:u\nSUMMARY:Họp\nRECURRENCE-ID;RANGE=THISANDFUTURE:20261221T080000\n\
        DTSTART:20261222T140000\nDTEND:20261222T160000\nEND:VEVENT\n";
    let first = ["12-07 08:00 60 Giao ban 1207", "12-14 08:00 60 Giao ban 1214"];
    let moved =
        ["12-22 14:00 120 Họp 1221", "12-29 14:00 120 Họp 1228", "01-05 14:00 120 Họp 0104"];
    assert_eq!(starts(onwards), [&first[..], &moved[..]].concat());
    // A change of a single one counts before it, and from a later change on that one counts.
    let single = "BEGIN:VEVENT\nUID:u\nSUMMARY:Riêng\nRECURRENCE-ID:20261228T080000\n\
        DTSTART:20261230T070000\nDTEND:20261230T080000\nEND:VEVENT\n";
    let off = "BEGIN:VEVENT\nUID:u\nSUMMARY:Họp\nRECURRENCE-ID;RANGE=THISANDFUTURE:20270104T080000\n\
        STATUS:CANCELLED\nDTSTART:20270104T080000\nEND:VEVENT\n";
    let wanted = [&first[..], &moved[..1], &["12-30 07:00 60 Riêng 1228"]].concat();
    assert_eq!(starts(&format!("{onwards}{single}{off}")), wanted);
}

#[test]
fn an_event_says_who_takes_part() {
    let with = |lines: &str| {
        let found = read(&event(&format!("DTSTART:20261209T080000\nDURATION:PT1H\n{lines}")));
        assert_eq!(found.troubles, [] as [String; 0], "{lines}");
        let config = config();
        let session = found.sessions[0].clone();
        let sites = session.sites.iter();
        let told = sites.map(|(site, n)| format!("{} {n}", config.topology.site(*site).id));
        (session.id.to_string(), told.collect::<Vec<_>>().join(", "))
    };
    assert_eq!(with("").1, "tan-lap 20, hoa-muc 20");
    assert_eq!(with("DESCRIPTION:sites: all").1, "tinh 20, tan-lap 20, hoa-muc 20");
    assert_eq!(
        with("DESCRIPTION:Chào\\nsites: tan-lap+\\, -Xã Hoà Mục\\nđại biểu: 7").1,
        "tan-lap 7"
    );
    assert_eq!(
        with("DESCRIPTION:Điểm cầu: Xã\\, Tỉnh\\nĐại biểu: 5\\, tinh 90").1,
        "tinh 90, tan-lap 5, hoa-muc 5"
    );
    assert_eq!(with("CATEGORIES:Truyền hình,province").1, "tinh 20");
    assert_eq!(with("DESCRIPTION:session: hdnd-2026-12").0, "hdnd-2026-12");
    // A long line is folded wherever the program likes.
    assert_eq!(with("DESCRIPTION:sit\n es: al\n l").1, "tinh 20, tan-lap 20, hoa-muc 20");
}

#[test]
fn what_is_not_understood_is_told_and_takes_nothing_else_away() {
    for (lines, why) in [
        (
            "DTSTART:20261209T080000\nDURATION:PT1H\nDESCRIPTION:sites: nowhere",
            "no level or site `nowhere`",
        ),
        (
            "DTSTART:20261209T080000\nDURATION:PT1H\nDESCRIPTION:delegates: many",
            "no number of delegates",
        ),
        ("DTSTART:20261209T080000\nDURATION:PT1H\nRRULE:FREQ=SECONDLY", "it would happen secondly"),
        ("DTSTART:20261209T080000\nDURATION:PT1H\nEXRULE:FREQ=WEEKLY;COUNT=1", "EXRULE is not"),
        (
            "DTSTART:20261209T080000\nDURATION:PT1H\nDESCRIPTION:importance: vital",
            "the importance `vital` is none",
        ),
        ("DTSTART:20261209T080000\nDURATION:PT1H\nEXDATE:tomorrow", "`tomorrow` in EXDATE"),
        ("DTSTART:20261209T080000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=XX", "is not understood"),
    ] {
        let found = read(&event(lines));
        assert_eq!(found.sessions.len(), 1, "{lines}");
        assert!(found.troubles[0].contains(why), "{:?}", found.troubles);
    }
    for (lines, why) in [
        ("SUMMARY:x", "it has no start"),
        ("DTSTART:2026-12-09\nDURATION:PT1H", "is no date or time"),
        ("DTSTART:20261209T080000", "it has no end"),
        ("DTSTART:20261209T080000\nDTEND:20261209T080000", "it ends when it starts"),
        ("DTSTART:20261209T080000\nDURATION:P9D", "lasts longer than 7 days"),
        (
            "DTSTART;TZID=Nowhere:20261209T080000\nDURATION:PT1H",
            "nobody knows the time zone `Nowhere`",
        ),
    ] {
        let found = read(&event(lines));
        assert_eq!(found.sessions, [], "{lines}");
        assert!(found.troubles[0].contains(why), "{:?}", found.troubles);
    }
}

#[test]
fn what_is_no_calendar_or_could_cost_too_much_is_refused() {
    let config = config();
    let refused = |bytes: &[u8]| {
        let calendar = &config.settings.calendars[0];
        let zone = zone("Asia/Ho_Chi_Minh");
        sessions(bytes, calendar, &config.topology, &zone, now()).unwrap_err().to_string()
    };
    assert!(refused(b"<html>log in</html>").contains("BEGIN:VCALENDAR"));
    assert!(refused(b"\xff\xfe").contains("UTF-8"));
    assert!(refused(&vec![b' '; (4 << 20) + 1]).contains("larger than 4 MiB"));
    assert!(refused("BEGIN:VCALENDAR\r\n".repeat(10).as_bytes()).contains("nested"));
    assert!(refused(b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n").contains("cut short"));
    // Every day for ever is followed only as far as anybody looks ahead.
    let text = event("DTSTART:20000101T080000\nDURATION:PT1H\nRRULE:FREQ=DAILY");
    let found = read(&text);
    assert!((400..420).contains(&found.sessions.len()), "{}", found.sessions.len());
}

#[test]
fn rules_made_to_keep_a_processor_busy_are_given_up_and_told() {
    let events: String = (0..4_000)
        .map(|n| {
            format!(
                "BEGIN:VEVENT\nUID:u{n}\nSUMMARY:x\nDTSTART:20261209T080000\nDURATION:PT1H\n\
                 RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\n"
            )
        })
        .collect();
    let found = read(&calendar(events.trim_end()));
    // Each is known once, at its own start.
    assert_eq!(found.sessions.len(), 4_000);
    assert_eq!((found.troubled, found.troubles.len()), (2, 2), "{:?}", found.troubles);
    assert!(found.troubles[0].contains("names no day that ever comes"), "{:?}", found.troubles);
    assert!(found.troubles[1].contains("more days than are followed"), "{:?}", found.troubles);
    // Every day since the year 1.
    let found = read(&event("DTSTART:00010101T080000\nDURATION:PT1H\nRRULE:FREQ=DAILY"));
    assert!(found.troubles[0].contains("more days than are followed"), "{:?}", found.troubles);
}

#[test]
fn two_events_that_would_be_one_session_are_told() {
    let one = |uid: &str| {
        format!(
            "BEGIN:VEVENT\nUID:{uid}\nSUMMARY:Họp\nDTSTART:20261209T080000\nDURATION:PT1H\n\
             DESCRIPTION:session: hop\nEND:VEVENT"
        )
    };
    let found = read(&calendar(&format!("{}\n{}", one("a"), one("b"))));
    assert_eq!(found.sessions.len(), 1);
    assert!(found.troubles[0].contains("another event is the session `hop`"), "{found:?}");
}

/// A line of an event, sound or not.
fn a_line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("DTSTART"),
        Just("DTSTART;TZID=Asia/Ho_Chi_Minh"),
        Just("DTSTART;VALUE=DATE"),
        Just("DTEND"),
        Just("DURATION"),
        Just("RRULE"),
        Just("RDATE"),
        Just("EXDATE"),
        Just("RECURRENCE-ID"),
        Just("RECURRENCE-ID;RANGE=THISANDFUTURE"),
        Just("UID"),
        Just("SUMMARY"),
        Just("DESCRIPTION"),
        Just("CATEGORIES"),
        Just("STATUS"),
        Just("SEQUENCE"),
    ];
    let value = prop_oneof![
        "2026(11|12)[0-3][0-9]",
        "2026120[1-9]T(08|23)0000Z?",
        "(0001|1970|2024|9999)(02)(28|29|30)T235960Z?",
        "-?P(T?[0-9]{1,2}[HMDWS]){1,2}",
        "FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY|HOURLY)(;(INTERVAL|COUNT|BYMONTHDAY|BYSETPOS|BYYEARDAY|BYWEEKNO|BYMONTH)=-?[0-9]{1,5}){0,3}(;BYDAY=-?[0-6]?(MO|SU))?(;UNTIL=2027[01][0-9]01)?",
        "(sites|delegates|session|importance): ?(all|commune|tan-lap\\+|-hoa-muc|7|high|[a-z]{0,9})",
        "CANCELLED|[0-9]{1,3}|u[0-3]",
        "\\PC{0,40}",
    ];
    (name, value).prop_map(|(name, value)| format!("{name}:{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn whatever_a_calendar_says_it_gives_sessions_that_make_sense_or_says_why_not(
        events in prop::collection::vec(prop::collection::vec(a_line(), 0..8), 0..6),
        cut in 0_usize..4_000,
    ) {
        let events: Vec<String> = events
            .iter()
            .map(|lines| format!("BEGIN:VEVENT\n{}\nEND:VEVENT", lines.join("\n")))
            .collect();
        let whole = calendar(&events.join("\n"));
        let half = whole.as_bytes().get(..cut).unwrap_or_default();
        let config = config();
        let settings = &config.settings.calendars[0];
        for bytes in [whole.as_bytes(), half] {
            let zone = zone("Asia/Ho_Chi_Minh");
            let Ok(read) = sessions(bytes, settings, &config.topology, &zone, now()) else {
                continue;
            };
            let mut ids = BTreeSet::new();
            for session in &read.sessions {
                let length = session.end.duration_since(session.start);
                prop_assert!(length.is_positive() && length.as_hours() <= 7 * 24);
                prop_assert!(!session.sites.is_empty() && !session.title.is_empty());
                prop_assert!(ids.insert(session.id.clone()), "{} twice", session.id);
            }
            prop_assert!(read.troubles.len() <= read.troubled);
        }
    }
}

#[test]
fn only_events_of_the_category_are_sessions_when_one_is_asked_for() {
    let mut config = config();
    config.settings.calendars[0].category = Some("Truyền hình".to_owned());
    let text = calendar(
        "BEGIN:VEVENT\nUID:a\nSUMMARY:một\nCATEGORIES:truyền hình\nDTSTART:20261209T080000\nDURATION:PT1H\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:b\nSUMMARY:hai\nDTSTART:20261209T080000\nDURATION:PT1H\nEND:VEVENT",
    );
    let (calendar, topology) = (&config.settings.calendars[0], &config.topology);
    let found = sessions(text.as_bytes(), calendar, topology, &TimeZone::UTC, now()).unwrap();
    assert_eq!(found.sessions.iter().map(|s| s.title.as_str()).collect::<Vec<_>>(), ["một"]);
}

#[test]
fn files_count_before_calendars_and_changes_before_both() {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::config::gather::{Gathered, gather};
    use crate::model::{SessionChange, SessionId};

    let base = config();
    let at = |id: &str| base.topology.find_site(&SiteId::new(id)).unwrap();
    let text = event("DTSTART:20261209T080000\nDURATION:PT1H\nDESCRIPTION:session: hop");
    let copies: BTreeMap<String, Arc<[u8]>> =
        BTreeMap::from([("office".to_owned(), Arc::from(text.as_bytes()))]);
    let change = |more: serde_json::Value| -> BTreeMap<SessionId, SessionChange> {
        let mut all = serde_json::json!({"id": "hop", "by": "Hà", "at": "2026-12-01T00:00:00Z"});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let change: SessionChange = serde_json::from_value(all).unwrap();
        BTreeMap::from([(change.id.clone(), change)])
    };
    let none = BTreeMap::new();
    let gathered = gather(&base, &copies, &none, now());
    let of = |gathered: &Gathered| {
        gathered.sessions.iter().map(|(s, from)| format!("{} {from}", s.id)).collect::<Vec<_>>()
    };
    assert_eq!(of(&gathered), ["hop office"]);

    // Sites added and dropped, with delegates; the rest stays what the calendar says.
    let changes = change(
        serde_json::json!({"add": ["tinh"], "drop": ["hoa-muc"], "delegates": {"tinh": 90}}),
    );
    let gathered = gather(&base, &copies, &changes, now());
    let session = &gathered.sessions[0].0;
    assert_eq!(of(&gathered), ["hop office, API"]);
    assert_eq!(session.sites, BTreeMap::from([(at("tinh"), 90), (at("tan-lap"), 20)]));
    assert_eq!(session.title, "Họp");

    let gathered = gather(&base, &copies, &change(serde_json::json!({"cancelled": true})), now());
    assert_eq!(gathered.sessions, []);
    let [off] = &gathered.called_off[..] else { panic!("{:?}", gathered.called_off) };
    assert_eq!((off.session.id.as_str(), off.source.as_str()), ("hop", "office"));

    // The file's session of that id counts before the calendar's.
    let mut with_file = base.clone();
    let mut session = (*gather(&base, &copies, &none, now()).sessions[0].0).clone();
    session.title = "Từ tệp".to_owned();
    with_file.sessions = vec![Arc::new(session)];
    let gathered = gather(&with_file, &copies, &none, now());
    assert_eq!(of(&gathered), ["hop sessions.yaml"]);
    assert_eq!(gathered.sessions[0].0.title, "Từ tệp");

    // A change alone makes a session, if it says when; otherwise it makes none.
    let whole = serde_json::json!({"title": "Bất thường", "start": "2026-12-09T01:00:00Z",
        "end": "2026-12-09T02:00:00Z", "all": true});
    assert_eq!(of(&gather(&base, &none_of(), &change(whole), now())), ["hop API"]);
    let half = change(serde_json::json!({"title": "Bất thường"}));
    assert_eq!(gather(&base, &none_of(), &half, now()).sessions, []);

    // A copy that cannot be read takes nothing else away.
    let bad: BTreeMap<String, Arc<[u8]>> =
        BTreeMap::from([("office".to_owned(), Arc::from(&b"?"[..]))]);
    let gathered = gather(&with_file, &bad, &none, now());
    assert_eq!(of(&gathered), ["hop sessions.yaml"]);
    assert!(gathered.calendars["office"].is_err());
}

fn none_of() -> std::collections::BTreeMap<String, std::sync::Arc<[u8]>> {
    std::collections::BTreeMap::new()
}

#[test]
fn the_example_of_the_sample_is_understood_and_states_the_defaults() {
    let sample = include_str!("../../../config/vchealth.yaml");
    let (_, rest) = sample.split_once("\ncalendars: {}\n").unwrap();
    let example: String = rest
        .lines()
        .map_while(|line| line.strip_prefix("  # "))
        .map(|line| format!("  {line}\n"))
        .collect();
    let load = |example: &str| {
        let text = format!("channels: {{}}\ncalendars:\n{example}");
        let sources = config::sample().with(File::Settings, "vchealth.yaml", text);
        let config = config::load(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        config.settings.calendars[0].clone()
    };
    let stated = load(&example);
    assert_eq!((stated.name.as_str(), stated.delegates, stated.sites.len()), ("office", 20, 204));
    let keys = ["refresh", "timeout", "sites", "importance"];
    let silent: String = example
        .lines()
        .filter(|line| !keys.iter().any(|key| line.trim().starts_with(&format!("{key}: "))))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(silent, example);
    assert_eq!(load(&silent), stated);
}
