//! Whether we can see: what is wrong with us is told as ours, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use vchealth::config::Config;
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place, World};
use vchealth::model::{
    Ailment, Cause, CheckKind, EndpointIx, EngineHealth, Failure, Health, Host, LocalFailure, Mono,
    Notification, NotificationKind, Now, Outcome, Part, RemoteFailure, Saw, SelfDoubt, Severity,
    SiteId, SiteIx, Topology,
};
use vchealth::monitor::Input;

use super::run::Run;

/// Twenty communes in two districts.
const PROVINCE: &str = "province: {tree: {tinh: {huyen: [xa-a, xa-b, xa-c, xa-d, xa-e, xa-f, xa-g, \
                        xa-h, xa-i, xa-k], khac: [xa-l, xa-m, xa-n, xa-o, xa-p, xa-q, xa-r, xa-s, \
                        xa-t, xa-u]}}}\n";
pub(super) const LIVE: &str = "sessions: [{title: x, from: -1m, to: +9h}]\n";

pub(super) fn drawn(calendar: &str) -> (Run, Arc<Topology>) {
    let text = format!("name: x\n{PROVINCE}{calendar}lasts: 1m\nexpect: nothing\n");
    let scenario = Scenario::parse("ourselves.yaml", &text).unwrap_or_else(|it| panic!("{it}"));
    let (run, _) = Run::of(&scenario);
    let topology = Arc::clone(&run.topology);
    (run, topology)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn begins() -> Now {
    let wall = "2026-03-02T01:00:00Z".parse().unwrap();
    Now { mono: Mono::ZERO + seconds(10_000), wall }
}

/// A brain that knows of no gateway, in a province of which these sites are dark from the start.
fn without_gateway(dark: impl Fn(SiteIx) -> bool) -> Run {
    let (drawn, topology) = drawn(LIVE);
    let topology = Arc::new(Topology { vantage: None, ..(*topology).clone() });
    let mut world = World::new(Arc::clone(&topology), Nature::default());
    for site in topology.site_ixs().filter(|site| dark(*site)) {
        world.place(begins(), Place::Site(site, None), Fault::PowerCut);
    }
    let config = Config { topology, ..(*drawn.config).clone() };
    Run::new(config, world, begins().wall)
}

pub(super) fn ours(run: &Run) -> Vec<NotificationKind> {
    let told = run.told.iter().map(|(_, message)| message);
    let ours = told.filter(|message| message.alert.incident.cause == Cause::Monitor);
    ours.map(|message| message.kind).filter(|kind| *kind != NotificationKind::Reminder).collect()
}

#[test]
fn where_most_sites_were_never_connected_those_that_are_say_whether_we_see() {
    use NotificationKind::{Firing, Resolved};
    // Two sites and what they hang on, of twenty-three.
    let mut run = without_gateway(|site| !matches!(site.ix(), 0..=2 | 13));
    run.until(seconds(240));
    assert_eq!(ours(&run), [], "whoever never answered says nothing by being silent");
    assert!(!run.snapshot().monitor.blind);
    let clock = run.now.wall;
    run.now.wall = clock + jiff::SignedDuration::from_secs(30);
    run.until(seconds(300));
    assert_eq!(ours(&run), [Firing, Resolved], "the clock was set, and runs evenly again");
}

#[test]
fn a_pilot_whose_network_is_cut_sees_again_when_it_is_back() {
    use NotificationKind::{Firing, Resolved};
    // Six communes and what they hang on.
    let mut run = without_gateway(|site| !matches!(site.ix(), 0..=4 | 12..=16));
    run.until(seconds(120));
    let before = run.told.len();
    run.world.place(run.now, Place::Own, Fault::OwnNetworkCut);
    run.until(seconds(180));
    assert!(run.snapshot().monitor.blind);
    run.world.lift(&Place::Own, None);
    run.until(seconds(240));
    assert_eq!(ours(&run), [Firing, Resolved]);
    assert_eq!(run.told.len(), before + 2, "nothing is said of any site");
    assert_eq!(run.complaints, [""; 0]);
}

#[test]
fn while_a_few_still_answer_it_is_not_our_network_that_is_gone() {
    let mut run = without_gateway(|_| false);
    run.until(seconds(120));
    let cut = ["huyen", "khac"].map(|id| run.topology.find_site(&SiteId::new(id)).unwrap());
    let below = cut.map(|site| run.topology.subtree(site)).concat();
    // The seat and one commune answer.
    for site in below.iter().skip(1).filter(|site| !cut.contains(site)) {
        run.world.place(run.now, Place::Site(*site, None), Fault::PowerCut);
    }
    for site in cut {
        run.world.place(run.now, Place::Site(site, None), Fault::PowerCut);
    }
    let one = below[1];
    run.world.lift(&Place::Site(one, None), None);
    run.until(seconds(300));
    assert_eq!(ours(&run), []);
    let down = run.snapshot().sites.iter().filter(|it| it.standing.hard == Health::Down).count();
    assert_eq!(down, below.len() - 1);
}

#[test]
fn sites_that_we_fail_to_ask_are_one_incident_of_ours_and_no_others_are_in_it() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, topology) = drawn(LIVE);
    let cannot = ["xa-b", "xa-c", "xa-r"].map(|id| topology.find_site(&SiteId::new(id)).unwrap());
    run.until(seconds(10));
    let end = run.now.mono + seconds(200);
    let whole = Arc::clone(&topology);
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        if cannot.contains(&whole.target(target).site) && now.mono < end {
            sight.result = Err(Failure::Local(LocalFailure::NoRoute));
        }
    }));
    run.until(seconds(60));
    assert_eq!(run.told.len(), 0, "it may pass");
    run.until(seconds(90));
    let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    let incident = &message.alert.incident;
    let affected: Vec<&str> = incident.affected.iter().map(|it| it.site.as_str()).collect();
    assert_eq!((incident.cause, affected), (Cause::Monitor, vec!["xa-b", "xa-c", "xa-r"]));
    assert_eq!((incident.severity, incident.delegates), (Severity::Critical, 30));
    let how = SelfDoubt::SitesUnasked { how: "no-route".to_owned() };
    assert_eq!(incident.evidence[0].saw, Saw::Ourselves(how));
    assert!(!run.snapshot().monitor.blind, "the others are seen");
    run.until(seconds(250));
    assert_eq!(ours(&run), [Firing, Resolved]);
    assert_eq!(run.told.len(), 2);
}

