//! Who is told of one incident, minute by minute.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::{ChannelKind, WebhookSettings};
use crate::model::{Ack, Affected, GivenUp, SiteId, WebAddress};
use crate::store::tests::{at, incident};

const LIMIT: u32 = 3;
/// Minutes.
const SETTLED: u64 = 10;

fn channel(id: &str) -> Channel {
    let timeout = Duration::from_secs(5);
    let kind = ChannelKind::Webhook(WebhookSettings {
        url: WebAddress::new("http://a/").into(),
        secret: None,
        timeout,
    });
    Channel { id: ChannelId::new(id), kind, send_resolved: true, fallback: None }
}

fn reach(id: &str, step: u32, minutes: u64) -> Reach {
    Reach {
        channel: ChannelId::new(id),
        step,
        follows: step.saturating_sub(1),
        after: Duration::from_secs(60 * minutes),
        own_after: Duration::from_secs(60 * minutes),
        people: Vec::new(),
        on_duty: false,
    }
}

fn rules() -> Rules {
    Rules {
        limit: LIMIT,
        settled: Duration::from_secs(60 * SETTLED),
        near: false,
        kept: false,
        muted: false,
        quiet: None,
        remind_every: None,
    }
}

/// An incident, whom it reaches, and a clock in minutes.
struct Case {
    incident: Incident,
    reach: Vec<Reach>,
    rules: Rules,
    minute: i64,
}

impl Case {
    fn new(reach: Vec<Reach>) -> Self {
        let mut incident = incident("i", "tan-lap");
        incident.severity = Severity::Warning;
        Self { incident, reach, rules: rules(), minute: 0 }
    }

    fn now(&self) -> Timestamp {
        at("2026-02-03T01:00:00Z") + SignedDuration::from_mins(self.minute)
    }

    fn need(&self, id: &str) -> Need {
        let reach: Vec<Reach> =
            self.reach.iter().filter(|it| it.channel.as_str() == id).cloned().collect();
        needs_notification(&self.incident, &channel(id), &reach, &self.rules, self.now())
    }

    /// Tells whoever is to be told at this minute; gives who was told what.
    fn tell_at(&mut self, minute: i64, ids: &[&str]) -> Vec<String> {
        self.minute = minute;
        let mut told = Vec::new();
        for id in ids {
            if let Need::Tell(why) = self.need(id) {
                let now = self.now();
                if reopens(&self.incident, why) {
                    self.incident.ack = None;
                    self.incident.waiting_since = Some(now);
                }
                self.incident.waiting_since.get_or_insert(now);
                note_told(&mut self.incident, &channel(id), why, &[], &self.rules, now);
                told.push(format!("{id} {}", why.kind().word()));
            }
        }
        told
    }

    fn come_back(&mut self) {
        self.incident.resolved = None;
        self.incident.affected.iter_mut().for_each(|affected| affected.until = None);
        let now = self.now();
        self.incident.relapses.push(now);
    }

    fn ack(&mut self, until: Option<i64>) {
        let until =
            until.map(|minute| at("2026-02-03T01:00:00Z") + SignedDuration::from_mins(minute));
        let by = "Ánh".to_owned();
        self.incident.ack = Some(Ack { by, at: self.now(), note: String::new(), until });
    }

    fn end(&mut self) {
        let now = self.now();
        if self.incident.is_open() {
            self.incident.resolved = Some(now);
        }
        for affected in &mut self.incident.affected {
            affected.until.get_or_insert(now);
        }
    }
}

fn refused(by: &[&str], instead: Option<&str>) -> GivenUp {
    GivenUp {
        at: at("2026-02-03T01:00:01Z"),
        by: by.iter().map(|id| ChannelId::new(*id)).collect(),
        instead: instead.map(ChannelId::new),
        again: false,
    }
}

#[test]
fn what_was_given_up_is_told_anew_once_the_channel_works_and_its_end_to_nobody_else() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &["a"]), ["a firing"]);
    case.incident.told[0].given_up = Some(refused(&["a"], None));
    assert!(case.tell_at(20, &["a"]).is_empty(), "it would be refused again");
    let mut over = Case { incident: case.incident.clone(), ..Case::new(case.reach.clone()) };
    over.end();
    assert!(over.tell_at(21, &["a"]).is_empty(), "who never heard of it hears of no end");
    assert!(!owes_an_end(&over.incident, &[channel("a")]));
    case.incident.told[0].given_up.as_mut().unwrap().again = true;
    assert_eq!(case.tell_at(22, &["a"]), ["a firing"]);
    case.end();
    assert!(owes_an_end(&case.incident, &[channel("a")]));
    assert_eq!(case.tell_at(23, &["a"]), ["a resolved"]);
    // The end itself was refused: nothing more, until the channel works.
    case.incident.told[2].given_up = Some(refused(&["a"], None));
    assert!(case.tell_at(24, &["a"]).is_empty());
    case.incident.told[2].given_up.as_mut().unwrap().again = true;
    assert_eq!(case.tell_at(40, &["a"]), ["a resolved"]);
}

