//! Drills, minute by minute.

use std::sync::Arc;

use super::*;
use crate::config::{File, SourceSet, load, sample};
use crate::model::{
    Detail, Failure, Language, LocalFailure, Maintenance, Mono, Now, Outcome, ProbeRequest,
    RemoteFailure, Reply, Silence, SilenceId, SipDetail,
};
use crate::texts::tests::letter;
use crate::texts::{Item, Letter, Style, write};

/// Two channels, and a session at 08:00 in Hà Nội with a drill two hours before.
fn config() -> Config {
    let settings = "channels:
  duty: {kind: webhook, url: \"http://127.0.0.1:1/\"}
  sms: {kind: webhook, url: \"http://127.0.0.1:2/\"}
drill: {before: 2h, accept_within: 2m}
";
    loaded(settings)
}

/// These settings, with a session at 08:00 in Hà Nội.
fn loaded(settings: &str) -> Config {
    let sessions = "sessions: [{id: giao-ban, title: Giao ban, start: 2026-12-03 08:00, duration: 2h, sites: {levels: [commune]}}]\n";
    let files: SourceSet = sample().with(File::Settings, "vchealth.yaml", settings).with(
        File::Sessions,
        "sessions.yaml",
        sessions,
    );
    load(&files).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Nothing is held back.
fn none() -> Mutes {
    Mutes::default()
}

/// What is to be done at `now`, with hands that see at once what they are to see.
fn look(drills: &mut Drills, config: &Config, mutes: &Mutes, now: Timestamp) -> Vec<Change> {
    look_with(drills, config, mutes, now, |order| seen_as_meant(&order))
}

/// The same with these hands.
fn look_with(
    drills: &mut Drills,
    config: &Config,
    mutes: &Mutes,
    now: Timestamp,
    hands: impl Fn(DrillOrder) -> DrillSeen,
) -> Vec<Change> {
    let mut changes = drills.look(config, now);
    for order in drills.take_orders().collect::<Vec<_>>() {
        changes.extend(drills.seen(config, mutes, &hands(order), now));
    }
    changes
}

/// The device answered, and then it did not.
fn seen_as_meant(order: &DrillOrder) -> DrillSeen {
    let detail = SipDetail {
        status: 200,
        reason: "OK".to_owned(),
        server: None,
        retransmissions: 0,
        certificate: None,
        seen_as: None,
        clock_offset_s: None,
    };
    let took = Duration::from_millis(1);
    let reply = Reply { rtt: Some(took), detail: Detail::Sip(Box::new(detail)) };
    DrillSeen {
        session: order.session.clone(),
        answered: outcome(took, Ok(reply)),
        mute: outcome(order.check.timeout, Err(Failure::Remote(RemoteFailure::Timeout))),
    }
}

fn outcome(took: Duration, result: Result<Reply, Failure>) -> Outcome {
    let started = Now { mono: Mono::ZERO, wall: at("00:00:00") };
    let request = ProbeRequest::to_a_stranger(0, started.mono);
    let finished = started.mono + took;
    Outcome { request, started, finished, lost: 0, heard: None, result }
}

fn at(text: &str) -> Timestamp {
    format!("2026-12-03T{text}Z").parse().unwrap()
}

/// `channel kind` of the messages in it.
fn told(changes: &[Change]) -> Vec<String> {
    let messages = changes.iter().filter_map(|change| match change {
        Change::Notify(it) if it.alert.drill => Some(format!("{} {}", it.channel, it.kind.word())),
        _ => None,
    });
    messages.collect()
}

fn incident(drills: &Drills) -> IncidentId {
    drills.held.values().next().expect("a drill").incident.clone()
}

#[test]
fn a_drill_goes_through_every_channel_two_hours_before_and_ends_when_all_have_it() {
    let (mut drills, config) = (Drills::default(), config());
    assert_eq!(told(&look(&mut drills, &config, &none(), at("22:59:59"))), Vec::<String>::new());
    let before = |text: &str| format!("2026-12-02T{text}Z").parse::<Timestamp>().unwrap();
    assert!(told(&look(&mut drills, &config, &none(), before("22:59:59"))).is_empty());
    assert_eq!(
        told(&look(&mut drills, &config, &none(), before("23:00:00"))),
        ["duty firing", "sms firing"]
    );
    assert!(look(&mut drills, &config, &none(), before("23:00:01")).is_empty(), "once");
    let id = incident(&drills);
    drills.accepted(&ChannelId::new("duty"), &id);
    assert!(look(&mut drills, &config, &none(), before("23:00:02")).is_empty());
    drills.accepted(&ChannelId::new("sms"), &id);
    let over = look(&mut drills, &config, &none(), before("23:00:03"));
    assert_eq!(told(&over), ["duty resolved", "sms resolved"]);
    assert_eq!(drills.last(), Some((before("23:00:00"), true)));
    assert!(drills.reasons(before("23:30:00")).is_empty());
    assert!(look(&mut drills, &config, &none(), at("00:59:59")).is_empty(), "no second one");
}

#[test]
fn a_channel_that_does_not_accept_is_our_own_trouble_until_it_does() {
    let (mut drills, config) = (Drills::default(), config());
    let begin = at("00:00:00");
    look(&mut drills, &config, &none(), begin);
    let id = incident(&drills);
    drills.accepted(&ChannelId::new("duty"), &id);
    assert!(look(&mut drills, &config, &none(), at("00:01:59")).is_empty());
    let over = look(&mut drills, &config, &none(), at("00:02:01"));
    assert_eq!(told(&over), ["duty resolved", "sms resolved"]);
    let Change::Notify(end) = &over[0] else { panic!("the end") };
    for (language, first, named) in [
        (
            Language::Vi,
            "[DIỄN TẬP KHÔNG ĐẠT] Diễn tập cảnh báo không đến được kênh sms",
            "KHÔNG ĐẠT: diễn tập cảnh báo không đến được kênh sms",
        ),
        (
            Language::En,
            "[DRILL FAILED] the alert drill did not reach channel sms",
            "FAILED: the alert drill did not reach channel sms",
        ),
    ] {
        let style = Style::new(language, jiff::tz::TimeZone::UTC, "http://b");
        let message = write(&Item::new(end.kind, Arc::new((**end).clone())), false, &style);
        assert!(message.summary.starts_with(first), "{}", message.summary);
        assert!(message.description.starts_with(named), "{}", message.description);
    }
    let said = [SelfDoubt::DrillMissed {
        session: "Giao ban".to_owned(),
        channels: vec![ChannelId::new("sms")],
        refused: BTreeMap::new(),
    }];
    assert_eq!(drills.reasons(at("00:02:01")), said);
    assert_eq!(drills.last(), Some((begin, false)));
    drills.accepted(&ChannelId::new("sms"), &IncidentId::new("another"));
    assert_eq!(drills.reasons(at("00:10:00")), said);
    assert!(drills.reasons(at("03:00:00")).is_empty(), "the session is over");
    drills.delivered(&ChannelId::new("sms"), begin);
    assert_eq!(drills.reasons(at("00:10:00")), said, "that was before");
    let mut mended = drills.clone();
    let kept = mended.delivered(&ChannelId::new("sms"), at("00:09:00"));
    assert!(matches!(kept.as_slice(), [Change::Drill(_)]), "{kept:?}");
    assert_eq!(mended.delivered(&ChannelId::new("sms"), at("00:09:01")), [], "once");
    assert!(mended.reasons(at("00:10:00")).is_empty(), "it works again");
    let again = Drills::restored(mended.held.clone());
    assert!(again.reasons(at("00:11:00")).is_empty(), "also after a restart");
    drills.accepted(&ChannelId::new("sms"), &id);
    assert!(drills.reasons(at("00:10:00")).is_empty(), "it came late");
}

#[test]
fn a_recipient_who_refuses_is_missing_by_name_until_they_accept_something() {
    let (mut drills, config) = (Drills::default(), config());
    look(&mut drills, &config, &none(), at("00:00:00"));
    let (id, sms) = (incident(&drills), ChannelId::new("sms"));
    drills.accepted(&ChannelId::new("duty"), &id);
    drills.refusing(sms.clone(), vec!["2".to_owned()]);
    drills.delivered(&sms, at("00:00:01"));
    look(&mut drills, &config, &none(), at("00:02:01"));
    let said = [SelfDoubt::DrillMissed {
        session: "Giao ban".to_owned(),
        channels: vec![sms.clone()],
        refused: BTreeMap::from([(sms.clone(), vec!["2".to_owned()])]),
    }];
    assert_eq!(drills.reasons(at("00:02:01")), said);
    assert_eq!(drills.delivered(&sms, at("00:09:00")), [], "to the others");
    assert_eq!(drills.reasons(at("00:10:00")), said);
    drills.refusing(sms.clone(), Vec::new());
    drills.delivered(&sms, at("00:11:00"));
    assert!(drills.reasons(at("00:12:00")).is_empty());
}

#[test]
fn a_channel_that_does_not_work_and_one_that_a_recipient_refuses_are_two_things_to_mend() {
    let (mut drills, config) = (Drills::default(), config());
    look(&mut drills, &config, &none(), at("00:00:00"));
    drills.refusing(ChannelId::new("sms"), vec!["2".to_owned()]);
    drills.delivered(&ChannelId::new("sms"), at("00:00:01"));
    look(&mut drills, &config, &none(), at("00:02:01"));
    let of = |channel: &str, refused: &[&str]| SelfDoubt::DrillMissed {
        session: "Giao ban".to_owned(),
        channels: vec![ChannelId::new(channel)],
        refused: refused.iter().map(|who| (ChannelId::new(channel), vec![(*who).into()])).collect(),
    };
    let said = [of("duty", &[]), of("sms", &["2"])];
    assert_eq!(drills.reasons(at("00:02:01")), said);
    assert_eq!(said.map(|doubt| doubt.is_of_recipients()), [false, true]);
}

#[test]
fn a_channel_that_takes_nothing_is_what_fails_whoever_refused_messages_before() {
    let (mut drills, config) = (Drills::default(), config());
    let sms = ChannelId::new("sms");
    drills.refusing(sms.clone(), vec!["2".to_owned()]);
    drills.delivered(&sms, at("00:00:00") - SignedDuration::from_mins(1));
    look(&mut drills, &config, &none(), at("00:00:00"));
    drills.accepted(&ChannelId::new("duty"), &incident(&drills));
    look(&mut drills, &config, &none(), at("00:02:01"));
    let of_one = |drills: &Drills| {
        let reasons = drills.reasons(at("00:10:00"));
        reasons.iter().map(SelfDoubt::is_of_recipients).collect::<Vec<_>>()
    };
    assert_eq!(of_one(&drills), [false]);
    let kept = drills.delivered(&sms, at("00:05:00"));
    assert!(matches!(kept.as_slice(), [Change::Drill(_)]), "{kept:?}");
    assert_eq!(of_one(&drills), [true], "by now the others are told");
    assert_eq!(drills.delivered(&sms, at("00:05:01")), [], "once");
}

#[test]
fn a_drill_that_a_crash_cut_short_goes_on_and_its_end_is_told() {
    let (mut drills, config) = (Drills::default(), config());
    look(&mut drills, &config, &none(), at("00:00:00"));
    let id = incident(&drills);
    // Away for longer than channels have to accept it.
    let mut again = Drills::restored(drills.held.clone());
    assert!(look(&mut again, &config, &none(), at("00:10:00")).is_empty(), "nothing is told twice");
    again.accepted(&ChannelId::new("duty"), &id);
    assert!(look(&mut again, &config, &none(), at("00:11:59")).is_empty());
    again.accepted(&ChannelId::new("sms"), &id);
    let over = look(&mut again, &config, &none(), at("00:12:00"));
    assert_eq!(told(&over), ["duty resolved", "sms resolved"]);
    assert_eq!(again.last(), Some((at("00:00:00"), true)));
    let mut third = Drills::restored(again.held.clone());
    assert!(look(&mut third, &config, &none(), at("00:12:30")).is_empty());

    // Away until days after the session.
    let mut late = Drills::restored(drills.held.clone());
    let then = |text: &str| format!("2026-12-06T{text}Z").parse::<Timestamp>().unwrap();
    assert!(look(&mut late, &config, &none(), then("00:00:00")).is_empty());
    let over = look(&mut late, &config, &none(), then("00:02:01"));
    assert_eq!(told(&over), ["duty resolved", "sms resolved"]);
    assert!(late.reasons(then("00:02:01")).is_empty(), "the session is over");
    assert!(look(&mut late, &config, &none(), then("00:02:02")).is_empty());
    assert!(late.held.is_empty());
}

#[test]
fn a_session_put_off_has_another_drill_once_the_first_is_over() {
    let (mut drills, mut config) = (Drills::default(), config());
    look(&mut drills, &config, &none(), at("00:00:00"));
    let id = incident(&drills);
    let mut later = (*config.sessions[0]).clone();
    (later.start, later.end) = (at("01:30:00"), at("03:30:00"));
    config.sessions = vec![Arc::new(later)];
    assert!(look(&mut drills, &config, &none(), at("00:00:05")).is_empty(), "its end is not lost");
    for channel in ["duty", "sms"] {
        drills.accepted(&ChannelId::new(channel), &id);
    }
    assert_eq!(
        told(&look(&mut drills, &config, &none(), at("00:00:06"))),
        ["duty resolved", "sms resolved"]
    );
    assert_eq!(
        told(&look(&mut drills, &config, &none(), at("00:00:07"))),
        ["duty firing", "sms firing"]
    );
}

#[test]
fn a_clock_that_is_set_neither_ends_a_drill_nor_makes_it_wait() {
    for (set, by_s) in [("01:00:10", 3_600), ("00:00:10", 0)] {
        let (mut drills, config) = (Drills::default(), config());
        look(&mut drills, &config, &none(), at("00:00:00"));
        drills.our_clock_was_set(by_s);
        assert!(look(&mut drills, &config, &none(), at(set)).is_empty());
        let end = at(set) + SignedDuration::from_secs(111);
        assert_eq!(
            told(&look(&mut drills, &config, &none(), end)),
            ["duty resolved", "sms resolved"]
        );
    }
}

/// Channels for three routes, one of them with a channel that stands in for it.
fn routed(routes: &str) -> Config {
    let settings = format!(
        "channels:
  all: {{kind: webhook, url: \"http://127.0.0.1:1/\"}}
  boss: {{kind: webhook, url: \"http://127.0.0.1:2/\", fallback: siren}}
  siren: {{kind: webhook, url: \"http://127.0.0.1:3/\"}}
  idle: {{kind: webhook, url: \"http://127.0.0.1:4/\"}}
people: {{ha: {{name: Hà, channels: [boss]}}}}
drill: {{before: 2h}}
routes:
{routes}"
    );
    loaded(&settings)
}

#[test]
fn it_goes_where_an_alert_of_the_session_would_in_every_step_and_to_no_other_channel() {
    let config = routed(
        "  - when: {severity: critical, phase: live}
    to: [all]
    escalate: [{after: 5m, to: [ha]}]
  - {to: [idle]}
",
    );
    let mut drills = Drills::default();
    let begun = look(&mut drills, &config, &none(), at("00:00:00"));
    assert_eq!(told(&begun), ["all firing", "boss firing", "siren firing"]);
    let to_boss = begun.iter().find_map(|change| match change {
        Change::Notify(it) if it.channel.as_str() == "boss" => Some(it),
        _ => None,
    });
    let incident = &to_boss.expect("a message").alert.incident;
    let own = incident.told.iter().find(|told| told.channel.as_str() == "boss").unwrap();
    assert_eq!(own.people, ["Hà"], "it says for whom it is");
    assert_eq!((incident.cause, incident.severity), (Cause::Access, Severity::Critical));
    for channel in ["all", "boss", "siren"] {
        drills.accepted(&ChannelId::new(channel), &incident.id);
    }
    let over = look(&mut drills, &config, &none(), at("00:00:05"));
    assert_eq!(told(&over), ["all resolved", "boss resolved", "siren resolved"]);
}

#[test]
fn routes_that_lead_to_nobody_are_our_own_trouble() {
    let mut drills = Drills::default();
    assert!(
        told(&look(&mut drills, &routed("  - {to: []}\n"), &none(), at("00:00:00"))).is_empty()
    );
    let said = [SelfDoubt::NobodyReached { session: "Giao ban".to_owned() }];
    assert_eq!(drills.reasons(at("00:00:00")), said);
    assert_eq!(drills.last(), Some((at("00:00:00"), false)));
    assert!(
        look(&mut drills, &routed("  - {to: []}\n"), &none(), at("00:00:01")).is_empty(),
        "once"
    );
}

#[test]
fn without_the_setting_there_are_none() {
    let (mut drills, mut config) = (Drills::default(), config());
    config.settings.drill.before = Duration::ZERO;
    assert!(look(&mut drills, &config, &none(), at("00:00:00")).is_empty());
}

/// A drill and its end through a channel of every kind, as the brain decides it.
pub(crate) fn letters() -> Vec<(String, Letter)> {
    let settings = "channels:
  zalo: {kind: zalo, app_id: '1', secret_key_env: A, refresh_token_env: B, groups: [g]}
  sms-tu: {kind: sms, gateway: http, to: ['0912 345 679'],
    url: \"http://127.0.0.1:2/?to={phone}&text={text}\"}
  mail: {kind: email, host: localhost, from: a@b.example, to: [c@d.example]}
  hook: {kind: webhook, url: \"http://127.0.0.1:3/\"}
  siren: {kind: exec, program: /bin/true}
people: {tu: {name: Lý A Tú, channels: [sms-tu]}}
rotas: {truc: {weekly: [{who: [tu]}]}}
routes: [{to: [zalo, truc, mail, hook, siren]}]
drill: {before: 2h, accept_within: 2m}
";
    let (mut drills, config) = (Drills::default(), loaded(settings));
    let told = |changes: Vec<Change>| -> Vec<Notification> {
        let messages = changes.into_iter().filter_map(|change| match change {
            Change::Notify(it) => Some(*it),
            _ => None,
        });
        messages.collect()
    };
    let begun = told(look(&mut drills, &config, &none(), "2026-12-02T23:00:00Z".parse().unwrap()));
    let id = incident(&drills);
    for channel in ["zalo", "sms-tu", "mail", "hook", "siren"] {
        drills.accepted(&ChannelId::new(channel), &id);
    }
    let over = told(look(&mut drills, &config, &none(), "2026-12-02T23:00:07Z".parse().unwrap()));
    let all = begun.into_iter().chain(over).map(|it| {
        let heading = format!("drill: {} to {}", it.kind.word(), it.channel);
        let mut letter = letter(vec![it.clone()]);
        letter.channel = it.channel;
        letter.id = it.id;
        (heading, letter)
    });
    let all: Vec<(String, Letter)> = all.collect();
    assert_eq!(all.len(), 10);
    all
}

/// A silence of everything in the days around the session.
fn of_all() -> Mutes {
    let silence = Silence {
        id: SilenceId::new("s1"),
        site: None,
        from: at("00:00:00"),
        until: at("02:00:00"),
        by: "Hà".to_owned(),
        reason: "đêm qua bảo trì".to_owned(),
    };
    Mutes { silences: BTreeMap::from([(silence.id.clone(), silence)]), ..Mutes::default() }
}

/// Takes a drill through to its end; what is wrong then.
fn through(drills: &mut Drills, config: &Config, mutes: &Mutes) -> Vec<SelfDoubt> {
    look(drills, config, mutes, at("00:00:00"));
    let id = incident(drills);
    for channel in ["duty", "sms"] {
        drills.accepted(&ChannelId::new(channel), &id);
    }
    look(drills, config, mutes, at("00:00:01"));
    drills.reasons(at("00:00:01"))
}

#[test]
fn a_silence_of_everything_that_nobody_lifted_fails_the_drill_until_it_is_lifted() {
    let (mut drills, config) = (Drills::default(), config());
    let session = || "Giao ban".to_owned();
    let muted = [SelfDoubt::SessionMuted { session: session() }];
    assert_eq!(through(&mut drills, &config, &of_all()), muted, "every channel has accepted it");
    assert_eq!(drills.last(), Some((at("00:00:00"), false)));
    let mut again = Drills::restored(drills.held.clone());
    assert!(look(&mut again, &config, &of_all(), at("00:01:00")).is_empty());
    assert_eq!(again.reasons(at("00:01:00")), muted, "also after a restart");
    let lifted = look(&mut again, &config, &none(), at("00:02:00"));
    assert!(matches!(lifted.as_slice(), [Change::Drill(_)]), "{lifted:?}");
    assert!(again.reasons(at("00:02:00")).is_empty());
    assert_eq!(again.last(), Some((at("00:00:00"), true)));
}

#[test]
fn one_silenced_site_or_a_silence_that_ends_before_fails_no_drill() {
    let config = config();
    let first = config.topology.site(*config.sessions[0].sites.keys().next().unwrap()).id.clone();
    let mut mutes = of_all();
    let silence = mutes.silences.values_mut().next().unwrap();
    silence.site = Some(first);
    assert_eq!(through(&mut Drills::default(), &config, &mutes), []);
    let silence = mutes.silences.values_mut().next().unwrap();
    (silence.site, silence.until) = (None, at("00:59:59"));
    assert_eq!(through(&mut Drills::default(), &config, &mutes), []);
}

#[test]
fn planned_work_at_all_sites_during_the_session_fails_the_drill() {
    let config = config();
    let top = config.topology.sites.iter().find(|site| site.parent.is_none()).unwrap();
    let window = Maintenance {
        id: SilenceId::new("w1"),
        sites: vec![top.id.clone()],
        from: at("00:30:00"),
        until: at("04:00:00"),
        by: "Hà".to_owned(),
        reason: "thay đường truyền".to_owned(),
    };
    let mutes =
        Mutes { maintenance: BTreeMap::from([(window.id.clone(), window)]), ..Mutes::default() };
    let muted = [SelfDoubt::SessionMuted { session: "Giao ban".to_owned() }];
    assert_eq!(through(&mut Drills::default(), &config, &mutes), muted);
}

#[test]
fn settings_by_which_a_dead_site_is_told_too_late_fail_the_drill() {
    let mut config = config();
    let mut topology = (*config.topology).clone();
    for check in &mut topology.checks {
        (check.paces.live, check.confirm_after) = (Duration::from_mins(2), Duration::from_mins(1));
    }
    config.topology = Arc::new(topology);
    let late = [SelfDoubt::SessionUnwatched { session: "Giao ban".to_owned() }];
    assert_eq!(through(&mut Drills::default(), &config, &none()), late);
}

#[test]
fn what_goes_out_is_what_was_decided_when_the_site_fell_silent() {
    let (mut drills, config) = (Drills::default(), config());
    let begun = look(&mut drills, &config, &none(), at("00:00:00"));
    let told = begun.iter().find_map(|change| match change {
        Change::Notify(it) => Some(&it.alert.incident),
        _ => None,
    });
    let told = told.expect("a message");
    assert_eq!(told.site, Some(SiteId::new(SITE)));
    let [seen] = told.evidence.as_slice() else { panic!("{:?}", told.evidence) };
    assert_eq!(seen.target.to_string(), "drill/codec/sip", "what the hands asked");
    assert_eq!(seen.saw, Saw::Failed(Failure::Remote(RemoteFailure::Timeout)));
    assert_eq!(seen.at, told.began);
    let took = at("00:00:00").duration_since(told.began);
    assert!(took > SignedDuration::ZERO && took < SignedDuration::from_secs(10), "{took:#}");
}

#[test]
fn nothing_goes_out_where_the_hands_see_nothing_fail_or_cannot_ask() {
    let unwatched = [SelfDoubt::SessionUnwatched { session: "Giao ban".to_owned() }];
    let lively = |order: DrillOrder| {
        let seen = seen_as_meant(&order);
        DrillSeen { mute: seen.answered.clone(), ..seen }
    };
    // Of this the brain has something to tell, and it is not the site.
    let blind = |order: DrillOrder| {
        let none = || outcome(Duration::ZERO, Err(Failure::Local(LocalFailure::NoRoute)));
        DrillSeen { session: order.session, answered: none(), mute: none() }
    };
    let config = config();
    for hands in [&lively as &dyn Fn(DrillOrder) -> DrillSeen, &blind] {
        let mut drills = Drills::default();
        let begun = look_with(&mut drills, &config, &none(), at("00:00:00"), hands);
        assert_eq!(told(&begun), Vec::<String>::new());
        assert_eq!(drills.reasons(at("00:00:01")), unwatched);
        assert_eq!(drills.last(), Some((at("00:00:00"), false)));
        assert!(look(&mut drills, &config, &none(), at("00:00:59")).is_empty(), "once a minute");
        let again = look(&mut drills, &config, &none(), at("00:01:00"));
        assert_eq!(told(&again), ["duty firing", "sms firing"], "now there is something to send");
        assert!(drills.reasons(at("00:01:01")).is_empty());
    }
}

#[test]
fn hands_that_never_come_back_are_asked_again() {
    let (mut drills, config) = (Drills::default(), config());
    let orders = |drills: &mut Drills, now| {
        drills.look(&config, at(now));
        drills.take_orders().count()
    };
    assert_eq!(orders(&mut drills, "00:00:00"), 1);
    assert_eq!(orders(&mut drills, "00:02:00"), 0);
    assert_eq!(orders(&mut drills, "00:02:01"), 1);
}