#[test]
fn a_single_service_that_we_fail_to_ask_is_told_as_ours() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, topology) = drawn(LIVE);
    let whole = Arc::clone(&topology);
    let site = topology.find_site(&SiteId::new("xa-b")).unwrap();
    run.until(seconds(10));
    let end = run.now.mono + seconds(390);
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        let is_sip = whole.check_of(target).id.as_str() == "sip";
        if is_sip && whole.target(target).site == site && now.mono < end {
            let how = "EPERM".to_owned();
            sight.result = Err(Failure::Local(LocalFailure::Forbidden(how)));
        }
    }));
    run.until(seconds(400));
    let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    let incident = &message.alert.incident;
    let affected: Vec<&str> = incident.affected.iter().map(|it| it.site.as_str()).collect();
    assert_eq!((incident.cause, affected), (Cause::Monitor, vec!["xa-b"]));
    assert_eq!(incident.of, u32::try_from(topology.sites.len()).unwrap());
    let how = SelfDoubt::SitesUnasked { how: "forbidden".to_owned() };
    assert_eq!(incident.evidence[0].saw, Saw::Ourselves(how));
    let sip = incident.evidence.iter().find(|it| it.target.site.as_str() == "xa-b").unwrap();
    assert_eq!(sip.target.check.as_ref().unwrap().as_str(), "sip");
    run.until(seconds(900));
    assert_eq!(ours(&run), [Firing, Resolved]);
    assert_eq!(run.told.len(), 2);
}