#[test]
fn what_another_channel_told_instead_counts_as_told() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &["a"]), ["a firing"]);
    case.incident.told[0].given_up =
        Some(GivenUp { again: true, ..refused(&["a"], Some("siren")) });
    assert!(case.tell_at(1, &["a"]).is_empty());
    case.end();
    assert_eq!(case.tell_at(2, &["a"]), ["a resolved"]);
}

#[test]
fn where_nobody_could_be_told_the_next_step_waits_for_nobody_and_the_one_after_it_does() {
    let steps = vec![reach("a", 0, 0), reach("b", 1, 10), reach("c", 2, 20)];
    let mut case = Case::new(steps);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    assert!(case.tell_at(1, &ALL).is_empty());
    case.incident.told[0].given_up = Some(refused(&["a"], Some("siren")));
    assert!(case.tell_at(2, &ALL).is_empty(), "another channel has it");
    case.incident.told[0].given_up = Some(refused(&["siren", "a"], Some("siren")));
    assert_eq!(case.tell_at(3, &ALL), ["b escalation"]);
    assert!(case.tell_at(4, &ALL).is_empty());
    assert_eq!(case.tell_at(20, &ALL), ["c escalation"]);
}

#[test]
fn a_step_that_leads_to_nobody_is_not_waited_for_where_nobody_could_be_told() {
    // The first step is passed over.
    let steps = vec![reach("a", 0, 0), Reach { follows: 0, ..reach("c", 2, 10) }];
    let mut case = Case::new(steps);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    assert!(case.tell_at(1, &ALL).is_empty());
    case.incident.told[0].given_up = Some(refused(&["a"], None));
    assert_eq!(case.tell_at(2, &ALL), ["c escalation"]);
}

const ALL: [&str; 3] = ["a", "b", "c"];

fn steps() -> Vec<Reach> {
    vec![reach("a", 0, 0), reach("b", 1, 5), reach("c", 2, 10)]
}

#[test]
fn a_fault_that_comes_and_goes_for_weeks_has_a_record_of_bounded_size() {
    let mut case = Case::new(steps());
    case.rules.limit = 6;
    case.rules.remind_every = Some(Duration::from_mins(30));
    let (mut numbers, mut most, mut messages) = (Vec::new(), 0, 0);
    // Four weeks: on for five hours without anybody taking it on, then over for one.
    for minute in (0..28 * 24 * 60).step_by(5) {
        match minute % 360 {
            0 if minute > 0 => case.come_back(),
            300 => case.end(),
            _ => {}
        }
        messages += case.tell_at(minute, &ALL).len();
        if case.incident.resolved.is_some() {
            case.incident.waiting_since = None;
        }
        numbers.extend(case.incident.told.iter().map(|told| told.nth));
        most = most.max(case.incident.told.len());
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), messages, "each message has a number of its own");
    assert!(messages > 1_000, "{messages}");
    // Three channels, each with the six of the hour, the first, the last, an end and two steps.
    assert!(most <= 3 * 11, "{most} of {messages} are kept");
}

#[test]
fn each_step_is_told_once_when_its_time_has_come() {
    let mut case = Case::new(steps());
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    assert_eq!(case.need("b"), Need::Later(at("2026-02-03T01:05:00Z")));
    assert_eq!(case.tell_at(4, &ALL), [""; 0]);
    assert_eq!(case.tell_at(5, &ALL), ["b escalation"]);
    assert_eq!(case.tell_at(9, &ALL), [""; 0]);
    assert_eq!(case.tell_at(10, &ALL), ["c escalation"]);
    assert_eq!(case.tell_at(600, &ALL), [""; 0]);
    case.end();
    assert_eq!(case.tell_at(601, &ALL), ["a resolved", "b resolved", "c resolved"]);
    assert_eq!(case.tell_at(602, &ALL), [""; 0]);
}

