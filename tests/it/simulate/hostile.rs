//! What nobody should do to the brain, done to it.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use vchealth::config::{Channel, Config};
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::{Act, Scenario};
use vchealth::lab::world::{Dice, Nature, Place, World};
use vchealth::model::{
    Ack, Ailment, Cause, ChannelId, CheckId, Detail, Effort, EndpointId, Failure, Health,
    IncidentId, Level, LevelIx, LocalFailure, NotificationKind, Outcome, Part, ProbeRequest,
    Resolution, SessionId, Severity, Silence, SilenceId, SiteId, SiteIx, TargetIx, TargetKey,
    Topology, Trigger,
};
use vchealth::monitor::Input;

use super::run::{self, Run};

const PROVINCE: &str = "province: {tree: {tinh: {huyen: [xa-a, xa-b, xa-c, xa-d], \
                        khac: [xa-e, xa-f, xa-g]}}}\n";
const LIVE: &str = "sessions: [{title: x, from: -1m, to: +9h}]\n";
/// A timeline in which nothing happens.
const NOTHING: &str = "  - {at: 1s, reload: whole}\n";

fn scenario(province: &str, calendar: &str, timeline: &str, expect: &str) -> Scenario {
    let text = format!(
        "name: x\n{province}{calendar}real: false\nlasts: 10m\ntimeline:\n{timeline}expect: {expect}\n"
    );
    Scenario::parse("hostile.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// Plays it to its end; it must be judged as it says and never contradict itself.
fn holds(scenario: &Scenario) -> Run {
    let (mut run, steps) = Run::of(scenario);
    run.play(&steps, scenario.lasts);
    let judgement = run.judgement(scenario);
    assert!(judgement.holds(), "{judgement}");
    assert_eq!(run.complaints, [""; 0]);
    run
}

fn kinds(run: &Run) -> Vec<(Cause, NotificationKind)> {
    run.told.iter().map(|(_, message)| (message.alert.incident.cause, message.kind)).collect()
}

/// Outcomes that answer nothing: of targets that do not exist, of other generations, of other
/// moments.
fn nonsense(like: &Outcome, dice: &mut Dice) -> Outcome {
    let mut outcome = like.clone();
    let request = &mut outcome.request;
    match dice.up_to(5) {
        0 => request.target = TargetIx::new(usize::try_from(dice.up_to(100_000)).unwrap() + 500),
        1 => {
            request.generation =
                request.generation.wrapping_sub(1 + u32::try_from(dice.up_to(9)).unwrap());
        }
        2 => {
            request.generation =
                request.generation.wrapping_add(1 + u32::try_from(dice.up_to(9)).unwrap());
        }
        3 => request.due = request.due + Duration::from_nanos(1 + dice.up_to(10_000_000_000)),
        4 => request.due = request.due.earlier(Duration::from_nanos(1 + dice.up_to(1_000_000_000))),
        // The same once more.
        _ => {}
    }
    outcome
}

#[test]
fn outcomes_that_answer_nothing_change_nothing() {
    let timeline = "  - {at: 10s, subtree: huyen, fault: power-cut, spread: 3s}\n  \
                    - {at: 60s, reload: without, site: xa-e}\n  \
                    - {at: 100s, everywhere: true, clear: all}\n";
    let scenario = scenario(PROVINCE, LIVE, timeline, "nothing");
    let films = [true, false].map(|hostile| {
        let (mut run, steps) = Run::of(&scenario);
        run.outcomes = Some(Vec::new());
        let mut dice = Dice::new(5, 5);
        let mut film = Vec::new();
        let mut steps = steps.iter().peekable();
        for second in 0..200 {
            while let Some(step) = steps.next_if(|step| step.at <= run.elapsed()) {
                run.act(&step.act);
            }
            run.until(Duration::from_secs(second));
            let outcomes = run.outcomes.replace(Vec::new()).unwrap();
            for outcome in outcomes.iter().rev() {
                let nonsense = nonsense(outcome, &mut dice);
                run.tell(if hostile { Input::Outcome(nonsense) } else { Input::Tick });
            }
            film.push(format!("{:?}", run.snapshot()));
        }
        film.push(format!("{:?}", run.told));
        film
    });
    let [hostile, usual] = films;
    let differs = hostile.iter().zip(&usual).position(|(one, other)| one != other);
    assert_eq!(differs, None, "they differ from this second on");
}

#[test]
fn orders_that_concern_nobody_are_ignored() {
    let (mut run, _) =
        Run::of(&scenario(PROVINCE, LIVE, "  - {at: 1s, reload: whole}\n", "nothing"));
    let now = run.now;
    let ack = Ack { by: String::new(), at: now.wall, note: String::new(), until: None };
    run.tell(Input::Ack { incident: IncidentId::new("nobody.access.x"), ack });
    run.tell(Input::Lift(SilenceId::new("nothing")));
    let nowhere = TargetKey {
        site: SiteId::new("nowhere"),
        endpoint: Some(EndpointId::new("router")),
        check: Some(CheckId::new("ping")),
    };
    run.tell(Input::Demand(vec![nowhere.clone(), TargetKey { check: None, ..nowhere }]));
    let (session, site) = (SessionId::new("nothing"), SiteId::new("nowhere"));
    run.tell(Input::Unconfirm { session, site });
    let never = ProbeRequest {
        generation: 1,
        target: TargetIx::new(3),
        trigger: Trigger::Demand,
        effort: Effort::Thorough,
        due: now.mono,
    };
    let result = run.world.probe(now, TargetIx::new(3), Effort::Normal).result;
    run.tell(Input::Outcome(Outcome {
        request: never,
        started: now,
        finished: now.mono,
        lost: 1,
        heard: None,
        result,
    }));
    run.until(Duration::from_secs(60));
    assert_eq!(run.told.len(), 0);
    assert!(run.snapshot().sites.iter().all(|site| site.standing.hard == Health::Up));
}

#[test]
fn a_clock_that_jumps_by_a_year_leaves_incidents_told_once_and_ended_once() {
    for by in ["-8760h", "+8760h"] {
        for at in ["11s", "40s", "101s", "107s"] {
            let timeline = format!(
                "  - {{at: 10s, subtree: huyen, fault: power-cut, for: 90s}}\n  \
                 - {{at: {at}, clock-step: {by}}}\n"
            );
            let scenario = scenario(PROVINCE, LIVE, &timeline, "nothing");
            let (mut run, steps) = Run::of(&scenario);
            run.steps_wrongly = true;
            run.play(&steps, scenario.lasts);
            let told = kinds(&run);
            let of = |cause| told.iter().filter(move |(c, _)| *c == cause).map(|(_, kind)| *kind);
            let once = [NotificationKind::Firing, NotificationKind::Resolved];
            let words = format!("{by} at {at}: {told:?}");
            assert!(of(Cause::Uplink).eq(once), "{words}");
            // Our clock stays wrong, and no device is accused of it.
            assert!(of(Cause::Monitor).eq([NotificationKind::Firing]), "{words}");
            assert_eq!((told.len(), &run.complaints), (3, &Vec::new()), "{words}");
        }
    }
}

#[test]
fn ten_thousand_sites_that_die_within_a_second_and_return_are_one_incident() {
    let topology = run::large(10_000);
    let begins = "2026-03-02T01:00:00Z".parse().unwrap();
    let config = Config {
        settings: run::settings(),
        topology: Arc::new(topology),
        sessions: Vec::new(),
        templates: Vec::new(),
    };
    let world = World::new(Arc::clone(&config.topology), Nature::default());
    let mut run = Run::new(config, world, begins);
    run.until(Duration::from_secs(20));
    let everybody = 1..run.topology.sites.len();
    // Where this monitor stands there is light.
    for (nth, site) in (0u32..).zip(everybody.clone()) {
        run.until(Duration::from_secs(20) + Duration::from_micros(100) * nth);
        run.world.place(run.now, Place::Site(SiteIx::new(site), None), Fault::PowerCut);
    }
    run.until(Duration::from_secs(60));
    assert_eq!(kinds(&run), [(Cause::Uplink, NotificationKind::Firing)]);
    let [(_, message)] = &run.told[..] else { panic!("one") };
    let incident = &message.alert.incident;
    assert_eq!(incident.site, Some(SiteId::new("site-0")));
    let snapshot = run.snapshot();
    let down = snapshot.sites.iter().filter(|site| site.standing.hard == Health::Down).count();
    assert_eq!(down, 9_999);
    for (nth, site) in (0u32..).zip(everybody) {
        run.until(Duration::from_secs(60) + Duration::from_micros(100) * nth);
        run.world.lift(&Place::Site(SiteIx::new(site), None), None);
    }
    run.until(Duration::from_secs(140));
    let told = kinds(&run);
    let once = [NotificationKind::Firing, NotificationKind::Resolved].map(|k| (Cause::Uplink, k));
    assert_eq!(told, once);
    assert_eq!(run.complaints, [""; 0]);
    assert!(run.snapshot().sites.iter().all(|site| site.standing.hard == Health::Up));
}

#[test]
fn where_there_is_no_site_but_ours_its_devices_are_told_apart_from_our_own_network() {
    let expect = "\n  - {cause: monitor, begins: 10s, told-within: 9s, ends: 70s, \
                  resolved-within: 20s, messages: 2}\n  \
                  - {cause: device, site: tinh, endpoint: codec, begins: 3m, told-within: 9s, \
                  ends: 4m, resolved-within: 20s, messages: 2}";
    let timeline = "  - {at: 10s, site: tinh, fault: power-cut, for: 60s}\n  \
                    - {at: 3m, site: tinh, fault: device-off, for: 60s}\n";
    holds(&scenario("province: {tree: {tinh: ~}}\n", LIVE, timeline, expect));
}

#[test]
fn levels_may_have_any_names_and_any_number() {
    let deep = "province: {levels: [Bộ, Cục, Cụm, Trạm, Điểm], tree: {bo: {cuc: {cum: {tram: \
                [diem-1, diem-2]}, cum-2: {tram-2: [diem-3]}}}}}\n";
    let timeline = "  - {at: 10s, site: cum, fault: uplink-cut, for: 60s}\n  \
                    - {at: 3m, site: tram, fault: power-cut, for: 60s}\n  \
                    - {at: 6m, site: diem-3, fault: device-off, for: 60s}\n";
    let expect = "\n  - {cause: uplink, site: cum, affected: 4, of: 4, begins: 10s, told-within: 9s, \
                  ends: 70s, resolved-within: 20s, messages: 2}\n  \
                  - {cause: access, site: tram, begins: 3m, told-within: 9s, ends: 4m, \
                  resolved-within: 20s, messages: 2}\n  \
                  - {cause: device, site: diem-3, endpoint: codec, begins: 6m, told-within: 9s, \
                  ends: 7m, resolved-within: 20s, messages: 2}";
    holds(&scenario(deep, LIVE, timeline, expect));
}

#[test]
fn sites_without_router_without_device_and_without_echoes_are_told_apart_too() {
    let odd = "province: {tree: {tinh: {huyen: [xa-bare, xa-line, xa-mute, xa-a]}}}\n";
    let one = |site: &str, at: u32, within: u32| {
        let ends = at + 120;
        (
            format!("  - {{at: {at}s, site: {site}, fault: power-cut, for: 120s}}\n"),
            format!(
                "\n  - {{cause: access, site: {site}, begins: {at}s, told-within: {within}s, \
                 ends: {ends}s, resolved-within: 40s, messages: 2}}"
            ),
        )
    };
    // Without echoes there is only SIP, twice a minute.
    let parts = [one("xa-bare", 10, 9), one("xa-line", 190, 9), one("xa-mute", 370, 45)];
    let timeline: String = parts.iter().map(|(timeline, _)| timeline.as_str()).collect();
    let expect: String = parts.iter().map(|(_, expect)| expect.as_str()).collect();
    holds(&scenario(odd, LIVE, &timeline, &expect));
}

#[test]
fn while_everything_is_silenced_nobody_is_told_and_what_is_left_is_told_afterwards() {
    let timeline = "  - {at: 30s, site: xa-a, fault: power-cut, for: 60s}\n  \
                    - {at: 40s, subtree: khac, fault: power-cut, for: 7m}\n";
    let scenario = scenario(PROVINCE, LIVE, timeline, "nothing");
    let (mut run, steps) = Run::of(&scenario);
    let silence = Silence {
        id: SilenceId::new("all"),
        site: None,
        from: run.now.wall,
        until: run.now.wall + SignedDuration::from_mins(5),
        by: "somebody".to_owned(),
        reason: String::new(),
    };
    run.tell(Input::Silence(silence));
    let mut part = Some(Ailment::Words("the disk is full".to_owned()));
    let later = steps.partition_point(|step| step.at < Duration::from_secs(299));
    for step in &steps[..later] {
        run.until(step.at);
        run.act(&step.act);
        run.tell(Input::Part { part: Part::Store, trouble: part.take() });
    }
    run.until(Duration::from_secs(299));
    assert_eq!(run.told.len(), 0, "{:?}", kinds(&run));
    run.play(&steps[later..], scenario.lasts);
    let wanted = [NotificationKind::Firing, NotificationKind::Resolved].map(|k| (Cause::Uplink, k));
    assert_eq!(kinds(&run), wanted);
}

#[test]
fn sessions_may_overlap_and_have_begun_long_ago() {
    let calendar = "sessions:\n  \
                    - {title: long ago, from: -30h, to: +1m, delegates: 20}\n  \
                    - {title: now, from: -1m, to: +5m, delegates: 300, site: [xa-a, xa-e]}\n  \
                    - {title: soon, from: +2m, to: +1h, delegates: 7, importance: low}\n";
    let timeline = "  - {at: 10s, site: xa-a, fault: power-cut, for: 30s}\n  \
                    - {at: 7m, site: xa-b, fault: power-cut, for: 60s}\n";
    let expect = "\n  - {cause: access, site: xa-a, severity: critical, begins: 10s, \
                  told-within: 9s, ends: 40s, resolved-within: 20s, messages: 2}\n  \
                  - {cause: access, site: xa-b, severity: warning, begins: 7m, told-within: 9s, \
                  ends: 8m, resolved-within: 20s, messages: 2}";
    let run = holds(&scenario(PROVINCE, calendar, timeline, expect));
    let delegates: Vec<u32> =
        run.told.iter().map(|(_, message)| message.alert.incident.delegates).collect();
    assert_eq!(delegates, [300, 300, 7, 7]);
}

/// The same sites hung up otherwise: every parent is one that stands before its child.
fn rewired(whole: &Topology, dice: &mut Dice) -> Topology {
    let mut topology = whole.clone();
    for site in &mut topology.sites {
        site.children.clear();
    }
    topology.levels = (0..9).map(|n| Level::named(&format!("t{n}"), "tầng", "level")).collect();
    for n in 1..topology.sites.len() {
        let parent = usize::try_from(dice.up_to(n as u64 - 1)).unwrap();
        let depth = topology.sites[parent].level.ix() + 1;
        topology.sites[n].parent = Some(SiteIx::new(parent));
        topology.sites[n].level = LevelIx::new(depth.min(8));
        topology.sites[parent].children.push(SiteIx::new(n));
    }
    topology
}

#[test]
fn a_site_whose_line_runs_elsewhere_now_is_told_apart_from_what_is_cut() {
    use NotificationKind::{Firing, Resolved};
    let (mut run, _) = Run::of(&scenario(PROVINCE, LIVE, NOTHING, "nothing"));
    let at = |run: &Run, id: &str| run.topology.find_site(&SiteId::new(id)).unwrap();
    let (cut, moves, to) = (at(&run, "khac"), at(&run, "xa-f"), at(&run, "huyen"));
    run.until(Duration::from_secs(10));
    let below = run.topology.subtree(cut);
    assert!(below.contains(&moves));
    for site in &below {
        run.world.place(run.now, Place::Site(*site, None), Fault::PowerCut);
    }
    run.until(Duration::from_secs(40));
    assert_eq!(run.told.len(), 1);
    let mut topology = run.topology.as_ref().clone();
    topology.sites[cut.ix()].children.retain(|site| *site != moves);
    topology.sites[to.ix()].children.push(moves);
    topology.sites[moves.ix()].parent = Some(to);
    let settings = run.config.settings.clone();
    run.reconfigure(topology, settings, SiteId::clone);
    run.until(Duration::from_secs(60));
    run.stop(Duration::from_secs(3));
    run.until(Duration::from_secs(90));
    let told: Vec<_> = run.told.iter().map(|(_, it)| (it.kind, &it.alert.incident)).collect();
    let [(Firing, wide), (Firing, own)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((wide.cause, wide.affected.len()), (Cause::Uplink, below.len()));
    assert_eq!((own.cause, own.site.as_ref().map(SiteId::as_str)), (Cause::Access, Some("xa-f")));
    let wide = &run.durable.incidents[&wide.id];
    assert_eq!(wide.affected_now().count(), below.len() - 1);
    assert_eq!(wide.of as usize, below.len() - 1);
    let unknown = |(_, key, health): &&(_, TargetKey, Health)| {
        key.endpoint.is_none() && key.site.as_str() == "xa-f" && *health == Health::Unknown
    };
    assert_eq!(run.changed.iter().find(unknown), None, "it was down all the time");
    for site in &below {
        run.world.lift(&Place::Site(*site, None), None);
    }
    run.until(Duration::from_secs(120));
    let ends: Vec<_> = run.told[2..].iter().map(|(_, it)| it.kind).collect();
    assert_eq!(ends, [Resolved, Resolved]);
    assert_eq!(run.complaints, [""; 0]);
}

#[test]
fn what_covers_none_of_its_sites_any_more_does_not_say_that_they_work_again() {
    use NotificationKind::{Firing, Resolved};
    for away in [false, true] {
        let (mut run, _) = Run::of(&scenario(PROVINCE, LIVE, NOTHING, "nothing"));
        let at = |run: &Run, id: &str| run.topology.find_site(&SiteId::new(id)).unwrap();
        let (node, to) = (at(&run, "khac"), at(&run, "huyen"));
        run.until(Duration::from_secs(10));
        let below = run.topology.subtree(node)[1..].to_vec();
        // The line below a site that answers.
        for site in &below {
            run.world.place(run.now, Place::Site(*site, None), Fault::PowerCut);
        }
        run.until(Duration::from_secs(40));
        let mut topology = run.topology.as_ref().clone();
        topology.sites[node.ix()].children.clear();
        topology.sites[to.ix()].children.extend(&below);
        for site in &below {
            topology.sites[site.ix()].parent = Some(to);
        }
        let settings = run.config.settings.clone();
        run.reconfigure(topology, settings, SiteId::clone);
        if away {
            run.stop(Duration::from_secs(3));
        }
        run.until(Duration::from_secs(60));
        let told: Vec<_> = run.told.iter().map(|(_, it)| (it.kind, &it.alert.incident)).collect();
        let wide = told.iter().find(|(kind, _)| *kind == Firing).unwrap().1;
        assert_eq!(wide.cause, Cause::Uplink);
        let ends = told.iter().filter(|(kind, it)| *kind == Resolved && it.id == wide.id);
        let ends: Vec<_> = ends.map(|(_, it)| it.resolution).collect();
        assert_eq!(ends, [Some(Resolution::Removed)], "{away}");
        let still = run.durable.incidents.values().filter(|it| it.is_open());
        let still: usize = still.map(|it| it.affected_now().count()).sum();
        assert_eq!(still, below.len(), "what is dark is explained anew");
        assert_eq!(run.complaints, [""; 0]);
    }
}

#[test]
fn a_reload_may_change_parents_ids_checks_and_channels_in_the_middle_of_incidents() {
    for seed in 0..150 {
        let mut dice = Dice::new(seed, 1);
        let dark = ["xa-a", "huyen", "khac", "xa-f"][usize::try_from(dice.up_to(3)).unwrap()];
        let timeline = format!(
            "  - {{at: 10s, subtree: {dark}, fault: power-cut, spread: 2s}}\n  \
             - {{at: 12s, site: xa-g, fault: device-off}}\n  \
             - {{at: 200s, everywhere: true, clear: all}}\n"
        );
        let scenario = scenario(PROVINCE, LIVE, &timeline, "nothing");
        let (mut run, steps) = Run::of(&scenario);
        let mut steps = steps.into_iter().peekable();
        let new = Channel { id: ChannelId::new("new"), ..run::settings().channels[0].clone() };
        for _ in 0..6 {
            let next = run.elapsed() + Duration::from_millis(1 + dice.up_to(40_000));
            while let Some(step) = steps.next_if(|step| step.at <= next) {
                run.until(step.at);
                run.act(&step.act);
            }
            run.until(next);
            let mut settings = run::settings();
            if dice.chance(0.5) {
                settings.channels.push(new.clone());
            }
            if dice.chance(0.3) {
                settings.hysteresis.fail_after = 1 + u32::try_from(dice.up_to(3)).unwrap();
                settings.correlation.wait = Duration::from_millis(dice.up_to(5_000));
            }
            let mut topology = run.topology.as_ref().clone();
            if dice.chance(0.6) {
                topology = rewired(&topology, &mut dice);
            }
            if dice.chance(0.3) {
                let gone = SiteIx::new(usize::try_from(dice.up_to(8)).unwrap());
                topology = run::leave_out(&topology, &[gone]);
            }
            if dice.chance(0.3) {
                let check = topology.checks[usize::try_from(dice.up_to(3)).unwrap()].id.clone();
                topology = run::select(&topology, |_| true, |_, _, other| *other != check);
            }
            if dice.chance(0.3) && !topology.sites.is_empty() {
                let at = usize::try_from(dice.up_to(topology.sites.len() as u64 - 1)).unwrap();
                let site = &mut topology.sites[at];
                topology.site_by_id.remove(&site.id);
                site.id = SiteId::new(format!("new-{}", site.id));
                topology.site_by_id.insert(site.id.clone(), SiteIx::new(at));
            }
            let was = |id: &SiteId| SiteId::new(id.as_str().trim_start_matches("new-"));
            run.reconfigure(topology, settings, was);
            if dice.chance(0.3) {
                run.act(&Act::Restart { away: Duration::from_secs(1), killed: true });
            }
        }
        for step in steps {
            run.until(step.at.max(run.elapsed()));
            run.act(&step.act);
        }
        let whole = run.topology.as_ref().clone();
        run.reconfigure(whole, run::settings(), SiteId::clone);
        run.until(run.elapsed() + Duration::from_secs(4500));
        assert_eq!(run.complaints, [""; 0], "seed {seed}");
        let snapshot = run.snapshot();
        let open: Vec<_> = snapshot.incidents.iter().filter(|i| i.is_open()).collect();
        assert!(open.is_empty(), "seed {seed}: {open:#?}");
        assert!(snapshot.sites.iter().all(|site| site.standing.hard == Health::Up), "seed {seed}");
        let mut on = std::collections::BTreeMap::new();
        for (at, message) in &run.told {
            let key = (message.alert.incident.id.clone(), message.channel.clone());
            let resolved = message.kind == NotificationKind::Resolved;
            let before: bool = on.insert(key, !resolved).unwrap_or(false);
            let fits = if message.kind == NotificationKind::Firing { !before } else { before };
            assert!(fits, "seed {seed}, {at:?}: {}", message.id);
        }
        // Whoever is no channel any more cannot be told.
        on.retain(|(_, channel), on| *on && channel.as_str() != "new");
        assert!(on.is_empty(), "seed {seed}: {on:?}");
    }
}

#[test]
fn whoever_is_being_asked_while_the_configuration_is_read_again_and_again_is_asked_on() {
    let timeline = "  - {at: 10s, everywhere: true, fault: power-cut}\n  \
                    - {at: 40s, everywhere: true, clear: all}\n";
    let quiet = scenario(PROVINCE, LIVE, timeline, "nothing");
    for every in [7, 40, 90, 300] {
        let (mut run, steps) = Run::of(&quiet);
        let mut steps = steps.iter().peekable();
        // While nobody answers there is always a probe of nearly everybody under way.
        for nth in 0..60 {
            while let Some(step) = steps.next_if(|step| step.at <= run.elapsed()) {
                run.act(&step.act);
            }
            run.until(Duration::from_secs(15) + Duration::from_millis(every) * nth);
            run.tell(Input::Reload(Arc::clone(&run.config)));
        }
        for step in steps {
            run.until(step.at);
            run.act(&step.act);
        }
        run.until(Duration::from_secs(45));
        let probes = |run: &mut Run| -> Vec<u32> {
            run.snapshot().targets.iter().map(|target| target.probes).collect()
        };
        let before = probes(&mut run);
        run.until(Duration::from_secs(110));
        let after = probes(&mut run);
        let forgotten = before.iter().zip(&after).filter(|(before, after)| before == after);
        assert_eq!(forgotten.count(), 0, "one reload in {every} ms");
        let snapshot = run.snapshot();
        let down = snapshot.sites.iter().filter(|s| s.standing.hard != Health::Up);
        assert_eq!(down.count(), 0, "one reload in {every} ms");
        assert_eq!(run.complaints, [""; 0]);
    }
}

#[test]
fn a_device_that_is_taken_out_is_not_said_to_work_again() {
    let (mut run, _) = Run::of(&scenario(PROVINCE, LIVE, NOTHING, "nothing"));
    let topology = Arc::clone(&run.topology);
    let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
    let codec = topology.endpoint(topology.site(at).endpoints[1]).id.clone();
    run.world.place(run.now, Place::Site(at, Some(codec.clone())), Fault::Firewall);
    run.until(Duration::from_secs(20));
    assert_eq!(run.told.len(), 1);
    let left = run::select(
        &topology,
        |_| true,
        |site, endpoint, _| site.id.as_str() != "xa-c" || *endpoint != codec,
    );
    let settings = run.config.settings.clone();
    run.reconfigure(left, settings, SiteId::clone);
    run.until(Duration::from_secs(60));
    let [_, (_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
    assert_eq!(message.kind, NotificationKind::Resolved);
    let how = message.alert.incident.resolution;
    assert_eq!(how, Some(Resolution::Removed));
}

#[test]
fn a_notice_ends_when_the_check_that_gave_it_is_taken_out() {
    for restarts in [false, true] {
        let (mut run, _) = Run::of(&scenario(PROVINCE, LIVE, NOTHING, "nothing"));
        let topology = Arc::clone(&run.topology);
        let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
        let codec = topology.endpoint(topology.site(at).endpoints[1]).id.clone();
        let ends = Fault::CertificateEnds { in_s: 72 * 3600 };
        run.world.place(run.now, Place::Site(at, Some(codec.clone())), ends);
        run.until(Duration::from_secs(150));
        let [(_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
        let check = message.alert.incident.check.clone().expect("which check it is");
        let there = |site: &str| site == "xa-c";
        let left = run::select(
            &topology,
            |_| true,
            |site, endpoint, asked| {
                !(there(site.id.as_str()) && *endpoint == codec && *asked == check)
            },
        );
        let settings = run.config.settings.clone();
        if restarts {
            run.stop(Duration::from_secs(1));
        }
        run.reconfigure(left, settings, SiteId::clone);
        run.until(Duration::from_secs(200));
        let [_, (_, message)] = &run.told[..] else { panic!("{:?}", run.told) };
        assert_eq!(message.kind, NotificationKind::Resolved);
        assert_eq!(message.alert.incident.resolution, Some(Resolution::Removed));
    }
}

#[test]
fn a_commune_that_can_be_asked_no_more_does_not_keep_the_uplink_open_that_took_it() {
    let (mut run, _) = Run::of(&scenario(PROVINCE, LIVE, NOTHING, "nothing"));
    let topology = Arc::clone(&run.topology);
    let district = topology.find_site(&SiteId::new("huyen")).unwrap();
    let lost = topology.find_site(&SiteId::new("xa-b")).unwrap();
    run.world.place(run.now, Place::Site(district, None), Fault::UplinkCut { says: None });
    run.until(Duration::from_secs(30));
    assert_eq!(kinds(&run), [(Cause::Uplink, NotificationKind::Firing)]);
    let asked = Arc::clone(&topology);
    run.tamper = Some(Box::new(move |_, target, _, sight| {
        if asked.target(target).site == lost {
            sight.result = Err(Failure::Local(LocalFailure::NoSuchName("xa-b".to_owned())));
            sight.took = Duration::ZERO;
        }
    }));
    run.until(Duration::from_secs(60));
    run.world.lift(&Place::Site(district, None), None);
    run.until(Duration::from_secs(150));
    let kinds = kinds(&run);
    let uplink: Vec<_> = kinds.iter().filter(|(cause, _)| *cause == Cause::Uplink).collect();
    assert_eq!(uplink.last(), Some(&&(Cause::Uplink, NotificationKind::Resolved)), "{kinds:?}");
}

#[test]
fn what_comes_back_after_the_session_is_no_longer_as_urgent_as_in_it() {
    let calendar = "sessions: [{title: x, from: -1m, to: +3m, delegates: 50}]\n";
    let (mut run, _) = Run::of(&scenario(PROVINCE, calendar, NOTHING, "nothing"));
    let topology = Arc::clone(&run.topology);
    let at = topology.find_site(&SiteId::new("xa-c")).unwrap();
    // What comes back as a warning is told once it has lasted.
    for (from, lasts) in [(10, 200), (1500, 800)] {
        run.until(Duration::from_secs(from));
        run.world.place(run.now, Place::Site(at, None), Fault::PowerCut);
        run.until(Duration::from_secs(from + lasts));
        run.world.lift(&Place::Site(at, None), None);
    }
    // The last message of what comes and goes may be an hour late.
    run.until(Duration::from_secs(6000));
    let told = run.told.iter().map(|(_, message)| &message.alert.incident);
    let told: Vec<_> = told.map(|it| (it.severity, it.delegates, it.session.is_some())).collect();
    let (on, after) = ((Severity::Critical, 50, true), (Severity::Warning, 0, false));
    assert_eq!(told, [on, on, after, after]);
    assert_eq!(run.told[0].1.alert.incident.id, run.told[3].1.alert.incident.id);
}

#[test]
fn a_site_with_nothing_to_ask_is_unknown_and_harms_nobody() {
    let (drawn, _) = Run::of(&scenario(PROVINCE, LIVE, "  - {at: 1s, reload: whole}\n", "nothing"));
    let topology = drawn.topology.as_ref();
    // A district of which only the name is known.
    let bare = topology.find_site(&SiteId::new("huyen")).unwrap();
    let kept = run::select(topology, |_| true, |site, _, _| site.id.as_str() != "huyen");
    let begins = "2026-03-02T01:00:00Z".parse().unwrap();
    let settings = run::settings();
    let config =
        Config { settings, topology: Arc::new(kept), sessions: Vec::new(), templates: Vec::new() };
    let world = World::new(Arc::clone(&config.topology), Nature::default());
    let mut run = Run::new(config, world, begins);
    run.until(Duration::from_secs(60));
    assert_eq!(run.snapshot().sites[bare.ix()].standing.hard, Health::Unknown);
    for site in ["xa-a", "xa-b", "xa-c", "xa-d"] {
        let site = run.topology.find_site(&SiteId::new(site)).unwrap();
        run.world.place(run.now, Place::Site(site, None), Fault::PowerCut);
    }
    run.until(Duration::from_secs(180));
    assert_eq!(kinds(&run), [(Cause::Uplink, NotificationKind::Firing)]);
    assert_eq!(run.told[0].1.alert.incident.site, Some(SiteId::new("huyen")));
}

#[test]
fn a_certificate_that_is_shown_once_is_no_news_whether_it_ends_or_not() {
    let one_in = |nth: u32, ends: &'static str, expect: &str| {
        let timeline = format!(
            "  - {{at: 10s, site: xa-a, endpoint: codec, fault: {{certificate-ends: {ends}}}}}\n"
        );
        let (mut run, steps) = Run::of(&scenario(PROVINCE, LIVE, &timeline, expect));
        let whole = Arc::clone(&run.topology);
        let site = whole.find_site(&SiteId::new("xa-a")).expect("a commune");
        let (mut seen, mut odd) = (0, 0);
        run.tamper = Some(Box::new(move |_, target, now, sight| {
            let Ok(reply) = &mut sight.result else { return };
            let certificate = match &mut reply.detail {
                Detail::Http(detail) => &mut detail.certificate,
                Detail::Sip(detail) => &mut detail.certificate,
                _ => return,
            };
            let Some(certificate) = certificate.as_mut() else { return };
            if whole.target(target).site == site {
                seen += 1;
                if seen == nth {
                    odd += 1;
                    let days = if ends == "+72h" { 365 } else { 3 };
                    certificate.not_after = now.wall + SignedDuration::from_hours(days * 24);
                }
            }
            assert!(odd <= 1);
        }));
        run.play(&steps, Duration::from_secs(600));
        kinds(&run)
    };
    let told = [(Cause::Certificate, NotificationKind::Firing)];
    for nth in 3..8 {
        assert_eq!(one_in(nth, "+9000h", "nothing"), [], "the {nth}th ends in three days");
        assert_eq!(one_in(nth, "+72h", "nothing"), told, "the {nth}th does not");
    }
}