#[test]
fn who_has_no_name_server_is_told_which_sites_are_unknown_for_it() {
    use NotificationKind::{Firing, Resolved, Update};
    let (mut run, topology) = drawn(LIVE);
    let whole = Arc::clone(&topology);
    let named = ["xa-b", "xa-r"].map(|id| topology.find_site(&SiteId::new(id)).unwrap());
    run.until(seconds(10));
    let end = run.now.mono + seconds(110);
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        if named.contains(&whole.target(target).site) && now.mono < end {
            sight.result = Err(Failure::Local(LocalFailure::Unresolved("timed out".to_owned())));
        }
    }));
    let part = |trouble| Input::Part { part: Part::Resolver, trouble };
    run.tell(part(Some(Ailment::Words("nobody answers".to_owned()))));
    run.until(seconds(100));
    let snapshot = run.snapshot();
    let incident = snapshot.incidents.iter().find(|it| it.is_open()).expect("it is on");
    let affected: Vec<&str> = incident.affected_now().map(SiteId::as_str).collect();
    assert_eq!(affected, ["xa-b", "xa-r"]);
    // Only they are at stake, and what came back of them is the evidence.
    assert_eq!(incident.delegates, 20);
    let seen = incident.evidence.iter().filter_map(|it| match &it.saw {
        Saw::Failed(failure) => Some((it.target.site.as_str(), failure.word())),
        _ => None,
    });
    assert_eq!(seen.collect::<Vec<_>>(), [("xa-b", "unresolved"), ("xa-r", "unresolved")]);
    for site in topology.site_ixs() {
        let unknown = snapshot.sites[site.ix()].standing.hard == Health::Unknown;
        assert_eq!(unknown, named.contains(&site), "{}", topology.site(site).id);
    }
    // That sites are unknown because of it is known, and told, a little after it is.
    let (_, message) = run.told.last().expect("it was told");
    let said: Vec<&str> = message.alert.incident.affected_now().map(SiteId::as_str).collect();
    assert_eq!((said, message.alert.incident.of), (vec!["xa-b", "xa-r"], 23));
    run.until(seconds(125));
    run.tell(part(None));
    run.until(seconds(300));
    let told: Vec<_> = ours(&run).into_iter().filter(|kind| *kind != Update).collect();
    assert_eq!(told, [Firing, Resolved]);
    // Another site the next time: what came back of that one is the evidence then.
    let whole = Arc::clone(&topology);
    run.tamper = Some(Box::new(move |_, target, _, sight| {
        if whole.target(target).site == named[1] {
            sight.result = Err(Failure::Local(LocalFailure::Unresolved("timed out".to_owned())));
        }
    }));
    let again = run.now.wall;
    run.tell(part(Some(Ailment::Words("nobody answers".to_owned()))));
    run.until(seconds(360));
    let snapshot = run.snapshot();
    let incident = snapshot.incidents.iter().find(|it| it.is_open()).expect("it is on again");
    let seen = incident.evidence.iter().filter(|it| it.at >= again).map(|it| match &it.saw {
        Saw::Failed(failure) => (it.target.site.as_str(), failure.word()),
        Saw::Ourselves(_) => ("", "ours"),
        saw => panic!("{saw:?}"),
    });
    assert_eq!(seen.collect::<Vec<_>>(), [("", "ours"), ("xa-r", "unresolved")]);
    let others = run.told.iter().filter(|(_, it)| it.alert.incident.cause != Cause::Monitor);
    assert_eq!(others.count(), 0, "{:?}", run.told);
}