#[test]
fn an_ack_stops_the_steps_and_one_that_runs_out_begins_them_anew() {
    let mut case = Case::new(steps());
    case.tell_at(0, &ALL);
    case.tell_at(5, &ALL);
    case.ack(Some(60));
    assert_eq!(case.tell_at(30, &ALL), [""; 0]);
    assert_eq!(case.need("c"), Need::Later(at("2026-02-03T02:00:00Z")), "when the ack runs out");
    assert_eq!(case.tell_at(61, &ALL), ["a reminder"], "b is reached by a step that is not due");
    assert_eq!(case.tell_at(65, &ALL), ["b escalation"]);
    assert_eq!(case.tell_at(70, &ALL), ["c escalation"]);
    case.ack(None);
    assert_eq!(case.tell_at(700, &ALL), [""; 0]);
}

#[test]
fn who_was_called_before_an_ack_ran_out_is_waited_for_until_the_step_is_due_again() {
    let mut case = Case::new(vec![reach("a", 0, 0), reach("b", 1, 10)]);
    assert_eq!(case.tell_at(0, &["a", "b"]), ["a firing"]);
    assert_eq!(case.tell_at(10, &["a", "b"]), ["b escalation"]);
    case.ack(Some(20));
    case.minute = 21;
    assert_eq!(case.need("b"), Need::Later(at("2026-02-03T01:30:00Z")));
}

#[test]
fn what_grows_is_told_again_and_takes_the_ack_away() {
    let mut case = Case::new(steps());
    case.tell_at(0, &ALL);
    case.ack(None);
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(2, &ALL), ["a update"]);
    assert_eq!(case.incident.ack, None);
    assert_eq!(case.tell_at(7, &ALL), ["b escalation"], "counted from then");
}

#[test]
fn a_site_that_goes_dead_is_told_though_it_was_as_urgent_before() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.incident.cause = Cause::Quality;
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.ack(None);
    case.incident.cause = Cause::Access;
    assert_eq!(case.tell_at(5, &ALL), ["a update"]);
    assert_eq!(case.incident.ack, None, "who took on a bad line has not taken on a dead one");
    case.incident.cause = Cause::Uplink;
    assert_eq!(case.tell_at(6, &ALL), [""; 0], "as grave as before");
}

#[test]
fn whoever_took_it_on_knowing_how_grave_it_is_keeps_it_when_others_hear_of_that_later() {
    let mut case = Case::new(vec![reach("a", 0, 0), reach("b", 0, 0)]);
    assert_eq!(case.tell_at(0, &ALL), ["a firing", "b firing"]);
    case.ack(None);
    case.incident.severity = Severity::Critical;
    // The quiet hours of b.
    assert_eq!(case.tell_at(2, &["a"]), ["a update"]);
    assert_eq!(case.incident.ack, None, "who had it did not know that");
    case.ack(None);
    assert_eq!(case.tell_at(6, &ALL), ["b update"]);
    assert!(case.incident.ack.is_some(), "who has it knew that");
}

#[test]
fn that_the_fault_lies_elsewhere_is_told_however_few_sites_come_to_it() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    let above = Affected { site: SiteId::new("cho-don"), ..case.incident.affected[0].clone() };
    let mut own = Case { incident: case.incident.clone(), ..Case::new(case.reach.clone()) };
    own.incident.cause = Cause::Uplink;
    assert_eq!(own.tell_at(1, &ALL), [""; 0], "nothing has come to it");
    own.incident.affected.push(above.clone());
    assert_eq!(own.tell_at(2, &ALL), ["a update"], "it is no longer its own line alone");
    case.ack(None);
    (case.incident.site, case.incident.cause) = (Some(above.site.clone()), Cause::Uplink);
    case.incident.affected.push(above);
    assert_eq!(case.tell_at(3, &ALL), ["a update"]);
    assert_eq!(case.incident.ack, None, "who took on a commune has not taken on a district");
    assert_eq!(case.tell_at(4, &ALL), [""; 0]);
    let mut old = Case::new(vec![reach("a", 0, 0)]);
    old.tell_at(0, &ALL);
    (old.incident.told[0].site, old.incident.site) = (None, Some(SiteId::new("cho-don")));
    assert_eq!(old.tell_at(1, &ALL), [""; 0], "it is not known where it was told to lie");
}

#[test]
fn a_site_that_goes_dead_is_told_though_its_bad_line_came_and_went() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.incident.severity = Severity::Critical;
    case.incident.cause = Cause::Quality;
    for minute in 0..10 {
        case.tell_at(minute, &ALL);
        if minute % 2 == 0 { case.end() } else { case.come_back() }
    }
    assert_eq!(case.incident.told.len(), 2);
    assert_eq!(case.tell_at(10, &ALL), [""; 0]);
    case.incident.cause = Cause::Access;
    assert_eq!(case.tell_at(10, &ALL), ["a firing"]);
    case.end();
    assert!(matches!(case.need("a"), Need::Held(_)), "its end waits as any other");
}