#[test]
fn who_cannot_see_is_told_when_the_gateway_last_answered_and_who_is_silent() {
    let (mut run, topology) = drawn(LIVE);
    run.until(seconds(10));
    let cut_at = run.now.wall;
    run.world.place(run.now, Place::Own, Fault::OwnNetworkCut);
    run.until(seconds(60));
    let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    let evidence = &message.alert.incident.evidence;
    let here = &topology.site(topology.vantage.unwrap()).id;
    let of_gateway: Vec<_> = evidence
        .iter()
        .filter(|it| it.target.site == *here && it.target.endpoint.is_some())
        .map(|it| (it.saw.clone(), it.at >= cut_at))
        .collect();
    let [(Saw::Answered { rtt_us: Some(_) }, false), (Saw::Failed(failure), true)] =
        &of_gateway[..]
    else {
        panic!("{of_gateway:?}")
    };
    assert_eq!(failure.word(), "timeout");
    let silent = evidence.iter().filter(|it| it.target.site != *here);
    let silent: Vec<_> = silent.map(|it| (&it.saw, it.at >= cut_at)).collect();
    assert_eq!(silent.len(), 3, "{evidence:?}");
    assert!(silent.iter().all(|(saw, since)| matches!(saw, Saw::Failed(_)) && *since));
}

#[test]
fn probes_that_go_out_too_late_are_one_incident_of_ours_with_the_figures() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, _) = drawn(LIVE);
    run.until(seconds(10));
    let end = run.now.mono + seconds(90);
    run.tamper = Some(Box::new(move |_, _, now, sight| {
        if now.mono < end {
            sight.result = Err(Failure::Local(LocalFailure::Late));
        }
    }));
    let engine = |late| EngineHealth { worst_lateness: late, ..EngineHealth::default() };
    for second in 10..100 {
        run.until(seconds(second));
        run.tell(Input::Engine(engine(Duration::from_millis(1_400))));
    }
    assert!(run.snapshot().monitor.blind);
    let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    let incident = &message.alert.incident;
    let Saw::Ourselves(SelfDoubt::EngineStrained(strain)) = incident.evidence[0].saw else {
        panic!("{incident:?}")
    };
    assert_eq!(strain.late_ms, 1_400);
    assert_eq!(incident.affected_now().count(), run.topology.sites.len());
    for second in 100..300 {
        run.until(seconds(second));
        run.tell(Input::Engine(engine(Duration::ZERO)));
    }
    assert_eq!(ours(&run), [Firing, Resolved]);
    assert_eq!(run.told.len(), 2, "nothing is said of any site: {:?}", run.told);
}

#[test]
fn while_others_answer_most_of_the_sites_may_be_beyond_our_reach() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, topology) = drawn(LIVE);
    let whole = Arc::clone(&topology);
    run.until(seconds(60));
    let (begin, end) = (run.now.mono, run.now.mono + seconds(200));
    // Sixteen of twenty communes.
    let reached = ["tinh", "huyen", "khac", "xa-a", "xa-b", "xa-l", "xa-m"]
        .map(|id| topology.find_site(&SiteId::new(id)).unwrap());
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        let cut = begin <= now.mono && now.mono < end;
        if cut && !reached.contains(&whole.target(target).site) {
            sight.result = Err(Failure::Local(LocalFailure::NoRoute));
        }
    }));
    let mut blind = false;
    for second in 61..=360 {
        run.until(seconds(second));
        blind |= run.snapshot().monitor.blind;
    }
    assert!(!blind, "seven sites answer");
    assert_eq!(ours(&run), [Firing, Resolved]);
    assert_eq!(run.told[0].1.alert.incident.affected.len(), 16);
    assert_eq!(run.complaints, [""; 0]);
}

#[test]
fn what_we_fail_to_ask_is_neither_said_to_work_nor_forgotten_by_a_restart() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, topology) = drawn(LIVE);
    let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
    let codec = topology.site(at).endpoints[1];
    run.until(seconds(10));
    let place = Place::Site(at, Some(topology.endpoint(codec).id.clone()));
    run.world.place(run.now, place.clone(), Fault::Firewall);
    run.until(seconds(40));
    assert_eq!(run.told.len(), 1, "the codec is off");
    // Its name is taken out of DNS, and then it is switched on.
    let end = run.now.mono + seconds(300);
    let whole = Arc::clone(&topology);
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        if whole.target(target).endpoint == codec && now.mono < end {
            let name = "codec.example".to_owned();
            sight.result = Err(Failure::Local(LocalFailure::NoSuchName(name)));
        }
    }));
    run.world.lift(&place, None);
    run.until(seconds(140));
    assert_eq!(ours(&run), [Firing], "we cannot ask it, though its router answers");
    let affected = run.told[1].1.alert.incident.affected.iter();
    assert_eq!(affected.map(|it| it.site.as_str()).collect::<Vec<_>>(), ["xa-c"]);
    assert_eq!(run.snapshot().sites[at.ix()].standing.hard, Health::Unknown);
    run.stop(seconds(3));
    run.until(seconds(300));
    assert_eq!(run.told.len(), 2, "nothing has changed: {:?}", run.told);
    run.until(seconds(400));
    let ends: Vec<_> = run.told[2..].iter().map(|(_, message)| message.kind).collect();
    assert_eq!(ends, [Resolved, Resolved]);
    assert_eq!(run.snapshot().sites[at.ix()].standing.hard, Health::Up);
    assert_eq!(run.complaints, [""; 0]);
}

/// What becomes of the services of a codec that answers no echo, after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Answer,
    AnswerButForTheFirst,
    NotAsked,
    NotAskedButForTheFirst,
    Silent,
}

/// What is told of a codec that has answered no echo for a minute when we are started anew; its
/// services answer until then, if it `lives`.
fn told_of_a_filtered_codec(lives: bool, since: Since) -> Vec<NotificationKind> {
    let (mut run, topology) = drawn(LIVE);
    let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
    let codec = topology.site(at).endpoints[1];
    run.until(seconds(30));
    let (filtered, stopped) = (run.now.mono, run.now.mono + seconds(60));
    let mut asked = BTreeSet::new();
    run.tamper = Some(Box::new(move |_, target, now, sight| {
        if topology.target(target).endpoint != codec || now.mono < filtered {
            return;
        }
        let timeout = (1, Err(Failure::Remote(RemoteFailure::Timeout)));
        if matches!(topology.check_of(target).kind, CheckKind::Icmp(_)) {
            (sight.lost, sight.result) = timeout;
            return;
        }
        if now.mono < stopped {
            if !lives {
                (sight.lost, sight.result) = timeout;
            }
            return;
        }
        let first = asked.insert(target);
        match since {
            Since::AnswerButForTheFirst | Since::NotAskedButForTheFirst if first => {
                (sight.lost, sight.result) = timeout;
            }
            Since::Answer | Since::AnswerButForTheFirst => {}
            Since::NotAsked | Since::NotAskedButForTheFirst => {
                sight.result = Err(Failure::Local(LocalFailure::NoRoute));
            }
            Since::Silent => (sight.lost, sight.result) = timeout,
        }
    }));
    run.until(seconds(90));
    run.stop(seconds(2));
    run.until(seconds(280));
    assert_eq!(run.complaints, [""; 0]);
    let told = run.told.iter().map(|(_, message)| (message.kind, message.alert.incident.cause));
    told.filter(|(_, cause)| *cause == Cause::Device).map(|(kind, _)| kind).collect()
}

#[test]
fn a_device_that_lives_in_spite_of_a_filter_on_echoes_lives_after_a_restart() {
    use NotificationKind::{Firing, Resolved};
    use Since::{Answer, AnswerButForTheFirst, NotAsked, NotAskedButForTheFirst, Silent};
    for since in [Answer, AnswerButForTheFirst, NotAsked, NotAskedButForTheFirst] {
        assert_eq!(told_of_a_filtered_codec(true, since), [], "{since:?}");
    }
    assert!(!told_of_a_filtered_codec(true, Silent).is_empty(), "it died meanwhile");
    assert_eq!(told_of_a_filtered_codec(false, NotAsked), [Firing], "nothing of it answered");
    assert_eq!(told_of_a_filtered_codec(false, Answer), [Firing, Resolved], "it is back");
}