#[test]
fn what_is_left_of_a_fault_is_told_while_a_session_is_near() {
    for near in [false, true] {
        let mut case = Case::new(vec![reach("a", 0, 0)]);
        case.rules.near = near;
        case.incident.cause = Cause::Access;
        assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
        case.incident.cause = Cause::Device;
        assert_eq!(case.tell_at(5, &ALL), if near { vec!["a update"] } else { vec![] });
    }
}

#[test]
fn whose_duty_is_over_hears_the_end_and_nothing_before() {
    let mut case = Case::new(vec![Reach { on_duty: true, ..reach("a", 0, 0) }]);
    case.tell_at(0, &ALL);
    case.incident.told[0].on_duty = true;
    case.reach = vec![Reach { on_duty: true, ..reach("b", 0, 0) }];
    assert_eq!(case.tell_at(1, &ALL), ["b firing"], "whoever comes on duty is told");
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(2, &ALL), ["b update"]);
    case.end();
    assert_eq!(case.tell_at(3, &ALL), ["a resolved", "b resolved"]);
}

#[test]
fn nobody_new_is_told_of_what_somebody_has() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.tell_at(0, &ALL);
    case.ack(None);
    case.reach.push(reach("b", 0, 0));
    assert_eq!(case.tell_at(1, &ALL), [""; 0]);
    case.incident.ack = None;
    assert_eq!(case.tell_at(2, &ALL), ["b firing"]);
}

#[test]
fn a_graver_trouble_is_told_to_whoever_is_on_duty_now_however_urgent_it_was_before() {
    let mut case = Case::new(vec![Reach { on_duty: true, ..reach("a", 0, 0) }]);
    case.incident.cause = Cause::Quality;
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(0, &["a"]), ["a firing"]);
    case.incident.told[0].on_duty = true;
    case.ack(None);
    case.reach = vec![Reach { on_duty: true, ..reach("b", 0, 0) }];
    assert!(case.tell_at(5, &["a", "b"]).is_empty(), "somebody has it");
    case.incident.cause = Cause::Access;
    assert_eq!(case.tell_at(10, &["a", "b"]), ["b firing"]);
    assert!(case.incident.ack.is_none(), "who took it on did not know");
    assert!(case.tell_at(11, &["a", "b"]).is_empty());
}

#[test]
fn what_becomes_graver_than_anybody_was_told_is_told_to_whoever_is_on_duty_now() {
    let mut case = Case::new(vec![Reach { on_duty: true, ..reach("a", 0, 0) }]);
    case.tell_at(0, &ALL);
    case.incident.told[0].on_duty = true;
    case.ack(None);
    case.reach = vec![Reach { on_duty: true, ..reach("b", 0, 0) }];
    assert_eq!(case.tell_at(1, &ALL), [""; 0], "somebody has it");
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(2, &ALL), ["b firing"]);
    assert_eq!(case.incident.ack, None, "who had it did not know that");
    case.end();
    assert_eq!(case.tell_at(3, &ALL), ["a resolved", "b resolved"]);
}

#[test]
fn reminders_leave_room_for_the_end_and_for_what_comes_back() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.rules.remind_every = Some(Duration::from_secs(15 * 60));
    case.incident.severity = Severity::Critical;
    case.tell_at(0, &ALL);
    assert_eq!(case.tell_at(15, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Later(at("2026-02-03T02:00:01Z")));
    assert_eq!(case.tell_at(61, &ALL), ["a reminder"]);
    case.end();
    assert_eq!(case.tell_at(62, &ALL), ["a resolved"]);
    case.come_back();
    assert_eq!(case.tell_at(72, &ALL), ["a firing"], "it has lasted");
}

/// A case of which `a` has heard three times in an hour, as it came and went.
fn used_up(severity: Severity) -> Case {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.incident.severity = severity;
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.end();
    assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
    case.minute = 10;
    case.come_back();
    assert_eq!(case.tell_at(10, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Unsettled(at("2026-02-03T01:20:00Z")));
    assert_eq!(case.tell_at(20, &ALL), ["a firing"], "it has lasted");
    case
}

#[test]
fn the_message_that_uses_up_the_hour_says_so_and_what_follows_is_known_to_be_held_back() {
    let mut case = used_up(Severity::Warning);
    let last: Vec<bool> = case.incident.told.iter().map(|told| told.last_for_now).collect();
    assert_eq!(last, [false, false, true]);
    case.end();
    assert_eq!(case.tell_at(40, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Held(at("2026-02-03T02:00:01Z")));
    assert_eq!(case.tell_at(61, &ALL), ["a resolved"], "the first is no message of this hour");
    assert!(!case.incident.told.last().unwrap().last_for_now);
}

#[test]
fn what_grows_and_never_came_back_is_told_each_time_and_leaves_room_for_what_comes_back() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    for minute in 1..=4 {
        let known = case.incident.affected.clone();
        case.incident.affected.extend([known.clone(), known.clone(), known].concat());
        assert_eq!(case.tell_at(minute, &ALL), ["a update"], "at {minute}");
        assert_eq!(case.tell_at(minute, &ALL), [""; 0]);
    }
    case.minute = 5;
    case.end();
    assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
    case.come_back();
    assert_eq!(case.tell_at(14, &ALL), [""; 0]);
    assert_eq!(case.tell_at(15, &ALL), ["a firing"], "it has lasted");
    case.end();
    assert_eq!(case.tell_at(59, &ALL), [""; 0], "it comes and goes");
    assert_eq!(case.tell_at(61, &ALL), ["a resolved"]);
}

#[test]
fn a_trouble_that_changes_to_and_fro_without_coming_back_keeps_to_the_limit() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.rules.near = true;
    case.incident.cause = Cause::Access;
    let mut told = case.tell_at(0, &ALL).len();
    for minute in 1..60 {
        case.incident.cause = if minute % 2 == 0 { Cause::Access } else { Cause::Device };
        told += case.tell_at(minute, &ALL).len();
    }
    assert!(told < LIMIT as usize, "{told}");
    case.end();
    assert_eq!(
        case.tell_at(60, &ALL),
        ["a resolved"],
        "the end of what never came back waits for nothing"
    );
}

#[test]
fn what_comes_back_as_a_warning_and_goes_again_before_it_has_lasted_is_told_to_nobody() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.tell_at(0, &ALL);
    case.end();
    assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
    case.come_back();
    assert_eq!(case.tell_at(14, &ALL), [""; 0]);
    case.incident.affected[0].until = Some(case.now());
    assert_eq!(case.tell_at(15, &ALL), [""; 0], "it may be over");
    case.end();
    assert_eq!(case.tell_at(200, &ALL), [""; 0]);
}

#[test]
fn the_last_state_is_told_when_the_hour_lets_it_and_no_sooner_however_urgent() {
    let mut case = used_up(Severity::Critical);
    case.rules.settled = Duration::from_mins(2);
    case.minute = 22;
    case.end();
    assert_eq!(case.tell_at(22, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Held(at("2026-02-03T02:00:01Z")));
    assert_eq!(case.tell_at(60, &ALL), [""; 0]);
    assert_eq!(case.tell_at(61, &ALL), ["a resolved"]);
    case.come_back();
    assert_eq!(case.tell_at(64, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Held(at("2026-02-03T02:05:01Z")));
    assert_eq!(case.tell_at(66, &ALL), ["a firing"]);
}

#[test]
fn nobody_is_told_that_it_is_over_before_it_has_lasted_once_it_came_back() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(2, &ALL), ["a update"]);
    case.end();
    case.come_back();
    case.minute = 25;
    case.end();
    assert_eq!(case.tell_at(34, &ALL), [""; 0], "well for nine minutes");
    assert_eq!(case.tell_at(35, &ALL), ["a resolved"]);
}

#[test]
fn what_is_critical_and_known_to_come_and_go_is_told_at_once_and_waits_for_its_end() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.end();
    assert_eq!(case.tell_at(1, &ALL), ["a resolved"]);
    case.come_back();
    assert_eq!(case.tell_at(2, &ALL), [""; 0], "it may be a moment");
    case.end();
    case.come_back();
    case.incident.flapping = true;
    assert_eq!(case.tell_at(3, &ALL), ["a firing"]);
    assert!(case.incident.told.last().unwrap().last_for_now);
    case.end();
    assert_eq!(case.tell_at(59, &ALL), [""; 0]);
    assert_eq!(case.tell_at(61, &ALL), ["a resolved"]);
}

#[test]
fn what_never_came_back_is_not_said_to_come_and_go() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    case.rules.limit = 2;
    case.tell_at(0, &ALL);
    case.end();
    case.tell_at(1, &ALL);
    assert!(case.incident.told.iter().all(|told| !told.last_for_now));
}