#[test]
fn a_restart_does_not_say_that_a_part_of_ours_works_again_that_has_not_tried_yet() {
    use NotificationKind::{Firing, Resolved};
    for part in [Part::Courier, Part::Resolver] {
        let (mut run, _) = drawn(LIVE);
        let dead = || Some(Ailment::Words("sms".to_owned()));
        run.tell(Input::Part { part, trouble: dead() });
        run.until(seconds(60));
        assert_eq!(ours(&run), [Firing], "{part:?}");
        run.stop(seconds(3));
        // It takes half a minute to find that nothing has changed.
        for second in 64..100 {
            run.until(seconds(second));
            run.tell(Input::Part { part, trouble: None });
        }
        run.tell(Input::Part { part, trouble: dead() });
        run.until(seconds(140));
        assert_eq!(ours(&run), [Firing], "{part:?} was dead all the time");
        run.stop(seconds(3));
        // This time it works.
        for second in 144..240 {
            run.until(seconds(second));
            run.tell(Input::Part { part, trouble: None });
        }
        assert_eq!(ours(&run), [Firing, Resolved], "{part:?}");
        let (at, _) = run.told.last().unwrap();
        assert!(*at >= seconds(200), "{part:?} is believed at {at:?}");
    }
}

#[test]
fn a_full_disk_hides_neither_that_we_go_blind_nor_that_we_see_again() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, topology) = drawn(LIVE);
    let full = Some(Ailment::Words("the disk is full".to_owned()));
    run.tell(Input::Part { part: Part::Store, trouble: full });
    // The second time an hour later, so that nothing is held back.
    let places = [(10, true), (70, false), (4000, true), (4060, false)];
    for (at, cut) in places {
        run.until(seconds(at));
        if cut {
            run.world.place(run.now, Place::Own, Fault::OwnNetworkCut);
        } else {
            run.world.lift(&Place::Own, None);
        }
    }
    run.until(seconds(4120));
    assert_eq!(ours(&run), [Firing, Firing, Resolved, Firing, Resolved]);
    let all = topology.sites.len();
    let blind = run.told.iter().map(|(_, it)| it.alert.incident.affected_now().count());
    assert_eq!(blind.filter(|affected| *affected == all).count(), 2, "each time all of them");
    run.tell(Input::Part { part: Part::Store, trouble: None });
    run.until(seconds(4150));
    assert_eq!(ours(&run)[5..], [Resolved]);
}

#[test]
fn our_own_troubles_are_as_urgent_as_what_is_on() {
    for (calendar, urgent) in [("", Severity::Warning), (LIVE, Severity::Critical)] {
        let (mut run, _) = drawn(calendar);
        let full = Some(Ailment::Words("the disk is full".to_owned()));
        run.tell(Input::Part { part: Part::Store, trouble: full });
        run.until(seconds(60));
        assert_eq!(run.told[0].1.alert.incident.severity, urgent);
        run.world.place(run.now, Place::Own, Fault::OwnNetworkCut);
        run.until(seconds(400));
        assert_eq!(run.told[1].1.alert.incident.severity, urgent);
        // Half a province may be gone by then.
        run.until(seconds(1400));
        let blind = &run.told.last().unwrap().1.alert.incident;
        assert_eq!(blind.severity, Severity::Critical);
    }
}

#[test]
fn of_two_devices_without_a_router_the_first_is_missed_as_well() {
    let (drawn, topology) = drawn(LIVE);
    let mut topology = (*topology).clone();
    let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
    // A codec, and a desk phone that is only pinged.
    topology.sites[at.ix()].endpoints.reverse();
    let codec = topology.site(at).endpoints[0];
    let desk = topology.site(at).endpoints[1];
    assert_eq!(topology.endpoint(codec).id.as_str(), "codec");
    topology.endpoints[desk.ix()].host = Host::Name("desk.example".to_owned());
    let topology = Arc::new(topology);
    let world = World::new(Arc::clone(&topology), Nature::default());
    let config = Config { topology, ..(*drawn.config).clone() };
    let mut run = Run::new(config, world, begins().wall);
    run.until(seconds(60));
    let place = Place::Site(at, Some(run.topology.endpoint(codec).id.clone()));
    run.world.place(run.now, place.clone(), Fault::Firewall);
    run.until(seconds(70));
    let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    let incident = &message.alert.incident;
    assert_eq!(
        (incident.cause, incident.endpoint.as_ref().unwrap().as_str()),
        (Cause::Device, "codec")
    );
    run.world.lift(&place, None);
    run.until(seconds(100));
    assert_eq!(run.told.len(), 2);
    // The other way round as well, and the whole site.
    run.world.place(run.now, Place::Site(at, None), Fault::PowerCut);
    run.until(seconds(110));
    assert_eq!(run.told[2].1.alert.incident.cause, Cause::Access);
    run.world.lift(&Place::Site(at, None), None);
    run.until(seconds(140));
    assert_eq!(run.told.len(), 4);
}