#[test]
fn what_may_become_critical_within_the_hour_keeps_its_last_message_for_that_and_the_end() {
    let kept = || {
        let mut case = Case::new(vec![reach("a", 0, 0)]);
        case.rules.kept = true;
        assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
        case.end();
        assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
        case.come_back();
        assert_eq!(case.tell_at(20, &ALL), [""; 0], "it is a mere warning");
        case
    };
    let mut case = kept();
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(21, &ALL), ["a firing"], "nothing told in this hour was");
    case.end();
    assert_eq!(case.tell_at(60, &ALL), [""; 0]);
    assert_eq!(case.tell_at(61, &ALL), ["a resolved"]);
    let mut case = kept();
    assert_eq!(case.tell_at(61, &ALL), ["a firing"], "its hour has come");
    case.end();
    assert_eq!(case.tell_at(64, &ALL), [""; 0]);
    assert_eq!(case.tell_at(66, &ALL), ["a resolved"]);
    let mut case = used_up(Severity::Warning);
    case.incident.severity = Severity::Critical;
    assert_eq!(case.tell_at(60, &ALL), [""; 0], "the hour is used up");
    assert_eq!(case.tell_at(61, &ALL), ["a update"]);
}

#[test]
fn another_outage_in_a_session_is_told_at_once_if_its_end_was_known_for_long_enough() {
    let told_again = |severity, near, well_for: i64| {
        let mut case = Case::new(vec![reach("a", 0, 0)]);
        (case.incident.severity, case.rules.near) = (severity, near);
        assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
        case.end();
        assert_eq!(case.tell_at(1, &ALL), ["a resolved"]);
        case.minute = 1 + well_for;
        case.come_back();
        case.tell_at(1 + well_for, &ALL) == ["a firing"]
    };
    let settled = i64::try_from(SETTLED).unwrap();
    for severity in [Severity::Warning, Severity::Critical] {
        for near in [false, true] {
            let is_urgent = near || severity == Severity::Critical;
            assert_eq!(told_again(severity, near, settled), is_urgent, "{severity:?} {near}");
            assert!(!told_again(severity, near, settled - 1), "it may toggle");
        }
    }
}

#[test]
fn a_line_that_was_bad_twice_and_is_cut_in_a_session_is_told_at_once_and_no_more_than_that() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    (case.incident.cause, case.rules.near) = (Cause::Quality, true);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.end();
    assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
    case.minute = 15;
    case.come_back();
    assert_eq!(case.tell_at(15, &ALL), ["a firing"], "people went by its end for long enough");
    (case.incident.cause, case.incident.severity) = (Cause::Device, Severity::Critical);
    assert_eq!(case.tell_at(20, &ALL), ["a update"], "beyond the limit");
    case.incident.cause = Cause::Access;
    assert_eq!(case.tell_at(25, &ALL), [""; 0], "as urgent as before, and nothing is left");
    case.end();
    assert_eq!(case.tell_at(60, &ALL), [""; 0]);
    assert_eq!(case.need("a"), Need::Held(at("2026-02-03T02:05:01Z")), "two have room again");
    assert_eq!(case.tell_at(66, &ALL), ["a resolved"]);
}

#[test]
fn nothing_reminds_of_what_seems_over() {
    let mut case = Case::new(steps());
    case.rules.remind_every = Some(Duration::from_secs(3600));
    case.tell_at(0, &ALL);
    for affected in &mut case.incident.affected {
        affected.until = Some(at("2026-02-03T01:01:00Z"));
    }
    assert_eq!(case.tell_at(5, &ALL), [""; 0]);
    assert_eq!(case.tell_at(70, &ALL), [""; 0]);
    case.end();
    assert_eq!(case.tell_at(71, &ALL), ["a resolved"]);
}

#[test]
fn what_can_wait_does_until_the_quiet_hours_end() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    let six = at("2026-02-03T06:00:00Z");
    case.rules.quiet = Some(Quiet { since: case.now(), until: six });
    assert_eq!(case.need("a"), Need::Quiet { until: six, at: six });
    case.rules.quiet = None;
    assert_eq!(case.tell_at(300, &ALL), ["a firing"]);
}

#[test]
fn what_waits_in_quiet_hours_says_when_the_messages_of_the_hour_let_it_be_told() {
    let mut case = Case::new(vec![reach("a", 0, 0)]);
    assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
    case.minute = 5;
    case.end();
    assert_eq!(case.tell_at(5, &ALL), ["a resolved"]);
    case.minute = 6;
    case.come_back();
    assert_eq!(case.tell_at(16, &ALL), ["a firing"]);
    case.minute = 20;
    case.rules.quiet = Some(Quiet { since: case.now(), until: at("2026-02-03T01:30:00Z") });
    case.end();
    let until = at("2026-02-03T01:30:00Z");
    assert_eq!(case.need("a"), Need::Quiet { until, at: at("2026-02-03T02:00:01Z") });
    case.minute = 30;
    case.rules.quiet = None;
    assert_eq!(case.need("a"), Need::Held(at("2026-02-03T02:00:01Z")), "so it is then");
}

#[test]
fn an_end_in_quiet_hours_waits_unless_somebody_is_on_the_way_or_was_woken() {
    let told = || {
        let mut case = Case::new(vec![reach("a", 0, 0)]);
        assert_eq!(case.tell_at(0, &ALL), ["a firing"]);
        case.minute = 10;
        let until = at("2026-02-03T06:00:00Z");
        case.rules.quiet = Some(Quiet { since: case.now(), until });
        (case, until)
    };
    let (mut case, until) = told();
    case.end();
    let waits = Need::Quiet { until, at: until };
    assert_eq!(case.need("a"), waits, "told before, and nobody is up because of it");
    case.rules.quiet = None;
    assert_eq!(case.tell_at(300, &ALL), ["a resolved"], "at the latest when the hours end");

    let (mut case, _) = told();
    case.ack(Some(11));
    case.minute = 40;
    case.end();
    assert_eq!(case.tell_at(40, &ALL), ["a resolved"], "whoever took it on may be on the way");

    let (mut case, _) = told();
    case.incident.severity = Severity::Critical;
    let quiet = case.rules.quiet.take();
    assert_eq!(case.tell_at(20, &ALL), ["a update"], "what is critical waits for no morning");
    (case.rules.quiet, case.incident.severity) = (quiet, Severity::Warning);
    case.minute = 60;
    case.end();
    assert_eq!(case.tell_at(60, &ALL), ["a resolved"], "who was woken may sleep again");
}

/// What may happen from one minute to the next.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Nothing,
    Over,
    Back,
    Ack,
    AckForAWhile,
    Graver,
    Wider,
    Mute,
    Unmute,
    OtherRoute(usize),
    Quiet,
    Loud,
    Near(bool),
    Kept(bool),
    Cause(Cause),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => Just(Happens::Nothing),
        2 => Just(Happens::Over),
        2 => Just(Happens::Back),
        1 => Just(Happens::Ack),
        1 => Just(Happens::AckForAWhile),
        1 => Just(Happens::Graver),
        1 => Just(Happens::Wider),
        1 => Just(Happens::Mute),
        1 => Just(Happens::Unmute),
        2 => (0..4_usize).prop_map(Happens::OtherRoute),
        1 => Just(Happens::Quiet),
        1 => Just(Happens::Loud),
        1 => any::<bool>().prop_map(Happens::Near),
        1 => any::<bool>().prop_map(Happens::Kept),
        1 => prop::sample::select(&[Cause::Quality, Cause::Device, Cause::Access][..])
            .prop_map(Happens::Cause),
    ]
}

#[test]
fn what_stays_critical_in_a_session_calls_people_whatever_was_said_in_the_hour() {
    for (near, settles, expected) in [
        (true, 5, &["all reminder", "a escalation", "b escalation"][..]),
        (false, 5, &[][..]),
        (true, 60, &[][..]),
    ] {
        let mut case = Case::new(vec![reach("all", 0, 0), reach("a", 1, 3), reach("b", 2, 6)]);
        case.incident.severity = Severity::Critical;
        case.rules.near = near;
        let ids = ["all", "a", "b"];
        for minute in 0..8 {
            case.tell_at(minute, &ids);
        }
        case.end();
        case.tell_at(8, &ids);
        case.come_back();
        for minute in 9..16 {
            case.tell_at(minute, &ids);
        }
        // Some are used up now; it goes on without a break.
        case.rules.settled = Duration::from_secs(60 * settles);
        case.ack(Some(20));
        for minute in 17..20 {
            case.tell_at(minute, &ids);
        }
        let told: Vec<String> = (20..40).flat_map(|minute| case.tell_at(minute, &ids)).collect();
        assert_eq!(told, expected, "near: {near}, settles in {settles} min");
    }
}