/// When each codec shows its clock between two moments.
fn shown(run: &mut Run, from: u64, until: u64) -> Vec<(EndpointIx, Duration)> {
    run.until(seconds(from));
    run.outcomes = Some(Vec::new());
    run.until(seconds(until));
    let begins = run.now.mono.earlier(run.elapsed());
    let topology = &run.topology;
    let shows =
        |it: &&Outcome| ["sip", "web"].contains(&topology.check_of(it.request.target).id.as_str());
    let outcomes = run.outcomes.take().unwrap();
    let of = |it: &Outcome| (topology.target(it.request.target).endpoint, it.finished - begins);
    outcomes.iter().filter(shows).map(of).collect()
}

/// Somebody sets a codec's clock right, and then ours is set a little, so that all clocks have to
/// be seen anew. The codec is the first.
#[test]
fn a_clock_seen_before_most_others_were_is_judged_as_soon_as_they_are() {
    let (mut run, topology) = drawn("");
    let mut by_codec = BTreeMap::<EndpointIx, Vec<Duration>>::new();
    for (codec, at) in shown(&mut run, 300, 360) {
        by_codec.entry(codec).or_default().push(at);
    }
    // One that shows its clock twice within a moment.
    let apart = |times: &Vec<Duration>| times[times.len() - 1] - times[0];
    let here = |codec: &EndpointIx| topology.endpoint(*codec).site == topology.vantage.unwrap();
    let others = by_codec.iter().filter(|(codec, times)| times.len() == 2 && !here(codec));
    let (codec, times) = others.min_by_key(|(_, times)| apart(times)).unwrap();
    let (mut run, _) = drawn("");
    let endpoint = topology.endpoint(*codec);
    let place = Place::Site(endpoint.site, Some(endpoint.id.clone()));
    run.world.place(run.now, place.clone(), Fault::ClockOff { by_s: 300 });
    let mended = times[0].as_secs() - 1;
    run.until(seconds(mended));
    run.world.lift(&place, None);
    run.now.wall += jiff::SignedDuration::from_secs(7);
    let seen = shown(&mut run, mended, mended + 120);
    let (mut devices, most) = (BTreeSet::new(), topology.sites.len().div_ceil(2));
    let enough = seen.iter().find(|(shows, _)| devices.insert(*shows) && devices.len() == most);
    let (_, enough) = enough.expect("most are seen");
    let of_codec: Vec<_> = seen.iter().filter(|(shows, _)| shows == codec).collect();
    let before = of_codec.iter().filter(|(_, at)| at < enough).count();
    assert!(before >= 2, "it is not seen before most others: {of_codec:?}");
    let of_clock = |it: &&(Duration, Notification)| it.1.alert.incident.cause == Cause::Clock;
    let told: Vec<_> = run.told.iter().filter(of_clock).collect();
    let [_, (_, message)] = told[..] else { panic!("{told:?}") };
    let resolved = message.alert.incident.resolved.expect("it is over");
    let over = run.elapsed() - run.now.wall.duration_since(resolved).unsigned_abs();
    assert!(over <= *enough + seconds(2), "over at {over:?}, most seen at {enough:?}");
    let again = of_codec.iter().any(|(_, at)| (*enough..over).contains(at));
    assert!(!again, "it is not seen again before that: {of_codec:?}");
}