proptest! {
    /// Whatever happens, no channel gets more than the limit in an hour of what comes and goes, but
    /// for one near a session that says that it is critical or critical by a graver trouble, and
    /// calls to what is critical and stays on; none
    /// hears an end without a beginning or two in a row, and in the end everybody who heard
    /// that it is on has heard exactly once since then that it is over.
    #[test]
    fn every_receiver_gets_exactly_one_end(history in prop::collection::vec((1..30_i64, happens()), 1..80)) {
        let mut case = Case::new(steps());
        case.rules.remind_every = Some(Duration::from_secs(3600));
        let mut minute = 0;
        let mut heard: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
        let mut near = Vec::new();
        let mut tell = |case: &mut Case, minute: i64| {
            case.minute = minute;
            if case.rules.near {
                near.push(case.now());
            }
            for told in case.tell_at(minute, &ALL) {
                let (id, kind) = told.split_once(' ').unwrap();
                heard.entry(id.to_owned()).or_default().push((minute, kind.to_owned()));
            }
        };
        for (wait, happens) in history {
            for _ in 0..wait {
                minute += 1;
                tell(&mut case, minute);
            }
            match happens {
                Happens::Nothing => {}
                Happens::Over => case.end(),
                Happens::Back if !case.incident.is_open() => {
                    case.come_back();
                    case.incident.ack = None;
                }
                Happens::Back => {}
                Happens::Ack => case.ack(None),
                Happens::AckForAWhile => case.ack(Some(minute + 20)),
                Happens::Graver => case.incident.severity = Severity::Critical,
                Happens::Wider => {
                    for _ in 0..3 {
                        let one = case.incident.affected[0].clone();
                        case.incident.affected.push(one);
                    }
                }
                Happens::Mute => case.rules.muted = true,
                Happens::Unmute => case.rules.muted = false,
                Happens::OtherRoute(n) => {
                    case.reach = match n {
                        0 => steps(),
                        1 => vec![reach("c", 0, 0), reach("a", 1, 3)],
                        2 => vec![Reach { on_duty: true, ..reach("b", 0, 0) }, reach("b", 1, 7)],
                        _ => Vec::new(),
                    };
                }
                Happens::Quiet => {
                    let until = at("2027-01-01T00:00:00Z");
                    case.rules.quiet = Some(Quiet { since: case.now(), until });
                }
                Happens::Loud => case.rules.quiet = None,
                Happens::Near(near) => case.rules.near = near,
                Happens::Kept(kept) => case.rules.kept = kept,
                Happens::Cause(cause) => case.incident.cause = cause,
            }
        }
        case.end();
        case.rules.quiet = None;
        for _ in 0..130 {
            minute += 1;
            tell(&mut case, minute);
        }
        for (channel, told) in &heard {
            let mut on = false;
            for (minute, kind) in told {
                let is_end = kind == "resolved";
                prop_assert!(on || !is_end, "{channel} hears an end of nothing at {minute}: {told:?}");
                prop_assert!(kind != "firing" || !on, "{channel} hears it twice: {told:?}");
                prop_assert!(on || kind != "update" && kind != "reminder", "{channel}: {told:?}");
                on = !is_end;
            }
            prop_assert!(!on, "{channel} never heard the end: {told:?}");
            let all: Vec<&Told> =
                case.incident.told.iter().filter(|it| it.channel.as_str() == channel).collect();
            let first = case.incident.relapses.first();
            let is_call = |it: &Told| {
                matches!(it.kind, NotificationKind::Escalation | NotificationKind::Reminder)
                    && is_steady(&case.incident, it.severity, it.at, case.rules.settled)
            };
            let counts = |it: &&&Told| {
                let is_state =
                    matches!(it.kind, NotificationKind::Firing | NotificationKind::Resolved);
                (is_state || first.is_some_and(|first| *first <= it.at)) && !is_call(it)
            };
            let all: Vec<&&Told> = all.iter().filter(counts).collect();
            for (n, last) in all.iter().enumerate() {
                let hour = |it: &&&&Told| last.at.duration_since(it.at) < SignedDuration::from_hours(1);
                let before = all[..n].iter().filter(hour);
                let is_less = |it: &&&Told| {
                    it.severity < Severity::Critical || Kind::of(it.cause) < Kind::of(last.cause)
                };
                let rises = last.severity == Severity::Critical
                    && near.contains(&last.at)
                    && before.clone().all(is_less);
                let most = LIMIT as usize + usize::from(rises);
                prop_assert!(before.count() < most, "{channel} got too many in an hour: {told:?}");
            }
        }
    }
}
